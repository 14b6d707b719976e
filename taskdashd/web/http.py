"""An HTTP/1.1 connection without its socket: requests in, one at a time, and their answers out.

    input -> head -> who asks? -> body -> answer -> output, and only then the next head

- One request is under way at a time; what a peer sends behind it waits in the bounded input.
- Who asks is looked at as soon as the head is there: a body is read up to a bound that depends on
  it, and the body of a request that is refused is read past, not kept.
- Each turn takes a head, or a piece of a body: no peer's bytes take longer than that at once.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Final

import structlog

from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.core.steps import drive
from taskdashd.domain.budget import Budget
from taskdashd.domain.held import weight
from taskdashd.server.conversation import Conversation, Touch
from taskdashd.server.link import Link
from taskdashd.server.outbox import Outbox
from taskdashd.server.tls import TlsSocket
from taskdashd.store.faults import OutcomeUnknown
from taskdashd.web.messages import Refused, Request, Response, refusal
from taskdashd.web.reader import Progress, RequestReader, too_long
from taskdashd.web.site import HttpLimits, Site, Visit

KEEP_ALIVE_S: Final = 75.0
ANSWER_S: Final = 60.0
_INPUT_BYTES_MAX: Final = 64 << 10
"""With so much input no more is read, while a request is under way."""
_WAKE_S: Final = 1.0
_TURNED_AWAY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
    b"Content-Length: 48\r\n\r\n503 Service Unavailable: too many are connected\n"
)
"""The answer to a connection over a limit, which has asked nothing that h11 could answer."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _State(Enum):
    HEAD = "waits for a head, or for the rest of one"
    BODY = "waits for a body"
    ANSWER = "waits for an answer"


