"""The services as the operation Services gives them: what is stored of each is encoded once."""

from functools import partial
from typing import Any, Final, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.fields import ACKNOWLEDGED
from taskdashd.core.groups import Grouped
from taskdashd.core.made import Made
from taskdashd.core.steps import Start, Steps, in_slices
from taskdashd.domain.access import Identity
from taskdashd.families.services.rules import Service, in_group_instead
from taskdashd.families.services.vigil import SERVICE, Vigil
from taskdashd.store.records import Records, Value

SERVICES: Final = Grouped(
    "services", SERVICE, "url", lambda one: (one["group_id"],), in_group_instead
)


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

    def seen_by(
        self, identity: Identity, default_timeout_s: float, turn: Start[None]
    ) -> Steps[bytes]:
        """Give the reply's members: the services that an identity sees, by their URL."""
        all_of_them = yield from self._made.all(turn)
        seen = [one for one in all_of_them if identity.sees(one.service.group_id)]
        seen.sort(key=lambda one: one.service.url)
        tell = partial(self._told, default_timeout_s)
        told = yield from in_slices(seen, tell, lambda one: len(one.history), turn)
        return b'{"services":[%b]}' % b",".join(told)

    def _told(self, default_timeout_s: float, one: _Encoded) -> bytes:
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
    state: dict[str, Any] = {
        "group_id": service.group_id,
        "state": service.state,
        "since": since,
    }
    changes = [list(one) for one in service.changes]
    history = {"registered_at": service.registered_at, "changes": changes}
    if service.acknowledged is not None:
        state[ACKNOWLEDGED] = service.acknowledged
    name = {"url": service.url, "name": service.name}
    members = (strictjson.dumps(one)[1:-1] for one in (name, state, history))
    return _Encoded(service, *members)
