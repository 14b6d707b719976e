"""Turns by whose they are: nobody waits for more than one thing of each other. Rules only.

Round robin over those who have something that waits (J. Nagle, "On packet switches with infinite
storage", RFC 970, 1985): one who brings a thousand things waits for them alone.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def _always(_whose: str) -> bool:
    return True


class Rounds(Generic[T]):
    """Things that wait: those whom they belong to take turns, and so do the things of each."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[T, None]] = {}
        """By whose they are, the next first; nobody is in it who has nothing that waits."""
        self._count = 0

    def __len__(self) -> int:
        """How many things wait."""
        return self._count

    def count_of(self, whose: str) -> int:
        """Say how many things of somebody wait."""
        return len(self._waiting.get(whose, ()))

    def add(self, whose: str, thing: T) -> None:
        """Have a thing wait behind the others of the same, unless it waits already."""
        things = self._waiting.setdefault(whose, {})
        self._count += thing not in things
        things[thing] = None

    def drop(self, whose: str, thing: T) -> bool:
        """Have a thing wait no more; tell whether it did."""
        things = self._waiting.get(whose)
        if things is None or thing not in things:
            return False
        self._remove(whose, things, thing)
        return True

    def take(self, may: Callable[[str], bool] = _always) -> T | None:
        """Give the thing whose turn it is, of the first who `may` have one; None: nobody's is.

        All others have their turn before the next one of the same.
        """
        for whose, things in self._waiting.items():
            if may(whose):
                thing = next(iter(things))
                self._remove(whose, things, thing)
                if things:
                    self._waiting[whose] = self._waiting.pop(whose)
                return thing
        return None

    def _remove(self, whose: str, things: dict[T, None], thing: T) -> None:
        del things[thing]
        self._count -= 1
        if not things:
            del self._waiting[whose]
