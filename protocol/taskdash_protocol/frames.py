"""Frames: an incremental decoder, and the two framings behind it (wire contract, "Frame").

    decoder = Decoder()
    decoder.feed(bytes_from_the_socket)
    while (message := decoder.next()) is not None:
        ...                      # a Message, or a Malformed that keeps its turn
    # FrameError: the stream is lost

A payload that is well framed but wrong comes out as a value, `Malformed`, because it is answered
in its turn and the connection goes on. Only a length that cannot be trusted is an exception.

The decoder never reserves memory for a length that was merely announced: it holds the bytes that
have arrived, no more.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple, Protocol

import msgpack

from taskdash_protocol import foreign, strictjson, strictpack
from taskdash_protocol.errors import BadRequest, FrameError
from taskdash_protocol.strictpack import HEADER_ENTRIES_MAX

FRAME_BYTES_MAX: Final = 1 << 20
"""Default limit for the length field of a frame."""

REQUEST: Final = 2
"""MessageID of a request, and of a reply in our framing."""
EVENT: Final = 3
"""MessageID of a message that the daemon sends unasked: an event, or Bye."""
HEARTBEAT: Final = 1392
"""MessageID of a heartbeat, in both framings."""
TCPX_REPLY: Final = 4
"""MessageID of a reply in the original framing."""
TCPX_TOKEN: Final = 1393
"""MessageID that carries a token in the original framing."""
_NO_REQUEST: Final = (HEARTBEAT, TCPX_TOKEN)

_CACHED_MAX: Final = 32
_HEAD_BYTES: Final = 128
_SCALARS: Final = (str, bytes, int, float, bool, type(None))

_U32: Final = Struct(">I")
_TCPX_HEAD: Final = Struct(">III")
_SEQ_AND_BODY: Final = Struct(">BHBH")
_LONG_SEQ_AND_BODY: Final = Struct(">BIBH")


class Message(NamedTuple):
    """A whole frame. `body` is JSON text that nobody has parsed yet, or None for nil."""

    message_id: int
    header: dict[str, Any] | None
    body: bytes | None
    encoded_twice: bool = False
    """The body was a JSON string holding the object (original framing); the reply's must be too."""


class Malformed(NamedTuple):
    """A whole frame with a wrong payload: the error to answer, and the header if it was read."""

    error: BadRequest
    header: dict[str, Any] | None = None


class Framing(Protocol):
    """How one of the two framings turns payloads into messages, and messages into frames."""

    name: str
    heartbeat: bytes
    heartbeat_payload: bytes
    """The heartbeat's frame without its length."""

    def decode(self, payload: bytes) -> Message | Malformed:
        """Read a payload (what follows the length)."""

    def request(self, header: Mapping[str, Any], body: bytes | None) -> bytes:
        """Build the frame of a request."""

    def reply(
        self, header: Mapping[str, Any], body: bytes | None, *, encoded_twice: bool = False
    ) -> bytes:
        """Build the frame of a reply; `body` is the JSON text of an object."""

    def event(self, header: Mapping[str, Any], body: bytes) -> bytes:
        """Build the frame of a message that the daemon sends unasked."""

    def beat(self, header: Mapping[str, Any]) -> bytes:
        """Build the frame of a heartbeat that has a header: one with Seq, or its echo."""


def echo(header: Mapping[str, Any] | None) -> dict[str, Any]:
    """Pick out of a request's header what its reply repeats: `RequestID` and `Seq`.

    Wrongly typed values are left out, not refused: error replies echo too. See `check_header`.
    """
    if not header:
        return {}
    kept: dict[str, Any] = {}
    request_id = header.get("RequestID")
    if type(request_id) is str:
        kept["RequestID"] = request_id
    if "Seq" in header and type(header["Seq"]) in _SCALARS:
        kept["Seq"] = header["Seq"]
    return kept


def check_header(header: Mapping[str, Any] | None) -> None:
    """Raise `BadRequest` if the header's `Seq` is not a scalar."""
    if header and "Seq" in header and type(header["Seq"]) not in _SCALARS:
        raise BadRequest("header Seq must be a scalar: a string, a number, a boolean, bytes or nil")


