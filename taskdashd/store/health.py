"""Sizes and soundness of the database."""

import os
from pathlib import Path
from typing import NamedTuple


class OfFile(NamedTuple):
    """What can be said of a database that is a file."""

    wal_bytes: int
    free_bytes: int
    """Free on the file system for the daemon's user."""
    reusable_bytes: int
    """Free pages within the database file."""
    gives_back: bool
    """Whether the file becomes smaller where much of it is free."""


class Health(NamedTuple):
    """Sizes and soundness of the database."""

    tasks: dict[str, int]
    """How many tasks have each status."""
    engine: str
    version: str
    size_bytes: int
    file: OfFile | None
    """None where the database is a server's."""
    check: str | None
    """`ok` or the faults found; None if no check was asked for."""


def room(directory: Path) -> int:
    """Give the bytes that are free on a file system for the daemon's user. Raises `OSError`."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
