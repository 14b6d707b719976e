"""Origin and Host: only the board's pages, and those of origins that the operator names, may ask.

Host is checked too: otherwise a foreign page could point its own name at the daemon's address (DNS
rebinding), and its Origin would equal its Host.
"""

import ipaddress
import socket
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from taskdashd.web.messages import Headers, Refused, Request

_SHARED: Final = ("/api/v1/", "/rpost/", "/rget/")
"""Paths that pages of named origins may ask; the board's own files are for the board."""
_FOREIGN: Final = ("cross-site", "same-site")
_PREFLIGHT: Final[Headers] = [
    ("access-control-allow-methods", "GET, POST"),
    ("access-control-allow-headers", "authorization, content-type"),
    ("access-control-max-age", "600"),
]


class Origins:
    """See the module."""

    def __init__(self, allowed: str, *, secure: bool = False) -> None:
        self._secure = secure
        """Whether the daemon itself is asked by https alone."""
        self._allowed = {origin.rstrip("/").lower() for origin in allowed.split()}
        own = socket.gethostname().lower()
        self._hosts = {"localhost", own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}
        self._hosts |= {urlsplit(origin).hostname or "" for origin in self._allowed}

    def headers_for(self, request: Request) -> Headers:
        """Give the headers by which a page of a named origin may read an answer (CORS)."""
        if not self._allowed or not _is_shared(request.path):
            return []
        # Say it to everybody: what a cache keeps of one origin must not be given to another.
        vary: Headers = [("vary", "Origin")]
        origin = request.headers.get("origin", "")
        if origin.lower() not in self._allowed:
            return vary
        allowed: Headers = [
            *vary,
            ("access-control-allow-origin", origin),
            ("access-control-allow-credentials", "true"),
        ]
        if not self.is_preflight(request):
            return allowed
        return [*allowed, *_PREFLIGHT]

    def is_preflight(self, request: Request) -> bool:
        """Tell whether a browser asks if a page of a named origin may ask (Fetch, 4.8)."""
        return (
            request.method == "OPTIONS"
            and "access-control-request-method" in request.headers
            and request.headers.get("origin", "").lower() in self._allowed
            and _is_shared(request.path)
        )

    def check_host(self, request: Request) -> None:
        """Raise `Refused` where Host is neither an address nor a name of this daemon."""
        host = request.headers.get("host", "")
        try:
            name, is_address = _name_of(host)
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "the header Host names no host") from None
        if name not in self._hosts and not is_address:
            why = f"this board is not called {name[:100]!r}: web_origins can name it"
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, why)

    def check_origin(self, request: Request) -> None:
        """Raise `Refused` where a foreign page asks. A script sends no Origin, and may ask."""
        origin = request.headers.get("origin")
        if origin is None:
            # An image or a link of a foreign page sends none either, and would have wrong passwords
            # counted for whoever looks at that page. Browsers tell of it where they trust the way.
            if request.headers.get("sec-fetch-site", "") in _FOREIGN:
                raise Refused(HTTPStatus.FORBIDDEN, "pages of elsewhere may not ask here")
            return
        host = request.headers.get("host", "").lower()
        own = [f"https://{host}"]
        if not (self._secure or request.is_https):
            # A proxy that is not trusted may have been asked by either.
            own.append(f"http://{host}")
        # Where the board is asked by https, a page of http is whoever's who stands in its way.
        if origin.lower() not in (*self._allowed, *own):
            raise Refused(HTTPStatus.FORBIDDEN, f"pages of {origin[:200]} may not ask here")


def _is_shared(path: str) -> bool:
    """Tell whether a path is one that pages of other origins ask."""
    return path.startswith(_SHARED)


# Keep the last few: every request names its host, and to take one apart costs as much as a beat.
@lru_cache(64)
def _name_of(host: str) -> tuple[str, bool]:
    """Give the name in a header Host, and whether it is an address. Raises `ValueError`."""
    name = urlsplit(f"//{host}").hostname or ""
    return name, _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
