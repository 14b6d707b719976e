"""The people as boards show them, each encoded once for all boards."""

from collections.abc import Sequence

from taskdash_protocol import strictjson
from taskdashd.core.commits import Following
from taskdashd.core.identities import PERSON
from taskdashd.core.sections import News
from taskdashd.domain.access import Identity
from taskdashd.domain.people import Person
from taskdashd.store.records import Record, Records


class Directory(Following):
    """All people as boards show them: a `BoardSection`."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known = _shown(records)
        self._of_groups: dict[frozenset[str] | None, bytes] = {}
        self._has_changed = False
        """Whether an account was written since the accounts were last looked at."""
        self._is_news = False
        """Whether anybody's JSON has changed since boards were last told."""

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""
        self._has_changed |= any(record.kind == PERSON for record in records)

    def whole(self, identity: Identity) -> bytes:
        """Give the people whom an identity sees: itself, and those who share a group with it."""
        self._refresh()
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
        return b',"people":[%b]' % told

    def news(self) -> News | None:
        """Give the whole list again, where anybody's JSON has changed."""
        self._refresh()
        is_news, self._is_news = self._is_news, False
        return self.whole if is_news else None

    def _refresh(self) -> None:
        if not self._has_changed:
            return
        self._has_changed = False
        known = _shown(self._records)
        if known != self._known:
            self._known = known
            self._of_groups.clear()
            self._is_news = True


def _shown(records: Records) -> dict[str, tuple[frozenset[str], bytes]]:
    """Give by employee number the person's groups, and the JSON that boards get."""
    everybody = map(Person.from_record, records.all(PERSON))
    return {one.id: (frozenset(one.groups), strictjson.dumps(one.about())) for one in everybody}
