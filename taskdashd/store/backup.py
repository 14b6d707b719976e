"""Copies of the database: made while the daemon runs, verified, and restored.

A copy is the file as of one rev: SQLite's backup interface makes it in one read transaction, so
writers go on, and their changes meanwhile are not in it.

A copy gets its final name only once it is whole, verified and synced to the disk.
"""

import os
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, NamedTuple
from urllib.parse import quote

import apsw

from taskdashd.domain.times import stamp
from taskdashd.settings import files, owner
from taskdashd.settings.owner import Owner, OwnerError
from taskdashd.store.dialect import sql
from taskdashd.store.dialect.sqlite import accounts, texts
from taskdashd.store.dialect.sqlite.accounts import Revived
from taskdashd.store.dialect.sqlite.checks import REBUILD, RESTORE, Fault, faults, plain
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME, NONSENSE, RESTORING_NAME
from taskdashd.store.lock import StoreUnusable, lock

_FILES: Final = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
_PREFIX, _SUFFIX, _PARTIAL = "taskdash-", ".db", ".partial"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_BUSY_MS: Final = 5_000
_PAGES_AT_ONCE: Final = 256
"""Copied, and synced, at a time: a megabyte, for which a commit may have to wait."""
_CUT_BYTES: Final = 32 << 20
"""Cut off a file at a time: to remove a gigabyte at once holds up every commit on its disk."""
_OWN_ACTS: Final = ("backed up", "backup failed")
"""What backups themselves note: no reason for another one."""
_RESTLESS: Final = "figures"
"""A kind of records that change by the clock, also in an office where nobody works."""


class BackupError(Exception):
    """A copy could not be made, is not good, or may not be put in place; the message says why."""


class Copy(NamedTuple):
    """A copy that was read back and is good."""

    path: Path
    rev: int
    """Rev of the newest change in the copy."""
    tasks: int
    size_bytes: int


class Restored(NamedTuple):
    """A copy that was put in place."""

    copy: Copy
    aside: Path | None
    """Where the files are that were there before."""
    as_of: str
    """When the newest change in the copy was made; empty where there is none."""
    revived: list[Revived] | None
    """The accounts that are again what they were; None if what was replaced cannot be read."""


def write(data: Path, target: Path, *, checkpoints: bool = False) -> Copy:
    """Copy the database of a data directory to a new file, and read it back.

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
                made = _copy(data / DATABASE_NAME, partial, whose, checkpoints=checkpoints)
                partial.replace(target)
                files.sync(target.parent)
            finally:
                _remove(partial)
    except (OSError, apsw.Error, OwnerError) as error:
        raise BackupError(f"cannot back up {data} to {target}: {plain(error)}") from error
    return made._replace(path=target)


def _copy(source: Path, fresh: Path, whose: Owner, *, checkpoints: bool = False) -> Copy:
    """Copy a database with all that its WAL holds, to the disk, and read the copy back.

    `whose` is the data directory that one of the two is in. Root acts as its owner at that one.
    """
    _remove(fresh)
    # SQLite ignores the WAL of a file opened as immutable: open only a lone backup file that way,
    # never a data directory's database, where a daemon may begin a WAL at any moment.
    alone = not source.with_name(f"{source.name}-wal").exists()
    # Create the copy for its owner alone: by umask, others could read the whole database in it.
    descriptor = files.create(fresh, given=False)
    with ExitStack() as opened:
        opened.callback(os.close, descriptor)
        immutable = alone and source.name != DATABASE_NAME
        with owner.acting_at(source, whose):
            database = opened.enter_context(_reading(source, immutable=immutable))
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


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def verify(path: Path, called: Path | None = None) -> Copy:
    """Read a copy from end to end. Raises `BackupError`, naming it `called`, if it is not good."""
    with _reading(path, immutable=True) as copy:
        for fault in faults(copy):
            raise BackupError(f"{called or path} is not good: {fault.what}")
        row = copy.execute("SELECT (SELECT max(rev) FROM change), (SELECT count(*) FROM task)").get
        unfolded = copy.execute(
            "SELECT count(DISTINCT task_id) FROM change WHERE previous_rev = 0"
            " AND rev > (SELECT folded_rev FROM state)"
        ).get
    return Copy(path, row[0] or 0, row[1] + unfolded, path.stat().st_size)


def restore(path: Path, data: Path, *, force: bool = False) -> Restored:
    """Put a copy in the place of a data directory's database, and end all sign-ins.

    The old files are moved aside, never overwritten. Raises `BackupError`, and `StoreUnusable`
    where a daemon uses the directory.
    """
    if not path.is_file():
        raise BackupError(f"there is no database at {path}")
    with closing(lock(data)):
        if _there(data) and not force:
            raise BackupError(
                f"{data} holds a database already: --force moves it aside and restores {path}"
            )
        fresh = data / RESTORING_NAME
        try:
            copy = _copy(path, fresh, owner.of(data))._replace(path=path)
            as_of, revived = _compare(data / DATABASE_NAME, fresh)
            _note(fresh, "restored", f"{path.absolute()}, rev {copy.rev}")
            # Before the copy is there: a crash must not leave it with the key of what it replaces.
            # That would let in again whoever was signed out since.
            (data / files.COOKIE_KEY_NAME).unlink(missing_ok=True)
            there = _there(data)
            aside = _move_aside(there, data) if there else None
            # Rename only after the old files are gone: SQLite would apply an old WAL to the copy.
            fresh.replace(data / DATABASE_NAME)
            files.sync(data)
        except (OSError, apsw.Error, OwnerError) as error:
            raise BackupError(f"cannot restore to {data}: {plain(error)}") from error
        except BackupError:
            _remove(fresh)
            raise
    return Restored(copy, aside, as_of, revived)


def _compare(replaced: Path, copy: Path) -> tuple[str, list[Revived] | None]:
    """Say of when a copy is, and which accounts it brings back; None if nobody can know."""
    with _reading(copy, immutable=True) as new:
        as_of, then = accounts.as_of(new), accounts.read(new)
    if not os.path.lexists(replaced):
        return as_of, []
    try:
        with _reading(replaced) as old:
            return as_of, accounts.revived(accounts.read(old), then)
    except (BackupError, apsw.Error, *NONSENSE):
        # A damaged database may be the very reason for the restore.
        return as_of, None


def newest_good(directory: Path) -> Copy:
    """Find the newest copy that `scheduled` made and that is good. Raises `BackupError`."""
    found = kept(directory)
    for path in reversed(found):
        with suppress(BackupError):
            return verify(path)
    raise BackupError(f"no good backup is among the {len(found)} in {directory}")


def up_to_date(data: Path, directory: Path) -> Path | None:
    """Give the newest copy that `scheduled` made, if nothing has changed since; else None.

    Another copy would be the same, and in time the kept ones would all be.
    """
    for newest in kept(directory)[-1:]:
        with suppress(BackupError):
            if _content(newest, immutable=True) == _content(data / DATABASE_NAME):
                return newest
    return None


def _content(path: Path, *, immutable: bool = False) -> object:
    """Give what differs between two states of a database; a damaged or older one is like none.

    Every commit that stores something moves one of these numbers. After a restore they may come to
    the same again, but not with the same times and checksums.
    """
    with _reading(path, immutable=immutable) as database:
        return database.execute(_CONTENT, (_RESTLESS, *_OWN_ACTS)).get


_CONTENT: Final = """
SELECT (SELECT max(rev) FROM change), (SELECT at || crc FROM change ORDER BY rev DESC LIMIT 1),
    (SELECT max(rev) FROM record WHERE kind <> ?),
    (SELECT id || at FROM act WHERE kind NOT IN (?, ?) ORDER BY id DESC LIMIT 1),
    pruned_rev, forgotten_rev, (SELECT group_concat(name) FROM schema_migration)
