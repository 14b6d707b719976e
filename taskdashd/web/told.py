"""A change as boards are told of it: encoded once, however many boards are open."""

from typing import Any

from taskdash_protocol import strictjson
from taskdashd.domain.access import Sight


def whole(rev: int, kind: str, task: bytes) -> bytes:
    """Give a change as JSON, for whoever sees the task."""
    return b'{"rev":%d,"kind":"%b","task":%b}' % (rev, kind.encode(), task)


class Step:
    """A change with the task after and before; each is parsed and encoded once, if at all."""

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
        """Give the change as JSON for a sight; None where it sees the task neither way.

        A task that the sight saw before the change and does not see after it is told as `gone`.
        """
        if sight is None or sight.sees(self._fields()):
            if not self._told:
                self._told = whole(self.rev, self.kind, self._after)
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
