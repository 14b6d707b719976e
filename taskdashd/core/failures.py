"""Failed attempts, such as wrong passwords: after too many, whoever made them must wait."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from taskdash_protocol.errors import Busy

FAILURES_MAX: Final = 5
"""Wrong sign-ins to an account from an address within `FORGIVEN_S`, and different wrong tokens."""
SPREAD_MAX: Final = 30
"""Wrong sign-ins from one address to all accounts, and to one account from all addresses."""
SIGN_UPS_MAX: Final = 30
"""Accounts that may be made from one address within `FORGIVEN_S`."""
FORGIVEN_S: Final = 60.0
_KNOWN_MAX: Final = 10_000


class Failures:
    """Counts failures by whose they are, for a bounded number of them."""

    def __init__(
        self,
        now: Callable[[], float],
        most: int = FAILURES_MAX,
        known_max: int | None = _KNOWN_MAX,
    ) -> None:
        self._now = now
        self._most = most
        self._known_max = known_max
        """None where the caller bounds whose failures are counted."""
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """By whose they are: the number of failures, and when the first of them came."""

    def has(self, whose: str) -> bool:
        """Tell whether a failure of somebody's is remembered."""
        return self._count(whose)[0] > 0

    def check(self, whose: str, what: str) -> None:
        """Raise `Busy` where somebody has failed too often; `what` tells people at what."""
        count, wait_s = self._count(whose)
        if count >= self._most:
            wait = f"{wait_s:.0f}"
            fault = Busy(f"too many {what}: wait {wait} s")
            raise fault.because("too-many-tries", seconds=wait)

    def _count(self, whose: str) -> tuple[int, float]:
        """Give the number of failures, and in how many seconds they are forgotten."""
        count, first = self._known.get(whose, (0, 0.0))
        wait_s = first + FORGIVEN_S - self._now()
        if count and wait_s <= 0:
            del self._known[whose]
            count = 0
        return count, wait_s

    def take_back(self, whose: str) -> None:
        """Take back a failure that was counted in advance: the attempt was right."""
        count, first = self._known.get(whose, (0, 0.0))
        if count > 1:
            self._known[whose] = (count - 1, first)
        else:
            self._known.pop(whose, None)

    def add(self, whose: str) -> None:
        """Count a failure."""
        count, first = self._known.get(whose, (0, self._now()))
        self._known[whose] = (count + 1, first)
        self._known.move_to_end(whose)
        if self._known_max is not None and len(self._known) > self._known_max:
            self._known.popitem(last=False)


class Attempts:
    """Counts wrong sign-ins by account and by address.

    Whoever mistypes must wait alone: others at the same address, and the account's owner at
    another, may go on. The wider counts stop one address that tries many accounts, and many
    addresses that try one account.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._of_both = Failures(now)
        self._of_address = Failures(now, SPREAD_MAX)
        # Numbers that nobody has are without end: among those of accounts, tries of ten thousand of
        # them would have the count of an account forgotten.
        self._of_account = Failures(now, SPREAD_MAX, None)
        self._of_nobody = Failures(now, SPREAD_MAX)

    def check(
        self, account: str, address: str, what: str, *, at_home: bool, is_there: bool = True
    ) -> None:
        """Raise `Busy` where too many attempts were wrong; `what` tells people at what.

        `at_home` says that the account was last signed in to from this address: there the tries
        of other addresses do not count, or anybody could keep its owner out. `is_there` says that
        there is such an account; one that is not there is counted alike.
        """
        self._of_both.check(_both(account, address), f"{what} came from this address")
        self._of_address.check(address, f"{what} came from this address")
        if not at_home:
            self._among(is_there).check(account, f"{what} to this account came from everywhere")

    def add(self, account: str, address: str, *, is_there: bool = True) -> None:
        """Count an attempt, before it is verified."""
        self._of_both.add(_both(account, address))
        self._of_address.add(address)
        self._among(is_there).add(account)

    def take_back(self, account: str, address: str, *, is_there: bool = True) -> None:
        """Take back an attempt: it was right, or was not verified."""
        self._of_both.take_back(_both(account, address))
        self._of_address.take_back(address)
        self._among(is_there).take_back(account)

    def _among(self, is_there: bool) -> Failures:
        return self._of_account if is_there else self._of_nobody


def _both(account: str, address: str) -> str:
    return f"{address} {account}"


class WrongTokens:
    """Counts different wrong tokens by address: one that is said again and again counts once.

    Otherwise a service whose token was revoked would be told to wait instead of what is wrong.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._failures = Failures(now)
        self._said = Failures(now, 1)

    def add(self, address: str, token: str) -> None:
        """Count a wrong token. Raises `Busy` where an address has said too many others."""
        # Keep no wrong token: a good one with a typing error in it is almost the secret.
        this = f"{address} {hash(token)}"
        if self._said.has(this):
            return
        self._failures.check(address, "wrong tokens came from this address")
        self._said.add(this)
        self._failures.add(address)
