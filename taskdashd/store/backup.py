"""Copies of the database: made while the daemon runs, verified, kept and removed in time.

A copy gets its final name only once it is whole, verified and synced to the disk. Whatever engine
has the database, a copy is a file of SQLite.
"""

import os
import time
from calendar import timegm
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from taskdashd.settings import files, owner
from taskdashd.settings.owner import OwnerError
from taskdashd.store.checking import admins_without_password, check, repair
from taskdashd.store.copies import Copy, carried, copied, reading, remove, verify
from taskdashd.store.dialect.carrying import Say, quietly
from taskdashd.store.dialect.checking import REBUILD, RESTORE, Fault
from taskdashd.store.dialect.sqlite.checks import plain
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.faults import BackupError
from taskdashd.store.lock import StoreUnusable
from taskdashd.store.migrating import migrations
from taskdashd.store.restoring import Restored, restore

_PREFIX, _SUFFIX, _PARTIAL = "taskdash-", ".db", ".partial"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_CUT_BYTES: Final = 32 << 20
"""Cut off a file at a time: to remove a gigabyte at once holds up every commit on its disk."""
_OWN_ACTS: Final = ("backed up", "backup failed")
"""What backups themselves note: no reason for another one."""
_RESTLESS: Final = "figures"
"""A kind of records that change by the clock, also in an office where nobody works."""


def write(
    data: Path,
    target: Path,
    store: str = "",
    *,
    checkpoints: bool = False,
    say: Say = quietly,
) -> Copy:
    """Copy the database of a data directory, or a PostgreSQL, to a new file, and read it back.

    Raises `BackupError`. Safe beside a running daemon, and without one. For a daemon that commits
    meanwhile, `checkpoints` does the large checkpoint that is due afterwards in its place.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}{_PARTIAL}")
    try:
        whose = owner.of(data)
        # Root writes where it says as root, but for where the daemon's user could put a link.
        with owner.acting_at(target.parent, whose):
            if os.path.lexists(target):
                raise BackupError(f"{target} exists already: choose another name")
            if not target.parent.is_dir():
                raise BackupError(f"cannot back up: there is no directory {target.parent}")
            try:
                if store:
                    made = carried(store, partial, say)
                else:
                    made = copied(data / DATABASE_NAME, partial, whose, checkpoints=checkpoints)
                partial.replace(target)
                files.sync(target.parent)
            finally:
                remove(partial)
    except (OSError, apsw.Error, OwnerError) as error:
        called = "the database" if store else data
        raise BackupError(f"cannot back up {called} to {target}: {plain(error)}") from error
    return made._replace(path=target)


def newest_good(directory: Path) -> Copy:
    """Find the newest copy that `scheduled` made and that is good. Raises `BackupError`."""
    found = kept(directory)
    for path in reversed(found):
        with suppress(BackupError):
            return verify(path)
    raise BackupError(f"no good backup is among the {len(found)} in {directory}")


def up_to_date(data: Path, directory: Path, store: str = "") -> Path | None:
    """Give the newest copy that `scheduled` made, if nothing has changed since; else None.

    Another copy would be the same, and in time the kept ones would all be.
    """
    for newest in kept(directory)[-1:]:
        with suppress(BackupError):
            if _content(newest, immutable=True) == _content_now(data, store):
                return newest
    return None


def _content_now(data: Path, store: str) -> object:
    if not store:
        return _content(data / DATABASE_NAME)
    # Fetched when it is asked for: not everybody has installed psycopg.
    from taskdashd.store.dialect.postgres import carrying as postgres

    with postgres.reading(store) as source:
        # What is made of it has this version's schema.
        return next(source.read(_CONTENT)), sorted(path.stem for path in migrations())


def _content(path: Path, *, immutable: bool = False) -> object:
    """Give what differs between two states of a database; a damaged or older one is like none.

    Every commit that stores something moves one of these numbers. After a restore they may come to
    the same again, but not with the same times and checksums.
    """
    with reading(path, immutable=immutable) as database:
        applied = sorted(name for (name,) in database.execute("SELECT name FROM schema_migration"))
        return next(database.execute(_CONTENT)), applied


_CONTENT: Final = f"""
SELECT (SELECT max(rev) FROM change), (SELECT at || crc FROM change ORDER BY rev DESC LIMIT 1),
    (SELECT max(rev) FROM record WHERE kind <> '{_RESTLESS}'),
    (SELECT id || at FROM act WHERE kind NOT IN {_OWN_ACTS} ORDER BY id DESC LIMIT 1),
    pruned_rev, forgotten_rev
FROM state
"""  # noqa: S608 - constants of ours


def scheduled(
    data: Path,
    directory: Path,
    keep: int,
    now: Callable[[], float] = time.time,
    store: str = "",
) -> Copy:
    """Make a copy named after its moment, and remove the oldest beyond `keep` once it is good."""
    files.make_directory(directory)
    for left in directory.glob(f".{_PREFIX}*{_PARTIAL}*"):
        # A process killed while copying left this file. If its daemon was killed and it was not,
        # it still writes: without a name the file comes to nothing, and this copy takes its place.
        left.unlink(missing_ok=True)
    stamp = time.strftime(_STAMP, time.gmtime(now()))
    copy = write(data, directory / f"{_PREFIX}{stamp}{_SUFFIX}", store, checkpoints=True)
    others = [path for path in kept(directory) if path != copy.path]
    for path in others[: max(0, len(others) - keep + 1)]:
        _drop(path)
    return copy


def _drop(path: Path) -> None:
    """Remove a copy bit by bit, under a name by which nobody takes the rest of it for a copy."""
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    with suppress(FileNotFoundError):
        path.rename(partial)
        for size in range(partial.stat().st_size - _CUT_BYTES, 0, -_CUT_BYTES):
            os.truncate(partial, size)
        partial.unlink()


def due_in_s(directory: Path, every_s: float, now: float) -> float:
    """Say in how many seconds the next copy is due, by the times in the existing copies' names."""
    form = f"{_PREFIX}{_STAMP}{_SUFFIX}"
    made = [timegm(time.strptime(path.name, form)) for path in kept(directory)]
    # Skip copies dated in the future, made under a wrong clock: they would put the next one off.
    newest = max((at for at in made if at <= now), default=0)
    return min(max(0.0, newest + every_s - now), every_s)


def kept(directory: Path) -> list[Path]:
    """List the copies that `scheduled` made, the oldest first; other files are left alone."""
    return sorted(path for path in directory.glob(f"{_PREFIX}*{_SUFFIX}") if _is_ours(path))


def _is_ours(path: Path) -> bool:
    try:
        time.strptime(path.name, f"{_PREFIX}{_STAMP}{_SUFFIX}")
    except ValueError:
        return False
    # Leave links alone: none of ours is one.
    return path.is_file() and not path.is_symlink()


__all__ = [
    "REBUILD",
    "RESTORE",
    "BackupError",
    "Copy",
    "Fault",
    "Restored",
    "StoreUnusable",
    "admins_without_password",
    "check",
    "due_in_s",
    "kept",
    "newest_good",
    "repair",
    "restore",
    "scheduled",
    "up_to_date",
    "verify",
    "write",
]
