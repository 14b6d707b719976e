"""Regular chores: store acts, look for room on a full disk, forget history that is too old."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.core.acts import Acts
from taskdashd.core.clock import Clock
from taskdashd.core.forgetting import Forgetting, ForgettingLimits
from taskdashd.core.leading import Leading
from taskdashd.domain.times import stamp
from taskdashd.store.health import Health
from taskdashd.store.reader import Reader
from taskdashd.store.reserve import Reserve
from taskdashd.store.slow import for_itself
from taskdashd.store.writer import Writer

_PRUNE_EVERY_S: Final = 1.0
_LOOK_FOR_ROOM_S: Final = 5.0
_NOTHING_OLD_S: Final = 60.0
STEADY_S: Final = 3600.0
"""History is forgotten only after the wall clock has gone steadily for so many seconds."""
_FUTURE_S: Final = 86400.0
"""Rows stamped further ahead than so many seconds were stamped by a wrong clock."""


class HousekeepingLimits(ForgettingLimits, Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    audit_keep: float | None


class Housekeeping:
    """Does the chores that are due; `tick` is called a few times a second."""

    def __init__(
        self,
        limits: HousekeepingLimits,
        clock: Clock,
        leading: Leading,
        acts: Acts,
        reader: Reader,
        writer: Writer,
        reserve: Reserve,
        forgetting: Forgetting,
        chores: Sequence[Callable[[], None]],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._leading = leading
        self._acts = acts
        self._reader = reader
        self._writer = writer
        self._reserve = reserve
        self._forgetting = forgetting
        self._chores = chores
        """The regular chores of families, called at every tick in this order."""
        self._prune_at = self._look_at = 0.0
        self._pruned_rev = 0

    def tick(self) -> None:
        """Do what is due."""
        if acts := self._acts.due():
            self._writer.note(acts)
        for chore in self._chores:
            chore()
        self._look_for_room()
        if self._leading.leads and self._is_steady():
            self._prune()
            self._forgetting.tick()

    def _look_for_room(self) -> None:
        now, reserve = self._clock.now(), self._reserve
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_FOR_ROOM_S
        if not reserve.given_up:
            reserve.fill()
            return

        def looked(health: Outcome[Health]) -> None:
            file = None if isinstance(health, ServerError) else health.file
            reserve.is_over(0 if file is None else file.reusable_bytes)

        self._reader.health(for_itself("reserve"), looked, check=False)

    def _is_steady(self) -> bool:
        """Tell whether the wall clock has gone steadily for so long that it can be believed.

        A clock that is wrong for a while, as before a Pi has found its time server, would make all
        history look old and have it forgotten. After a long standstill watches that resume would
        find it forgotten before they could ask: the daemon itself must have run as long, too.
        """
        ran_s = self._clock.now() - self._clock.started
        return min(self._clock.steady_s(), ran_s) >= STEADY_S

    def _prune(self) -> None:
        now, keep_s = self._clock.now(), self._limits.audit_keep
        if keep_s is None or now < self._prune_at:
            return
        advanced = self._writer.chores.pruned_rev != self._pruned_rev
        self._pruned_rev = self._writer.chores.pruned_rev
        self._prune_at = now + (_PRUNE_EVERY_S if advanced else _NOTHING_OLD_S)
        wall = self._clock.wall()
        self._writer.chores.prune(stamp(wall - keep_s), stamp(wall + _FUTURE_S))
