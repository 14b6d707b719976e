"""Small files that are replaced whole: no crash or reader ever finds half of one."""

import os
from pathlib import Path


def write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file by one with this content and mode, or create it. Raises `OSError`.

    A reader, also one after a power cut, finds the old file or the new one, never half of it.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123  # it is a descriptor
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file or a directory is on the disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
