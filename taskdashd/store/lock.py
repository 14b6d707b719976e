"""The lock file of a data directory: a second daemon on it would corrupt the change log."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from taskdashd.settings import files, owner

LOCK_NAME: Final = "taskdashd.lock"
_TRIES: Final = 5
_BETWEEN_TRIES_S: Final = 0.05


class StoreUnusable(Exception):
    """The data directory cannot be used; the message says why and what to do."""


def lock(directory: Path) -> Any:
    """Keep other daemons from a data directory until the returned file is closed.

    Raises `StoreUnusable` where another daemon uses it, or where it cannot be written.
    """
    try:
        files.make_directory(directory)
        descriptor = files.open_or_create(directory / LOCK_NAME)
        file = os.fdopen(descriptor, "r+")
    except OSError as error:
        why = f"{files.plain(error)}{owner.told_of_strangers(directory)}"
        raise StoreUnusable(f"cannot use the data directory {directory}: {why}") from error
    if not _hold(descriptor):
        holder = file.read().strip() or "unknown"
        file.close()
        raise StoreUnusable(
            f"another taskdashd (process {holder}) uses the data directory {directory}: stop it, or"
            " give this one another with --data"
        )
    try:
        # By its descriptor: older versions made it by umask, and whoever can open it can lock it.
        os.fchmod(descriptor, 0o600)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError as error:
        with suppress(OSError):
            # Closing tries the failed write again, and fails again.
            file.close()
        raise StoreUnusable(f"cannot write to {directory}: {error.strerror}") from error
    return file


def holder(directory: Path) -> str | None:
    """Give the process that uses a data directory, as it has named itself; None if there is none.

    Raises `OSError`.
    """
    try:
        descriptor = files.open_regular(directory / LOCK_NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor) as file:
        try:
            # Shared, so that commands which ask at the same time do not take each other for it.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "unknown"
    return None


def _hold(descriptor: int) -> bool:
    """Take the lock, or tell that somebody has it; `holder` has it for an instant only."""
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                time.sleep(_BETWEEN_TRIES_S)
        else:
            return True
    return False
