"""A budget of requests that time fills, up to what one second brings.

A token bucket (J. S. Turner, "New directions in communications", IEEE Communications 24 (10),
1986). Rules only: time comes from the function `now`.
"""

from collections.abc import Callable
from typing import Final

UNLIMITED: Final = None
_SHARES: Final = 16


class Budget:
    """Allows `rate` requests a second; after a pause of `burst_s`, all that it has brought."""

    __slots__ = ("_burst_s", "_filled_at", "_left", "_now", "_rate")

    def __init__(
        self, rate: Callable[[], int | None], now: Callable[[], float], burst_s: float = 1.0
    ) -> None:
        self._rate = rate
        """Gives the requests a second, which may change; None for no limit."""
        self._now = now
        self._burst_s = burst_s
        self._left = float(rate() or 0) * burst_s
        self._filled_at = now()

    def draw(self, wanted: int) -> int:
        """Take up to `wanted` requests out of the budget; 0 where it is empty."""
        rate = self._rate()
        if rate is UNLIMITED:
            return wanted
        now = self._now()
        # Running time goes back when a stall is found and taken out of it: count that as no time.
        passed_s = max(0.0, now - self._filled_at)
        self._left = min(rate * self._burst_s, self._left + passed_s * rate)
        self._filled_at = now
        # Draw a share of the rate at most: the first connection to ask must not take all of it.
        drawn = min(wanted, int(self._left), rate // _SHARES or 1)
        self._left -= drawn
        return drawn

    def give_back(self, unused: int) -> None:
        """Put back drawn but unused requests."""
        self._left += unused
