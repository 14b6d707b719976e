"""The time that what is read on the query thread may take: `query_timeout`, waiting included."""

import time

from taskdash_protocol.errors import Busy


class Deadline:
    """When the reading that runs must end."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._waited_s = 0.0
        self._at: float | None = None

    def begin(self, left_s: float | None = None) -> None:
        """Have a reading end in so many seconds: less than the limit where it has waited."""
        left_s = self.limit_s if left_s is None else left_s
        self._waited_s = self.limit_s - left_s
        self._at = time.monotonic() + left_s

    def lift(self) -> None:
        """Have a reading take the time it takes."""
        self._at = None

    def left_s(self) -> float | None:
        """Give how many seconds are left, none below 0; None where it takes the time it takes."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def is_over(self) -> bool:
        """Tell whether the reading must end now."""
        return self._at is not None and time.monotonic() > self._at

    def refusal(self) -> Busy:
        """Give the refusal of a reading that was ended."""
        waited_s = self._waited_s
        waited = f", {waited_s:.1f} s of them waiting" if waited_s > self.limit_s / 10 else ""
        return Busy(f"the query took longer than {self.limit_s:g} s{waited}: select less")