class MsgpackFraming:
    """TaskDash's own framing: the payload is a MessagePack array `[MessageID, header, body]`."""

    name = "taskdash"
    heartbeat = bytes.fromhex("000000 06 93 cd0570 c0 c0")
    heartbeat_payload = heartbeat[_U32.size :]

    def decode(self, payload: bytes) -> Message | Malformed:
        """Read a payload; see `Framing.decode`."""
        try:
            parts = strictpack.loads(payload)
        except BadRequest as error:
            return Malformed(error)
        if type(parts) is not list or len(parts) != 3:
            return Malformed(BadRequest("the payload must be an array of exactly three elements"))
        message_id, header, body = parts
        fault = _header_fault(header)
        if fault:
            return Malformed(BadRequest(fault))
        if type(message_id) is not int:
            return Malformed(BadRequest("the MessageID must be an integer"), header)
        if type(body) is str:
            body = body.encode()
        elif body is not None and type(body) is not bytes:
            return Malformed(BadRequest("the body must be bin, str or nil"), header)
        return Message(message_id, header, body)

    def request(self, header: Mapping[str, Any], body: bytes | None) -> bytes:
        """Build the frame of a request."""
        return self._frame(b"\x93\x02", header, body)

    def numbered(self, request_id: str, seq: int, body: bytes) -> bytes:
        """Build what `request` does of RequestID and Seq, in that order: the same, but faster."""
        size = len(body)
        if not (0xFF < seq <= 0xFFFFFFFF and 0xFF < size <= 0xFFFF):
            return self.request({"RequestID": request_id, "Seq": seq}, body)
        packed = _pack_until_seq(request_id)
        if seq > 0xFFFF:
            packed += _LONG_SEQ_AND_BODY.pack(0xCE, seq, 0xC5, size)
        else:
            packed += _SEQ_AND_BODY.pack(0xCD, seq, 0xC5, size)
        return b"".join((_U32.pack(len(packed) + size), packed, body))

    def reply(
        self, header: Mapping[str, Any], body: bytes | None, *, encoded_twice: bool = False
    ) -> bytes:
        """Build the frame of a reply; bodies of this framing are never encoded twice."""
        return self._frame(b"\x93\x02", header, body)

    def event(self, header: Mapping[str, Any], body: bytes) -> bytes:
        """Build the frame of an event."""
        return self._frame(b"\x93\x03", header, body)

    def beat(self, header: Mapping[str, Any]) -> bytes:
        """Build the frame of a heartbeat with a header."""
        return self._frame(b"\x93\xcd\x05\x70", header, None)

    @staticmethod
    def _frame(start: bytes, header: Mapping[str, Any], body: bytes | None) -> bytes:
        request_id = header.get("RequestID")
        if len(header) == 1 and type(request_id) is str and len(request_id) <= _CACHED_MAX:
            # Take the packed header from a cache: most hold only a RequestID, one of few.
            packed = start + _pack_request_id(request_id)
        else:
            packed = start + msgpack.packb(header)
        if body is None:
            return _U32.pack(len(packed) + 1) + packed + b"\xc0"
        size = len(body)
        if size < 1 << 8:
            packed += b"\xc4" + size.to_bytes(1, "big")
        elif size < 1 << 16:
            packed += b"\xc5" + size.to_bytes(2, "big")
        else:
            packed += b"\xc6" + size.to_bytes(4, "big")
        return b"".join((_U32.pack(len(packed) + size), packed, body))


class TcpxFraming:
    """The original framing, of Go's tcpx: MessageID, two lengths, then header and body in JSON."""

    name = "tcpx"
    heartbeat = bytes.fromhex("00000010 00000570 00000004 00000000") + b"null"
    heartbeat_payload = heartbeat[_U32.size :]

    def decode(self, payload: bytes) -> Message | Malformed:
        """Read a payload; see `Framing.decode`."""
        if len(payload) < _TCPX_HEAD.size:
            return Malformed(BadRequest("the frame is too short for its three length fields"))
        message_id, header_size, body_size = _TCPX_HEAD.unpack_from(payload)
        body_at = _TCPX_HEAD.size + header_size
        if body_at + body_size != len(payload):
            return Malformed(
                BadRequest("header length and body length do not add up to the frame's length")
            )
        header: dict[str, Any] | None = None
        try:
            text = payload[_TCPX_HEAD.size : body_at]
            if text.strip() not in (b"", b"null"):
                header = strictjson.loads_object(text, "header")
                if len(header) > HEADER_ENTRIES_MAX:
                    raise BadRequest(f"the header has more than {HEADER_ENTRIES_MAX} entries")  # noqa: TRY301
            body = payload[body_at:] if body_size else None
            if body is None or message_id in _NO_REQUEST or body.lstrip()[:1] != b'"':
                return Message(message_id, header, body)
            return Message(message_id, header, strictjson.loads(body).encode(), encoded_twice=True)
        except BadRequest as error:
            return Malformed(error, header)

    def request(self, header: Mapping[str, Any], body: bytes | None) -> bytes:
        """Build the frame of a request."""
        return self._frame(REQUEST, header, body)

    def reply(
        self, header: Mapping[str, Any], body: bytes | None, *, encoded_twice: bool = False
    ) -> bytes:
        """Build the frame of a reply, its body wrapped in a JSON string if the request's was."""
        if encoded_twice and body is not None:
            body = strictjson.dumps(body.decode())
        return self._frame(TCPX_REPLY, header, body)

    def event(self, header: Mapping[str, Any], body: bytes) -> bytes:
        """Build the frame of an event."""
        return self._frame(EVENT, header, body)

    def beat(self, header: Mapping[str, Any]) -> bytes:
        """Build the frame of a heartbeat with a header."""
        return self._frame(HEARTBEAT, header, None)

    @staticmethod
    def _frame(message_id: int, header: Mapping[str, Any], body: bytes | None) -> bytes:
        head = strictjson.dumps(header)
        body = body or b""
        lengths = _TCPX_HEAD.pack(message_id, len(head), len(body))
        return b"".join((_U32.pack(len(lengths) + len(head) + len(body)), lengths, head, body))


