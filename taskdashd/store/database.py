"""The database file: opening it safely, and the statements that run on it.

Every call blocks, so none may be made on the event loop. The daemon calls from three threads,
through `Writer` and `Reader`: one writes, one looks tasks up, one runs queries that may take long.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar

import apsw
from peewee import PeeweeException
from playhouse.migrations import MigrationError

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Busy, Conflict, StorageError
from taskdash_protocol.families.operators import Audit
from taskdash_protocol.families.tasks import Query
from taskdashd.domain import search, tasks
from taskdashd.domain.access import Sight
from taskdashd.domain.acts import Act
from taskdashd.domain.search import Sought
from taskdashd.settings import files, owner
from taskdashd.store import audit, dialect, health, labelled, texts
from taskdashd.store.audit import Parameters
from taskdashd.store.deadline import Deadline
from taskdashd.store.desk import Desk, Unfolded
from taskdashd.store.health import Health
from taskdashd.store.known import KnownIds
from taskdashd.store.lock import StoreUnusable, lock
from taskdashd.store.migrating import migrate
from taskdashd.store.query import Page
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal
from taskdashd.store.stored import StoredEvent, StoredStep

T = TypeVar("T")

DATABASE_NAME: Final = "taskdash.db"
RESTORING_NAME: Final = f".{DATABASE_NAME}.restoring"
COMPACTING_NAME: Final = f".{DATABASE_NAME}.compacting"
PAGE_BYTES_MAX: Final = 256 << 10
_PROGRESS_STEPS: Final = 10_000
_UNUSED_PAGES_MIN: Final = 1_000
_UNUSED_SHARE_MIN: Final = 0.02
"""Of a file, or in pages of it: less stays for the rows to come, and is not given back."""
NONSENSE: Final = (TypeError, ValueError, LookupError)
"""Errors of reading a damaged file whose columns hold values of another type, or invalid text."""


class DiskFull(StorageError):
    """The disk has no room for the change."""


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
        self,
        path: Path,
        writer: dialect.Connection,
        reader: dialect.Connection,
        querier: dialect.Connection,
        opened: ExitStack,
        query_timeout_s: float,
    ) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._querier = querier
        self._opened = opened
        """Closes the three connections and releases the directory's lock."""
        self._deadline = Deadline(query_timeout_s)

    @classmethod
    def open(cls, directory: Path, *, query_timeout_s: float = 10.0) -> Self:
        """Lock a data directory, open its database and migrate it to this version's schema.

        Raises `StoreUnusable`.
        """
        path = directory / DATABASE_NAME
        if dialect.Connection.server_version < dialect.SQLITE_MIN:
            raise StoreUnusable(
                f"APSW carries SQLite {apsw.sqlite_lib_version()}, which can corrupt the database;"
                f" {'.'.join(map(str, dialect.SQLITE_MIN))} or later is needed: upgrade apsw"
            )
        with ExitStack() as opened:
            opened.enter_context(lock(directory))
            if not path.exists() and (directory / RESTORING_NAME).exists():
                raise StoreUnusable(
                    f"a restore to {directory} was interrupted: run taskdashd restore again"
                )
            try:
                # A `taskdashd compact` that was killed left it; the lock says that none runs now.
                (directory / COMPACTING_NAME).unlink(missing_ok=True)
                files.make(path)
                connections = []
                for number in range(3):
                    connections.append(dialect.connect(str(path), read_only=number > 0))
                    opened.callback(connections[-1].close)
                    if number == 0:
                        migrate(connections[0], path)
                writer, reader, querier = connections
                database = cls(path, writer, reader, querier, opened.pop_all(), query_timeout_s)
            except (PeeweeException, apsw.Error, MigrationError, OSError, *NONSENSE) as error:
                why = f"{dialect.plain(error)}{owner.told_of_strangers(directory)}"
                raise StoreUnusable(f"cannot open {path}: {why}") from error
            # SQLite calls `is_over` as it runs and interrupts the statement once it returns True.
            querier.connection().set_progress_handler(database._deadline.is_over, _PROGRESS_STEPS)
        return database

    def start(self, fold_rows: int = 5_000) -> Opened:
        """Catch the fold up with the log and count this start. Raises `StoreUnusable`."""
        try:
            last_rev = self._scalar("SELECT max(rev) FROM change") or 0
            first_rev = self._scalar("SELECT min(rev) FROM change") or 0
            folded = max(self._scalar("SELECT folded_rev FROM state"), first_rev - 1)
            while folded < last_rev:
                folded = min(folded + fold_rows, last_rev)
                self.fold(folded)
            self._writer.execute_sql("UPDATE state SET boot = boot + 1")
            live = self._writer.execute_sql(dialect.LIVE)
            ids = self._writer.execute_sql("SELECT id FROM task")
            records = [
                Record(kind, key, strictjson.reload(dialect.text(value, crc)), rev)
                for kind, key, value, crc, rev in self._writer.execute_sql(dialect.RECORDS)
            ]
            # A tombstone may have the newest rev of all, or a task that was forgotten.
            record_rev = self._scalar("SELECT max(rev) FROM record") or 0
            return Opened(
                max(last_rev, record_rev, self._scalar("SELECT forgotten_rev FROM state")),
                self._scalar(f"SELECT {dialect.GAPS_REV}"),
                self._scalar("SELECT boot FROM state"),
                live.fetchall(),
                KnownIds(
                    (task_id for (task_id,) in ids), self._scalar("SELECT count(*) FROM task")
                ),
                records,
            )
        except (PeeweeException, apsw.Error, StorageError, *NONSENSE) as error:
            raise StoreUnusable(f"cannot read {self.path}: {dialect.plain(error)}") from error

    def interrupt(self) -> None:
        """Abort the statements of the reading connections. Safe to call from any thread."""
        for connection in (self._reader, self._querier):
            connection.connection().interrupt()

    def close(self) -> None:
        """Close the file (SQLite checkpoints the WAL into it) and release the directory's lock."""
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
            dialect.append(self._writer, changes, acts, records, removals)
        except (PeeweeException, apsw.Error, MemoryError) as error:
            self._overwrite_failed_commit()
            is_full = isinstance(error.__context__, apsw.FullError)
            kind = DiskFull if is_full else StorageError
            raise kind(f"the change could not be stored: {dialect.plain(error)}") from error

    def _overwrite_failed_commit(self) -> None:
        """Make sure that a commit which failed does not come back after a crash.

        Where only the sync failed, the commit's frames stand in the WAL, whole and with their
        commit mark: recovery would replay them. The next commit is written over them. If this one
        fails too, the next that succeeds does the same.
        """
        with suppress(PeeweeException, apsw.Error):
            # Change any value: `boot` may skip numbers. An unchanged page would not be written.
            self._writer.execute_sql("UPDATE state SET boot = boot + 1")

    def fold(self, to_rev: int) -> None:
        """Bring the `task` table up to a rev of the log. Raises `StorageError`."""
        with self._lazily("the task table could not be updated") as run:
            folded = self._scalar("SELECT folded_rev FROM state")
            run(dialect.FOLD, (folded, to_rev))
            labelled.fold(run, folded, to_rev)
            run("UPDATE state SET folded_rev = ?", (to_rev,))

    def index_texts(self, rows_max: int) -> int:
        """Index texts of some more of the fold; return up to which rev. Raises `StorageError`."""
        with self._lazily("the index of texts could not be updated") as run:
            return texts.index(run, rows_max)

    def prune(self, before: str, after: str, rows_max: int) -> int:
        """Delete some log rows that were replaced before a time, or after one in the future.

        A row goes only once the change that replaced it is that old: so each younger change can be
        shown with the task before it, and a task's last row stays. Acts go by their own time.
        Returns the rev up to which the log is pruned then. Raises `StorageError`.
        """
        with self._lazily("what is too old could not be removed") as run:
            # The index of texts goes first: by a change it finds what it has of the task before.
            done = texts.index(run, rows_max)
            (pruned,) = run("SELECT pruned_rev FROM state", ()).fetchone()
            (to_rev,) = run(dialect.OLD, (pruned, done, rows_max, before, after)).fetchone()
            run(dialect.PRUNE_ACTS, (rows_max, before, after))
            if to_rev is None or to_rev <= pruned:
                return int(pruned)
            run(dialect.PRUNE_CHANGES, (pruned, to_rev))
            run("UPDATE state SET pruned_rev = ?", (to_rev,))
            return int(to_rev)

    def give_back(self, pages_max: int) -> int:
        """Make the file smaller by some pages that it does not use, where these are many.

        Returns by how many. Raises `StorageError`.
        """
        with self._lazily("unused room could not be given back") as run:
            unused, _, vacuums = run(dialect.UNUSED, ()).fetchone()
            (pages,) = run("PRAGMA page_count", ()).fetchone()
            if vacuums != dialect.VACUUMS_BIT_BY_BIT or unused <= max(
                _UNUSED_PAGES_MIN, pages * _UNUSED_SHARE_MIN
            ):
                return 0
            # The pragma moves one page for each row that is read of it.
            return len(run(f"PRAGMA incremental_vacuum({pages_max})", ()).fetchall())

    @contextmanager
    def _lazily(self, failing: str) -> Iterator[Callable[[str, tuple[Any, ...]], Any]]:
        """Open a transaction that is not synced: if power fails, it is done again from the log."""
        try:
            dialect.durable(self._writer, durable=False)
            try:
                with self._writer.atomic():
                    yield self._writer.execute_sql
            finally:
                dialect.durable(self._writer, durable=True)
        except (PeeweeException, apsw.Error, MemoryError) as error:
            raise StorageError(f"{failing}: {dialect.plain(error)}") from error

    # The connection for look-ups

    def load(self, ids: Iterable[str], revs: Iterable[int]) -> dict[str, tasks.Task]:
        """Read tasks by id, and others by the rev of their last change. Raises `StorageError`."""
        found = dialect.loaded(partial(self._read, self._reader), ids, revs)
        return {task.id: task for task in map(dialect.restored, found)}

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
            return look(Desk(self._querier, partial(self._read, self._querier), unfolded))

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Have several statements read one state: tasks may be forgotten between two of them."""
        list(self._read(self._querier, "BEGIN", ()))
        try:
            yield
        finally:
            # Have it end in any case, or all behind it are refused; SQLite may have ended it.
            self._deadline.lift()
            if self._querier.connection().in_transaction:
                list(self._read(self._querier, "COMMIT", ()))

    def health(self, *, check: bool) -> Health:
        """Count and measure; with `check` also read the whole file. Raises `StorageError`."""
        self._deadline.lift()
        measured = health.read(self.path, partial(self._read, self._querier))
        if not check:
            return measured
        self._deadline.begin()
        try:
            found = "; ".join(text for (text,) in self._read(self._querier, dialect.CHECK, ()))
        except Busy:
            found = f"not finished within {self._deadline.limit_s:g} s"
        return measured._replace(check=found)

    def changes(self, after_rev: int, rows_max: int) -> list[StoredEvent]:
        """Read the log from after a rev: fewer rows where they are large, one at least.

        Raises `Conflict` where the log has gaps after that rev, and `StorageError`.
        """
        self._deadline.lift()
        found = self._read(self._querier, dialect.CHANGES, (after_rev, rows_max, PAGE_BYTES_MAX))
        rows = [StoredEvent(rev, kind, dialect.text(*text)) for rev, kind, *text in found]
        self._check_gaps(after_rev)
        return rows

    def steps(self, after_rev: int, rows_max: int) -> list[StoredStep]:
        """Read the log as `changes` does, each row with the task before."""
        self._deadline.lift()
        rows = [
            StoredStep(rev, kind, dialect.text(task, crc), dialect.text(before, before_crc))
            for rev, kind, task, crc, before, before_crc in self._read(
                self._querier, dialect.STEPS, (after_rev, rows_max, PAGE_BYTES_MAX)
            )
        ]
        self._check_gaps(after_rev)
        return rows

    def _check_gaps(self, after_rev: int) -> None:
        # Called after the rows were read: before them, rows deleted between the two reads would be
        # missed without a word.
        for (gaps_rev,) in self._read(self._querier, f"SELECT {dialect.GAPS_REV}", ()):
            if after_rev < gaps_rev:
                raise Conflict(f"changes up to rev {gaps_rev} are no longer held: Query again")

    def look(self, look: Callable[[audit.Rows], T]) -> T:
        """Run a look at what may be forgotten. Raises `StorageError`."""
        self._deadline.lift()
        return look(partial(self._read, self._querier))

    def count_for_figures(self, statuses: Iterable[str]) -> dict[str, int]:
        """Count the tasks of each of some statuses, and those of all others under an empty one.

        What somebody has acknowledged counts as `acknowledged`. Raises `StorageError`.
        """
        self._deadline.lift()
        given = (dialect.json_list(statuses),)
        return dict(self._read(self._querier, dialect.COUNT_FOR_FIGURES, given))

    def count_by_user(self, users: Iterable[str], statuses: Iterable[str]) -> dict[str, int]:
        """Count the tasks of some statuses that each of some people has. Raises `StorageError`."""
        self._deadline.lift()
        given = dialect.json_list(users), dialect.json_list(statuses)
        return dict(self._read(self._querier, dialect.COUNT_BY_USER, given))

    def audit(
        self, request: Audit, bytes_max: int, within_s: float | None = None, by: audit.By = None
    ) -> audit.History:
        """Read a page of the audit. Raises `BadRequest`, `Busy` and `StorageError`."""
        self._deadline.begin(within_s)
        return audit.read(request, bytes_max, partial(self._read, self._querier), by)

    def _read(
        self, connection: dialect.Connection, sql: str, parameters: Parameters
    ) -> Iterator[Any]:
        try:
            if connection is self._querier and self._deadline.is_over():
                # A Query may be many statements, each too short for SQLite to look at the clock.
                raise self._deadline.refusal()
            yield from connection.execute_sql(sql, parameters)
        except (PeeweeException, apsw.Error, MemoryError, *NONSENSE) as error:
            if connection is self._querier and self._deadline.is_over():
                raise self._deadline.refusal() from error
            raise StorageError(f"the database could not be read: {dialect.plain(error)}") from error

    def _scalar(self, sql: str) -> Any:
        return self._writer.execute_sql(sql).fetchone()[0]
