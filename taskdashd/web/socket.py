"""The websocket of an open board: requests come in; replies and news of changes go out.

wsproto does the protocol. What a request does and what a board is told is decided elsewhere.
"""

import socket
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import structlog
import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError, generate_accept_token

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest, Outcome, ServerError
from taskdashd.core.replies import error_body, reply_body
from taskdashd.core.run import Runner
from taskdashd.core.session import Session
from taskdashd.core.table import Result
from taskdashd.domain.access import Identity
from taskdashd.web.boards import Boards, Place
from taskdashd.web.frames import text_frame
from taskdashd.web.http import GONE, Refused, Request

PING_S: Final = 25.0
_SILENCE_S: Final = 60.0
_UNANSWERED_MAX: Final = 64
_READ_BYTES: Final = 64 << 10

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def handshake(request: Request) -> bytes:
    """Give the answer that makes a connection a websocket (RFC 6455, 4.2.2). Raises `Refused`."""
    headers = request.headers
    key = headers.get("sec-websocket-key", "")
    tokens = [token.strip().lower() for token in headers.get("connection", "").split(",")]
    if request.method != "GET" or "upgrade" not in tokens or not key.isascii() or not key:
        raise Refused(HTTPStatus.BAD_REQUEST, "this is no handshake of a websocket")
    if headers.get("sec-websocket-version") != "13":
        why = "only version 13 of websockets is spoken here"
        raise Refused(HTTPStatus.UPGRADE_REQUIRED, why, ("sec-websocket-version", "13"))
    accept = generate_accept_token(key.encode()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


class Socket:
    """An open board's connection; a `Viewer`."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        raw: socket.socket | None,
        session: Session,
        identity: Identity,
        runner: Runner,
        boards: Boards,
        *,
        message_bytes_max: int,
        waiting_bytes_max: int,
        write_timeout_s: float,
    ) -> None:
        self.session = session
        self.identity = identity
        self._stream = stream
        self._raw = raw
        """The socket beneath the stream, to be written directly; None where TLS encrypts."""
        self._runner = runner
        self._boards = boards
        self._message_bytes_max = message_bytes_max
        self._waiting_bytes_max = waiting_bytes_max
        self._write_timeout_s = write_timeout_s
        self._connection = Connection(ConnectionType.SERVER)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sending = False
        self._more = trio.Event()
        self._unanswered = 0
        self._answered = trio.Event()
        self._message: list[str] = []
        self._message_bytes = 0
        self._ended = False
        self._scope = trio.CancelScope()

    async def run(self, place: Place | None, early: bytes) -> None:
        """Serve until either side ends the websocket, or the peer is gone.

        `early` is what came behind the handshake, in the same read.
        """
        if self._ended:
            return
        try:
            await self._run(place, early)
        except BaseExceptionGroup as group:
            _, rest = group.split(GONE)
            if rest is not None and not isinstance(rest, ExceptionGroup):
                raise
            if rest is not None:
                log.exception("unexpected fault of a board", peer=self.session.peer)

    async def _run(self, place: Place | None, early: bytes) -> None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_all)
                nursery.start_soon(self._ping)
                self._boards.join(self, place)
                await self._receive_all(early)
                nursery.cancel_scope.cancel()

    def put(self, frame: bytes) -> None:
        """Send a frame as soon as possible; a peer that does not read is cut off at a bound."""
        if self._ended:
            return
        if not self._waiting and not self._sending and self._raw is not None:
            # Offer the frame to the kernel: it mostly takes all, and no task need be woken.
            with suppress(OSError):
                frame = frame[self._raw.send(frame, socket.MSG_DONTWAIT) :]
            if not frame:
                return
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        self._more.set()
        if self._waiting_bytes > self._waiting_bytes_max:
            log.warning("board cut off", peer=self.session.peer, bytes=self._waiting_bytes)
            self._scope.cancel()

    def has_room(self) -> bool:
        """Tell whether little waits to be sent."""
        return self._waiting_bytes <= self._waiting_bytes_max // 4

    def become(self, identity: Identity) -> None:
        """Take over a changed identity of the same person, for its requests too."""
        self.identity = identity
        self.session.signed_in(identity)

    def end(self, code: CloseReason, why: str) -> None:
        """Send a close frame and take no more requests; a peer that lingers is cut off."""
        if self._ended:
            return
        self._say(CloseConnection(code, why))
        self._ended = True
        self.session.signed_in(None)
        self._scope.deadline = trio.current_time() + self._write_timeout_s

    def _say(self, event: Event) -> None:
        with suppress(LocalProtocolError):
            # wsproto refuses to send after a close frame; nobody waits for a frame by then.
            self.put(self._connection.send(event))

    async def _send_all(self) -> None:
        while True:
            await self._more.wait()
            self._more = trio.Event()
            while self._waiting:
                data = b"".join(self._waiting)
                self._waiting.clear()
                self._sending = True
                with trio.fail_after(self._write_timeout_s):
                    await self._stream.send_all(data)
                self._sending = False
                self._waiting_bytes -= len(data)
                if self.has_room():
                    self._boards.resume(self)

    async def _ping(self) -> None:
        while True:
            await trio.sleep(PING_S)
            self._say(Ping())

    async def _receive_all(self, early: bytes) -> None:
        data = early
        while True:
            if data:
                try:
                    self._connection.receive_data(data)
                    if not self._take():
                        return
                except RemoteProtocolError as error:
                    log.debug("closing a board", peer=self.session.peer, error=str(error))
                    return
            while self._unanswered >= _UNANSWERED_MAX:
                self._answered = trio.Event()
                await self._answered.wait()
            with trio.move_on_after(_SILENCE_S) as waiting:
                data = bytes(await self._stream.receive_some(_READ_BYTES))
            if waiting.cancelled_caught or not data:
                return

    def _take(self) -> bool:
        """Do what the received frames ask; False once the peer has closed."""
        for event in self._connection.events():
            if isinstance(event, CloseConnection):
                self._say(event.response())
                return False
            if self._ended:
                continue
            if isinstance(event, TextMessage):
                self._take_text(event)
            elif isinstance(event, BytesMessage):
                self.end(CloseReason.UNSUPPORTED_DATA, "only text is spoken here")
            elif isinstance(event, Ping):
                self._say(event.response())
            else:
                assert isinstance(event, Pong)
        return True

    def _take_text(self, event: TextMessage) -> None:
        self._message.append(event.data)
        self._message_bytes += len(event.data.encode())
        if self._message_bytes > self._message_bytes_max:
            self._message.clear()
            self.end(CloseReason.MESSAGE_TOO_BIG, "the message is too long")
        elif event.message_finished:
            message = "".join(self._message)
            self._message.clear()
            self._message_bytes = 0
            self._ask(message.encode())

    def _ask(self, message: bytes) -> None:
        seq: Any = None
        try:
            fields = strictjson.loads_object(message)
            seq, name, body = fields.get("seq"), fields.get("op"), fields.get("body", {})
            if type(seq) is not int or type(name) is not str or type(body) is not dict:
                raise BadRequest("a message must hold seq (integer), op (string), body (object)")
            operation = self._runner.offered.get(name)
            if operation is not None and operation.request.sets_cookie:
                raise BadRequest(f"ask POST /api/v1/{name}: a websocket cannot set a cookie")
            request = self._runner.parse(name, body)
        except ServerError as refusal:
            self._reply(seq, error_body(refusal))
            return
        self._unanswered += 1

        def done(result: Outcome[Result]) -> None:
            self._unanswered -= 1
            self._answered.set()
            self._reply(seq, reply_body(request, result))

        self._runner.visit(request, self.session, done)

    def _reply(self, seq: Any, body: bytes) -> None:
        self.put(text_frame(b'{"seq":%b,%b' % (strictjson.dumps(seq), body[1:])))
