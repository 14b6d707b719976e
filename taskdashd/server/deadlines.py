"""Deadlines of equal length, in a queue: the first is the next due, and nothing is searched."""

from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from taskdashd.server.link import Link

T = TypeVar("T")

LINGER_S: Final = 1.0
"""How long a peer that reads nothing may take to read the last replies after the daemon has closed
its side."""
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
    """Deadlines of links with an unfinished frame: its rest must come within a time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._partial: Deadlines[Link] = Deadlines(now)
        self._late: Deadlines[Link] = Deadlines(now)
        self.all = (self._partial, self._late)

    def time(self, link: Link, timeout_s: float) -> None:
        """Start, keep or stop a link's deadline, as its input stands."""
        conversation = link.conversation
        if not conversation.has_partial_frame:
            if link.frames_timed is not None:
                self._partial.stop(link)
                self._late.stop(link)
                link.frames_timed = None
        elif conversation.frames_in != link.frames_timed or (
            link not in self._partial and link not in self._late
        ):
            self._late.stop(link)
            self._partial.start(link, timeout_s)
            link.frames_timed = conversation.frames_in

    def due(self) -> Iterator[Link]:
        """Take out the links whose frame is overdue."""
        for link in self._partial.due():
            if not link.conversation.has_partial_frame or not link.conversation.wants_input:
                continue
            if link.has_unread or link.conversation.wants_turn:
                # The rest may lie unread because the daemon is late: wait for it.
                self._late.start(link, _LATE_S)
            else:
                yield link
        for link in self._late.due():
            if link.conversation.has_partial_frame:
                yield link


class LinkDeadlines:
    """All deadlines of links."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.frames = FrameDeadlines(now)
        self.handshakes: Deadlines[Link] = Deadlines(now)
        self._late_handshakes: Deadlines[Link] = Deadlines(now)
        self.unsent: Deadlines[Link] = Deadlines(now)
        self.lingering: Deadlines[Link] = Deadlines(now)
        self._alarms: dict[float, Deadlines[Link]] = {}
        """By `wake_every_s` of the conversation."""
        handshakes = (self.handshakes, self._late_handshakes)
        self._all = [*self.frames.all, *handshakes, self.unsent, self.lingering]

    def handshakes_due(self, timeout_s: float, waits: Callable[[Link], bool]) -> Iterator[Link]:
        """Take out the links whose TLS handshake is overdue.

        One that `waits` for its turn has as much time again, once: the daemon is late, not the
        peer.
        """
        for link in self.handshakes.due():
            if link.shakes_hands and waits(link):
                self._late_handshakes.start(link, timeout_s)
            elif link.shakes_hands:
                yield link
        for link in self._late_handshakes.due():
            if link.shakes_hands:
                yield link

    def start_alarm(self, link: Link) -> None:
        """Have the conversation of a link look at the clock later, if it wants to."""
        every_s = link.conversation.wake_every_s
        if every_s is None:
            return
        alarms = self._alarms.get(every_s)
        if alarms is None:
            alarms = self._alarms[every_s] = Deadlines(self._now)
            self._all.append(alarms)
        alarms.start(link, every_s)

    def not_read(self, timeout_s: float) -> Iterator[Link]:
        """Take out the links whose peer has read nothing in time; a peer that reads has more."""
        for link in self.unsent.due():
            if link.was_read():
                self.unsent.start(link, timeout_s)
            else:
                yield link

    def linger(self, link: Link) -> None:
        """Give a peer the time to read the last replies."""
        link.was_read()
        self.lingering.start(link, LINGER_S)

    def lingered(self, timeout_s: float) -> Iterator[Link]:
        """Take out the links whose peer has had the last replies, or has read nothing in time."""
        for link in self.lingering.due():
            if link.may_read_on(LINGER_S, timeout_s):
                self.lingering.start(link, LINGER_S)
            else:
                yield link

    def alarms_due(self) -> Iterator[Link]:
        """Take out the links whose conversation is to look at the clock."""
        for alarms in self._alarms.values():
            yield from alarms.due()

    def stop(self, link: Link) -> None:
        """Take all deadlines of a link away."""
        for deadlines in self._all:
            deadlines.stop(link)

    def next_s(self) -> float | None:
        """Say in how many seconds the next deadline is due; None where there is none."""
        waits = [deadlines.next_s() for deadlines in self._all]
        return min((wait for wait in waits if wait is not None), default=None)
