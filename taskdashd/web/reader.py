"""One request as its bytes come, and the bytes of its response; h11 reads what is not plain.

A head is fed to h11 whole and a body in pieces, so that no bytes of a peer take long at once. Each
request has an h11 of its own: one that has met an error cannot be brought back.

A plain head (`_PLAIN`: a GET or HEAD that can have no body) is read without h11, and what is sent
is written without it: h11 takes 90 us of the processor for a request, and these ways 10.
"""

import re
from enum import Enum
from http import HTTPStatus
from typing import Final, NamedTuple

import h11

from taskdashd.web.messages import Headers, Refused, Response

HEAD_BYTES_MAX: Final = 16 << 10
HEADERS_MAX: Final = 128
_LINE_BYTES_MAX: Final = 2 << 10
"""The longest line before a chunk, and the most bytes of trailers."""
_CHUNKS_FREE: Final = 256
_CHUNK_BYTES_MIN: Final = 64
"""A body of more than `_CHUNKS_FREE` chunks must have so many bytes in each, on average."""
_PIECE_BYTES: Final = 64 << 10
_CHUNKED_PIECE_BYTES: Final = 1 << 10
"""h11 takes some 6 us for a chunk: so much of the smallest is a millisecond."""
# As h11 finds the end of a head (RFC 9112, 2.2: a bare LF may end a line).
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_PLAIN: Final = re.compile(
    rb"(GET|HEAD) ([!-~]+) HTTP/1\.1\r\n((?:[-0-9A-Za-z]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
"""A head that h11 would read the same, if it has none of the headers of `_NOT_PLAIN`."""
_NOT_PLAIN: Final = frozenset(
    ("connection", "content-length", "expect", "transfer-encoding", "upgrade")
)
"""Headers that change what follows a head."""
_NO_HTTP: Final = "this is no HTTP/1.1 request"
# A browser may split Cookie (RFC 9113, 8.2.3), and a proxy may write a line of its own.
_JOINED: Final = dict.fromkeys(("forwarded", "x-forwarded-for", "x-forwarded-proto"), ", ") | {
    "cookie": "; "
}
_HEAD_TOO_LONG: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class Head(NamedTuple):
    """The head of a request."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    """By name in lower case; of a repeated header the last, of those in `_JOINED` all, joined."""

    def below(self, prefix: str) -> "Head":
        """Give the head with a path that begins behind a prefix; empty where that is all of it.

        A path without the prefix stays: proxies before the board may strip it themselves.
        """
        rest = self.path.removeprefix(prefix)
        return self if rest and not rest.startswith("/") else self._replace(path=rest)


class Progress(Enum):
    """How far a body has come."""

    PIECE = "a piece was taken, and there is more at hand"
    WAITS = "more must come from the peer"
    WHOLE = "the request is whole"


class RequestReader:
    """See the module. All of its methods raise `Refused` for what is no request, or too much."""

    def __init__(self) -> None:
        self._wire: h11.Connection | None = None
        """None before a head came, and for a plain one."""
        self._is_chunked = self._is_head = False
        self._chunks = self._body_bytes = 0
        self._body = bytearray()

    def take_head(self, data: bytearray, *, ended: bool) -> Head | None:
        """Take a head out of the input; None where more of it must come."""
        found = _HEAD_END.search(data, 0, HEAD_BYTES_MAX)
        if found is None:
            if len(data) >= HEAD_BYTES_MAX:
                raise Refused(_HEAD_TOO_LONG, _NO_HTTP)
            if data[0] > 0x20 and not ended:
                return None
            # What begins no line, or ends within a head, is for h11 to refuse.
        end = len(data) if found is None else found.end()
        if data.count(b"\n", 0, end) > HEADERS_MAX:
            raise Refused(_HEAD_TOO_LONG, _NO_HTTP)
        if found is not None and (plain := _plain(data, end)) is not None:
            del data[:end]
            self._is_head = plain.method == "HEAD"
            return plain
        wire = self._wire = h11.Connection(h11.SERVER, max_incomplete_event_size=_LINE_BYTES_MAX)
        wire.receive_data(bytes(data[:end]))
        if found is None and ended:
            wire.receive_data(b"")
        del data[:end]
        head = _next(wire)
        if not isinstance(head, h11.Request):
            raise Refused(HTTPStatus.BAD_REQUEST, _NO_HTTP)
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            joint = _JOINED.get(name) if name in headers else None
            headers[name] = value if joint is None else f"{headers[name]}{joint}{value}"
        self._is_head = head.method == b"HEAD"
        self._is_chunked = "transfer-encoding" in headers
        path, _, query = head.target.decode("latin-1").partition("?")
        return Head(head.method.decode(), path, query, headers)

    def take_body(self, data: bytearray, *, ended: bool, bytes_max: int, keep: int) -> Progress:
        """Take a piece of the body out of the input, and keep the last `keep` bytes of it all."""
        wire = self._wire
        if wire is None:
            return Progress.WHOLE
        piece_bytes = _CHUNKED_PIECE_BYTES if self._is_chunked else _PIECE_BYTES
        has_fed = False
        while True:
            event = _next(wire)
            if isinstance(event, h11.Data):
                self._take_data(event, bytes_max, keep)
            elif event is not h11.NEED_DATA:
                # h11 may have been given the beginning of the next request, behind the last chunk.
                data[:0] = wire.trailing_data[0]
                return Progress.WHOLE
            elif data and has_fed:
                return Progress.PIECE
            elif data:
                wire.receive_data(bytes(data[:piece_bytes]))
                del data[:piece_bytes]
                has_fed = True
            elif ended:
                wire.receive_data(b"")
            else:
                return Progress.WAITS

    @property
    def kept_bytes(self) -> int:
        """How many bytes of the body are held."""
        return len(self._body)

    def body(self) -> bytes:
        """Give the whole body, and keep it no more."""
        body, self._body = bytes(self._body), bytearray()
        return body

    def go_on(self) -> bytes:
        """Give the response that a peer waits for before it sends a body; mostly none."""
        if self._wire is None or not self.waits_to_go_on:
            return b""
        return self._wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b""

    @property
    def waits_to_go_on(self) -> bool:
        """Whether the peer waits to be asked for the body."""
        return self._wire is not None and self._wire.they_are_waiting_for_100_continue

    def encode(self, response: Response, more: bytes, *, closes: bool) -> tuple[bytes, bool]:
        """Encode a response with more headers; also tell whether another request may follow."""
        wire = self._wire
        # Close where h11 is not done: an unread rest of a body that was too large is no request.
        goes_on = not closes and (wire is None or wire.their_state is h11.DONE)
        status = response.status
        last = []
        if status is not HTTPStatus.NOT_MODIFIED:
            last.append(("content-length", str(len(response.body))))
        if not goes_on:
            last.append(("connection", "close"))
        first = b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
        head = b"".join((first, encoded(response.headers), more, encoded(last), b"\r\n"))
        return (head if self._is_head else head + response.body), goes_on

    def _take_data(self, event: h11.Data, bytes_max: int, keep: int) -> None:
        self._body_bytes += len(event.data)
        if self._is_chunked and event.chunk_start:
            self._chunks += 1
        if self._body_bytes > bytes_max:
            raise too_long(bytes_max)
        if self._chunks > _CHUNKS_FREE + self._body_bytes // _CHUNK_BYTES_MIN:
            raise Refused(HTTPStatus.BAD_REQUEST, "the body comes in too many too small chunks")
        if keep:
            self._body += event.data
            if len(self._body) > keep:
                del self._body[:-keep]


def encoded(headers: Headers) -> bytes:
    """Encode headers of ours. Raises `ValueError` for one that would end before its value does."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers):
        raise ValueError("a header of a response holds the end of a line")
    return text.encode("latin-1")


def _plain(data: bytearray, end: int) -> Head | None:
    found = _PLAIN.fullmatch(data, 0, end)
    if found is None:
        return None
    headers: dict[str, str] = {}
    for line in found[3].decode()[:-2].split("\r\n"):
        name, _, value = line.partition(": ")
        name = name.lower()
        # Leave a header that comes twice to h11 too, which knows those that must not.
        if name in _NOT_PLAIN or name in headers:
            return None
        headers[name] = value.lstrip()
    if "host" not in headers:
        return None
    path, _, query = found[2].decode().partition("?")
    return Head(found[1].decode(), path, query, headers)


def _next(wire: h11.Connection) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
    try:
        return wire.next_event()
    except h11.RemoteProtocolError as error:
        # Never forward the library's words to a peer.
        raise Refused(HTTPStatus(error.error_status_hint), _NO_HTTP) from None


def too_long(bytes_max: int) -> Refused:
    """Make the refusal of a body that is too long."""
    why = f"the body has more than {bytes_max} bytes"
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
