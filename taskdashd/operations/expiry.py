"""Claims whose time runs out: the task is free again."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.requests import Query, Update
from taskdashd.domain import claims, tasks
from taskdashd.domain.tasks import Author, Change
from taskdashd.domain.times import is_stamp, stamp
from taskdashd.operations.engine import NOBODY, Engine
from taskdashd.store.query import Page
from taskdashd.store.transaction import Transaction

ACTOR: Final = "taskdashd"
REASON: Final = "the time for it ran out"
_AT_ONCE: Final = 100
_AGAIN_S: Final = 5.0
_MARK: Final = b'"claim_until":"'


class Expiry:
    """Knows when each claim runs out, and frees those that have. `tick` is called often."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._until: dict[str, str] = {}
        self._heap: list[tuple[str, str]] = []
        """What is no longer in `_until` is skipped."""
        self._not_before = 0.0
        self._unread: tuple[float, str | None] | None = None
        """When to go on with the claims of before this start, where they could not be read."""
        engine.followers.append(self._follow)
        self._look_up(None)

    def tick(self) -> None:
        """Free what is due."""
        now = self._engine.clock.now()
        if self._unread is not None and now >= self._unread[0]:
            after, self._unread = self._unread[1], None
            self._look_up(after)
        due: list[tuple[str, str]] = []
        if now < self._not_before:
            return
        wall = stamp(self._engine.clock.wall())
        while self._heap and self._heap[0][0] <= wall and len(due) < _AT_ONCE:
            until, task_id = heappop(self._heap)
            if self._until.get(task_id) == until:
                del self._until[task_id]
                due.append((until, task_id))
        if due:
            self._engine.reader.load(
                [task_id for _, task_id in due], lambda fault: self._loaded(due, fault)
            )

    def _loaded(self, due: list[tuple[str, str]], fault: Exception | None) -> None:
        engine = self._engine
        known = [] if fault is not None else [one for one in due if engine.view.knows(one[1])]
        for one in due:
            if one not in known:
                self._again(one)
        if known:
            engine.writer.write(
                lambda transaction: self._free_all(known, transaction),
                lambda outcome: self._freed(known, outcome),
            )
            engine.writer.flush()

    def _free_all(self, known: list[tuple[str, str]], transaction: Transaction) -> None:
        for one in known:
            self._free(one, transaction)

    def _free(self, one: tuple[str, str], transaction: Transaction) -> None:
        until, task_id = one
        task = transaction.task(task_id)
        fields = {} if task is None else strictjson.reload(task.body)
        if task is None or fields.get("claim_until") != until:
            return
        if claims.state_of(fields["status"]) not in claims.HELD:
            return
        daemon = claims.Standing(daemon=True)
        changes = claims.freed("expire", fields, transaction.at, REASON, daemon)
        author = Author(NOBODY, ACTOR, overrides=True)
        moment = self._engine.moment(transaction, task)
        transaction.put(tasks.update(task, Update(task_id, changes, own=False), author, moment))

    def _freed(self, known: list[tuple[str, str]], outcome: Any) -> None:
        if isinstance(outcome, Exception):
            for one in known:
                self._again(one)

    def _again(self, one: tuple[str, str]) -> None:
        self._not_before = self._engine.clock.now() + _AGAIN_S
        # A newer claim may have set another time meanwhile.
        if one[1] not in self._until:
            self._expect(one[1], one[0])

    def _follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if _MARK in change.task.body:
                self._see(change.task.body)
            else:
                self._until.pop(change.task.id, None)

    def _see(self, body: bytes) -> None:
        fields = strictjson.reload(body)
        until = fields.get("claim_until")
        held = claims.state_of(fields["status"]) in claims.HELD
        # Clients may write the field as they like; what is no time is none.
        if held and type(until) is str and is_stamp(until):
            self._expect(fields["id"], until)
        else:
            self._until.pop(fields["id"], None)

    def _expect(self, task_id: str, until: str) -> None:
        if self._until.get(task_id) == until:
            return
        self._until[task_id] = until
        heappush(self._heap, (until, task_id))
        if len(self._heap) > 2 * len(self._until) + 1000:
            self._heap = [(at, task) for task, at in self._until.items()]
            heapify(self._heap)

    def _look_up(self, after: str | None) -> None:
        """Find the claims that were made before this start."""

        def read(page: Any) -> None:
            if not isinstance(page, Page):
                self._unread = (self._engine.clock.now() + _AGAIN_S, after)
                return
            for row in page.rows:
                # What has changed since is known from the change.
                if _MARK in row.body and row.id not in self._until:
                    self._see(row.body)
            if page.next is not None:
                self._look_up(page.next)

        request = Query({"status": claims.HELD}, "id", 1000, after)
        self._engine.reader.query(request, None, 1 << 20, lambda: True, read)
