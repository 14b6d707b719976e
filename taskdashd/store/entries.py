"""Decided writes on their way to the disk, and the pieces in which they are taken in from there."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from taskdash_protocol.errors import Outcome
from taskdashd.domain.tasks import Change
from taskdashd.store.executor import Then
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

_PIECE_ROWS: Final = 32


class Entry(NamedTuple):
    """What a write has decided, and who is to be told once it is on disk."""

    changes: Sequence[Change]
    records: Sequence[Record]
    removal: Removal | None
    result: Outcome[Any]
    done: Then[Any]

    @property
    def rows(self) -> int:
        """How many changes and records it has."""
        return len(self.changes) + len(self.records)


def decided_in(entries: Iterable[Entry]) -> tuple[list[Change], list[Record]]:
    """Give the changes and the records of entries, in order."""
    changes: list[Change] = []
    records: list[Record] = []
    for entry in entries:
        changes += entry.changes
        records += entry.records
    return changes, records


def pieces(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Give the entries of a commit in pieces, each of which could have been a commit by itself."""
    piece: list[Entry] = []
    rows = 0
    for entry in entries:
        piece.append(entry)
        rows += entry.rows
        if rows >= _PIECE_ROWS:
            yield piece
            piece, rows = [], 0
    if piece:
        yield piece
