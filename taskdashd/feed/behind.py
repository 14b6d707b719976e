"""Catching up from the change log: a watch or board that is behind is told page by page.

A page is read only when the one before it was taken, and taken only as far as there is room: so
nobody is fed faster than they read, and one slow reader costs one page of memory.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Generic, TypeVar

from taskdash_protocol.errors import Outcome, ServerError

Row = TypeVar("Row")

ReadPage = Callable[
    [str, int, int, Callable[[], bool], Callable[[Outcome[Sequence[Row]]], None]], None
]
"""Reads rows of the log in the turn of whose name comes first: those after a rev, at most so many
(fewer where they are large), if the fourth argument, asked when the turn comes, says yes; then
calls the fifth with rows or fault."""

PAGE_ROWS: Final = 200


class CatchUp(ABC, Generic[Row]):
    """The base of a watch or board that is told of all changes after a rev."""

    __slots__ = ("closed", "held", "position", "reading")

    def __init__(self, position: int) -> None:
        self.position = position
        """Everything up to this rev has been told."""
        self.closed = False
        self.reading = False
        self.held: deque[Row] = deque()
        """Rows read from the log that there was no room for yet."""

    def go_on(self, newest: int, read_page: ReadPage[Row]) -> bool:
        """Tell, and read the next page if there is room; True once all up to `newest` is told.

        Does not wait for the page: when it has come, `go_on_later` is called.
        """
        if self.closed or self.reading or not self.take():
            return False
        if self.position >= newest:
            return True
        self.reading = True
        page = partial(self._page, newest)
        read_page(self.whose, self.position, PAGE_ROWS, self._is_wanted, page)
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

    @property
    @abstractmethod
    def whose(self) -> str:
        """Say whose turn the reading takes."""

    @abstractmethod
    def take(self) -> bool:
        """Tell of the rows in `held`, as far as there is room; True if none is left."""

    @abstractmethod
    def failed(self, fault: ServerError) -> None:
        """React to a log that cannot be read; nothing more is told, since `close` was called."""

    @abstractmethod
    def go_on_later(self) -> None:
        """Have `go_on` called again, at once or later."""
