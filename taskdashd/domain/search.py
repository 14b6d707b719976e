"""What a task is found by, and whether it is found. Rules only."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from taskdash_protocol import folding

SEARCHED: Final = (
    *("id", "name", "description", "reason", "group_id", "project_id", "user", "checker"),
)
"""The members of a task that are searched: of people the number; their names are in records."""
CHARACTERS_MAX: Final = 4_000
"""The characters of each member that are searched: a megabyte of text would hold up all others."""
PART: Final = "\n\n"
"""Stands before, between and behind the members: words have no line breaks, so none spans two."""

_name = lru_cache(maxsize=20_000)(folding.fold)


def searched(fields: Mapping[str, Any]) -> str:
    """Give the folded text of a task."""
    found = [fields.get(name) for name in SEARCHED]
    texts = [text[:CHARACTERS_MAX] for text in found if type(text) is str and text]
    return folding.fold(f"{PART}{PART.join(texts)}{PART}")


class Sought(NamedTuple):
    """What is looked for: words, all of which a task must have, and the people that each means."""

    words: Mapping[str, frozenset[str]]
    """Each folded word with the numbers of those in whose names it is."""

    def finds(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether a task has every word, or is with somebody or checked by somebody of it."""
        text = searched(fields)
        has = fields["user"], fields["checker"]
        return all(
            word in text or not people.isdisjoint(has) for word, people in self.words.items()
        )


def sought(text: str, people: Iterable[tuple[str, str]] = ()) -> Sought | None:
    """Read a `contains`; `people` are numbers and names. None where nothing is looked for."""
    words = folding.words(text)
    if not words:
        return None
    names = [(number, _name(name)) for number, name in people]
    return Sought(
        {word: frozenset(number for number, name in names if word in name) for word in words}
    )
