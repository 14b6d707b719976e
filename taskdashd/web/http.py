"""One HTTP/1.1 connection: h11 does the protocol, this module its I/O and deadlines."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

import h11
import structlog
import trio

HEAD_BYTES_MAX: Final = 16 << 10
_READ_BYTES: Final = 64 << 10
KEEP_ALIVE_S: Final = 75.0
_LINGER_S: Final = 1.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, OSError)
"""Errors of a peer that is gone or does not read: no answer can reach it."""

Headers = list[tuple[str, str]]


class Refused(Exception):
    """Raised to answer a request with an HTTP error; the message says why."""

    def __init__(self, status: HTTPStatus, why: str, *headers: tuple[str, str]) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    """By name in lower case; of a repeated header the last, of Cookie all, joined."""
    body: bytes
    address: str
    """The peer's IP address, without the port."""
    peer: str


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `content-length` is added as it is sent."""

    status: HTTPStatus
    body: bytes = b""
    headers: Headers = field(default_factory=list)


Respond = Callable[[Request], Awaitable[Response]]
Upgrade = Callable[[Request, trio.abc.Stream, bytes], Awaitable[None]]
"""Serves a stream as a websocket from here on; the bytes are those read past the request. Raises
`Refused`."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Timeouts in seconds: for reading a request, and for sending an answer."""

    request: float
    write: float


class _Connection(h11.Connection):
    """Remembers whether the request was HEAD, whose answer must have no body."""

    is_answer_to_head = False


async def serve(
    stream: trio.abc.Stream,
    address: str,
    peer: str,
    body_bytes_max: int,
    deadlines: Deadlines,
    always: Headers,
    respond: Respond,
    upgrade: Upgrade,
) -> None:
    """Answer requests until either side ends the connection, all with the headers `always`."""
    connection = _Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    idle_s = deadlines.request
    while True:
        try:
            with trio.move_on_after(idle_s) as waiting:
                await _begin(stream, connection)
            if waiting.cancelled_caught or connection.their_state is h11.CLOSED:
                return
            with trio.fail_after(deadlines.request):
                request = await _read(stream, connection, address, peer, body_bytes_max)
            if request is None:
                return
            if request.headers.get("upgrade", "").lower() == "websocket":
                await upgrade(request, stream, bytes(connection.trailing_data[0]))
                return
            response = await respond(request)
        except trio.TooSlowError:
            response = refusal(Refused(HTTPStatus.REQUEST_TIMEOUT, "the request came too slowly"))
        except Refused as error:
            response = refusal(error)
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            response = refusal(Refused(status, "this is no HTTP/1.1 request"))
        except GONE:
            raise
        except Exception:
            log.exception("unexpected fault of a request", peer=peer)
            why = "an unexpected fault: it was logged"
            response = refusal(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, why))
        response = replace(response, headers=[*response.headers, *always])
        if not await _send(stream, connection, response, deadlines.write):
            await _linger(stream)
            return
        connection.start_next_cycle()
        idle_s = KEEP_ALIVE_S


def refusal(error: Refused) -> Response:
    """Give the plain-text answer that says why."""
    text = f"{error.status.value} {error.status.phrase}: {error.why}\n"
    headers = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]
    return Response(error.status, text.encode(), [*headers, *error.headers])


async def _linger(stream: trio.abc.Stream) -> None:
    """Drain the input before closing: unread input would send a reset and destroy the answer."""
    with trio.move_on_after(_LINGER_S), suppress(trio.BrokenResourceError):
        if isinstance(stream, trio.abc.HalfCloseableStream):
            await stream.send_eof()
            while await stream.receive_some(_READ_BYTES):
                pass


async def _begin(stream: trio.abc.Stream, connection: _Connection) -> None:
    """Wait for the first byte of a request."""
    if not connection.trailing_data[0]:
        connection.receive_data(bytes(await stream.receive_some(_READ_BYTES)))


async def _event(stream: trio.abc.Stream, connection: _Connection) -> h11.Event | None:
    while True:
        event = connection.next_event()
        if event is h11.PAUSED:
            return None
        if event is not h11.NEED_DATA:
            assert isinstance(event, h11.Event)
            return event
        if connection.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await stream.send_all(connection.send(go_on) or b"")
        connection.receive_data(bytes(await stream.receive_some(_READ_BYTES)))


async def _read(
    stream: trio.abc.Stream,
    connection: _Connection,
    address: str,
    peer: str,
    body_bytes_max: int,
) -> Request | None:
    head = await _event(stream, connection)
    if not isinstance(head, h11.Request):
        return None
    connection.is_answer_to_head = head.method == b"HEAD"
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        # Join Cookie headers, which may be split (RFC 9113, 8.2.3); of any other the last counts.
        both = name == "cookie" and name in headers
        headers[name] = f"{headers[name]}; {value}" if both else value
    body = bytearray()
    while isinstance(event := await _event(stream, connection), h11.Data):
        body += event.data
        if len(body) > body_bytes_max:
            why = f"the body has more than {body_bytes_max} bytes"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
    if not isinstance(event, h11.EndOfMessage | None):
        return None
    path, _, query = head.target.decode("latin-1").partition("?")
    return Request(head.method.decode(), path, query, headers, bytes(body), address, peer)


async def _send(
    stream: trio.abc.Stream, connection: _Connection, response: Response, timeout_s: float
) -> bool:
    """Send an answer; tell whether another request may follow."""
    if connection.our_state not in (h11.SEND_RESPONSE, h11.IDLE):
        return False
    headers = list(response.headers)
    if response.status is not HTTPStatus.NOT_MODIFIED:
        headers.append(("content-length", str(len(response.body))))
    if connection.their_state not in (h11.DONE, h11.IDLE):
        # Close: the unread rest of a body that was too large is no next request.
        headers.append(("connection", "close"))
    status = response.status
    head = h11.Response(status_code=status.value, headers=headers, reason=status.phrase)
    data = connection.send(head) or b""
    if not connection.is_answer_to_head:
        data += connection.send(h11.Data(data=response.body)) or b""
    data += connection.send(h11.EndOfMessage()) or b""
    with trio.move_on_after(timeout_s) as sending:
        await stream.send_all(data)
    done = all(state is h11.DONE for state in connection.states.values())
    return done and not sending.cancelled_caught
