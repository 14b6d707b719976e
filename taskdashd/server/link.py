"""A socket with its conversation, and the lengths of its send and receive queues in the kernel."""

import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from taskdash_protocol.errors import Busy
from taskdashd.server.conversation import Conversation, Touch
from taskdashd.server.tls import TlsSocket

RECV_BYTES: Final = 64 << 10


class Unread(NamedTuple):
    """How far the input of a connection was read."""

    bytes_read: int
    bytes_waiting: int
    """Unread in the kernel."""
    frame_waiting: bool
    """Whether a whole frame was read from the kernel and not parsed."""


CountFor = Callable[[str], Busy | None]
"""Counts a trusted proxy's connection for an address that asks by it, or gives the refusal."""


@dataclass(eq=False, slots=True)
class Seat:
    """The address that a connection counts for, in turns and against limits.

    Apart from `Link`, so that what is spoken on a link can move the seat without a cycle.
    """

    address: str = ""
    """Empty where the connection counts for nobody yet, or is the operator's own."""


class Door(Protocol):
    """What listens: how many may be in by it, and how a conversation begins."""

    @property
    def connections_max(self) -> int:
        """How many connections by this door may be open at once."""

    def is_proxy(self, address: str) -> bool:
        """Tell whether who connects from an address asks for others, and says for whom."""

    def begin(self, link: "Link", touch: Touch) -> Conversation:
        """Begin a conversation on a link that was just accepted."""


