"""What people type, by the text that is meant: equal to the eye is equal to `==`. No I/O.

Numbers and names of people, groups, and ids of tasks that people type are folded so. What programs
send as a task's members stays to the byte. `protocol/vectors/typed.json` has examples.
"""

import re
import unicodedata
from functools import partial
from typing import Final

from taskdash_protocol import folding

_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
"""What takes no room on a screen: Unicode's Default_Ignorable_Code_Point (the marks of direction
among them), and the three of annotations."""
_BLANKS: Final = re.compile("[\\s\u2800]+")
"""White space, and the Braille pattern without a dot."""
_SEPARATORS: Final = re.compile(
    "[,;\t-\r\x1c-\x1f\x85\u037e\u055d\u060c\u061b\u07f8\u1363\u1364\u1802\u1808\u2028\u2029\u204f"
    "\u2e32\u2e34\u2e35\u2e41\u2e49\u2e4c\u3001\ua4fe\ua60d\ua6f5\ufe10\ufe11\ufe14\ufe50\ufe51\ufe54"
    "\uff0c\uff1b\uff64]"
)
"""What people type between names: commas, semicolons and the enumeration comma of all scripts, tabs
and line breaks. A blank is none: names have blanks inside."""
_DOTS: Final = re.compile("[\u00b7\u2022\u2027\u2219\u22c5\u30fb\uff65]")
_DOT: Final = "\u00b7"

_LIKE: Final = {
    "0": "oοоօסهӨө〇ᴏଠဝഠ",
    "1": "liıι|іӏوןוا｜ǀⲒꓲⵏ",
    "2": "zᴢƨ",
    "5": "sѕꜱ",
    "6": "бb",
    "8": "в",
    "a": "αа",
    "c": "ϲсᴄ",
    "d": "ԁ",
    "e": "еҽ",
    "h": "һн",
    "j": "јϳ",
    "k": "κкᴋ",
    "m": "мᴍ",
    "n": "ոη",
    "p": "ρр",
    "q": "ԛ",
    "t": "τт",
    "u": "υսᴜ",
    "v": "νѵᴠ",
    "w": "ԝωѡᴡш",
    "x": "χх",
    "y": "уүγʏ",
}
"""Letters that look like a digit or a Latin letter, folded: enough to catch a slip of the finger
or a borrowed name; there is no full list."""
_ALIKE: Final = str.maketrans({one: to for to, many in _LIKE.items() for one in many})
_PAIRS: Final = (("rn", "m"), ("vv", "w"))


def number(text: str) -> str:
    """Give the employee number that is meant: nothing invisible in it, and no blank anywhere."""
    return text if _is_plain(text) else _folded(_BLANKS.sub("", _composed(text)))


def name(text: str) -> str:
    """Give the name (of a person, a group, a task's id) that is meant, blanks single and inside."""
    return text if _is_plain(text) else _BLANKS.sub(" ", _folded(text)).strip(" ")


def names(text: str) -> tuple[str, ...]:
    """Give the names that are meant by a text with some of them, each once.

    The page's twin is `taskdashd/web/static/rules/separators.js`.
    """
    meant = map(name, _SEPARATORS.split(text))
    return tuple(dict.fromkeys(filter(None, meant)))


def compared(text: str) -> str:
    """Give a name as it is compared: the same for all that are equal to the eye but for case."""
    return folding.fold(name(text))


def is_same_name(one: str, other: str) -> bool:
    """Tell whether two names are the same to the eye, without regard to case."""
    return compared(one) == compared(other)


def look(text: str) -> str:
    """Give what a number looks like: the same for those that are easily taken for one another."""
    apart = unicodedata.normalize("NFKD", folding.fold(number(text)))
    bare = "".join(one for one in apart if not unicodedata.combining(one)).translate(_ALIKE)
    for pair, one in _PAIRS:
        bare = bare.replace(pair, one)
    return bare


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _folded(text: str) -> str:
    # NFKC brings some of the invisible forth, so it comes before they are dropped; and letters that
    # they kept apart may be one letter to it, so it comes after as well.
    told = _composed(_INVISIBLE.sub("", _composed(text)))
    return "".join(map(_digit, _DOTS.sub(_DOT, told)))


_composed: Final = partial(unicodedata.normalize, "NFKC")


def _digit(one: str) -> str:
    value = unicodedata.decimal(one, None)
    return one if value is None else f"{value}"
