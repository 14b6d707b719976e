"""For whom a proxy asks: what Forwarded (RFC 7239) and X-Forwarded-For say, and who is believed.

A header is believed from trusted proxies alone, and read from its right: each proxy adds there the
address that it has seen, so what lies left of the first address that is no trusted proxy's was
written by the asker. What cannot be read is no address: then the proxy itself counts as the asker.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

from taskdash_protocol.errors import Busy
from taskdashd.server.conversation import Conversation, Touch
from taskdashd.server.link import CountFor
from taskdashd.settings.values import IpNetwork
from taskdashd.web.messages import Refused, Request, Response
from taskdashd.web.site import Site, Visit

_HOPS_MAX: Final = 32
_PAIRS_MAX: Final = 16
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR: Final = re.compile(rf'({_WORD})=(?:({_WORD})|"((?:[^"\\]|\\.)*)")')
_NODE: Final = re.compile(
    r"(?:([0-9.]{7,15})|\[([0-9A-Fa-f:.]{2,45})(?:%[0-9A-Za-z._~-]+)?\])(:[0-9]{1,5})?"
)
_BARE: Final = re.compile(r"([0-9A-Fa-f:.]{2,45})(?:%[0-9A-Za-z._~-]+)?")
"""An address of IPv6 without brackets, as X-Forwarded-For has it, and its zone."""
_HIDDEN_PORT: Final = re.compile(r":_[0-9A-Za-z._-]+$")


class Hop(NamedTuple):
    """What a proxy has seen of whoever asked it."""

    address: str
    """As a connection from there would give it: without brackets, zone and port."""
    peer: str
    """The same for people, with the port where it is known."""
    proto: str = ""
    """The protocol that it was asked by; only Forwarded says it here."""


_UNKNOWN: Final = Hop("", "")


class Proxies:
    """The proxies that are believed, and what they say. No I/O."""

    def __init__(self, trusted: Sequence[IpNetwork]) -> None:
        self._trusted = tuple(trusted)

    def trusts(self, address: str) -> bool:
        """Tell whether an address is a trusted proxy's."""
        if not self._trusted:
            return False
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(known in network for network in self._trusted)

    def seen(self, request: Request) -> Request:
        """Give a request that came from a trusted proxy as if its asker had brought it."""
        headers = request.headers
        old = self._asker(headers.get("x-forwarded-for", ""), _of_list)
        new = self._asker(headers.get("forwarded", ""), _of_element)
        # A proxy writes one of the two headers, and may let the other pass as the asker wrote it:
        # where they differ, nothing tells which of them is the proxy's.
        told = {hop.address for hop in (old, new) if hop is not None}
        asker = (old or new) if len(told) == 1 else None
        last = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        protos = {last, new.proto if new is not None else ""} - {""}
        request = replace(request, is_https=protos == {"https"})
        if asker is None or asker is _UNKNOWN:
            return request
        return replace(request, address=asker.address, peer=asker.peer)

    def _asker(self, header: str, read: Callable[[str], Hop]) -> Hop | None:
        """Give the rightmost hop that is no trusted proxy; None where the header is not there."""
        if not header.strip(" \t"):
            return None
        hop = _UNKNOWN
        for part in reversed(header.rsplit(",", _HOPS_MAX)[-_HOPS_MAX:]):
            hop = read(part.strip(" \t"))
            if not self.trusts(hop.address):
                break
        return hop


def _of_list(part: str) -> Hop:
    """Read a part of X-Forwarded-For."""
    bare = _BARE.fullmatch(part)
    if bare is not None and part.count(":") > 1:
        return _hop(bare[1], "")
    return _node(part)


def _of_element(part: str) -> Hop:
    """Read an element of Forwarded. A comma within quotes is none: no address and name has one."""
    pairs: dict[str, str] = {}
    for pair in part.split(";", _PAIRS_MAX):
        found = _PAIR.fullmatch(pair.strip(" \t"))
        if found is None or found[1].lower() in pairs:
            return _UNKNOWN
        pairs[found[1].lower()] = found[2] or found[3]
    hop = _node(_HIDDEN_PORT.sub("", pairs.get("for", "")))
    return hop._replace(proto=pairs.get("proto", "").lower()) if hop is not _UNKNOWN else hop


def _node(text: str) -> Hop:
    found = _NODE.fullmatch(text)
    return _UNKNOWN if found is None else _hop(found[1] or found[2], found[3] or "")


def _hop(address: str, port: str) -> Hop:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return _UNKNOWN
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    text = str(known)
    return Hop(text, (f"[{text}]" if known.version == 6 else text) + port)


class Front(Site, Protocol):
    """The site behind the proxies."""

    def refused(self, request: Request, error: Refused) -> Response:
        """Give the answer that refuses a request."""

    def turn_away(self, request: Request, why: Busy) -> Refused:
        """Note that an asker has too many connections, and give what to answer."""


class ProxiedSite:
    """The `Site` of a connection that a trusted proxy has opened: each request is its asker's."""

    def __init__(self, site: Front, proxies: Proxies, count_for: CountFor) -> None:
        self._site = site
        self._proxies = proxies
        self._count_for = count_for
        self.headers_for = site.headers_for
        self.too_late = site.too_late

    def visit(self, request: Request) -> Visit | Response:
        """Look at the head of a request, as its asker's."""
        try:
            return self._site.visit(self._seen(request))
        except Refused as error:
            return self._site.refused(request, error)

    def upgrade(self, request: Request, touch: Touch, rest: bytes) -> Conversation:
        """Give the websocket that an asker wants. Raises `Refused`."""
        return self._site.upgrade(self._seen(request), touch, rest)

    def _seen(self, request: Request) -> Request:
        """Give a request as its asker's. Raises `Refused` where that has too many connections."""
        seen = self._proxies.seen(request)
        busy = self._count_for(seen.address)
        if busy is not None:
            raise self._site.turn_away(seen, busy)
        return seen
