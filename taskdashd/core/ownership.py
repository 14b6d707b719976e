"""The owner whose signs of life keep a task alive, and the effect of each commit on liveness."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from taskdash_protocol.statuses import UNSUPERVISED, is_live
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.session import Session
from taskdashd.core.sessions import Sessions
from taskdashd.domain.liveness import Liveness, Owner
from taskdashd.domain.tasks import Change, Moment, Task, refreshed
from taskdashd.store import kept
from taskdashd.store.transaction import Transaction

NOBODY: Final = 0
"""Serial of the owner that stands for all connections that are gone."""
PINGS: Final = 1
"""Serial of the owners of tasks that pings keep alive: each such task has an owner of its own."""


class Ownership(Following):
    """Tells operations of a task's owner, and updates `Liveness` after each commit.

    A task's JSON comes from here too (`body`): its `last_seen` moves with every beat of the owner.
    """

    def __init__(
        self,
        clock: Clock,
        liveness: Liveness,
        sessions: Sessions,
        may_have_spoken: Callable[[int], bool],
    ) -> None:
        self._clock = clock
        self._liveness = liveness
        self._lease_of = liveness.lease_of
        self._find = sessions.find
        self._sessions = sessions
        self._may_have_spoken = may_have_spoken
        """Tells whether unread input, maybe a beat, waits in the socket of a session, by serial."""

    def adopt(self, live: Iterable[tuple[str, float | None]]) -> None:
        """Supervise tasks that were live before this start; each gets one full timeout from now."""
        before = self._alone(NOBODY)
        for task_id, timeout_s in live:
            self._liveness.supervise(task_id, before, timeout_s)

    def moment(self, transaction: Transaction, old: Task | None) -> Moment:
        """Give the rev and time for a change and, given `old`, whether that task's owner lives."""
        if old is None:
            return Moment(transaction.rev, transaction.at)
        return Moment(transaction.rev, transaction.at, self._is_gone(old), self.seen(old))

    def body(self, task: Task) -> bytes:
        """Give a task's JSON with its owner's newest sign of life."""
        if not is_live(task.status):
            return task.body
        return refreshed(task.body, self.seen(task))

    def seen(self, task: Task) -> str:
        """Give the time of the owner's last sign of life; empty if it gave none since the start."""
        owner = self.speaks_for(task)
        return "" if owner is None else self._clock.stamp_of(owner.last_seen)

    def keeps_alive(self, task_id: str, found: Task | bytes) -> Owner | None:
        """Give the owner whose signs of life `body` shows of a task as it is in memory.

        None where none are known, and for a task that is not live: it has no owner here.
        """
        lease = self._lease_of(task_id)
        if lease is None:
            return None
        owner = lease.owner
        # A live task is supervised by its own owner, or by one that stands for many: look only then
        # whose it is.
        serial = owner.serial
        if serial == NOBODY:
            serial = found.owner if isinstance(found, Task) else kept.owner(found)
        session = self._find(serial)
        if session is not None:
            owner = session.owner
        return None if owner.serial == NOBODY else owner

    def speaks_for(self, task: Task) -> Owner | None:
        """Give the owner whose signs of life keep the task alive; None where none is known."""
        session = self._find(task.owner)
        owner = session.owner if session is not None else self._liveness.owner_of(task.id)
        return None if owner is None or owner.serial == NOBODY else owner

    def pinged(self, task: Task) -> None:
        """Take a sign of life of a live task that pings keep alive, as it was last committed."""
        owner = self._liveness.owner_of(task.id)
        if owner is None or owner.serial != PINGS:
            # After a restart it shares an owner with all others: the ping is the life of this one.
            owner = self._alone(PINGS)
            self._liveness.supervise(task.id, owner, task.timeout_s)
        owner.last_seen = self._clock.now()

    def after_stall(self) -> None:
        """Correct signs of life that were stamped between the end of a stall and its discovery."""
        now = self._clock.now()
        for owner in (*(one.owner for one in self._sessions), *self._liveness.owners()):
            owner.last_seen = min(owner.last_seen, now)
        self._liveness.refresh()

    def committed(self, changes: Sequence[Change]) -> None:
        """Count each task for its owner, and supervise it if it is live."""
        serial, session, begun = -1, None, list[str]()
        supervises = self._liveness.supervises
        for _, new, old, _, _ in changes:
            if new.owner != serial:
                self._begin(session, begun)
                serial, session, begun = new.owner, self._find(new.owner), []
            if session is not None and new.status not in UNSUPERVISED:
                if old is None:
                    if new.timeout_s is None:
                        # New tasks of one owner mostly come many at a time.
                        begun.append(new.id)
                        continue
                elif old.owner == serial and supervises(new.id, session.owner, new.timeout_s):
                    continue
            if begun:
                self._begin(session, begun)
                begun = []
            self._follow(new, old, session)
        self._begin(session, begun)

    def _begin(self, session: Session | None, ids: list[str]) -> None:
        if session is not None and ids:
            self._liveness.count(session.owner, None, len(ids))
            self._liveness.supervise_new(ids, session.owner)

    def forgotten(self, tasks: Sequence[Task]) -> None:
        """Count tasks that were removed for their owner no more; all have ended."""
        for task in tasks:
            if (session := self._find(task.owner)) is not None:
                self._liveness.count(session.owner, task.timeout_s, -1)

    def _follow(self, new: Task, old: Task | None, session: Session | None) -> None:
        liveness = self._liveness
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
            # Keep the present owner on a write from outside: a new one would move the deadline of
            # a task whose service is gone.
            if present is None or not same:
                present = self._alone(PINGS if new.owner == PINGS else NOBODY)
            liveness.supervise(new.id, present, new.timeout_s)

    def _alone(self, serial: int) -> Owner:
        return Owner(serial, self._clock.now(), is_open=False)

    def _is_gone(self, task: Task) -> bool:
        session = self._find(task.owner)
        if session is None or task.shutdown_at:
            return True
        silent = self._liveness.is_silent(session.owner, task.timeout_s, self._clock.now())
        return silent and not self._may_have_spoken(task.owner)
