"""Chores of the store: what is done on the writer's thread beside commits, and between two of them.

Each is small, since commits wait meanwhile; what is left is done at a later time.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.store.database import Database
from taskdashd.store.executor import Then
from taskdashd.store.transaction import View

_PRUNED_AT_ONCE: Final = 1_000
"""Rows of the log deleted at a time."""
_TEXTS_LAG_MAX: Final = 1_000
"""Changes in the fold that the index of texts may lack; a search reads those one by one."""
_TEXTS_ROWS: Final = 250
"""Changes taken into the index of texts at a time."""


class Chores:
    """The chores that wait; one that is asked for again while it waits is done once."""

    def __init__(
        self,
        database: Database,
        view: View,
        *,
        flush: Callable[[], None],
        is_quiet: Callable[[], bool],
        pruned: Callable[[int], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._database = database
        self._view = view
        self._flush = flush
        """Has the writer do what waits, once no commit runs."""
        self._is_quiet = is_quiet
        """Tells whether no write waits for a commit."""
        self._tell_pruned = pruned
        self._on_fault = on_fault
        self._waiting: dict[str, tuple[Callable[[], int], Then[int]]] = {}
        self._text_rev = 0
        """The index of texts is at this rev at least."""
        self.pruned_rev = 0
        """The log up to this rev may have gaps, by pruning."""
        self.last_s = 0.0
        """How long the last chore took on the writer's thread, in seconds."""

    def __bool__(self) -> bool:
        """Whether one waits."""
        return bool(self._waiting)

    def prune(self, before: str, after: str) -> None:
        """Delete some rows older than `before` or, stamped by a wrong clock, later than `after`."""
        job = partial(self._database.prune, before, after, _PRUNED_AT_ONCE)
        self._waiting["prune"] = job, self._pruned
        self._flush()

    def give_back(self, pages_max: int, done: Then[int]) -> None:
        """Give pages that the file does not use any more back to the disk.

        `done` gets how many there were: none where little is unused.
        """
        self._waiting["give back"] = partial(self._database.give_back, pages_max), done
        self._flush()

    def index_texts(self, lag_max: int = _TEXTS_LAG_MAX) -> None:
        """Bring the index of texts forward a little, if it is so far behind the fold."""
        if self._view.folded_rev - self._text_rev >= lag_max:
            job = partial(self._database.index_texts, _TEXTS_ROWS)
            self._waiting["texts"] = job, self._indexed
            self._flush()

    def next(self) -> tuple[Callable[[], int], Then[int]]:
        """Take out the next one: a job for the writer's thread, and what gets its outcome."""
        job, then = self._waiting.pop(next(iter(self._waiting)))

        def timed() -> int:
            began = time.perf_counter()
            result = job()
            self.last_s = time.perf_counter() - began
            return result

        return timed, then

    def _pruned(self, outcome: Outcome[int]) -> None:
        if isinstance(outcome, ServerError):
            self._on_fault(outcome)
        else:
            self.pruned_rev = outcome
            self._tell_pruned(outcome)

    def _indexed(self, outcome: Outcome[int]) -> None:
        if isinstance(outcome, ServerError):
            self._on_fault(outcome)
            return
        self._text_rev = outcome
        if self._is_quiet():
            # Go on at once where nothing else waits, as after an upgrade, which indexes all tasks.
            self.index_texts(_TEXTS_ROWS)
