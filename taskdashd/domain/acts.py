"""What the audit tells: an act beside the tasks, and what a change of a task has changed."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from taskdash_protocol import strictjson

_MOVE_WITH_EVERY_CHANGE: Final = frozenset({"rev", "updated_at", "last_seen"})
_SHOWN_CHARACTERS_MAX: Final = 200


class Act(NamedTuple):
    """Something that somebody did, and that changed no task."""

    rev: int
    """The newest change of a task when it was done."""
    at: str
    kind: str
    who: str
    detail: str
    times: int
    """How often, where the same happened again at once."""


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Say which fields of a task a change has changed: `field: [old, new]`.

    A field that was not there is None. Arrays and objects are given as JSON text, since what holds
    them may not be nested any deeper; long text is cut.
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
