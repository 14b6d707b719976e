"""Requests in and replies out, in order: what the wire's connection and a websocket have in common.

    receive -> decoder -> inbox (parsed, in order) -> operation -> outbox (in order) -> output

- Bad input becomes a value in the inbox and is answered in its turn.
- A reply takes its place in the outbox when its request is begun; only finished replies at the head
  are sent. So replies come in the order of the requests, whichever commit or look-up ends first.
- A request whose task is not in memory stops the inbox until the reader has loaded it, together
  with the tasks of the requests behind it.
- A write that finds the writer crowded stops the inbox too, until a commit has made room.
- An operation of kind "alone" waits until everything before it is answered, and stops the inbox
  until it is done.
- Everything is bounded: `wants_input` is false while too much waits, a batch (so many frames, for
  no longer than `BATCH_S`) is done before others have their turn, and a request that has waited
  longer than `queue_timeout` for its own is refused.

The driver (`poller`) calls what `Conversation` names, and sends the outbox. A protocol is a
subclass: it gives the inbox its decoder, encodes replies, and says goodbye in its own way.
"""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, Final, Protocol

import structlog

from taskdash_protocol.errors import AuthError, BadRequest, Busy, Outcome, ServerError
from taskdashd.core.replies import reply_body
from taskdashd.core.run import Runner
from taskdashd.core.session import UNREAD, Session
from taskdashd.core.table import Caller, Operation, Result
from taskdashd.domain.held import LITTLE_BYTES
from taskdashd.server.calls import Call, Lost
from taskdashd.server.inbox import Inbox, InboxLimits
from taskdashd.server.outbox import Outbox, Reply
from taskdashd.server.standing import Standing
from taskdashd.server.tls import TlsSocket
from taskdashd.store.faults import OutcomeUnknown

LOOK_AHEAD_MAX: Final = 256
log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ExchangeLimits(InboxLimits, Protocol):
    """The settings that an exchange reads; they may change while the daemon runs."""

    max_pending: int
    reply_buffer: int
    watch_buffer: int


