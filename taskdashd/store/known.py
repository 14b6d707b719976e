"""Which ids may be on disk, so that a new one need not be looked for there.

A Bloom filter: it never denies an id that was added, and takes a few others for known, one in
seventy for each layer that is full (B. H. Bloom, "Space/time trade-offs in hash coding with
allowable errors", CACM 13 (7), 1970). Two bits for each id, of sixteen: 2 MB for a million tasks.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

_BITS_PER_ID: Final = 16
_LAYER_IDS_MIN: Final = 1 << 16
_AT_ONCE: Final = 1 << 10


class KnownIds:
    """Ids that were ever added; grows by layers, each as large as all before it together.

    No id ever leaves it. Once half of all are forgotten it is made anew, from those on disk: while
    `refill` is given them bit by bit, what is added goes into both.
    """

    def __init__(self, ids: Iterable[str] = (), expected: int = 0) -> None:
        self._layers: list[tuple[bytearray, int]] = []
        self._ids = 0
        self._ids_max = 0
        self._forgotten = 0
        self._anew: KnownIds | None = None
        self._grow(expected)
        some = iter(ids)
        while at_once := list(islice(some, _AT_ONCE)):
            self.add_all(at_once)

    @property
    def is_stale(self) -> bool:
        """Whether so many of the ids are forgotten that it should be made anew."""
        return self._forgotten >= _LAYER_IDS_MIN and 2 * self._forgotten > self._ids

    def forgot(self, count: int) -> None:
        """Note that so many ids are not on disk any more."""
        self._forgotten += count

    def begin_anew(self, ids: Iterable[str]) -> None:
        """Begin to make it anew; the ids are those that a reader of the table may miss."""
        self._anew = KnownIds(ids, self._ids - self._forgotten)

    def refill(self, ids: Sequence[str]) -> None:
        """Take in some more of the ids on disk; none at the end, and then the old ones are gone."""
        anew = self._anew
        assert anew is not None
        anew.add_all(ids)
        if not ids:
            self._layers, self._ids, self._ids_max = anew._layers, anew._ids, anew._ids_max
            self._forgotten = 0
            self._anew = None

    def add(self, task_id: str) -> None:
        """Add an id."""
        self.add_all((task_id,))

    def add_all(self, task_ids: Sequence[str]) -> None:
        """Add ids."""
        if self._anew is not None:
            self._anew.add_all(task_ids)
        while task_ids:
            if self._ids == self._ids_max:
                self._grow(self._ids)
            room = self._ids_max - self._ids
            some, task_ids = task_ids[:room], task_ids[room:]
            self._ids += len(some)
            bits, mask = self._layers[-1]
            # CPython keeps a string's hash, so it costs next to nothing; its halves place the two
            # bits.
            for first in map(hash, some):
                second = first >> 32
                bits[(first & mask) >> 3] |= 1 << (first & 7)
                bits[(second & mask) >> 3] |= 1 << (second & 7)

    def __contains__(self, task_id: str) -> bool:
        """Tell whether an id may have been added; False is certain."""
        first = hash(task_id)
        second = first >> 32
        for bits, mask in self._layers:
            if (
                bits[(first & mask) >> 3] >> (first & 7) & 1
                and bits[(second & mask) >> 3] >> (second & 7) & 1
            ):
                return True
        return False

    def _grow(self, by: int) -> None:
        ids = max(_LAYER_IDS_MIN, 1 << (by - 1).bit_length())
        self._layers.append((bytearray(ids * _BITS_PER_ID // 8), ids * _BITS_PER_ID - 1))
        self._ids_max = self._ids + ids
