"""Frames of websockets (RFC 6455): those of a browser read one at a time, those for it written.

Frames are read here, not by wsproto, so that each counts: a message may come in any number of
fragments, with pings between them. A server's frames are not masked (5.1): so a frame for many
boards is the same bytes for all.
"""

from struct import Struct
from typing import Final, NamedTuple

from wsproto.frame_protocol import CloseReason, FrameProtocol

_TEXT, _BYTES, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_CONTINUATION: Final = 0
_CONTROL_BYTES_MAX: Final = 125
_U16: Final = Struct(">H")
_U64: Final = Struct(">Q")

_TEXT_HEAD: Final = 0x80 | _TEXT
"""The first byte of a text message in one frame."""
# Without extensions a frame depends on nothing that was sent before it.
_CONTROL: Final = FrameProtocol(client=False, extensions=[])


class Text(NamedTuple):
    """A whole message of a browser."""

    data: bytes


class Ping(NamedTuple):
    """A ping, to be answered by a pong with the same data."""

    data: bytes


class Aside(NamedTuple):
    """A frame that asks nothing: a pong, or a fragment that does not end its message."""


class Closed(NamedTuple):
    """The end of the stream: the browser's close frame or its fault, with the code to answer."""

    code: int | None
    """None where the browser's close frame had none."""
    why: str


Payload = Text | Ping | Aside | Closed


class FrameError(Exception):
    """Ends the stream: the code and the words of the close frame that says why."""

    def __init__(self, why: str, code: CloseReason = CloseReason.PROTOCOL_ERROR) -> None:
        super().__init__(why)
        self.closed = Closed(code, why)


class _Head(NamedTuple):
    """The head of a frame."""

    opcode: int
    is_last: bool
    body_at: int
    """Where the frame's data begins, behind its mask."""
    size: int


class MessageDecoder:
    """Takes bytes as they come, and gives out what they are: a `Decoder` for an inbox."""

    def __init__(self, message_bytes_max: int) -> None:
        self.frame_bytes_max = message_bytes_max
        self._data = bytearray()
        self._position = 0
        self._message = bytearray()
        """What has come of a message in fragments."""
        self._opcode = _CONTINUATION
        """The opcode of the message that is unfinished; `_CONTINUATION` where none is."""
        self._head: _Head | None = None
        """The head of the next frame, once it is there."""
        self._fault: Closed | None = None
        self._has_ended = False
        self.messages_in = 0
        """How many messages and control frames have come, each whole, and not within a message."""

    def feed(self, data: bytes) -> None:
        """Add bytes from the stream."""
        if self._has_ended:
            return
        del self._data[: self._position]
        self._position, self._head = 0, None
        self._data += data

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait here, of an unfinished message too."""
        return len(self._data) - self._position + len(self._message)

    @property
    def has_frame(self) -> bool:
        """Whether `next_payload` would give something."""
        if self._has_ended or (self._fault is None and len(self._data) == self._position):
            return False
        head = self._look()
        if self._fault is not None:
            return True
        return head is not None and len(self._data) - head.body_at >= head.size

    @property
    def has_partial(self) -> bool:
        """Whether a frame or a message was begun that is yet to be completed.

        A message stays unfinished whatever frames of it, or between them, have come.
        """
        if self._has_ended:
            return False
        if self._opcode != _CONTINUATION:
            return True
        return len(self._data) > self._position and not self.has_frame

    @property
    def whole_frames(self) -> int:
        """How many whole frames wait here: one, or none. A board's silence is not judged."""
        return int(self.has_frame)

    def next_payload(self) -> Payload | None:
        """Take the next whole frame; None until more bytes come. After a `Closed` comes no more."""
        if not self.has_frame:
            return None
        payload: Payload
        try:
            payload = self._fault or self._take()
        except FrameError as fault:
            payload = fault.closed
        if isinstance(payload, Closed):
            self._has_ended = True
            self._data, self._message, self._position = bytearray(), bytearray(), 0
        elif self._opcode == _CONTINUATION:
            self.messages_in += 1
        return payload

    def _look(self) -> _Head | None:
        """Give the head of the next frame; None if it has not come, or if it is wrong."""
        if self._head is None and self._fault is None:
            try:
                self._head = self._read_head()
            except FrameError as fault:
                self._fault = fault.closed
        return self._head

    def _read_head(self) -> _Head | None:
        data, at = self._data, self._position
        if len(data) - at < 2:
            return None
        first, second = data[at], data[at + 1]
        opcode, is_last, size = first & 0x0F, bool(first & 0x80), second & 0x7F
        if opcode not in (_CONTINUATION, _TEXT, _BYTES, _CLOSE, _PING, _PONG):
            raise FrameError(f"Invalid opcode {opcode:#x}")
        if opcode >= _CLOSE and not is_last:
            raise FrameError("Invalid attempt to fragment control frame")
        if opcode >= _CLOSE and size > _CONTROL_BYTES_MAX:
            raise FrameError("Control frame with payload len > 125")
        if first & 0x70:
            raise FrameError("Reserved bit set unexpectedly")
        if not second & 0x80:
            raise FrameError("server received unexpected unmasked frame")
        at += 2
        if size > _CONTROL_BYTES_MAX:
            form = _U16 if size == 126 else _U64
            if len(data) - at < form.size:
                return None
            short = 125 if size == 126 else 0xFFFF
            (size,) = form.unpack_from(data, at)
            if size <= short:
                raise FrameError("Payload length in more bytes than it needs")
            at += form.size
        if opcode < _CLOSE:
            self._check(opcode, size)
        return _Head(opcode, is_last, at + 4, size) if len(data) - at >= 4 else None

    def _check(self, opcode: int, size: int) -> None:
        if opcode == _CONTINUATION:
            if self._opcode == _CONTINUATION:
                raise FrameError("unexpected CONTINUATION")
        elif self._opcode != _CONTINUATION:
            raise FrameError("expected CONTINUATION")
        elif opcode == _BYTES:
            raise FrameError("only text is spoken here", CloseReason.UNSUPPORTED_DATA)
        if len(self._message) + size > self.frame_bytes_max:
            raise FrameError("the message is too long", CloseReason.MESSAGE_TOO_BIG)

    def _take(self) -> Payload:
        """Take the frame whose head was read, and which is whole."""
        head, self._head = self._head, None
        assert head is not None
        end = head.body_at + head.size
        mask = bytes(self._data[head.body_at - 4 : head.body_at])
        body = _unmasked(bytes(self._data[head.body_at : end]), mask)
        if end == len(self._data):
            # Let the buffer go: an idle board must not hold the memory of its last burst.
            self._data, self._position = bytearray(), 0
        else:
            self._position = end
        if head.opcode == _PING:
            return Ping(body)
        if head.opcode == _PONG:
            return Aside()
        if head.opcode == _CLOSE:
            return _closed(body)
        if not head.is_last:
            self._opcode = self._opcode or head.opcode
            self._message += body
            return Aside()
        if self._opcode != _CONTINUATION:
            body = bytes(self._message + body)
            self._message, self._opcode = bytearray(), _CONTINUATION
        return Text(_checked(body))


