"""Decided writes on their way to the disk, and the pieces in which they are taken in from there."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from taskdash_protocol.errors import Outcome
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Change
from taskdashd.store.executor import Then
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

_PIECE_ROWS: Final = 32
"""So many rows, or entries, are taken in before others may go on."""
_ACTS_MAX: Final = 10_000
_CROWD_COMMITS: Final = 2
"""So many full commits in the queue keep the disk busy; more only take memory."""
_CROWD_BYTES: Final = 16 << 20


class Entry(NamedTuple):
    """What a write has decided, and who is to be told once it is on disk."""

    changes: Sequence[Change]
    records: Sequence[Record]
    removal: Removal | None
    result: Outcome[Any]
    done: Then[Any]


class Piece(NamedTuple):
    """Some entries of a commit, with what they have decided; it could be a commit by itself."""

    entries: list[Entry]
    changes: list[Change]
    records: list[Record]


class Waiting:
    """How much waits for its commit, and whether more may."""

    def __init__(self, rows_max: int, bytes_max: int, commit_rows: int) -> None:
        self._rows_max = rows_max
        self._bytes_max = bytes_max
        self._commit_rows = commit_rows
        self._crowd_rows = _CROWD_COMMITS * commit_rows
        self.rows = self.bytes = 0

    def add(self, entry: Entry) -> None:
        """Count an entry that waits."""
        self.rows += _rows_of(entry)
        self.bytes += bytes_of(entry.changes)

    def take(self, piece: Piece) -> None:
        """Count a piece that has been committed no more."""
        self.rows -= len(piece.changes) + len(piece.records)
        self.bytes -= bytes_of(piece.changes)

    def clear(self) -> None:
        """Count nothing."""
        self.rows = self.bytes = 0

    def takes(self, rows: int) -> bool:
        """Tell whether so many changes more may wait, as one entry."""
        if rows > self._commit_rows:
            return False
        return self.rows + rows <= self._rows_max and self.bytes < self._bytes_max

    @property
    def is_crowd(self) -> bool:
        """Whether so much waits that connections should stop handing over more writes.

        In a connection's buffer a write takes its bytes, in the queue several times that.
        """
        return self.rows >= self._crowd_rows or self.bytes >= _CROWD_BYTES


def entries_of(pieces: Iterable[Piece]) -> Iterator[Entry]:
    """Give the entries of pieces, in order."""
    return chain.from_iterable(piece.entries for piece in pieces)


def taken(queue: deque[Entry], rows_max: int) -> list[Piece]:
    """Take the entries of a commit out of the queue: so many rows, or one entry that has more."""
    pieces: list[Piece] = []
    rows = room = 0
    while queue and rows < rows_max:
        size = _rows_of(queue[0])
        if rows and rows + size > rows_max:
            break
        if not pieces or size > room or len(pieces[-1].entries) >= _PIECE_ROWS:
            pieces.append(Piece([], [], []))
            room = _PIECE_ROWS
        entries, changes, records = pieces[-1]
        entries.append(entry := queue.popleft())
        changes += entry.changes
        records += entry.records
        rows += size
        room -= size
    return pieces


def _rows_of(entry: Entry) -> int:
    return len(entry.changes) + len(entry.records)


def bytes_of(changes: Sequence[Change]) -> int:
    """Count the bytes of the tasks of changes."""
    return sum([len(task.body) for _, task, _, _, _ in changes])


class Acts:
    """Acts that wait for a commit. Where too many wait, the newest go."""

    def __init__(self) -> None:
        self._noted: list[Act] = []
        self._held: list[Act] = []
        """Acts of a commit that failed: they go with the next, and are no reason for one."""
        self._lost: list[Act] = []
        """Acts of a commit of which nobody knows whether it is stored."""
        self._in_flight: list[Act] = []

    def __bool__(self) -> bool:
        """Whether some are a reason for a commit."""
        return bool(self._noted)

    def note(self, acts: Sequence[Act]) -> None:
        """Have some stored with the next commit."""
        self._noted = [*self._noted, *acts][:_ACTS_MAX]

    def take(self) -> list[Act]:
        """Give those of the next commit."""
        self._in_flight = [*self._held, *self._noted]
        self._held, self._noted = [], []
        return self._in_flight

    def stored(self) -> None:
        """Forget those of the commit that was made."""
        self._in_flight = []

    def hold(self, *, lost: bool) -> None:
        """Keep all for a commit after one that failed, or was lost: then its own until `settle`."""
        if lost:
            self._lost, self._in_flight = self._in_flight, []
        self._held = [*self._held, *self._in_flight, *self._noted][:_ACTS_MAX]
        self._in_flight, self._noted = [], []

    def settle(self, *, are_stored: bool) -> None:
        """Forget the acts of a lost commit where it is stored, and keep them where it is not."""
        if not are_stored:
            self._held = [*self._lost, *self._held][:_ACTS_MAX]
        self._lost = []
