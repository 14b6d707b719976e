"""How many requests may come: a budget that time fills, up to what one second brings.

A token bucket (J. S. Turner, "New directions in communications", IEEE Communications 24 (10),
1986). Rules only: the time is given.
"""

from collections.abc import Callable
from typing import Final

UNLIMITED: Final = None


class Budget:
    """So many requests a second; after a pause, so many at once."""

    __slots__ = ("_filled_at", "_left", "_now", "_rate")

    def __init__(self, rate: Callable[[], int | None], now: Callable[[], float]) -> None:
        self._rate = rate
        """Requests a second; it may change."""
        self._now = now
        self._left = float(rate() or 0)
        self._filled_at = now()

    def draw(self, wanted: int) -> int:
        """Take as much as there is, `wanted` at most; 0 where nothing is left."""
        rate = self._rate()
        if rate is UNLIMITED:
            return wanted
        now = self._now()
        self._left = min(float(rate), self._left + (now - self._filled_at) * rate)
        self._filled_at = now
        drawn = min(wanted, int(self._left))
        self._left -= drawn
        return drawn

    def give_back(self, unused: int) -> None:
        """Put back what was drawn and not needed."""
        self._left += unused
