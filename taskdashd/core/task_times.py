"""Times in tasks: members of a task's JSON that the agenda keeps, such as the end of a claim.

`TaskTimes` follows every commit, and after a start reads the tasks that were stored before. A
family says in a `TaskTime` where its time stands, and what is to be done when that has come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.errors import ServerError
from taskdash_protocol.requests import Query
from taskdashd.core.agenda import AGAIN_S, Agenda, Line
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.steps import Steps, drive, wait_for
from taskdashd.domain.agenda import Entry
from taskdashd.domain.tasks import Change, Task, TaskKind
from taskdashd.domain.times import seconds
from taskdashd.store.reader import Reader
from taskdashd.store.slow import for_itself
from taskdashd.store.transaction import Transaction

_PAGE_ROWS: Final = 200
"""Tasks read at a time: what they hold is parsed in one step of the event loop."""
_PAGE_BYTES: Final = 1 << 20

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskTime:
    """A time in tasks, and what is due then. A `Family` of the agenda."""

    name: str
    takes_away: bool
    kinds: frozenset[TaskKind]
    """The kinds of tasks that may have it."""
    mark: bytes
    """What the JSON of each task with such a time has in it: one without is not parsed."""
    where: Mapping[str, tuple[str, ...]]
    """Selects the tasks that may have one, as in Query."""
    time_of: Callable[[Fields], str]
    """Gives a task's time from its fields, RFC 3339 with a zone; empty where it has none."""
    come: Callable[[Task, Fields, Transaction], None]
    """Does what is due to a task whose time has come."""
    since_of: Callable[[Fields], str] | None = None
    """Gives when the duration began that ends at that time; None where it is a moment."""

    @property
    def is_duration(self) -> bool:
        """Whether it is so many seconds after a change: a `Family`'s."""
        return self.since_of is not None

    def stored(self, task: Task, fields: Fields | None = None) -> str:
        """Give the time of a task; empty where it has none. `fields` are the task's, if parsed."""
        if task.body.find(self.mark) < 0:
            return ""
        return self.time_of(strictjson.reload(task.body) if fields is None else fields)

    def decide(self, entry: Entry, transaction: Transaction) -> None:
        """Do what is due, where the task still has that time: a `Family`'s."""
        task = transaction.task(entry.key)
        if task is None or self.mark not in task.body:
            return
        fields = strictjson.reload(task.body)
        if self.time_of(fields) == entry.stored:
            self.come(task, fields, transaction)


class TaskTimes(Following):
    """Keeps the agenda's lines for times in tasks. `tick` is called a few times a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: list[_Kept] = []
        self._marks: list[bytes] = []
        self._kinds = frozenset[TaskKind]()

    def begin(self, agenda: Agenda, reader: Reader, times: Sequence[TaskTime]) -> None:
        """Begin to keep some times, before the first commit is followed."""
        self._kept = [_Kept(time, agenda.add(time), self._clock, reader) for time in times]
        self._marks = [time.mark for time in times]
        self._kinds = frozenset[TaskKind]().union(*(time.kinds for time in times))

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        for change in changes:
            task = change.task
            if task.kind not in self._kinds:
                continue
            body, fields = task.body, {}
            # Parse a task once for all of its times, and most tasks never: they have none.
            for mark in self._marks:
                if body.find(mark) >= 0:
                    fields = strictjson.reload(body)
                    break
            for kept in self._kept:
                kept.see(change, fields)

    def tick(self) -> None:
        """Read what was stored before this start, once it may be."""
        for kept in self._kept:
            kept.read_on()


class _Kept:
    """One kind of time, with its line."""

    def __init__(self, time: TaskTime, line: Line, clock: Clock, reader: Reader) -> None:
        self.time = time
        self._line = line
        self._clock = clock
        self._reader = reader
        self._has_read = False
        self._is_reading = False
        self._read_on_at = 0.0
        self._after: str | None = None
        """The last id that was read of what was stored before this start."""

    def see(self, change: Change, fields: Fields) -> None:
        """Expect what a committed task holds."""
        task = change.task
        stored = self.time.stored(task, fields)
        if not stored:
            self._line.drop(task.id)
        elif self._has_read or not self._stood_before(change, stored):
            self._line.expect(task.id, stored, seconds(stored) - seconds(change.at))

    def _stood_before(self, change: Change, stored: str) -> bool:
        """Tell whether a change left alone a time of before this start, which is to be read yet."""
        if change.task.id in self._line or change.previous is None:
            return False
        return self.time.stored(change.previous) == stored

    def read_on(self) -> None:
        """Begin to read what was stored before this start, if it is time."""
        now = self._clock.elapsed()
        if self._has_read or self._is_reading or now < self._read_on_at:
            return
        if self._line.read_in_s() == 0:
            self._is_reading = True
            drive(self._read(self._clock.wall() - now), self._ended)

    def _read(self, ahead_s: float) -> Steps[None]:
        """Read page after page, by a wall clock that is `ahead_s` ahead of elapsed time."""
        while True:
            query = Query(self.time.where, "id", _PAGE_ROWS, self._after)
            look = partial(self._reader.query, query, None, _PAGE_BYTES, for_itself("times"))
            page = yield from wait_for(look)
            for row in page.rows:
                if self.time.mark in row.body and row.id not in self._line:
                    self._find(row.id, strictjson.reload(row.body), ahead_s)
            self._after = page.next
            if page.next is None:
                return

    def _find(self, task_id: str, fields: Fields, ahead_s: float) -> None:
        stored, since_of = self.time.time_of(fields), self.time.since_of
        if not stored:
            return
        now = self._clock.elapsed() + ahead_s
        if since_of is not None:
            # A clock that is behind the beginning is wrong, as that of a Pi without a battery: by
            # it years would be left. Give the whole duration once more.
            now = max(now, seconds(since_of(fields)))
        self._line.expect(task_id, stored, seconds(stored) - now)

    def _ended(self, outcome: ServerError | None) -> None:
        self._is_reading = False
        if isinstance(outcome, ServerError):
            self._read_on_at = self._clock.elapsed() + AGAIN_S
        else:
            self._has_read = True
