"""The state that a writing operation sees: what is committed and, over it, what waits.

Only the event loop touches it, and it is bounded: a cache of recent tasks, the revs that the fold
has not taken in, and what waits for its commit. A task in none of these is on disk alone, and the
reader must load it first (`View.knows`).
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from taskdashd.domain.tasks import Change, Task
from taskdashd.store.cache import Cache
from taskdashd.store.known import KnownIds
from taskdashd.store.records import Record, Records, Value
from taskdashd.store.removal import Removal


class View:
    """The state as of the last commit, as far as it is in memory, and what was decided since."""

    def __init__(
        self,
        last_rev: int,
        cache_bytes_max: int,
        known: KnownIds,
        records: Records | None = None,
    ) -> None:
        self.known = known
        """Tells which ids may be on disk."""
        self.records = records if records is not None else Records(())
        self.committed_rev = last_rev
        self.folded_rev = last_rev
        self.next_rev = last_rev + 1
        self.pending: dict[str, Task] = {}
        """Tasks as decided, not yet on disk."""
        self.leaving: set[str] = set()
        """Ids of tasks that are to be forgotten with the next commits: to writes, they are gone."""
        self.unfolded: dict[str, int] = {}
        """Rev of a task's last change, until the fold has it too; in the order of revs."""
        self._changed: set[str] | None = None
        """Ids that the fold took out of `unfolded`, or that were forgotten, during a look-up; None
        while no look-up runs."""
        self._new_id: str | None = None
        """An id that is on no disk, as `knows` has just found: who asked goes on to look at it."""
        self._cache = Cache(cache_bytes_max)
        self._remember = self._cache.put
        self._entries = self._cache.entries
        self.look: Final = self._entries.get
        """Gives a task as it is in memory, as last committed; None where it is not, or none is."""

    def knows(self, task_id: str) -> bool:
        """Tell whether `task` and `committed` can answer for this id from memory."""
        if task_id in self.pending or task_id in self._entries:
            return True
        if task_id in self.known:
            return False
        self._new_id = task_id
        return True

    def committed(self, task_id: str) -> Task | None:
        """Give a task as of the last commit; None if there was none.

        Raises `KeyError` for an id that `knows` does not cover.
        """
        if task_id in self._entries:
            return self._cache.task(task_id)
        if task_id != self._new_id and task_id in self.known:
            raise KeyError(task_id)
        return None

    def task(self, task_id: str) -> Task | None:
        """Give a task as the next writing operation must see it. Raises `KeyError` as above."""
        task = self.pending.get(task_id)
        if task is not None:
            return task
        return None if task_id in self.leaving else self.committed(task_id)

    def newest(self, task_id: str) -> Task | None:
        """Give a task as `task` does while nothing is `leaving`, without `knows` before it."""
        task = self.pending.get(task_id)
        if task is not None:
            return task
        if task_id in self._entries:
            return self._cache.task(task_id)
        if task_id in self.known:
            raise KeyError(task_id)
        return None

    def keeps_owner(self, task_id: str) -> bool:
        """Tell whether no change of this task's owner or timeout waits for its commit.

        False where the committed task is not in memory.
        """
        pending = self.pending.get(task_id)
        if pending is None:
            return True
        before = self._cache.task(task_id) if task_id in self._entries else None
        return (
            before is not None
            and pending.epoch == before.epoch
            and pending.timeout_s == before.timeout_s
        )

    def commit(self, changes: Sequence[Change]) -> None:
        """Take over changes that have just reached the disk."""
        pending, unfolded = self.pending, self.unfolded
        remember, new = self._remember, list[str]()
        self._new_id = None
        for _, task, previous, _, _ in changes:
            task_id = task.id
            if pending.get(task_id) is task:
                del pending[task_id]
            # Put the newest last: `fold` stops at the first rev that it has not reached.
            if previous is None:
                new.append(task_id)
            else:
                unfolded.pop(task_id, None)
            unfolded[task_id] = task.rev
            remember(task_id, task)
        self.known.add_all(new)
        if changes:
            self.committed_rev = changes[-1].task.rev

    def forget(self, tasks: Sequence[Task]) -> None:
        """Drop tasks that a commit has just removed, before `commit` of what it has written."""
        for task in tasks:
            self.leaving.discard(task.id)
            self._cache.drop(task.id)
            if self._changed is not None:
                self._changed.add(task.id)
        self.known.forgot(len(tasks))

    def roll_back(self) -> None:
        """Drop what was decided since the last commit. Its revs are never used again."""
        self.pending.clear()
        self.leaving.clear()
        self.records.pending.clear()

    def fold(self, to_rev: int) -> None:
        """Note that the fold has caught up to a rev."""
        self.folded_rev = to_rev
        # Entries are in the order of their revs: a newer change moves its task to the end.
        unfolded = self.unfolded
        done = list(takewhile(lambda task_id: unfolded[task_id] <= to_rev, unfolded))
        for task_id in done:
            del unfolded[task_id]
        if self._changed is not None:
            self._changed.update(done)

    def begin_load(self) -> int:
        """Note that a look-up begins; returns the committed rev, as of which it reads."""
        self._changed = set()
        return self.committed_rev

    def end_load(self) -> set[str]:
        """Note that the look-up has ended; returns the ids whose result may be out of date."""
        changed, self._changed = self._changed or set(), None
        self._cache.begin_look_up()
        return changed

    def loaded(self, task_id: str, kept: bytes | None, asked_rev: int) -> bool:
        """Take in the look-up's result for an id that was asked for when `asked_rev` was newest.

        Returns False if the result is out of date; then the id must be looked up again. Never pass
        an id that `end_load` named: its result may be too old, and nothing here would show it.
        """
        if task_id in self._entries:
            return True
        if self.unfolded.get(task_id, 0) > asked_rev:
            # The task changed and left the cache again, all while the reader looked.
            return False
        self._cache.bring(task_id, kept)
        return True


class Transaction:
    """One writing operation: it looks at the view and buffers its changes.

    Operations run one after another, so looking and then changing has no race; one that raises has
    written nothing.
    """

    __slots__ = ("_put", "_view", "at", "changes", "records", "removal")

    def __init__(self, view: View, at: str) -> None:
        self._view = view
        self.at = at
        """The wall-clock time of the changes, RFC 3339."""
        self.changes: list[Change] = []
        self.records: list[Record] = []
        self.removal: Removal | None = None
        self._put: dict[str, Task] = {}

    @property
    def rev(self) -> int:
        """The rev that the next change must carry."""
        return self._view.next_rev + len(self.changes)

    def task(self, task_id: str) -> Task | None:
        """Give a task as this operation must see it, None if there is none."""
        task = self._put.get(task_id)
        return self._view.task(task_id) if task is None else task

    def put(self, change: Change) -> None:
        """Buffer a change, made with `rev` and `at` of this transaction."""
        assert change.task.rev == self.rev
        self.changes.append(change)
        self._put[change.task.id] = change.task

    def forget(self, removal: Removal) -> None:
        """Buffer what is to be forgotten, in an operation that writes nothing else."""
        self.removal = removal

    def record(self, kind: str, key: str) -> Value | None:
        """Give a record as this operation must see it, None if there is none."""
        for record in reversed(self.records):
            if (record.kind, record.key) == (kind, key):
                return record.value
        return self._view.records.get(kind, key)

    def keep(self, kind: str, key: str, value: Value | None) -> None:
        """Buffer a record's new value; None removes the record."""
        self.records.append(Record(kind, key, value, at=self.at))
