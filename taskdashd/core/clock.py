"""The daemon's two times: running time, which only grows, for liveness; wall time for people."""

from collections import deque
from collections.abc import Callable
from typing import Final

from taskdashd.domain.times import stamp

STALL_S: Final = 0.1
"""A tick that comes so many idle seconds late shows that the daemon itself stood still."""
_STALLS_KEPT: Final = 16
_DRIFT_S: Final = 0.005


class Clock:
    """Running time, which is monotonic seconds without the daemon's own stalls, and the wall clock.

    While the process is stopped or starved it reads no beats, so silence measured across the gap
    would kill tasks that live. The next tick comes late: all of the gap that the event loop did not
    spend working (by its thread's processor time) is then taken out of running time. When in the
    gap the stall began is not known: a death may come late by a tick, but never early. A loop that
    is merely busy is no stall, or a busy daemon would never see time pass. A jump of the wall clock
    changes nothing but the stamps.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        worked: Callable[[], float],
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._worked = worked
        self._worked_at_tick = worked()
        self._stalled_s = 0.0
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_STALLS_KEPT)
        """Recent stalls: each one's moment in running time, and the seconds of all before it."""
        self._ticked_at = monotonic()
        self._wall_offset_s = wall() - monotonic()
        self._stamped = (-1.0, "")
        self._stamped_now = (-1, "")
        self.started = self.now()
        """The daemon's start, in running time."""
        self.started_at = self.stamp()

    def now(self) -> float:
        """Seconds of running time; only differences mean anything."""
        return self._monotonic() - self._stalled_s

    def wall(self) -> float:
        """Unix seconds, which may jump."""
        return self._wall()

    def tick(self, expected_s: float) -> float:
        """Note that the daemon runs; `expected_s` is the wait that was meant since the last tick.

        Returns the seconds of a stall found in that gap, else 0.
        """
        monotonic = self._monotonic()
        gap = monotonic - self._ticked_at
        worked = self._worked()
        idle = gap - (worked - self._worked_at_tick)
        self._ticked_at, self._worked_at_tick = monotonic, worked
        if idle - expected_s <= STALL_S:
            return 0.0
        self._stalls.append((self.now() - idle, self._stalled_s))
        self._stalled_s += idle
        self._stamped = (-1.0, "")
        return idle

    def stamp(self) -> str:
        """Write this moment as RFC 3339 in UTC with milliseconds."""
        # Keep the last text: under load many writes share a millisecond.
        milliseconds = int(self._wall() * 1000)
        if milliseconds != self._stamped_now[0]:
            self._stamped_now = (milliseconds, stamp(milliseconds / 1000))
        return self._stamped_now[1]

    def stamp_of(self, running: float) -> str:
        """Write a moment of running time as `stamp` does; the same moment gives the same text.

        A jump of the wall clock changes the text. Before the last few stalls it is a guess.
        """
        if running == self._stamped[0]:
            return self._stamped[1]
        offset = self._wall() - self._monotonic()
        if abs(offset - self._wall_offset_s) > _DRIFT_S:
            self._wall_offset_s = offset
        self._stamped = (
            running,
            stamp(self._wall_offset_s + running + self._stalled_before(running)),
        )
        return self._stamped[1]

    def _stalled_before(self, running: float) -> float:
        for at, stalled_s in self._stalls:
            if running < at:
                return stalled_s
        return self._stalled_s
