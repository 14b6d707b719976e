"""Where the daemon is: `taskdash://HOST[:PORT][?timeout=SECONDS]`."""

import os
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from taskdash_protocol import DEFAULT_PORT

DEFAULT_URL: Final = f"taskdash://127.0.0.1:{DEFAULT_PORT}"
DEFAULT_TIMEOUT_S: Final = 5.0


class Address(NamedTuple):
    """A daemon's address, and how long to wait for it."""

    host: str
    port: int
    timeout_s: float

    def __str__(self) -> str:
        """Write it as HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str | None = None) -> Address:
    """Read a URL; without one, that in TASKDASH_URL, else this machine's.

    Raises `ValueError` with a sentence that names the URL.

    >>> parse("taskdash://pi.local?timeout=2")
    Address(host='pi.local', port=13920, timeout_s=2.0)
    """
    url = url or os.environ.get("TASKDASH_URL") or DEFAULT_URL
    parts = urlsplit(url if "://" in url else f"taskdash://{url}")
    if parts.scheme != "taskdash":
        raise ValueError(f"{url!r}: the scheme must be taskdash://")
    if not parts.hostname:
        raise ValueError(f"{url!r} names no host: write taskdash://HOST[:PORT]")
    try:
        port = parts.port or DEFAULT_PORT
        timeout_s = float(parse_qs(parts.query).get("timeout", [DEFAULT_TIMEOUT_S])[-1])
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}") from None
    if not 0 < timeout_s < float("inf"):
        raise ValueError(f"{url!r}: timeout must be a positive number of seconds")
    return Address(parts.hostname, port, timeout_s)
