"""Whose links are served in a sweep, and which wait for a turn behind it. No I/O.

Addresses take turns, and so do the links of each: who brings much is in nobody's way but their own.
"""

import time
from collections.abc import Iterator
from typing import Final

from taskdashd.domain.rounds import Rounds
from taskdashd.server.link import Link

_READS_S: Final = 0.0007
_SENDS_S: Final = 0.002
"""More than for reading: whoever asks much is sent to in turns, and hundreds of boards are not."""
_FIRST_S: Final = 0.002
"""For so long after it each address has its one: there may be hundreds, as of open boards."""
_TURNS_S: Final = 0.0005
"""Behind each sweep, for turns: who needs none waits no longer for those who do."""
_BUSY_S: Final = 0.05
"""An address is served in turns alone for so long, once a step of it was as long as a share."""


class Share:
    """A sweep's time for one kind of work; when it is over, each address still has one link served.

    So who is alone at an address is served in every sweep, however many links others make ready.
    """

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._until = 0.0
        self._served: set[str] = set()

    def begin(self) -> None:
        """Begin with a sweep."""
        self._until = time.monotonic() + self._length_s
        self._served.clear()

    def has(self, whose: str, now: float) -> bool:
        """Tell whether a link of an address is served in this sweep; it is taken for served."""
        if whose in self._served:
            return now < self._until
        if now > self._until + _FIRST_S:
            return False
        self._served.add(whose)
        return True

    def had(self, whose: str) -> bool:
        """Tell whether a link of an address was served in this sweep."""
        return whose in self._served


class Turns:
    """See the module, and `Rounds`."""

    def __init__(self) -> None:
        self.reads, self.sends = Share(_READS_S), Share(_SENDS_S)
        self._rounds: Rounds[Link] = Rounds()
        self._whose: dict[Link, str] = {}
        """Whose turn each link waits for: whose it is may change meanwhile."""
        self._events: dict[Link, int] = {}
        """By link that a sweep had no time for: what epoll has told of it since."""
        self._step_of = ""
        """Whose link was last served in a sweep."""
        self._step_began = 0.0
        self._busy: dict[str, float] = {}
        """By address until when it is busy, the next to be over first."""

    def __len__(self) -> int:
        """How many links wait."""
        return len(self._rounds)

    def begin(self) -> None:
        """Begin with a sweep."""
        self.reads.begin()
        self._step_began = now = time.monotonic()
        busy = self._busy
        while busy and busy[whose := next(iter(busy))] <= now:
            del busy[whose]

    def end(self) -> None:
        """End with a sweep; turns are behind it."""
        self._step("")

    def add(self, link: Link) -> None:
        """Have a link wait for a turn, unless it waits already."""
        self._rounds.add(self._whose.setdefault(link, link.turns_of), link)

    def put_off(self, link: Link, share: Share, events: int = 0) -> bool:
        """Have a link wait with what is ready on it, unless it has its share; tell whether so.

        An address is served in a sweep or in the turns behind it, and where it is busy or a link of
        it waits, in turns alone: the others wait for one step of each, and not for two.
        """
        if link in self._whose:
            # Epoll tells of a link that waits in each sweep: be short, or the telling takes longer
            # than what is waited for.
            if events:
                self._events[link] = self._events.get(link, 0) | events
            return True
        whose = link.turns_of
        now = self._step(whose)
        waits = whose in self._busy or (self._whose and self._rounds.count_of(whose))
        if not waits and share.has(whose, now):
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
        until = self._step("") + _TURNS_S
        while (link := self._rounds.take(self._may_have)) is not None:
            self._step_of = self._whose.pop(link)
            yield link, self._events.pop(link, 0)
            if self._step("") >= until:
                return

    def drop(self, link: Link) -> None:
        """Have a link wait no more."""
        if (whose := self._whose.pop(link, None)) is not None:
            self._rounds.drop(whose, link)
        self._events.pop(link, None)

    def _may_have(self, whose: str) -> bool:
        return not self.reads.had(whose) and not self.sends.had(whose)

    def _step(self, whose: str) -> float:
        """Begin with a step for an address; note where the one before was long that it is busy."""
        now = time.monotonic()
        if now - self._step_began > _READS_S and (before := self._step_of):
            self._busy.pop(before, None)
            self._busy[before] = now + _BUSY_S
        self._step_began, self._step_of = now, whose
        return now
