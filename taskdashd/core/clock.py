"""The daemon's three times: running time for liveness, elapsed time for durations, wall time."""

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from taskdashd.domain.times import stamp

STALL_S: Final = 0.1
"""A tick that comes so many idle seconds late shows that the daemon itself stood still."""
_STALLS_KEPT: Final = 16
_STAMPS_KEPT: Final = 1024
_DRIFT_S: Final = 0.005
_JUMP_S: Final = 60.0
"""A wall clock that is set by more than this has jumped; by less, it was put right."""


class Clock:
    """Running time, elapsed time and the wall clock.

    Running time is monotonic seconds without the daemon's own stalls. While the process is stopped
    or starved it reads no beats, so silence measured across the gap would kill tasks that live. The
    next tick comes late: all of the gap that the event loop did not spend working (by its thread's
    processor time) is then taken out of running time. When in the gap the stall began is not known:
    a death may come late by a tick, but never early. A loop that is merely busy is no stall, or a
    busy daemon would never see time pass.

    Elapsed time is what passes for people: it goes on while the daemon stands still, and also while
    the machine sleeps. Whoever was given a task for two hours has it for two hours.

    A jump of the wall clock changes neither of them, only the stamps.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        worked: Callable[[], float],
        elapsed: Callable[[], float],
    ) -> None:
        self._monotonic = monotonic
        self.elapsed = elapsed
        """Seconds of elapsed time; only differences mean anything."""
        self._steady_since = elapsed()
        self._seen_ahead_s = wall() - elapsed()
        self._wall = wall
        self._worked = worked
        self._worked_at_tick = worked()
        self._stalled_s = 0.0
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_STALLS_KEPT)
        """Recent stalls: each one's moment in running time, and the seconds of all before it."""
        self._ticked_at = monotonic()
        self._wall_offset_s = wall() - monotonic()
        self._stamps: dict[float, str] = {}
        """The texts of moments of running time: few owners are asked about by many."""
        self._stamped_now = (-1, "")
        self.turns = 0
        """How often `stamp_of` has begun to give other texts of the same moments."""
        self.started = self.now()
        """The daemon's start, in running time."""
        self.started_at = self.stamp()

    @classmethod
    def of_machine(cls) -> Self:
        """Give the machine's clocks. To be called on the event loop's thread.

        The processor time of that thread tells a busy loop from a stalled process. Time elapses
        also while the machine sleeps, in which CLOCK_MONOTONIC stands still.
        """
        elapsed = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        return cls(time.monotonic, time.time, time.thread_time, elapsed)

    def now(self) -> float:
        """Seconds of running time; only differences mean anything."""
        return self._monotonic() - self._stalled_s

    def wall(self) -> float:
        """Unix seconds, which may jump."""
        return self._wall()

    def steady_s(self) -> float:
        """Give the seconds since the start, or since the wall clock was last seen to have jumped.

        A jump is noticed by two calls, one before it and one after.
        """
        elapsed = self.elapsed()
        ahead_s = self._wall() - elapsed
        if abs(ahead_s - self._seen_ahead_s) > _JUMP_S:
            self._steady_since = elapsed
        self._seen_ahead_s = ahead_s
        return elapsed - self._steady_since

    def tick(self, expected_s: float) -> float:
        """Note that the daemon runs; `expected_s` is the wait that was meant since the last tick.

        Returns the seconds of a stall found in that gap, else 0.
        """
        self._follow_wall()
        monotonic = self._monotonic()
        gap = monotonic - self._ticked_at
        worked = self._worked()
        idle = gap - (worked - self._worked_at_tick)
        self._ticked_at, self._worked_at_tick = monotonic, worked
        if idle - expected_s <= STALL_S:
            return 0.0
        self._stalls.append((self.now() - idle, self._stalled_s))
        self._stalled_s += idle
        self._forget_stamps()
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

        A jump of the wall clock changes the text, a tick later at the latest. Before the last few
        stalls it is a guess.
        """
        text = self._stamps.get(running)
        if text is None:
            self._follow_wall()
            if len(self._stamps) >= _STAMPS_KEPT:
                self._stamps.clear()
            text = stamp(self._wall_offset_s + running + self._stalled_before(running))
            self._stamps[running] = text
        return text

    def _follow_wall(self) -> None:
        offset = self._wall() - self._monotonic()
        if abs(offset - self._wall_offset_s) > _DRIFT_S:
            self._wall_offset_s = offset
            self._forget_stamps()

    def _forget_stamps(self) -> None:
        self._stamps.clear()
        self.turns += 1

    def _stalled_before(self, running: float) -> float:
        for at, stalled_s in self._stalls:
            if running < at:
                return stalled_s
        return self._stalled_s
