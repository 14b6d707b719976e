"""The two times the daemon knows: one for liveness that only grows, one for people."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

STALL_S: Final = 1.0
"""A gap between two ticks that is longer is a stall of the daemon itself."""


class Clock:
    """Monotonic seconds during which this daemon was running, and the wall clock.

    If the process was stopped or starved, the gap between two ticks shows it, and all of the gap
    but one tick is taken out of the time that liveness sees: nobody's silence is measured by it.
    A jump of the wall clock changes nothing but the stamps.
    """

    def __init__(
        self, monotonic: Callable[[], float], wall: Callable[[], float], tick_s: float
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._tick_s = tick_s
        self._stalled_s = 0.0
        self._ticked_at = monotonic()

    def now(self) -> float:
        """Seconds of running time; only differences mean anything."""
        return self._monotonic() - self._stalled_s

    def tick(self) -> float:
        """Note that the daemon runs; returns the seconds of a stall just found, else 0."""
        monotonic = self._monotonic()
        gap = monotonic - self._ticked_at
        self._ticked_at = monotonic
        if gap <= STALL_S:
            return 0.0
        self._stalled_s += gap - self._tick_s
        return gap

    def stamp(self, running: float | None = None) -> str:
        """Write a moment, by default this one, as RFC 3339 in UTC with milliseconds."""
        seconds = self._wall()
        if running is not None:
            seconds -= self.now() - running
        return stamp(seconds)


def stamp(seconds: float) -> str:
    """Write Unix seconds as RFC 3339 in UTC with milliseconds: always 24 characters."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:23] + "Z"
