"""What boards are told of changes and of people: each encoded once, however many look."""

from typing import Any

from taskdash_protocol import strictjson
from taskdashd.domain.access import Identity, Sight
from taskdashd.domain.people import Person
from taskdashd.operations.engine import PERSON, Engine
from taskdashd.operations.people import about as about_person


class Step:
    """A change, with what it takes to know who sees it; each part is made once, if at all."""

    __slots__ = ("_after", "_before", "_gone", "_new", "_old", "_told", "kind", "rev")

    def __init__(self, rev: int, kind: str, after: bytes, before: bytes) -> None:
        self.rev = rev
        self.kind = kind
        self._after = after
        self._before = before
        self._new: dict[str, Any] | None = None
        self._old: dict[str, Any] | None = None
        self._told = b""
        self._gone = b""

    def told(self, sight: Sight | None) -> bytes | None:
        """Give what somebody is told of it; None where it is nothing to them.

        A task that they saw and do not see any more is `gone`.
        """
        if sight is None or sight.sees(self._fields()):
            if not self._told:
                what = self.rev, self.kind.encode(), self._after
                self._told = b'{"rev":%d,"kind":"%b","task":%b}' % what
            return self._told
        if not self._before:
            return None
        if self._old is None:
            self._old = strictjson.reload(self._before)
        if not sight.sees(self._old):
            return None
        if not self._gone:
            task = {"id": self._old["id"]}
            self._gone = strictjson.dumps({"rev": self.rev, "kind": "gone", "task": task})
        return self._gone

    def _fields(self) -> dict[str, Any]:
        if self._new is None:
            self._new = strictjson.reload(self._after)
        return self._new


class Directory:
    """The people, each encoded once, and again only when what others may know of them changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[frozenset[str], bytes]] = {}
        """By employee number: their groups, and what is told of them."""
        self._of_groups: dict[frozenset[str] | None, bytes] = {}
        self.refresh()

    def refresh(self) -> bool:
        """Look at all people again; tell whether there is anything new to be told."""
        everybody = map(Person.from_record, self._engine.view.records.all(PERSON))
        known = {
            one.id: (frozenset(one.groups), strictjson.dumps(about_person(one)))
            for one in everybody
        }
        if known == self._known:
            return False
        self._known = known
        self._of_groups.clear()
        return True

    def seen_by(self, identity: Identity) -> bytes:
        """Give those whom somebody sees, as a JSON array: who shares a group, and themselves."""
        groups = identity.confined_to
        told = self._of_groups.get(groups)
        if told is None:
            shown = [
                text
                for theirs, text in self._known.values()
                if groups is None or not groups.isdisjoint(theirs)
            ]
            told = self._of_groups[groups] = b",".join(shown)
        mine = self._known.get(identity.person)
        if mine is not None and groups is not None and groups.isdisjoint(mine[0]):
            told = b",".join(filter(None, (told, mine[1])))
        return b"[%b]" % told
