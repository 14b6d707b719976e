"""Compacting: a database of before is made one that gives room back, beside a stopped daemon.

The new file is whole, verified and on the disk before it takes the old one's name. Whenever the
process dies, one of the two has it.
"""

import os
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from taskdashd.settings import files
from taskdashd.store.copies import verify
from taskdashd.store.dialect.sqlite.engine import (
    COMPACTING_NAME,
    DATABASE_NAME,
    VACUUMS_BIT_BY_BIT,
)
from taskdashd.store.faults import BackupError
from taskdashd.store.lock import lock

_SPARE_BYTES: Final = 1 << 20
_BUSY_MS: Final = 5_000


class Compacted(NamedTuple):
    """A database before and after it was compacted."""

    path: Path
    bytes_before: int
    bytes_after: int


def compact(data: Path, say: Callable[[int], None]) -> Compacted:
    """Write the database of a data directory anew; `say` is told before how many bytes that needs.

    Raises `BackupError`, and `StoreUnusable` where a daemon uses the directory.
    """
    path, fresh = data / DATABASE_NAME, data / COMPACTING_NAME
    if not path.is_file():
        raise BackupError(f"there is no database at {path}")
    with closing(lock(data)):
        try:
            _remove(fresh)
            files.make(path)
            before = _vacuum(path, fresh, say)
            files.sync(fresh)
            verify(fresh, called=path)
            fresh.replace(path)
            files.sync(data)
        except (OSError, apsw.Error, BackupError) as error:
            with suppress(OSError):
                _remove(fresh)
            raise BackupError(f"cannot compact {path}: {error}") from error
    return Compacted(path, before, path.stat().st_size)


def _vacuum(path: Path, fresh: Path, say: Callable[[int], None]) -> int:
    """Write a database to a new file; give how large the old one is."""
    with closing(apsw.Connection(str(path))) as database:
        database.set_busy_timeout(_BUSY_MS)
        # Take the WAL into the file and remove it: SQLite would apply one that is left to the new
        # file. This fails where another program reads the old one.
        database.execute("PRAGMA journal_mode = DELETE")
        needed = _size(database) + _SPARE_BYTES
        say(needed)
        room = os.statvfs(path.parent)
        if (free := room.f_bavail * room.f_frsize) < needed:
            raise BackupError(f"{free} bytes are free, and {needed} are needed")
        # Create it for its owner alone: by umask, others could read the whole database in it.
        os.close(files.create(fresh))
        database.execute(f"PRAGMA auto_vacuum = {VACUUMS_BIT_BY_BIT}")
        database.execute("VACUUM INTO ?", (str(fresh),))
        return path.stat().st_size


def _size(database: apsw.Connection) -> int:
    pages, unused, page_bytes = database.execute(
        "SELECT page_count, freelist_count, page_size"
        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).get
    return int((pages - unused) * page_bytes)


def _remove(fresh: Path) -> None:
    for suffix in ("", "-journal"):
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
