"""A database of PostgreSQL, written by this daemon alone: each commit is fenced by its term."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

import psycopg
from peewee import PeeweeException
from playhouse.migrations import MigrationError

from taskdashd.domain.acts import Act
from taskdashd.domain.search import Sought
from taskdashd.domain.tasks import Change
from taskdashd.store import acknowledged
from taskdashd.store.deadline import Deadline
from taskdashd.store.dialect import sql
from taskdashd.store.dialect.postgres import checks, fitness, fold, schema, texts
from taskdashd.store.dialect.postgres.carrying import reader
from taskdashd.store.dialect.postgres.log import Log
from taskdashd.store.dialect.postgres.session import SCHEMA, Session, Wire, plain, where
from taskdashd.store.dialect.postgres.sql import PostgresSql
from taskdashd.store.dialect.sql import Parameters
from taskdashd.store.health import Health
from taskdashd.store.lock import StoreUnusable
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

_LOOK_S: Final = 5.0
"""A look-up by ids is waited for so long at least; it takes milliseconds."""
_WORK_S: Final = 20.0
"""So long a statement that works on thousands of rows may take, where the lease is shorter."""
_GRACE_S: Final = 1.0
_LONG_S: Final = 30.0
"""What may take long is waited for so long."""
_START_S: Final = 60.0
"""A statement that reads all tasks at the start, or beside all others, may take so long."""


class PostgresEngine:
    """A database of PostgreSQL."""

    may_be_away = True
    errors: tuple[type[Exception], ...] = (psycopg.Error, OSError, MemoryError)
    plain = staticmethod(plain)
    # A row takes the server ten times as long as SQLite, however many come with it.
    fold_rows_max = 1_000

    def __init__(self, dsn: str, directory: Path, lease_s: float, deadline: Deadline) -> None:
        self.sql = PostgresSql()
        self.where = where(dsn)
        self.directory = directory
        self.writer = Session(dsn, lease_s, lease_s=lease_s)
        self.reader = Session(dsn, max(lease_s, _LOOK_S))
        self.querier = Session(dsn, _LONG_S)
        self._dsn = dsn
        self._lease_s = lease_s
        self._deadline = deadline
        self._log = Log(self.writer, self.sql, self.where, lease_s)
        self.cluster = ""
        self._rev = 0
        """The newest rev when it was opened."""
        self._least_rev = 0
        """What was given out before something was lost; 0 where nothing was."""

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
                sessions = (engine.writer, engine.reader, engine.querier)
                fitness.check([session.live() for session in sessions], engine.where)
                schema.bring(dsn, engine.where)
                engine._recognise()
            except (*cls.errors, PeeweeException, MigrationError) as error:
                raise StoreUnusable(f"cannot open {engine.where}: {fitness.told(error)}") from None
            opened.pop_all()
        return engine

    def _recognise(self) -> None:
        """Have each new connection be to this database, and to no other at its address."""
        known = _one(self.writer.live(), "SELECT cluster, rev FROM state")
        if known is None:
            raise StoreUnusable(f"{self.where} is damaged: taskdashd check says what to do")
        self.cluster, self._rev = known
        for session in (self.writer, self.reader, self.querier):
            session.expect(self.cluster)

    def compare(self, *, accept_loss: bool) -> None:
        """Compare with what was acknowledged before this start. Raises `StoreUnusable`."""
        told = self.directory, self.cluster, self.where, self._rev
        self._least_rev = acknowledged.check(*told, accept_loss=accept_loss)

    def take(self) -> int:
        """Count this start, and take the database: whoever had it can commit nothing any more.

        After a loss, a watch cannot resume from before it.
        """
        rev = self._log.take(self._least_rev)
        # All that the daemon starts from is read next, at once.
        self.writer.limit(_START_S)
        return rev

    @property
    def waits(self) -> bool:
        """Whether the writing thread waits for the server, which has its end."""
        return self._log.is_settling or self.writer.waits

    def close(self) -> None:
        """Close the connections."""
        for session in (self.writer, self.reader, self.querier):
            session.close()

    def interrupt(self) -> None:
        """Abort the statements of the reading connections. Safe to call from any thread."""
        for session in (self.reader, self.querier):
            session.interrupt()

    def is_full(self, _error: Exception) -> bool:
        """Say no: what is kept in reserve is on this machine's disk, and the server has its own."""
        return False

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
        self._log.append(changes, acts, records, removals)

    def settle(self) -> bool | None:
        """Tell whether the commit whose outcome was unknown is there; None if there was none.

        Raises `psycopg.Error` while nobody can say, and `Fenced`.
        """
        return self._log.settle()

    @contextmanager
    def lazily(self) -> Iterator[Callable[[str, Any], Any]]:
        """Open a transaction that is not waited for: if power fails, it is done from the log."""
        self.writer.limit(max(self._lease_s, _WORK_S))
        with self.writer.transaction() as wire:
            wire.execute("SET LOCAL synchronous_commit = off")
            # Nothing of a daemon that has lost the database comes after the one that has it.
            self._log.mine(wire, " FOR NO KEY UPDATE")
            yield self.writer.execute_sql

    def fold(self, _run: Callable[[str, Any], Any], after_rev: int, to_rev: int) -> None:
        """Bring the tables of tasks, labels and texts from one rev of the log to another."""
        fold.fold(self.writer, after_rev, to_rev)

    def index_texts(self, _run: Callable[[str, Any], Any], rows_max: int) -> int:
        """Index the tasks of some more of the folded log; return the rev up to which all are."""
        return texts.index(self.writer, rows_max)

    def give_back(self, _pages_max: int) -> int:
        """Leave that to PostgreSQL's autovacuum."""
        return 0

    def read(self, session: Any, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement of a reading connection."""
        # All rows are here by then: to ask for them one by one costs as much again.
        return iter(session.execute_sql(statement, parameters).fetchall())

    def stream(self, session: Any, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement of which not all rows may be wanted; within a transaction."""
        found: Iterator[Any] = session.stream(statement, parameters)
        return found

    def begin(self) -> None:
        """Have the querier's next statements read one state, and end in time."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        if (left_s := self._deadline.left_s()) is not None:
            # The server ends what takes too long by itself, unless it stands still.
            self.querier.limit(left_s + _GRACE_S)
            # Rounded up: what the server ends before the deadline would be told as a fault of it.
            begin += f"; SET LOCAL statement_timeout = {int(left_s * 1000) + 1}"
        self.querier.begin(begin)

    def end(self) -> None:
        """Have them read the newest again."""
        self.querier.leave()

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
        told = f"{version // 10_000}.{version % 10_000}"
        return Health(counts, "PostgreSQL", told, int(size), None, None)

    def check(self) -> Iterator[str]:
        """Give what is wrong with how rows belong together, or `ok`; the server looks.

        Their checksums are the `check` command's: to compute them here would hold up all others.
        """
        self.begin()
        try:
            found = [fault.what for fault in checks.shape(reader(self.querier))]
        finally:
            self.end()
        yield from found or ["ok"]

    def opened_anew(self) -> Session:
        """Open a further connection that reads, in a transaction that has begun; on any thread."""
        session = Session(self._dsn, _START_S)
        session.expect(self.cluster)
        session.live().execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return session


def _one(wire: Wire, statement: str) -> Any:
    return wire.execute(statement).fetchone()
