"""The input of an exchange: bytes, then frames, then the requests that wait to be done, in order.

How bytes become frames (a *decoder*), and a frame's payload a request (*parse*), is the protocol's:
the wire's frames and a websocket's messages stand in the same inbox. The inbox is bounded: it
parses no more while a batch waits, and the driver must read no more from the peer while `is_full`.
"""

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final, Protocol

from taskdash_protocol.errors import BadRequest, Busy, FrameError, ServerError
from taskdashd.core.session import TOO_MANY, Session
from taskdashd.server.calls import Call, Lost

FRAME_BYTES_MAX_UNSIGNED: Final = 64 << 10
"""The longest frame of a peer that has yet to sign in."""
REQUESTS_MAX: Final = 256
"""Frames in a batch: so many are parsed and done before other connections have their turn."""
BATCH_S: Final = 0.0005
"""A batch is over after so long: a few bytes can ask for much."""
_BATCH_MIN: Final = 16
"""So many requests are done in a batch all the same, and should be one commit, however slow..."""
_BATCH_S_MAX: Final = 0.005
"""... the machine is, but for this: behind the first, since what is done first takes long."""
_LOOKS_AT_CLOCK: Final = 0b1111
"""Frames are parsed until the clock is looked at: refusals, for example, take long to parse."""
BYTES_MAX: Final = 64 << 10
BUFFERED_BYTES_MAX: Final = 128 << 10
"""With so many unparsed bytes no more are read, while requests or a whole frame wait."""

_CALL_BYTES: Final = 700
"""About what a request takes in memory beside its text, however short it is."""
_BEHIND_BYTES: Final = 32 << 10
_LATE: Final = Busy("more is asked of the daemon than it can do: try again later")
ASKED_TOO_MUCH: Final = Busy(TOO_MANY)
"""The refusal of a request that is beyond the request rates."""


class InboxLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    max_frame: int
    queue_timeout: float


