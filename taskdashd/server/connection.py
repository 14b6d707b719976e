"""One connection without its socket: bytes in, requests done in order, bytes out.

    receive -> decoder -> inbox (parsed, in order) -> operation -> slot (in order) -> output

- Bad input becomes a value in the inbox and is answered in its turn.
- A reply keeps a slot until it is known; only the slots at the head are sent. So replies come in
  the order of the requests, whichever commit or look-up is done first.
- A request whose task is not in memory stops the inbox until the reader has brought it, together
  with those of the requests behind it.
- An operation of kind "session" waits until everything before it is answered, and stops the inbox
  until it is done.
- Nothing in here is unbounded: `wants_input` is false while too much waits.

Whoever drives it calls `receive`, `end_of_input`, `expire` and `settle`, sends what `take_output`
gives, and closes the socket when `finished`.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import structlog

from taskdash_protocol import strictjson
from taskdash_protocol.errors import (
    OK_ERRMSG,
    BadRequest,
    Busy,
    FrameError,
    ServerError,
    StorageError,
)
from taskdash_protocol.frames import (
    HEARTBEAT,
    REQUEST,
    TASKDASH,
    TCPX,
    TCPX_TOKEN,
    Decoder,
    Malformed,
    Message,
    check_header,
    echo,
)
from taskdash_protocol.requests import Request
from taskdashd.feed import Event
from taskdashd.operations import sessions, tasks  # noqa: F401  # they fill OPERATIONS
from taskdashd.operations.engine import Engine
from taskdashd.operations.table import OPERATIONS, Caller, Operation

INBOX_REQUESTS_MAX: Final = 256
INBOX_BYTES_MAX: Final = 64 << 10
BUFFERED_BYTES_MAX: Final = 128 << 10
"""Bytes not yet taken as frames, beyond which no more are read while the inbox is stopped."""

_OK: Final = b'"errid":0,"errmsg":"%b"}' % OK_ERRMSG.encode()

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ConnectionLimits(Protocol):
    """The settings that a connection reads; they may change while the daemon runs."""

    max_frame: int
    max_pending: int
    reply_buffer: int
    watch_buffer: int


class Call(NamedTuple):
    """A request in the inbox, or what is to be answered in its place."""

    operation: Operation | None
    request: Request | None
    header: dict[str, Any]
    encoded_twice: bool = False
    size: int = 0
    task_id: str | None = None
    """The task that must be in memory first; None where the operation needs none."""
    answer: ServerError | bytes | None = None
    """A refusal, or a ready frame, where nothing is left to be done."""


class Slot:
    """A reply's place in the order, and about how many bytes it holds or will hold."""

    __slots__ = ("frame", "size")

    def __init__(self, size: int = 0) -> None:
        self.frame: bytes | None = None
        self.size = size


