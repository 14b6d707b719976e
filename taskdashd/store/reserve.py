"""A file that reserves room on the disk for operators: deleted when the disk is full.

Another program mostly fills the disk. When no commit succeeds any more, deleting the reserve makes
room, and only operators may write until there is more: otherwise they could not put things right.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from taskdashd.settings import files
from taskdashd.settings.logs import Sparing
from taskdashd.store.faults import DiskFull

NAME: Final = "reserve"
_SHARE: Final = 16
"""The reserve takes at most a 16th of the free bytes: it must not itself fill a small disk."""
_ROOM_SHARE: Final = 8
"""An 8th of the whole disk is room enough to go on, where twice the reserve is more than that."""
_BELIEVED_AFTER_S: Final = 2.0
_NOTHING_BYTES: Final = 256 << 10
"""With fewer free bytes the database cannot be opened."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Reserve:
    """The reserve file, and whether it was given up."""

    def __init__(self, directory: Path, size_bytes: int) -> None:
        self._path = directory / NAME
        self._size_bytes = size_bytes
        self._full_at = time.monotonic()
        self._is_full = Sparing(log.error, "the disk is full: only operators may write")
        self._has_room = Sparing(log.warning, "there is room on the disk again")
        self._cannot_keep = Sparing(log.warning, "no room on the disk can be kept in reserve")
        self.given_up = False
        """Whether the disk is full, as far as is known."""
        self._store_failed = Sparing(log.error, "the store failed")

    def begin(self, *, is_full: bool) -> None:
        """Keep room from now on, or do without where the disk was full at the start."""
        if is_full:
            self.give_up()
        else:
            self.fill()

    def on_fault(self, fault: Exception) -> None:
        """Log a failed commit; where the disk is full, give the reserve up."""
        self._store_failed(error=str(fault))
        if isinstance(fault, DiskFull):
            self.give_up()

    def give_up(self) -> None:
        """Delete the reserve file: the disk is full."""
        self._full_at = time.monotonic()
        if self._size_bytes and not self.given_up:
            self.given_up = True
            _remove(self._path)
            self._is_full()

    def is_over(self, reusable_bytes: int = 0) -> bool:
        """Tell whether there is room again, `reusable_bytes` of it within the database file."""
        # Wait before believing statvfs: under an exhausted quota it tells of room that is not ours.
        waited = time.monotonic() - self._full_at >= _BELIEVED_AFTER_S
        if self.given_up and waited:
            free, whole = _room(self._path.parent)
            if free + reusable_bytes >= min(2 * self._size_bytes, whole // _ROOM_SHARE):
                self.given_up = False
                self.fill()
                self._has_room()
        return not self.given_up

    def fill(self) -> None:
        """Grow the reserve file to its size, or to the part of the free bytes that it may take."""
        free, _ = _room(self._path.parent)
        try:
            has = self._path.lstat().st_size
        except OSError:
            has = 0
        size = min(self._size_bytes, (free + has) // _SHARE)
        if size <= has:
            return
        try:
            file = files.open_or_create(self._path)
            try:
                os.posix_fallocate(file, 0, size)
            finally:
                os.close(file)
        except OSError as error:
            self._cannot_keep(error=files.plain(error))


def give_up_to_start(directory: Path) -> bool:
    """Remove the reserve of a full disk on which the database could not be opened.

    Returns whether there was one, and opening may be tried again.
    """
    free, _ = _room(directory)
    return free < _NOTHING_BYTES and _remove(directory / NAME)


def _remove(path: Path) -> bool:
    with suppress(OSError):
        # A file that is missing or may not be removed makes no room.
        path.unlink()
        return True
    return False


def _room(directory: Path) -> tuple[int, int]:
    """Give the bytes free for the daemon's user, and those of the whole file system."""
    try:
        room = os.statvfs(directory)
    except OSError:
        return 0, 0
    return room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
