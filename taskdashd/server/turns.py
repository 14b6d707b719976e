"""Whose links are served now, and which wait for a turn, with what is ready on them. No I/O.

Addresses take turns, and so do the links of each: who brings much is in nobody's way but their own.
"""

import time
from collections.abc import Iterator
from typing import Final

from taskdashd.domain.rounds import Rounds
from taskdashd.server.link import Link

_SHARE_S: Final = 0.0007
_TURNS_S: Final = 0.0005
"""Behind each sweep, for turns: who needs none waits no longer for those who do."""


class Share:
    """A sweep's time for one kind of work: when it is over, each address still has one link served.

    So who is alone at an address is served in every sweep, however many links others make ready.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._served: set[str] = set()

    def begin(self) -> None:
        """Begin with a sweep."""
        self._until = time.monotonic() + _SHARE_S
        self._served.clear()

    def has(self, whose: str) -> bool:
        """Tell whether a link of an address is served in this sweep; it is taken for served."""
        if whose in self._served:
            return time.monotonic() < self._until
        self._served.add(whose)
        return True


class Turns:
    """See the module, and `Rounds`."""

    def __init__(self) -> None:
        self._rounds: Rounds[Link] = Rounds()
        self._whose: dict[Link, str] = {}
        """Whose turn each link waits for: whose it is may change meanwhile."""
        self._events: dict[Link, int] = {}
        """By link that a sweep had no time for: what epoll has told of it since."""

    def __len__(self) -> int:
        """How many links wait."""
        return len(self._rounds)

    def add(self, link: Link) -> None:
        """Have a link wait for a turn, unless it waits already."""
        self._rounds.add(self._whose.setdefault(link, link.turns_of), link)

    def put_off(self, link: Link, share: Share, events: int = 0) -> bool:
        """Have a link wait with what is ready on it, unless it has its share; tell whether it does.

        An address of which a link waits is served in turns alone: otherwise it would have its part
        of the next sweep too, and the others would wait for both.
        """
        whose = link.turns_of
        if not (self._rounds and self._rounds.count_of(whose)) and share.has(whose):
            return False
        if events:
            self._events[link] = self._events.get(link, 0) | events
        self.add(link)
        return True

    def has_ready(self, link: Link) -> bool:
        """Tell whether something is ready on a link that waits."""
        return link in self._events

    def take(self) -> Iterator[tuple[Link, int]]:
        """Give the links whose turn it is, with what is ready on each, for a moment."""
        until = time.monotonic() + _TURNS_S
        while (link := self._rounds.take()) is not None:
            del self._whose[link]
            yield link, self._events.pop(link, 0)
            if time.monotonic() >= until:
                return

    def drop(self, link: Link) -> None:
        """Have a link wait no more."""
        if (whose := self._whose.pop(link, None)) is not None:
            self._rounds.drop(whose, link)
        self._events.pop(link, None)
