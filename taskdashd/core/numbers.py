"""Employee numbers: which account is meant by one that was typed, and which numbers look alike."""

from collections.abc import Iterator
from typing import Final

from taskdash_protocol import typed
from taskdashd.store.records import Records

PERSON: Final = "person"
"""The kind of the records that hold accounts."""


class Numbers:
    """The numbers of all accounts. An account keeps its number for ever."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._of_before: dict[str, str] = {}
        """The numbers of accounts that were made before numbers were folded, by what they fold to.

        Such an account keeps its number, by which its tasks know it; no new one is made so.
        """
        self._by_look: dict[str, list[str]] = {}
        self._known: set[str] = set()
        for one in records.all(PERSON):
            self.add(one["id"])

    def add(self, number: str) -> None:
        """Take in the number of an account."""
        if number in self._known:
            return
        self._known.add(number)
        self._by_look.setdefault(typed.look(number), []).append(number)
        folded = typed.number(number)
        # Of a number that nobody sees nothing is left: it must not be meant where none is given.
        if folded not in ("", number):
            self._of_before[folded] = number

    def meant(self, given: str) -> str:
        """Give the number of the account that people mean; of none, as a new one would have it."""
        if self._records.get(PERSON, given) is not None:
            return given
        number = typed.number(given)
        if self._records.get(PERSON, number) is not None:
            return number
        return self._of_before.get(number, number)

    def alike(self, number: str) -> Iterator[tuple[str, str]]:
        """Give other numbers that look like this one, each with the name of its account.

        Accounts whose commit is under way are among them.
        """
        look = typed.look(number)
        waiting = [key for kind, key in self._records.pending if kind == PERSON]
        others = [
            *self._by_look.get(look, ()),
            *(one for one in waiting if typed.look(one) == look),
        ]
        for other in others:
            record = self._records.get(PERSON, other)
            if other != number and record is not None:
                yield other, record["name"]
