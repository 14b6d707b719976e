"""Which ids may be on disk, so that a new one need not be looked for there.

A Bloom filter: it never denies an id that was added, and takes a few others for known, one in
seventy for each layer that is full (B. H. Bloom, "Space/time trade-offs in hash coding with
allowable errors", CACM 13 (7), 1970). Two bits for each id, of sixteen: 2 MB for a million tasks.
"""

from collections.abc import Iterable
from typing import Final

_BITS_PER_ID: Final = 16
_LAYER_IDS_MIN: Final = 1 << 16


class KnownIds:
    """Ids that were ever added; grows by layers, each as large as all before it together."""

    def __init__(self, ids: Iterable[str] = (), expected: int = 0) -> None:
        self._layers: list[tuple[bytearray, int]] = []
        self._ids = 0
        self._ids_max = 0
        self._grow(expected)
        for task_id in ids:
            self.add(task_id)

    def add(self, task_id: str) -> None:
        """Add an id."""
        if self._ids == self._ids_max:
            self._grow(self._ids)
        self._ids += 1
        bits, mask = self._layers[-1]
        # CPython keeps a string's hash, so it costs next to nothing; its halves place the two bits.
        first = hash(task_id)
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
