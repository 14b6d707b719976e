"""Copies of the database: made while the daemon runs, verified, and restored.

A copy is the file as of one rev. SQLite's backup interface makes it in a single step, which is one
read transaction: writers go on, and their changes meanwhile are not in the copy.

A copy gets its final name only once it is whole, verified and synced to the disk.
"""

import os
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from zlib import crc32

import apsw

from taskdashd.domain.times import stamp
from taskdashd.settings import files
from taskdashd.store import dialect, texts
from taskdashd.store.database import DATABASE_NAME, MIGRATIONS, RESTORING_NAME
from taskdashd.store.lock import StoreUnusable, lock

_FILES: Final = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
_TABLES: Final = frozenset({"change", "task", "state", "schema_migration"})
_PREFIX, _SUFFIX, _PARTIAL = "taskdash-", ".db", ".partial"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_BUSY_MS: Final = 5_000


class BackupError(Exception):
    """A copy could not be made, is not good, or may not be put in place; the message says why."""


class Copy(NamedTuple):
    """A copy that was read back and is good."""

    path: Path
    rev: int
    """Rev of the newest change in the copy."""
    tasks: int
    size_bytes: int


class Fault(NamedTuple):
    """Something wrong with a database, and what to do about it."""

    what: str
    cure: str


RESTORE: Final = "put a backup in its place: taskdashd restore FILE --force, or --newest"
REBUILD: Final = "make the table again from the log: taskdashd check --repair"


def write(data: Path, target: Path) -> Copy:
    """Copy the database of a data directory to a new file, and read it back.

    Raises `BackupError`. Safe beside a running daemon, and without one.
    """
    if target.exists():
        raise BackupError(f"{target} exists already: choose another name")
    partial = target.with_name(f".{target.name}.{os.getpid()}{_PARTIAL}")
    try:
        made = _copy(data / DATABASE_NAME, partial)
        partial.replace(target)
        files.sync(target.parent)
    except (OSError, apsw.Error) as error:
        raise BackupError(f"cannot back up {data} to {target}: {_plain(error)}") from error
    finally:
        _remove(partial)
    return made._replace(path=target)


def _copy(source: Path, fresh: Path) -> Copy:
    """Copy a database with all that its WAL holds, to the disk, and read the copy back."""
    _remove(fresh)
    # SQLite ignores the WAL of a file opened as immutable: open only a lone backup file that way,
    # never a data directory's database, where a daemon may begin a WAL at any moment.
    alone = not source.with_name(f"{source.name}-wal").exists()
    with _reading(source, immutable=alone and source.name != DATABASE_NAME) as database:
        # Create the copy for its owner alone: by umask, others could read the whole database in it.
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(apsw.Connection(str(fresh))) as copy:
            with copy.backup("main", database, "main") as pages:
                pages.step(-1)
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
        faults = list(_faults(copy))
        if faults:
            raise BackupError(f"{called or path} is not good: {faults[0].what}")
        row = copy.execute("SELECT (SELECT max(rev) FROM change), (SELECT count(*) FROM task)").get
        unfolded = copy.execute(
            "SELECT count(DISTINCT task_id) FROM change WHERE previous_rev = 0"
            " AND rev > (SELECT folded_rev FROM state)"
        ).get
    return Copy(path, row[0] or 0, row[1] + unfolded, path.stat().st_size)


def restore(path: Path, data: Path, *, force: bool = False) -> tuple[Copy, Path | None]:
    """Put a copy in the place of a data directory's database.

    The old files are moved aside, never overwritten; their new place is returned with the copy.
    Raises `BackupError`, and `StoreUnusable` where a daemon uses the directory.
    """
    if not path.is_file():
        raise BackupError(f"there is no database at {path}")
    with closing(lock(data)):
        there = [data / name for name in _FILES if (data / name).exists()]
        if there and not force:
            raise BackupError(
                f"{data} holds a database already: --force moves it aside and restores {path}"
            )
        fresh = data / RESTORING_NAME
        try:
            copy = _copy(path, fresh)._replace(path=path)
            _note(fresh, "restored", f"{path.absolute()}, rev {copy.rev}")
            aside = _move_aside(there, data) if there else None
            # Rename only after the old files are gone: SQLite would apply an old WAL to the copy.
            fresh.replace(data / DATABASE_NAME)
            files.sync(data)
        except (OSError, apsw.Error) as error:
            raise BackupError(f"cannot restore to {data}: {_plain(error)}") from error
        except BackupError:
            _remove(fresh)
            raise
    return copy, aside


