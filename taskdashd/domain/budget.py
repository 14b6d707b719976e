"""How many requests may come: a budget that time fills, up to what one second brings.

A token bucket (J. S. Turner, "New directions in communications", IEEE Communications 24 (10),
1986). Rules only: the time is given.
"""

from collections.abc import Callable
from typing import Final

UNLIMITED: Final = None
_SHARES: Final = 16


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
        """Take `wanted` at most, and less where little is left; 0 where nothing is."""
        rate = self._rate()
        if rate is UNLIMITED:
            return wanted
        now = self._now()
        # A stall of the daemon is no time, and is found out afterwards.
        passed_s = max(0.0, now - self._filled_at)
        self._left = min(float(rate), self._left + passed_s * rate)
        self._filled_at = now
        # Of a small rate not all is for the first who asks.
        drawn = min(wanted, int(self._left), rate // _SHARES or 1)
        self._left -= drawn
        return drawn

    def give_back(self, unused: int) -> None:
        """Put back what was drawn and not needed."""
        self._left += unused
