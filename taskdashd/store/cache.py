"""The tasks in memory as they were last committed, bounded by bytes.

What was written lately, or had a member that was needed, is there as a `Task`; all else as bytes
(`kept`). What a look-up has brought joins the *rest* after a while; and once look-ups need the
room, so does a `Task` that was not used for longer than others. While there is no more room, only
one in sixteen does: whoever asks in turn for more tasks than there is room for would else find each
just thrown out, and now finds those that fit. (M. Qureshi et al., "Adaptive insertion policies for
high performance caching", ISCA 2007.)
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from taskdashd.domain.tasks import Task
from taskdashd.store import kept

_TASK_BYTES: Final = 800
"""About what a `Task` takes beside its body (the tuple, its strings, the dict's slot)."""
_KEPT_BYTES: Final = 150
"""About what bytes take beside themselves: the id, the dict's slot, their own head."""
_TASKS: Final = 4
"""Tasks that are a `Task` have this part of the room: a quarter."""
_BROUGHT: Final = 32
"""What was brought lately has this part of it, or more where a single look-up brings more."""
_TAKEN_IN: Final = 16
"""While there is no room, one in so many joins the rest, for the one that is there longest."""


class Cache:
    """Tasks by id; what was put or brought last stays, however large it is."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.entries: dict[str, Task | bytes | None] = {}
        """What there is of each id that is known here; None where there is no task. To be read."""
        self._tasks: OrderedDict[str, None] = OrderedDict()
        """The ids of those that are a `Task`; what was used last is last."""
        self._brought: OrderedDict[str, None] = OrderedDict()
        """The ids of what look-ups have brought lately."""
        self.bytes = 0
        """About what all of it takes."""
        self._tasks_bytes = self._brought_bytes = 0
        self._together = 0
        """How many entries the last look-up has brought: who waits for them needs all of them."""
        self._longest: Iterator[str] = iter(())
        """Ids of the rest, that which is there longest first; some may have left it."""
        self._turned_away = 0

    def task(self, task_id: str) -> Task | None:
        """Give a task, which then counts as used. Raises `KeyError` where it is not here.

        Nothing is dropped for it: who looks at several tasks has seen before that all are here.
        """
        found = self.entries[task_id]
        if isinstance(found, bytes):
            self.drop(task_id)
            found = kept.task(task_id, found)
            self._hold(task_id, found)
            while self._tasks_bytes > self._bytes_max // _TASKS and len(self._tasks) > 1:
                self._keep(next(iter(self._tasks)))
        elif found is not None:
            self._tasks.move_to_end(task_id)
        return found

    def put(self, task_id: str, task: Task) -> None:
        """Take in a task as it was just committed."""
        before = self.entries.get(task_id)
        if isinstance(before, Task):
            # Mostly the same is written again and again: nothing is taken out and put back.
            more = len(task.body) - len(before.body)
            self._tasks.move_to_end(task_id)
            self.entries[task_id] = task
            self.bytes += more
            self._tasks_bytes += more
        else:
            if task_id in self.entries:
                self.drop(task_id)
            self._hold(task_id, task)
        if self.bytes > self._bytes_max:
            self._make_room_for_written()

    def _make_room_for_written(self) -> None:
        # Most of what is written is not asked for soon: no time is spent on keeping it as bytes.
        tasks, brought, most = self._tasks, self._brought, self._bytes_max
        while self.bytes > most:
            has_much = self._tasks_bytes > most // _TASKS
            if not (has_much and len(tasks) > 1) and self._drop_longest():
                continue
            some = tasks if len(tasks) > 1 else brought
            if not some:
                break
            self.drop(next(iter(some)))

    def _hold(self, task_id: str, task: Task) -> None:
        self.entries[task_id] = task
        self._tasks[task_id] = None
        cost = _TASK_BYTES + len(task.body)
        self.bytes += cost
        self._tasks_bytes += cost

    def _keep(self, task_id: str) -> None:
        """Keep a task as bytes that was not used for longer than others."""
        task = self.entries[task_id]
        assert isinstance(task, Task)
        self.drop(task_id)
        self.entries[task_id] = stays = kept.of(task)
        self.bytes += _cost(stays)

    def begin_look_up(self) -> None:
        """Note that what `bring` takes in from now on is of another look-up."""
        self._together = 0

    def bring(self, task_id: str, found: bytes | None) -> None:
        """Take in what a look-up has found of an id that is not here."""
        self._together += 1
        self.entries[task_id] = found
        self._brought[task_id] = None
        cost = _cost(found)
        self.bytes += cost
        self._brought_bytes += cost
        if self.bytes > self._bytes_max or self._brought_bytes > self._bytes_max // _BROUGHT:
            self._make_room()

    def drop(self, task_id: str) -> None:
        """Know no more what there is of an id."""
        entry = self.entries.pop(task_id, None)
        cost = _cost(entry)
        if task_id in self._tasks:
            del self._tasks[task_id]
            self._tasks_bytes -= cost
        elif task_id in self._brought:
            del self._brought[task_id]
            self._brought_bytes -= cost
        elif entry is None:
            return
        self.bytes -= cost

    def clear(self) -> None:
        """Know nothing any more."""
        self.entries.clear()
        self._tasks.clear()
        self._brought.clear()
        self.bytes = self._tasks_bytes = self._brought_bytes = 0

    def _make_room(self) -> None:
        tasks, brought = self._tasks, self._brought
        while self._tasks_bytes > self._bytes_max // _TASKS and len(tasks) > 1:
            self._join_rest(next(iter(tasks)))
        while self._brought_bytes > self._bytes_max // _BROUGHT and len(brought) > self._together:
            self._join_rest(next(iter(brought)))
        while self.bytes > self._bytes_max and self._drop_longest():
            pass
        while self.bytes > self._bytes_max and len(tasks) > 1:
            self.drop(next(iter(tasks)))
        while self.bytes > self._bytes_max and len(brought) > 1:
            self.drop(next(iter(brought)))

    def _join_rest(self, task_id: str) -> None:
        entry = self.entries[task_id]
        self.drop(task_id)
        stays = kept.of(entry) if isinstance(entry, Task) else entry
        if stays is None:
            return
        cost = _cost(stays)
        if self.bytes + cost > self._bytes_max:
            self._turned_away += 1
            if self._turned_away % _TAKEN_IN:
                return
            while self.bytes + cost > self._bytes_max and self._drop_longest():
                pass
        self.entries[task_id] = stays
        self.bytes += cost

    def _drop_longest(self) -> bool:
        """Drop what is in the rest longest; tell whether there was anything."""
        entries, tasks, brought = self.entries, self._tasks, self._brought
        while len(entries) > len(tasks) + len(brought):
            for task_id in self._longest:
                if task_id in entries and task_id not in tasks and task_id not in brought:
                    self.drop(task_id)
                    return True
            # Write the order down for all that are there: a dict whose first entries are deleted
            # one by one is searched each time for the first that is left.
            self._longest = iter(list(entries))
        return False


def _cost(entry: Task | bytes | None) -> int:
    if isinstance(entry, Task):
        return _TASK_BYTES + len(entry.body)
    return _KEPT_BYTES + (0 if entry is None else len(entry))
