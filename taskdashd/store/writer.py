"""The one writer. What arrives while a commit runs goes into the next one.

    decide (on the event loop)  ->  queue  ->  commit (on the writer's thread)  ->  done

`write` decides at once, against the view; `done` is called when the commit that holds the changes
is on disk, all of a commit's in one sweep. When a commit fails, everything that waits on it or was
decided after it fails too, and the view is what was committed.

Between commits the fold is caught up: in slices when nothing else waits, in any case before it
lags `fold_lag_max` changes behind, and on demand before a Query (`catch_up`).
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from taskdash_protocol.errors import Busy, Outcome, ServerError, StorageError
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Change
from taskdashd.store.database import Database
from taskdashd.store.executor import Executor, Then
from taskdashd.store.records import Record
from taskdashd.store.transaction import Transaction, View

T = TypeVar("T")

Decide = Callable[[Transaction], T]
"""Looks at the transaction's view and buffers changes; raises `ServerError` to refuse."""

_FOLD_ROWS_MAX: Final = 10_000
"""More at a time touch the same pages of the indexes fewer times; fewer hold writers up less."""
_ACTS_MAX: Final = 10_000
_FORGOTTEN_AT_ONCE: Final = 1_000
"""Rows of the log; the writers wait for so many."""
_COMMITS_REMEMBERED: Final = 1_000
_CROWD_COMMITS: Final = 2
"""As many full commits in the queue are enough to keep the disk busy."""
_CROWD_BYTES: Final = 16 << 20


class Follower(Protocol):
    """Whoever draws consequences from what has reached the disk."""

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""

    def forgotten(self, rev: int) -> None:
        """Note that the log up to a rev may have gaps."""


class _Entry(NamedTuple):
    changes: Sequence[Change]
    records: Sequence[Record]
    result: Outcome[Any]
    done: Then[Any]


