"""The people as boards show them, each encoded once for all boards."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from taskdash_protocol import strictjson
from taskdashd.core.commits import Following
from taskdashd.core.identities import PERSON
from taskdashd.core.sections import News
from taskdashd.domain.access import EVERYBODYS, Identity
from taskdashd.domain.people import Person
from taskdashd.store.records import Record, Records, Value

_ADMINS_MAX: Final = 5


class _Shown(NamedTuple):
    """A person as boards show them."""

    groups: frozenset[str]
    text: bytes
    admin: str
    """The name of an administrator; empty for others."""


class Directory(Following):
    """All people as boards show them: a `BoardSection`."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known = {one["id"]: _shown(one) for one in records.all(PERSON)}
        self._of_groups: dict[frozenset[str] | None, bytes] = {}
        self._admins: bytes | None = None
        """The names of the administrators; None until somebody is told of them."""
        self._written: dict[str, None] = {}
        """Whose account was written since the accounts were last looked at, in that order."""
        self._before: dict[str, _Shown | None] = {}
        """By employee number: how boards were last told of those who have changed since."""

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""
        self._written |= {record.key: None for record in records if record.kind == PERSON}

    def whole(self, identity: Identity) -> bytes:
        """Give the people whom an identity sees: itself, and those who share a group with it."""
        self._refresh()
        groups = identity.confined_to
        told = self._of_groups.get(groups)
        if told is None:
            shown = [
                one.text
                for one in self._known.values()
                if groups is None or not groups.isdisjoint(one.groups)
            ]
            told = self._of_groups[groups] = b",".join(shown)
        mine = self._known.get(identity.person)
        if mine is not None and groups is not None and groups.isdisjoint(mine.groups):
            told = b",".join(filter(None, (told, mine.text)))
        return b',"people":[%b]%b' % (told, self._whom_to_ask(identity))

    def _whom_to_ask(self, identity: Identity) -> bytes:
        """Give a person who is in no group yet the names of those who may change that.

        Their numbers are told to nobody: whoever knows one is halfway in.
        """
        if not identity.person or identity.groups != {EVERYBODYS} or identity.is_operator:
            return b""
        if self._admins is None:
            names = sorted({one.admin for one in self._known.values() if one.admin})
            self._admins = strictjson.dumps(names[:_ADMINS_MAX])
        return b',"admins":' + self._admins

    def news(self) -> News | None:
        """Give the people who have changed, each once however often they have."""
        self._refresh()
        before, self._before = self._before, {}
        return partial(self._told, before) if before else None

    def _told(self, before: Mapping[str, _Shown | None], identity: Identity) -> bytes:
        """Encode people for an identity, given how boards last had each.

        An identity that saw somebody then, and does not see them now, is told so by a null name.
        """
        told = []
        for number, then in before.items():
            now = self._known.get(number)
            if now is not None and _sees(identity, number, now):
                told.append(now.text)
            elif then is not None and _sees(identity, number, then):
                told.append(strictjson.dumps({"user": number, "name": None}))
        return b',"people":[%b]' % b",".join(told) if told else b""

    def _refresh(self) -> None:
        for number in self._written:
            then, record = self._known.get(number), self._records.committed(PERSON, number)
            now = None if record is None else _shown(record)
            if now == then:
                continue
            if now is None:
                del self._known[number]
            else:
                self._known[number] = now
            self._before.setdefault(number, then)
            self._of_groups.clear()
            self._admins = None
        self._written.clear()


def _shown(record: Value) -> _Shown:
    person = Person.from_record(record)
    admin = person.name if person.active and person.role == "admin" else ""
    return _Shown(frozenset(person.groups), strictjson.dumps(person.about()), admin)


def _sees(identity: Identity, number: str, shown: _Shown) -> bool:
    groups = identity.confined_to
    return groups is None or number == identity.person or not groups.isdisjoint(shown.groups)