class HttpConnection:
    """See the module; a `Conversation`."""

    wake_every_s: float | None = _WAKE_S
    serial: int | None = None
    peer_is_slow = False
    has_unread_frame = False
    rests = False

    def __init__(
        self,
        site: Site,
        limits: HttpLimits,
        now: Callable[[], float],
        budget: Budget,
        link: Link,
        touch: Touch,
        prefix: str = "",
    ) -> None:
        self._site = site
        self._prefix = prefix
        self._limits = limits
        self._now = now
        self._budget = budget
        self._address, self._peer = link.address, link.peer
        self.whose = link.address
        """Whose bytes are held here: those of who asked last."""
        self._hand_over: Touch = link.hand_over
        self._touch = touch
        self.outbox = Outbox()
        self.frames_in = 0
        """How many requests were answered."""
        self._input = bytearray()
        self._has_turn = False
        self._ended = self._closing = self._gone = False
        self._since = now()
        """Since when the connection has been in its state."""
        self._begin_request()

    def _begin_request(self) -> None:
        self._state = _State.HEAD
        self._since = self._now()
        self._reader = RequestReader()
        self._is_upgrade = self._waits_for_turn = False
        self._request: Request | None = None
        self._visit: Visit | None = None
        self.parsed_bytes = 0
        """About how many bytes the request takes while it waits for its answer."""
        self._refusal: Response | None = None
        """What the request is answered, if it is refused: once its body was read past."""

    # Called by the poller

    @property
    def wants_input(self) -> bool:
        """Whether more bytes may be read from the peer now."""
        return not self._ended and not self._closing and len(self._input) < _INPUT_BYTES_MAX

    @property
    def wants_turn(self) -> bool:
        """Whether there is work at hand that was left for `take_turn`."""
        return self._has_turn

    @property
    def has_partial_frame(self) -> bool:
        """Whether a request was begun that the peer has yet to complete."""
        if self._closing or self.outbox.output_bytes:
            return False
        # Count input that waits for a turn as well: otherwise each byte that comes would start the
        # deadline anew.
        return self._state is _State.BODY or (self._state is _State.HEAD and bool(self._input))

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of input are held."""
        return len(self._input) + self._reader.kept_bytes

    @property
    def finished(self) -> bool:
        """Whether all input is done and all output handed out: the socket can be closed."""
        if self.outbox.output_bytes or self._state is _State.ANSWER:
            return False
        return self._closing or (self._ended and self._is_idle)

    @property
    def idle(self) -> bool:
        """Whether no request waits to be done or answered."""
        return self._state is not _State.ANSWER and not self._has_turn

    @property
    def closing(self) -> bool:
        """Whether the daemon ends this connection; nothing more is read from it."""
        return self._closing

    @property
    def _is_idle(self) -> bool:
        return self._state is _State.HEAD and not self._input

    def secured(self, tls: TlsSocket) -> None:
        """Leave the client's certificate alone: people and scripts sign in otherwise."""

    def beats(self, _data: bytes) -> bool:
        """Say no: HTTP has no signs of life."""
        return False

    def receive(self, data: bytes, *, more: bool = False) -> None:
        """Take bytes from the peer."""
        if not self._closing:
            self._input += data
            self._look_for_work()

    def end_of_input(self) -> None:
        """Note that the peer will send no more. The peer still gets its answers."""
        self._ended = True
        self._look_for_work()

    def hang_up(self) -> None:
        """Note that the peer reads nothing any more; what it sent before is still done."""
        if self._visit is not None and self._state is _State.ANSWER:
            self._visit.leave(is_gone=True)

    def settle(self) -> None:
        """Go on: what there is to do waits for input, for room, or for an answer, not for this."""

    def room_was_made(self) -> None:
        """Go on with the next request, once the peer was sent the answer of the last."""
        self._look_for_work()

    def _look_for_work(self) -> None:
        ready = self._state is not _State.ANSWER and not self.outbox.output_bytes
        goes_on = self._waits_for_turn or (self._ended and self._state is _State.BODY)
        self._has_turn = ready and (goes_on or bool(self._input)) and not self._closing

    def wake(self) -> None:
        """End a connection on which nothing is asked, and an answer that does not come."""
        waited_s = self._now() - self._since
        if self._is_idle and not self.outbox.output_bytes:
            if waited_s > (KEEP_ALIVE_S if self.frames_in else self._limits.frame_timeout):
                self._closing = True
                self._touch(self)
        elif self._state is _State.ANSWER and waited_s > ANSWER_S:
            assert self._request is not None
            self._respond(self._site.too_late(self._request, ANSWER_S))

    def overdue(self, timeout_s: float) -> None:
        """End the connection: a request was begun and not completed within a time."""
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request came too slowly")

    def expire(self, error: ServerError, *, reply: bool = False) -> None:
        """End the connection for a reason, after the answer that is under way."""
        if self._closing:
            return
        if reply and self._is_idle and not self.frames_in:
            self.outbox.append(_TURNED_AWAY)
        elif reply and self._state is not _State.ANSWER:
            after = ("retry-after", "5")
            self._end_by(refusal(Refused(HTTPStatus.SERVICE_UNAVAILABLE, error.detail, after)))
        self._end()
        self._touch(self)

    end_after_this = expire

    def lost(self) -> None:
        """Note that the socket is gone."""
        self._gone = True
        self._end()
        self._leave(is_gone=True)
        self.outbox.clear()
        self._touch = _nobody
        self._hand_over = _nobody

    def _end(self) -> None:
        self._closing = True
        self._has_turn = False
        self._input.clear()

    # Requests in

    def take_turn(self) -> None:
        """Take a head, or a piece of a body."""
        self._look_for_work()
        if not self._has_turn:
            return
        self._waits_for_turn = False
        try:
            if self._state is _State.HEAD:
                self._take_head()
            # What is asked is done in a turn of whoever asks: up to here a proxy's peers share one.
            if self._state is _State.BODY and not self._waits_for_turn:
                self._take_body()
        except Refused as error:
            self._end_by(self._refusal or refusal(error))
        except Exception:
            log.exception("unexpected fault of a web connection", peer=self._peer)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "an unexpected fault: it was logged")

    def _take_head(self) -> None:
        head = self._reader.take_head(self._input, ended=self._ended)
        if head is None:
            self._has_turn = False
            return
        self._state, self._since = _State.BODY, self._now()
        head = head.below(self._prefix) if self._prefix else head
        asker = self._address, self._peer, self._budget
        request = self._request = Request(*head, *asker, prefix=self._prefix)
        self._is_upgrade = request.headers.get("upgrade", "").lower() == "websocket"
        if not self._is_upgrade:
            visit = self._site.visit(request)
            if isinstance(visit, Response):
                self._refusal = visit
            else:
                self._waits_for_turn = visit.whose != self.whose
                self._visit, self.whose = visit, visit.whose
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._body_bytes_max:
            raise too_long(self._body_bytes_max)

    @property
    def _body_bytes_max(self) -> int:
        return _INPUT_BYTES_MAX if self._visit is None else self._visit.body_bytes_max

    def _take_body(self) -> None:
        progress = self._reader.take_body(
            self._input,
            ended=self._ended,
            bytes_max=self._body_bytes_max,
            keep=self._visit.body_bytes_kept if self._visit is not None else 0,
        )
        if progress is Progress.WHOLE:
            self._is_whole()
        elif progress is Progress.WAITS:
            self._has_turn = False
            if self._reader.waits_to_go_on:
                self._ask_to_go_on()

    def _ask_to_go_on(self) -> None:
        if self._refusal is not None:
            self._end_by(self._refusal)
        else:
            self.outbox.append(self._reader.go_on())
            self._touch(self)

    def _is_whole(self) -> None:
        """Answer the request, whose body is whole."""
        self._state, self._since = _State.ANSWER, self._now()
        self._has_turn = False
        if self._refusal is not None:
            self._respond(self._refusal)
        elif self._is_upgrade:
            self._upgrade()
        else:
            assert self._visit is not None
            body = self._reader.body()
            self.parsed_bytes = weight(body)
            drive(self._visit.answer(body), partial(self._answered, self.frames_in))

    def _upgrade(self) -> None:
        assert self._request is not None
        try:
            socket = self._site.upgrade(self._request, self._touch, bytes(self._input))
        except Refused as error:
            self._respond(refusal(error))
            return
        if self._ended:
            socket.end_of_input()
        self._hand_over(socket)
        self._end()

    # Responses out

    def _answered(self, number: int, outcome: Outcome[Response]) -> None:
        if self._gone or number != self.frames_in:
            # Nobody waits for the answer any more.
            return
        if isinstance(outcome, OutcomeUnknown):
            # Say nothing, as after a power cut: success and failure would both be guesses.
            self._leave(is_gone=False)
            self.frames_in += 1
            self._begin_request()
            self._end()
            self._touch(self)
        elif isinstance(outcome, ServerError):
            why = "an unexpected fault: it was logged"
            self._respond(refusal(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, why)))
        else:
            self._respond(outcome)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        """Answer with an error, and end the connection."""
        self._end_by(refusal(Refused(status, why)))

    def _end_by(self, response: Response) -> None:
        self._respond(response, closes=True)

    def _respond(self, response: Response, *, closes: bool = False) -> None:
        """Send an answer, and begin with the next request unless the connection is to end."""
        self._leave(is_gone=False)
        self.frames_in += 1
        more = self._site.headers_for(self._request)
        data, goes_on = self._reader.encode(response, more, closes=closes or self._closing)
        self.outbox.append(data)
        self._begin_request()
        if not goes_on:
            self._end()
        self._look_for_work()
        self._touch(self)

    def _leave(self, *, is_gone: bool) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.leave(is_gone=is_gone)


def _nobody(_conversation: Conversation) -> None:
    """Take the place of the callbacks where the socket is gone: no cycle must lead through them."""
