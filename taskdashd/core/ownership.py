"""Whose signs of life a task lives by, and what follows for liveness from each commit."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from taskdash_protocol.statuses import is_live
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.sessions import Sessions
from taskdashd.domain.liveness import Liveness, Owner
from taskdashd.domain.tasks import Change, Moment, Task, refreshed
from taskdashd.store.transaction import Transaction

NOBODY: Final = 0
"""Serial of the owner that stands for connections which are gone."""


class Ownership(Following):
    """Says how the owner of a task fares, and follows each commit with `Liveness`."""

    def __init__(
        self,
        clock: Clock,
        liveness: Liveness,
        sessions: Sessions,
        may_have_spoken: Callable[[int], bool],
    ) -> None:
        self._clock = clock
        self._liveness = liveness
        self._find = sessions.find
        self._sessions = sessions
        self._may_have_spoken = may_have_spoken
        """Whether something waits in the socket of the session with this serial."""

    def adopt(self, live: Iterable[tuple[str, float | None]]) -> None:
        """Supervise what was live before this start: each task gets one full timeout from now."""
        before = self._orphaned()
        for task_id, timeout_s in live:
            self._liveness.supervise(task_id, before, timeout_s)

    def moment(self, transaction: Transaction, old: Task | None = None) -> Moment:
        """Say when a change happens, and how the present owner of the task fares."""
        if old is None:
            return Moment(transaction.rev, transaction.at)
        return Moment(transaction.rev, transaction.at, self._is_gone(old), self.seen(old))

    def body(self, task: Task) -> bytes:
        """Give a task's JSON with its owner's newest sign of life."""
        if not is_live(task.status):
            return task.body
        return refreshed(task.body, self.seen(task))

    def seen(self, task: Task) -> str:
        """Give the last sign of life of a task's owner; empty if it gave none since the start."""
        owner = self.speaks_for(task)
        return "" if owner is None else self._clock.stamp_of(owner.last_seen)

    def speaks_for(self, task: Task) -> Owner | None:
        """Give the connection whose signs of life are the task's; None where none is known."""
        session = self._find(task.owner)
        owner = session.owner if session is not None else self._liveness.owner_of(task.id)
        return None if owner is None or owner.serial == NOBODY else owner

    def after_stall(self) -> None:
        """Put right what was stamped between the end of a stall and its discovery."""
        now = self._clock.now()
        for session in self._sessions:
            session.owner.last_seen = min(session.owner.last_seen, now)
        self._liveness.refresh()

    def committed(self, changes: Sequence[Change]) -> None:
        """Count each task for its owner, and supervise it if it is live."""
        for change in changes:
            self._follow(change)

    def _follow(self, change: Change) -> None:
        liveness = self._liveness
        old, new = change.previous, change.task
        session = self._find(new.owner)
        if old is None or old.owner != new.owner or old.timeout_s != new.timeout_s:
            if old is not None and (loser := self._find(old.owner)):
                liveness.count(loser.owner, old.timeout_s, -1)
            if session is not None:
                liveness.count(session.owner, new.timeout_s, +1)
        if not is_live(new.status):
            liveness.release(new.id)
        elif session is not None:
            liveness.supervise(new.id, session.owner, new.timeout_s)
        else:
            present = liveness.owner_of(new.id)
            same = old is not None and old.owner == new.owner
            # A hand from outside does not move the deadline of a task whose service is gone.
            owner = present if present is not None and same else self._orphaned()
            liveness.supervise(new.id, owner, new.timeout_s)

    def _orphaned(self) -> Owner:
        return Owner(NOBODY, self._clock.now(), is_open=False)

    def _is_gone(self, task: Task) -> bool:
        session = self._find(task.owner)
        if session is None or task.shutdown_at:
            return True
        silent = self._liveness.is_silent(session.owner, task.timeout_s, self._clock.now())
        return silent and not self._may_have_spoken(task.owner)
