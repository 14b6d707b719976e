"""The daemon's doors: the addresses it listens on, its certificate, its tokens."""

import os
import socket
import time
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from taskdashd.server.tls import CertificateFiles, TlsContext, TlsError
from taskdashd.settings.config import Address, Settings
from taskdashd.settings.tokens import TokenError, TokenFile

CONTROL_NAME: Final = "taskdashd.sock"
_RECEIVE_BYTES: Final = 128 << 10

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class StartError(Exception):
    """The daemon cannot start; the message says why."""


class Doors(NamedTuple):
    """All sockets that the daemon listens on."""

    plain: list[socket.socket]
    secure: list[socket.socket]
    """The services' sockets with TLS."""
    web: list[socket.socket]
    """The web board's sockets."""

    @property
    def reachable(self) -> bool:
        """Whether other machines can connect to the services' sockets."""
        return any(not is_loopback(listener) for listener in [*self.plain, *self.secure])


def bind_all(settings: Settings) -> Doors:
    """Bind the addresses that the settings name. Raises `StartError`."""
    plain = bind(settings.listen)
    secure = bind(settings.listen_tls) if settings.listen_tls is not None else []
    return Doors(plain, secure, bind(settings.web) if settings.web is not None else [])


def bind(address: Address) -> list[socket.socket]:
    """Bind a socket for each address that a host name stands for. Raises `StartError`."""
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise StartError(f"cannot listen on {address}: {error.strerror}") from None
    listeners: list[socket.socket] = []
    try:
        for family, kind, protocol, _, where in dict.fromkeys(found):
            listener = socket.socket(family, kind, protocol)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Accepted connections inherit this bound. The kernel would otherwise let each receive
            # buffer grow to megabytes of memory, with requests that no limit of ours counts.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(where)
            listener.listen()
    except OSError as error:
        for listener in listeners:
            listener.close()
        hint = "; is another taskdashd running?" if error.errno == 98 else ""
        raise StartError(f"cannot listen on {address}: {error.strerror}{hint}") from None
    return listeners


def bind_operators_socket(data: Path) -> list[socket.socket]:
    """Bind the operators' socket in the data directory: its owner always gets in (mode 0600).

    The caller must hold the directory's lock: a socket of the same name is then left over, and is
    removed. Where none can be bound, as on some file systems, logs a warning and returns nothing.
    """
    path = data / CONTROL_NAME
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(data, os.O_PATH | os.O_DIRECTORY)
    # Bind by way of the directory's descriptor: a path over 107 bytes cannot be bound (unix(7)).
    mask = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        listener.bind(f"/proc/self/fd/{directory}/{CONTROL_NAME}")
    except OSError as error:
        listener.close()
        log.warning("there is no socket for operators", path=str(path), error=error.strerror)
        return []
    finally:
        os.umask(mask)
        os.close(directory)
    return [listener]


def remove_operators_socket(data: Path) -> None:
    """Remove the operators' socket: nobody answers on it any more."""
    (data / CONTROL_NAME).unlink(missing_ok=True)


def asks_for_tokens(settings: Settings, doors: Doors) -> bool:
    """Tell whether connections must sign in by a token."""
    return doors.reachable if settings.auth == "auto" else settings.auth == "tokens"


def read_tokens(settings: Settings, *, required: bool) -> TokenFile:
    """Read the tokens. Raises `StartError` where they are required and there are none."""
    try:
        tokens = TokenFile.read(settings.data, time.time)
    except TokenError as error:
        raise StartError(str(error)) from None
    if required and not tokens.tokens:
        raise StartError(
            f"{settings.listen} can be reached from other machines, and nobody has a token: make"
            ' one with "taskdashd token create NAME", or let everybody in with auth = "open"'
            if settings.auth == "auto"
            else 'nobody has a token: make one with "taskdashd token create NAME"'
        )
    return tokens


class Certificates(NamedTuple):
    """The daemon's certificate, read once for each door that speaks TLS; None for the others."""

    services: TlsContext | None
    web: TlsContext | None


def read_certificates(settings: Settings) -> Certificates:
    """Read the certificate for each door that speaks TLS. Raises `StartError`."""
    services = _certificate(settings, "listen_tls") if settings.listen_tls is not None else None
    web = settings.web is not None and settings.web_tls
    return Certificates(services, _certificate(settings, "web_tls") if web else None)


def _certificate(settings: Settings, what: str) -> TlsContext:
    if settings.tls_cert is None or settings.tls_key is None:
        raise StartError(
            f"{what} needs tls_cert and tls_key: taskdashd cert init makes them where you have none"
        )
    try:
        return TlsContext.read(
            CertificateFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        )
    except TlsError as error:
        raise StartError(str(error)) from None


def is_loopback(listener: socket.socket) -> bool:
    """Tell whether only this machine can connect to a socket."""
    host = str(listener.getsockname()[0])
    return host.startswith("127.") or host == "::1"
