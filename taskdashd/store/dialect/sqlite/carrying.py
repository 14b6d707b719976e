"""A file of SQLite as a place to carry a store to, or from: the form of every backup."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import apsw

from taskdashd.settings import files
from taskdashd.store.dialect.carrying import LAST_REV, STATE, Read, Row, Say, Table, carry, state
from taskdashd.store.dialect.sqlite.engine import connect
from taskdashd.store.migrating import MIGRATIONS, migrate, migrations

_SYNCED_BYTES: Final = 1 << 20


def reader(database: apsw.Connection) -> Read:
    """Give the rows of a database that a transaction has been begun on."""
    return lambda statement: iter(database.execute(statement))


def is_of_this_version(database: apsw.Connection) -> bool:
    """Tell whether a good database has the newest schema."""
    applied = {name for (name,) in database.execute("SELECT name FROM schema_migration")}
    return applied == {path.stem for path in migrations()}


def bring(path: Path) -> None:
    """Bring a file that nobody else has to this version's schema."""
    with closing(connect(str(path))) as database:
        migrate(database, str(path), MIGRATIONS)
        database.execute_sql("PRAGMA journal_mode = DELETE")


def fill(path: Path, read: Read, given_rev: int, say: Say) -> None:
    """Write all that another store has to a new file, which is the caller's own.

    `given_rev` was given out there, whatever its tables say. Raises `BackupError` and what apsw
    raises.
    """
    bring(path)
    with ExitStack() as opened:
        descriptor = files.open_regular(path, os.O_RDWR)
        opened.callback(os.close, descriptor)
        database = opened.enter_context(closing(apsw.Connection(str(path))))
        # What is not whole in the end is thrown away: nothing of it need be undone.
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")

        def put(table: Table, rows: Iterator[Row]) -> None:
            marks = ", ".join("?" * len(table.columns))
            statement = f"INSERT INTO {table.name} ({table.listed}) VALUES ({marks})"
            database.executemany(statement, _synced(rows, descriptor))

        with database:
            carry(read, put, reader(database), say)
            known = state(read)
            named = ", ".join(f"{name} = :{name}" for name in STATE)
            database.execute(f"UPDATE state SET {named}, folded_rev = 0, text_rev = 0", known)
            if database.execute(LAST_REV).get < given_rev:
                database.execute("UPDATE state SET forgotten_rev = ?", (given_rev,))
        database.execute("PRAGMA journal_mode = DELETE")


def _synced(rows: Iterator[Row], descriptor: int) -> Iterator[Row]:
    """Sync as it goes: a gigabyte that is synced at the end holds up every commit on its disk."""
    size = 0
    for row in rows:
        size += sum(len(value) for value in row if type(value) is str)
        if size > _SYNCED_BYTES:
            os.fdatasync(descriptor)
            size = 0
        yield row