TASKDASH: Final = MsgpackFraming()
TCPX: Final[Framing] = TcpxFraming()

_BEAT: Final = Message(HEARTBEAT, None, None)


class Decoder:
    """Takes bytes as they come and gives out whole frames, in either framing.

    The first frame's fifth byte decides the framing for the decoder's whole life: `framing` is
    None until then, unless the caller chose it beforehand (a client knows its own framing).
    """

    __slots__ = ("_data", "_position", "frame_bytes_max", "framing")

    def __init__(
        self, frame_bytes_max: int = FRAME_BYTES_MAX, framing: Framing | None = None
    ) -> None:
        self.frame_bytes_max = frame_bytes_max
        self.framing = framing
        self._data: bytes | bytearray = b""
        self._position = 0

    def feed(self, data: bytes) -> None:
        """Add bytes from the stream."""
        if self._position == len(self._data):
            self._data = data
        else:
            if type(self._data) is bytearray:
                del self._data[: self._position]
            else:
                # Copy only when a frame comes in parts: appending to a bytearray is then cheap.
                self._data = bytearray(memoryview(self._data)[self._position :])
            self._data += data
        self._position = 0

    def next(self) -> Message | Malformed | None:
        """Take the next whole frame, or None until more bytes come.

        Raises `FrameError` as `next_payload` does.
        """
        payload = self.next_payload()
        return None if payload is None else self.decode(payload)

    def decode(self, payload: bytes) -> Message | Malformed:
        """Read a payload that `next_payload` gave."""
        framing = self.framing
        assert framing is not None
        return _BEAT if payload == framing.heartbeat_payload else framing.decode(payload)

    def next_payload(self) -> bytes | None:
        """Take the payload of the next whole frame, or None until more bytes come.

        Raises `FrameError` where the length is 0 or above the limit, as soon as its four bytes are
        there, and again at every later call.
        """
        data, start = self._data, self._position + 4
        arrived = len(data)
        if arrived < start:
            return None
        (length,) = _U32.unpack_from(data, start - 4)
        if not 0 < length <= self.frame_bytes_max:
            why = f"a frame of {length} bytes: the length must be 1 to {self.frame_bytes_max}"
            if self.framing is None and (who := foreign.of_client(self.head)):
                why = f"{why}; {who}"
            raise FrameError(why, self.head)
        end = start + length
        if self.framing is None:
            if arrived == start:
                return None
            self.framing = TCPX if data[start] == 0 else TASKDASH
        if arrived < end:
            return None
        payload = data[start:end] if type(data) is bytes else bytes(data[start:end])
        if arrived == end:
            # Let the buffer go: an idle connection must not hold the memory of its last burst.
            self._data, self._position = b"", 0
        else:
            self._position = end
        return payload

    @property
    def unread(self) -> tuple[bytes | bytearray, int]:
        """What waits here, and the place where it begins: for who reads whole frames itself."""
        return self._data, self._position

    def go_to(self, position: int) -> None:
        """Take the frames before a place of `unread` for read."""
        if position == len(self._data):
            self._data, self._position = b"", 0
        else:
            self._position = position

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait here: whole frames not yet taken and the beginning of another."""
        return len(self._data) - self._position

    @property
    def head(self) -> bytes:
        """The first bytes of what waits here: enough to know another protocol by."""
        return bytes(self._data[self._position : self._position + _HEAD_BYTES])

    @property
    def whole_frames(self) -> int:
        """How many whole frames wait here; counting takes longer the more there are."""
        data, start, count = self._data, self._position, 0
        while len(data) - start >= 4:
            (length,) = _U32.unpack_from(data, start)
            start += 4 + length
            if not 0 < length <= self.frame_bytes_max or start > len(data):
                break
            count += 1
        return count

    @property
    def has_frame(self) -> bool:
        """Whether `next` would give a frame or raise."""
        start = self._position
        if len(self._data) - start < 4:
            return False
        (length,) = _U32.unpack_from(self._data, start)
        return not 0 < length <= self.frame_bytes_max or len(self._data) - start - 4 >= length


def _header_fault(header: object) -> str | None:
    if header is None:
        return None
    if type(header) is not dict:
        return "the header must be a map or nil"
    for key in header:
        if type(key) is not str:
            return "the header's keys must be strings"
    return None


@lru_cache(maxsize=64)
def _pack_request_id(request_id: str) -> bytes:
    packed: bytes = msgpack.packb({"RequestID": request_id})
    return packed


@lru_cache(maxsize=64)
def _pack_until_seq(request_id: str) -> bytes:
    packed: bytes = msgpack.packb({"RequestID": request_id, "Seq": 0})
    # The last byte is the number.
    return b"\x93\x02" + packed[:-1]
