"""Turns of conversations that have more at hand than one step: no address waits for another's."""

from taskdashd.server.link import Link


class Turns:
    """Links that wait for a turn: the addresses take turns, and so do the links of each."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[Link, None]] = {}
        """By address, the next one first."""

    def __bool__(self) -> bool:
        """Whether a link waits for its turn."""
        return bool(self._waiting)

    def add(self, link: Link) -> None:
        """Have a link wait behind the others of its address, unless it waits already."""
        self._waiting.setdefault(link.address, {})[link] = None

    def drop(self, link: Link) -> None:
        """Have a link wait no more."""
        links = self._waiting.get(link.address)
        if links is not None and link in links:
            del links[link]
            if not links:
                del self._waiting[link.address]

    def take(self) -> Link:
        """Give the link whose turn it is, and let the next address have the next turn."""
        address = next(iter(self._waiting))
        links = self._waiting.pop(address)
        link = next(iter(links))
        del links[link]
        if links:
            self._waiting[address] = links
        return link
