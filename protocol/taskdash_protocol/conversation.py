"""The client's half of a connection, without I/O: requests and their replies, heartbeats, events.

    talk = Conversation("backup/1.2")
    send(talk.hello(now=...))
    seq, frame = talk.ask(Register(...))
    send(frame)
    for said in talk.receive(bytes_from_the_socket, now=...):
        ...                      # Reply, TaskEvent or Bye
    if now >= talk.beat_at:
        send(talk.beat(now=...))

Time is an argument, in seconds of any clock that only grows.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from taskdash_protocol import PROTOCOL_VERSION, errors, strictjson
from taskdash_protocol.errors import BadRequest, ServerError, TaskDashError
from taskdash_protocol.families.connections import Hello
from taskdash_protocol.frames import (
    EVENT,
    FRAME_BYTES_MAX,
    HEARTBEAT,
    REQUEST,
    TASKDASH,
    Decoder,
    Malformed,
    Message,
)
from taskdash_protocol.request import Request

REPLY_BYTES_MAX: Final = 64 << 20
"""The limit for frames from the daemon, whose own limit may be set above FRAME_BYTES_MAX."""

_LENGTH_BYTES: Final = 4

MANY: Final = 100
"""After so many requests on a connection replies are read by msgspec: its import would take longer
than it saves in fewer."""

BEAT_INTERVAL_S: Final = 10.0
"""Seconds from heartbeat to heartbeat until the reply to Hello names the daemon's interval."""


class ProtocolError(TaskDashError):
    """The peer does not speak this protocol, or breaks it."""


class Reply(NamedTuple):
    """The reply to a request: its JSON object, and the error that this stands for, if any."""

    seq: int
    body: dict[str, Any]
    error: ServerError | None


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """A change of a task that a watch told of."""

    watch: int
    rev: int
    kind: str
    """registered, updated, shutdown or recovered."""
    task: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bye:
    """The daemon's announcement that it closes the connection; `error` is the reason."""

    error: ServerError


Said = Reply | TaskEvent | Bye
ReadPlain = Callable[[bytes | bytearray, int], tuple[Sequence[tuple[int, dict[str, Any]]], int]]
"""Reads the plain replies at a place in some bytes; see `replies`."""


