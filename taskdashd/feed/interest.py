"""Live watches by what they ask for: one that a change cannot concern is not looked at for it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

from taskdashd.domain.tasks import Task

W = TypeVar("W", bound=Any)

_FIELDS: Final = ("id", "parent_id", "user", "checker", "group_id", "task_type", "status")
"""The fields of a `where` that a `Task` has at hand: that which tells most is looked at first."""


class Interest(Generic[W]):
    """Watches, each by the values of one field of its `where`, if there is one of `_FIELDS`."""

    def __init__(self) -> None:
        self._by: dict[str, dict[str, dict[W, None]]] = {}
        """By field and value; a field is here while a watch stands under it."""
        self._in_all: dict[W, None] = {}
        """The watches that any change may concern."""

    def add(self, watch: W, where: Mapping[str, frozenset[str]]) -> None:
        """Take in a watch."""
        field = _field_of(where)
        if field is None:
            self._in_all[watch] = None
            return
        values = self._by.setdefault(field, {})
        for value in where[field]:
            values.setdefault(value, {})[watch] = None

    def remove(self, watch: W, where: Mapping[str, frozenset[str]]) -> None:
        """Take out a watch, if it is here."""
        self._in_all.pop(watch, None)
        field = _field_of(where)
        if field is None or (values := self._by.get(field)) is None:
            return
        for value in where[field]:
            watches = values.get(value, {})
            watches.pop(watch, None)
            if not watches:
                values.pop(value, None)
        if not values:
            del self._by[field]

    def concerned(self, task: Task) -> Iterator[W]:
        """Give the watches that a change may concern which has left a task so."""
        yield from self._in_all
        for field, values in self._by.items():
            if (watches := values.get(getattr(task, field))) is not None:
                yield from watches


def _field_of(where: Mapping[str, frozenset[str]]) -> str | None:
    return next((field for field in _FIELDS if field in where), None)
