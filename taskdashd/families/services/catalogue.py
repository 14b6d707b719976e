"""The services as the operation Services gives them: what is stored of each is encoded once."""

from typing import NamedTuple

from taskdash_protocol import strictjson
from taskdashd.core.made import Made
from taskdashd.domain.access import Identity
from taskdashd.families.services.rules import Service
from taskdashd.families.services.vigil import SERVICE, Vigil
from taskdashd.store.records import Records, Value


class _Encoded(NamedTuple):
    """A service, and its members in JSON that only a write of its record changes."""

    service: Service
    name: bytes
    state: bytes
    history: bytes


class Catalogue:
    """See the module."""

    def __init__(self, records: Records, vigil: Vigil) -> None:
        self._vigil = vigil
        self._made = Made(records, SERVICE, _encoded)

    def seen_by(self, identity: Identity, default_timeout_s: float) -> bytes:
        """Give the reply's members: the services that an identity sees, by their URL."""
        seen = [one for one in self._made.all() if identity.sees(one.service.group_id)]
        seen.sort(key=lambda one: one.service.url)
        told = b",".join([self._told(one, default_timeout_s) for one in seen])
        return b'{"services":[%b]}' % told

    def _told(self, one: _Encoded, default_timeout_s: float) -> bytes:
        service, dumps = one.service, strictjson.dumps
        silence_s = self._vigil.silence_s(service.url)
        time, reserved = self._vigil.said(service)
        return b'{%b,"reserved":%b,"time":%b,%b,"silent_s":%b,"heartbeat_timeout":%b,%b}' % (
            one.name,
            dumps(reserved),
            dumps(time),
            one.state,
            dumps(None if silence_s is None else round(silence_s, 1)),
            dumps(service.timeout_s or default_timeout_s),
            one.history,
        )


def _encoded(record: Value) -> _Encoded:
    service = Service.from_record(record)
    since = service.changes[-1][0] if service.changes else ""
    state = {"group_id": service.group_id, "state": service.state, "since": since}
    changes = [list(one) for one in service.changes]
    history = {"registered_at": service.registered_at, "changes": changes}
    name = {"url": service.url, "name": service.name}
    members = (strictjson.dumps(one)[1:-1] for one in (name, state, history))
    return _Encoded(service, *members)
