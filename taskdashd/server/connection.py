"""A connection of the wire protocol, without its socket: an exchange in frames, with watches."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, ParamSpec, Protocol, TypeVar

import structlog

from taskdash_protocol import plain, strictjson
from taskdash_protocol.errors import Busy, Outcome, ServerError
from taskdash_protocol.families.tasks import Find
from taskdash_protocol.frames import TASKDASH, Decoder, Framing
from taskdashd.core.replies import error_body
from taskdashd.core.run import Runner
from taskdashd.core.session import Session
from taskdashd.core.table import Operation
from taskdashd.domain.access import LOCAL_OPERATOR
from taskdashd.feed.watches import Event
from taskdashd.server.calls import Call, parse
from taskdashd.server.conversation import Touch
from taskdashd.server.exchange import Exchange, ExchangeLimits
from taskdashd.server.finds import FRAME_BYTES_MIN, Finds, is_asked
from taskdashd.server.inbox import FRAME_BYTES_MAX_UNSIGNED, Inbox
from taskdashd.server.link import Link
from taskdashd.server.outbox import Reply
from taskdashd.server.tls import TlsSocket
from taskdashd.store.faults import OutcomeUnknown

P = ParamSpec("P")
T = TypeVar("T")

_FINDS_MAX: Final = 64
"""So many Finds are answered in one step: a tenth of what a batch may take."""
log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Connection(Exchange):
    """See the module; a `Conversation`, and the `Subscriber` of its watches."""

    def __init__(
        self,
        runner: Runner,
        limits: ExchangeLimits,
        session: Session,
        touched: Callable[["Connection"], None],
        finds: Finds,
    ) -> None:
        self._decoder = Decoder(min(limits.max_frame, FRAME_BYTES_MAX_UNSIGNED))
        now = runner.core.clock.now
        inbox = Inbox(limits, session, now, self._decoder, partial(parse, self._decoder))
        super().__init__(runner, limits, session, inbox, touched)
        self._plain = runner.plain
        self._loads_run = False
        """Whether plain writes wait for their tasks, as bytes."""
        self._looked_for = ""
        self._finds = finds
        self._has_watch_behind = False

    @classmethod
    def begin(
        cls,
        runner: Runner,
        limits: ExchangeLimits,
        peer: str,
        touched: Callable[["Connection"], None],
        finds: Finds,
    ) -> "Connection":
        """Make the connection of a socket that was just accepted, with a session of its own."""
        session = runner.core.sessions.connect(peer)
        connection = cls(runner, limits, session, touched, finds)
        session.attach(connection)
        return connection

    @property
    def framing(self) -> Framing:
        """The framing that the peer speaks; TASKDASH until its first bytes say."""
        return self._decoder.framing or TASKDASH

    # Called by the driver (`poller`)

    def beats(self, data: bytes) -> bool:
        """Take a heartbeat that comes by itself, and is told apart from all else by its bytes."""
        framing = self._decoder.framing
        if framing is None or data != framing.heartbeat or self._closing or self._cut_short:
            return False
        return self.inbox.beat()

    def secured(self, tls: TlsSocket) -> None:
        """Sign in by the name in the client's certificate, unless somebody has signed in."""
        if self.session.identity is None:
            self._core.identities.recognise(self.session, tls.peer_name)

    def hang_up(self) -> None:
        """Note that the peer reads nothing any more; what it sent before is still done."""
        super().hang_up()
        self._core.sessions.end_watches(self.session)

    def room_was_made(self) -> None:
        """Note that the peer has read some output: requests and watches held back go on."""
        if self._has_watch_behind:
            self.resume_watches()
        super().room_was_made()

    # Called by the feed (Subscriber)

    def deliver(self, watch: int, events: Sequence[Event]) -> None:
        """Take events; a watcher that does not read is cut off."""
        if self._closing:
            return
        outbox, framing = self.outbox, self.framing
        if not outbox.output_bytes:
            # A connection with output is touched already, or waits for the kernel to take more.
            self._touched(self)
        bytes_max = self._limits.watch_buffer
        for event in events:
            if outbox.output_bytes >= bytes_max or self._is_behind:
                log.warning("watcher cut off", peer=self.session.peer, bytes=outbox.output_bytes)
                self.expire(Busy("the watch was not read fast enough: its buffer is full"))
                return
            outbox.put(event.frame(framing, watch))

    def has_room(self) -> bool:
        """Tell whether a watch that is behind may be given another page."""
        return not self._closing and self.outbox.output_bytes < self._limits.reply_buffer

    def resume_watches(self) -> None:
        """Feed the watches that are behind, one at a time and no faster than the peer reads."""
        feed = self._core.feed
        self._has_watch_behind = not all(
            feed.resume(watch) for watch in list(self.session.watches.values())
        )

    def on_fault(self, watch: int, error: ServerError) -> None:
        """End the connection: the watch promises every event, and can no longer deliver them."""
        self.expire(error)

    # The wire's own

    def _take_run(self) -> bool:
        """Do the Finds or plain writes that are next in the peer's bytes, in one step."""
        decoder, inbox, outbox = self._decoder, self.inbox, self.outbox
        if self._loads_run:
            inbox.listen()
        if self._waits or self._closing or decoder.framing is not TASKDASH:
            return False
        data, at = decoder.unread
        if is_asked(data, at):
            return self._answer_run(data, at)
        most = min(inbox.run_max(self._plain.most), self._limits.max_pending - outbox.awaited)
        if at == len(data) or most <= 0 or not self._plain.may_run(self.session):
            return False
        writes, ends = plain.read(data, at, most, decoder.frame_bytes_max)
        allowed = self.session.may_ask_up_to(len(writes))
        reply = Reply()
        told = partial(self._tell_run, reply, writes)
        done = self._plain.write(writes[:allowed], self.session, told) if allowed else 0
        self.session.give_back_some(allowed - done)
        if done:
            outbox.expect(reply, requests=done)
            decoder.go_to(ends[done - 1])
            inbox.took(done)
        return self._looks_up_run(writes[done:allowed]) or done > 0

    def _looks_up_run(self, writes: list[plain.PlainWrite]) -> bool:
        """Have the tasks of the next writes loaded, if it is for that alone that they wait.

        Where that has not helped, as in a small cache, the general path goes on.
        """
        if not writes or self._view.knows(first := writes[0].id) or first == self._looked_for:
            return False
        self._looked_for = first
        self._waits = self._loads_run = True
        self._core.reader.load([one.id for one in writes], self._looked_up)
        return True

    def _looked_up(self, fault: ServerError | None) -> None:
        self._loads_run = False
        super()._looked_up(fault)

    def _read(self) -> bool:
        # What waits for a run's tasks is not parsed: it is to be the rest of the run.
        return not self._loads_run and super()._read()

    @property
    def finished(self) -> bool:
        """Whether all input is done and all output handed out: the socket can be closed."""
        return super().finished and (self._closing or not self._loads_run)

    @property
    def idle(self) -> bool:
        """Whether no request waits to be done or answered."""
        return super().idle and not self._loads_run

    def _tell_run(
        self, reply: Reply, writes: list[plain.PlainWrite], outcome: Outcome[bytes]
    ) -> None:
        """Fill in the replies of a run."""
        if self._gone:
            return
        if isinstance(outcome, OutcomeUnknown):
            self._end_unanswered(outcome)
            return
        if isinstance(outcome, ServerError):
            refused = [
                self._reply({"RequestID": one.request_id}, error_body(outcome, one.id))
                for one in writes[: reply.requests]
            ]
            outcome = b"".join(refused)
        self._put(reply, outcome)

    def _answer_run(self, data: bytes | bytearray, at: int) -> bool:
        """Answer the Finds that are next as far as their bytes and memory go, in one step."""
        inbox, outbox, session = self.inbox, self.outbox, self.session
        most = inbox.run_max(min(_FINDS_MAX, (len(data) - at) // FRAME_BYTES_MIN))
        room = self._limits.reply_buffer - outbox.held_bytes
        if most <= 0 or room <= 0 or not session.sees_all or not self._decoder.has_frame:
            return False
        allowed = session.may_ask_up_to(most)
        session.owner.last_seen = self._core.clock.now()
        frames: list[bytes] = []
        end = _found(self._finds.answer_some, data, at, allowed, room, frames)
        done = 0 if end is None else len(frames)
        session.give_back_some(allowed - done)
        if end is not None and done:
            outbox.append(b"".join(frames))
            self._decoder.go_to(end)
            inbox.took(done)
        return done > 0

    def _answer_known(self, payload: bytes) -> bool:
        if self._waits or not self.session.sees_all or self._decoder.framing is not TASKDASH:
            return False
        if (frame := _found(self._finds.answer, payload)) is None:
            return False
        self.outbox.append(frame)
        return True

    def _answers_on_bytes(self, operation: Operation, call: Call, task_id: str) -> bool:
        if operation.request is not Find or not self.session.sees_all:
            return False
        if (body := _found(self._finds.body, task_id)) is None:
            return False
        self._put(call, self._reply(call.header, body, encoded_twice=call.encoded_twice))
        return True

    def _was_alone(self) -> None:
        # Start new watches only now: no event may precede the reply to Watch.
        self.resume_watches()

    def _reply(self, header: dict[str, Any], body: bytes, *, encoded_twice: bool = False) -> bytes:
        framing = self._decoder.framing or TASKDASH
        return framing.reply(header, body, encoded_twice=encoded_twice)

    def _say_goodbye(self, error: ServerError, *, reply: bool) -> None:
        if reply:
            self.outbox.put(self._reply({}, error_body(error)))
        if self.session.said_hello:
            body = strictjson.dumps({"errid": error.errid, "detail": error.detail})
            self.outbox.put(self.framing.event({"Bye": True}, body))

    def _leave(self) -> None:
        self._core.sessions.disconnect(self.session)


def _found(find: Callable[P, T | None], *given: P.args, **named: P.kwargs) -> T | None:
    """Answer a Find on its bytes; where a fault comes of that, have it run as any request is.

    Then it is refused, and the connection lives on.
    """
    try:
        return find(*given, **named)
    except Exception:
        log.exception("unexpected fault in an operation", operation=Find.request_id)
        return None


class WireLimits(ExchangeLimits, Protocol):
    """The settings that the door of the wire protocol reads."""

    max_connections: int
    reply_cache: int


class WireDoor:
    """The door of the wire protocol: TCP, TLS, and the operator's own socket."""

    def __init__(self, runner: Runner, limits: WireLimits) -> None:
        core = runner.core
        self._runner = runner
        self._limits = limits
        self._finds = Finds(core, limits.reply_cache)

    @property
    def connections_max(self) -> int:
        """How many connections may be open: no fewer than are allowed in all."""
        return self._limits.max_connections

    def is_proxy(self, address: str) -> bool:
        """Tell that nobody asks for others: a connection of the wire protocol is its peer's."""
        return False

    def begin(self, link: Link, touch: Touch) -> Connection:
        """Begin the connection of a socket; on the operator's own it has signed in already."""
        connection = Connection.begin(self._runner, self._limits, link.peer, touch, self._finds)
        if not link.address:
            self._runner.core.identities.become(connection.session, LOCAL_OPERATOR)
        return connection