def text_frame(*message: bytes) -> bytes:
    """Encode a text message, given in pieces, as a frame."""
    # Join the pieces once, and read none of them: a burst is told in messages of a megabyte.
    size = sum(map(len, message))
    if size <= _CONTROL_BYTES_MAX:
        head = bytes((_TEXT_HEAD, size))
    elif size <= 0xFFFF:
        head = bytes((_TEXT_HEAD, 126)) + _U16.pack(size)
    else:
        head = bytes((_TEXT_HEAD, 127)) + _U64.pack(size)
    return b"".join((head, *message))


def ping_frame() -> bytes:
    """Encode a ping."""
    return bytes(_CONTROL.ping())


def pong_frame(data: bytes) -> bytes:
    """Encode a pong."""
    return bytes(_CONTROL.pong(data))


def close_frame(code: int | None, why: str) -> bytes:
    """Encode a close frame; without a code it is empty."""
    return bytes(_CONTROL.close(code, why or None) if code is not None else _CONTROL.close())


def _unmasked(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    if mask == b"\0\0\0\0" or not size:
        return data
    key = (mask * (size // 4 + 1))[:size]
    # One operation on large integers: a loop over the bytes would take a hundred times as long.
    both = int.from_bytes(data, "little") ^ int.from_bytes(key, "little")
    return both.to_bytes(size, "little")


def _checked(text: bytes) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise FrameError(str(error), CloseReason.INVALID_FRAME_PAYLOAD_DATA) from None
    return text


def _closed(body: bytes) -> Closed:
    """Read a close frame. Raises `FrameError`."""
    if not body:
        return Closed(None, "")
    if len(body) == 1:
        raise FrameError("CLOSE with 1 byte payload")
    (code,) = _U16.unpack_from(body)
    # The codes that may be sent: RFC 6455, 7.4, and those registered since (1012 to 1014).
    if not (3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))):
        raise FrameError("CLOSE with invalid code")
    return Closed(code, _checked(body[2:]).decode())
