"""The checks for room before a change is written: in a frame, under the limits, on the disk."""

from typing import Any, Final, Protocol

from taskdash_protocol.errors import BadRequest, Busy, StorageError
from taskdash_protocol.statuses import is_live
from taskdashd.core.session import Session
from taskdashd.core.sessions import Sessions
from taskdashd.domain.access import Identity
from taskdashd.domain.liveness import Liveness
from taskdashd.domain.tasks import Change, Task
from taskdashd.store.reserve import Reserve
from taskdashd.store.transaction import Transaction, View

_REPLY_RESERVE_BYTES: Final = 1024
"""Bytes that a reply or an event may need beside the task that it carries."""
_TIMEOUTS_MAX: Final = 1000
"""Different heartbeat timeouts that one connection's tasks may have."""


class RoomLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    max_frame: int
    max_live_tasks: int


class Room:
    """Puts changes into a transaction, where there is room for them."""

    def __init__(
        self,
        limits: RoomLimits,
        liveness: Liveness,
        sessions: Sessions,
        view: View,
        reserve: Reserve,
    ) -> None:
        self._limits = limits
        self._liveness = liveness
        self._find = sessions.find
        self._view = view
        self._reserve = reserve

    @property
    def reply_bytes(self) -> int:
        """Give the most bytes of tasks or entries in one reply, so that it fits a frame."""
        return self._limits.max_frame - _REPLY_RESERVE_BYTES

    def put(self, change: Change, identity: Identity, transaction: Transaction) -> dict[str, Any]:
        """Buffer a change in the transaction, if the limits allow it; give the reply's members.

        Raises `BadRequest`, `Busy` or `StorageError`.
        """
        task = change.task
        # As `reply_bytes`, without the call: this runs for every write.
        largest = self._limits.max_frame - _REPLY_RESERVE_BYTES
        if len(task.body) > largest:
            raise BadRequest(f"the task would take {len(task.body)} bytes, more than {largest}")
        self.check_live(change.previous, task)
        if self._reserve.given_up:
            self._check_disk(identity)
        transaction.put(change)
        return {"id": task.id, "epoch": task.epoch}

    def takes(self, session: Session, tasks: int) -> bool:
        """Tell whether so many new tasks of a session's, without timeouts, fit in any case."""
        waiting = len(self._liveness) + len(self._view.pending)
        if self._reserve.given_up or waiting + tasks > self._limits.max_live_tasks:
            return False
        timeouts = session.owner.timeouts
        return len(timeouts) < _TIMEOUTS_MAX or None in timeouts

    def check_live(self, old: Task | None, new: Task) -> None:
        """Raise `Busy` if the task `new` would exceed a limit of supervised tasks or timeouts."""
        # Count every pending task as another live one, though some are live already: too many is
        # safe, too few would let a burst past the limit before its commit.
        full = len(self._liveness) + len(self._view.pending) >= self._limits.max_live_tasks
        if full and is_live(new.status) and (old is None or not is_live(old.status)):
            most = self._limits.max_live_tasks
            raise Busy(f"{most} live tasks are supervised: no more fit")
        session = self._find(new.owner)
        if session is None:
            return
        timeouts = session.owner.timeouts
        if len(timeouts) >= _TIMEOUTS_MAX and new.timeout_s not in timeouts:
            raise Busy(f"one connection's tasks have {_TIMEOUTS_MAX} different timeouts already")

    def _check_disk(self, identity: Identity) -> None:
        """Raise `StorageError` where the last of the disk is kept for operators."""
        if not self._reserve.is_over() and not identity.is_known_operator:
            raise StorageError("the disk is full: only operators may write until there is room")
