"""How an exchange stands, as the poller sees it: what is held, what waits, what may go on."""

from typing import Protocol

from taskdashd.core.session import Session
from taskdashd.core.table import Core
from taskdashd.domain.held import LITTLE_BYTES, SHORT_BYTES
from taskdashd.server.inbox import Inbox
from taskdashd.server.outbox import Outbox


class StandingLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    reply_buffer: int


class Standing:
    """The part of an exchange that only looks; see the module."""

    _limits: StandingLimits
    _core: Core
    session: Session
    inbox: Inbox
    outbox: Outbox
    _cut_short: bool
    _ended: bool
    _closing: bool

    @property
    def serial(self) -> int | None:
        """The serial number of the session, if its silence is judged; else None."""
        return self.session.owner.serial

    @property
    def whose(self) -> str:
        """Whose bytes are held here: an identity's; before a sign-in, an address's."""
        return self.session.whose

    def beats(self, _data: bytes) -> bool:
        """Say no: a protocol may have a sign of life that it knows by its bytes."""
        return False

    @property
    def wants_turn(self) -> bool:
        """Whether there is work at hand that was left for `take_turn`."""
        return self._cut_short

    @property
    def frames_in(self) -> int:
        """How many frames were taken."""
        return self.inbox.frames_in

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of input wait to be parsed or to become a whole frame."""
        return self.inbox.buffered_bytes

    @property
    def parsed_bytes(self) -> int:
        """About how many bytes the requests take that were parsed and are not done yet."""
        return self.inbox.parsed_bytes

    @property
    def wants_input(self) -> bool:
        """Whether more bytes may be read from the peer now."""
        return not self._ended and not self._closing and not self.inbox.is_full

    @property
    def peer_is_slow(self) -> bool:
        """Whether the peer leaves so many reply bytes unread that its requests must wait.

        Few are too many where all connections of the same leave much unread together. That is asked
        once for a batch: the session's name and the counts of all cost as much as a short request.
        """
        held, ready = self.outbox.held_bytes, self.outbox.output_bytes
        if held >= self._limits.reply_buffer:
            return True
        if held <= SHORT_BYTES and ready <= SHORT_BYTES:
            return False
        return self._core.unsent.is_full(self.session.whose, max(held, ready))

    @property
    def has_partial_frame(self) -> bool:
        """Whether a frame was begun that the peer has yet to complete."""
        return not self._closing and self.inbox.has_partial_frame

    @property
    def has_unread_frame(self) -> bool:
        """Whether a whole frame has arrived that does not count as a sign of life yet."""
        return not self._closing and not self.peer_is_slow and self.inbox.has_unread_frame

    @property
    def finished(self) -> bool:
        """Whether all input is done and all output handed out: the socket can be closed."""
        if self.outbox.output_bytes or self.outbox:
            return False
        return self._closing or (self._ended and not self.inbox and not self._cut_short)

    @property
    def rests(self) -> bool:
        """Whether nothing is held, waits, goes on or ends."""
        outbox, inbox = self.outbox, self.inbox
        if outbox.output_bytes or outbox or self._ended or self._closing or self._cut_short:
            return False
        return inbox.is_empty

    @property
    def idle(self) -> bool:
        """Whether no request waits to be done or answered."""
        return not self.inbox and not self.outbox and not self._cut_short

    @property
    def closing(self) -> bool:
        """Whether the daemon ends this connection; nothing more is read from it."""
        return self._closing

    @property
    def _is_behind(self) -> bool:
        """Whether the peer leaves much unread, and too much waits for the same or for all."""
        return self.outbox.output_bytes > LITTLE_BYTES and self._leaves_much

    @property
    def _leaves_much(self) -> bool:
        """Whether so much waits for the same to read that nothing large may be added."""
        return self._core.unsent.is_full(self.session.whose, self.outbox.output_bytes)
