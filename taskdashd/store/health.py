"""Sizes and soundness of the database file."""

import os
from pathlib import Path
from typing import NamedTuple

import apsw

from taskdashd.store import dialect
from taskdashd.store.audit import Rows


class Health(NamedTuple):
    """Sizes and soundness of the database file."""

    tasks: dict[str, int]
    """How many tasks have each status."""
    file_bytes: int
    wal_bytes: int
    free_bytes: int
    """Free on the file system for the daemon's user."""
    reusable_bytes: int
    """Free pages within the database file."""
    gives_back: bool
    """Whether the file becomes smaller where much of it is free."""
    sqlite: str
    check: str | None
    """`ok` or the faults found; None if no check was asked for."""


def read(path: Path, rows: Rows) -> Health:
    """Count and measure, without a check."""
    counts = dict(rows(dialect.COUNT_BY_STATUS, ()))
    sizes = []
    for suffix in ("", "-wal"):
        try:
            sizes.append(Path(f"{path}{suffix}").stat().st_size)
        except FileNotFoundError:
            sizes.append(0)
    room = os.statvfs(path.parent)
    free = room.f_bavail * room.f_frsize
    ((unused, page_bytes, vacuums),) = rows(dialect.UNUSED, ())
    gives_back = vacuums == dialect.VACUUMS_BIT_BY_BIT
    version = apsw.sqlite_lib_version()
    return Health(counts, sizes[0], sizes[1], free, unused * page_bytes, gives_back, version, None)
