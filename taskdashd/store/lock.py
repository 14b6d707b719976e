"""The lock file of a data directory: a second daemon on it would corrupt the change log."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

LOCK_NAME: Final = "taskdashd.lock"


class StoreUnusable(Exception):
    """The data directory cannot be used; the message says why and what to do."""


def lock(directory: Path) -> Any:
    """Keep other daemons from a data directory until the returned file is closed.

    Raises `StoreUnusable` where another daemon uses it, or where it cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (directory / LOCK_NAME).open("a+")
    except OSError as error:
        raise StoreUnusable(
            f"cannot use the data directory {directory}: {error.strerror}"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StoreUnusable(
            f"another taskdashd (process {holder}) uses the data directory {directory}: stop it, or"
            " give this one another with --data"
        ) from None
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    except OSError as error:
        with suppress(OSError):
            # Closing tries the failed write again, and fails again.
            file.close()
        raise StoreUnusable(f"cannot write to {directory}: {error.strerror}") from error
    return file
