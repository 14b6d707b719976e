"""How wide texts are on a terminal, and how columns share its width. No input or output.

A long text never pushes another column out: each column has a floor, the name's is the largest, and
where the floors do not fit, the columns that matter least are left out.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

GAP: Final = 2
_KEYS: Final = ("id", "url", "user", "task")
"""What people copy into the next command: the first of these that a table has is never cut."""
_LAST_TO_GO: Final = ("last_seen", "user", "at", "kind", "status", "name")
"""Columns that are left out after all others, in this order."""
_CELL_MIN: Final = 12
_PERSON_MIN: Final = 16
_PERSON_MAX: Final = 20
_TIME_MIN: Final = 19
_LETTERS_MIN: Final = 4
_NAME_MIN: Final = 16
_NAME_SHARE: Final = 0.3
"""The name has this part of the width before anything else is given room."""
_UNSEEN: Final = frozenset(("Mn", "Me"))
"""Signs that stand on the letter before them. Not all of these have a combining class."""


def width(text: str) -> int:
    """Count the columns that a text takes on a terminal (East Asian wide characters take two)."""
    return len(text) if text.isascii() else sum(map(_width, text))


def cut(text: str, room: int) -> str:
    """Shorten a text to so many columns; its end is then `…`."""
    if width(text) <= room:
        return text
    taken = 0
    for at, one in enumerate(text):
        taken += _width(one)
        if taken > room - 1:
            return f"{text[:at]}…" if room > 0 else ""
    return text


def padded(text: str, room: int, shown: str | None = None) -> str:
    """Fill a text up to so many columns; `shown` is the same text with colours."""
    return (text if shown is None else shown) + " " * (room - width(text))


def cut_person(text: str, room: int) -> str:
    """Shorten `Ann (1001)` within the name: the number is what commands take."""
    name, blank, number = text.rpartition(" (")
    left = room - width(blank + number)
    return cut(name, left) + blank + number if name and left >= _LETTERS_MIN else cut(text, room)


def natural(
    columns: Sequence[str], lines: Iterable[Sequence[str]], room: int
) -> Iterator[tuple[str, int]]:
    """Say for each column how wide its widest text is; of the key, those that get no own line."""
    key = key_of(columns)
    for name, texts in zip(columns, zip(*lines, strict=True), strict=True):
        sizes = list(map(width, texts))
        yield name, of_keys(sizes, room) if name == key else max(sizes)


def of_keys(sizes: Sequence[int], room: int) -> int:
    """Say how wide the key column is: a few long keys do not take the others' room."""
    short = [size for size in sizes if size <= room // 4]
    if len(short) * 4 >= len(sizes) * 3:
        return max(short)
    return max((size for size in sizes if size <= room // 2), default=1)


def lines_of(sizes: Sequence[int], room: int) -> Iterator[int]:
    """Say how many lines of the terminal each row takes whose key is so wide."""
    most = of_keys(sizes, room) if sizes else 0
    for size in sizes:
        yield 1 if size <= most else 1 + -(-size // room)


def key_of(columns: Sequence[str]) -> str:
    """Name the column that is never cut."""
    return next((name for name in _KEYS if name in columns), columns[0])


def layout(wanted: Mapping[str, int], room: int) -> dict[str, int]:
    """Share a width among columns that would have as much as `wanted`; some may be left out.

    The key column has at most half of the room: what is longer stands on a line of its own.
    """
    key = key_of(tuple(wanted))
    widths = {name: _floor(name, key, most, room) for name, most in wanted.items()}
    while _taken(widths) > room and len(widths) > 1:
        least = _least(tuple(widths), key)
        wide = [name for name in ("name", "user") if widths.get(name, 0) > _CELL_MIN]
        if least in _LAST_TO_GO and wide:
            # Rather a short name than none.
            widths[max(wide, key=lambda name: widths[name])] -= 1
        else:
            del widths[least]
    if _taken(widths) > room:
        return dict.fromkeys(widths, room)
    if "user" in widths:
        # Half a name is worth less than the end of a sentence.
        _grow(widths, {"user": min(wanted["user"], _PERSON_MAX)}, room - _taken(widths))
    left = room - _taken(widths)
    _grow(widths, {name: wanted[name] for name in widths if name != key}, left)
    return widths


def _width(one: str) -> int:
    if unicodedata.category(one) in _UNSEEN:
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1


def _floor(name: str, key: str, most: int, room: int) -> int:
    if name == key:
        return min(most, max(room // 2, 1))
    if name == "name":
        return min(most, max(_NAME_MIN, int(room * _NAME_SHARE)))
    if name == "at":
        return min(most, _TIME_MIN)
    return min(most, _PERSON_MIN if name == "user" else _CELL_MIN)


def _taken(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _least(columns: Sequence[str], key: str) -> str:
    """Name the column that matters least: of those that stay longest the first, else the last."""
    rest = [name for name in columns if name != key]
    ordinary = [name for name in rest if name not in _LAST_TO_GO]
    return ordinary[-1] if ordinary else min(rest, key=_LAST_TO_GO.index)


def _grow(widths: dict[str, int], most: Mapping[str, int], left: int) -> None:
    """Widen columns up to `most`, the narrowest first, by `left` in all."""
    growing = [name for name in most if widths[name] < most[name]]
    while growing and left > 0:
        name = min(growing, key=lambda one: widths[one])
        widths[name] += 1
        left -= 1
        if widths[name] >= most[name]:
            growing.remove(name)
