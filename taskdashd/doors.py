"""The daemon's doors: the addresses it listens on, its certificate, its tokens."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio

from taskdash_protocol.errors import AuthError
from taskdashd import logs
from taskdashd.config import Address, Settings
from taskdashd.domain.access import ANYONE
from taskdashd.operations.engine import Engine
from taskdashd.server.poller import Poller
from taskdashd.server.tls import TlsContext, TlsError
from taskdashd.tokens import Token, TokenError, TokenFile

CONTROL_NAME: Final = "taskdashd.sock"
_RECEIVE_BYTES: Final = 128 << 10
_TOKENS_S: Final = 1.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Limits(Protocol):
    """The setting that is read here; it may change while the daemon runs."""

    sign_in_timeout: float


class StartError(Exception):
    """The daemon cannot start; the message says why."""


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
            # For the connections that it accepts. Left to itself the kernel would let each grow to
            # megabytes, which is memory, and requests that wait before we know of them.
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
    """Bind the socket in the data directory through which its owner always gets in (mode 0600).

    The directory must be locked: one of the same name is left over and removed. Where there can be
    none, as on some file systems, that is said, and nothing returned.
    """
    path = data / CONTROL_NAME
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(data, os.O_PATH | os.O_DIRECTORY)
    # By way of the descriptor: a path of more than 107 bytes cannot be bound (unix(7)).
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


def bind_web(settings: Settings) -> tuple[list[socket.socket], TlsContext | None]:
    """Bind where the board is served, and read its certificate. Raises `StartError`."""
    if settings.web is None:
        return [], None
    tls = _certificate(settings, "web_tls") if settings.web_tls else None
    return bind(settings.web), tls


def asks_for_tokens(settings: Settings, listeners: list[socket.socket]) -> bool:
    """Tell whether whoever connects must sign in."""
    if settings.auth == "auto":
        return not all(is_loopback(listener) for listener in listeners)
    return settings.auth == "tokens"


def read_tokens(settings: Settings, *, required: bool) -> TokenFile:
    """Read the tokens. Raises `StartError` where they are asked for and there are none."""
    try:
        tokens = TokenFile(settings.data, time.time)
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


async def watch_tokens(tokens: TokenFile, engine: Engine, poller: Poller, live: Limits) -> None:
    """Once a second: take up new tokens, and end the connections of those that are over."""
    refused = logs.Sparing(log.error, "the tokens cannot be read; those known so far stay")
    while True:
        await trio.sleep(_TOKENS_S)
        try:
            before = tokens.tokens
            if tokens.changed():
                log.info("tokens reread", tokens=len(tokens.tokens))
                _note_tokens(engine, before, tokens.tokens)
        except TokenError as error:
            refused(error=str(error))
        since = engine.clock.now() - live.sign_in_timeout
        for serial, session in list(engine.sessions.items()):
            if session.stands_in:
                continue
            identity = session.admitted or session.identity
            if identity is ANYONE:
                continue
            if identity is None or session.identity is None:
                if session.since < since:
                    limit = f"{live.sign_in_timeout:g} s"
                    poller.expire(serial, AuthError(f"no good token came within {limit}"))
            elif not session.is_local and not tokens.stands(identity):
                over = AuthError("the token was revoked or has expired")
                engine.refused(session, over)
                poller.expire(serial, over)


def _note_tokens(engine: Engine, old: Mapping[str, Token], new: Mapping[str, Token]) -> None:
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was != now and was is not None:
            engine.acts.note("token revoked", "taskdashd token", f"{name}, {was.role}")
        if was != now and now is not None:
            rights = now.identity.rights
            engine.acts.note("token created", "taskdashd token", f"{name}, {rights}")


def read_certificate(settings: Settings) -> TlsContext | None:
    """Read the certificate. Raises `StartError`."""
    return None if settings.listen_tls is None else _certificate(settings, "listen_tls")


def _certificate(settings: Settings, what: str) -> TlsContext:
    if settings.tls_cert is None or settings.tls_key is None:
        raise StartError(
            f"{what} needs tls_cert and tls_key: taskdashd cert init makes them where you have none"
        )
    try:
        return TlsContext(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    except TlsError as error:
        raise StartError(str(error)) from None


def is_loopback(listener: socket.socket) -> bool:
    """Tell whether only this machine can connect to a socket."""
    host = str(listener.getsockname()[0])
    return host.startswith("127.") or host == "::1"
