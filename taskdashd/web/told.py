"""A change as boards are told of it: encoded once, however many boards are open."""

from typing import NamedTuple, Self

from taskdash_protocol import strictjson
from taskdashd.domain.access import Sight
from taskdashd.domain.tasks import Change, Task


def whole(rev: int, kind: str, task: bytes) -> bytes:
    """Give a change as JSON, for whoever sees the task."""
    return b'{"rev":%d,"kind":"%b","task":%b}' % (rev, kind.encode(), task)


class _Whose(NamedTuple):
    """What decides who sees a task."""

    group: str
    user: str
    checker: str


class Step:
    """A change with the task after and before; each is parsed and encoded once, if at all."""

    __slots__ = ("_after", "_before", "_gone", "_now", "_told", "_was", "kind", "rev")

    def __init__(
        self,
        rev: int,
        kind: str,
        after: bytes,
        before: bytes,
        whose: tuple[_Whose | None, _Whose | None] = (None, None),
    ) -> None:
        self.rev = rev
        self.kind = kind
        self._after = after
        self._before = before
        self._now, self._was = whose
        self._told = b""
        self._gone = b""

    @classmethod
    def of(cls, change: Change) -> Self:
        """Make the step of a change as it is committed: who sees it is known without parsing."""
        new, old = change.task, change.previous
        before, was = (b"", None) if old is None else (old.body, _whose_of(old))
        return cls(new.rev, change.kind, new.body, before, (_whose_of(new), was))

    def told(self, sight: Sight | None) -> bytes | None:
        """Give the change as JSON for a sight; None where it sees the task neither way.

        A task that the sight saw before the change and does not see after it is told as `gone`.
        """
        if self._now is None:
            self._now = _whose(self._after)
        if sight is None or sight.covers(*self._now):
            if not self._told:
                self._told = whole(self.rev, self.kind, self._after)
            return self._told
        if not self._before:
            return None
        if self._was is None:
            self._was = _whose(self._before)
        if not sight.covers(*self._was):
            return None
        if not self._gone:
            task = {"id": strictjson.reload(self._before)["id"]}
            self._gone = strictjson.dumps({"rev": self.rev, "kind": "gone", "task": task})
        return self._gone


def _whose(body: bytes) -> _Whose:
    fields = strictjson.reload(body)
    return _Whose(fields["group_id"], fields["user"], fields["checker"])


def _whose_of(task: Task) -> _Whose:
    return _Whose(task.group_id, task.user, task.checker)
