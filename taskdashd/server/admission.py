"""Limits on connections, and on the bytes held for each and for all of them together."""

import socket
import struct
from collections import Counter
from functools import partial
from typing import Any, Final, Protocol

from taskdash_protocol.errors import Busy
from taskdashd.domain.held import LITTLE_BYTES, Held
from taskdashd.server.link import RECV_BYTES, Door, Link, Seat

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
    max_frame: int


class Admission:
    """Counts connections, in all and by door and address, and the bytes held for them, by whose.

    Connections to the operator's own socket have no address, and are always admitted.
    """

    def __init__(self, limits: AdmissionLimits, unsent: Held) -> None:
        self._limits = limits
        self._admitted = 0
        self._turned_away = 0
        self._of_address: Counter[str] = Counter()
        self._of_door: Counter[Door] = Counter()
        self._input = Held(lambda: limits.input_buffer, lambda: limits.max_frame)
        self._unsent = unsent
        self._is_tight = False
        """Whether so much input is held that some may hold too much; see `recv_bytes`."""

    def enter(self, link: Link) -> Busy | None:
        """Count a new connection; returns the refusal to send if it is one too many."""
        is_proxy = link.door.is_proxy(link.address)
        refusal = self._refusal(link, is_proxy=is_proxy) if link.address else None
        link.admitted = refusal is None
        link.counted = True
        link.held_for = link.unsent_for = link.address
        link.count_for = partial(self.count_for, link.seat)
        if refusal is None:
            self._admitted += 1
            if not is_proxy:
                self._sit(link.seat, link.address)
            self._of_door[link.door] += 1
        else:
            self._turned_away += 1
        return refusal

    def leave(self, link: Link) -> None:
        """Count a connection no more."""
        if not link.counted:
            return
        link.counted = False
        self._count(link, link.held_for, 0)
        self._unsent.add(link.unsent_for, -link.held_unsent)
        link.held_unsent = 0
        if not link.admitted:
            self._turned_away -= 1
            return
        self._admitted -= 1
        self._of_door[link.door] -= 1
        self._sit(link.seat, "")

    def count_for(self, seat: Seat, address: str) -> Busy | None:
        """Count a trusted proxy's connection for the address that asks by it now.

        Returns the refusal to send if the address has one connection too many.
        """
        refusal = None if address == seat.address else self._refusal_of_address(address)
        if refusal is None:
            self._sit(seat, address)
        return refusal

    def _sit(self, seat: Seat, address: str) -> None:
        if seat.address:
            self._of_address[seat.address] -= 1
            if not self._of_address[seat.address]:
                del self._of_address[seat.address]
        seat.address = address
        if address:
            self._of_address[address] += 1

    @property
    def may_tell_more(self) -> bool:
        """Whether another refused connection may be kept open to be told why."""
        return self._turned_away < _TURNED_AWAY_MAX

    def hold(self, link: Link) -> Busy | None:
        """Note how much is held for a connection now; returns a refusal that must end it.

        Requests that are whole drain as they are done. An unfinished one may stay for ever, so a
        connection that holds one, and nothing that drains, is ended once all together, or all of
        the same identity, hold too much.
        """
        conversation = link.conversation
        parsed = conversation.parsed_bytes
        held = conversation.buffered_bytes + parsed
        if held != link.held_bytes:
            self._count(link, conversation.whose, held)
        self.hold_unsent(link)
        if not parsed and self._holds_too_much(link) and conversation.has_partial_frame:
            return Busy("too many unfinished frames are held: try later")
        return None

    def hold_unsent(self, link: Link) -> None:
        """Note how much waits to be sent on a connection now."""
        unsent = link.unsent_bytes
        if unsent != link.held_unsent:
            whose = link.conversation.whose
            self._unsent.add(link.unsent_for, -link.held_unsent)
            self._unsent.add(whose, unsent)
            link.unsent_for, link.held_unsent = whose, unsent

    def hold_large_replies(self, link: Link) -> None:
        """Count large replies at once, not after all others of the sweep have added theirs."""
        if link.conversation.outbox.held_bytes > LITTLE_BYTES:
            self.hold_unsent(link)

    def may_read(self, link: Link) -> bool:
        """Tell whether more of a connection's input may be taken."""
        return link.conversation.wants_input and not self._holds_too_much(link)

    def recv_bytes(self, link: Link) -> int:
        """Say how many bytes may be received at once: few for who holds too much already."""
        if not self._is_tight:
            return RECV_BYTES
        full = self._input.is_full(link.conversation.whose, link.held_bytes, RECV_BYTES)
        return HELD_FREELY_BYTES if full and link.tls is None else RECV_BYTES

    def _count(self, link: Link, whose: str, held: int) -> None:
        self._input.add(link.held_for, -link.held_bytes)
        self._input.add(whose, held)
        link.held_for, link.held_bytes = whose, held
        self._is_tight = self._input.bytes > self._input.share // 2

    def _holds_too_much(self, link: Link) -> bool:
        if link.held_bytes <= HELD_FREELY_BYTES:
            return False
        return self._input.is_full(link.held_for, link.held_bytes)

    def _refusal(self, link: Link, *, is_proxy: bool) -> Busy | None:
        limits, door = self._limits, link.door
        if self._admitted >= limits.max_connections:
            much = f"{limits.max_connections} connections are open"
        elif self._of_door[door] >= door.connections_max:
            much = f"{door.connections_max} connections are open"
        elif not is_proxy:
            return self._refusal_of_address(link.address)
        else:
            return None
        return Busy(f"{much}, and no more are allowed: try later")

    def _refusal_of_address(self, address: str) -> Busy | None:
        most = self._limits.max_connections_per_address
        if self._of_address[address] < most:
            return None
        much = f"{most} connections from {address} are open"
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
