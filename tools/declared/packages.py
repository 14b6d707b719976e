"""The packages in setup.cfg, where setuptools searches one folder only and ours are in several."""

from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Final

from declared._marks import between

SETUP: Final = Path("setup.cfg")
_BEGIN: Final = "\npackages =\n"
_END: Final = "package_dir =\n"


def files(root: Path) -> dict[Path, str]:
    """Give setup.cfg with each package below the folders that its `package_dir` names."""
    config = RawConfigParser()
    config.read_string((root / SETUP).read_text())
    lines = config["options"]["package_dir"].strip().splitlines()
    folders = (line.split(" = ") for line in lines)
    names = (name for top, folder in folders for name in _packages(top, root / folder))
    found = "".join(f"    {name}\n" for name in names)
    return {SETUP: between(root, SETUP, _BEGIN, _END, found)}


def _packages(top: str, folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("__init__.py")):
        yield ".".join((top, *path.parent.relative_to(folder).parts))
