"""One file of SQLite, opened safely and migrated: one of three connections writes to it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import apsw
from peewee import DatabaseError, PeeweeException
from playhouse.apsw_ext import APSWDatabase
from playhouse.migrations import MigrationError

from taskdashd.domain.acts import Act
from taskdashd.domain.search import Sought
from taskdashd.domain.tasks import Change
from taskdashd.settings import files, owner
from taskdashd.store import migrating
from taskdashd.store.deadline import Deadline
from taskdashd.store.dialect import rows, sql
from taskdashd.store.dialect.engine import Session
from taskdashd.store.dialect.sql import Parameters
from taskdashd.store.dialect.sqlite import labels, texts
from taskdashd.store.dialect.sqlite.sql import FOLD, FORGET_TEXTS, SqliteSql, json_list
from taskdashd.store.health import Health, OfFile, room
from taskdashd.store.lock import StoreUnusable
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

DATABASE_NAME: Final = "taskdash.db"
RESTORING_NAME: Final = f".{DATABASE_NAME}.restoring"
MOVING_NAME: Final = f".{DATABASE_NAME}.moving"
COMPACTING_NAME: Final = f".{DATABASE_NAME}.compacting"
NONSENSE: Final = (TypeError, ValueError, LookupError)
"""Errors of reading a damaged file whose columns hold values of another type, or invalid text."""
SQLITE_MIN: Final = (3, 51, 3)
"""The first release without the WAL-reset corruption bug."""

PRAGMAS: Final = {
    "journal_mode": "wal",
    # A Pi gets unplugged: a commit is on the card before it is acknowledged.
    "synchronous": "full",
    "cache_size": -8 * 1024,
    "temp_store": "memory",
    # Shrink the WAL at a checkpoint: one that readers held up would keep its size for good.
    "journal_size_limit": 16 << 20,
    "foreign_keys": 1,
}

_COLUMNS: Final = ", ".join(rows.COLUMNS)
_ROW_MARKS: Final = f"({', '.join('?' * len(rows.COLUMNS))})"
# Insert many rows with a statement, but in five sizes only, so that all five stay prepared.
_APPEND: Final = {
    many: f"INSERT INTO change ({_COLUMNS}) VALUES {', '.join([_ROW_MARKS] * many)}"
    for many in (256, 64, 16, 4, 1)
}

UNUSED: Final = """
SELECT freelist_count, page_size, auto_vacuum
FROM pragma_freelist_count, pragma_page_size, pragma_auto_vacuum
"""
VACUUMS_BIT_BY_BIT: Final = 2
"""`auto_vacuum` of a file that gives room back when it is asked to."""

_CHECK: Final = "PRAGMA quick_check(10)"
_PROGRESS_STEPS: Final = 10_000
_UNUSED_PAGES_MIN: Final = 1_000
_UNUSED_SHARE_MIN: Final = 0.02
"""Of a file, or in pages of it: less stays for the rows to come, and is not given back."""
_SQL: Final = SqliteSql()


class Connection(APSWDatabase):  # type: ignore[misc]
    """peewee's database over APSW, taught to bind what `playhouse.migrations` stores."""

    def _add_conn_hooks(self, conn: Any) -> None:
        # APSW binds SQLite's own types only; the history of migrations holds a datetime.
        conn.convert_binding = lambda _cursor, _number, value: str(value)
        super()._add_conn_hooks(conn)


def connect(path: str, *, read_only: bool = False) -> Connection:
    """Open a database object that one thread at a time will use."""
    pragmas: dict[str, Any] = dict(PRAGMAS)
    if read_only:
        pragmas["query_only"] = 1
    elif not Path(path).exists() or not Path(path).stat().st_size:
        # Before all others: only a file without any page can be made one that gives room back. In
        # one with pages the statement would change a byte, also of a newer version's file.
        pragmas = {"auto_vacuum": "incremental", **pragmas}
    database = Connection(path, pragmas=pragmas, thread_safe=False, timeout=5)
    database.connect()
    return database


