"""Cells of CSV: whatever program opens the file, and wherever it splits a line, none is a formula.

The page's twin is `taskdashd/web/static/rules/cells.js`; `protocol/vectors/cells.json` binds both.
"""

import csv
import re
from collections.abc import Iterable
from typing import IO, Final

_SEPARATORS: Final = ";,|\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029"
"""Programs split at one of these, also within quotes where another one is their separator."""
_SKIPPED: Final = (
    ' "\xa0\xad\u1680\u180e\u2000-\u200f\u202a-\u202f\u205f-\u206f\u2800\u3000\ufe00-\ufe0f\ufeff'
)
"""What programs may drop before a cell's text: blanks, quotes, and what is invisible."""
_FORMULA: Final = (
    "=+\\-@|\u207a-\u207c\u208a-\u208c\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20\uff5c"
)
"""What makes a text a formula, at its beginning (OWASP, "CSV Injection"), also in full width."""

_BEGINS: Final = re.compile(f"([{_SEPARATORS}])('*)(?=[{_SKIPPED}]*[{_FORMULA}])")
_GUARDED: Final = re.compile(f"([{_SEPARATORS}])'('*)(?=[{_SKIPPED}]*[{_FORMULA}])")


def guarded(text: str) -> str:
    """Put ' before whatever would be a formula, at the beginning or behind a separator."""
    return _BEGINS.sub(r"\1'\2", f";{text}")[1:]


def unguarded(text: str) -> str:
    """Give back the text that `guarded` has made this of."""
    return _GUARDED.sub(r"\1\2", f";{text}")[1:]


class Lines:
    """Writes lines of CSV, every cell in quotes and guarded."""

    def __init__(self, output: IO[str]) -> None:
        self._csv = csv.writer(output, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(self, cells: Iterable[str]) -> None:
        """Write a line."""
        self._csv.writerow(map(guarded, cells))
