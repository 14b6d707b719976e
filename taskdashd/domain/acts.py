"""Entries of the audit: acts that change no task, and the fields that a change has changed."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from taskdash_protocol import strictjson

_MOVE_WITH_EVERY_CHANGE: Final = frozenset({"rev", "updated_at", "last_seen"})
_SHOWN_CHARACTERS_MAX: Final = 200


class Act(NamedTuple):
    """An act that changed no task, such as a sign-in or a refusal."""

    rev: int
    """The newest rev at the time of the act."""
    at: str
    kind: str
    who: str
    detail: str
    times: int
    """How many equal acts this row stands for."""


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Give the fields of a task that a change has changed: `field: [old, new]`.

    An absent field is None. Arrays and objects are given as JSON text, or a field at the deepest
    nesting that the protocol allows would make the reply too deep; long text is cut.
    """
    names = [*new, *(name for name in old if name not in new)]
    return {
        name: [_shown(old.get(name)), _shown(new.get(name))]
        for name in names
        if name not in _MOVE_WITH_EVERY_CHANGE and old.get(name) != new.get(name)
    }


def _shown(value: Any) -> Any:
    if type(value) in (int, float, bool, type(None)):
        return value
    text = value if type(value) is str else strictjson.dumps(value).decode()
    if len(text) > _SHOWN_CHARACTERS_MAX:
        return f"{text[:_SHOWN_CHARACTERS_MAX]}…"
    return text
