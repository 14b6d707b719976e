"""What the poller needs of whatever is spoken on a link.

A conversation does no I/O: it takes bytes, and leaves bytes in its outbox. Whoever writes one gets
for nothing all that the poller does for each: admission, the count of unfinished input, deadlines
by progress, turns, TLS, the lingering close.
"""

from collections.abc import Callable
from typing import Protocol

from taskdash_protocol.errors import ServerError
from taskdashd.server.outbox import Outbox
from taskdashd.server.tls import TlsSocket


class Conversation(Protocol):
    """A protocol spoken on a link, without the socket: a connection, HTTP, a websocket."""

    outbox: Outbox
    wake_every_s: float | None
    """How often `wake` is to be called; None for never."""

    @property
    def serial(self) -> int | None:
        """The serial number of the session, if its silence is judged; else None."""

    @property
    def whose(self) -> str:
        """Whose bytes are held here: an identity's; before a sign-in, an address's."""

    @property
    def wants_input(self) -> bool:
        """Whether more bytes may be read from the peer now."""

    @property
    def wants_turn(self) -> bool:
        """Whether there is work at hand that was left for `take_turn`."""

    @property
    def peer_is_slow(self) -> bool:
        """Whether the peer leaves so many reply bytes unread that its requests must wait."""

    @property
    def has_partial_frame(self) -> bool:
        """Whether something was begun that the peer has yet to complete: a frame, a request."""

    @property
    def has_unread_frame(self) -> bool:
        """Whether a whole frame has arrived that does not count as a sign of life yet."""

    @property
    def frames_in(self) -> int:
        """How many times what was begun was completed: each has its own `frame_timeout`."""

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of input are held: not parsed yet, or not whole yet."""

    @property
    def parsed_bytes(self) -> int:
        """About how many bytes the requests take that were parsed and are not done yet."""

    @property
    def finished(self) -> bool:
        """Whether all input is done and all output handed out: the socket can be closed."""

    @property
    def rests(self) -> bool:
        """Whether nothing is held, waits, goes on or ends: a cheap look, which may also say no."""

    @property
    def idle(self) -> bool:
        """Whether no request waits to be done or answered."""

    @property
    def closing(self) -> bool:
        """Whether the daemon ends this conversation; nothing more is read of it."""

    def beats(self, data: bytes) -> bool:
        """Take bytes that are a sign of life alone, with nothing to do or say; False for others."""

    def receive(self, data: bytes, *, more: bool = False) -> None:
        """Take bytes from the peer; `more` says that further bytes wait already in the socket."""

    def end_of_input(self) -> None:
        """Note that the peer will send no more. The peer still gets its replies."""

    def hang_up(self) -> None:
        """Note that the peer reads nothing any more.

        What it sent before is still to come, and done; then `end_of_input` is called.
        """

    def settle(self) -> None:
        """Go on after something that requests waited for."""

    def take_turn(self) -> None:
        """Do a small piece of the work at hand: others wait meanwhile."""

    def room_was_made(self) -> None:
        """Note that the peer has read some output: what was held back goes on."""

    def wake(self) -> None:
        """Look at the clock: called each `wake_every_s`."""

    def overdue(self, timeout_s: float) -> None:
        """End the conversation: what the peer has begun was not completed within a time."""

    def expire(self, error: ServerError, *, reply: bool = False) -> None:
        """End the conversation for a reason, after the replies that are under way.

        `reply` tells the peer the reason where it has asked nothing.
        """

    def end_after_this(self, error: ServerError, *, reply: bool = False) -> None:
        """End the conversation for a reason, once all requests before are done and answered."""

    def secured(self, tls: TlsSocket) -> None:
        """Look at the client's certificate: bytes that came by TLS are about to be taken."""

    def lost(self) -> None:
        """Note that the socket is gone."""


Touch = Callable[[Conversation], None]
"""Called by a conversation for its `settle` to be called, and its output to be sent."""
