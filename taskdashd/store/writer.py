"""The one writer, with group commit: writes decided while a commit runs go into the next one.

    decide (on the event loop)  ->  queue  ->  commit (on the writer's thread)  ->  done

`write` decides at once, against the view; `done` is called when the commit that holds the changes
is on disk, for all writes of a commit in one sweep. When a commit fails, every write that waits on
it or was decided after it fails too, and the view goes back to what was committed.

Between commits the fold is caught up: in slices when nothing else waits, in any case before it
lags `fold_lag_max` changes behind, and on demand before a Query (`catch_up`).
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from taskdash_protocol.errors import Busy, Outcome, ServerError, StorageError
from taskdashd.domain.acts import Act
from taskdashd.domain.rounds import Rounds
from taskdashd.domain.tasks import Change
from taskdashd.store.absence import Absence, Commit
from taskdashd.store.chores import Chores
from taskdashd.store.database import Database
from taskdashd.store.entries import Acts, Entry, Piece, Waiting, entries_of, taken
from taskdashd.store.executor import Executor, Then
from taskdashd.store.faults import Away, Fenced, OutcomeUnknown
from taskdashd.store.follower import Follower
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal
from taskdashd.store.transaction import Transaction, View

T = TypeVar("T")

Decide = Callable[[Transaction], T]
"""Looks at the transaction's view and buffers changes; raises `ServerError` to refuse."""

_FOLDS_ONLY_AT: Final = 2
"""So many times too far behind, the fold goes on alone: a slice may be smaller than a commit."""
_COMMITS_REMEMBERED: Final = 1_000
_TAKE_IN_S: Final = 0.0007
"""For so long a commit is taken in at a time: all of a large one takes tens of milliseconds."""
_LET_IN_S: Final = 0.005
"""For so long those who wait for room are let in one after another; the rest, a sweep later."""


