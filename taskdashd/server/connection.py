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

Whoever drives it calls `receive`, `end_of_input`, `expire` and `settle`, sends what `outbox` gives,
and closes the socket when `finished`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest, Busy, FrameError, ServerError, StorageError
from taskdash_protocol.frames import TASKDASH, Decoder
from taskdashd.feed import Event
from taskdashd.operations.engine import Engine
from taskdashd.operations.table import Caller
from taskdashd.server.calls import LOST, Call, error_body, parse, reply_body
from taskdashd.server.outbox import Outbox, Slot

INBOX_REQUESTS_MAX: Final = 256
INBOX_BYTES_MAX: Final = 64 << 10
LOOK_AHEAD_MAX: Final = 256
BUFFERED_BYTES_MAX: Final = 128 << 10
"""Bytes not yet taken as frames, beyond which no more are read while the inbox is stopped."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ConnectionLimits(Protocol):
    """The settings that a connection reads; they may change while the daemon runs."""

    max_frame: int
    max_pending: int
    reply_buffer: int
    watch_buffer: int


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
        self.outbox = Outbox()
        self._waits = False
        self._look_ahead = LOOK_AHEAD_MAX
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
            and len(self.outbox) < self._limits.max_pending
        )

    @property
    def peer_is_slow(self) -> bool:
        """Whether so much waits for the peer to read that no more of its requests are done."""
        return self.outbox.output_bytes + self.outbox.slot_bytes >= self._limits.reply_buffer

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
    def finished(self) -> bool:
        """Whether everything is said: the socket can be closed."""
        if self.outbox.output_bytes or self.outbox:
            return False
        return self._closing or (self._ended and not self._inbox)

    @property
    def idle(self) -> bool:
        """Whether no request waits to be done or answered."""
        return not self._inbox and not self.outbox

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

    def hang_up(self) -> None:
        """Note that the peer neither sends nor hears any more; what it has asked is still done."""
        self._ended = True
        for watch in self.session.watches.values():
            self._engine.feed.unwatch(watch)
        self.session.watches.clear()

    def settle(self) -> None:
        """Go on after something that was waited for has happened."""
        self._send_ready()
        self._work()

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
        self.outbox.clear()
        self._engine.disconnect(self.session)

    # What the feed asks (Subscriber)

    def deliver(self, watch: int, events: Sequence[Event]) -> None:
        """Take events; a watcher that does not read is cut off."""
        if self._closing:
            return
        outbox, framing = self.outbox, self._decoder.framing or TASKDASH
        if not outbox.output_bytes:
            # Else it is touched already, or waits for the kernel to take more.
            self._touched(self)
        bytes_max = self._limits.watch_buffer
        for event in events:
            if outbox.output_bytes >= bytes_max:
                log.warning("watcher cut off", peer=self.session.peer, bytes=outbox.output_bytes)
                self.expire(Busy("the watch was not read fast enough: its buffer is full"))
                return
            outbox.put(event.frame(framing, watch))

    def has_room(self) -> bool:
        """Tell whether a watch that is behind may be given another page."""
        return not self._closing and self.outbox.output_bytes < self._limits.reply_buffer

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
                call = parse(message, self._decoder.framing or TASKDASH)
                if call is not None:
                    self._inbox.append(call)
                    self._inbox_bytes += call.size
        except FrameError as error:
            log.info("not a frame: closing", peer=self.session.peer, detail=str(error))
            self._inbox.append(Call(None, None, {}, answer=BadRequest(str(error))))
            # What came before is still answered; `_run_next` ends the connection after this one.
            self._inbox.append(LOST)
        if frames:
            self.frames_in += frames
            self.session.owner.last_seen = self._engine.clock.now()

    def _run_next(self) -> bool:
        """Do what is next in the inbox; False if it has to wait."""
        if self._waits or self.peer_is_slow or len(self.outbox) >= self._limits.max_pending:
            return False
        call = self._inbox[0]
        operation = call.operation
        if operation is None:
            self._next()
            self._answer(call)
            return True
        if operation.kind == "session":
            if self.outbox:
                return False
            self._next()
            self._run_alone(call)
            return True
        assert call.task_id is not None
        if not self._engine.view.knows(call.task_id):
            self._look_up()
            return False
        self._next()
        self._run_on_task(call)
        return True

    def _next(self) -> None:
        self._inbox_bytes -= self._inbox.popleft().size

    def _look_up(self) -> None:
        wanted = [call.task_id for call in self._inbox if call.task_id is not None]
        del wanted[self._look_ahead :]
        # If the cache cannot hold them all at once, fewer will be asked for.
        self._look_ahead = max(1, self._look_ahead // 2)
        self._waits = True
        self._engine.reader.load(wanted, self._looked_up)

    def _looked_up(self, fault: Exception | None) -> None:
        self._waits = False
        if self._closing:
            return
        if self._inbox and self._engine.view.knows(self._inbox[0].task_id or ""):
            self._look_ahead = min(LOOK_AHEAD_MAX, self._look_ahead * 2)
        if fault is not None and self._inbox:
            call = self._inbox[0]
            self._next()
            error = fault if isinstance(fault, ServerError) else Busy("the task cannot be read")
            self._answer(call._replace(answer=error))
        self._work()
        self._touched(self)

    # Operations

    def _answer(self, call: Call) -> None:
        if call is LOST:
            self.expire(BadRequest("the stream cannot be trusted past a bad length"))
        elif isinstance(call.answer, bytes):
            self.outbox.fill(self.outbox.slot(), call.answer)
            self._send_ready()
        else:
            self._fill(self.outbox.slot(), call, call.answer)

    def _run_on_task(self, call: Call) -> None:
        writer, view = self._engine.writer, self._engine.view
        operation, task_id = call.operation, call.task_id
        assert operation is not None
        assert task_id is not None
        run, request, caller = operation.run, call.request, self._caller
        waits_for = view.pending.get(task_id) if operation.kind == "reads" else None
        slot = self.outbox.slot(len(waits_for.body) if waits_for is not None else 0)

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
        slot = self.outbox.slot()
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

    def _fill(self, slot: Slot, call: Call, result: Any) -> None:
        if self._gone:
            return
        body = reply_body(call, result)
        frame = self._reply(call.header, body, encoded_twice=call.encoded_twice)
        if self.outbox.fill(slot, frame):
            self._send_ready()
            self._touched(self)

    def _reply(self, header: dict[str, Any], body: bytes, *, encoded_twice: bool = False) -> bytes:
        framing = self._decoder.framing or TASKDASH
        return framing.reply(header, body, encoded_twice=encoded_twice)

    def _send_ready(self) -> None:
        self.outbox.release()
        if self._goodbye is not None and not self.outbox:
            (error, reply), self._goodbye = self._goodbye, None
            if reply:
                self.outbox.put(self._reply({}, error_body(error)))
            if self.session.said_hello:
                framing = self._decoder.framing or TASKDASH
                body = strictjson.dumps({"errid": error.errid, "detail": error.detail})
                self.outbox.put(framing.event({"Bye": True}, body))