def newest_good(directory: Path) -> Copy:
    """Find the newest copy that `scheduled` made and that is good. Raises `BackupError`."""
    found = kept(directory)
    for path in reversed(found):
        with suppress(BackupError):
            return verify(path)
    raise BackupError(f"no good backup is among the {len(found)} in {directory}")


def scheduled(data: Path, directory: Path, keep: int, now: Callable[[], float] = time.time) -> Copy:
    """Make a copy named after its moment, and remove the oldest beyond `keep` once it is good."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in directory.glob(f".{_PREFIX}*{_PARTIAL}*"):
        # A daemon killed while copying left this file; no other daemon can be writing it, since
        # the data directory's lock admits one.
        left.unlink(missing_ok=True)
    stamp = time.strftime(_STAMP, time.gmtime(now()))
    copy = write(data, directory / f"{_PREFIX}{stamp}{_SUFFIX}")
    others = [path for path in kept(directory) if path != copy.path]
    for path in others[: max(0, len(others) - keep + 1)]:
        path.unlink(missing_ok=True)
    return copy


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
    return path.is_file()


def check(data: Path) -> list[Fault]:
    """Read the database of a data directory from end to end.

    Raises `BackupError` where it is missing or cannot be opened.
    """
    with _reading(data / DATABASE_NAME) as database:
        return list(_faults(database))


def repair(data: Path) -> None:
    """Make the next start build the task table anew from the log.

    Raises `BackupError`, and `StoreUnusable` where a daemon uses the directory.
    """
    with closing(lock(data)):
        try:
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
        except apsw.Error as error:
            raise BackupError(f"cannot repair {data}: {_plain(error)}") from error


def _note(path: Path, kind: str, detail: str) -> None:
    with closing(apsw.Connection(str(path))) as database, database:
        _act(database, kind, detail)
    files.sync(path)


def _act(database: apsw.Connection, kind: str, detail: str) -> None:
    if database.table_exists(None, dialect.ACTS):
        rev = database.execute("SELECT coalesce(max(rev), 0) FROM change").get
        row = (rev, stamp(time.time()), kind, f"taskdashd, uid {os.getuid()}", detail, 1)
        database.execute(dialect.ADD_ACT, row)


@contextmanager
def _reading(path: Path, *, immutable: bool = False) -> Iterator[apsw.Connection]:
    # `immutable` reads the file without its WAL and creates no -wal or -shm beside it: right for a
    # copy, wrong for a database that a daemon may hold open.
    if not path.is_file():
        raise BackupError(f"there is no database at {path}")
    # Two slashes at the start would name a host (RFC 3986 section 3.2).
    absolute = "/" + str(path.absolute()).lstrip("/")
    uri = f"file:{quote(os.fsencode(absolute))}?mode=ro{'&immutable=1' if immutable else ''}"
    try:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        with closing(apsw.Connection(uri, flags=flags)) as connection:
            connection.set_busy_timeout(_BUSY_MS)
            yield connection
    except apsw.Error as error:
        raise BackupError(f"{path} cannot be read: {_plain(error)}") from error


def _faults(database: apsw.Connection) -> Iterator[Fault]:
    try:
        told = [text for (text,) in database.execute("PRAGMA integrity_check(10)")]
    except apsw.Error as error:
        told = [_plain(error)]
    if told != ["ok"]:
        yield Fault(f"SQLite says: {'; '.join(told)}", RESTORE)
        return
    names = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
    if not names >= _TABLES:
        yield Fault("it is not a database of taskdashd", RESTORE)
        return
    known = {path.stem for path in MIGRATIONS.glob("[0-9]*.py")}
    applied = {name for (name,) in database.execute("SELECT name FROM schema_migration")}
    if not applied:
        yield Fault("it is not known which schema it has", RESTORE)
        return
    if newer := sorted(applied - known):
        yield Fault(
            f"it was written by a newer taskdashd (schema {newer[-1]})",
            "install that version or later",
        )
        return
    database.create_scalar_function("crc32", _crc32)
    ahead = _AHEAD if "0005_mechanisms" in applied else _AHEAD_BEFORE_FORGETTING
    checks = (*_CHECKS, ahead, *(() if applied < known else _CHECKS_OF_NEW))
    for statement, what, cure in checks:
        if count := database.execute(statement).get:
            yield Fault(what.format(count=count), cure)
            if cure == RESTORE:
                # The checks after this one assume that it passed: they would report consequences.
                return


def _crc32(*values: Any) -> int:
    return crc32(str(values[0]).encode())


# Only for the newest schema: a database of an older version lacks these columns and tables.
_CHECKS_OF_NEW: Final = (
    (
        "SELECT count(*) FROM change WHERE crc != crc32(task)",
        "{count} changes are not as they were written",
        RESTORE,
    ),
    (
        "SELECT count(*) FROM record WHERE crc != crc32(value) OR NOT json_valid(value)",
        "{count} records of people or services are not as they were written",
        RESTORE,
    ),
    (
        """SELECT count(*) FROM task AS t JOIN change AS c ON c.rev = t.rev
           WHERE c.task_id = t.id AND (t.checker, t.parent_id, t.url, t.at)
               IS NOT (c.task->>'checker', c.task->>'parent_id', c.task->>'url', c.at)""",
        "{count} tasks are found by another checker, parent, service or time than theirs",
        REBUILD,
    ),
    (texts.MISSING, "{count} tasks are not found by their texts", REBUILD),
    (texts.LEFT, "{count} texts are of no task", REBUILD),
)
_NEWEST: Final = "coalesce((SELECT max(rev) FROM change), 0)"
_IS_AHEAD: Final = "the task table is ahead of the log"
_AHEAD_BEFORE_FORGETTING: Final = (
    f"SELECT folded_rev > {_NEWEST} FROM state",  # noqa: S608
    _IS_AHEAD,
    REBUILD,
)
# The newest change of all may have been forgotten with its task.
_AHEAD: Final = (
    f"SELECT folded_rev > max(forgotten_rev, {_NEWEST}) FROM state",  # noqa: S608
    _IS_AHEAD,
    REBUILD,
)
_CHECKS: Final = (
    (
        "SELECT count(*) FROM change WHERE NOT json_valid(task)",
        "{count} changes hold no JSON",
        RESTORE,
    ),
    (
        "SELECT (SELECT count(*) FROM state) != 1",
        "the row about the file itself is missing",
        RESTORE,
    ),
    (
        """SELECT count(*) FROM change AS c, state
           WHERE c.previous_rev > state.pruned_rev AND NOT EXISTS (
               SELECT 1 FROM change AS p WHERE p.rev = c.previous_rev AND p.task_id = c.task_id
           )""",
        "{count} changes lead to one before them that is not there",
        RESTORE,
    ),
    (
        """SELECT count(*) FROM task AS t LEFT JOIN change AS c ON c.rev = t.rev
           WHERE c.task_id IS NOT t.id AND t.id NOT IN (SELECT task_id FROM change)""",
        "{count} tasks have no change in the log",
        RESTORE,
    ),
    (
        """SELECT count(*) FROM task AS t JOIN change AS c ON c.rev = t.rev
           WHERE c.task_id = t.id AND (t.status, t.user, t.group_id, t.project_id)
               IS NOT (c.task->>'status', c.task->>'user', c.task->>'group_id',
                       c.task->>'project_id')""",
        "{count} tasks are found by what they are not",
        REBUILD,
    ),
    (
        """SELECT count(*) FROM (SELECT c.task_id AS id, max(c.rev) AS rev FROM change AS c, state
           WHERE c.rev <= state.folded_rev GROUP BY c.task_id) AS last
           LEFT JOIN task AS t ON t.id = last.id WHERE t.rev IS NOT last.rev""",
        "{count} tasks are not as the log says",
        REBUILD,
    ),
)


def _move_aside(paths: list[Path], data: Path) -> Path:
    aside = Path(mkdtemp(prefix=f"replaced-{time.strftime(_STAMP, time.gmtime())}-", dir=data))
    for path in paths:
        path.rename(aside / path.name)
    return aside


def _plain(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).splitlines()[0] if str(error) else type(error).__name__


__all__ = [
    "REBUILD",
    "RESTORE",
    "BackupError",
    "Copy",
    "Fault",
    "StoreUnusable",
    "check",
    "due_in_s",
    "kept",
    "newest_good",
    "repair",
    "restore",
    "scheduled",
    "verify",
    "write",
]
