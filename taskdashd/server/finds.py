"""Find, answered from the bytes of its task: nothing of the task is parsed, and no object made.

The plainest request is also recognised on its bytes: in our framing, its header names the operation
alone, and its body is the id alone, without escapes. If nothing waits before it, it is answered
before it is parsed; else only its parsing is spared. All this is for who sees every task, and for
a task that is in memory with nothing that waits to change it. All else is parsed and run as any
request is; both ways give the same bytes (tests/server/test_finds.py).
"""

import re
from collections import OrderedDict
from struct import Struct
from typing import Final, NamedTuple

from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.tasks import Find
from taskdash_protocol.frames import TASKDASH
from taskdashd.core.replies import reply_body
from taskdashd.core.table import Core
from taskdashd.domain.held import LITTLE_BYTES
from taskdashd.domain.liveness import Owner
from taskdashd.domain.tasks import LAST_SEEN_AT, Task
from taskdashd.store import kept

HEADER: Final = {"RequestID": Find.request_id}
"""The header of the plainest request, and of its reply."""
_ASKED: Final = TASKDASH.request(HEADER, b"")[4:-2]
"""What the payload of such a request begins with, up to the head of its body."""
_ASKED_BYTES: Final = len(_ASKED)
_HEAD_BYTES: Final = _ASKED_BYTES + 2
_PAYLOAD_BYTES_MAX: Final = _HEAD_BYTES + 255
"""Do not hash a larger payload, nor cut it: it is no such Find."""
_NOWHERE: Final = (0, 0)
_PLACES: Final = {
    _ASKED + bytes((bin_or_str, size)): (_HEAD_BYTES, _HEAD_BYTES + size)
    for bin_or_str in b"\xc4\xd9"
    for size in range(256)
} | {
    _ASKED + bytes((0xA0 | size,)) + b"{": (_HEAD_BYTES - 1, _HEAD_BYTES - 1 + size)
    for size in range(32)
}
"""Where the body begins and ends, by a payload's first bytes: they end with the body's length, or,
where that takes a byte less, with its first."""
FRAME_BYTES_MIN: Final = 4 + _HEAD_BYTES
"""No frame of such a Find is shorter."""
_size: Final = Struct(">I").unpack_from
_ID: Final = re.compile(rb'\{"id": ?"([^"\\\x00-\x1f]+)"\}').fullmatch

_ANSWERED: Final = TASKDASH.reply(HEADER, bytes(256))[4:-258]
"""What the payload of a reply begins with, up to the length of a body of 256 bytes or more."""
_HEAD: Final = Struct(f">I{len(_ANSWERED)}sH")
_HEAD_SIZE: Final = _HEAD.size - 4
_LEAST_BYTES: Final = 256
_PLAIN: Final = reply_body(None, b"{}")[1:]
_END: Final = b"," + _PLAIN
_END_SEEN: Final = b'",' + _PLAIN
_BODY_BYTES_MAX: Final = LITTLE_BYTES - (1 << 10)
"""The reply to a larger one may be refused to who leaves much unread."""

_READY_BYTES: Final = 400
"""About what a frame that is kept takes beside itself, its payload and its task."""
_TAKEN_IN: Final = 16


def parse(payload: bytes) -> Find | None:
    """Parse a payload of our framing if it is the plainest Find; else give None."""
    if payload[:_ASKED_BYTES] != _ASKED or (task_id := _id_in(payload)) is None:
        return None
    try:
        return Find.parse({"id": task_id})
    except BadRequest:
        return None


def _id_in(payload: bytes) -> str | None:
    """Give the id that stands alone in the body of a payload that begins with `_ASKED`."""
    begin, end = _PLACES.get(payload[:_HEAD_BYTES], _NOWHERE)
    if end != len(payload) or (asked := _ID(payload, begin)) is None:
        return None
    try:
        return asked[1].decode()
    except UnicodeDecodeError:
        return None


def is_asked(data: bytes | bytearray, at: int) -> bool:
    """Tell whether a frame that begins at a place of a peer's bytes may be the plainest Find."""
    return data[at + 4 : at + 4 + _ASKED_BYTES] == _ASKED


class _Ready(NamedTuple):
    frame: bytes
    task_id: str
    found: Task | bytes
    owner: Owner | None
    last_seen: float


