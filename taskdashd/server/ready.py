"""A cache of replies to Find: the same payload gets the same bytes, as long as they are true.

The key is the request's whole payload, so a hit decodes nothing. Each use checks that the task and
its owner's last sign of life are those that the reply was made of. That check misses a stall of the
daemon, which moves the wall-clock time that a sign of life stands for: `forget` all entries then.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from taskdashd.domain.liveness import Owner
from taskdashd.domain.tasks import Task
from taskdashd.store.transaction import View

_PAYLOAD_BYTES_MAX: Final = 512
"""A Find is not larger: do not hash a larger payload to search for it."""
_OVERHEAD_BYTES: Final = 400
"""About what an entry takes in memory beside its payload, frame and task."""


class _Ready(NamedTuple):
    frame: bytes
    task: Task
    owner: Owner | None
    last_seen: float


class ReadyReplies:
    """Reply frames by the payload of their request; the oldest are dropped first."""

    def __init__(
        self, view: View, owner_of: Callable[[Task], Owner | None], bytes_max: int
    ) -> None:
        self._view = view
        self._owner_of = owner_of
        self._bytes_max = bytes_max
        self._bytes = 0
        self._ready: dict[bytes, _Ready] = {}

    def get(self, payload: bytes) -> bytes | None:
        """Give the frame that answers a request as of now; None if it must be made."""
        if len(payload) > _PAYLOAD_BYTES_MAX or (ready := self._ready.get(payload)) is None:
            return None
        frame, task, owner, last_seen = ready
        if self._view.use(task) and (owner is None or owner.last_seen == last_seen):
            return frame
        return None

    def keep(self, payload: bytes, frame: bytes, task: Task) -> None:
        """Keep the frame that answers a request, made from this task just now."""
        if len(payload) > _PAYLOAD_BYTES_MAX:
            return
        old = self._ready.pop(payload, None)
        if old is not None:
            self._bytes -= _cost(payload, old)
        owner = self._owner_of(task)
        last_seen = 0.0 if owner is None else owner.last_seen
        ready = self._ready[payload] = _Ready(frame, task, owner, last_seen)
        self._bytes += _cost(payload, ready)
        while self._bytes > self._bytes_max:
            oldest = next(iter(self._ready))
            self._bytes -= _cost(oldest, self._ready.pop(oldest))

    def forget(self) -> None:
        """Drop all replies."""
        self._ready.clear()
        self._bytes = 0


def _cost(payload: bytes, ready: _Ready) -> int:
    # Count the task's body: the view may have dropped it, and then this entry alone holds it.
    return len(payload) + len(ready.frame) + len(ready.task.body) + _OVERHEAD_BYTES