class Conversation:
    """The state of a single connection; each later connection needs a `Conversation` of its own."""

    def __init__(self, client: str, token: str = "") -> None:
        self._client = client
        self._token = token
        self._decoder = Decoder(REPLY_BYTES_MAX, TASKDASH)
        self._seq = 0
        self._awaited: dict[int, str] = {}
        self._plain_replies: ReadPlain | None = None
        self._hello_seq = 0
        self.heard_at: float | None = None
        """When the peer last sent a whole frame; at first, when `hello` was called."""
        self.frame_bytes_max = FRAME_BYTES_MAX
        """The length of a frame that the peer takes, as it says in its reply to Hello."""
        self.server = ""
        self.heartbeat_timeout_s = BEAT_INTERVAL_S * 3
        self.beat_interval_s = BEAT_INTERVAL_S
        self.beat_at = 0.0
        """When the next heartbeat must go out."""

    def hello(self, now: float) -> bytes:
        """Give the first frame, which introduces the client, and begin to count silence."""
        self._hello_seq, frame = self.ask(Hello(PROTOCOL_VERSION, self._client, self._token))
        self.heard_at = now
        self.beat_at = now + self.beat_interval_s
        return frame

    def ask(self, request: Request) -> tuple[int, bytes]:
        """Give the frame of a request, and the number by which its reply is known.

        Raises `BadRequest` for what cannot be written as JSON, or is longer than the peer takes.
        """
        seq = self._seq + 1
        frame = TASKDASH.numbered(request.request_id, seq, encode(request))
        if len(frame) - _LENGTH_BYTES > self.frame_bytes_max:
            raise BadRequest(
                f"the request takes {len(frame) - _LENGTH_BYTES} bytes, and the daemon at most"
                f" {self.frame_bytes_max}"
            )
        self._seq = seq
        self._awaited[seq] = request.request_id
        return seq, frame

    def beat(self, now: float) -> bytes:
        """Give a heartbeat with a Seq: the daemon echoes it, so a dead daemon is noticed."""
        self.beat_at = now + self.beat_interval_s
        return TASKDASH.beat({"Seq": 0})

    def is_silent(self, now: float) -> bool:
        """Tell whether nothing was heard for so long that the daemon must be taken for dead."""
        return self.heard_at is not None and now - self.heard_at > self.heartbeat_timeout_s

    def receive(self, data: bytes, now: float) -> list[Said]:
        """Take bytes; give what the daemon said. Raises `ProtocolError`, `FrameError`."""
        decoder = self._decoder
        decoder.feed(data)
        if self._plain_replies is None and self._seq > MANY:
            self._plain_replies = _reader()
        said: list[Said] = []
        try:
            if self._plain_replies is not None:
                self._take_plain(said, now)
            while (payload := decoder.next_payload()) is not None:
                self.heard_at = now
                if (one := self._understand(decoder.decode(payload), now)) is not None:
                    said.append(one)
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"the peer's words make no sense: {error!r}") from error
        return said

    def _take_plain(self, said: list[Said], now: float) -> None:
        """Take the plain replies with which the unread bytes begin: in a pipeline, all of them."""
        assert self._plain_replies is not None
        replies, end = self._plain_replies(*self._decoder.unread)
        self._decoder.go_to(end)
        awaited, hello_seq = self._awaited, self._hello_seq
        for seq, body in replies:
            self.heard_at = now
            if body.get("errid") == 0 and seq != hello_seq and awaited.pop(seq, None) is not None:
                said.append(_new(Reply, (seq, body, None)))
            else:
                said.append(self._answered(seq, body, now))

    def _understand(self, message: Message | Malformed, now: float) -> Said | None:
        if isinstance(message, Malformed):
            raise ProtocolError(f"the peer sent a malformed frame: {message.error}")
        header = message.header or {}
        if message.message_id == HEARTBEAT:
            return None
        try:
            body = strictjson.loads_object(
                message.body or b"{}", depth_max=strictjson.REPLY_DEPTH_MAX
            )
        except ServerError as error:
            raise ProtocolError(f"the peer sent a bad body: {error}") from None
        if message.message_id == EVENT:
            if "Bye" in header:
                return Bye(_error(body))
            return TaskEvent(header.get("Watch", 0), body["rev"], body["kind"], body["task"])
        if message.message_id != REQUEST:
            raise ProtocolError(f"the peer sent MessageID {message.message_id}")
        return self._answered(header.get("Seq"), body, now)

    def _answered(self, seq: object, body: dict[str, Any], now: float) -> Reply:
        refusal = None if body.get("errid") == 0 else _error(body)
        if type(seq) is not int or self._awaited.pop(seq, None) is None:
            # Raise an error that answers no request: it is about the stream as a whole.
            raise refusal or ProtocolError("the peer answered what nobody asked")
        if seq == self._hello_seq and refusal is None:
            self._agree(body, now)
        return Reply(seq, body, refusal)

    def _agree(self, body: dict[str, Any], now: float) -> None:
        self.server = str(body.get("server", ""))
        self.frame_bytes_max = int(body.get("max_frame", FRAME_BYTES_MAX))
        self.heartbeat_timeout_s = float(body["heartbeat_timeout"])
        self.beat_interval_s = float(body["heartbeat_interval"])
        self.beat_at = min(self.beat_at, now + self.beat_interval_s)


def encode(request: Request) -> bytes:
    """Write a request's body. Raises `BadRequest` for what cannot be written as JSON."""
    try:
        body = request.to_body()
        text = strictjson.dumps(body)
    except (TypeError, RecursionError) as error:
        raise BadRequest(f"the fields cannot be written as JSON: {error}") from None
    # orjson writes NaN and infinity as null, without a word: look for them where there is a null.
    # (`bytes in bytes` makes an exception each time; see strictjson.)
    if text.find(b"null") >= 0 and (way := _no_number(body)) is not None:
        raise BadRequest(f"field {'.'.join(way)} is NaN or infinite, which JSON has no number for")
    return text


_new: Final = tuple.__new__
"""Makes a `Reply` in half the time that its class takes."""


@cache
def _reader() -> ReadPlain:
    try:
        from taskdash_protocol.replies import plain_replies
    except ImportError:
        return none_is_plain
    return plain_replies


def none_is_plain(_data: bytes | bytearray, at: int) -> tuple[tuple[()], int]:
    """Stand in where msgspec is not installed."""
    return (), at


def _no_number(value: Any) -> list[str] | None:
    """Give the way to a float that is NaN or infinite; None where there is none."""
    if isinstance(value, float):
        return None if math.isfinite(value) else []
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, list | tuple):
        inside = enumerate(value)
    for name, one in inside:
        if (way := _no_number(one)) is not None:
            return [str(name), *way]
    return None


def _error(body: dict[str, Any]) -> ServerError:
    error = errors.from_reply(
        body.get("errid", -1), str(body.get("errmsg", "")), str(body.get("detail", ""))
    )
    error.cause, values = str(body.get("cause", "")), body.get("values")
    if type(values) is dict:
        error.values = {name: str(value) for name, value in values.items()}
    return error
