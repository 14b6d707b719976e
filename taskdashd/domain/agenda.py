"""What comes due, in a heap by time. Rules only.

The theory. The time of an entry stands in a field of a task or a record, and the heap is an index
of that field which may be too early and is never too late. Each key has at most one valid place in
the heap (`_places`). A later time leaves the place as it is: when that comes up, the entry goes
back to its true time. An earlier time takes a new place, and the old one is void, as is that of an
entry that was dropped. Void places are passed over when they come up; if they become too many, they
are sifted out.

`take` hands an entry out, and it stays known until `done` or `again`. If it were forgotten at once,
a change of its task that leaves the time alone would make an entry of it once more, counted anew.

Time is a float in seconds of whatever clock the caller keeps; one heap has one clock.
"""

from heapq import heappop, heappush
from typing import Final, NamedTuple


class Entry(NamedTuple):
    """Something that comes due."""

    at: float
    key: str
    """What it belongs to, such as a task's id."""
    stored: str
    """The time as the field holds it: while that stands, the entry does."""


_VOID_MAX: Final = 1000
_SIFTED_AT_ONCE: Final = 16
"""Places looked at with each change, while void ones are sifted out."""
_LOOKED_AT_MAX: Final = 10
"""Places that `take` looks at for each entry that it may give: void ones cost time as well."""

_Places = list[tuple[float, str]]


class Heap:
    """Entries by time."""

    def __init__(self) -> None:
        self._known: dict[str, Entry] = {}
        self._places: dict[str, float] = {}
        """By key: the time of its valid place; none while the entry is handed out."""
        self._heap: _Places = []
        self._unsifted: _Places = []
        """A heap as well: what the other was when sifting began."""

    def __len__(self) -> int:
        """How many entries are known."""
        return len(self._known)

    def __contains__(self, key: str) -> bool:
        """Tell whether an entry of this key is known, handed out or not."""
        return key in self._known

    @property
    def places(self) -> int:
        """How many places are taken, void ones counted: what the memory depends on."""
        return len(self._heap) + len(self._unsifted)

    def put(self, key: str, stored: str, at: float) -> None:
        """Expect an entry; what was expected for this key is replaced, unless it is the same."""
        known = self._known.get(key)
        if known is None or known.stored != stored:
            self._known[key] = Entry(at, key, stored)
            self._place(key, at)

    def drop(self, key: str) -> None:
        """Expect nothing more for this key."""
        if self._known.pop(key, None) is not None:
            self._places.pop(key, None)
            self._sift()

    def take(self, now: float, most: int) -> list[Entry]:
        """Hand out up to `most` entries that are due, the earliest first.

        Fewer may be given than are due: `next_look` says whether to ask again.
        """
        due: list[Entry] = []
        for _ in range(most * _LOOKED_AT_MAX):
            heap = self._first()
            if len(due) == most or not heap or heap[0][0] > now:
                break
            at, key = heappop(heap)
            if self._places.get(key) != at:
                continue
            del self._places[key]
            entry = self._known[key]
            if entry.at > at:
                self._place(key, entry.at)
            else:
                due.append(entry)
        return due

    def done(self, entry: Entry) -> None:
        """Forget an entry that was handed out, unless another is expected by now."""
        if self._is_out(entry):
            del self._known[entry.key]

    def again(self, entry: Entry, at: float) -> None:
        """Take back an entry that was handed out, to come due at `at`; as `done` otherwise."""
        if self._is_out(entry):
            self._known[entry.key] = entry._replace(at=at)
            self._place(entry.key, at)

    def next_look(self) -> float | None:
        """Say when `take` will next have something to look at."""
        heap = self._first()
        return heap[0][0] if heap else None

    def _is_out(self, entry: Entry) -> bool:
        # `again` makes a new entry, so the old one cannot be given back twice.
        return self._known.get(entry.key) is entry

    def _first(self) -> _Places:
        """Give the heap whose first place is the earliest."""
        one, other = self._heap, self._unsifted
        return other if other and (not one or other[0] < one[0]) else one

    def _place(self, key: str, at: float) -> None:
        place = self._places.get(key)
        if place is None or at < place:
            self._places[key] = at
            heappush(self._heap, (at, key))
            self._sift()

    def _sift(self) -> None:
        # Sift some with each change. Sifting all at once takes a tenth of a second where there are
        # a hundred thousand, and everybody would wait.
        unsifted = self._unsifted
        if not unsifted:
            if len(self._heap) > 2 * len(self._known) + _VOID_MAX:
                self._heap, self._unsifted = unsifted, self._heap
            return
        for _ in range(min(_SIFTED_AT_ONCE, len(unsifted))):
            # Take from the end: what is left is a heap still.
            at, key = unsifted.pop()
            if self._places.get(key) == at:
                heappush(self._heap, (at, key))
