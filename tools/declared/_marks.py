"""Parts of files that are written by hand otherwise, each between two marks."""

from pathlib import Path
from typing import Final

from declared._lacks import Incomplete

END: Final = "<!-- end -->\n"
"""The second mark in documents."""


def between(root: Path, path: Path, begin: str, end: str, made: str) -> str:
    """Give a file's text with `made` between two marks. Raises `Incomplete` where one is lost."""
    before, begun, rest = (root / path).read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise Incomplete(f"{path} has lost its mark {begin.strip()!r}, or {end.strip()!r} after it")
    return f"{before}{begin}{made}{end}{after}"