def append(
    database: Connection,
    changes: Sequence[Change],
    acts: Sequence[Act] = (),
    records: Sequence[Record] = (),
    removals: Sequence[Removal] = (),
) -> None:
    """Commit changes to the log, and acts and records beside it, all or none.

    What is to be forgotten goes first: a task may be registered anew in the same commit.

    CPython gives its interpreter lock up, and fights for it again, at each statement: so a batch
    is a few statements of many rows. (One statement over `json_each` would give it up once, but
    takes five times the processor for its rows.)
    """
    with database.atomic():
        for removal in removals:
            _remove(database, removal)
        start = 0
        for many, statement in _APPEND.items():
            while len(changes) - start >= many:
                some = changes[start : start + many]
                database.execute_sql(statement, [value for one in some for value in rows.of(one)])
                start += many
        for act in acts:
            database.execute_sql(sql.ADD_ACT, act)
        for statement, given in sql.keeping(records):
            database.execute_sql(statement, given)


def _remove(database: Connection, removal: Removal) -> None:
    """Delete tasks, in the log and in all that it folds to."""
    for statement, given in _SQL.removing(removal):
        database.execute_sql(statement, given)
    database.execute_sql(FORGET_TEXTS, (json_list(removal.revs),))


def durable(database: Connection, *, durable: bool) -> None:
    """Choose whether the next commits are synced at once.

    The fold is committed without: if power fails, it is made again from the log. The fold cannot
    overtake the log either, since the WAL is one file and is synced up to the next durable commit.
    """
    database.execute_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")


def plain(error: Exception) -> str:
    """Say in one line what went wrong, and what to do where that is known."""
    if isinstance(error, OSError):
        return files.plain(error)
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, DatabaseError) and "not a database" in text:
        text += "; it is damaged or belongs to another program"
    elif "malformed" in text:
        text += (
            "; taskdashd check tells more, taskdashd restore --newest --force puts a backup there"
        )
    return text


