"""A database of PostgreSQL, written by this daemon alone: each commit is fenced by its term."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self
from zlib import crc32

import orjson
import psycopg
import structlog
from peewee import PeeweeException
from playhouse.migrations import MigrationError
from playhouse.postgres_ext import Psycopg3Database

from taskdashd.domain import times
from taskdashd.domain.acts import Act
from taskdashd.domain.search import Sought
from taskdashd.domain.tasks import Change
from taskdashd.store.deadline import Deadline
from taskdashd.store.dialect import rows, sql
from taskdashd.store.dialect.postgres import fold
from taskdashd.store.dialect.postgres.session import SCHEMA, Session, Wire, plain, spoken, where
from taskdashd.store.dialect.postgres.sql import PostgresSql
from taskdashd.store.dialect.sql import Parameters
from taskdashd.store.faults import Away, Fenced, OutcomeUnknown
from taskdashd.store.health import Health, room
from taskdashd.store.lock import StoreUnusable
from taskdashd.store.migrating import migrate
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

MIGRATIONS: Final = Path(__file__).parent / "migrations"
SERVER_MIN: Final = 130_000
_BETWEEN_TRIES_S: Final = 0.2
_COPIED_MIN: Final = 17
"""So many rows are cheaper by COPY, which takes turns of its own with the server."""

# A fence that is lost must *raise*: an UPDATE that hits no row would let what follows it in the
# pipeline commit.
_FENCE: Final = """
WITH fence AS (UPDATE state SET rev = %s WHERE term = %s AND rev = %s RETURNING 1)
SELECT 1 / count(*) FROM fence
"""
_COLUMNS: Final = ", ".join(rows.COLUMNS)
_INSERT: Final = f"INSERT INTO change ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(rows.COLUMNS))})"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class PostgresEngine:
    """A database of PostgreSQL."""

    errors: tuple[type[Exception], ...] = (psycopg.Error, OSError, MemoryError)
    plain = staticmethod(plain)

    def __init__(self, dsn: str, directory: Path, lease_s: float, deadline: Deadline) -> None:
        self.sql = PostgresSql()
        self.where = where(dsn)
        self.directory = directory
        self.writer = Session(dsn, lease_s)
        self.reader = Session(dsn, lease_s)
        self.querier = Session(dsn, None)
        self._dsn = dsn
        self._lease_s = lease_s
        self._deadline = deadline
        self._term = 0
        self._rev = 0
        self._unsettled: tuple[int, int] | None = None
        """The revs before and after a commit whose outcome is not known."""

    @classmethod
    def open(cls, dsn: str, directory: Path, lease_s: float, deadline: Deadline) -> Self:
        """Open a database, and bring it to this version's schema. Raises `StoreUnusable`."""
        try:
            engine = cls(dsn, directory, lease_s, deadline)
        except psycopg.ProgrammingError as error:
            raise StoreUnusable(f"store is no address of a database: {plain(error)}") from None
        with ExitStack() as opened:
            opened.callback(engine.close)
            try:
                engine._check()
                engine._migrate()
            except (*cls.errors, PeeweeException, MigrationError) as error:
                raise StoreUnusable(f"cannot open {engine.where}: {plain(error)}") from None
            opened.pop_all()
        return engine

    def _check(self) -> None:
        """Refuse a server on which an acknowledged write could be lost, or which has no sessions.

        Raises `StoreUnusable`.
        """
        wires = [session.live() for session in (self.writer, self.reader, self.querier)]
        if wires[0].info.server_version < SERVER_MIN:
            raise StoreUnusable(f"{self.where} is older than PostgreSQL 13: upgrade it")
        pids = [_one(wire, "SELECT pg_backend_pid()")[0] for wire in wires]
        if len(set(pids)) < len(pids):
            raise StoreUnusable(
                f"{self.where} is a pooler that gives each transaction another session: give the"
                " address of PostgreSQL itself, or set pool_mode = session"
            )
        settings = dict(
            wires[0].execute(
                "SELECT name, setting FROM pg_settings WHERE name IN"
                " ('fsync', 'server_encoding', 'synchronous_standby_names', 'synchronous_commit')"
            )
        )
        if settings["fsync"] != "on":
            raise StoreUnusable(f"{self.where} runs with fsync = off: a power cut would damage it")
        if settings["server_encoding"] != "UTF8":
            raise StoreUnusable(
                f"{self.where} is encoded in {settings['server_encoding']}: make one in UTF8"
            )
        if settings["synchronous_commit"] in ("off", "local"):
            wires[0].execute("SET synchronous_commit = on")
        (replicas,) = _one(wires[0], "SELECT count(*) FROM pg_stat_replication")
        if replicas and not settings["synchronous_standby_names"]:
            log.warning(
                "a replica that takes over may lack the last writes that were acknowledged:"
                " synchronous_standby_names is empty",
                store=self.where,
            )

    def _migrate(self) -> None:
        database = Psycopg3Database(self._dsn)
        try:
            database.connect()
            database.execute_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            database.execute_sql(f"SET search_path = {SCHEMA}")
            migrate(database, self.where, MIGRATIONS)
        finally:
            database.close()

    def take(self) -> int:
        """Count this start, and take the database: whoever had it can commit nothing any more."""
        counted = "UPDATE state SET term = term + 1, boot = boot + 1 RETURNING term, rev"
        self._term, self._rev = _one(self.writer.live(), counted)
        return self._rev

    def close(self) -> None:
        """Close the connections."""
        for session in (self.writer, self.reader, self.querier):
            session.close()

    def interrupt(self) -> None:
        """Abort the statements of the reading connections. Safe to call from any thread."""
        for session in (self.reader, self.querier):
            session.interrupt()

    def is_full(self, error: Exception) -> bool:
        """Tell whether an error says that the disk has no room."""
        return isinstance(error, psycopg.errors.DiskFull)

    def append(
        self,
        changes: Sequence[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        """Commit changes to the log, and acts and records beside it, all or none.

        Raises `Away`; `Fenced`; and `OutcomeUnknown` where the connection was lost in the commit,
        for longer than the lease: after that nothing is written until `settle` has told.
        """
        try:
            self.settle()
            wire = self.writer.live()
        except psycopg.OperationalError as error:
            raise Away(f"the database does not answer: {plain(error)}") from error
        newest = max(
            changes[-1].task.rev if changes else 0,
            max((record.rev for record in records), default=0),
            self._rev,
        )
        try:
            self._append(wire, newest, changes, acts, records, removals)
        except psycopg.errors.DivisionByZero:
            self._roll_back(wire)
            raise Fenced(f"another daemon writes to {self.where}") from None
        except psycopg.Error:
            if not wire.closed:
                # The server has refused it, and so all of it.
                self._roll_back(wire)
                raise
            self._unsettled = self._rev, newest
            if not self._settled_in_time():
                # Nothing of it is there, and nothing of it comes: the old session has ended.
                raise
        self._rev = newest

    def _append(
        self,
        wire: Wire,
        newest: int,
        changes: Sequence[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        few = len(changes) < _COPIED_MIN
        with wire.pipeline():
            wire.execute("BEGIN")
            wire.execute(_FENCE, (newest, self._term, self._rev))
            for removal in removals:
                self._remove(wire, removal)
            if few and changes:
                wire.cursor().executemany(_INSERT, list(map(rows.of, changes)))
            self._beside(wire, acts, records)
            if few:
                wire.execute("COMMIT")
        if not few:
            with wire.cursor().copy(f"COPY change ({_COLUMNS}) FROM STDIN") as copy:
                for change in changes:
                    copy.write_row(rows.of(change))
            wire.execute("COMMIT")

    def _beside(self, wire: Wire, acts: Sequence[Act], records: Sequence[Record]) -> None:
        if acts:
            wire.cursor().executemany(spoken(sql.ADD_ACT), list(acts))
        for kind, key, value, rev, at in records:
            stored = b"" if value is None else orjson.dumps(value)
            row = (kind, key, stored.decode(), crc32(stored), rev, at if value is None else "")
            wire.execute(spoken(sql.PUT_RECORD), row)
            if value is None:
                day_before = times.stamp(times.seconds(at) - 86_400.0)
                wire.execute(spoken(sql.FORGET_TOMBSTONES), (day_before,))

    def _remove(self, wire: Wire, removal: Removal) -> None:
        revs = [rev for one in removal.going for rev in one.revs]
        if removal.cut is not None:
            wire.execute(spoken(sql.JOIN_CHANGES), (removal.cut.previous_rev, removal.cut.rev))
            revs += removal.cut.revs
        ids = [one.task.id for one in removal.going]
        wire.execute(spoken(self.sql.forget_tasks), (ids,))
        wire.execute(spoken(self.sql.forget_revs), (revs,))
        wire.execute(spoken(sql.FORGOTTEN_REV), (removal.last_rev,) * 2)

    def _roll_back(self, wire: Wire) -> None:
        if not wire.closed:
            wire.execute("ROLLBACK")

    def _settled_in_time(self) -> bool:
        """Ask, for as long as the lease, whether a commit is there. Raises `OutcomeUnknown`."""
        until = time.monotonic() + self._lease_s
        while True:
            try:
                return self.settle() is True
            except psycopg.Error as error:
                if time.monotonic() >= until:
                    why = f"whether the write is stored is not known: {plain(error)}"
                    raise OutcomeUnknown(why) from error
                time.sleep(_BETWEEN_TRIES_S)

    def settle(self) -> bool | None:
        """Tell whether the commit whose outcome was unknown is there; None if there was none.

        Raises `psycopg.Error` while nobody can say, and `Fenced`.
        """
        if self._unsettled is None:
            return None
        old, new = self._unsettled
        # The row is locked: a lost session that has come to its fence has ended by then. One that
        # has still to read it from the network finds another term, and its fence raises.
        with self.writer.transaction() as wire:
            term, rev = _one(wire, "SELECT term, rev FROM state FOR UPDATE")
            if term != self._term:
                raise Fenced(f"another daemon writes to {self.where}")
            wire.execute("UPDATE state SET term = term + 1")
        self._term += 1
        self._unsettled = None
        self._rev = rev
        return bool(rev == new != old)

    @contextmanager
    def lazily(self) -> Iterator[Callable[[str, Any], Any]]:
        """Open a transaction that is not waited for: if power fails, it is done from the log."""
        with self.writer.transaction() as wire:
            wire.execute("SET LOCAL synchronous_commit = off")
            yield self.writer.execute_sql

    def fold(self, _run: Callable[[str, Any], Any], after_rev: int, to_rev: int) -> None:
        """Bring the tables of tasks, labels and texts from one rev of the log to another."""
        fold.fold(self.writer, after_rev, to_rev)

    def index_texts(self, run: Callable[[str, Any], Any], _rows_max: int) -> int:
        """Say that the fold has indexed the texts of all that it has."""
        (rev,) = run("UPDATE state SET text_rev = folded_rev RETURNING text_rev", ()).fetchone()
        return int(rev)

    def give_back(self, _pages_max: int) -> int:
        """Leave that to PostgreSQL's autovacuum."""
        return 0

    def read(self, session: Any, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement of a reading connection."""
        found: Iterator[Any] = session.execute_sql(statement, parameters)
        return found

    def stream(self, session: Any, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement of which not all rows may be wanted; within a transaction."""
        found: Iterator[Any] = session.stream(statement, parameters)
        return found

    def begin(self) -> None:
        """Have the querier's next statements read one state, and end in time."""
        wire = self.querier.live()
        wire.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if (left_s := self._deadline.left_s()) is not None:
            wire.execute(f"SET LOCAL statement_timeout = {max(1, int(left_s * 1000))}")

    def end(self) -> None:
        """Have them read the newest again."""
        wire = self.querier.live()
        if wire.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            wire.execute("ROLLBACK")

    def test_by(self, sought: Sought) -> None:
        """Nothing: `PostgresSql.has_words` says all."""

    def health(self) -> Health:
        """Count and measure, without a check."""
        counts = dict(self.querier.execute_sql(sql.COUNT_BY_STATUS).fetchall())
        (size,) = self.querier.execute_sql(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c"
            f" WHERE c.relkind = 'r' AND c.relnamespace = '{SCHEMA}'::regnamespace"
        ).fetchone()
        version = self.querier.live().info.server_version
        free = room(self.directory)
        return Health(counts, int(size), 0, free, 0, True, f"PostgreSQL {version // 10_000}", None)

    def check(self) -> Iterator[str]:
        """Say nothing is wrong: PostgreSQL looks at its pages itself, where it has checksums."""
        yield "ok"

    def opened_anew(self) -> Session:
        """Open a further connection that reads, in a transaction that has begun; on any thread."""
        session = Session(self._dsn, None)
        session.live().execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return session


def _one(wire: Wire, statement: str) -> Any:
    return wire.execute(statement).fetchone()
