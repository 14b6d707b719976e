"""The files and parts of files that `tools/declare` makes, a module for each kind.

A module in here has a function `files(root)`, which gives the whole text that should stand at each
path that it makes, below the root; it is found by its place, and one that makes nothing has a name
with `_` before it. Two modules may make parts of one file: each keeps the other's part.
"""

import pkgutil
from importlib import import_module
from pathlib import Path

from declared._lacks import Incomplete as Incomplete
from declared._lacks import check


def stale(root: Path) -> list[Path]:
    """Name the files whose text is not what would be made now. Raises `Incomplete`."""
    check()
    return sorted({path for name in _modules() for path in _differing(name, root)})


def write(root: Path) -> list[Path]:
    """Write the files that differ, and name them. Raises `Incomplete`."""
    check()
    written = set()
    for name in _modules():
        for path, text in _differing(name, root).items():
            (root / path).write_text(text)
            written.add(path)
    return sorted(written)


def _modules() -> list[str]:
    return [found.name for found in pkgutil.iter_modules(__path__) if found.name[0] != "_"]


def _differing(name: str, root: Path) -> dict[Path, str]:
    """Give the files of a module that differ on disk, or are missing."""
    made: dict[Path, str] = import_module(f"{__name__}.{name}").files(root)
    return {
        path: text
        for path, text in made.items()
        if not (root / path).exists() or (root / path).read_text() != text
    }
