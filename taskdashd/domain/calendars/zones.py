"""Time zones by their names, and the stretches of time in which a zone's clocks stay as they are.

Moments are milliseconds since 1970, in UTC or as a zone's clocks show them.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Zone = ZoneInfo | timezone

DAY_MS: Final = 86_400_000
END_MS: Final = 253_370_764_800_000
"""The first moment of the year 9999: what lies beyond is given as this. None lies before 1970."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+_-]*(/[A-Za-z0-9+_-]+){0,2}")
_NO_ZONES: Final = frozenset(("right", "posix", "localtime", "posixrules", "Factory"))
"""Entries of the tz database that are no zones of a place, or count leap seconds."""
STEP_DAYS: Final = 6
"""A zone's clocks are looked at so often: none has changed and changed back within less since 1970.

Sunday to Sunday is the shortest yet; a test looks at all zones.
"""
_STEP_S: Final = STEP_DAYS * 86_400
_BLOCK_S: Final = 61 * _STEP_S
_EXACT_BLOCKS: Final = 25
_BLOCKS_KEPT: Final = 8_192
_MS: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1)  # what a clock on a wall shows has no zone


class Stretch(NamedTuple):
    """A stretch of time in which the clocks of a zone stay so far ahead of UTC."""

    begin: int
    end: int
    offset: int


def zone_named(name: str) -> Zone:
    """Give the zone of an IANA name. Raises `ValueError` where this machine knows none."""
    if _NAME.fullmatch(name) is None or name.partition("/")[0] in _NO_ZONES:
        raise ValueError(f"{name!r} is no time zone: it has a name as in Europe/Berlin or UTC")
    if name in ("UTC", "Etc/UTC"):
        # A machine without the tz database has at least this one.
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"the time zone {name!r} is not known here: it has a name as in Europe/Berlin"
            " (the package tzdata has them all)"
        ) from None


def offset_at(zone: tzinfo, moment: int) -> int:
    """Give how far the clocks of a zone are ahead of UTC at a moment of UTC."""
    return _ahead(zone, moment // 1000) // _MS


def moment_of(zone: tzinfo, local: int) -> int:
    """Give the moment at which a zone's clocks show a time.

    Of a time that comes twice that is the first; one that is skipped counts as if the clocks had
    not been put forward yet.
    """
    shown = (_EPOCH + timedelta(milliseconds=local)).replace(tzinfo=zone)
    ahead = shown.utcoffset()
    assert ahead is not None
    return local - ahead // _MS


def stretches(zone: tzinfo, begin: int, end: int) -> Iterator[Stretch]:
    """Give the stretches from one moment of UTC to another, each the next.

    After 25 years the clocks stay as they are, or a question about the far future would hold up
    the event loop. What is counted in hours is then wrong by an hour a year at most.
    """
    first = begin // (_BLOCK_S * 1000)
    for index in range(first, first + _EXACT_BLOCKS):
        for stretch in _block(zone, index):
            if stretch.end > begin:
                yield Stretch(max(begin, stretch.begin), min(end, stretch.end), stretch.offset)
            if stretch.end >= end:
                return
    yield Stretch(stretch.end, end, stretch.offset)


@lru_cache(maxsize=_BLOCKS_KEPT)
def _block(zone: tzinfo, index: int) -> tuple[Stretch, ...]:
    """Find the stretches of about a year."""
    begin, end = index * _BLOCK_S, (index + 1) * _BLOCK_S
    found: list[Stretch] = []
    since, ahead = begin, _ahead(zone, begin)
    for before in range(begin, end, _STEP_S):
        after = min(before + _STEP_S, end - 1)
        while _ahead(zone, after) != ahead:
            change = _change(zone, max(before, since), after, ahead)
            found.append(Stretch(since * 1000, change * 1000, ahead // _MS))
            since, ahead = change, _ahead(zone, change)
    return (*found, Stretch(since * 1000, end * 1000, ahead // _MS))


def _change(zone: tzinfo, before: int, after: int, ahead: timedelta) -> int:
    """Find the first second that is not so far ahead of UTC: `before` is, `after` is not."""
    while after - before > 1:
        middle = (before + after) // 2
        if _ahead(zone, middle) == ahead:
            before = middle
        else:
            after = middle
    return after


def _ahead(zone: tzinfo, second: int) -> timedelta:
    ahead = datetime.fromtimestamp(second, zone).utcoffset()
    assert ahead is not None
    return ahead
