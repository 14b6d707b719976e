"""The database: what is read from it and written to it, whatever engine it stands on.

Every call blocks, so none may be made on the event loop. The daemon calls from three threads,
through `Writer` and `Reader`: one writes, one looks tasks up, one runs queries that may take long.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Busy, Conflict, StorageError
from taskdash_protocol.families.operators import Audit
from taskdash_protocol.families.tasks import Query
from taskdashd.domain import search, tasks
from taskdashd.domain.access import Sight
from taskdashd.domain.acts import Act
from taskdashd.domain.search import Sought
from taskdashd.store import audit
from taskdashd.store.deadline import Deadline
from taskdashd.store.desk import Desk, Unfolded
from taskdashd.store.dialect import sql as shared
from taskdashd.store.dialect.engine import Engine, Session
from taskdashd.store.dialect.opening import engine as _engine
from taskdashd.store.dialect.rows import kept, text
from taskdashd.store.dialect.sql import Parameters, Rows
from taskdashd.store.faults import Away, DiskFull
from taskdashd.store.health import Health
from taskdashd.store.known import KnownIds
from taskdashd.store.lock import StoreUnusable, lock
from taskdashd.store.query import Page
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal
from taskdashd.store.stored import StoredEvent, StoredStep

T = TypeVar("T")

PAGE_BYTES_MAX: Final = 256 << 10
NONSENSE: Final = (TypeError, ValueError, LookupError)
"""Errors of reading a damaged database whose columns hold values of another type, or no text."""


_FORGOTTEN_REV: Final = "SELECT forgotten_rev FROM state"


class Opened(NamedTuple):
    """State read from a file that was just opened: the daemon starts from it."""

    last_rev: int
    gaps_rev: int
    """The log up to this rev may have gaps: rows were pruned, or forgotten with their task."""
    boot: int
    live: list[tuple[str, float | None]]
    """Every live task's id and own heartbeat timeout in seconds, None for the default."""
    known: KnownIds
    """The ids of all stored tasks."""
    records: list[Record]


