"""What a peer has sent: bytes, then frames, then the requests that wait to be done, in order.

Bounded: no more is parsed while a batch waits, and no more should be read from the peer while
`is_full`.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from taskdash_protocol.errors import BadRequest, Busy, FrameError, ServerError
from taskdash_protocol.frames import TASKDASH, Decoder, Framing
from taskdashd.core.session import TOO_MANY, Session
from taskdashd.server.calls import Call, Lost, parse

FRAME_BYTES_MAX_UNSIGNED: Final = 64 << 10
"""The largest length of a frame of a peer that has yet to sign in."""
REQUESTS_MAX: Final = 256
BYTES_MAX: Final = 64 << 10
BUFFERED_BYTES_MAX: Final = 128 << 10
"""Bytes not yet taken as frames, beyond which no more are read while the inbox is stopped."""

_BEHIND_BYTES: Final = 32 << 10
_LATE: Final = Busy("more is asked of the daemon than it can do: try again later")
_TOO_MANY: Final = Busy(TOO_MANY)


class InboxLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    max_frame: int
    queue_timeout: float


class Inbox:
    """See the module. Whole frames of a session's peer are a sign of its life."""

    def __init__(self, limits: InboxLimits, session: Session, now: Callable[[], float]) -> None:
        self._limits = limits
        self._session = session
        self._now = now
        self._decoder = Decoder(min(limits.max_frame, FRAME_BYTES_MAX_UNSIGNED))
        self._behind_since: float | None = None
        """Since when there has been more than could be done at once."""
        self._more = False
        self._sheds = False
        """Whether nothing of what comes is done: it has waited for too long already."""
        self._calls: deque[Call] = deque()
        self._bytes = 0
        self._ahead = 0
        self.frames_in = 0
        """How many frames were taken."""

    def __bool__(self) -> bool:
        """Whether a request waits to be done."""
        return bool(self._calls)

    @property
    def framing(self) -> Framing:
        """What the peer speaks; ours until it has said."""
        return self._decoder.framing or TASKDASH

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait to be parsed or to become a whole frame."""
        return self._decoder.buffered_bytes

    @property
    def is_full(self) -> bool:
        """Whether so much has come that more should be left with the peer."""
        decoder = self._decoder
        if decoder.buffered_bytes < BUFFERED_BYTES_MAX:
            return False
        return bool(self._calls) or decoder.has_frame

    @property
    def has_work(self) -> bool:
        """Whether a request waits to be done, or a whole frame to be parsed."""
        return bool(self._calls) or self._decoder.has_frame

    @property
    def has_partial_frame(self) -> bool:
        """Whether a frame was begun that the peer has yet to complete."""
        return self._decoder.buffered_bytes > 0 and not self._decoder.has_frame

    @property
    def has_unread_frame(self) -> bool:
        """Whether a whole frame has arrived that was not looked at yet."""
        return self._decoder.has_frame

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._behind_since is not None and not self._more and not self._holds_much:
            self._caught_up()
        self._decoder.feed(data)

    def note_delay(self, *, more: bool, excused: bool) -> None:
        """See since when requests have waited for their turn: not for longer than a time.

        After that all are refused until none waits any more. `more` says that others wait in the
        socket; `excused`, that they wait for the peer itself to read.
        """
        self._more = more
        if excused or not (more or self._holds_much):
            self._caught_up()
            return
        now = self._now()
        if self._behind_since is None:
            self._behind_since = now
        late = now - self._behind_since > self._limits.queue_timeout
        self._sheds = self._sheds or (late and not self._session.is_local)

    @property
    def _holds_much(self) -> bool:
        # A few requests always under way are no backlog.
        return self._bytes + self._decoder.buffered_bytes >= _BEHIND_BYTES

    def _caught_up(self) -> None:
        self._behind_since = None
        self._sheds = False

    def _heard(self) -> None:
        self._session.owner.last_seen = self._now()

    def listen(self) -> None:
        """Look whether more whole frames have come, while none of them may be taken."""
        ahead = self._decoder.whole_frames
        if ahead > self._ahead:
            self._heard()
        self._ahead = ahead

    def parse_one(self, known: Callable[[bytes], bool]) -> bool:
        """Parse the next frame, if there is a whole one and room for it; tell whether there was.

        `known` may answer a payload itself where nothing waits before it, and says so.
        """
        if len(self._calls) >= REQUESTS_MAX or self._bytes >= BYTES_MAX:
            return False
        try:
            if self._decoder.frame_bytes_max < self._limits.max_frame and self._session.identity:
                self._decoder.frame_bytes_max = self._limits.max_frame
            payload = self._decoder.next_payload()
        except FrameError as error:
            self.refuse_rest(BadRequest(str(error)))
            return False
        if payload is None:
            return False
        self.frames_in += 1
        self._ahead = 0
        if not self._calls:
            # The others of a batch have come at the same moment.
            self._heard()
        refusal = None
        if self._sheds:
            refusal = _LATE
        elif not self._session.may_ask():
            refusal = _TOO_MANY
        # What waits here may change what is asked for.
        if self._calls or refusal is not None or not known(payload):
            call = parse(payload, self._decoder)
            if call is not None:
                call.answer = call.answer or refusal
                self._calls.append(call)
                self._bytes += call.size
        return True

    def refuse_rest(self, error: ServerError, *, reply: bool = True) -> None:
        """End the stream here: what came before is still done, then the connection ends."""
        if not self._calls or not isinstance(self._calls[-1], Lost):
            if reply:
                self._calls.append(Call({}, answer=error))
            self._calls.append(Lost({}, answer=error))

    def first(self) -> Call:
        """Give the request that is next."""
        return self._calls[0]

    def pop(self) -> Call:
        """Take the request that is next."""
        call = self._calls.popleft()
        self._bytes -= call.size
        return call

    def task_ids(self, most: int) -> list[str]:
        """Name the tasks that the next requests are about."""
        ids = [call.task_id for call in self._calls if call.task_id is not None]
        return ids[:most]

    def clear(self) -> None:
        """Forget what was not begun."""
        self._calls.clear()
        self._bytes = 0
