"""Files of the data directory: made with a mode of their own, replaced whole, never through a link.

Whoever owns a directory can put a link, or a pipe, in the place of any file in it. A process of
more rights that opens the name would write where the link leads, or wait for ever.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

COOKIE_KEY_NAME: Final = "web.key"
"""The key that signs cookies: without it every sign-in at the board is over."""


def write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file by one with this content and mode, or create it. Raises `OSError`.

    A reader, also one after a power cut, finds the old file or the new one, never half of it.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(create(fresh, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)


def read(path: Path) -> bytes:
    """Read a regular file. Raises `OSError`, also for a link."""
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read()


def create(path: Path, mode: int = 0o600, *, given: bool = True) -> int:
    """Create a file, and open it. Raises `FileExistsError`, also for a link, and `OSError`.

    What root makes is the directory's owner's, who must be able to read it, unless not `given`.
    """
    descriptor = _open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        os.fchmod(descriptor, mode)
        about = path.parent.stat()
        if given and os.geteuid() == 0 and about.st_uid != 0:
            os.fchown(descriptor, about.st_uid, about.st_gid)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def open_or_create(path: Path, mode: int = 0o600) -> int:
    """Open a regular file to read and write it, and create it where it is missing.

    Raises `OSError`, also for a link.
    """
    try:
        return create(path, mode)
    except FileExistsError:
        return open_regular(path, os.O_RDWR)


def open_regular(path: Path, flags: int) -> int:
    """Open a file that is there. Raises `OSError`, also for a link, a pipe and the like."""
    return _open(path, flags)


def make(path: Path) -> None:
    """Make a file for SQLite, which would make it by umask, unless it is there. Raises `OSError`.

    What is there is not opened: to close any descriptor of a database ends all locks of this
    process on it.
    """
    try:
        os.close(create(path))
    except FileExistsError:
        check_regular(path.lstat(), path)
    check_beside(path)


def check_beside(path: Path) -> None:
    """Raise `OSError` where a link or a pipe is in the place of a file that SQLite would open."""
    for suffix in ("-journal", "-wal", "-shm"):
        beside = path.with_name(f"{path.name}{suffix}")
        with suppress(FileNotFoundError):
            check_regular(beside.lstat(), beside)


def check_regular(about: os.stat_result, path: Path) -> None:
    """Raise `OSError` for a link, a pipe and the like."""
    if stat.S_ISLNK(about.st_mode):
        raise OSError(errno.ELOOP, "it is a link", str(path))
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))


def make_directory(path: Path) -> None:
    """Make a directory for its owner alone, unless it is there. Raises `OSError`.

    Those above it that are missing are made so that others may pass, whatever the umask: one that
    others may write to would let them put another directory in the place of this one.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        one.chmod(0o700 if one == path else 0o755)


def plain(error: OSError) -> str:
    """Say in a few words what is wrong, and with which file."""
    what = "it is a link" if error.errno == errno.ELOOP else error.strerror or str(error)
    return f"{Path(str(error.filename)).name}: {what}" if error.filename else what


def sync(path: Path) -> None:
    """Wait until a file or a directory is on the disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    # O_NONBLOCK: to open a pipe would else wait until somebody opens its other end.
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        check_regular(os.fstat(descriptor), path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
