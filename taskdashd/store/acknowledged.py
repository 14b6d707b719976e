"""What a daemon has acknowledged of a PostgreSQL, in a file beside it: so a loss is noticed.

A fail-over to a replica that lacked the last commits, or a backup put back behind the daemon's
back, gives a database that looks whole. Its revs would be given out again, for something else.
"""

import os
from pathlib import Path
from typing import Final, Self

from taskdashd.settings import files
from taskdashd.store.lock import StoreUnusable

NAME: Final = "acknowledged"
_SKIPPED: Final = 1 << 20
"""So many revs are left out after a loss: more than were given out since the file was written."""
_BYTES: Final = 38


class Acknowledged:
    """The file, open: written in place, so that a power cut leaves the old text or the new one."""

    def __init__(self, descriptor: int, cluster: str) -> None:
        self._descriptor = descriptor
        self._cluster = cluster

    @classmethod
    def open(cls, directory: Path, cluster: str) -> Self:
        """Open the file, or make it. Raises `OSError`."""
        return cls(files.open_or_create(directory / NAME), cluster)

    def write(self, rev: int) -> None:
        """Note the newest rev that was acknowledged; nobody waits for the disk."""
        os.pwrite(self._descriptor, f"{self._cluster} {rev:020}\n".encode(), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def check(
    directory: Path, cluster: str, where: str, stored_rev: int, *, accept_loss: bool = False
) -> int:
    """Compare a database with what was acknowledged; give the rev that is taken for its newest.

    Raises `StoreUnusable` for another database than before, and for one that has lost something,
    unless `accept_loss`.
    """
    path = directory / NAME
    known, rev = _read(path)
    if known not in ("", cluster):
        raise StoreUnusable(
            f"two clusters: {directory} belongs to the database {known}, and {where} is {cluster};"
            f" give the address of the first, or remove {path} if it is gone for good"
        )
    if rev <= stored_rev:
        return 0
    if not accept_loss:
        raise StoreUnusable(
            f"{where} ends at rev {stored_rev}, and about rev {rev} was acknowledged: what came"
            " between is lost, unless another server still has it; `taskdashd run --accept-loss`"
            " goes on without it"
        )
    return rev + _SKIPPED - 1


def forget(directory: Path) -> None:
    """Let the next start take whatever database it is given. Raises `OSError`."""
    (directory / NAME).unlink(missing_ok=True)


def _read(path: Path) -> tuple[str, int]:
    try:
        text = files.read(path)
    except FileNotFoundError:
        return "", 0
    except OSError as error:
        raise StoreUnusable(f"cannot read {path}: {files.plain(error)}") from error
    if not text.strip(b"\0"):
        # Power was cut before the first text of the file was on the disk.
        return "", 0
    cluster, _, rev = text.decode(errors="replace").strip().partition(" ")
    if len(text) != _BYTES or not rev.isdecimal():
        raise StoreUnusable(
            f"{path} is damaged: what was acknowledged is not known; look whether the newest tasks"
            " are there that you know of, and remove it"
        )
    return cluster, int(rev)