class Decoder(Protocol):
    """Takes bytes as they come, and gives out payloads: `frames.Decoder`, or a websocket's."""

    frame_bytes_max: int

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait here."""

    @property
    def has_frame(self) -> bool:
        """Whether `next_payload` would give a payload or raise."""

    @property
    def whole_frames(self) -> int:
        """How many whole frames wait here."""

    def feed(self, data: bytes) -> None:
        """Add bytes from the stream."""

    def next_payload(self) -> Any:
        """Take the payload of the next whole frame; None until more bytes come.

        Raises `FrameError` where the stream is lost.
        """


Parse = Callable[[Any], Call | None]
"""Gives the call that a payload is; None where nothing is to be done or answered."""


class Inbox:
    """See the module. Each whole frame that arrives counts as a sign of life of the session."""

    def __init__(
        self,
        limits: InboxLimits,
        session: Session,
        now: Callable[[], float],
        decoder: Decoder,
        parse: Parse,
        *,
        batch_max: int = REQUESTS_MAX,
        excess: ServerError | None = None,
    ) -> None:
        self._limits = limits
        self._session = session
        self._now = now
        self._decoder = decoder
        self._parse = parse
        self._excess = excess
        """Why the stream ends where a frame that asks nothing is one too many; None: it goes on."""
        self._batch_max = batch_max
        self._batch_end = 0
        """The number of `frames_in` at which the batch is over."""
        self.batch_until = 0.0
        """When the batch has taken as long as it should, by `perf_counter`; 0 until one is done."""
        self._parse_until = 0.0
        self._behind_since: float | None = None
        """Since when a backlog has waited, on the clock of `now`; None while there is none."""
        self._more = False
        self._sheds = False
        """Whether all requests are refused, because the backlog has waited for too long."""
        self.waiting: deque[Call] = deque()
        """The requests that wait to be done, in order; for who looks at it for each request."""
        self._bytes = 0
        self._alone_bytes = 0
        """About how many bytes the request takes that runs alone."""
        self._ahead = 0
        self.frames_in = 0
        """How many frames were taken."""

    def __bool__(self) -> bool:
        """Whether a request waits to be done."""
        return bool(self.waiting)

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait to be parsed or to become a whole frame."""
        return self._decoder.buffered_bytes

    @property
    def parsed_bytes(self) -> int:
        """About how many bytes the requests take that are not done, with one that runs alone."""
        return self._bytes + len(self.waiting) * _CALL_BYTES + self._alone_bytes

    @property
    def is_empty(self) -> bool:
        """Whether neither bytes nor requests are here, nor one that runs alone."""
        return not (self.waiting or self._alone_bytes or self._decoder.buffered_bytes)

    def run_alone(self, size: int) -> None:
        """Count the bytes of a request that runs alone; 0 when it has ended."""
        self._alone_bytes = size

    @property
    def is_full(self) -> bool:
        """Whether so much has come that further bytes should stay in the socket."""
        decoder = self._decoder
        if decoder.buffered_bytes < BUFFERED_BYTES_MAX:
            return False
        return bool(self.waiting) or decoder.has_frame

    @property
    def has_work(self) -> bool:
        """Whether a request waits to be done, or a whole frame to be parsed."""
        return bool(self.waiting) or self._decoder.has_frame

    @property
    def has_partial_frame(self) -> bool:
        """Whether a frame was begun that the peer has yet to complete."""
        return self._decoder.buffered_bytes > 0 and not self._decoder.has_frame

    @property
    def has_unread_frame(self) -> bool:
        """Whether a whole frame has arrived that was not parsed yet."""
        return self._decoder.has_frame

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._behind_since is not None and not self._more and not self._holds_much:
            self._caught_up()
        self._decoder.feed(data)

    def note_delay(self, *, more: bool, excused: bool) -> None:
        """Note since when a backlog has waited; after `queue_timeout` all requests are refused.

        The refusals end once the backlog is gone. `more` says that further bytes wait in the
        socket; `excused`, that the requests wait only for the peer to read its replies.
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
        # Below the threshold lies no backlog, just a peer that always has some requests under way.
        return self._bytes + self._decoder.buffered_bytes >= _BEHIND_BYTES

    def _caught_up(self) -> None:
        self._behind_since = None
        self._sheds = False

    def listen(self) -> None:
        """Count whole frames that have come as a sign of life, while none of them may be parsed."""
        ahead = self._decoder.whole_frames
        if ahead > self._ahead:
            self._session.owner.last_seen = self._now()
        self._ahead = ahead

    def begin_batch(self) -> None:
        """Allow another batch of frames to be parsed."""
        self._batch_end = self.frames_in + self._batch_max
        self.batch_until, self._parse_until = 0.0, perf_counter() + BATCH_S

    def goes_on_until(self, now: float) -> float:
        """Give until when requests are done, once the first of a batch was; 0 where it is over."""
        if not self.batch_until:
            self.batch_until = now + BATCH_S
            return self.batch_until
        done = self._batch_max - (self._batch_end - self.frames_in) - len(self.waiting)
        goes_on = done < _BATCH_MIN and now < self.batch_until - BATCH_S + _BATCH_S_MAX
        return now if goes_on else 0.0

    @property
    def was_cut_short(self) -> bool:
        """Whether the batch ended before the requests and whole frames that are here did."""
        if 0.0 < self.batch_until <= perf_counter():
            return self.has_work
        return self.frames_in >= self._batch_end and not self.waiting and self._decoder.has_frame

    @property
    def _is_late(self) -> bool:
        is_first = self._batch_end - self.frames_in == self._batch_max
        return not is_first and perf_counter() >= (self.batch_until or self._parse_until)

    def parse_one(self, known: Callable[[Any], bool]) -> bool:
        """Parse the next frame, if there is a whole one and room for it; tell whether there was.

        `known` may answer a payload itself where no request waits before it; then it returns True.
        """
        decoder, waiting, session = self._decoder, self.waiting, self._session
        left = self._batch_end - self.frames_in
        if left <= 0 or self._bytes >= BYTES_MAX or (not left & _LOOKS_AT_CLOCK and self._is_late):
            return False
        try:
            if decoder.frame_bytes_max < self._limits.max_frame and session.identity:
                decoder.frame_bytes_max = self._limits.max_frame
            payload = decoder.next_payload()
        except FrameError as error:
            self.refuse_rest(BadRequest(str(error)))
            return False
        if payload is None:
            return False
        self.frames_in += 1
        self._ahead = 0
        if not waiting:
            # Once a batch is enough: all its frames came at the same moment.
            session.owner.last_seen = self._now()
        refusal = None
        if self._sheds:
            refusal = _LATE
        elif not session.may_ask():
            refusal = ASKED_TOO_MUCH
        # Use a known reply only if no request waits: a write among them may change the task.
        if waiting or refusal is not None or not known(payload):
            call = self._parse(payload)
            if call is not None:
                call.answer = call.answer or refusal
                waiting.append(call)
                self._bytes += call.size
            elif refusal is ASKED_TOO_MUCH and self._excess is not None:
                self.refuse_rest(self._excess, reply=False)
        return True

    def beat(self) -> bool:
        """Take a frame that is a sign of life alone, if nothing is before it and rates allow it."""
        if self._sheds or not self.is_empty or not self._session.may_ask():
            return False
        self.frames_in += 1
        self._session.owner.last_seen = self._now()
        return True

    def run_max(self, most: int) -> int:
        """Say how many frames may be taken in a run now, `most` at most."""
        if self.waiting or self._sheds:
            return 0
        return min(most, self._batch_end - self.frames_in)

    def took(self, frames: int) -> None:
        """Count frames that were taken in a run."""
        self.frames_in += frames
        self._ahead = 0
        self._session.owner.last_seen = self._now()
        if perf_counter() >= self._parse_until:
            # The batch has taken as long as it should: what is left is for another turn.
            self._batch_end = self.frames_in

    def refuse_rest(self, error: ServerError, *, reply: bool = True) -> None:
        """End the stream here: requests before are still done, then the connection ends."""
        if not self.waiting or not isinstance(self.waiting[-1], Lost):
            if reply:
                self.waiting.append(Call({}, answer=error))
            self.waiting.append(Lost({}, answer=error))

    def pop(self) -> Call:
        """Take the request that is next."""
        call = self.waiting.popleft()
        self._bytes -= call.size
        return call

    def task_ids(self, most: int) -> list[str]:
        """Name the tasks that the next requests are about."""
        ids = [call.task_id for call in self.waiting if call.task_id is not None]
        return ids[:most]

    def clear(self) -> None:
        """Drop the requests that were not begun."""
        self.waiting.clear()
        self._bytes = 0
