"""The people as the operation People gives them: each is encoded once for each change of it."""

from operator import itemgetter

from taskdash_protocol import strictjson
from taskdashd.core.identities import PERSON
from taskdashd.core.made import Made
from taskdashd.domain.access import Identity
from taskdashd.domain.people import Person, sees_person
from taskdashd.store.records import Records, Value


class Roster:
    """See the module."""

    def __init__(self, records: Records) -> None:
        self._made = Made(records, PERSON, _encoded)

    def seen_by(self, identity: Identity) -> bytes:
        """Give the reply's members: the people whom an identity sees, by their number."""
        seen = [(one.id, text) for one, text in self._made.all() if sees_person(identity, one)]
        seen.sort(key=itemgetter(0))
        return b'{"people":[%b]}' % b",".join(text for _, text in seen)


def _encoded(record: Value) -> tuple[Person, bytes]:
    person = Person.from_record(record)
    return person, strictjson.dumps(person.about())
