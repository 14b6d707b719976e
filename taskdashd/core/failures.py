"""Failed attempts by address, such as wrong passwords: after too many, the address must wait."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from taskdash_protocol.errors import Busy

FAILURES_MAX: Final = 5
"""Failures of one address within `FORGIVEN_S`; further attempts are refused unverified."""
SIGN_UPS_MAX: Final = 30
"""Accounts that may be made from one address within `FORGIVEN_S`."""
FORGIVEN_S: Final = 60.0
_ADDRESSES_MAX: Final = 10_000


class Failures:
    """Counts failures by address, for a bounded number of addresses."""

    def __init__(self, now: Callable[[], float], most: int = FAILURES_MAX) -> None:
        self._now = now
        self._most = most
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """By address: the number of failures, and when the first of them came."""

    def check(self, address: str, what: str) -> None:
        """Raise `Busy` where an address has failed too often; `what` tells people at what."""
        count, first = self._known.get(address, (0, 0.0))
        wait_s = first + FORGIVEN_S - self._now()
        if count and wait_s <= 0:
            del self._known[address]
            count = 0
        if count >= self._most:
            wait = f"{wait_s:.0f}"
            fault = Busy(f"too many {what} came from this address: wait {wait} s")
            raise fault.because("too-many-tries", seconds=wait)

    def take_back(self, address: str) -> None:
        """Take back a failure that was counted in advance: the attempt was right."""
        count, first = self._known.get(address, (0, 0.0))
        if count > 1:
            self._known[address] = (count - 1, first)
        else:
            self._known.pop(address, None)

    def add(self, address: str) -> None:
        """Count a failure."""
        count, first = self._known.get(address, (0, self._now()))
        self._known[address] = (count + 1, first)
        self._known.move_to_end(address)
        if len(self._known) > _ADDRESSES_MAX:
            self._known.popitem(last=False)
