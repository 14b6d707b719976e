"""Limits on connections, and on the bytes of input held for all of them together."""

import socket
import struct
from collections import Counter
from typing import Any, Final, Protocol

from taskdash_protocol.errors import Busy
from taskdashd.server.link import Link

_TURNED_AWAY_MAX: Final = 64
"""Connections over a limit that may wait at one time to be told so; more are just closed."""
HELD_FREELY_BYTES: Final = 4 << 10
"""Input that is held for any connection, however much is held for the others."""
_UCRED: Final = struct.Struct("iII")


class AdmissionLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    max_connections: int
    max_connections_per_address: int
    input_buffer: int


class Admission:
    """Counts connections, in all and of each address, and the bytes of input held for them.

    Connections to the operator's own socket have no address, and are always admitted.
    """

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._admitted = 0
        self._turned_away = 0
        self._of_address: Counter[str] = Counter()
        self._held_bytes = 0

    def enter(self, link: Link) -> Busy | None:
        """Count a new connection; returns the refusal to send if it is one too many."""
        refusal = self._refusal(link.address) if link.address else None
        link.admitted = refusal is None
        link.counted = True
        if refusal is None:
            self._admitted += 1
            self._of_address[link.address] += 1
        else:
            self._turned_away += 1
        return refusal

    def leave(self, link: Link) -> None:
        """Count a connection no more."""
        if not link.counted:
            return
        link.counted = False
        self._held_bytes -= link.held_bytes
        if not link.admitted:
            self._turned_away -= 1
            return
        self._admitted -= 1
        self._of_address[link.address] -= 1
        if not self._of_address[link.address]:
            del self._of_address[link.address]

    @property
    def may_tell_more(self) -> bool:
        """Whether another refused connection may be kept open to be told why."""
        return self._turned_away < _TURNED_AWAY_MAX

    def hold(self, link: Link) -> Busy | None:
        """Note how much of a connection's input is held now; returns a refusal that must end it.

        Whole frames drain as they are done. An unfinished one may stay for ever, so a connection
        that holds one is ended once all together hold too much.
        """
        held = link.connection.inbox.buffered_bytes
        self._held_bytes += held - link.held_bytes
        link.held_bytes = held
        if self._holds_too_much(link) and link.connection.has_partial_frame:
            return Busy("too many unfinished frames are held: try later")
        return None

    def may_read(self, link: Link) -> bool:
        """Tell whether more of a connection's input may be taken."""
        return link.connection.wants_input and not self._holds_too_much(link)

    def _holds_too_much(self, link: Link) -> bool:
        return link.held_bytes > HELD_FREELY_BYTES and self._held_bytes > self._limits.input_buffer

    def _refusal(self, address: str) -> Busy | None:
        limits = self._limits
        if self._admitted >= limits.max_connections:
            much = f"{limits.max_connections} connections are open"
        elif self._of_address[address] >= limits.max_connections_per_address:
            much = f"{limits.max_connections_per_address} connections from {address} are open"
        else:
            return None
        return Busy(f"{much}, and no more are allowed: try later")


def peer_of(sock: Any, address: Any) -> tuple[str, str]:
    """Give the address that a connection is counted by, and its name for people.

    The operator's own socket has no address: the kernel names the process behind it (unix(7),
    SO_PEERCRED).
    """
    if isinstance(address, tuple):
        host, port = address[0], address[1]
        return host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    pid, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return "", f"uid {uid} pid {pid}"
