"""The websocket of an open board: an exchange in text messages, and news of changes.

    {"seq": 7, "op": "Find", "body": {"id": "a"}}   ->   {"seq": 7, "id": "a", …}

What a request does and what a board is told is decided elsewhere.
"""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import structlog
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, ServerError
from taskdash_protocol.request import Request as Parsed
from taskdashd.core.run import Runner
from taskdashd.core.session import Session
from taskdashd.core.steps import Done
from taskdashd.core.table import OPERATIONS, Caller, Operation, Result
from taskdashd.domain.access import Identity
from taskdashd.domain.held import weight
from taskdashd.server.calls import Call, Lost
from taskdashd.server.conversation import Touch
from taskdashd.server.exchange import Exchange, ExchangeLimits
from taskdashd.server.inbox import ASKED_TOO_MUCH, Inbox
from taskdashd.web.boards import Boards
from taskdashd.web.frames import (
    Closed,
    MessageDecoder,
    Payload,
    Ping,
    Text,
    close_frame,
    ping_frame,
    pong_frame,
    text_frame,
)
from taskdashd.web.messages import Refused, Request

PROTOCOL: Final = "taskdash"
"""The subprotocol of boards; only a page that brings a token need offer it."""
_BEARER: Final = "bearer."
PING_S: Final = 25.0
BEAT_S: Final = 5.0
"""A page is told something so often: no script sees a ping, and so whether anybody is there."""
_SILENCE_S: Final = 60.0
_WAKE_S: Final = 1.0
_BATCH_MAX: Final = 8
"""Messages that are done in one turn, unless one of them runs alone: then it is the last."""

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
    # A browser ends a websocket for which it named protocols, unless one of them is taken.
    taken = f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n" if PROTOCOL in offered(request) else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n{taken}\r\n"
    ).encode()


def offered(request: Request) -> list[str]:
    """Give the protocols that a handshake offers."""
    return [one.strip() for one in request.headers.get("sec-websocket-protocol", "").split(",")]


def bearer_of(request: Request) -> str:
    """Give the token that a page sends beside `PROTOCOL`, as `bearer.TOKEN`; empty where none is.

    A browser lets a page set no other header of a handshake, and a query is logged by proxies.
    """
    if PROTOCOL not in offered(request):
        return ""
    tokens = [one for one in offered(request) if one.startswith(_BEARER)]
    return tokens[0].removeprefix(_BEARER) if tokens else ""


class Closing(Busy):
    """The end of a websocket, with the code and the words of its close frame."""

    def __init__(self, code: int | None, why: str) -> None:
        super().__init__(why)
        self.code = code