@dataclass(eq=False, slots=True)
class Link:
    """A socket and what is spoken on it."""

    sock: "socket.socket | TlsSocket"
    fd: int
    door: Door
    """The door that the peer came in by."""
    tls: TlsSocket | None = None
    """The same socket if TLS is spoken on it, else None."""
    conversation: Conversation = field(init=False)
    events: int = 0
    bytes_in: int = 0
    frames_timed: int | None = None
    """Frames taken before the unfinished one whose deadline runs; None while no deadline runs."""
    queued_bytes: int = 0
    """Length of the kernel's send queue when `was_read` last looked."""
    unread_s: float = 0.0
    """For how long the peer has read nothing of the last replies."""
    address: str = ""
    """The peer's address; empty for the operator's own socket."""
    peer: str = ""
    """The peer's name for people."""
    seat: Seat = field(default_factory=Seat)
    count_for: CountFor = field(init=False)
    admitted: bool = True
    """False for a connection over a limit, kept open only to be told so."""
    counted: bool = False
    """Whether admission counts the connection."""
    held_bytes: int = 0
    """Bytes of input and of parsed requests held when admission last counted them."""
    held_for: str = ""
    """Who those bytes were counted for: an identity, or before sign-in an address."""
    held_unsent: int = 0
    """Bytes that waited to be sent when admission last counted them."""
    unsent_for: str = ""
    """Who those bytes were counted for."""
    blocked: bool = False
    hung_up: bool = False
    has_rest: bool = False
    """Whether what a peer has left that hung up is still to be read."""
    lingers: bool = False

    @property
    def turns_of(self) -> str:
        """Say whose turns the link takes: those of who asks, as far as that is known."""
        return self.seat.address or self.address

    @property
    def has_unsent(self) -> bool:
        """Whether bytes wait for the kernel to take them."""
        if self.conversation.outbox.output_bytes and not self.shakes_hands:
            return True
        return self.tls is not None and self.tls.has_unsent

    @property
    def shakes_hands(self) -> bool:
        """Whether nothing can be said yet, for want of the TLS handshake."""
        return self.tls is not None and not self.tls.established

    @property
    def unsent_bytes(self) -> int:
        """How many bytes wait to be sent, or how many replies take, and what TLS holds of them."""
        outbox = self.conversation.outbox
        held = max(outbox.output_bytes, outbox.held_bytes)
        return held if self.tls is None else held + self.tls.unsent_bytes

    def wanted_events(self, *, may_read: bool) -> int:
        """Give what epoll is to tell of the socket."""
        events = select.EPOLLIN if may_read or self.lingers or self.shakes_hands else 0
        return events | select.EPOLLOUT if self.has_unsent else events

    def send(self) -> bool:
        """Send ready output, or a piece of it; tell whether the kernel took any. Raises `OSError`.

        `blocked` is set where it did not take all.
        """
        outbox = self.conversation.outbox
        output = outbox.take()
        try:
            sent = self.sock.send(output)
        except BlockingIOError:
            sent = 0
        if sent < len(output):
            outbox.put_back(output[sent:])
            # Do not try again before EPOLLOUT: the kernel's buffer is full.
            self.blocked = True
        elif self.tls is not None and self.tls.has_unsent:
            self.blocked = True
        return sent > 0

    def take_rest(self) -> bool:
        """Take a piece of what a peer that was reset has sent before; tell whether it was any."""
        if self.conversation.closing:
            return False
        try:
            data = self.sock.recv(RECV_BYTES)
        except BlockingIOError:
            # By TLS, what has come may hold no data, and the kernel may have more.
            return self.tls is not None and self.has_unread
        except OSError:
            return False
        if data:
            self.conversation.receive(data)
        return bool(data)

    @property
    def rests(self) -> bool:
        """Whether nothing here changes what is counted, timed or asked of epoll."""
        if self.events != select.EPOLLIN or self.held_bytes or self.held_unsent:
            return False
        return self.frames_timed is None and self.tls is None and self.conversation.rests

    @property
    def has_turn(self) -> bool:
        """Whether there is something to do in a turn for a peer that has gone.

        Its rest is read no faster than it is done: megabytes may lie in the kernel.
        """
        conversation = self.conversation
        may_read = conversation.wants_input or conversation.closing
        return conversation.wants_turn or (self.has_rest and may_read)

    def settle_unheard(self) -> None:
        """Let the conversation go on where the peer reads nothing any more."""
        self.conversation.settle()
        while self.conversation.outbox.output_bytes:
            self.conversation.outbox.drop_output()
            self.conversation.room_was_made()

    def begin_linger(self) -> bool:
        """Send no more, and read on for a while; tell whether there is still a peer.

        Closing with unread input sends a reset, which can destroy the last replies.
        """
        self.lingers = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def hand_over(self, conversation: Conversation) -> None:
        """Have another conversation go on in place of the one so far."""
        self.conversation = conversation
        self.frames_timed = None

    def count(self, data: bytes) -> None:
        """Note that the peer's bytes were read from the kernel."""
        # Count encrypted bytes under TLS: `unread` adds those that the kernel counts.
        self.bytes_in = self.bytes_in + len(data) if self.tls is None else self.tls.raw_bytes_in

    def unread(self) -> Unread:
        """Say how much of the input was read and how much waits."""
        conversation = self.conversation
        # Ignore bytes left in the kernel because the peer does not read its replies: otherwise it
        # could seem alive for ever without sending anything.
        excused = conversation.wants_input or not conversation.peer_is_slow
        waiting = unread_bytes(self.sock) if excused else 0
        return Unread(self.bytes_in, waiting, conversation.has_unread_frame)

    @property
    def has_unread(self) -> bool:
        """Whether bytes have arrived that were not read."""
        return bool(unread_bytes(self.sock))

    def was_read(self) -> bool:
        """Tell whether the kernel's send queue has shrunk since the last call: the peer reads.

        EPOLLOUT does not tell: the kernel reports it only once much of its buffer is free.
        """
        before, self.queued_bytes = self.queued_bytes, _count(self.sock, termios.TIOCOUTQ)
        return self.queued_bytes < before

    def may_read_on(self, waited_s: float, timeout_s: float) -> bool:
        """Tell, after another wait, whether the peer has replies to read, and reads them."""
        self.unread_s = 0.0 if self.was_read() else self.unread_s + waited_s
        return self.queued_bytes > 0 and self.unread_s < timeout_s


class Links:
    """Links by the serial number of their session, where its silence is judged."""

    def __init__(self) -> None:
        self._by_serial: dict[int, Link] = {}

    def add(self, link: Link) -> None:
        """Add a link that has its conversation."""
        if (serial := link.conversation.serial) is not None:
            self._by_serial[serial] = link

    def remove(self, link: Link) -> None:
        """Take a link out."""
        if (serial := link.conversation.serial) is not None:
            del self._by_serial[serial]

    def find(self, serial: int) -> Link | None:
        """Give the link of a session; None if it is gone."""
        return self._by_serial.get(serial)

    def unread(self, serial: int) -> Unread | None:
        """Say how much of a session's input was read and waits; None if the link is gone."""
        link = self._by_serial.get(serial)
        return None if link is None else link.unread()

    def may_have_spoken(self, serial: int) -> bool:
        """Tell whether unread input of a session waits that may hold a sign of life."""
        unread = self.unread(serial)
        return unread is not None and bool(unread.bytes_waiting or unread.frame_waiting)


def unread_bytes(sock: "socket.socket | TlsSocket") -> int:
    """Say how many bytes have arrived and were not read (FIONREAD)."""
    return _count(sock, termios.FIONREAD)


def _count(sock: "socket.socket | TlsSocket", what: int) -> int:
    (count,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), what, b"\0\0\0\0"))
    return int(count)
