"""What is made of each record of a kind: once for each value that it has, however often asked."""

from collections.abc import Callable
from typing import Generic, TypeVar

from taskdashd.store.records import Records, Value

T = TypeVar("T")


class Made(Generic[T]):
    """Makes something of all records of a kind, and keeps it as long as their values stand."""

    def __init__(self, records: Records, kind: str, make: Callable[[Value], T]) -> None:
        self._records = records
        self._kind = kind
        self._make = make
        self._made: dict[int, tuple[Value, T]] = {}
        """By `id` of the record's value, which is kept beside: a change of a record replaces it."""

    def all(self) -> list[T]:
        """Give what is made of each record, as of the last commit."""
        known, made = self._made, {}
        for value in self._records.all(self._kind):
            made[id(value)] = known.get(id(value)) or (value, self._make(value))
        self._made = made
        return [one for _, one in made.values()]
