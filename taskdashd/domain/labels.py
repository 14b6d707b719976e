"""The labels of a task: short words by which people find it. Rules only."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from taskdash_protocol import folding
from taskdash_protocol.errors import Conflict
from taskdash_protocol.fields import LABEL_CHARACTERS_MAX, LABELS, LABELS_MAX

compared: Final = lru_cache(maxsize=10_000)(folding.whole)
"""Gives a label as it is compared with others."""


def labels_of(fields: Mapping[str, Any]) -> list[str]:
    """Give the labels of a task; a member of that name that is no list of labels counts as none."""
    found = fields.get(LABELS)
    if type(found) is not list or len(found) > LABELS_MAX or not all(map(_is_label, found)):
        return []
    return found


def has_one_of(wanted: frozenset[str], fields: Mapping[str, Any]) -> bool:
    """Tell whether a task has one of some labels, which are given as they are compared."""
    return any(compared(one) in wanted for one in labels_of(fields))


def changed(before: Iterable[str], add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """Give the labels after some went and others came. Raises `Conflict` where they are too many.

    One that is there already stays as it was written.
    """
    gone = set(map(compared, remove))
    after: dict[str, str] = {}
    for one in (*(one for one in before if compared(one) not in gone), *add):
        after.setdefault(compared(one), one)
    if len(after) > LABELS_MAX:
        fault = Conflict(f"field add: a task has at most {LABELS_MAX} labels")
        raise fault.because("too-many-labels", most=f"{LABELS_MAX}")
    return list(after.values())


def _is_label(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= LABEL_CHARACTERS_MAX and compared(value) != ""
