"""The services as boards show them: the state of each, whenever it changes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from taskdash_protocol import strictjson
from taskdash_protocol.fields import ACKNOWLEDGED
from taskdashd.core.commits import Following
from taskdashd.core.sections import News
from taskdashd.domain.access import Identity
from taskdashd.families.services.vigil import SERVICE
from taskdashd.store.records import Record, Records


class ServiceSection(Following):
    """All services as boards show them: a `BoardSection`.

    Boards ask for the states during the day by `Services`.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._changed: set[str] = set()
        self._groups: dict[str, str] = {one["url"]: one["group_id"] for one in records.all(SERVICE)}
        """By URL: the group in which boards were last told of the service."""

    def kept(self, records: Sequence[Record]) -> None:
        """Take in a commit's records."""
        self._changed |= {one.key for one in records if one.kind == SERVICE}

    def whole(self, identity: Identity) -> bytes:
        """Give the services that an identity sees."""
        self._look_at(self._changed - self._groups.keys())
        return self._told(identity, dict.fromkeys(self._groups))

    def news(self) -> News | None:
        """Give the services that have changed."""
        changed = {url: self._groups.get(url) for url in self._changed}
        self._changed.clear()
        self._look_at(changed)
        return (lambda identity: self._told(identity, changed)) if changed else None

    def _look_at(self, urls: Iterable[str]) -> None:
        for url in urls:
            record = self._records.committed(SERVICE, url)
            if record is None:
                self._groups.pop(url, None)
            else:
                self._groups[url] = record["group_id"]

    def _told(self, identity: Identity, changed: Mapping[str, str | None]) -> bytes:
        """Encode services for an identity, given the group in which boards last had each.

        An identity that saw a service there, and does not see it now, is told that it is gone.
        """
        told: list[dict[str, Any]] = []
        for url, group in changed.items():
            record = self._records.committed(SERVICE, url)
            if record is not None and identity.sees(record["group_id"]):
                since, state = record["changes"][-1]
                about = {name: record[name] for name in ("url", "name", "group_id")}
                if answer := record.get(ACKNOWLEDGED):
                    about[ACKNOWLEDGED] = answer
                told.append({**about, "state": state, "since": since})
            elif group is not None and identity.sees(group):
                told.append({"url": url, "state": None})
        return b',"services":' + strictjson.dumps(told) if told else b""
