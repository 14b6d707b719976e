"""What is made of each record of a kind: once for each value that it has, however often asked."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from taskdashd.core.steps import Start, Steps, in_slices
from taskdashd.store.records import Records, Value

T = TypeVar("T")

_RECORD_BYTES: Final = 256
"""About the size of a record: to make something of one takes some microseconds."""


class Made(Generic[T]):
    """Makes something of all records of a kind, and keeps it as long as their values stand."""

    def __init__(self, records: Records, kind: str, make: Callable[[Value], T]) -> None:
        self._records = records
        self._kind = kind
        self._make = make
        self._made: dict[int, tuple[Value, T]] = {}
        """By `id` of the record's value, which is kept beside: a change of a record replaces it."""

    def all(self, turn: Start[None]) -> Steps[list[T]]:
        """Give what is made of each record, as of the last commit.

        What is missing is made in slices: all of it after a start, for which nobody must wait.
        """
        values = list(self._records.all(self._kind))
        missing = [value for value in values if id(value) not in self._made]
        if missing:
            yield from in_slices(missing, self._make_one, _size_of, turn)
        known, made = self._made, {}
        for value in self._records.all(self._kind):
            # Make what has come meanwhile at once: it is little.
            made[id(value)] = known.get(id(value)) or (value, self._make(value))
        self._made = made
        return [one for _, one in made.values()]

    def _make_one(self, value: Value) -> None:
        # Add to the table as it is now: `all` for another replaces it while others have their turn.
        self._made[id(value)] = value, self._make(value)


def _size_of(_value: Value) -> int:
    return _RECORD_BYTES
