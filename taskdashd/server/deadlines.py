"""Deadlines of equal length, in a queue: the first is the next due, and nothing is searched."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from taskdashd.server.link import Link

T = TypeVar("T")

_LATE_S: Final = 0.1


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
        """Say in how many seconds the next item is due; None where no item has a deadline."""
        return next(iter(self._at.values())) - self._now() if self._at else None


class FrameDeadlines:
    """Deadlines of connections with an unfinished frame: its rest must come within a time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._partial: Deadlines[Link] = Deadlines(now)
        self._late: Deadlines[Link] = Deadlines(now)
        self.all = (self._partial, self._late)

    def time(self, link: "Link", timeout_s: float) -> None:
        """Start, keep or stop a connection's deadline, as its input stands."""
        connection = link.connection
        if not connection.has_partial_frame:
            if link.frames_timed is not None:
                self._partial.stop(link)
                self._late.stop(link)
                link.frames_timed = None
        elif connection.inbox.frames_in != link.frames_timed or (
            link not in self._partial and link not in self._late
        ):
            self._late.stop(link)
            self._partial.start(link, timeout_s)
            link.frames_timed = connection.inbox.frames_in

    def due(self) -> "Iterator[Link]":
        """Take out the connections whose frame is overdue."""
        for link in self._partial.due():
            if not link.connection.has_partial_frame or not link.connection.wants_input:
                continue
            if link.has_unread:
                # The rest may lie unread in the socket because the daemon is late: wait for it.
                self._late.start(link, _LATE_S)
            else:
                yield link
        for link in self._late.due():
            if link.connection.has_partial_frame:
                yield link
