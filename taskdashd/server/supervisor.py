"""The tick: finds stalls of the daemon, judges who is silent, enforces the other deadlines.

Nobody is judged before everything that had arrived from them by then was read: what waits in a
socket may be the sign of life that is missed.
"""

from typing import Final
from weakref import WeakKeyDictionary

import structlog
import trio

from taskdash_protocol.errors import Busy
from taskdashd.domain.liveness import Due, Lease, Owner
from taskdashd.operations.engine import Engine
from taskdashd.operations.housekeeping import Housekeeping
from taskdashd.operations.supervision import shut_down
from taskdashd.server.poller import Poller

TICK_S: Final = 0.25
"""The tick comes at least so often."""
_TICK_MIN_S: Final = 0.04
"""Deadlines that are closer together share a tick: it is cheaper, and no one is early for it."""
_MORE_S: Final = 0.001
_LOOK_AGAIN_S: Final = 0.02
_CLOSE_LATER_S: Final = 0.2
_JUDGED_AT_ONCE: Final = 2000
WORTH_TELLING_S: Final = 1.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Supervisor:
    """Judges the candidates that `Liveness` names."""

    def __init__(self, engine: Engine, poller: Poller) -> None:
        self._engine = engine
        self._poller = poller
        engine.may_have_spoken = self._has_unread
        self._housekeeping = Housekeeping(engine)
        self._sleeps_s = TICK_S
        self.judges = True
        """Whether the silent are shut down. Not while the daemon stops: it reads no more then."""
        self._must_read: WeakKeyDictionary[Due, int] = WeakKeyDictionary()
        """Up to which byte the input of a candidate must be read before it is judged."""

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            try:
                wait_s = self.tick()
            except Exception:
                log.exception("unexpected fault in a tick")
                wait_s = TICK_S
            await trio.sleep(wait_s)

    def tick(self) -> float:
        """Do what is due; returns the seconds until the next tick."""
        engine = self._engine
        stalled_s = engine.clock.tick(self._sleeps_s)
        if stalled_s:
            level = log.warning if stalled_s > WORTH_TELLING_S else log.debug
            level("the daemon stood still; nobody's silence counts it", seconds=stalled_s)
            engine.after_stall()
            self._poller.ready_replies.forget()
        all_judged = not self.judges or self._judge_some()
        next_s = self._poller.check_deadlines()
        if all_judged:
            engine.writer.fold_some()
            self._housekeeping.tick()
        waits = [TICK_S] if next_s is None else [TICK_S, next_s]
        if (look := engine.liveness.next_look()) is not None:
            waits.append(look - engine.clock.now())
        self._sleeps_s = max(_TICK_MIN_S, min(waits)) if all_judged else _MORE_S
        return self._sleeps_s

    def _judge_some(self) -> bool:
        """Judge who is due; False if some must wait for the next tick."""
        judged = 0
        dead: list[Lease] = []
        silent: list[Owner] = []
        for entry in self._engine.liveness.due(self._engine.clock.now()):
            if isinstance(entry, Owner):
                # People wait for the news of tasks; nobody waits for a socket to be closed.
                silent.append(entry)
                continue
            judged += len(entry.tasks)
            if self._is_dead(entry):
                dead.append(entry)
            if judged >= _JUDGED_AT_ONCE:
                # The sockets must not wait for them all.
                break
        shut_down(self._engine, dead)
        for owner in silent:
            if judged >= _JUDGED_AT_ONCE:
                self._engine.liveness.again(owner, self._engine.clock.now() + _CLOSE_LATER_S)
            elif self._is_dead(owner):
                self._close(owner)
        return judged < _JUDGED_AT_ONCE

    def _is_dead(self, entry: Due) -> bool:
        """Judge one entry; unless it is dead, it is looked at again later."""
        liveness, now = self._engine.liveness, self._engine.clock.now()
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
        silence_s = self._engine.liveness.silence_s(owner)
        self._poller.expire(
            owner.serial,
            Busy(f"no frame came for {silence_s:g} s: send a heartbeat more often than that"),
        )

    def _has_unread(self, serial: int) -> bool:
        unread = self._poller.unread(serial)
        return unread is not None and bool(unread.bytes_waiting or unread.frame_waiting)

    def _may_have_spoken(self, entry: Due, owner: Owner) -> bool:
        unread = self._poller.unread(owner.serial)
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
