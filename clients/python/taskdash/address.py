"""Where the daemon is, and what to show it.

`taskdash://HOST[:PORT][?timeout=SECONDS]`, or `taskdashs://` for TLS, there also with `ca=FILE`;
`unix:///PATH` for the socket in the daemon's data directory, which always lets its owner in.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from taskdash_protocol import DEFAULT_PORT, __version__, handwritten
from taskdash_protocol.errors import AuthError

if TYPE_CHECKING:
    import ssl

DEFAULT_URL: Final = f"taskdash://127.0.0.1:{DEFAULT_PORT}"
DEFAULT_TIMEOUT_S: Final = 5.0
_OPTIONS: Final = {"taskdash": ("timeout",), "taskdashs": ("timeout", "ca"), "unix": ("timeout",)}


class Address(NamedTuple):
    """A daemon's address, and how long to wait for it."""

    host: str
    port: int = DEFAULT_PORT
    timeout_s: float = DEFAULT_TIMEOUT_S
    tls: "ssl.SSLContext | None" = None
    """How to check the daemon's certificate; None without TLS."""
    path: str = ""
    """The path of a socket on this machine; with it host and port mean nothing."""

    def __str__(self) -> str:
        """Write the address as HOST:PORT, or as the socket's path."""
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str | None = None) -> Address:
    """Read a URL; without one, that in TASKDASH_URL, else this machine's.

    Raises `ValueError` with a sentence that names the URL.

    >>> parse("taskdash://pi.local?timeout=2")
    Address(host='pi.local', port=13920, timeout_s=2.0, tls=None, path='')
    """
    url = handwritten.stripped(url or "") or _variable("TASKDASH_URL") or DEFAULT_URL
    try:
        parts = urlsplit(url if "://" in url else f"taskdash://{url}")
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError(f"{url!r} is no address: write taskdash://HOST[:PORT]") from None
    is_local = parts.scheme == "unix"
    if is_local and (parts.netloc or len(parts.path) < 2 or parts.fragment):
        raise ValueError(f"{url!r} is no address: write unix:///PATH")
    if parts.username is not None or (
        not is_local and (parts.path not in ("", "/") or parts.fragment)
    ):
        # Leave the URL out of the message: it may hold a password, and messages end up in logs.
        raise ValueError(
            "the URL holds more than host, port and options: a credential goes into TASKDASH_TOKEN"
        )
    if parts.scheme not in _OPTIONS:
        raise ValueError(f"{url!r}: the scheme must be taskdash://, taskdashs:// or unix://")
    if not parts.hostname and not is_local:
        raise ValueError(f"{url!r} names no host: write {parts.scheme}://HOST[:PORT]")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS[parts.scheme]:
            known = " and ".join(_OPTIONS[parts.scheme])
            raise ValueError(f"{url!r}: there is no option {name!r} here, only {known}")
    try:
        timeout_s = float(options.get("timeout", DEFAULT_TIMEOUT_S))
    except ValueError:
        timeout_s = float("nan")
    if not 0 < timeout_s < float("inf"):
        raise ValueError(f"{url!r}: timeout must be a positive number of seconds")
    tls = _tls(url, options) if parts.scheme == "taskdashs" else None
    if is_local:
        return Address("", 0, timeout_s, path=unquote(parts.path))
    return Address(parts.hostname or "", port, timeout_s, tls)


def given(url: str | None, timeout_s: float | None) -> Address:
    """Read a URL as `parse` does; a timeout goes before that of the URL. Raises `ValueError`."""
    where = parse(url)
    if timeout_s is None:
        return where
    if not (isinstance(timeout_s, int | float) and 0 < timeout_s < float("inf")):
        raise ValueError(f"timeout must be a positive number of seconds, not {timeout_s!r}")
    return where._replace(timeout_s=float(timeout_s))


def read_token() -> str:
    """Give the credential in TASKDASH_TOKEN, or in the file that TASKDASH_TOKEN_FILE names.

    The client reads it anew for each connection, so that it can be exchanged while a program runs.
    Raises `AuthError` where the file cannot be read.
    """
    if token := _variable("TASKDASH_TOKEN"):
        return token
    path = _variable("TASKDASH_TOKEN_FILE")
    if not path:
        return ""
    try:
        return handwritten.stripped(handwritten.text(Path(path).read_bytes()))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AuthError(f"cannot read TASKDASH_TOKEN_FILE {path}: {reason}") from error


def program() -> str:
    """Name this program, for the daemon's log and refusals."""
    name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return f"{name}[{os.getpid()}] taskdash-python/{__version__}"


def _variable(name: str) -> str:
    return handwritten.stripped(os.environ.get(name, ""))


def _tls(url: str, options: Mapping[str, str]) -> "ssl.SSLContext":
    import ssl  # takes longer to import than all else together

    ca = options.get("ca") or _variable("TASKDASH_CA") or None
    try:
        if ca is not None:
            handwritten.check_unmarked(Path(ca).name, Path(ca).read_bytes())
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise ValueError(
            f"{url!r}: cannot use {ca} as certificate authority: it holds no certificate"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{url!r}: cannot use {ca} as certificate authority: {reason}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