class Writer:
    """Queues decided changes, commits them in groups, and calls back each caller."""

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
        self.stamp = now
        """Gives the wall-clock time that a change now carries."""
        self._follower = follower
        self._on_fault = on_fault
        self._waiting = Waiting(waiting_rows_max, waiting_bytes_max, batch_rows_max)
        self._batch_rows_max = batch_rows_max
        self._fold_lag_max = fold_lag_max
        self._queue: deque[Entry] = deque()
        self._in_flight: list[Piece] = []
        self._on_disk: deque[Piece] = deque()  # what is still to be taken in of a commit
        self._busy = False
        self._rev_at_last_look = 0
        """The next rev at the last `fold_some`: while it stands, nothing was decided since."""
        self._catching_up: list[tuple[int, Then[None]]] = []
        self.absence = Absence(database, executor, self._back, on_fault)
        self._want_room: Rounds[Callable[[], None]] = Rounds()
        self._lets_in = False
        self._acts = Acts()
        self.chores = Chores(
            database,
            view,
            flush=self.flush,
            is_quiet=lambda: not self._queue,
            pruned=follower.pruned,
            on_fault=on_fault,
        )
        self.commits = 0
        self.commit_s: deque[float] = deque(maxlen=_COMMITS_REMEMBERED)
        """Seconds that the last commits took on the writer's thread."""

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or being committed."""
        return not self._busy and not self._queue

    @property
    def is_forgetting(self) -> bool:
        """Whether a commit that removes tasks is on its way to the disk."""
        return any(entry.removal is not None for entry in entries_of(self._in_flight))

    @property
    def waiting_rows(self) -> int:
        """How many changes wait for their commit."""
        return self._waiting.rows

    @property
    def is_crowded(self) -> bool:
        """Whether so much waits that connections should stop handing over more writes."""
        return self._waiting.is_crowd

    @property
    def must_wait(self) -> bool:
        """Whether a write must wait for its turn: the queue is crowded, or others wait already.

        Otherwise those who come when a commit has just made room would fill it again and again.
        """
        return bool(self._want_room) or self.is_crowded

    def takes(self, rows: int) -> bool:
        """Tell whether so many changes may be put now."""
        return self.absence.why is None and not self.must_wait and self._waiting.takes(rows)

    def when_roomy(self, then: Callable[[], None], whose: str = "") -> None:
        """Call `then`, which writes at once, when there is room and it is the turn of `whose`."""
        self._want_room.add(whose, then)

    @property
    def fold_lag(self) -> int:
        """How many revs the fold is behind the log."""
        return self._view.committed_rev - self._view.folded_rev

    def write(self, decide: Decide[T], done: Then[T], *, looks: bool = False) -> None:
        """Run a writing operation now, and call `done` once its outcome is final.

        A refusal is final at once, unless something is pending: then it may rest on a change that
        never comes to be, and waits for that too. The view must know every id that `decide` asks
        for. A read that waits for a change (`looks`) is not counted among the writes that wait.
        """
        why = self.absence.why
        if why is not None or not (looks or self._waiting.takes(1)):
            done(why or Busy("too many writes wait for the disk: try again later"))
            return
        transaction = Transaction(self._view, self.stamp())
        result: Outcome[T]
        try:
            result = decide(transaction)
            changes: Sequence[Change] = transaction.changes
            records: Sequence[Record] = transaction.records
            removal = transaction.removal
        except ServerError as refusal:
            # A traceback holds this frame, which holds the refusal: a cycle, freed late.
            result, changes, records, removal = refusal.with_traceback(None), (), (), None
        view = self._view
        decided = changes or records or removal is not None
        if not decided and not view.pending and not view.leaving and not view.records.pending:
            done(result)
            return
        if removal is not None:
            view.leaving.update(one.task.id for one in removal.going)
        if records:
            rev = view.next_rev + len(changes)
            records = [Record(one.kind, one.key, one.value, rev, one.at) for one in records]
        self._queue_up(Entry(changes, records, removal, result, done))

    def put(self, changes: Sequence[Change], done: Then[None]) -> None:
        """Queue changes that were decided just now, of the revs from `View.next_rev` on.

        There must be room: see `takes`.
        """
        self._queue_up(Entry(changes, (), None, None, done))

    def _queue_up(self, entry: Entry) -> None:
        view, changes, records = self._view, entry.changes, entry.records
        pending = view.pending
        for _, task, _, _, _ in changes:
            pending[task.id] = task
        view.next_rev += len(changes)
        if records:
            view.next_rev += 1
            view.records.pending.update({(one.kind, one.key): one for one in records})
        self._waiting.add(entry)
        self._queue.append(entry)

    def catch_up(self, done: Then[None]) -> None:
        """Call `done(None)` once the fold holds everything that is committed now."""
        if self.fold_lag == 0 or self.absence.why is not None:
            done(self.absence.why if self.fold_lag else None)
        else:
            self._catching_up.append((self._view.committed_rev, done))
            self.flush()

    def flush(self) -> None:
        """Start the next commit, if none runs and something waits.

        Called once for many writes, so that they share a commit: by the poller after each sweep,
        and by whoever writes outside of one.
        """
        self._let_in()
        if self._busy:
            return
        if self.absence.why is not None:
            self._refuse_all(self.absence.why)
        elif self.chores:
            self._do_chore()
        elif self._catching_up or (self._queue and self.fold_lag >= self._fold_lag_max):
            self._fold()
        elif self._queue or self._acts:
            self._commit()

    def note(self, acts: Sequence[Act]) -> None:
        """Store acts with the next commit. Where too many wait for the disk, the newest go."""
        self._acts.note(acts)
        self.flush()

    def fold_some(self) -> None:
        """Bring the fold forward, if nothing was written since the last call of this.

        The index of texts comes a little forward in any case: a steady load would leave it behind.
        """
        before, self._rev_at_last_look = self._rev_at_last_look, self._view.next_rev
        if self.idle and self.fold_lag and before == self._view.next_rev:
            self._fold()
        self.chores.index_texts()

    def _commit(self) -> None:
        self._in_flight = pieces = taken(self._queue, self._batch_rows_max)
        changes = [change for piece in pieces for change in piece.changes]
        records = [record for piece in pieces for record in piece.records]
        removals = [one.removal for one in entries_of(self._in_flight) if one.removal is not None]
        if not changes and not records and not removals and not self._acts:
            # Nothing to store: these outcomes waited for an earlier commit, which has succeeded.
            self._committed((), None)
            return
        acts = self._acts.take()
        self._busy = True
        self._executor.submit(
            lambda: self._append(changes, acts, records, removals),
            lambda outcome: self._committed(removals, outcome),
        )

    def _append(
        self,
        changes: list[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        # Runs on the writer's thread.
        began = time.perf_counter()
        self._database.append(changes, acts, records, removals)
        self.commit_s.append(time.perf_counter() - began)
        self.commits += 1

    def _committed(self, removals: Sequence[Removal], outcome: Outcome[None]) -> None:
        if isinstance(outcome, ServerError):
            self._busy = False
            self.absence.begin(outcome, Commit(removals, self._in_flight))
            self._failed(outcome)
            return
        self._acts.stored()
        self._on_disk.extend(self._in_flight)
        self._in_flight = []
        for removal in removals:
            self._removed(removal)
        self._take_in(None)

    def _take_in(self, _: Outcome[None]) -> None:
        """Take in what a commit has brought to the disk; where that takes long, others go on."""
        self._busy, until = True, time.monotonic() + _TAKE_IN_S
        while self._on_disk:
            piece = self._on_disk.popleft()
            self._waiting.take(piece)
            self._take_in_piece(piece)
            if self._on_disk and time.monotonic() >= until:
                self._executor.submit(lambda: None, self._take_in)
                return
        self._busy = False
        self._let_in()
        self.flush()

    def _take_in_piece(self, piece: Piece) -> None:
        entries, changes, records = piece
        self._view.commit(changes)
        self._view.records.commit(records)
        if changes:
            self._follower.committed(changes)
        if records:
            self._follower.kept(records)
        for entry in entries:
            self._finish(entry, entry.result)

    def _removed(self, removal: Removal) -> None:
        self._view.forget(tasks := removal.tasks)
        if tasks:
            self._follower.forgotten(tasks)
        else:
            self._follower.pruned(removal.last_rev)

    def _let_in(self) -> None:
        if self._lets_in:  # whoever is let in may flush
            return
        self._lets_in, until = True, time.monotonic() + _LET_IN_S
        while not self.is_crowded and (then := self._want_room.take()) is not None:
            then()
            if time.monotonic() >= until:
                break
        self._lets_in = False

    def _finish(self, entry: Entry, result: Outcome[Any]) -> None:
        try:
            entry.done(result)
        except Exception as error:  # one caller's fault must not cost the others their replies
            self._on_fault(error)

    def _failed(self, fault: ServerError) -> None:
        entries = [*entries_of(self._in_flight), *self._queue]
        in_flight = len(entries) - len(self._queue)
        self._in_flight = []
        self._acts.hold(lost=isinstance(fault, OutcomeUnknown))
        self._queue.clear()
        self._waiting.clear()
        self._view.roll_back()
        if not isinstance(fault, Fenced):
            self._on_fault(fault)
        error = fault if isinstance(fault, StorageError) else StorageError("the write failed")
        for number, entry in enumerate(entries):
            # What was still in the queue was not sent: of that, the answer is known.
            self._finish(entry, error if number < in_flight else self.absence.why or error)
        self._let_in()

    def _refuse_all(self, why: Away) -> None:
        if self._queue:
            self._failed(why)
        while self._catching_up:
            self._catching_up.pop()[1](why)

    def _back(self, commit: Commit | None, is_stored: bool) -> None:
        """Go on, the database answers again: with a commit that is stored after all, or is not."""
        self._acts.settle(are_stored=is_stored)
        if commit is not None and is_stored:
            for removal in commit.removals:
                self._removed(removal)
            # All at once: what is decided in between would not see what is stored.
            for piece in commit.pieces:
                self._take_in_piece(piece)
        self.flush()

    def _do_chore(self) -> None:
        self._busy = True
        job, then = self.chores.next()

        def done(outcome: Outcome[int]) -> None:
            self._busy = False
            self.absence.begin(outcome)
            then(outcome)
            self.flush()

        self._executor.submit(job, done)

    def _fold(self) -> None:
        self._busy = True
        database = self._database
        to_rev = min(self._view.committed_rev, self._view.folded_rev + database.fold_rows_max)
        self._executor.submit(
            lambda: database.fold(to_rev), lambda outcome: self._folded(to_rev, outcome)
        )

    def _folded(self, to_rev: int, outcome: Outcome[None]) -> None:
        self._busy = False
        if isinstance(outcome, ServerError):
            self.absence.begin(outcome)
            waiting, self._catching_up = self._catching_up, []
            for _, done in waiting:
                done(outcome)
            if self.fold_lag >= self._fold_lag_max or self.absence.why is not None:
                # Fail the waiting writes: `View.unfolded` would grow without bound in memory.
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
        if self._queue and self.fold_lag < _FOLDS_ONLY_AT * self._fold_lag_max:
            # Commit between two slices of a long fold: writers must not wait for all of it.
            self._commit()
        else:
            self.flush()