class Pong(Call):
    """A ping in the inbox, to be answered in its turn: it counts as a request."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        super().__init__({})
        self.data = data


_TOO_FAST: Final = Closing(CloseReason.TRY_AGAIN_LATER, "too many frames a second")


class Socket(Exchange):
    """An open board's connection; a `Conversation`, and a `Viewer` of the boards."""

    wake_every_s: float | None = _WAKE_S

    def __init__(
        self,
        runner: Runner,
        limits: ExchangeLimits,
        session: Session,
        touched: Touch,
        boards: Boards,
        leave: "Callable[[Socket], None]",
    ) -> None:
        self._boards = boards
        self._tell_left = leave
        self._now = now = runner.core.clock.now
        self._heard_at = self._pinged_at = self._beaten_at = now()
        self._waits_with = 0
        """How many replies were expected when the last turn ended."""
        self._decoder = MessageDecoder(limits.max_frame)
        inbox = Inbox(
            limits,
            session,
            now,
            self._decoder,
            partial(_parse, runner),
            batch_max=_BATCH_MAX,
            excess=_TOO_FAST,
        )
        super().__init__(runner, limits, session, inbox, touched)
        self._run = partial(_run_as_service, runner)
        assert session.identity is not None
        self.identity: Identity = session.identity

    # Called by the poller

    @property
    def serial(self) -> int | None:
        """Give no serial number: nobody waits for signs of life of a board."""
        return None

    @property
    def frames_in(self) -> int:
        """How many messages were taken: frames within one give it no more time."""
        return self._decoder.messages_in

    @property
    def has_partial_frame(self) -> bool:
        """Whether a message was begun that the browser has yet to complete."""
        return not self._closing and self._decoder.has_partial

    def receive(self, data: bytes, *, more: bool = False) -> None:
        """Take bytes from the browser; what they ask is done in turns."""
        if not self._closing:
            self._heard_at = self._now()
            self.inbox.feed(data)
            self._cut_short = True
            self.inbox.note_delay(more=more, excused=self.peer_is_slow)

    def take_turn(self) -> None:
        """Do some of the messages at hand."""
        self._cut_short = False
        if not self._gone:
            super()._work()
            self._waits_with = len(self.outbox)

    def settle(self) -> None:
        """Go on in a turn, once something that the requests at hand waited for has come.

        Only then: a turn that does nothing would be followed by the next, and the loop never rest.
        """
        self._send_ready()
        if not self._waits and (not self.outbox or len(self.outbox) < self._waits_with):
            self._cut_short = self._cut_short or self.inbox.has_work

    def room_was_made(self) -> None:
        """Note that the browser has read some output."""
        super().room_was_made()
        if self.has_room():
            self._boards.resume(self)

    def overdue(self, timeout_s: float) -> None:
        """End the websocket: a message was begun and not completed within a time."""
        self.end(CloseReason.TRY_AGAIN_LATER, f"a message was not completed in {timeout_s:g} s")

    def wake(self) -> None:
        """Give the page and its browser signs of life, and end it where none comes from there.

        Neither is put behind what the browser has yet to read.
        """
        now = self._now()
        if now - self._heard_at > _SILENCE_S:
            self.expire(Closing(CloseReason.GOING_AWAY, "no frame came"))
        elif not self._closing and not self.outbox.output_bytes:
            if now - self._pinged_at >= PING_S:
                self._pinged_at = now
                self.outbox.put(ping_frame())
            if now - self._beaten_at >= BEAT_S:
                self.beat()
            if self.outbox.output_bytes:
                self._touched(self)

    def beat(self) -> None:
        """Say that the daemon is there, and its time: a request may say `by` when it must be done.

        That time is no clock's: one that somebody sets would make all requests too late.
        """
        self._beaten_at = self._now()
        at_ms = int(self._core.clock.elapsed() * 1000)
        self.outbox.put(text_frame(b'{"beat":%d}' % at_ms))

    def expire(self, error: ServerError, *, reply: bool = False) -> None:
        """Say goodbye, and send no reply any more: a board asks again."""
        super().expire(error)
        self.outbox.drop_replies()

    # Called by `Boards` and `Viewers`

    def put(self, frame: bytes) -> None:
        """Take a message; a board that does not read is cut off at a bound."""
        if self._closing:
            return
        outbox = self.outbox
        if outbox.output_bytes >= self._limits.watch_buffer or self._is_behind:
            log.warning("board cut off", peer=self.session.peer, bytes=outbox.output_bytes)
            self.end(CloseReason.TRY_AGAIN_LATER, "the board was not read fast enough")
            return
        if not outbox.output_bytes:
            self._touched(self)
        outbox.put(frame)

    def has_room(self) -> bool:
        """Tell whether little waits to be sent."""
        return self.outbox.output_bytes <= self._limits.watch_buffer // 4

    def become(self, identity: Identity) -> None:
        """Take over a changed identity of the same person, for its requests too."""
        self.identity = identity
        self.session.signed_in(identity)

    def end(self, code: CloseReason, why: str) -> None:
        """Send a close frame and take no more requests."""
        if not self._closing:
            self.expire(Closing(code, why))
            self.session.signed_in(None)

    # An exchange's own

    def _work(self) -> None:
        # Leave the work for a turn, whatever it is that goes on: see `take_turn`.
        self._cut_short = True

    def _answer(self, call: Call) -> None:
        if not isinstance(call, Pong):
            super()._answer(call)
        elif call.answer is ASKED_TOO_MUCH:
            self.expire(_TOO_FAST)
        else:
            self.outbox.append(pong_frame(call.data))

    def _lose(self, why: ServerError) -> None:
        log.debug("closing a board", peer=self.session.peer, error=why.detail)
        self.expire(why)

    def _reply(self, header: dict[str, Any], body: bytes, *, encoded_twice: bool = False) -> bytes:
        return text_frame(b'{"seq":%b,%b' % (strictjson.dumps(header["seq"]), body[1:]))

    def _say_goodbye(self, error: ServerError, *, reply: bool) -> None:
        code: int | None = CloseReason.TRY_AGAIN_LATER
        if isinstance(error, Closing):
            code = error.code
        elif isinstance(error, AuthError):
            code = CloseReason.POLICY_VIOLATION
        self.outbox.put(close_frame(code, error.detail))

    def _leave(self) -> None:
        self._tell_left(self)
        self._core.sessions.leave(self.session)


def _parse(runner: Runner, payload: Payload) -> Call | None:
    if isinstance(payload, Text):
        return _parse_text(runner, payload.data)
    if isinstance(payload, Ping):
        return Pong(payload.data)
    if isinstance(payload, Closed):
        return Lost({}, answer=Closing(payload.code, payload.why))
    return None


def _parse_text(runner: Runner, message: bytes) -> Call:
    seq: Any = None
    try:
        fields = strictjson.loads_object(message)
        seq, name, body = fields.get("seq"), fields.get("op"), fields.get("body", {})
        if type(seq) is not int or type(name) is not str or type(body) is not dict:
            raise BadRequest("a message must hold seq (integer), op (string), body (object)")
        _check_by(fields.get("by"), runner)
        operation = OPERATIONS.get(name)
        if operation is not None and operation.request.sets_cookie:
            raise BadRequest(f"ask POST /api/v1/{name}: a websocket cannot set a cookie")
        request = runner.parse(name, body)
    except ServerError as refusal:
        return Call({"seq": seq}, answer=refusal.with_traceback(None))
    assert operation is not None
    ids = () if operation.kind == "alone" else request.task_ids()
    return Call({"seq": seq}, operation, request, ids[0] if ids else None, weight(message))


def _check_by(by: object, runner: Runner) -> None:
    """Raise `Busy` for a request that is older than its sender was willing to wait.

    A network that was away delivers what was sent long ago, after the page has said that nothing
    is known of it: done then, it would be done unseen.
    """
    if by is None:
        return
    if type(by) is not int:
        raise BadRequest("by must be an integer: as the daemon counts in beat")
    if runner.core.clock.elapsed() * 1000 > by:
        raise Busy("the request came too late, and nothing was done")


def _run_as_service(
    runner: Runner,
    operation: Operation,
    request: Parsed,
    caller: Caller,
    task_id: str,
    done: Done[Result],
) -> None:
    if operation.kind == "writes":
        caller = runner.as_service(request, caller)
    runner.run(operation, request, caller, task_id, done)