class Connection:
    """See the module. `touched` is called when output or progress may be had later."""

    def __init__(
        self,
        engine: Engine,
        limits: ConnectionLimits,
        peer: str,
        touched: Callable[["Connection"], None],
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._touched = touched
        self._decoder = Decoder(limits.max_frame)
        self._inbox: deque[Call] = deque()
        self._inbox_bytes = 0
        self._slots: deque[Slot] = deque()
        self._slot_bytes = 0
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._waits = False
        self._look_up_alone = False
        self._ended = False
        self._closing = False
        self._gone = False
        self._goodbye: tuple[ServerError, bool] | None = None
        self.session = engine.connect(peer, self)
        self._caller = Caller(self.session, engine)
        self.frames_in = 0

    # What the driver asks

    @property
    def wants_input(self) -> bool:
        """Whether more bytes may be read from the peer now."""
        return (
            not self._ended
            and not self._closing
            and not self.peer_is_slow
            and (not self._inbox or self._decoder.buffered_bytes < BUFFERED_BYTES_MAX)
            and len(self._slots) < self._limits.max_pending
        )

    @property
    def peer_is_slow(self) -> bool:
        """Whether so much waits for the peer to read that no more of its requests are done."""
        return self._output_bytes + self._slot_bytes >= self._limits.reply_buffer

    @property
    def has_partial_frame(self) -> bool:
        """Whether a frame was begun that the peer has yet to complete."""
        decoder = self._decoder
        return not self._closing and decoder.buffered_bytes > 0 and not decoder.has_frame

    @property
    def has_unread_frame(self) -> bool:
        """Whether a whole frame has arrived that was not looked at yet."""
        return not self._closing and self._decoder.has_frame

    @property
    def output_bytes(self) -> int:
        """How many bytes wait to be sent."""
        return self._output_bytes

    @property
    def finished(self) -> bool:
        """Whether everything is said: the socket can be closed."""
        if self._output_bytes or self._slots:
            return False
        return self._closing or (self._ended and not self._inbox)

    @property
    def idle(self) -> bool:
        """Whether no request waits to be done or answered."""
        return not self._inbox and not self._slots

    @property
    def closing(self) -> bool:
        """Whether the daemon ends this connection; nothing more is read from it."""
        return self._closing

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer and do what they ask, as far as that can be done now."""
        if not self._closing:
            self._decoder.feed(data)
            self._work()

    def end_of_input(self) -> None:
        """Note that the peer will send no more. It still gets its replies."""
        self._ended = True

    def settle(self) -> None:
        """Go on after something that was waited for has happened."""
        self._send_ready()
        self._work()

    def take_output(self) -> bytes:
        """Give all bytes that are ready to be sent."""
        output = b"".join(self._output)
        self._output.clear()
        self._output_bytes = 0
        return output

    def put_back(self, rest: bytes) -> None:
        """Take back what the socket did not."""
        self._output.insert(0, rest)
        self._output_bytes += len(rest)

    def room_was_made(self) -> None:
        """Note that the peer has read some: watches that were held back go on."""
        if self.session.watches:
            self.resume_watches()
        self._work()

    def expire(self, error: ServerError, *, reply: bool = False) -> None:
        """End the connection for a reason, after the replies that are under way.

        `reply` answers with the error as to a request. A client that said Hello is told Bye.
        """
        if not self._closing:
            self._closing = True
            self._inbox.clear()
            self._goodbye = (error, reply)
            self._send_ready()
            self._touched(self)

    def lost(self) -> None:
        """Note that the socket is gone."""
        self._closing = self._gone = True
        self._inbox.clear()
        self._slots.clear()
        self._output.clear()
        self._output_bytes = self._slot_bytes = 0
        self._engine.disconnect(self.session)

    # What the feed asks (Subscriber)

    def deliver(self, watch: int, event: Event) -> None:
        """Take an event; a watcher that does not read is cut off."""
        if self._closing:
            return
        self._touched(self)
        if self._output_bytes >= self._limits.watch_buffer:
            log.warning("watcher cut off", peer=self.session.peer, bytes=self._output_bytes)
            self.expire(Busy("the watch was not read fast enough: its buffer is full"))
            return
        self._put(event.frame(self._decoder.framing or TASKDASH, watch))

    def has_room(self) -> bool:
        """Tell whether a watch that is behind may be given another page."""
        return not self._closing and self._output_bytes < self._limits.reply_buffer

    def resume_watches(self) -> None:
        """Feed the watches that are behind, one at a time and no faster than the peer reads."""
        for watch in list(self.session.watches.values()):
            if not self._engine.feed.resume(watch):
                break

    def on_fault(self, watch: int, error: ServerError) -> None:
        """End the connection: the watch's promise can no longer be kept."""
        self.expire(error)

    # Requests in

    def _work(self) -> None:
        try:
            while True:
                self._read()
                if not self._inbox or not self._run_next():
                    break
        except Exception:
            log.exception("unexpected fault in a connection", peer=self.session.peer)
            self.expire(Busy("an unexpected fault: it was logged"), reply=True)

    def _read(self) -> None:
        if self._inbox or self._closing:
            return
        frames = 0
        try:
            while (
                len(self._inbox) < INBOX_REQUESTS_MAX
                and self._inbox_bytes < INBOX_BYTES_MAX
                and (message := self._decoder.next()) is not None
            ):
                frames += 1
                call = self._parse(message)
                if call is not None:
                    self._inbox.append(call)
                    self._inbox_bytes += call.size
        except FrameError as error:
            log.info("not a frame: closing", peer=self.session.peer, detail=str(error))
            self._inbox.append(Call(None, None, {}, answer=BadRequest(str(error))))
            # What came before is still answered; `_run_next` ends the connection after this one.
            self._inbox.append(_LOST)
        if frames:
            self.frames_in += frames
            self.session.owner.last_seen = self._engine.clock.now()

    def _parse(self, message: Message | Malformed) -> Call | None:
        if isinstance(message, Malformed):
            return Call(None, None, echo(message.header), answer=message.error)
        message_id, header, body, twice = message
        if message_id == HEARTBEAT:
            return self._parse_beat(header)
        head = echo(header)
        try:
            check_header(header)
            if self._decoder.framing is TCPX:
                if message_id == TCPX_TOKEN:
                    return Call(None, None, head, answer=self._reply(head, b"{" + _OK))
            elif message_id != REQUEST:
                raise BadRequest(f"MessageID {message_id} is none that a client may send")
            return _parse_request(header, head, body, twice=twice)
        except ServerError as error:
            return Call(None, None, head, twice, answer=error)

    def _parse_beat(self, header: dict[str, Any] | None) -> Call | None:
        if header is None or "Seq" not in header:
            return None
        try:
            check_header(header)
        except BadRequest as error:
            return Call(None, None, {}, answer=error)
        framing = self._decoder.framing or TASKDASH
        return Call(None, None, {}, answer=framing.beat({"Seq": header["Seq"]}))

    def _run_next(self) -> bool:
        """Do what is next in the inbox; False if it has to wait."""
        if self._waits or self.peer_is_slow or len(self._slots) >= self._limits.max_pending:
            return False
        call = self._inbox[0]
        operation = call.operation
        if operation is None:
            self._next()
            self._answer(call)
            return True
        if operation.kind == "session":
            if self._slots:
                return False
            self._next()
            self._run_alone(call)
            return True
        assert call.task_id is not None
        if not self._engine.view.knows(call.task_id):
            self._look_up()
            return False
        self._look_up_alone = False
        self._next()
        self._run_on_task(call)
        return True

    def _next(self) -> None:
        self._inbox_bytes -= self._inbox.popleft().size

    def _look_up(self) -> None:
        wanted = [call.task_id for call in self._inbox if call.task_id is not None]
        if self._look_up_alone:
            # The cache could not hold all of them at once.
            del wanted[1:]
        self._look_up_alone = True
        self._waits = True
        self._engine.reader.load(wanted, self._looked_up)

    def _looked_up(self, fault: Exception | None) -> None:
        self._waits = False
        if self._closing:
            return
        if fault is not None and self._inbox:
            call = self._inbox[0]
            self._next()
            error = fault if isinstance(fault, ServerError) else Busy("the task cannot be read")
            self._answer(call._replace(answer=error))
        self._work()
        self._touched(self)

    # Operations

    def _answer(self, call: Call) -> None:
        if call is _LOST:
            self.expire(BadRequest("the stream cannot be trusted past a bad length"))
        elif isinstance(call.answer, bytes):
            self._keep(self._slot(), call.answer)
            self._send_ready()
        else:
            self._fill(self._slot(), call, call.answer)

    def _run_on_task(self, call: Call) -> None:
        writer, view = self._engine.writer, self._engine.view
        operation, task_id = call.operation, call.task_id
        assert operation is not None
        assert task_id is not None
        run, request, caller = operation.run, call.request, self._caller
        waits_for = view.pending.get(task_id) if operation.kind == "reads" else None
        slot = self._slot(len(waits_for.body) if waits_for is not None else 0)

        def done(result: Any) -> None:
            if isinstance(result, StorageError) and reads and view.knows(task_id):
                # The change that it waited for did not come to be: read what is there instead.
                result = self._read_now(call)
            self._fill(slot, call, result)

        reads = operation.kind == "reads"
        try:
            if not reads:
                writer.write(lambda transaction: run(request, caller, transaction), done)
            elif waits_for is not None:
                writer.write(
                    lambda transaction: run(request, caller, transaction.task(task_id)), done
                )
            else:
                self._fill(slot, call, self._read_now(call))
        except Exception:
            log.exception("unexpected fault in an operation", header=call.header)
            self._fill(slot, call, StorageError("an unexpected fault: it was logged"))

    def _read_now(self, call: Call) -> Any:
        assert call.operation is not None
        assert call.task_id is not None
        try:
            task = self._engine.view.committed(call.task_id)
            return call.operation.run(call.request, self._caller, task)
        except ServerError as refusal:
            return refusal

    def _run_alone(self, call: Call) -> None:
        slot = self._slot()
        assert call.operation is not None
        self._waits = True

        def done(result: Any) -> None:
            self._waits = False
            self._fill(slot, call, result)

        try:
            call.operation.run(call.request, self._caller, done)
        except ServerError as refusal:
            done(refusal)
        except Exception:
            log.exception("unexpected fault in an operation", header=call.header)
            done(Busy("an unexpected fault: it was logged"))

    # Replies out

    def _slot(self, size: int = 0) -> Slot:
        slot = Slot(size)
        self._slots.append(slot)
        self._slot_bytes += size
        return slot

    def _keep(self, slot: Slot, frame: bytes) -> None:
        self._slot_bytes += len(frame) - slot.size
        slot.frame, slot.size = frame, len(frame)

    def _fill(self, slot: Slot, call: Call, result: Any) -> None:
        if self._gone:
            return
        body = _body(call, result)
        self._keep(slot, self._reply(call.header, body, encoded_twice=call.encoded_twice))
        if self._slots and self._slots[0] is slot:
            self._send_ready()
            self._touched(self)

    def _reply(self, header: dict[str, Any], body: bytes, *, encoded_twice: bool = False) -> bytes:
        framing = self._decoder.framing or TASKDASH
        return framing.reply(header, body, encoded_twice=encoded_twice)

    def _send_ready(self) -> None:
        slots = self._slots
        while slots and (frame := slots[0].frame) is not None:
            self._put(frame)
            self._slot_bytes -= slots.popleft().size
        if self._goodbye is not None and not slots:
            (error, reply), self._goodbye = self._goodbye, None
            if reply:
                self._put(self._reply({}, _error_body(error)))
            if self.session.said_hello:
                framing = self._decoder.framing or TASKDASH
                body = strictjson.dumps({"errid": error.errid, "detail": error.detail})
                self._put(framing.event({"Bye": True}, body))

    def _put(self, frame: bytes) -> None:
        self._output.append(frame)
        self._output_bytes += len(frame)


_LOST: Final = Call(None, None, {})


def _parse_request(
    header: dict[str, Any] | None, head: dict[str, Any], body: bytes | None, *, twice: bool
) -> Call:
    request_id = head.get("RequestID")
    if request_id is None:
        raise BadRequest(
            "header RequestID must be a string"
            if header and "RequestID" in header
            else "header RequestID is missing: it names the operation"
        )
    operation = OPERATIONS.get(request_id)
    if operation is None:
        raise BadRequest(
            f"header RequestID: there is no operation {request_id[:64]!r},"
            f" only {', '.join(OPERATIONS)}"
        )
    fields = {} if body is None else strictjson.loads_object(body)
    try:
        request = operation.request.parse(fields)
    except BadRequest as error:
        if type(fields.get("id")) is str:
            error.task_id = fields["id"]
        raise
    task_id = None if operation.kind == "session" else fields["id"]
    return Call(operation, request, head, twice, len(body or b""), task_id)


def _body(call: Call, result: Any) -> bytes:
    if isinstance(result, ServerError):
        task_id = getattr(call.request, "id", None) or result.task_id
        return _error_body(result, task_id)
    if type(result) is dict:
        result = strictjson.dumps(result)
    return b"{" + _OK if result == b"{}" else b"%b,%b" % (result[:-1], _OK)


def _error_body(error: ServerError, task_id: str | None = None) -> bytes:
    body: dict[str, Any] = {} if task_id is None else {"id": task_id}
    body |= {"errid": error.errid, "errmsg": error.errmsg, "detail": error.detail}
    return strictjson.dumps(body)
