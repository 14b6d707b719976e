"""The people as the operation People gives them: each is encoded once for each change of it."""

from operator import itemgetter
from typing import Final

from taskdash_protocol import strictjson
from taskdashd.core.groups import Grouped
from taskdashd.core.identities import PERSON
from taskdashd.core.made import Made
from taskdashd.core.steps import Start, Steps
from taskdashd.domain.access import Identity
from taskdashd.domain.people import Person, in_group_instead, sees_person
from taskdashd.store.records import Records, Value

PEOPLE: Final = Grouped("people", PERSON, "id", itemgetter("groups"), in_group_instead)


class Roster:
    """See the module."""

    def __init__(self, records: Records) -> None:
        self._made = Made(records, PERSON, _encoded)

    def seen_by(self, identity: Identity, turn: Start[None]) -> Steps[bytes]:
        """Give the reply's members: the people whom an identity sees, by their number."""
        everybody = yield from self._made.all(turn)
        seen = [(one.id, text) for one, text in everybody if sees_person(identity, one)]
        seen.sort(key=itemgetter(0))
        return b'{"people":[%b]}' % b",".join(text for _, text in seen)


def _encoded(record: Value) -> tuple[Person, bytes]:
    person = Person.from_record(record)
    return person, strictjson.dumps(person.about())
