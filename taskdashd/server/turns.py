"""Links that wait for a turn, by address, with what became ready on them meanwhile. No I/O."""

import time
from collections.abc import Iterator
from typing import Final

from taskdashd.domain.rounds import Rounds
from taskdashd.server.link import Link

_TURNS_S: Final = 0.001
"""Behind each sweep, for turns: who needs none waits no longer for those who do."""


class Turns:
    """Addresses take turns, and so do the links of each; see `Rounds`."""

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

    def put_off(self, link: Link, events: int, *, is_late: bool) -> bool:
        """Have a link wait with what is ready on it, if it is late, or others wait so already.

        Tells whether it waits. Who has become ready since is in the same rounds as who was late: an
        address that keeps many links ready is not served before the others.
        """
        if is_late or self._events:
            self._events[link] = self._events.get(link, 0) | events
            self.add(link)
            return True
        return False

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
