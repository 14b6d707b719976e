"""Small files that must be whole, or as they were before."""

import os
from pathlib import Path


def write(path: Path, content: bytes, mode: int) -> None:
    """Put a file with this content and mode in the place of what is there. Raises `OSError`.

    Whoever opens it meanwhile, or after a power cut, finds the old one or the new one.
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
    """Make sure that a file or a directory is on the disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
