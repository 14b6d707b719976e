"""What happens beside changes of tasks, for the audit: sign-ins, refusals, what operators do.

It is kept here until the next commit, a second at most. Refusals can come as fast as a hostile peer
sends: those that are alike become one row with a count, and there is a bound on the others.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from taskdashd.domain.acts import Act

REFUSALS: Final = ("refused", "turned away")
"""What anybody on the network can make happen."""
_REFUSALS_MAX: Final = 20
"""Of a kind, within a second: the disk must not be filled by them."""
_WAITING_MAX: Final = 5_000
_DETAIL_CHARACTERS_MAX: Final = 500
_SAVE_S: Final = 1.0


class Acts:
    """Collects acts, and gives them to be stored."""

    def __init__(
        self, stamp: Callable[[], str], now: Callable[[], float], rev: Callable[[], int]
    ) -> None:
        self._stamp = stamp
        self._rev = rev
        """That of the newest change."""
        self._now = now
        self._rows: dict[tuple[str, str, str], tuple[int, str, int]] = {}
        """By what it is: since which rev, since when, and how often."""
        self._different: Counter[str] = Counter()
        self._saved_at = now()

    def note(self, kind: str, who: str, detail: str = "") -> None:
        """Take an act: what kind, by whom, and what people should know of it."""
        key = kind, who, detail[:_DETAIL_CHARACTERS_MAX]
        if key not in self._rows:
            self._different[kind] += 1
            if self._different[kind] > (_REFUSALS_MAX if kind in REFUSALS else _WAITING_MAX):
                key = kind, "", "and others, too many at once to be told apart"
        rev, at, count = self._rows.get(key) or (self._rev(), self._stamp(), 0)
        self._rows[key] = rev, at, count + 1

    def due(self) -> list[Act]:
        """Give what has been noted, once a second."""
        now = self._now()
        if not self._rows or now - self._saved_at < _SAVE_S:
            return []
        self._saved_at = now
        return self.take()

    def take(self) -> list[Act]:
        """Give what has been noted, and forget it."""
        rows, self._rows = self._rows, {}
        self._different.clear()
        return [
            Act(rev, at, kind, who, detail, count)
            for (kind, who, detail), (rev, at, count) in rows.items()
        ]
