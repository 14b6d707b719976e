"""A socket and the connection on it, and what the kernel says of its two queues."""

import fcntl
import socket
import struct
import termios
from dataclasses import dataclass, field
from typing import NamedTuple

from taskdashd.server.connection import Connection
from taskdashd.server.tls import TlsSocket


class Unread(NamedTuple):
    """How far the input of a connection was read."""

    bytes_read: int
    bytes_waiting: int
    """In the kernel."""
    frame_waiting: bool
    """A whole frame was read and not looked at."""


@dataclass(eq=False, slots=True)
class Link:
    """A socket and the connection on it."""

    sock: "socket.socket | TlsSocket"
    fd: int
    tls: TlsSocket | None = None
    """The socket, where TLS is spoken on it."""
    connection: Connection = field(init=False)
    events: int = 0
    bytes_in: int = 0
    frames_timed: int | None = None
    """How many frames had been taken before the one whose rest is waited for, if one is."""
    unsent_bytes: int = 0
    """What the kernel still had to send when it was last looked at."""
    address: str = ""
    """What it is counted by; empty for the operator's own socket."""
    admitted: bool = True
    """False for one over a limit, which is there only to be told so."""
    counted: bool = False
    """Whether it is among those that admission counts."""
    held_bytes: int = 0
    """How much of its input was held when that was last counted."""
    blocked: bool = False
    hung_up: bool = False
    lingers: bool = False

    @property
    def has_unsent(self) -> bool:
        """Whether anything waits for the kernel to take it."""
        if self.connection.outbox.output_bytes:
            return True
        return self.tls is not None and self.tls.has_unsent

    def count(self, data: bytes) -> None:
        """Note that the peer's bytes were read from the kernel."""
        # Encrypted they are more, and that is what the kernel counts.
        self.bytes_in = self.bytes_in + len(data) if self.tls is None else self.tls.raw_bytes_in

    def unread(self) -> Unread:
        """Say what of the input was read and what waits."""
        connection = self.connection
        # What we do not read, because the peer does not, is no excuse for it.
        excused = connection.wants_input or not connection.peer_is_slow
        waiting = unread_bytes(self.sock) if excused else 0
        return Unread(self.bytes_in, waiting, connection.has_unread_frame)

    @property
    def has_unread(self) -> bool:
        """Whether bytes have arrived that were not read."""
        return bool(unread_bytes(self.sock))

    def was_read(self) -> bool:
        """Tell whether the peer has taken some of what the kernel had, since this was last asked.

        That the kernel takes no more from us does not tell: it waits for much room before it does.
        """
        before, self.unsent_bytes = self.unsent_bytes, _count(self.sock, termios.TIOCOUTQ)
        return self.unsent_bytes < before


class Links:
    """The links of all connections, by the serial number of their session."""

    def __init__(self) -> None:
        self._by_serial: dict[int, Link] = {}

    def add(self, link: Link) -> None:
        """Add a link that has its connection."""
        self._by_serial[link.connection.session.owner.serial] = link

    def remove(self, link: Link) -> None:
        """Take a link out."""
        del self._by_serial[link.connection.session.owner.serial]

    def find(self, serial: int) -> Link | None:
        """Give the link of a session; None if it is gone."""
        return self._by_serial.get(serial)

    def unread(self, serial: int) -> Unread | None:
        """Say what of a session's input was read and what waits; None if it is gone."""
        link = self._by_serial.get(serial)
        return None if link is None else link.unread()

    def may_have_spoken(self, serial: int) -> bool:
        """Tell whether something of a session's waits that may be a sign of life."""
        unread = self.unread(serial)
        return unread is not None and bool(unread.bytes_waiting or unread.frame_waiting)


def unread_bytes(sock: "socket.socket | TlsSocket") -> int:
    """Say how many bytes have arrived and were not read (FIONREAD)."""
    return _count(sock, termios.FIONREAD)


def _count(sock: "socket.socket | TlsSocket", what: int) -> int:
    (count,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), what, b"\0\0\0\0"))
    return int(count)
