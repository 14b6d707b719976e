"""Replies to Find that are ready to be sent: whoever asks the same again gets the same bytes.

The key is the request's whole payload, so nothing of it needs to be decoded again. An entry is good
for as long as the task and its owner's last sign of life are what they were; that is looked at with
every use. Only after a stall of the daemon, which moves what the running time stands for, must they
be forgotten.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from taskdashd.domain.liveness import Owner
from taskdashd.domain.tasks import Task
from taskdashd.store.transaction import View

_PAYLOAD_BYTES_MAX: Final = 512
"""A Find is not larger; what is need not be searched for."""
_OVERHEAD_BYTES: Final = 400
"""About what an entry takes beside its payload and its frame."""


class _Ready(NamedTuple):
    frame: bytes
    task: Task
    owner: Owner | None
    last_seen: float


class ReadyReplies:
    """Frames by the payload of the request that they answer, the oldest dropped first."""

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
        """Drop everything."""
        self._ready.clear()
        self._bytes = 0


def _cost(payload: bytes, ready: _Ready) -> int:
    # The task may be nowhere else any more.
    return len(payload) + len(ready.frame) + len(ready.task.body) + _OVERHEAD_BYTES
