"""The one folding of texts that are searched: daemon and page find the same by it.

The page's twin is `taskdashd/web/static/rules/folding.js`; both are bound by
`protocol/vectors/folding.json`. The rule uses what both languages have: Python's `casefold` would
do, but JavaScript has none.
"""

import re
from typing import Final
from unicodedata import normalize

_BLANKS: Final = re.compile("[\t-\r \x85\u1680\u2028\u2029]+")
"""What parts words, after NFKC, which makes blanks of all others. Written out, since `\\s` means
something else in each language."""


def fold(text: str) -> str:
    """Give a text as it is compared: NFKC, without regard to case.

    Upper and then lower case makes `ß` equal to `ss`; a lower-case sigma depends on its place.
    """
    if text.isascii():
        return text.lower()
    return normalize("NFKC", text).upper().lower().replace("ς", "σ")


def whole(text: str) -> str:
    """Give a text as it is compared as a whole: folded, blanks single and inside only."""
    return " ".join(word for word in _BLANKS.split(fold(text)) if word)


def words(text: str) -> tuple[str, ...]:
    """Give the words that a text is searched by, folded, each once."""
    return tuple(dict.fromkeys(word for word in _BLANKS.split(fold(text)) if word))
