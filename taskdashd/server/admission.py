"""Limits on connections, and on the bytes of input held for all of them together."""

import socket
import struct
from collections import Counter
from typing import Any, Final, Protocol

from taskdash_protocol.errors import Busy
from taskdashd.server.link import Door, Link

_TURNED_AWAY_MAX: Final = 64
"""Connections over a limit that may wait at one time to be told so; more are just closed."""
HELD_FREELY_BYTES: Final = 4 << 10
"""Input that is held for any connection, however much is held for the others."""
HELD_UNLESS_MUCH_BYTES: Final = 64 << 10
"""Input that is held for a connection of who holds little, however much others hold."""
_SHARE: Final = 4
"""An identity, or before sign-in an address, may hold a quarter of `input_buffer`, or a frame."""
_UCRED: Final = struct.Struct("iII")


class AdmissionLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    max_connections: int
    max_connections_per_address: int
    input_buffer: int
    max_frame: int


class Admission:
    """Counts connections, and the bytes of input held for them: in all, by door, by whose they are.

    Connections to the operator's own socket have no address, and are always admitted.
    """

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._admitted = 0
        self._turned_away = 0
        self._of_address: Counter[str] = Counter()
        self._of_door: Counter[Door] = Counter()
        self._held_bytes = 0
        self._held_for: Counter[str] = Counter()

    def enter(self, link: Link) -> Busy | None:
        """Count a new connection; returns the refusal to send if it is one too many."""
        refusal = self._refusal(link) if link.address else None
        link.admitted = refusal is None
        link.counted = True
        link.held_for = link.address
        if refusal is None:
            self._admitted += 1
            self._of_address[link.address] += 1
            self._of_door[link.door] += 1
        else:
            self._turned_away += 1
        return refusal

    def leave(self, link: Link) -> None:
        """Count a connection no more."""
        if not link.counted:
            return
        link.counted = False
        self._count_held(link, link.held_for, 0)
        if not link.admitted:
            self._turned_away -= 1
            return
        self._admitted -= 1
        self._of_door[link.door] -= 1
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
        that holds one is ended once all together, or all of its identity, hold too much.
        """
        held = link.conversation.buffered_bytes
        if held != link.held_bytes:
            self._count_held(link, link.conversation.identity_key or link.address, held)
        if self._holds_too_much(link) and link.conversation.has_partial_frame:
            return Busy("too many unfinished frames are held: try later")
        return None

    def may_read(self, link: Link) -> bool:
        """Tell whether more of a connection's input may be taken."""
        return link.conversation.wants_input and not self._holds_too_much(link)

    def _count_held(self, link: Link, whose: str, held: int) -> None:
        self._held_bytes += held - link.held_bytes
        self._held_for[link.held_for] -= link.held_bytes
        if not self._held_for[link.held_for]:
            del self._held_for[link.held_for]
        if held:
            self._held_for[whose] += held
        link.held_for, link.held_bytes = whose, held

    def _holds_too_much(self, link: Link) -> bool:
        if link.held_bytes <= HELD_FREELY_BYTES:
            return False
        most = self._limits.input_buffer
        if self._held_for[link.held_for] > max(most // _SHARE, self._limits.max_frame):
            return True
        # Leave room beside `input_buffer` for frames of a usual size: a few who fill it, each up to
        # a quarter, must not shut out everybody else. The room is bounded as well, by a second one.
        return self._held_bytes > most and (
            link.held_bytes > HELD_UNLESS_MUCH_BYTES or self._held_bytes > 2 * most
        )

    def _refusal(self, link: Link) -> Busy | None:
        limits, door, address = self._limits, link.door, link.address
        if self._admitted >= limits.max_connections:
            much = f"{limits.max_connections} connections are open"
        elif self._of_door[door] >= door.connections_max:
            much = f"{door.connections_max} connections are open"
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