FROM state
"""


def scheduled(data: Path, directory: Path, keep: int, now: Callable[[], float] = time.time) -> Copy:
    """Make a copy named after its moment, and remove the oldest beyond `keep` once it is good."""
    files.make_directory(directory)
    for left in directory.glob(f".{_PREFIX}*{_PARTIAL}*"):
        # A process killed while copying left this file. If its daemon was killed and it was not,
        # it still writes: without a name the file comes to nothing, and this copy takes its place.
        left.unlink(missing_ok=True)
    stamp = time.strftime(_STAMP, time.gmtime(now()))
    copy = write(data, directory / f"{_PREFIX}{stamp}{_SUFFIX}", checkpoints=True)
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


def check(data: Path) -> list[Fault]:
    """Read the database of a data directory from end to end.

    Raises `BackupError` where it is missing or cannot be opened.
    """
    with _reading(data / DATABASE_NAME) as database:
        return list(faults(database))


def admins_without_password(data: Path) -> list[str]:
    """Give the numbers of the administrators in a data directory who have no password.

    Raises `BackupError`.
    """
    with _reading(data / DATABASE_NAME) as database:
        return accounts.admins_without_password(database)


def repair(data: Path) -> None:
    """Make the next start build the task table anew from the log.

    Raises `BackupError`, and `StoreUnusable` where a daemon uses the directory.
    """
    with closing(lock(data)):
        try:
            files.make(data / DATABASE_NAME)
            with closing(apsw.Connection(str(data / DATABASE_NAME))) as database, database:
                # Rows from before there was a kind have it in the table alone.
                database.execute(
                    "UPDATE change SET task_kind = task.kind FROM task"
                    " WHERE task.rev = change.rev AND change.task_kind IS NULL"
                )
                for statement in texts.EMPTY:
                    database.execute(statement)
                database.execute("DELETE FROM task")
                database.execute("UPDATE state SET folded_rev = 0")
                _act(database, "repaired", "the task table is made anew from the log")
        except (OSError, apsw.Error) as error:
            raise BackupError(f"cannot repair {data}: {plain(error)}") from error


def _note(path: Path, kind: str, detail: str) -> None:
    with closing(apsw.Connection(str(path))) as database, database:
        _act(database, kind, detail)
    files.sync(path)


def _act(database: apsw.Connection, kind: str, detail: str) -> None:
    if database.table_exists(None, "act"):
        rev = database.execute("SELECT coalesce(max(rev), 0) FROM change").get
        row = (rev, stamp(time.time()), kind, f"taskdashd, uid {os.getuid()}", detail, 1)
        database.execute(sql.ADD_ACT, row)


@contextmanager
def _reading(path: Path, *, immutable: bool = False) -> Iterator[apsw.Connection]:
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


def _there(data: Path) -> list[Path]:
    return [data / name for name in _FILES if os.path.lexists(data / name)]


def _move_aside(paths: list[Path], data: Path) -> Path:
    aside = Path(mkdtemp(prefix=f"replaced-{time.strftime(_STAMP, time.gmtime())}-", dir=data))
    for path in paths:
        path.rename(aside / path.name)
    return aside


__all__ = [
    "REBUILD",
    "RESTORE",
    "BackupError",
    "Copy",
    "Fault",
    "Restored",
    "StoreUnusable",
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
