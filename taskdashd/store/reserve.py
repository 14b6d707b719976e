"""Room on the disk that is kept for the operator: given up when the disk is full.

What else fills the disk is seldom ours. When nothing more can be written, the file goes, and only
operators may write until there is room again: so they still can put things right.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

_BELIEVED_AFTER_S: Final = 2.0
NAME: Final = "reserve"
_SHARE: Final = 16
"""It takes no more than this part of what is free: a small disk must not be filled by it."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Reserve:
    """The file, and whether it had to be given up."""

    def __init__(self, directory: Path, size_bytes: int) -> None:
        self._path = directory / NAME
        self._size_bytes = size_bytes
        self._full_at = 0.0
        self.given_up = False
        """Whether the disk is full, as far as is known."""
        self._fill()

    def give_up(self) -> None:
        """Make room: the disk is full."""
        self._full_at = time.monotonic()
        if self._size_bytes and not self.given_up:
            self.given_up = True
            with suppress(OSError):
                # Not there, or not ours to remove: no room, then.
                self._path.unlink()
            log.error("the disk is full: only operators may write until there is room")

    def is_over(self, reusable_bytes: int = 0) -> bool:
        """Tell whether there is room again, also what the database can use again in its file."""
        # What a file system says of its room may be wrong, as where a quota is what is used up.
        waited = time.monotonic() - self._full_at >= _BELIEVED_AFTER_S
        room = self._free_bytes() + reusable_bytes
        if self.given_up and waited and room >= 2 * self._size_bytes:
            self.given_up = False
            self._fill()
            log.warning("there is room on the disk again: everybody may write")
        return not self.given_up

    def _free_bytes(self) -> int:
        try:
            room = os.statvfs(self._path.parent)
        except OSError:
            return 0
        return room.f_bavail * room.f_frsize

    def _fill(self) -> None:
        self._size_bytes = size = min(self._size_bytes, self._free_bytes() // _SHARE)
        if size <= 0:
            return
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, size)
                os.ftruncate(file, size)
            finally:
                os.close(file)
        except OSError as error:
            log.warning("no room on the disk can be kept in reserve", error=error.strerror)
