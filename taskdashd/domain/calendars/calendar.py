"""A calendar: its record, read and checked, and the answers to all that is asked of it. Rules only.

Moments are Unix seconds, to the millisecond. It is open whenever a clock on the wall shows a time
within the hours: an hour that comes twice counts twice, one that is skipped does not count. Where
a calendar is not known (past `until`, or closed for more than 400 days) its weekly hours hold, and
the days that it names past `until`; only what asks for a working day by its date is told that
nobody knows.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple, Self

from taskdash_protocol.errors import BadRequest
from taskdashd.domain.calendars.hours import (
    Dates,
    Hours,
    read_date,
    read_dates,
    read_week,
    write_dates,
    write_hours,
    write_week,
)
from taskdashd.domain.calendars.timeline import (
    CLOSED,
    FIRST_DAY,
    GAP_DAYS_MAX,
    LAST_DAY,
    Pieces,
    Plan,
    Timeline,
    date_of,
    day_of,
    lay,
)
from taskdashd.domain.calendars.zones import (
    DAY_MS,
    END_MS,
    moment_of,
    offset_at,
    stretches,
    zone_named,
)

USUAL_HOURS: Final = "Mon-Fri 09:00-18:00"
"""The hours of a calendar that was never set."""
_HOURS_MAX: Final = 30
"""Make-up days may have so many kinds of hours: each is a plan to be made."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A calendar as it is written and stored: what it says, and nothing that follows from it."""

    zone: str
    hours: str = USUAL_HOURS
    closed: tuple[str, ...] = ()
    """Days off."""
    open: tuple[str, ...] = ()
    """Days with hours of their own, or with those of a working day; they count where both do."""
    until: str = ""
    """The date up to which all days off are known; empty where that is always."""
    today: str = ""
    """The business day, where somebody moves it; empty where the clock does."""

    def changed(self, fields: Mapping[str, Any]) -> Self:
        """Give the sheet with other fields, those that are not None."""
        return replace(self, **{name: it for name, it in fields.items() if it is not None})

    def to_record(self) -> dict[str, Any]:
        """Give the record to store."""
        return {
            "zone": self.zone,
            "hours": self.hours,
            "closed": list(self.closed),
            "open": list(self.open),
            "until": self.until,
            "today": self.today,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read a stored record."""
        days = tuple(record["closed"]), tuple(record["open"])
        return cls(record["zone"], record["hours"], *days, record["until"], record["today"])


class State(NamedTuple):
    """Whether it is open, and the moment at which that changes; None where not in 400 days."""

    is_open: bool
    until: float | None


Mark = Literal["", "closed", "open", "unknown"]


class Day(NamedTuple):
    """A date with the hours that begin on it, and why they are not the usual ones."""

    day: date
    hours: str
    mark: Mark


class Calendar:
    """A calendar that can be asked. Raises `BadRequest` where its sheet is wrong."""

    def __init__(self, sheet: Sheet) -> None:
        try:
            self.zone = zone_named(sheet.zone)
        except ValueError as error:
            raise BadRequest(f"field zone: {error}") from None
        week = read_week(sheet.hours)
        closed = sorted(read_dates("closed", one, with_hours=False) for one in sheet.closed)
        opened = sorted(read_dates("open", one, with_hours=True) for one in sheet.open)
        until = read_date("until", sheet.until) if sheet.until else None
        self._today = read_date("today", sheet.today) if sheet.today else None
        self._until = LAST_DAY if until is None else day_of(until)
        self._closed, self._opened = _together(closed), _apart(opened)
        usual = Plan(week)
        pieces, self._gaps = lay(_pieces(usual, self._closed, self._opened), usual)
        self._timeline = Timeline(pieces)
        self.sheet = Sheet(
            sheet.zone,
            write_week(week),
            tuple(map(write_dates, closed)),
            tuple(map(write_dates, opened)),
            "" if until is None else f"{until}",
            "" if self._today is None else f"{self._today}",
        )
        """The sheet in its one form."""

    def state(self, at: float) -> State:
        """Tell whether it is open at a moment, and until when."""
        begin = _ms(at)
        is_open = self._is_open(begin, offset_at(self.zone, begin))
        end = min(begin + (GAP_DAYS_MAX + 1) * DAY_MS, END_MS)
        for stretch in stretches(self.zone, begin, end):
            if self._is_open(stretch.begin, stretch.offset) is not is_open:
                return State(is_open, stretch.begin / 1000)
            local, last = stretch.begin + stretch.offset, stretch.end + stretch.offset
            change = self._timeline.change(local, last, is_open=is_open)
            if change is not None:
                return State(is_open, (change - stretch.offset) / 1000)
        return State(is_open, None)

    def open_s(self, begin: float, end: float) -> float:
        """Give for how many seconds it was open between two moments."""
        first, last = _ms(begin), _ms(end)
        if last <= first:
            return 0.0
        opened = self._timeline.opened
        return (
            sum(
                opened(one.end + one.offset) - opened(one.begin + one.offset)
                for one in stretches(self.zone, first, last)
            )
            / 1000
        )

    def later(self, at: float, open_s: float) -> float:
        """Give the first moment from `at` on until which it was open for so many seconds."""
        begin, left = _ms(at), round(min(open_s, END_MS) * 1000)
        if left <= 0:
            return begin / 1000
        opened = self._timeline.opened
        for stretch in stretches(self.zone, begin, END_MS):
            before = opened(stretch.begin + stretch.offset)
            reached = self._timeline.reached(before + left)
            if reached is not None and reached <= stretch.end + stretch.offset:
                return min(reached - stretch.offset, END_MS) / 1000
            left -= opened(stretch.end + stretch.offset) - before
        return END_MS / 1000

    def days_later(self, at: float, days: int) -> float:
        """Give the moment so many working days after `at`, at the same time of the day.

        From a day off, the first working day after it counts as one day.
        """
        begin = _ms(at)
        if days <= 0:
            return begin / 1000
        day, rest = divmod(begin + offset_at(self.zone, begin), DAY_MS)
        found = self._timeline.workday(self._timeline.worked(day + 1) + days - 1)
        if found is None or found * DAY_MS >= END_MS:
            return END_MS / 1000
        return moment_of(self.zone, found * DAY_MS + rest) / 1000

    def local_date(self, at: float) -> date:
        """Give the date that it is there."""
        begin = _ms(at)
        return date_of((begin + offset_at(self.zone, begin)) // DAY_MS)

    def today(self, at: float) -> date:
        """Give the business day: the one that somebody has moved to, or else the date."""
        return self._today or self.local_date(at)

    def works(self, day: date) -> bool | None:
        """Tell whether a date is a working day; None where that is not known."""
        number = day_of(day)
        if not self._knows(number, number):
            return None
        return bool(self._hours(number))

    def next_day(self, day: date) -> date | None:
        """Give the next working day after a date; None where that is not known."""
        return self._known_day(day, self._timeline.worked(day_of(day) + 1))

    def previous_day(self, day: date) -> date | None:
        """Give the last working day before a date; None where that is not known."""
        return self._known_day(day, self._timeline.worked(day_of(day)) - 1)

    def known_to(self, day: date) -> date | None:
        """Give the date up to which all days from `day` on are known; None where all are.

        It lies before `day` where that itself is not known.
        """
        first = next((first for first, last in self._gaps if last >= day_of(day)), LAST_DAY + 1)
        known = min(self._until, first - 1)
        return None if known >= LAST_DAY else date_of(max(known, FIRST_DAY))

    def days(self, first: date, count: int) -> list[Day]:
        """Give so many dates with their hours, as far as there are dates."""
        begin = day_of(first)
        return [self._day(day) for day in range(begin, min(begin + count, LAST_DAY + 1))]

    def _day(self, day: int) -> Day:
        mark: Mark = ""
        if not self._knows(day, day):
            mark = "unknown"
        elif day in self._opened:
            mark = "open"
        elif day in self._closed:
            mark = "closed"
        return Day(date_of(day), write_hours(self._hours(day)), mark)

    def _hours(self, day: int) -> Hours:
        return self._timeline.plan(day).week[date_of(day).weekday()]

    def _is_open(self, moment: int, offset: int) -> bool:
        day, rest = divmod(moment + offset, DAY_MS)
        return any(begin <= rest < end for begin, end in self._timeline.ranges(day))

    def _known_day(self, day: date, number: int) -> date | None:
        found = self._timeline.workday(number)
        if found is None or not self._knows(*sorted((day_of(day), found))):
            return None
        return date_of(found)

    def _knows(self, first: int, last: int) -> bool:
        gaps = self._gaps
        return last <= self._until and not any(a <= last and first <= b for a, b in gaps)


class _Span(NamedTuple):
    """Days off or make-up days in a row, by their numbers."""

    first: int
    last: int
    hours: Hours


class _Spans:
    """Spans in order, none of which shares a day with another."""

    def __init__(self, spans: Sequence[_Span]) -> None:
        self.spans = spans
        self._firsts = [one.first for one in spans]

    def __contains__(self, day: int) -> bool:
        """Tell whether a day is in one of them."""
        index = bisect_right(self._firsts, day) - 1
        return index >= 0 and day <= self.spans[index].last


def _together(dates: Sequence[Dates]) -> _Spans:
    """Give days off; those that share a day are one span."""
    found: list[_Span] = []
    for first, last, hours in dates:
        one = _Span(day_of(first), day_of(last), hours)
        if found and one.first <= found[-1].last:
            found[-1] = one._replace(first=found[-1].first, last=max(one.last, found[-1].last))
        else:
            found.append(one)
    return _Spans(found)


def _apart(dates: Sequence[Dates]) -> _Spans:
    """Give make-up days. Raises `BadRequest` where one is named twice, or hours are too many."""
    if len({one.hours for one in dates}) > _HOURS_MAX:
        raise BadRequest(f"field open: there are more than {_HOURS_MAX} kinds of hours")
    for before, after in pairwise(dates):
        if after.first <= before.last:
            raise BadRequest(f"field open: {after.first} stands there twice")
    return _Spans([_Span(day_of(first), day_of(last), hours) for first, last, hours in dates])


def _pieces(usual: Plan, closed: _Spans, opened: _Spans) -> Pieces:
    """Give the pieces of a timeline: the usual weeks, days off, and over both the make-up days."""
    working = next(hours for hours in usual.week if hours)
    # A make-up day without hours, on a weekend, has those of the first working day of the week.
    plans = {hours: Plan((hours,) * 7) for hours in {one.hours for one in opened.spans}}
    plans[()] = Plan(tuple(hours or working for hours in usual.week))
    off, up = deque(closed.spans), deque(opened.spans)
    edges = {edge for first, last, _ in (*off, *up) for edge in (first, last + 1)}
    pieces: Pieces = []
    for day in sorted({FIRST_DAY, *edges}):
        while off and off[0].last < day:
            off.popleft()
        while up and up[0].last < day:
            up.popleft()
        plan = CLOSED if off and off[0].first <= day else usual
        if up and up[0].first <= day:
            plan = plans[up[0].hours]
        if day <= LAST_DAY and (not pieces or pieces[-1][1] is not plan):
            pieces.append((day, plan))
    return pieces


def _ms(at: float) -> int:
    return round(min(max(at * 1000, 0), END_MS))
