"""Bytes that the daemon holds for others: counted for each and for all together. Rules only.

What is held for one is bounded by a quarter of what is held for all, so that one cannot shut out
everybody else. Few who fill all of it, each up to a quarter, cannot either: whoever holds little
may hold that much beside, out of as much again.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

LITTLE_BYTES: Final = 64 << 10
"""What is held for somebody who holds no more than this, however much is held for others."""
SHARE: Final = 4
"""One may hold this part of what all may hold: a quarter."""
_VALUE_BYTES: Final = 80
"""About what a value of JSON takes in memory beside its text."""
SHORT_BYTES: Final = 4 << 10


class Held:
    """Counts bytes by whose they are: an identity's, or before sign-in an address's."""

    def __init__(self, all_max: Callable[[], int], least_share: Callable[[], int]) -> None:
        self._all_max = all_max
        """Gives the bytes that may be held for all, which may change."""
        self._least_share = least_share
        """Gives the bytes that one may hold also where a quarter is less."""
        self.bytes = 0
        """Held for all together."""
        self._of: Counter[str] = Counter()

    def of(self, whose: str) -> int:
        """Say how many bytes are held for somebody."""
        return self._of[whose]

    @property
    def share(self) -> int:
        """Say how many bytes one may hold."""
        return max(self._all_max() // SHARE, self._least_share())

    def add(self, whose: str, count: int) -> None:
        """Hold more bytes for somebody; a negative number lets go of some."""
        self.bytes += count
        self._of[whose] += count
        if not self._of[whose]:
            del self._of[whose]

    def is_full(self, whose: str, mine: int, more: int = 0) -> bool:
        """Tell whether too much is held, or would be with `more`, for one who holds `mine` bytes.

        `mine` may be what a single connection holds, out of all that is held for the same.
        """
        most = self._all_max()
        if self._of[whose] + more > max(most // SHARE, self._least_share()):
            return True
        held = self.bytes + more
        return held > most and (mine + more > LITTLE_BYTES or held > 2 * most)


def weight(text: bytes) -> int:
    """Say about how many bytes a JSON text takes once it is parsed."""
    size = len(text)
    return size if size <= SHORT_BYTES else size + _VALUE_BYTES * text.count(b",")