class Writer:
    """Queues decided changes, commits them in groups, and tells who waits."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        view: View,
        *,
        now: Callable[[], str],
        follower: Follower,
        on_fault: Callable[[Exception], None],
        waiting_rows_max: int,
        waiting_bytes_max: int,
        batch_rows_max: int,
        fold_lag_max: int,
    ) -> None:
        self._database = database
        self._executor = executor
        self._view = view
        self._now = now
        self._follower = follower
        self._on_fault = on_fault
        self._waiting_rows_max = waiting_rows_max
        self._waiting_bytes_max = waiting_bytes_max
        self._batch_rows_max = batch_rows_max
        self._fold_lag_max = fold_lag_max
        self._queue: deque[_Entry] = deque()
        self._in_flight: list[_Entry] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._busy = False
        self._quiet_since = 0
        self._catching_up: list[tuple[int, Then[None]]] = []
        self._want_room: list[Callable[[], None]] = []
        self._acts: list[Act] = []
        self._acts_in_flight: list[Act] = []
        self._acts_held: list[Act] = []
        """Of a commit that failed; they go with the next."""
        self._too_old: tuple[str, str] | None = None
        self.forgotten_rev = 0
        """The log up to here may have gaps."""
        self.commits = 0
        self.commit_s: deque[float] = deque(maxlen=_COMMITS_REMEMBERED)
        """How long the last commits took on the writer's thread."""

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or being committed."""
        return not self._busy and not self._queue

    @property
    def waiting_rows(self) -> int:
        """How many changes wait for their commit."""
        return self._waiting_rows

    @property
    def is_crowded(self) -> bool:
        """Whether so much waits that whoever can wait should, instead of making the queue longer.

        A write that waits with its peer costs the bytes that it was sent as; here it takes several
        times that.
        """
        return (
            self._waiting_rows >= _CROWD_COMMITS * self._batch_rows_max
            or self._waiting_bytes >= _CROWD_BYTES
        )

    def when_roomy(self, then: Callable[[], None]) -> None:
        """Call `then` once, after the next commit that ends while it is not crowded."""
        self._want_room.append(then)

    @property
    def fold_lag(self) -> int:
        """How many revs the fold is behind the log."""
        return self._view.committed_rev - self._view.folded_rev

    def write(self, decide: Decide[T], done: Then[T], *, looks: bool = False) -> None:
        """Run a writing operation now, and call `done` once its outcome is final.

        A refusal is final at once, unless something is pending: then it may rest on a change that
        never comes to be, and waits for that too. The view must know every id that `decide` asks
        for. What only `looks` at the outcome of writes is done however many of them wait.
        """
        if not looks and (
            self._waiting_rows >= self._waiting_rows_max
            or self._waiting_bytes >= self._waiting_bytes_max
        ):
            done(Busy("too many writes wait for the disk: try again later"))
            return
        transaction = Transaction(self._view, self._now())
        result: Outcome[T]
        try:
            result = decide(transaction)
            changes: Sequence[Change] = transaction.changes
            records: Sequence[Record] = transaction.records
        except ServerError as refusal:
            result, changes, records = refusal, (), ()
        view = self._view
        if not changes and not records and not view.pending and not view.records.pending:
            done(result)
            return
        for change in changes:
            view.pending[change.task.id] = change.task
            self._waiting_bytes += len(change.task.body)
        for record in records:
            view.records.pending[record.kind, record.key] = record
        view.next_rev += len(changes)
        self._waiting_rows += len(changes) + len(records)
        self._queue.append(_Entry(changes, records, result, done))

    def catch_up(self, done: Then[None]) -> None:
        """Call `done(None)` once the fold holds everything that is committed now."""
        if self.fold_lag == 0:
            done(None)
        else:
            self._catching_up.append((self._view.committed_rev, done))
            self.flush()

    def flush(self) -> None:
        """Start the next commit, if none runs and something waits. Call after each sweep."""
        if self._busy:
            return
        if self._too_old:
            self._forget()
        elif self._catching_up or (self._queue and self.fold_lag >= self._fold_lag_max):
            self._fold()
        elif self._queue or self._acts:
            self._commit()

    def note(self, acts: Sequence[Act]) -> None:
        """Store acts with the next commit. Where the disk is slow or full, the first are kept."""
        self._acts = [*self._acts, *acts][:_ACTS_MAX]
        self.flush()

    def forget(self, before: str, after: str) -> None:
        """Remove a little of what is older than a time, or from the future, once no commit runs."""
        self._too_old = before, after
        self.flush()

    def fold_some(self) -> None:
        """Use a quiet moment to bring the fold forward: one since the last call of this."""
        quiet_since, self._quiet_since = self._quiet_since, self._view.next_rev
        if self.idle and self.fold_lag and quiet_since == self._view.next_rev:
            self._fold()

    def _commit(self) -> None:
        entries = self._in_flight
        changes: list[Change] = []
        records: list[Record] = []
        while self._queue and len(changes) + len(records) < self._batch_rows_max:
            entry = self._queue.popleft()
            entries.append(entry)
            changes += entry.changes
            records += entry.records
        if not changes and not records and not self._acts:
            # Only answers that waited for a commit which has succeeded meanwhile.
            self._committed(changes, records, None)
            return
        acts = self._acts_in_flight = [*self._acts_held, *self._acts]
        self._acts_held, self._acts = [], []
        self._busy = True
        self._executor.submit(
            lambda: self._append(changes, acts, records),
            lambda outcome: self._committed(changes, records, outcome),
        )

    def _append(
        self, changes: list[Change], acts: Sequence[Act], records: Sequence[Record]
    ) -> None:
        # On the writer's thread.
        began = time.perf_counter()
        self._database.append(changes, acts, records)
        self.commit_s.append(time.perf_counter() - began)
        self.commits += 1

    def _committed(
        self, changes: list[Change], records: Sequence[Record], outcome: Outcome[None]
    ) -> None:
        self._busy = False
        if isinstance(outcome, ServerError):
            self._failed(outcome)
            return
        entries, self._in_flight, self._acts_in_flight = self._in_flight, [], []
        self._waiting_rows -= len(changes) + len(records)
        self._waiting_bytes -= sum(len(change.task.body) for change in changes)
        self._view.commit(changes)
        self._view.records.commit(records)
        if changes:
            self._follower.committed(changes)
        if records:
            self._follower.kept(records)
        for entry in entries:
            self._finish(entry, entry.result)
        self._let_in()
        self.flush()

    def _let_in(self) -> None:
        if self._want_room and not self.is_crowded:
            waiting, self._want_room = self._want_room, []
            for then in waiting:
                then()

    def _finish(self, entry: _Entry, result: Outcome[Any]) -> None:
        try:
            entry.done(result)
        except Exception as error:  # the others' replies must not depend on it
            self._on_fault(error)

    def _failed(self, fault: ServerError) -> None:
        entries = [*self._in_flight, *self._queue]
        self._in_flight = []
        self._acts_held = [*self._acts_held, *self._acts_in_flight, *self._acts][:_ACTS_MAX]
        self._acts_in_flight, self._acts = [], []
        self._queue.clear()
        self._waiting_rows = self._waiting_bytes = 0
        self._view.roll_back()
        self._on_fault(fault)
        error = fault if isinstance(fault, StorageError) else StorageError("the write failed")
        for entry in entries:
            self._finish(entry, error)
        self._let_in()

    def _forget(self) -> None:
        self._busy = True
        assert self._too_old is not None
        (before, after), self._too_old = self._too_old, None
        self._executor.submit(
            lambda: self._database.forget(before, after, _FORGOTTEN_AT_ONCE), self._forgotten
        )

    def _forgotten(self, outcome: Outcome[int]) -> None:
        self._busy = False
        if isinstance(outcome, ServerError):
            self._on_fault(outcome)
        else:
            self.forgotten_rev = outcome
            self._follower.forgotten(outcome)
        self.flush()

    def _fold(self) -> None:
        self._busy = True
        to_rev = min(self._view.committed_rev, self._view.folded_rev + _FOLD_ROWS_MAX)
        database = self._database
        self._executor.submit(
            lambda: database.fold(to_rev), lambda outcome: self._folded(to_rev, outcome)
        )

    def _folded(self, to_rev: int, outcome: Outcome[None]) -> None:
        self._busy = False
        if isinstance(outcome, ServerError):
            waiting, self._catching_up = self._catching_up, []
            for _, done in waiting:
                done(outcome)
            if self.fold_lag >= self._fold_lag_max:
                # The log must not run away from a fold that cannot follow.
                self._failed(outcome)
            else:
                self._on_fault(outcome)
                if self._queue:
                    self._commit()
            return
        self._view.fold(to_rev)
        waiting, self._catching_up = self._catching_up, []
        for rev, done in waiting:
            if rev <= to_rev:
                done(None)
            else:
                self._catching_up.append((rev, done))
        if self._queue:
            # A long fold and the writers take turns.
            self._commit()
        else:
            self.flush()
