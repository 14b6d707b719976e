"""Requests about calendars: when people work."""

from dataclasses import dataclass
from typing import Any, Final

from taskdash_protocol.readers import boolean, date, text, texts
from taskdash_protocol.request import Request

CALENDARS_MAX: Final = 100
NAME_CHARACTERS_MAX: Final = 64
NAME: Final = (r"[\w.-]+", "letters, digits and any of . - _")
"""The pattern of a calendar's name, and its description for people."""
_DATES_MAX: Final = 1000
_DATES_CHARACTERS_MAX: Final = 128


def _dates(meaning: str) -> Any:
    limit = _DATES_CHARACTERS_MAX
    return texts(meaning, characters_max=limit, many_max=_DATES_MAX, default=None)


@dataclass(frozen=True, slots=True)
class Calendars(Request):
    """Ask when people work.

    Reply: `calendars`, `office` (the name of the one that holds for whoever names none), `mine` (of
    the one that holds for you). Each has `name`, `set`, `zone`, `hours`, `until` and `today`, as in
    SetCalendar. The office's is there also where it was never set: Monday to Friday, 9 to 18, in
    the zone of the daemon's machine, and `set` is false. One that is asked for by its name also has
    `closed`, `open`, `day` (the business day), `now` (`open`, and `until` when; null if for more
    than 400 days), `known_to` (the date up to which all days are known; empty if for ever), `fault`
    (why it is not as it was set, or empty), and `days`, each with `date`, `hours` and `mark`:
    `closed`, `open`, `unknown`, or empty.
    """

    request_id = "Calendars"

    name: str = text(
        "Only this one, with its days.",
        characters_max=NAME_CHARACTERS_MAX,
        words=NAME,
        default="",
    )
    week: str = date(
        "A date in the first of the two weeks whose days are told; without it, today.", default=""
    )


@dataclass(frozen=True, slots=True)
class SetCalendar(Request):
    """Make or change a calendar: operators; what is left out stays.

    Reply: the calendar, as in Calendars by its name, without `days`.
    """

    request_id = "SetCalendar"

    name: str = text(
        "What it is called.", characters_max=NAME_CHARACTERS_MAX, empty=False, words=NAME
    )
    zone: str | None = text(
        "The IANA name of its time zone; of a new one, the zone of the daemon's machine.",
        characters_max=64,
        default=None,
    )
    hours: str | None = text(
        "The weekly hours, as in Mon-Fri 09:00-12:00 13:00-18:00; Sat 22:00-06:00.",
        characters_max=500,
        default=None,
    )
    closed: tuple[str, ...] | None = _dates("Days off, as in 2027-02-06..2027-02-12 or 2027-04-05.")
    open: tuple[str, ...] | None = _dates(
        "Days with hours of their own, as in 2027-02-20 09:00-12:00, or with those of a working"
        " day; they count also where they are in closed."
    )
    until: str | None = date(
        "Up to which date all days off are known; empty: always.", default=None
    )
    today: str | None = date(
        "The business day, or next; empty: it is the date there.", "next", default=None
    )
    from_: str = date("With today: only if this is the business day so far.", default="")
    remove: bool = boolean("It is not needed any more.", default=False)
