"""Claims whose time runs out: their tasks become free again."""

from collections.abc import Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import ServerError
from taskdash_protocol.requests import Query, Update
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.ownership import NOBODY, Ownership
from taskdashd.core.steps import Steps, drive, wait_for
from taskdashd.core.storing import write
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Change
from taskdashd.domain.times import is_stamp, stamp
from taskdashd.families.people import rules as claims
from taskdashd.store.reader import Reader
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

ACTOR: Final = "taskdashd"
REASON: Final = "the time for it ran out"
_AT_ONCE: Final = 100
_AGAIN_S: Final = 5.0
_MARK: Final = b'"claim_until":"'


class Ending(NamedTuple):
    """A claim that runs out."""

    until: str
    """RFC 3339, UTC, milliseconds: sorts as time does."""
    task_id: str


class ClaimTimes(Following):
    """Knows when each claim runs out, from each change that is committed."""

    def __init__(self) -> None:
        self._until: dict[str, str] = {}
        self._heap: list[Ending] = []
        """All endings by time; one that `_until` does not hold any more is skipped."""

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        for change in changes:
            if _MARK in change.task.body:
                self._see(change.task.body)
            else:
                self._until.pop(change.task.id, None)

    def found(self, task_id: str, body: bytes) -> None:
        """Take in a task read from the database, unless a newer change was taken in before."""
        if _MARK in body and task_id not in self._until:
            self._see(body)

    def take_due(self, wall: str, most: int) -> list[Ending]:
        """Take out up to `most` claims that have run out by `wall`, RFC 3339."""
        due: list[Ending] = []
        while self._heap and self._heap[0].until <= wall and len(due) < most:
            one = heappop(self._heap)
            if self._until.get(one.task_id) == one.until:
                del self._until[one.task_id]
                due.append(one)
        return due

    def put_back(self, one: Ending) -> None:
        """Put back a claim that could not be freed, unless the task has a newer one by now."""
        if one.task_id not in self._until:
            self._expect(one)

    def _see(self, body: bytes) -> None:
        fields = strictjson.reload(body)
        until = fields.get("claim_until")
        held = claims.state_of(fields["status"]) in claims.HELD
        # Clients may write any text as `claim_until`: ignore one that is no time.
        if held and type(until) is str and is_stamp(until):
            self._expect(Ending(until, fields["id"]))
        else:
            self._until.pop(fields["id"], None)

    def _expect(self, one: Ending) -> None:
        if self._until.get(one.task_id) == one.until:
            return
        self._until[one.task_id] = one.until
        heappush(self._heap, one)
        if len(self._heap) > 2 * len(self._until) + 1000:
            self._heap = [Ending(at, task) for task, at in self._until.items()]
            heapify(self._heap)


class Expiry:
    """Frees the tasks of claims that have run out. `tick` is called a few times a second."""

    def __init__(
        self,
        times: ClaimTimes,
        clock: Clock,
        ownership: Ownership,
        view: View,
        reader: Reader,
        writer: Writer,
    ) -> None:
        self._times = times
        self._clock = clock
        self._ownership = ownership
        self.view = view
        self.reader = reader
        self.writer = writer
        self._not_before = 0.0
        self._is_freeing = False
        self._in_hand: Sequence[Ending] = ()
        """The slice that is being freed: if that fails, each of it is tried again."""
        self._unread: tuple[float, str | None] | None = (clock.now(), None)
        """When to read on in the claims of before this start, after which id; None at the end."""

    def tick(self) -> None:
        """Free the tasks of claims that are due."""
        now = self._clock.now()
        if self._unread is not None and now >= self._unread[0]:
            after, self._unread = self._unread[1], None
            drive(self._look_up(after), lambda _outcome: None)
        if now >= self._not_before and not self._is_freeing:
            self._is_freeing = True
            drive(self._free_due(), self._freed)

    def _free_due(self) -> Steps[None]:
        """Free all claims that are due, a slice in a commit.

        One slice follows another at once: with one for each tick, claims that run out together
        would be freed at the rate of the ticks, the last of some thousands many seconds late.
        """
        while self._clock.now() >= self._not_before:
            due = self._times.take_due(stamp(self._clock.wall()), _AT_ONCE)
            if not due:
                return
            self._in_hand = due
            yield from self._free(due)

    def _free(self, due: Sequence[Ending]) -> Steps[None]:
        yield from wait_for(partial(self.reader.load, [one.task_id for one in due]))
        known = [one for one in due if self.view.knows(one.task_id)]
        for one in due:
            if one not in known:
                self._again(one)
        if known:
            yield from write(self, lambda transaction: self._free_all(known, transaction))

    def _freed(self, outcome: ServerError | None) -> None:
        self._is_freeing = False
        if isinstance(outcome, ServerError):
            for one in self._in_hand:
                self._again(one)

    def _free_all(self, known: Sequence[Ending], transaction: Transaction) -> None:
        for one in known:
            self._free_one(one, transaction)

    def _free_one(self, one: Ending, transaction: Transaction) -> None:
        task = transaction.task(one.task_id)
        fields = {} if task is None else strictjson.reload(task.body)
        if task is None or fields.get("claim_until") != one.until:
            return
        if claims.state_of(fields["status"]) not in claims.HELD:
            return
        daemon = claims.Standing(daemon=True)
        changes = claims.freed("expire", fields, transaction.at, REASON, daemon)
        author = Author(NOBODY, ACTOR, overrides=True)
        moment = self._ownership.moment(transaction, task)
        update = Update(one.task_id, changes, own=False)
        transaction.put(tasks.update(task, update, author, moment))

    def _again(self, one: Ending) -> None:
        self._not_before = self._clock.now() + _AGAIN_S
        self._times.put_back(one)

    def _look_up(self, after: str | None) -> Steps[None]:
        """Read the claims of before this start from the database."""
        while True:
            query = Query({"status": claims.HELD}, "id", 1000, after)
            look = partial(self.reader.query, query, None, 1 << 20, lambda: True)
            try:
                page = yield from wait_for(look)
            except ServerError:
                self._unread = (self._clock.now() + _AGAIN_S, after)
                return
            for row in page.rows:
                self._times.found(row.id, row.body)
            if page.next is None:
                return
            after = page.next
