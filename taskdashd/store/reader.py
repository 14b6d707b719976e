"""Reading from the event loop: no call waits, and one statement looks up many tasks.

Look-ups have a thread of their own: a Query that takes its time must not hold up a Find, nor the
shutdown of a task that is not in memory.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from taskdash_protocol.errors import Outcome, ServerError
from taskdash_protocol.requests import Audit, Query
from taskdashd.domain.access import Sight
from taskdashd.domain.search import Sought
from taskdashd.store.audit import By, History
from taskdashd.store.database import Database
from taskdashd.store.desk import Desk, Unfolded
from taskdashd.store.dialect.sql import Rows
from taskdashd.store.executor import Executor, Then
from taskdashd.store.health import Health
from taskdashd.store.query import Page
from taskdashd.store.slow import Asker, Place, SlowReads, for_itself
from taskdashd.store.stored import StoredEvent, StoredStep
from taskdashd.store.transaction import View
from taskdashd.store.writer import Writer

T = TypeVar("T")

Wanted = Callable[[], bool]
"""Whether somebody still waits for the answer; called on the query thread."""


class ChangeLog:
    """The change log as it is on disk, read page by page; it holds every finished commit."""

    def __init__(self, database: Database, slow_reads: SlowReads) -> None:
        self._database = database
        self._slow_reads = slow_reads

    def changes(
        self,
        whose: str,
        after_rev: int,
        rows_max: int,
        wanted: Wanted,
        then: Then[list[StoredEvent]],
    ) -> None:
        """Read the log from after a rev, for a watch of somebody."""
        self._slow_reads.run(
            lambda _: self._database.changes(after_rev, rows_max),
            Asker(whose, wanted, Place.LOG),
            then,
        )

    def steps(
        self,
        whose: str,
        after_rev: int,
        rows_max: int,
        wanted: Wanted,
        then: Then[list[StoredStep]],
    ) -> None:
        """Read the log from after a rev, each row with the task before, for a board of somebody."""
        self._slow_reads.run(
            lambda _: self._database.steps(after_rev, rows_max),
            Asker(whose, wanted, Place.LOG),
            then,
        )


class Reader:
    """Loads tasks into the view, and answers from the fold once the fold has caught up."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        slow_reads: SlowReads,
        view: View,
        writer: Writer,
    ) -> None:
        self._database = database
        self._executor = executor
        self._slow_reads = slow_reads
        self._view = view
        self._writer = writer
        self._wanted: dict[str, list[Then[None]]] = {}
        self._loading = False

    def load(self, ids: Iterable[str], then: Then[None]) -> None:
        """Load these ids into the view, and call `then` with None or with the error.

        Ids asked for while a look-up runs go into the next one. `then` must check `View.knows`
        again: a small cache may have dropped an id already.
        """
        missing = {task_id for task_id in ids if not self._view.knows(task_id)}
        if not missing:
            then(None)
            return
        left, fault = len(missing), None

        def one_arrived(outcome: Outcome[None]) -> None:
            nonlocal left, fault
            left -= 1
            fault = fault or outcome
            if left == 0:
                then(fault)

        for task_id in missing:
            self._wanted.setdefault(task_id, []).append(one_arrived)
        self._look_up()

    def turn(self, then: Then[None]) -> None:
        """Call `then` in a later turn of the event loop: others are served in between."""
        self._executor.submit(lambda: None, then)

    def query(
        self,
        request: Query,
        sight: Sight | None,
        bytes_max: int,
        asker: Asker,
        then: Then[Page],
        *,
        sought: Sought | None = None,
    ) -> None:
        """Answer a Query with all that is committed now; skip tasks that `sight` does not see.

        `sought` is what its `contains` means.
        """
        self._of_all(
            lambda unfolded, left_s: self._database.query(
                request, bytes_max, unfolded, sight, sought, left_s
            ),
            asker,
            then,
        )

    def at_desk(self, look: Callable[[Desk], T], asker: Asker, then: Then[T]) -> None:
        """Run a look that reads as often as it must, on the query thread, as of all committed."""
        self._of_all(partial(self._database.at_desk, look), asker, then)

    def _of_all(
        self, read: Callable[[Unfolded, float | None], T], asker: Asker, then: Then[T]
    ) -> None:
        def caught_up(fault: ServerError | None) -> None:
            # On a full disk the fold cannot catch up: the missing tasks are read in the log.
            unfolded = dict(self._view.unfolded) if fault is not None else None
            self._slow_reads.run(partial(read, unfolded), asker, then)

        self._writer.catch_up(caught_up)

    def health(self, asker: Asker, then: Then[Health], *, check: bool) -> None:
        """Measure the file, and check it if asked to."""
        # Go on where the fold failed, as on a full disk: the counts are a little old, but the free
        # bytes, which matter then, are right.
        self._writer.catch_up(
            lambda _fault: self._slow_reads.run(
                lambda _: self._database.health(check=check), asker, then
            )
        )

    def count_by_user(
        self,
        users: Sequence[str],
        statuses: Sequence[str],
        asker: Asker,
        then: Then[dict[str, int]],
    ) -> None:
        """Count the tasks of some statuses that each of some people has."""
        self._slow_reads.run(lambda _: self._database.count_by_user(users, statuses), asker, then)

    def look(self, look: Callable[[Rows], T], then: Then[T]) -> None:
        """Run a look of `forgetting` at what may be forgotten."""
        self._slow_reads.run(lambda _: self._database.look(look), for_itself("forgetting"), then)

    def audit(
        self,
        request: Audit,
        bytes_max: int,
        asker: Asker,
        then: Then[Any],
        by: By = None,
        *,
        shown: Callable[[History], Any] | None = None,
    ) -> None:
        """Read a page of the audit; with `by` only what those did whom it matches.

        `shown` makes of the page what is told, on the thread as well.
        """

        def read(left_s: float | None) -> Any:
            found = self._database.audit(request, bytes_max, left_s, by)
            return found if shown is None else shown(found)

        self._writer.catch_up(lambda _fault: self._slow_reads.run(read, asker, then))

    def _look_up(self) -> None:
        if self._loading or not self._wanted:
            return
        self._loading = True
        wanted, self._wanted = self._wanted, {}
        unfolded = self._view.unfolded
        ids = [task_id for task_id in wanted if task_id not in unfolded]
        revs = [unfolded[task_id] for task_id in wanted if task_id in unfolded]
        asked_rev = self._view.begin_load()
        self._executor.submit(
            lambda: self._database.load(ids, revs),
            lambda outcome: self._looked_up(wanted, asked_rev, outcome),
        )

    def _looked_up(
        self,
        wanted: dict[str, list[Then[None]]],
        asked_rev: int,
        outcome: Outcome[dict[str, bytes]],
    ) -> None:
        self._loading = False
        changed = self._view.end_load()
        for task_id, waiting in wanted.items():
            if isinstance(outcome, ServerError):
                for one_arrived in waiting:
                    one_arrived(outcome)
            elif task_id not in changed and self._view.loaded(
                task_id, outcome.get(task_id), asked_rev
            ):
                for one_arrived in waiting:
                    one_arrived(None)
            else:
                self._wanted.setdefault(task_id, []).extend(waiting)
        self._look_up()
