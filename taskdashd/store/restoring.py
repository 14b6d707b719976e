"""A copy of the database put back: whole in its place, or not at all."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, NamedTuple

import apsw

from taskdashd.settings import files, owner
from taskdashd.settings.owner import OwnerError
from taskdashd.store import accounts, acknowledged
from taskdashd.store.accounts import Account, Revived
from taskdashd.store.copies import Copy, act, copied, note, reading, remove
from taskdashd.store.dialect.carrying import Say, quietly
from taskdashd.store.dialect.sqlite import carrying
from taskdashd.store.dialect.sqlite.checks import plain
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME, NONSENSE, RESTORING_NAME
from taskdashd.store.faults import BackupError
from taskdashd.store.lock import lock

_FILES: Final = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
_STAMP: Final = "%Y%m%dT%H%M%SZ"


class Restored(NamedTuple):
    """A copy that was put in place."""

    copy: Copy
    aside: Path | str | None
    """Where that is which was there before: a directory, or a schema."""
    as_of: str
    """When the newest change in the copy was made; empty where there is none."""
    revived: list[Revived] | None
    """The accounts that are again what they were; None if what was replaced cannot be read."""


def restore(
    path: Path, data: Path, *, force: bool = False, store: str = "", say: Say = quietly
) -> Restored:
    """Put a copy in the place of the database, and end all sign-ins.

    What was there is moved aside, never overwritten. With `store` the database is that one of
    PostgreSQL. Raises `BackupError`, and `StoreUnusable` where a daemon uses the directory.
    """
    if not path.is_file():
        raise BackupError(f"there is no database at {path}")
    with closing(lock(data)):
        if not store:
            check_empty(data, f"restores {path}", force=force)
        fresh = data / RESTORING_NAME
        try:
            copy = copied(path, fresh, owner.of(data))._replace(path=path)
            if store:
                try:
                    return _to_store(fresh, data, store, copy, say, force=force)
                finally:
                    remove(fresh)
            as_of, revived = _compare(fresh, lambda: _accounts(data / DATABASE_NAME))
            note(fresh, "restored", _told(copy))
            # Before the copy is there: a crash must not leave it with the key of what it replaces.
            # That would let in again whoever was signed out since.
            (data / files.COOKIE_KEY_NAME).unlink(missing_ok=True)
            aside = put(fresh, data)
        except (OSError, apsw.Error, OwnerError) as error:
            raise BackupError(f"cannot restore to {data}: {plain(error)}") from error
        except BackupError:
            remove(fresh)
            raise
    return Restored(copy, aside, as_of, revived)


def _to_store(
    fresh: Path, data: Path, store: str, copy: Copy, say: Say, *, force: bool
) -> Restored:
    # Fetched when it is asked for: not everybody has installed psycopg.
    from taskdashd.store.dialect.postgres import carrying as postgres

    carrying.bring(fresh)

    def last(rev: int) -> tuple[Any, ...]:
        (data / files.COOKIE_KEY_NAME).unlink(missing_ok=True)
        # What was acknowledged of the database before is no loss of this one.
        acknowledged.forget(data)
        return act(rev, "restored", _told(copy))

    as_of, revived = _compare(fresh, lambda: postgres.accounts_of(store))
    with reading(fresh, immutable=True) as database:
        aside = postgres.fill(store, carrying.reader(database), say, force=force, last=last)
    return Restored(copy, aside, as_of, revived)


def _told(copy: Copy) -> str:
    return f"{copy.path.absolute()}, rev {copy.rev}"


def _compare(
    copy: Path, replaced: Callable[[], dict[str, Account] | None]
) -> tuple[str, list[Revived] | None]:
    """Say of when a copy is, and which accounts it brings back; None if nobody can know."""
    with reading(copy, immutable=True) as new:
        as_of, then = _as_of(new), _accounts_in(new)
    try:
        before = replaced()
    except (BackupError, apsw.Error, *NONSENSE):
        # A damaged database may be the very reason for the restore.
        return as_of, None
    return as_of, accounts.revived(before, then) if before is not None else []


def _as_of(database: apsw.Connection) -> str:
    """Give when the newest change or act of a database was made; empty where there is none."""
    newest = [
        database.execute(f"SELECT max(at) FROM {table}").get  # noqa: S608 - names of ours
        for table in ("change", "act")
        if database.table_exists(None, table)
    ]
    return max((at for at in newest if at), default="")


def _accounts(path: Path) -> dict[str, Account] | None:
    if not os.path.lexists(path):
        return None
    with reading(path) as database:
        return _accounts_in(database)


def _accounts_in(database: apsw.Connection) -> dict[str, Account]:
    if not database.table_exists(None, "record"):
        return {}
    return accounts.read(database.execute(accounts.STORED))


def check_empty(data: Path, does: str, *, force: bool) -> None:
    """Raise `BackupError` where a data directory has a database that nobody gave leave to move."""
    if _there(data) and not force:
        raise BackupError(f"{data} holds a database already: --force moves it aside and {does}")


def put(fresh: Path, data: Path) -> Path | None:
    """Put a whole file in the place of the database; give where that is which was there."""
    there = _there(data)
    aside = _move_aside(there, data) if there else None
    # Rename only after the old files are gone: SQLite would apply an old WAL to the copy.
    fresh.replace(data / DATABASE_NAME)
    files.sync(data)
    return aside


def _there(data: Path) -> list[Path]:
    return [data / name for name in _FILES if os.path.lexists(data / name)]


def _move_aside(paths: list[Path], data: Path) -> Path:
    aside = Path(mkdtemp(prefix=f"replaced-{time.strftime(_STAMP, time.gmtime())}-", dir=data))
    for path in paths:
        path.rename(aside / path.name)
    return aside
