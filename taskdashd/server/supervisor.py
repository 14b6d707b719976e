"""The tick: finds stalls of the daemon, judges silent owners, enforces the other deadlines.

No owner is judged before all bytes that its socket held at the deadline were read: the missing sign
of life may be among them.
"""

from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import structlog
import trio

from taskdash_protocol.errors import Busy, ServerError
from taskdashd.core.agenda import Agenda
from taskdashd.core.deaths import Deaths
from taskdashd.core.housekeeping import Housekeeping
from taskdashd.core.table import Core
from taskdashd.domain.liveness import Due, Lease, Owner
from taskdashd.server.link import Unread

TICK_S: Final = 0.25
"""The tick comes at least so often."""
_TICK_MIN_S: Final = 0.04
"""Deadlines closer together than this share a tick, the later one's: none is judged early."""
_MORE_S: Final = 0.001
_LOOK_AGAIN_S: Final = 0.02
_CLOSE_LATER_S: Final = 0.2
_JUDGED_AT_ONCE: Final = 2000
_ASKS_EVERY_S: Final = 0.5
"""So often a database that is away is asked whether it answers again."""
_LOOKS_EVERY_S: Final = 2.0
"""So often one that is written to by nobody is asked: it may be away, or another daemon's."""
WORTH_TELLING_S: Final = 1.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Sockets(Protocol):
    """The operations of the poller that the tick needs."""

    def expire(self, serial: int, error: ServerError) -> None:
        """End the connection of a session for a reason, once its requests are answered."""

    def check_deadlines(self) -> float | None:
        """End connections past a deadline; returns the seconds until the next one."""


class Inputs(Protocol):
    """The state of the connections' input."""

    def unread(self, serial: int) -> Unread | None:
        """Say how much of a session's input was read and waits; None if its link is gone."""


class Supervisor:
    """Judges the candidates that `Liveness` names."""

    def __init__(
        self,
        core: Core,
        deaths: Deaths,
        agenda: Agenda,
        housekeeping: Housekeeping,
        sockets: Sockets,
        inputs: Inputs,
        end: Callable[[], None],
    ) -> None:
        self._core = core
        self._liveness = core.liveness
        self._deaths = deaths
        self._agenda = agenda
        self._housekeeping = housekeeping
        self._sockets = sockets
        self._inputs = inputs
        self._end = end
        """Ends the daemon."""
        self._was_away = False
        self._asks_at = 0.0
        self._must_read: WeakKeyDictionary[Due, int] = WeakKeyDictionary()
        """How many bytes of a candidate's input must have been read before it is judged."""

    async def run(self) -> None:
        """Tick until cancelled."""
        wait_s = TICK_S
        while True:
            try:
                wait_s = self.tick(wait_s)
            except Exception:
                log.exception("unexpected fault in a tick")
                wait_s = TICK_S
            await trio.sleep(wait_s)

    def tick(self, slept_s: float = TICK_S) -> float:
        """Judge, do what is due and keep house; returns the seconds until the next tick.

        `slept_s` is the pause that was asked for: a longer one was a stall of the daemon.
        """
        core = self._core
        stalled_s = core.clock.tick(slept_s)
        if stalled_s:
            level = log.warning if stalled_s > WORTH_TELLING_S else log.debug
            level("the daemon stood still; nobody's silence counts it", seconds=stalled_s)
            core.ownership.after_stall()
        self._look_after_store()
        leads = core.leading.leads
        all_judged = not leads or self._judge_some()
        all_done = not self._agenda.tick()
        next_s = self._sockets.check_deadlines()
        if all_judged and all_done:
            # Never between two ticks that follow at once: that is no pause in which nobody writes.
            core.writer.fold_some()
        if all_judged:
            self._housekeeping.tick()
        waits = [TICK_S, self._agenda.next_s()]
        if next_s is not None:
            waits.append(next_s)
        if leads and (look := core.liveness.next_look()) is not None:
            waits.append(look - core.clock.now())
        return max(_TICK_MIN_S, min(waits)) if all_judged and all_done else _MORE_S

    def _look_after_store(self) -> None:
        """Judge nobody while the database is away; then everybody gets one full timeout."""
        core, absence = self._core, self._core.writer.absence
        if absence.is_fenced:
            core.leading.end()
            self._end()
        elif absence.why is not None:
            self._was_away = True
            core.leading.pause()
            self._ask_each(_ASKS_EVERY_S)
        elif self._was_away:
            self._was_away = False
            log.warning("the database answers again; nobody's silence counts meanwhile")
            core.liveness.spare(core.clock.now())
            core.leading.resume()
        elif absence.may_begin and core.writer.idle:
            self._ask_each(_LOOKS_EVERY_S)

    def _ask_each(self, every_s: float) -> None:
        if (now := self._core.clock.elapsed()) >= self._asks_at:
            self._asks_at = now + every_s
            self._core.writer.absence.ask()

    def _judge_some(self) -> bool:
        """Judge the candidates that are due; False if some must wait for the next tick."""
        judged = 0
        dead: list[Lease] = []
        silent: list[Owner] = []
        for entry in self._liveness.due(self._core.clock.now()):
            if isinstance(entry, Owner):
                # Shut tasks down first: people wait for that news, and nobody for a closed socket.
                silent.append(entry)
                continue
            judged += len(entry.tasks)
            if self._is_dead(entry):
                dead.append(entry)
            if judged >= _JUDGED_AT_ONCE:
                # Leave the rest for the next tick: the sockets must not wait for a mass death.
                break
        self._deaths.shut_down(dead)
        for owner in silent:
            if judged >= _JUDGED_AT_ONCE:
                self._liveness.again(owner, self._core.clock.now() + _CLOSE_LATER_S)
            elif self._is_dead(owner):
                self._close(owner)
        return judged < _JUDGED_AT_ONCE

    def _is_dead(self, entry: Due) -> bool:
        """Tell whether a candidate is dead; if not, have `Liveness` name it again later."""
        liveness, now = self._liveness, self._core.clock.now()
        owner = entry if isinstance(entry, Owner) else entry.owner
        if owner.is_open and self._may_have_spoken(entry, owner):
            liveness.again(entry, now + _LOOK_AGAIN_S)
            return False
        self._must_read.pop(entry, None)
        if liveness.deadline(entry) > now:
            liveness.again(entry, liveness.deadline(entry))
            return False
        return True

    def _close(self, owner: Owner) -> None:
        silence_s = self._liveness.silence_s(owner)
        self._sockets.expire(
            owner.serial,
            Busy(f"no frame came for {silence_s:g} s: send a heartbeat more often than that"),
        )

    def _may_have_spoken(self, entry: Due, owner: Owner) -> bool:
        unread = self._inputs.unread(owner.serial)
        if unread is None:
            return False
        if unread.frame_waiting:
            return True
        must_read = self._must_read.get(entry)
        if must_read is None:
            if not unread.bytes_waiting:
                return False
            must_read = self._must_read[entry] = unread.bytes_read + unread.bytes_waiting
        return unread.bytes_read < must_read
