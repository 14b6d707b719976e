"""Opening a socket to the daemon, by TCP, by TLS or by a path, and what to say where it fails."""

import os
import socket
import time
from pathlib import Path
from typing import Any, Final

from taskdash.address import Address

SHARE_MIN_S: Final = 0.05
WAIT_MAX_S: Final = 86_400.0
"""No socket takes every number of seconds for its timeout."""


def connect(where: Address) -> socket.socket:
    """Connect, for a socket that never blocks. Raises `ConnectionError`."""
    try:
        sock = dial(where)
    except (OSError, UnicodeError) as error:
        # Imported when it is raised: `taskdash-ctl run` dials without the rest of the client.
        from taskdash.errors import ConnectionError

        raise ConnectionError(f"cannot reach taskdashd at {where}: {reason(error)}") from error
    sock.setblocking(False)
    return sock


def dial(where: Address) -> socket.socket:
    """Connect, within the address's timeout. Raises `OSError`, `UnicodeError` for a bad name."""
    where = where._replace(timeout_s=min(where.timeout_s, WAIT_MAX_S))
    sock = _locally(where) if where.path else _by_tcp(where)
    return sock if where.tls is None else where.tls.wrap_socket(sock, server_hostname=where.host)


def _by_tcp(where: Address) -> socket.socket:
    """Connect to the first of the host's addresses that answers. Raises `OSError`.

    Each gets its share of the timeout: where IPv6 is broken, packets to the first address vanish,
    and the next would have no time left.
    """
    ends_at = time.monotonic() + where.timeout_s
    host: Any = where.host
    if where.host.replace(".", "").isdigit():
        # Give an address of digits as bytes: Python imports its codec for names otherwise.
        host = where.host.encode()
    addresses = socket.getaddrinfo(host, where.port, type=socket.SOCK_STREAM)
    for left, (family, kind, protocol, _, address) in zip(
        range(len(addresses), 0, -1), addresses, strict=True
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max((ends_at - time.monotonic()) / left, SHARE_MIN_S))
            sock.connect(address)
            sock.settimeout(where.timeout_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException as error:
            sock.close()
            if left == 1 or not isinstance(error, OSError):
                raise
        else:
            return sock
    raise OSError("the host has no address")


def _locally(where: Address) -> socket.socket:
    """Connect to a socket by its path. Raises `OSError`."""
    path = Path(where.path)
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(where.timeout_s)
        # An address holds 107 bytes (unix(7)): name a longer path by its directory's descriptor.
        sock.connect(f"/proc/self/fd/{directory}/{path.name}")
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(directory)
    return sock


def reason(error: Exception) -> str:
    """Say in a few words why there is no connection."""
    if isinstance(error, UnicodeError):
        return "that is no host name"
    if distrust := getattr(error, "verify_message", None):
        return f"its certificate is not trusted: {distrust}"
    if getattr(error, "reason", None) == "WRONG_VERSION_NUMBER":
        return "no TLS is spoken there, as taskdashs:// asks for"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
