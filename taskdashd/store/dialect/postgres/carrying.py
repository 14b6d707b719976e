"""A database of PostgreSQL as a place to carry a store to, or from."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple

import psycopg
from peewee import PeeweeException
from playhouse.migrations import MigrationError

from taskdashd.store import accounts
from taskdashd.store.accounts import Account
from taskdashd.store.dialect import sql
from taskdashd.store.dialect.carrying import LAST_REV, STATE, Read, Row, Say, Table, carry, state
from taskdashd.store.dialect.postgres import schema
from taskdashd.store.dialect.postgres.log import TAKE
from taskdashd.store.dialect.postgres.session import SCHEMA, Session, Wire, plain, spoken, where
from taskdashd.store.faults import BackupError

_STAMP: Final = "%Y%m%dt%H%M%Sz"
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_ANSWER_S: Final = 600.0
"""A statement that reads or fills all of a store is waited for so long."""


class Source(NamedTuple):
    """A store in one state."""

    where: str
    read: Read
    given_rev: int
    """A rev that was given out, whatever the tables say."""


@contextmanager
def speaking(dsn: str, doing: str) -> Iterator[tuple[Session, str]]:
    """Open a connection, and name the database. Raises `BackupError`, which says what was done."""
    try:
        called = where(dsn)
    except psycopg.ProgrammingError as error:
        raise BackupError(f"no address of a database: {plain(error)}") from None
    try:
        with closing(Session(dsn, _ANSWER_S)) as session:
            yield session, called
    except (psycopg.Error, PeeweeException, MigrationError, OSError) as error:
        raise BackupError(f"cannot {doing} {called}: {plain(error)}") from error


@contextmanager
def reading(dsn: str, *, takes: bool = False) -> Iterator[Source]:
    """Read a store in one state. Who `takes` it ends the daemon that writes to it.

    Raises `BackupError`.
    """
    with speaking(dsn, "read") as (session, called):
        wire = session.live()
        if why := schema.missing(wire):
            raise BackupError(f"{why} {called}")
        if takes:
            # A daemon's next commit fails. One that is under way holds this up until it is there.
            wire.execute(TAKE)
        wire.execute(_SNAPSHOT)
        (rev,) = _one(wire, "SELECT coalesce(max(rev), 0) FROM state")
        yield Source(called, reader(session), rev)


def reader(session: Session) -> Read:
    """Give the rows of a database that a transaction has been begun on."""
    return lambda statement: session.stream(statement, ())


def accounts_of(dsn: str) -> dict[str, Account] | None:
    """Give the accounts of a database; None where it has none. Raises `BackupError`."""
    with speaking(dsn, "read") as (session, _):
        if not schema.has(session.live(), "record"):
            return None
        return accounts.read(session.execute_sql(accounts.STORED))


def fill(
    dsn: str, read: Read, say: Say, *, force: bool, last: Callable[[int], Row | None]
) -> str | None:
    """Put all that another store has into a database; give where that is which was there before.

    `last` is called before all of it is committed, with the newest rev, and gives the act that
    tells of it. Raises `BackupError`, and
    `StoreUnusable`.
    """
    with speaking(dsn, "write to") as (session, called):
        aside = _make_room(session, called, force=force)
        schema.bring(dsn, called, filling=True)
        with session.transaction() as wire:
            # One transaction: whatever ends it, nothing is there but the mark.
            try:
                wire.execute(f"LOCK TABLE {schema.FILLING} IN ACCESS EXCLUSIVE MODE NOWAIT")
            except psycopg.errors.LockNotAvailable:
                raise BackupError(f"another move or restore to {called} is under way") from None
            if _has_rows(wire):
                raise BackupError(_full(called))
            carry(read, lambda table, rows: _put(wire, table, rows), reader(session), say)
            _finish(wire, state(read), last)
        # Without it, the first statements would be planned for empty tables.
        wire.execute("ANALYZE change, act, record")
    return aside


def _finish(wire: Wire, known: dict[str, int], last: Callable[[int], Row | None]) -> None:
    named = ", ".join(f"{name} = %({name})s" for name in STATE)
    wire.execute(f"UPDATE state SET {named}, folded_rev = 0, text_rev = 0", known)
    (rev,) = _one(wire, LAST_REV)
    wire.execute(
        "UPDATE state SET rev = %s, term = f.term, boot = greatest(state.boot, f.boot)"
        f" FROM {schema.FILLING} AS f",
        (rev,),
    )
    wire.execute(
        f"SELECT setval(pg_get_serial_sequence('{SCHEMA}.act', 'id'), max(id)) FROM act"
        " HAVING max(id) > 0"
    )
    if (noted := last(rev)) is not None:
        wire.execute(spoken(sql.ADD_ACT), noted)
    wire.execute(f"DROP TABLE {schema.FILLING}")


def _put(wire: Wire, table: Table, rows: Iterator[Row]) -> None:
    with wire.cursor().copy(f"COPY {table.name} ({table.listed}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _make_room(session: Session, called: str, *, force: bool) -> str | None:
    """Leave an empty schema that is marked as not whole; give the name of one that was renamed."""
    aside = None
    with session.transaction() as wire:
        there = _one(wire, "SELECT to_regnamespace(%s)", (SCHEMA,))[0] is not None
        term = boot = 0
        if there and schema.has(wire, "state") and _has_rows(wire):
            if not force:
                raise BackupError(_full(called))
            aside = f"{SCHEMA}_replaced_{time.strftime(_STAMP, time.gmtime())}"
            # Above its term: a daemon that still thinks the database its own finds another's.
            term, boot = _one(wire, f"{TAKE} RETURNING term, boot")
            wire.execute(f"ALTER SCHEMA {SCHEMA} RENAME TO {aside}")
            there = False
        if not there:
            wire.execute(f"CREATE SCHEMA {SCHEMA}")
        if not schema.has(wire, schema.FILLING):
            wire.execute(
                f"CREATE TABLE {SCHEMA}.{schema.FILLING} AS SELECT {term} AS term, {boot} AS boot"
            )
    return aside


def _full(called: str) -> str:
    return f"{called} holds a database already: --force moves it aside, into another schema"


def _has_rows(wire: Wire) -> bool:
    tables = ("change", "act", "record")
    if not all(schema.has(wire, table) for table in tables):
        return False
    return any(_one(wire, f"SELECT EXISTS (SELECT 1 FROM {table})")[0] for table in tables)


def _one(wire: Wire, statement: str, params: Any = None) -> Any:
    return wire.execute(statement, params).fetchone()
