"""The open time of all dates in a row, as a clock on the wall shows it: zones do not exist here.

A timeline is made of *pieces*, each some dates that follow one weekly plan: the usual weeks, days
off, make-up days. Sums over whole pieces are kept, so no question walks from date to date through
years. Days count from 1970-01-01, times are milliseconds since its beginning.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import accumulate, pairwise
from typing import Final

from taskdashd.domain.calendars.hours import DAY_MIN, Week
from taskdashd.domain.calendars.zones import DAY_MS

Ranges = tuple[tuple[int, int], ...]
"""Parts of one date, in milliseconds since it began: in order, and none touches the next."""

GAP_DAYS_MAX: Final = 400
"""What is closed for longer counts as not known: nobody plans that far."""

_EPOCH: Final = date(1970, 1, 1).toordinal()
FIRST_DAY: Final = date.min.toordinal() - _EPOCH
LAST_DAY: Final = date.max.toordinal() - _EPOCH
_MINUTE_MS: Final = 60_000


def day_of(one: date) -> int:
    """Give the number of a date."""
    return one.toordinal() - _EPOCH


def date_of(day: int) -> date:
    """Give the date of a number."""
    return date.fromordinal(day + _EPOCH)


def weekday(day: int) -> int:
    """Give the weekday of a date by its number: Monday is 0."""
    return (day + 3) % 7


def _joined(before: Week, week: Week, index: int) -> Ranges:
    """Give what is open on a weekday, with what lasts from the day before by another week."""
    night = [(0, end - DAY_MIN) for _, end in before[index - 1] if end > DAY_MIN]
    found: list[tuple[int, int]] = []
    for begin, end in sorted([*night, *week[index]]):
        end = min(end, DAY_MIN)
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return tuple((begin * _MINUTE_MS, end * _MINUTE_MS) for begin, end in found)


def _length(ranges: Ranges) -> int:
    return sum(end - begin for begin, end in ranges)


def _first(before: "Plan", plan: "Plan", index: int) -> Ranges:
    if not before.has_nights and not plan.has_nights:
        return plan.ranges[index]
    return _joined(before.week, plan.week, index)


class Plan:
    """The hours of dates that all follow one week, and their sums."""

    __slots__ = ("has_nights", "opened", "ranges", "week", "worked")

    def __init__(self, week: Week) -> None:
        self.week = week
        self.has_nights = any(hours and hours[-1][1] > DAY_MIN for hours in week)
        """Whether it is open past some midnight."""
        # A thousand make-up days may have a plan each: do for them what a day needs, not a week.
        days = 1 if week.count(week[0]) == len(week) else 7
        ranges = [_joined(week, week, day) for day in range(days)]
        lengths = list(map(_length, ranges))
        self.ranges = ranges * (7 // days)
        """By weekday, also what lasts from the date before."""
        self.opened = list(accumulate(lengths * (14 // days), initial=0))
        """The open milliseconds of so many dates, from a Monday on."""
        self.worked = list(accumulate([1 if hours else 0 for hours in week] * 2, initial=0))
        """The working days of so many dates, from a Monday on."""


CLOSED: Final = Plan(((),) * 7)
"""The plan of days off."""

Pieces = list[tuple[int, Plan]]
"""The first day of each piece, and its plan."""


class Timeline:
    """The pieces from the first date to the last."""

    def __init__(self, pieces: Pieces) -> None:
        self._starts = [start for start, _ in pieces]
        self._plans = [plan for _, plan in pieces]
        self._firsts = [
            _first(before, plan, weekday(start))
            for before, (start, plan) in zip([pieces[0][1], *self._plans], pieces, strict=False)
        ]
        """What is open on the first date of each piece: some may last from the piece before."""
        opened, worked = [0], [0]
        for first, (start, end, plan) in zip(self._firsts, _bounds(pieces), strict=True):
            days = _sum(plan.opened, start + 1, end - start)
            opened.append(opened[-1] + _length(first) + days)
            worked.append(worked[-1] + _sum(plan.worked, start, end - start + 1))
        self._opened, self._worked = opened, worked
        """Before each piece, and before the end of time."""

    def ranges(self, day: int) -> Ranges:
        """Give what is open on a date, also what lasts from the date before."""
        index = self._piece(day)
        if day == self._starts[index]:
            return self._firsts[index]
        return self._plans[index].ranges[weekday(day)]

    def plan(self, day: int) -> Plan:
        """Give the plan of a date."""
        return self._plans[self._piece(day)]

    def opened(self, at: int) -> int:
        """Give how long it was open before a time."""
        day, rest = divmod(at, DAY_MS)
        index = self._piece(day)
        start, plan = self._starts[index], self._plans[index]
        total = self._opened[index]
        today = self._firsts[index]
        if day > start:
            total += _length(today) + _sum(plan.opened, start + 1, day - start - 1)
            today = plan.ranges[weekday(day)]
        return total + sum(min(end, rest) - begin for begin, end in today if begin < rest)

    def reached(self, opened: int) -> int | None:
        """Give the first time before which it was open for so long, which is more than nothing."""
        index = bisect_left(self._opened, opened) - 1
        if index >= len(self._starts):
            return None
        left, day = opened - self._opened[index], self._starts[index]
        today = self._firsts[index]
        if left > (first := _length(today)):
            plan = self._plans[index]
            day, left = _find(plan.opened, day + 1, left - first)
            today = plan.ranges[weekday(day)]
        for begin, end in today:
            if left <= end - begin:
                return day * DAY_MS + begin + left
            left -= end - begin
        raise AssertionError("the sums of a timeline do not fit its ranges")

    def worked(self, day: int) -> int:
        """Count the working days before a date: those on which hours begin."""
        index = self._piece(day)
        start = self._starts[index]
        return self._worked[index] + _sum(self._plans[index].worked, start, day - start)

    def workday(self, number: int) -> int | None:
        """Give the working day before which there are `number` others; None beyond the last."""
        if not 0 <= number < self._worked[-1]:
            return None
        index = bisect_right(self._worked, number) - 1
        left = number + 1 - self._worked[index]
        return _find(self._plans[index].worked, self._starts[index], left)[0]

    def change(self, at: int, end: int, *, is_open: bool) -> int | None:
        """Give the first time from `at` on, and before `end`, at which it is not as `is_open` says.

        It is so at `at`.
        """
        while at < end:
            day, rest = divmod(at, DAY_MS)
            for begin, until in self.ranges(day):
                if is_open and begin <= rest < until:
                    rest = until
                elif not is_open and rest < until:
                    found = day * DAY_MS + max(begin, rest)
                    return found if found < end else None
            if is_open and rest < DAY_MS:
                found = day * DAY_MS + rest
                return found if found < end else None
            at = (day + 1) * DAY_MS
        return None

    def _piece(self, day: int) -> int:
        return bisect_right(self._starts, day) - 1


def lay(pieces: Pieces, usual: Plan) -> tuple[Pieces, list[tuple[int, int]]]:
    """Put the usual weeks where it is closed for more than 400 days; also give where that is."""
    gaps: list[tuple[int, int]] = []
    last = FIRST_DAY - 1
    for start, end, plan in _bounds(pieces):
        days = _workdays(plan, start, end)
        if days is not None:
            if days[0] - last > GAP_DAYS_MAX:
                gaps.append((last + 1, days[0] - 1))
            last = days[1]
    if LAST_DAY - last > GAP_DAYS_MAX:
        gaps.append((last + 1, LAST_DAY))
    laid: Pieces = []
    for start, end, plan in _bounds(pieces):
        index = bisect_right(gaps, (start, LAST_DAY)) - 1
        if index >= 0 and end <= gaps[index][1]:
            plan = usual
        if not laid or laid[-1][1] is not plan:
            laid.append((start, plan))
    return laid, gaps


def _bounds(pieces: Pieces) -> Iterator[tuple[int, int, Plan]]:
    for (start, plan), (after, _) in pairwise([*pieces, (LAST_DAY + 1, CLOSED)]):
        yield start, after - 1, plan


def _workdays(plan: Plan, start: int, end: int) -> tuple[int, int] | None:
    """Give the first and the last working day of a piece; None where it has none."""
    count = _sum(plan.worked, start, end - start + 1)
    if not count:
        return None
    return _find(plan.worked, start, 1)[0], _find(plan.worked, start, count)[0]


def _sum(sums: Sequence[int], start: int, days: int) -> int:
    """Sum over so many dates from `start` on, by the sums of two weeks."""
    weeks, rest = divmod(days, 7)
    first = weekday(start)
    return weeks * sums[7] + sums[first + rest] - sums[first]


def _find(sums: Sequence[int], start: int, wanted: int) -> tuple[int, int]:
    """Give the date from `start` on with which the sum reaches `wanted`, and its share of that."""
    weeks, left = divmod(wanted - 1, sums[7])
    first = weekday(start)
    days = bisect_right(sums, sums[first] + left) - 1 - first
    return start + weeks * 7 + days, left + 1 - (sums[first + days] - sums[first])
