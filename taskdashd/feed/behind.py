"""Catching up from the change log: whoever is behind is told page by page, until they are live.

A page is read only when the one before it was taken, and taken only as far as there is room: so
nobody is fed faster than they read, and one slow reader costs one page of memory. Watches and
boards stand on this.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Generic, TypeVar

from taskdash_protocol.errors import Outcome, ServerError

Row = TypeVar("Row")

ReadPage = Callable[[int, int, Callable[[], bool], Callable[[Outcome[Sequence[Row]]], None]], None]
"""Read rows of the log: after this rev, at most so many (fewer where they are large), if that is
still wanted when its turn comes; then call with the rows or the fault."""

PAGE_ROWS: Final = 200


class CatchUp(ABC, Generic[Row]):
    """Somebody who is told of changes from a rev on."""

    __slots__ = ("closed", "held", "position", "reading")

    def __init__(self, position: int) -> None:
        self.position = position
        """Everything up to this rev has been told."""
        self.closed = False
        self.reading = False
        self.held: deque[Row] = deque()
        """A page of the log that there is no room for yet."""

    def go_on(self, newest: int, read_page: ReadPage[Row]) -> bool:
        """Tell and read on, as far as there is room; True once nothing up to `newest` is lacking.

        `go_on_later` is called when a page has come.
        """
        if self.closed or self.reading or not self.take():
            return False
        if self.position >= newest:
            return True
        self.reading = True
        read_page(self.position, PAGE_ROWS, self._is_wanted, partial(self._page, newest))
        return False

    def close(self) -> None:
        """Tell no more."""
        self.closed = True

    def _is_wanted(self) -> bool:
        return not self.closed

    def _page(self, newest: int, rows: Outcome[Sequence[Row]]) -> None:
        self.reading = False
        if self.closed:
            return
        if isinstance(rows, ServerError):
            self.close()
            self.failed(rows)
            return
        self.held.extend(rows)
        if not rows:
            # Revs of commits that failed are never used again: the gap holds nothing.
            self.position = max(self.position, newest)
        self.go_on_later()

    @abstractmethod
    def take(self) -> bool:
        """Tell of what is held, as far as there is room; whether nothing is left."""

    @abstractmethod
    def failed(self, fault: ServerError) -> None:
        """Take in that the log cannot be read: nothing more is told."""

    @abstractmethod
    def go_on_later(self) -> None:
        """Have `go_on` called."""
