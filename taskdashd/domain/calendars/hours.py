"""Hours and dates as people write them: read, checked, and written in one form.

`Mon-Fri 09:00-12:00 13:00-18:00; Sat 22:00-06:00` are hours of the week. Hours past midnight belong
to the day on which they begin. `2027-02-06..2027-02-12` and `2027-02-14 09:00-12:00` are dates.
"""

import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from taskdash_protocol.errors import BadRequest

Hours = tuple[tuple[int, int], ...]
"""What is open of a day, in minutes since it began; an end above 1,440 is on the day after."""
Week = tuple[Hours, ...]
"""The hours of the seven weekdays, Monday first."""

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MIN: Final = 1440
RANGES_MAX: Final = 6
"""Hours of one day may be so many ranges."""

_INDEX: Final = {name.lower(): index for index, name in enumerate(WEEKDAYS)}
_SPAN: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CHARACTERS_SHOWN: Final = 40


class Dates(NamedTuple):
    """Dates from one to another; where they name hours, those hold instead of the week's."""

    first: date
    last: date
    hours: Hours = ()


def read_week(text: str) -> Week:
    """Read the hours of a week. Raises `BadRequest`."""
    week: list[Hours] = [()] * 7
    for part in filter(str.strip, text.split(";")):
        words = _words(part)
        spans = [word for word in words if _SPAN.fullmatch(word)]
        days = words[: len(words) - len(spans)]
        if not days or not spans or words[len(days) :] != spans:
            raise BadRequest(
                f"field hours: {_shown(part)} must be days and then hours, as in"
                " Mon-Fri 09:00-12:00 13:00-18:00"
            )
        hours = _hours("hours", tuple(spans))
        for index in (one for day in days for one in _weekdays(day)):
            if week[index]:
                raise BadRequest(
                    f"field hours: {WEEKDAYS[index]} stands there twice: say all its hours in one"
                    " part"
                )
            week[index] = hours
    if not any(week):
        raise BadRequest("field hours must name the hours of a day, as in Mon-Fri 09:00-18:00")
    return tuple(week)


def write_week(week: Week) -> str:
    """Write the hours of a week as `read_week` reads them."""
    parts: dict[Hours, list[int]] = {}
    for index, hours in enumerate(week):
        if hours:
            parts.setdefault(hours, []).append(index)
    return "; ".join(f"{_runs(days)} {write_hours(hours)}" for hours, days in parts.items())


def read_dates(field: str, text: str, *, with_hours: bool) -> Dates:
    """Read a date, or two with what is between them, and their hours. Raises `BadRequest`."""
    days, _, spans = text.strip().partition(" ")
    first, dots, last = days.partition("..")
    begin = read_date(field, first)
    end = read_date(field, last) if dots else begin
    if end < begin:
        raise BadRequest(f"field {field}: {_shown(text)} ends before it begins")
    if not spans:
        return Dates(begin, end)
    if not with_hours:
        raise BadRequest(f"field {field}: {_shown(text)} has hours: only days in open have them")
    return Dates(begin, end, _hours(field, tuple(_words(spans))))


def write_dates(dates: Dates) -> str:
    """Write dates as `read_dates` reads them."""
    first, last, hours = dates
    days = f"{first}" if first == last else f"{first}..{last}"
    return f"{days} {write_hours(hours)}" if hours else days


def read_date(field: str, text: str) -> date:
    """Read a date. Raises `BadRequest`."""
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        # A text with the form of a date may name a day that its month does not have: say the same.
        pass
    raise BadRequest(f"field {field}: {_shown(text)} is no date, as in 2027-02-06")


@lru_cache
def write_hours(hours: Hours) -> str:
    """Write hours as people do: 24:00 ends a day."""
    return " ".join(f"{_time(begin)}-{_time(end)}" for begin, end in hours)


def _time(minutes: int) -> str:
    minutes -= DAY_MIN if minutes > DAY_MIN else 0
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _words(text: str) -> list[str]:
    return re.split(r"[\s,]+", text.strip(" ,"))


@lru_cache
def _hours(field: str, words: tuple[str, ...]) -> Hours:
    if len(words) > RANGES_MAX:
        raise BadRequest(f"field {field}: a day has at most {RANGES_MAX} ranges of hours")
    hours = sorted(_range(field, word) for word in words)
    for before, after in pairwise(hours):
        if after[0] < before[1]:
            both = write_hours((before, after))
            raise BadRequest(f"field {field}: of the hours {both} one begins within the other")
    return tuple(hours)


def _range(field: str, word: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(word)
    if found is None:
        raise BadRequest(f"field {field}: {_shown(word)} is no range of hours, as in 09:00-18:00")
    from_h, from_min, to_h, to_min = map(int, found.groups())
    begin, end = from_h * 60 + from_min, to_h * 60 + to_min
    if from_min > 59 or to_min > 59 or begin >= DAY_MIN or end > DAY_MIN or begin == end:
        raise BadRequest(
            f"field {field}: {word} is no range of hours: 00:00-24:00 is all day, 22:00-06:00 ends"
            " on the day after"
        )
    return begin, end if end > begin else end + DAY_MIN


def _weekdays(word: str) -> list[int]:
    first, dash, last = word.lower().partition("-")
    if first not in _INDEX or (dash and last not in _INDEX):
        raise BadRequest(
            f"field hours: {_shown(word)} is neither a day nor hours: days are"
            f" {', '.join(WEEKDAYS)}"
        )
    begin = _INDEX[first]
    days = (_INDEX[last] - begin) % 7 if dash else 0
    return [(begin + index) % 7 for index in range(days + 1)]


def _runs(days: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    names = [[WEEKDAYS[day] for day in run] for run in runs]
    return ",".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in names)


def _shown(text: str) -> str:
    return repr(text.strip()[:_CHARACTERS_SHOWN])
