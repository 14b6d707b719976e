"""The names of groups: which are meant by what somebody has typed, and which records have one.

A group is a name and nothing else: it is there as long as a task or a record has it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from taskdash_protocol import typed
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.requests import Query
from taskdashd.core.steps import Steps, wait_for
from taskdashd.store.reader import Reader
from taskdashd.store.records import Records, Value
from taskdashd.store.slow import Asker
from taskdashd.store.transaction import Transaction

_BYTES_MAX: Final = 64 << 10


class Grouped(NamedTuple):
    """A kind of records that name groups; a family adds its own."""

    name: str
    """What they are called in a reply."""
    kind: str
    key: str
    """The member that is a record's key."""
    of: Callable[[Value], Sequence[str]]
    """Gives the groups that a record names."""
    merged: Callable[[Value, str, str], dict[str, Any]]
    """Gives a new record, with one group in place of another."""


Beside = Callable[[str, str, Transaction], None]
"""Puts what else a family keeps of a group to that of another."""


class Groups:
    """Knows which groups there are."""

    def __init__(
        self,
        records: Records,
        reader: Reader,
        kinds: Sequence[Grouped],
        beside: Sequence[Beside] = (),
    ) -> None:
        self._records = records
        self._reader = reader
        self.kinds = kinds
        self.beside = beside

    def meant(
        self, field: str, given: Sequence[str], asker: Asker
    ) -> Steps[dict[str, tuple[str, ...]]]:
        """Give the groups that are meant by each of some texts. Raises `BadRequest`.

        Services name groups to the byte: where a task or a record has one that is called as a text,
        the text is that one. Any other is what people type: some names, each as it is meant.
        """
        meant = {}
        known = None
        for text in given:
            names = typed.names(text)
            if names != (text,):
                known = set(self._of_records()) if known is None else known
                if text in known or (yield from self._is_of_tasks(text, asker)):
                    names = (text,)
            if not names:
                fault = BadRequest(f"field {field}: the name of a group must not be blank")
                raise fault.because("blank", field=field)
            meant[text] = names
        return meant

    def one_meant(self, field: str, given: str, asker: Asker) -> Steps[str]:
        """Give the one group that is meant by a text. Raises `BadRequest`."""
        names = (yield from self.meant(field, [given], asker))[given]
        if len(names) > 1:
            raise BadRequest(f"field {field}: {' and '.join(names)} are more than one group")
        return names[0]

    def _of_records(self) -> Iterator[str]:
        for grouped in self.kinds:
            for value in self._records.all(grouped.kind):
                yield from grouped.of(value)

    def _is_of_tasks(self, name: str, asker: Asker) -> Steps[bool]:
        look = Query({"group_id": (name,)}, "id", 1)
        page = yield from wait_for(partial(self._reader.query, look, None, _BYTES_MAX, asker))
        return bool(page.rows)
