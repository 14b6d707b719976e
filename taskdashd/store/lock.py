"""One daemon for one data directory."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

LOCK_NAME: Final = "taskdashd.lock"


class StoreUnusable(Exception):
    """The data directory cannot be used; the message says why and what to do."""


def lock(directory: Path) -> Any:
    """Keep other daemons from a data directory until what is returned is closed.

    Raises `StoreUnusable` where one uses it.
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
            # What could not be written is tried again.
            file.close()
        raise StoreUnusable(f"cannot write to {directory}: {error.strerror}") from error
    return file
