"""Deadlines that all have the same length: a queue, and nothing to search."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Items with a deadline each, in the order in which they were started."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._at: dict[T, float] = {}

    def __contains__(self, item: T) -> bool:
        """Tell whether an item has a deadline."""
        return item in self._at

    def start(self, item: T, timeout_s: float) -> None:
        """Give an item a new deadline."""
        self._at.pop(item, None)
        self._at[item] = self._now() + timeout_s

    def stop(self, item: T) -> None:
        """Take an item's deadline away, if it has one."""
        self._at.pop(item, None)

    def due(self) -> Iterator[T]:
        """Take out the items whose deadline has passed, the oldest first.

        After a timeout was changed an item may come late, by the difference at most.
        """
        now = self._now()
        while self._at:
            item = next(iter(self._at))
            if self._at[item] > now:
                return
            del self._at[item]
            yield item

    def next_s(self) -> float | None:
        """Say in how many seconds something is due."""
        return next(iter(self._at.values())) - self._now() if self._at else None