class Database:
    """One data directory, locked against other daemons for as long as this object is open."""

    def __init__(
        self, engine: Engine, directory: Path, deadline: Deadline, opened: ExitStack
    ) -> None:
        self.directory = directory
        self.engine = engine
        self.fold_rows_max = engine.fold_rows_max
        self._writer = engine.writer
        self._errors: tuple[type[Exception], ...] = (*engine.errors, StorageError, *NONSENSE)
        self._deadline = deadline
        self._looked_up = _Reading(engine, engine.reader)
        self._queried = _Reading(engine, engine.querier, deadline)
        self._opened = opened
        """Closes the engine and releases the directory's lock."""

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        query_timeout_s: float = 10.0,
        store: str = "",
        lease_s: float = 6.0,
        accept_loss: bool = False,
    ) -> Self:
        """Lock a data directory, open its database and migrate it to this version's schema.

        With `store`, the database is that one of PostgreSQL, of which nobody else may think for
        `lease_s` that it is theirs. With `accept_loss` it may lack what was acknowledged.

        Raises `StoreUnusable`.
        """
        with ExitStack() as opened:
            opened.enter_context(lock(directory))
            deadline = Deadline(query_timeout_s)
            engine = opened.enter_context(closing(_engine(directory, store, lease_s, deadline)))
            engine.compare(accept_loss=accept_loss)
            return cls(engine, directory, deadline, opened.pop_all())

    def start(self, fold_rows: int = 5_000) -> Opened:
        """Catch the fold up with the log and count this start. Raises `StoreUnusable`."""
        try:
            given_rev = self.engine.take()
            last_rev = self._scalar("SELECT max(rev) FROM change") or 0
            first_rev = self._scalar("SELECT min(rev) FROM change") or 0
            folded = max(self._scalar("SELECT folded_rev FROM state"), first_rev - 1)
            while folded < last_rev:
                folded = min(folded + fold_rows, last_rev)
                self.fold(folded)
            live = self._writer.execute_sql(self.engine.sql.live)
            with self.engine.lazily():
                # Bit by bit: a million at once take a hundred megabytes.
                ids = self.engine.stream(self._writer, "SELECT id FROM task", ())
                count = self._scalar("SELECT count(*) FROM task")
                known = KnownIds((task_id for (task_id,) in ids), count)
            records = [
                Record(kind, key, strictjson.reload(text(value, crc)), rev)
                for kind, key, value, crc, rev in self._writer.execute_sql(shared.RECORDS)
            ]
            # A tombstone may have the newest rev of all, or a task that was forgotten.
            record_rev = self._scalar("SELECT max(rev) FROM record") or 0
            return Opened(
                max(last_rev, record_rev, given_rev, self._scalar(_FORGOTTEN_REV)),
                self._scalar(shared.GAPS_REV),
                self._scalar("SELECT boot FROM state"),
                live.fetchall(),
                known,
                records,
            )
        except self._errors as error:
            why = self.engine.plain(error)
            raise StoreUnusable(f"cannot read {self.engine.where}: {why}") from error

    def interrupt(self) -> None:
        """Abort the statements of the reading connections. Safe to call from any thread."""
        self.engine.interrupt()

    def close(self) -> None:
        """Close the database and release the directory's lock."""
        self._opened.close()

    # The writing connection

    def append(
        self,
        changes: Sequence[tasks.Change],
        acts: Sequence[Act] = (),
        records: Sequence[Record] = (),
        removals: Sequence[Removal] = (),
    ) -> None:
        """Commit a batch of changes to the disk, all or nothing. Raises `StorageError`."""
        try:
            self.engine.append(changes, acts, records, removals)
        except self.engine.errors as error:
            kind = DiskFull if self.engine.is_full(error) else StorageError
            raise kind(f"the change could not be stored: {self.engine.plain(error)}") from error

    def settle(self) -> bool | None:
        """Tell whether the commit whose outcome was unknown is stored; None if there was none.

        With none, look whether the database answers. Raises `Away` while it does not, and `Fenced`.
        """
        try:
            return self.engine.settle()
        except self.engine.errors as error:
            raise Away(f"the database does not answer: {self.engine.plain(error)}") from error

    def fold(self, to_rev: int) -> None:
        """Bring the `task` table up to a rev of the log. Raises `StorageError`."""
        with self._lazily("the task table could not be updated") as run:
            folded = self._scalar("SELECT folded_rev FROM state")
            self.engine.fold(run, folded, to_rev)
            run("UPDATE state SET folded_rev = ?", (to_rev,))

    def index_texts(self, rows_max: int) -> int:
        """Index texts of some more of the fold; return up to which rev. Raises `StorageError`."""
        with self._lazily("the index of texts could not be updated") as run:
            return self.engine.index_texts(run, rows_max)

    def prune(self, before: str, after: str, rows_max: int) -> int:
        """Delete some log rows that were replaced before a time, or after one in the future.

        A row goes only once the change that replaced it is that old: so each younger change can be
        shown with the task before it, and a task's last row stays. Acts go by their own time.
        Returns the rev up to which the log is pruned then. Raises `StorageError`.
        """
        with self._lazily("what is too old could not be removed") as run:
            # The index of texts goes first: by a change it finds what it has of the task before.
            done = self.engine.index_texts(run, rows_max)
            (pruned,) = run("SELECT pruned_rev FROM state", ()).fetchone()
            (to_rev,) = run(shared.OLD, (pruned, done, rows_max, before, after)).fetchone()
            run(shared.PRUNE_ACTS, (rows_max, before, after))
            if to_rev is None or to_rev <= pruned:
                return int(pruned)
            run(shared.PRUNE_CHANGES, (pruned, to_rev))
            run("UPDATE state SET pruned_rev = ?", (to_rev,))
            return int(to_rev)

    def give_back(self, pages_max: int) -> int:
        """Make the file smaller by some pages that it does not use, where these are many.

        Returns by how many. Raises `StorageError`.
        """
        try:
            return self.engine.give_back(pages_max)
        except self.engine.errors as error:
            why = self.engine.plain(error)
            raise StorageError(f"unused room could not be given back: {why}") from error

    @contextmanager
    def _lazily(self, failing: str) -> Iterator[Callable[[str, tuple[Any, ...]], Any]]:
        """Open a transaction that is not synced: if power fails, it is done again from the log."""
        try:
            with self.engine.lazily() as run:
                yield run
        except self.engine.errors as error:
            raise StorageError(f"{failing}: {self.engine.plain(error)}") from error

    # The connection for look-ups

    def load(self, ids: Iterable[str], revs: Iterable[int]) -> dict[str, bytes]:
        """Read tasks, as `kept` has them, by id, and others by the rev of their last change.

        Raises `StorageError`.
        """
        found = self.engine.sql.loaded(self._looked_up, ids, revs)
        return {row[1]: kept(row) for row in found}

    # The connection for what may take long

    def query(
        self,
        request: Query,
        bytes_max: int,
        unfolded: Mapping[str, int] | None = None,
        sight: Sight | None = None,
        sought: Sought | None = None,
        within_s: float | None = None,
    ) -> Page:
        """Read a page: at most `request.limit` tasks and about `bytes_max` bytes of them.

        `sought` is what `contains` means; without it, no names of people are searched. Tasks that
        the fold could not take in (`unfolded`) are read from the log one by one.

        Raises `BadRequest` for a malformed cursor, `Busy` when it takes too long, and
        `StorageError`.
        """
        sought = search.sought(request.contains) if sought is None else sought
        look = partial(Desk.query, request=request, sight=sight, sought=sought, bytes_max=bytes_max)
        return self.at_desk(look, unfolded, within_s)

    def at_desk(self, look: Callable[[Desk], T], unfolded: Unfolded, within_s: float | None) -> T:
        """Have one look read as often as it must, all of one state. Raises as `query` does."""
        self._deadline.begin(within_s)
        with self._snapshot():
            return look(Desk(self.engine, self._queried, unfolded))

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Have several statements read one state: tasks may be forgotten between two of them."""
        with self._queried.failing():
            self.engine.begin()
        try:
            yield
        finally:
            # Have it end in any case, or all behind it are refused.
            self._deadline.lift()
            with self._queried.failing():
                self.engine.end()

    def health(self, *, check: bool) -> Health:
        """Count and measure; with `check` also read the whole file. Raises `StorageError`."""
        self._deadline.lift()
        with self._queried.failing():
            measured = self.engine.health()
        if not check:
            return measured
        self._deadline.begin()
        try:
            with self._queried.failing():
                found = "; ".join(self.engine.check())
        except Busy:
            found = f"not finished within {self._deadline.limit_s:g} s"
        return measured._replace(check=found)

    def changes(self, after_rev: int, rows_max: int) -> list[StoredEvent]:
        """Read the log from after a rev: fewer rows where they are large, one at least.

        Raises `Conflict` where the log has gaps after that rev, and `StorageError`.
        """
        self._deadline.lift()
        found = self._queried(shared.CHANGES, (after_rev, rows_max, PAGE_BYTES_MAX))
        rows = [StoredEvent(rev, kind, text(*stored)) for rev, kind, *stored in found]
        self._check_gaps(after_rev)
        return rows

    def steps(self, after_rev: int, rows_max: int) -> list[StoredStep]:
        """Read the log as `changes` does, each row with the task before."""
        self._deadline.lift()
        rows = [
            StoredStep(rev, kind, text(task, crc), text(before, before_crc))
            for rev, kind, task, crc, before, before_crc in self._queried(
                shared.STEPS, (after_rev, rows_max, PAGE_BYTES_MAX)
            )
        ]
        self._check_gaps(after_rev)
        return rows

    def _check_gaps(self, after_rev: int) -> None:
        # Called after the rows were read: before them, rows deleted between the two reads would be
        # missed without a word.
        for (gaps_rev,) in self._queried(shared.GAPS_REV, ()):
            if after_rev < gaps_rev:
                raise Conflict(f"changes up to rev {gaps_rev} are no longer held: Query again")

    def look(self, look: Callable[[Rows], T]) -> T:
        """Run a look at what may be forgotten. Raises `StorageError`."""
        self._deadline.lift()
        return look(self._queried)

    def count_for_figures(self, statuses: Iterable[str]) -> dict[str, int]:
        """Count the tasks of each of some statuses, and those of all others under an empty one.

        What somebody has acknowledged counts as `acknowledged`. Raises `StorageError`.
        """
        self._deadline.lift()
        sql = self.engine.sql
        given = (sql.listed(statuses),)
        return dict(self._queried(sql.count_for_figures, given))

    def count_by_user(self, users: Iterable[str], statuses: Iterable[str]) -> dict[str, int]:
        """Count the tasks of some statuses that each of some people has. Raises `StorageError`."""
        self._deadline.lift()
        sql = self.engine.sql
        given = {"people": sql.listed(users), "statuses": sql.listed(statuses)}
        return dict(self._queried(sql.count_by_user, given))

    def audit(
        self, request: Audit, bytes_max: int, within_s: float | None = None, by: audit.By = None
    ) -> audit.History:
        """Read a page of the audit. Raises `BadRequest`, `Busy` and `StorageError`."""
        self._deadline.begin(within_s)
        with self._snapshot():
            return audit.read(request, bytes_max, self._queried, by)

    def _scalar(self, sql: str) -> Any:
        return self._writer.execute_sql(sql).fetchone()[0]


class _Reading:
    """Reads by one connection; with a deadline, what takes longer is refused."""

    def __init__(self, engine: Engine, session: Session, deadline: Deadline | None = None) -> None:
        self.sql = engine.sql
        self._errors: tuple[type[Exception], ...] = (*engine.errors, *NONSENSE)
        self._engine = engine
        self._session = session
        self._deadline = deadline

    def __call__(self, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement and give its rows.

        Raises `StorageError`, and `Busy` once the deadline is over.
        """
        try:
            if self._deadline is not None and self._deadline.is_over():
                # A Query may be many statements, each too short for an engine to look at the clock.
                raise self._deadline.refusal()
            yield from self._engine.read(self._session, statement, parameters)
        except self._errors as error:
            raise self._fault(error) from error

    def stream(self, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement of which not all rows may be wanted; raises as a call does."""
        try:
            yield from self._engine.stream(self._session, statement, parameters)
        except self._errors as error:
            raise self._fault(error) from error

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Raise as a call does."""
        try:
            yield
        except self._errors as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> StorageError | Busy:
        if self._deadline is not None and self._deadline.is_over():
            return self._deadline.refusal()
        return StorageError(f"the database could not be read: {self._engine.plain(error)}")