class SqliteEngine:
    """The database file of a data directory."""

    may_be_away = waits = False
    errors: tuple[type[Exception], ...] = (PeeweeException, apsw.Error, MemoryError)
    plain = staticmethod(plain)
    # More write each page of an index fewer times.
    fold_rows_max = 10_000
    cluster = ""

    def __init__(self, path: Path, connections: Sequence[Connection], opened: ExitStack) -> None:
        self.sql = _SQL
        self.path = path
        self.where = str(path)
        self.writer, self.reader, self.querier = connections
        self._opened = opened
        """Closes the three connections."""

    @classmethod
    def open(cls, directory: Path, deadline: Deadline) -> Self:
        """Open the database of a locked directory, and migrate it to this version's schema.

        Raises `StoreUnusable`.
        """
        path = directory / DATABASE_NAME
        if Connection.server_version < SQLITE_MIN:
            raise StoreUnusable(
                f"APSW carries SQLite {apsw.sqlite_lib_version()}, which can corrupt the database;"
                f" {'.'.join(map(str, SQLITE_MIN))} or later is needed: upgrade apsw"
            )
        for name, what in ((RESTORING_NAME, "restore"), (MOVING_NAME, "move")):
            if not path.exists() and (directory / name).exists():
                raise StoreUnusable(
                    f"a {what} to {directory} was interrupted: run taskdashd {what} again"
                )
        with ExitStack() as opened:
            try:
                # A `taskdashd compact` that was killed left it; the lock says that none runs now.
                (directory / COMPACTING_NAME).unlink(missing_ok=True)
                files.make(path)
                connections = []
                for number in range(3):
                    connections.append(connect(str(path), read_only=number > 0))
                    opened.callback(connections[-1].close)
                    if number == 0:
                        migrating.migrate(connections[0], str(path), migrating.MIGRATIONS)
            except (*cls.errors, MigrationError, OSError, *NONSENSE) as error:
                why = f"{plain(error)}{owner.told_of_strangers(directory)}"
                raise StoreUnusable(f"cannot open {path}: {why}") from error
            # SQLite calls `is_over` as it runs and interrupts the statement once it returns True.
            connections[2].connection().set_progress_handler(deadline.is_over, _PROGRESS_STEPS)
            return cls(path, connections, opened.pop_all())

    def compare(self, *, accept_loss: bool) -> None:
        """Nothing: what was acknowledged is in the file itself."""

    def take(self) -> int:
        """Count this start. Gives no rev: those of its tables are all."""
        self.writer.execute_sql("UPDATE state SET boot = boot + 1")
        return 0

    def close(self) -> None:
        """Close the file: SQLite checkpoints the WAL into it."""
        self._opened.close()

    def interrupt(self) -> None:
        """Abort the statements of the reading connections. Safe to call from any thread."""
        for session in (self.reader, self.querier):
            session.connection().interrupt()

    def is_full(self, error: Exception) -> bool:
        """Tell whether an error says that the disk has no room."""
        return isinstance(error.__context__, apsw.FullError)

    def append(
        self,
        changes: Sequence[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        """Commit changes to the log, and acts and records beside it, all or none."""
        try:
            append(self.writer, changes, acts, records, removals)
        except self.errors:
            self._overwrite_failed_commit()
            raise

    def _overwrite_failed_commit(self) -> None:
        """Make sure that a commit which failed does not come back after a crash.

        Where only the sync failed, the commit's frames stand in the WAL, whole and with their
        commit mark: recovery would replay them. The next commit is written over them. If this one
        fails too, the next that succeeds does the same.
        """
        with suppress(PeeweeException, apsw.Error):
            # Change any value: `boot` may skip numbers. An unchanged page would not be written.
            self.writer.execute_sql("UPDATE state SET boot = boot + 1")

    def settle(self) -> bool | None:
        """Tell that no commit's outcome is unknown: a file is not lost in the middle of one."""
        return None

    @contextmanager
    def lazily(self) -> Iterator[Callable[[str, Any], Any]]:
        """Open a transaction that is not synced: if power fails, it is done again from the log."""
        durable(self.writer, durable=False)
        try:
            with self.writer.atomic():
                yield self.writer.execute_sql
        finally:
            durable(self.writer, durable=True)

    def fold(self, run: Callable[[str, Any], Any], after_rev: int, to_rev: int) -> None:
        """Bring the tables of tasks and labels from one rev of the log to another."""
        run(FOLD, (after_rev, to_rev))
        labels.fold(run, after_rev, to_rev)

    def index_texts(self, run: Callable[[str, Any], Any], rows_max: int) -> int:
        """Index the tasks of some more of the folded log; return the rev up to which all are."""
        return texts.index(run, rows_max)

    def give_back(self, pages_max: int) -> int:
        """Make the file smaller by some pages that it does not use, where these are many.

        Returns by how many.
        """
        with self.lazily() as run:
            unused, _, vacuums = run(UNUSED, ()).fetchone()
            (pages,) = run("PRAGMA page_count", ()).fetchone()
            if vacuums != VACUUMS_BIT_BY_BIT or unused <= max(
                _UNUSED_PAGES_MIN, pages * _UNUSED_SHARE_MIN
            ):
                return 0
            # The pragma moves one page for each row that is read of it.
            return len(run(f"PRAGMA incremental_vacuum({pages_max})", ()).fetchall())

    def read(self, session: Session, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement of a reading connection, and give its rows as they are asked for."""
        found: Iterator[Any] = session.execute_sql(statement, parameters)
        return found

    def stream(self, session: Session, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement: SQLite gives rows one by one in any case."""
        return self.read(session, statement, parameters)

    def begin(self) -> None:
        """Have the querier's next statements read one state."""
        self.querier.execute_sql("BEGIN")

    def end(self) -> None:
        """Have them read the newest again; SQLite may have ended it already."""
        if self.querier.connection().in_transaction:
            self.querier.execute_sql("COMMIT")

    def test_by(self, sought: Sought) -> None:
        """Make `has_words(task)` test tasks for what is sought, on the querier."""
        texts.test_by(self.querier.connection(), sought)

    def health(self) -> Health:
        """Count and measure, without a check."""
        counts = dict(self.querier.execute_sql(sql.COUNT_BY_STATUS))
        sizes = []
        for suffix in ("", "-wal"):
            try:
                sizes.append(Path(f"{self.path}{suffix}").stat().st_size)
            except FileNotFoundError:
                sizes.append(0)
        unused, page_bytes, vacuums = self.querier.execute_sql(UNUSED).fetchone()
        gives_back = vacuums == VACUUMS_BIT_BY_BIT
        file = OfFile(sizes[1], room(self.path.parent), unused * page_bytes, gives_back)
        return Health(counts, "SQLite", apsw.sqlite_lib_version(), sizes[0], file, None)

    def check(self) -> Iterator[str]:
        """Give what is wrong with the file, or `ok`."""
        for (text,) in self.querier.execute_sql(_CHECK):
            yield text

    def opened_anew(self) -> Connection:
        """Open a further connection that reads, in a transaction that has begun; on any thread."""
        session = connect(self.where, read_only=True)
        session.execute_sql("BEGIN")
        return session