class Exchange(Standing):
    """See the module. `touched` is called when the driver should `settle` and send once more."""

    wake_every_s: float | None = None
    _limits: ExchangeLimits

    def __init__(
        self,
        runner: Runner,
        limits: ExchangeLimits,
        session: Session,
        inbox: Inbox,
        touched: Callable[[Any], None],
    ) -> None:
        core = self._core = runner.core
        self._view = core.view
        self._run, self._read_now = runner.run, runner.read_now
        self._limits = limits
        self._touched = touched
        self.outbox = Outbox()
        self._waits = self._is_let_in = False
        self._look_ahead = LOOK_AHEAD_MAX
        self._ended = self._closing = self._gone = False
        self._goodbye: tuple[ServerError, bool] | None = None
        self.session = session
        self.inbox = inbox
        self._caller = Caller(session, core)
        self._cut_short = False
        """Whether work at hand was left, so that others have their turn."""

    # Called by the driver (`poller`)

    def receive(self, data: bytes, *, more: bool = False) -> None:
        """Take bytes from the peer, and run the requests in them as far as possible now.

        `more` says that further bytes wait already in the socket.
        """
        if not self._closing:
            self.inbox.feed(data)
            if not self._cut_short:
                self._work()
            self.inbox.note_delay(more=more, excused=self.peer_is_slow)

    def take_turn(self) -> None:
        """Do another batch of the frames at hand."""
        if not self._gone:
            self._work()

    def wake(self) -> None:
        """Look at the clock: an exchange does so only where its protocol has deadlines."""

    def secured(self, tls: TlsSocket) -> None:
        """Look at the client's certificate: a protocol may sign in by it."""

    def overdue(self, timeout_s: float) -> None:
        """End the exchange: a frame was begun and not completed within a time."""
        late = BadRequest(f"a frame was begun and not completed within {timeout_s:g} s")
        self.end_after_this(late, reply=True)

    def end_of_input(self) -> None:
        """Note that the peer will send no more. The peer still gets its replies."""
        self._ended = True

    def hang_up(self) -> None:
        """Note that the peer reads nothing any more; what it sent before is still done."""
        self.session.hear_no_more()

    def settle(self) -> None:
        """Go on after a commit, a look-up or an answer that requests waited for."""
        self._send_ready()
        if not self._cut_short and self.inbox.has_work:
            self._work()

    def room_was_made(self) -> None:
        """Note that the peer has read some output: requests held back go on."""
        if not self._cut_short and self.inbox.has_work:
            self._work()

    def expire(self, error: ServerError, *, reply: bool = False) -> None:
        """End the exchange for a reason, after the replies that are under way.

        `reply` sends the error as a reply too, where the protocol has replies without a request.
        """
        if not self._closing:
            self._closing = True
            self.inbox.clear()
            self._goodbye = (error, reply)
            self._touched(self)

    def end_after_this(self, error: ServerError, *, reply: bool = False) -> None:
        """End the exchange for a reason, once all requests before are done and answered."""
        if not self._closing:
            self._ended = True
            self.inbox.refuse_rest(error, reply=reply)
            self._touched(self)

    def lost(self) -> None:
        """Note that the socket is gone."""
        self._closing = self._gone = True
        self.inbox.clear()
        self.outbox.clear()
        self._leave()
        # Break the cycle through this callback: the cycle collector runs so seldom on an idle
        # daemon that a closed connection's memory would stay for hours.
        self._touched = lambda _connection: None

    # Requests in

    def _work(self) -> None:
        try:
            self.inbox.begin_batch()
            while not self.peer_is_slow:
                if self._take_run():
                    continue
                if not (self.inbox or self._read()) or not self._run_inbox():
                    break
            self._cut_short = self.inbox.was_cut_short
        except Exception:
            log.exception("unexpected fault in a connection", peer=self.session.peer)
            self.expire(Busy("an unexpected fault: it was logged"), reply=True)
        if self.peer_is_slow:
            # No request is run before the peer has read its replies, but whole frames that arrive
            # still count as signs of life: its tasks must not be taken for dead.
            self.inbox.listen()
        self._send_ready()

    def _take_run(self) -> bool:
        """Do the next requests at once, if there are some that a protocol does in a run."""
        return False

    def _read(self) -> bool:
        """Parse frames into the inbox; tell whether it holds a request."""
        if self._closing:
            return False
        inbox, waiting, session, writer = (
            self.inbox,
            self.inbox.waiting,
            self.session,
            self._core.writer,
        )
        outbox, most = self.outbox, self._limits.reply_buffer
        while outbox.held_bytes < most and inbox.parse_one(self._answer_known):
            if waiting and (writer.is_crowded or session.identity is None):
                # Parse no further: the request may have to wait, and those behind it take less room
                # as bytes. After a sign-in they may also be larger frames than before it.
                break
        return bool(inbox)

    def _answer_known(self, _payload: Any) -> bool:
        """Answer a payload on its bytes, where a protocol knows how; then no object is made."""
        return False

    def _answers_on_bytes(self, _operation: Operation, _call: Call, _task_id: str) -> bool:
        """Fill in a read's reply from the bytes of its task, where a protocol knows how."""
        return False

    def _run_inbox(self) -> bool:
        """Run the requests in the inbox, in order; False if the first has to wait."""
        inbox, outbox, limits, view = self.inbox, self.outbox, self._limits, self._view
        waiting, replies = inbox.waiting, outbox.replies
        writer, session, over = self._core.writer, self.session, inbox.batch_until
        # Nobody else comes to wait for room while a batch is done: look at those who do once.
        others_first = writer.must_wait and not self._is_let_in
        while waiting:
            is_full = (
                outbox.held_bytes >= limits.reply_buffer or outbox.awaited >= limits.max_pending
            )
            if self._waits or is_full:
                return False
            call = waiting[0]
            if call.answer is None and (call.token is not None or session.identity is None):
                outbox.release()
                if replies:
                    # Wait for earlier replies: a token here may change the session's identity, and
                    # requests under way must end as whom they began.
                    return False
                if not call.needs_no_token:
                    call.answer = self._core.identities.refusal(session, call.token)
                call.token = None
            operation, task_id = call.operation, call.task_id
            if operation is None or call.answer is not None:
                inbox.pop()
                self._answer(call)
            elif task_id is None:
                if replies:
                    return False
                inbox.pop()
                self._run_alone(operation, call)
            elif operation.kind == "writes" and (others_first or writer.is_crowded):
                self._waits = True
                writer.when_roomy(self._room_for_writes, session.whose)
                return False
            elif view.knows(task_id):
                inbox.pop()
                self._run_on_task(operation, call, task_id)
            else:
                self._look_up()
                return False
            if (now := perf_counter()) >= over and not (over := inbox.goes_on_until(now)):
                return False
        return True

    def _room_for_writes(self) -> None:
        if not self._gone:
            # Write now, in whatever turn: who comes later must not be first.
            self._waits, self._is_let_in = False, True
            Exchange._work(self)
            self._is_let_in = False
            self._touched(self)

    def _look_up(self) -> None:
        wanted = self.inbox.task_ids(self._look_ahead)
        # Halve the look-ahead until the first task is found in memory: a cache too small for the
        # whole batch would drop it again and again.
        self._look_ahead = max(1, self._look_ahead // 2)
        self._waits = True
        self._core.reader.load(wanted, self._looked_up)

    def _looked_up(self, fault: ServerError | None) -> None:
        self._waits = False
        if self._closing:
            return
        if self.inbox and self._view.knows(self.inbox.waiting[0].task_id or ""):
            self._look_ahead = min(LOOK_AHEAD_MAX, self._look_ahead * 2)
        if fault is not None and self.inbox:
            call = self.inbox.pop()
            call.answer = fault
            self._answer(call)
        # Go on in `settle`: many look-ups end at once, and the sweep shares its time out.
        self._touched(self)

    def _answer(self, call: Call) -> None:
        if isinstance(call, Lost):
            assert isinstance(call.answer, ServerError)
            self._lose(call.answer)
            return
        self.outbox.expect(call)
        if isinstance(call.answer, bytes):
            self.outbox.fill(call, call.answer)
        else:
            # A call without an operation is in the inbox only to be answered.
            assert call.answer is not None
            self._fill(call, call.answer)

    def _run_on_task(self, operation: Operation, call: Call, task_id: str) -> None:
        request, caller, waits_for = call.request, self._caller, None
        assert request is not None
        if operation.kind == "reads":
            waits_for = self._view.pending.get(task_id)
            if waits_for is None:
                self.outbox.expect(call)
                if self._answers_on_bytes(operation, call, task_id):
                    return
                self._fill_large(call, self._read_now(operation, request, caller, task_id))
                return
        self.outbox.expect(call, 0 if waits_for is None else len(waits_for.body))
        fill = self._fill if waits_for is None else self._fill_large
        self._run(operation, request, caller, task_id, partial(fill, call))

    def _lose(self, why: ServerError) -> None:
        """End the exchange where the peer's stream is lost."""
        log.info("closing", peer=self.session.peer, detail=why.detail)
        self.expire(why)

    def _run_alone(self, operation: Operation, call: Call) -> None:
        self.outbox.expect(call)
        self._waits = True
        self.inbox.run_alone(call.size)

        def done(outcome: Outcome[Result]) -> None:
            self._waits = False
            self.inbox.run_alone(0)
            self._fill_large(call, outcome)
            self._was_alone()

        assert call.request is not None
        self._run(operation, call.request, self._caller, "", done)

    def _fill_large(self, call: Call, result: Outcome[Result]) -> None:
        """Give the reply its place, unless it is large and the peer leaves too much unread.

        What a write replies is a dict, and is always told: it has changed something.
        """
        if type(result) is bytes and len(result) > LITTLE_BYTES and self._leaves_much:
            result = UNREAD
        self._fill(call, result)

    def _fill(self, call: Call, result: Outcome[Result]) -> None:
        if self._gone:
            return
        if isinstance(result, ServerError):
            if isinstance(result, OutcomeUnknown):
                self._end_unanswered(result)
                return
            if isinstance(result, AuthError):
                self._core.identities.refused(self.session, result)
        frame = self._reply(
            call.header, reply_body(call.request, result), encoded_twice=call.encoded_twice
        )
        self._put(call, frame)

    def _put(self, reply: Reply, frame: bytes) -> None:
        """Put a frame in its reply's place."""
        if self.outbox.fill(reply, frame):
            # Send later in this sweep, in one `send` with the replies that are filled meanwhile.
            self._touched(self)

    def _end_unanswered(self, why: OutcomeUnknown) -> None:
        # What was answered before goes out; what was asked since has no reply.
        self.outbox.release()
        self.outbox.drop_replies()
        self.expire(Busy(f"{why.detail}: connect again, and ask with Find"))
        # One that ends already has only waited for this.
        self._touched(self)

    def _send_ready(self) -> None:
        if self.outbox.replies:
            self.outbox.release()
        if self._goodbye is not None and not self.outbox:
            (error, reply), self._goodbye = self._goodbye, None
            self._say_goodbye(error, reply=reply)

    # A protocol's own

    def _reply(self, header: dict[str, Any], body: bytes, *, encoded_twice: bool = False) -> bytes:
        """Encode a reply."""
        raise NotImplementedError

    def _say_goodbye(self, error: ServerError, *, reply: bool) -> None:
        """Put the last words into the outbox."""
        raise NotImplementedError

    def _leave(self) -> None:
        """End the session: the socket is gone."""
        raise NotImplementedError

    def _was_alone(self) -> None:
        """Go on after an operation that ran alone, whose reply has its place."""
