"""Acts for the audit that change no task: sign-ins, refusals, what operators do.

Acts wait here for the next commit, about a second. A hostile peer can cause refusals as fast as it
sends: equal ones become one row with a count, and the number of different ones is bounded.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from taskdashd.domain.acts import Act

REFUSALS: Final = ("refused", "turned away")
"""The kinds of acts that anybody on the network can cause."""
_REFUSALS_MAX: Final = 20
"""Rows for different refusals of one kind within a second: a peer must not fill the disk."""
_WAITING_MAX: Final = 5_000
_DETAIL_CHARACTERS_MAX: Final = 500
_SAVE_S: Final = 1.0


class Acts:
    """Collects acts until they are stored."""

    def __init__(
        self, stamp: Callable[[], str], now: Callable[[], float], rev: Callable[[], int]
    ) -> None:
        self._stamp = stamp
        self._rev = rev
        """Gives the rev of the newest change."""
        self._now = now
        self._rows: dict[tuple[str, str, str], tuple[int, str, int]] = {}
        """By kind, who and detail: rev and time of the first such act, and how many came."""
        self._different: Counter[str] = Counter()
        self._saved_at = now()

    def note(self, kind: str, who: str, detail: str = "") -> None:
        """Note an act: its kind, who did it, and a detail for people."""
        key = kind, who, detail[:_DETAIL_CHARACTERS_MAX]
        if key not in self._rows:
            self._different[kind] += 1
            if self._different[kind] > (_REFUSALS_MAX if kind in REFUSALS else _WAITING_MAX):
                key = kind, "", "and others, too many at once to be told apart"
        rev, at, count = self._rows.get(key) or (self._rev(), self._stamp(), 0)
        self._rows[key] = rev, at, count + 1

    def due(self) -> list[Act]:
        """Give and forget the noted acts, at most once a second; else nothing."""
        now = self._now()
        if not self._rows or now - self._saved_at < _SAVE_S:
            return []
        self._saved_at = now
        return self.take()

    def take(self) -> list[Act]:
        """Give the noted acts, and forget them."""
        rows, self._rows = self._rows, {}
        self._different.clear()
        return [
            Act(rev, at, kind, who, detail, count)
            for (kind, who, detail), (rev, at, count) in rows.items()
        ]