class Finds:
    """See the module. Frames are kept for who asks the same again: such a Find decodes nothing."""

    def __init__(self, core: Core, ready_bytes_max: int) -> None:
        self._look = core.view.look
        self._pending = core.view.pending
        self._keeps_alive = core.ownership.keeps_alive
        self._clock = core.clock
        self._ready: OrderedDict[bytes, _Ready] = OrderedDict()
        """By payload."""
        self._ready_bytes = 0
        self._ready_bytes_max = ready_bytes_max
        self._turned_away = 0
        self._turns = core.clock.turns

    def answer(self, payload: bytes) -> bytes | None:
        """Give the frame that answers a payload as of now; None where it is to be parsed and run.

        Who asks must speak our framing, and be one who sees every task.
        """
        if payload[:_ASKED_BYTES] != _ASKED or len(payload) > _PAYLOAD_BYTES_MAX:
            return None
        if self._turns != self._clock.turns:
            # The same sign of life has another text now.
            self._forget()
        if (ready := self._ready.get(payload)) is not None:
            frame, task_id, found, owner, last_seen = ready
            if (
                self._look(task_id) is found
                and task_id not in self._pending
                and self._keeps_alive(task_id, found) is owner
                and (owner is None or owner.last_seen == last_seen)
            ):
                return frame
            self._drop(payload)
        if (asked := _id_in(payload)) is None or (now := self._at_rest(asked)) is None:
            return None
        owner = self._keeps_alive(asked, now)
        body = self._body(now, owner)
        if body is None or (size := len(body)) < _LEAST_BYTES:
            return None
        frame = _HEAD.pack(_HEAD_SIZE + size, _ANSWERED, size) + body
        last_seen = 0.0 if owner is None else owner.last_seen
        self._keep(payload, _Ready(frame, asked, now, owner, last_seen))
        return frame

    def answer_some(
        self, data: bytes | bytearray, at: int, most: int, bytes_max: int, frames: list[bytes]
    ) -> int:
        """Answer the frames that stand one after another from a place of a peer's bytes on.

        Puts the answers into `frames`, no more than `most` and little more than `bytes_max`. Gives
        the place of the first that is not whole, or that `answer` leaves.
        """
        arrived, answer = len(data), self.answer
        while most > 0 and bytes_max > 0 and arrived >= (head := at + 4):
            (size,) = _size(data, at)
            end = head + size
            if end > arrived or size > _PAYLOAD_BYTES_MAX:
                break
            frame = answer(bytes(data[head:end]))
            if frame is None:
                break
            frames.append(frame)
            most -= 1
            bytes_max -= len(frame)
            at = end
        return at

    def body(self, task_id: str) -> bytes | None:
        """Give the body of the reply to who sees every task; None where Find is to be run."""
        found = self._at_rest(task_id)
        return None if found is None else self._body(found, self._keeps_alive(task_id, found))

    def _at_rest(self, task_id: str) -> Task | bytes | None:
        """Give a task that is in memory, with nothing that waits to change it."""
        return None if task_id in self._pending else self._look(task_id)

    def _body(self, found: Task | bytes, owner: Owner | None) -> bytes | None:
        if isinstance(found, bytes):
            text, at = found, kept.place(found)
        else:
            text, at = found.body, 0
        if len(text) >= _BODY_BYTES_MAX:
            return None
        seen = b"" if owner is None else self._clock.stamp_of(owner.last_seen).encode()
        is_newer = seen > text[LAST_SEEN_AT:-2]
        body = text[at : LAST_SEEN_AT if is_newer else -1]
        if at:
            body = kept.whole(body)
        return b"".join((body, seen, _END_SEEN)) if is_newer else body + _END

    def _keep(self, payload: bytes, ready: _Ready) -> None:
        cost = _cost(payload, ready.frame)
        if self._ready_bytes + cost > self._ready_bytes_max:
            # Replace only now and then: who asks in turn for more than fits would else find each
            # just dropped.
            self._turned_away += 1
            if self._turned_away % _TAKEN_IN or cost > self._ready_bytes_max:
                return
            while self._ready_bytes + cost > self._ready_bytes_max:
                self._drop(next(iter(self._ready)))
        self._ready[payload] = ready
        self._ready_bytes += cost

    def _forget(self) -> None:
        self._ready.clear()
        self._ready_bytes = 0
        self._turns = self._clock.turns

    def _drop(self, payload: bytes) -> None:
        self._ready_bytes -= _cost(payload, self._ready.pop(payload).frame)


def _cost(payload: bytes, frame: bytes) -> int:
    # Count the body twice: the view may have dropped the task, and then the entry alone holds it.
    return len(payload) + 2 * len(frame) + _READY_BYTES
