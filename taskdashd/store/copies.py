"""One copy of the database, a file: made of a file or of another store, synced, and read back.

A copy is the database as of one rev: SQLite's backup interface makes it in one read transaction,
and another store is read in one, so writers go on, and their changes meanwhile are not in it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import apsw

from taskdashd.domain.times import stamp
from taskdashd.settings import files, owner
from taskdashd.settings.owner import Owner
from taskdashd.store.dialect import sql
from taskdashd.store.dialect.carrying import Say
from taskdashd.store.dialect.sqlite import carrying
from taskdashd.store.dialect.sqlite.checks import faults, plain
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.faults import BackupError

_BUSY_MS: Final = 5_000
_PAGES_AT_ONCE: Final = 256
"""Copied, and synced, at a time: a megabyte, for which a commit may have to wait."""


class Copy(NamedTuple):
    """A copy that was read back and is good."""

    path: Path
    rev: int
    """Rev of the newest change in the copy."""
    tasks: int
    size_bytes: int


def copied(source: Path, fresh: Path, whose: Owner, *, checkpoints: bool = False) -> Copy:
    """Copy a database with all that its WAL holds, to the disk, and read the copy back.

    `whose` is the data directory that one of the two is in. Root acts as its owner at that one.
    """
    remove(fresh)
    # SQLite ignores the WAL of a file opened as immutable: open only a lone backup file that way,
    # never a data directory's database, where a daemon may begin a WAL at any moment.
    alone = not source.with_name(f"{source.name}-wal").exists()
    # Create the copy for its owner alone: by umask, others could read the whole database in it.
    descriptor = files.create(fresh, given=False)
    with ExitStack() as opened:
        opened.callback(os.close, descriptor)
        immutable = alone and source.name != DATABASE_NAME
        with owner.acting_at(source, whose):
            database = opened.enter_context(reading(source, immutable=immutable))
            # Begin to read before the first step: each step would else see another commit. SQLite
            # opens the last of the source's files by this.
            database.execute("BEGIN")
            database.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        copy = opened.enter_context(closing(apsw.Connection(str(fresh))))
        if checkpoints:
            flags = apsw.SQLITE_OPEN_READWRITE
            beside = opened.enter_context(closing(apsw.Connection(str(source), flags=flags)))
        with copy.backup("main", database, "main") as pages:
            while not pages.done:
                pages.step(_PAGES_AT_ONCE)
                # Sync as it goes: a gigabyte that is synced at the end holds up every commit on
                # its disk for as long.
                os.fdatasync(descriptor)
        database.execute("COMMIT")
        if checkpoints:
            # While something reads, the WAL grows. The daemon's next commit would write all of it
            # to the file before it is answered; while this does, commits go on.
            beside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        # Leave WAL mode: reading the copy must not need a -wal and a -shm file beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
    files.sync(fresh)
    return verify(fresh, called=source)


def carried(store: str, fresh: Path, say: Say, *, takes: bool = False) -> Copy:
    """Write what a PostgreSQL has to a file, to the disk, and read the file back.

    Who `takes` it ends the daemon that writes to it. Raises `BackupError`, and what apsw raises.
    """
    # Fetched when it is asked for: not everybody has installed psycopg.
    from taskdashd.store.dialect.postgres import carrying as postgres

    remove(fresh)
    with postgres.reading(store, takes=takes) as source:
        os.close(files.create(fresh, given=False))
        carrying.fill(fresh, source.read, source.given_rev, say)
    files.sync(fresh)
    return verify(fresh, called=fresh)


def remove(path: Path) -> None:
    """Remove a file of SQLite with those beside it, as far as they are there."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def verify(path: Path, called: Path | None = None) -> Copy:
    """Read a copy from end to end. Raises `BackupError`, naming it `called`, if it is not good."""
    with reading(path, immutable=True) as copy:
        for fault in faults(copy):
            raise BackupError(f"{called or path} is not good: {fault.what}")
        row = copy.execute("SELECT (SELECT max(rev) FROM change), (SELECT count(*) FROM task)").get
        unfolded = copy.execute(
            "SELECT count(DISTINCT task_id) FROM change WHERE rev > (SELECT folded_rev FROM state)"
            " AND task_id NOT IN (SELECT id FROM task)"
        ).get
    return Copy(path, row[0] or 0, row[1] + unfolded, path.stat().st_size)


def note(path: Path, kind: str, detail: str) -> None:
    """Add an act to a copy, and sync it."""
    with closing(apsw.Connection(str(path))) as database, database:
        add_act(database, kind, detail)
    files.sync(path)


def add_act(database: apsw.Connection, kind: str, detail: str) -> None:
    """Add an act to a database, where it is of a version that has such."""
    if database.table_exists(None, "act"):
        rev = database.execute("SELECT coalesce(max(rev), 0) FROM change").get
        database.execute(sql.ADD_ACT, act(rev, kind, detail))


def act(rev: int, kind: str, detail: str) -> tuple[Any, ...]:
    """Give the row of an act that a command does."""
    return rev, stamp(time.time()), kind, f"taskdashd, uid {os.getuid()}", detail, 1


@contextmanager
def reading(path: Path, *, immutable: bool = False) -> Iterator[apsw.Connection]:
    """Open a database to read it. Raises `BackupError`, also for errors within."""
    # `immutable` reads the file without its WAL and creates no -wal or -shm beside it: right for a
    # copy, wrong for a database that a daemon may hold open.
    if not path.is_file():
        raise BackupError(f"there is no database at {path}")
    try:
        if path.name == DATABASE_NAME:
            files.check_regular(path.lstat(), path)
        files.check_beside(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {files.plain(error)}") from error
    # Two slashes at the start would name a host (RFC 3986 section 3.2).
    absolute = "/" + str(path.absolute()).lstrip("/")
    uri = f"file:{quote(os.fsencode(absolute))}?mode=ro{'&immutable=1' if immutable else ''}"
    try:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        with closing(apsw.Connection(uri, flags=flags)) as connection:
            connection.set_busy_timeout(_BUSY_MS)
            yield connection
    except apsw.Error as error:
        raise BackupError(f"{path} cannot be read: {plain(error)}") from error
