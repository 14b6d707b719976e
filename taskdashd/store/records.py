"""Records are kept beside the tasks: people, services, the day's figures. All are in memory.

Records are few and small, each a JSON object under its kind and key. Like a task, a record is
decided against what waits for its commit, and counts as stored once its commit is on disk.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Value = Mapping[str, Any]


class Record(NamedTuple):
    """A record's new value; None removes the record."""

    kind: str
    key: str
    value: Value | None
    rev: int = 0
    """Rev of the write that kept or removed the record: one more than those of its changes."""
    at: str = ""
    """When that was, RFC 3339; empty in a record read from the database."""


class Records:
    """All records as of the last commit, and over them what waits for the next."""

    def __init__(self, stored: Iterable[Record]) -> None:
        self._committed: dict[str, dict[str, Value]] = {}
        self.pending: dict[tuple[str, str], Record] = {}
        self.commit(list(stored))

    def get(self, kind: str, key: str) -> Value | None:
        """Give a record as the next writing operation must see it; None if there is none."""
        waiting = self.pending.get((kind, key))
        return waiting.value if waiting is not None else self._of(kind).get(key)

    def committed(self, kind: str, key: str) -> Value | None:
        """Give a record as of the last commit."""
        return self._of(kind).get(key)

    def all(self, kind: str) -> Iterator[Value]:
        """Give all records of a kind as of the last commit."""
        return iter(self._of(kind).values())

    def now(self, kind: str) -> Iterator[Value]:
        """Give all records of a kind as the next writing operation must see them."""
        waiting = {key: one.value for (of, key), one in self.pending.items() if of == kind}
        yield from (value for key, value in self._of(kind).items() if key not in waiting)
        yield from (value for value in waiting.values() if value is not None)

    def count(self, kind: str) -> int:
        """Count the records of a kind, with those that wait for their commit."""
        known = self._of(kind)
        return len(known) + sum(1 for of, key in self.pending if of == kind and key not in known)

    def commit(self, records: Sequence[Record]) -> None:
        """Take over records that have just reached the disk."""
        for record in records:
            if self.pending.get((record.kind, record.key)) is record:
                del self.pending[record.kind, record.key]
            of_kind = self._committed.setdefault(record.kind, {})
            if record.value is None:
                of_kind.pop(record.key, None)
            else:
                of_kind[record.key] = record.value

    def _of(self, kind: str) -> dict[str, Value]:
        return self._committed.get(kind, {})
