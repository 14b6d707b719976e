"""The board's listening sockets: accepting, limits, TLS."""

import errno
import socket
import ssl
from collections import Counter
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Protocol

import structlog
import trio

from taskdashd.settings.logs import Sparing
from taskdashd.web import http
from taskdashd.web.app import SAFE, App
from taskdashd.web.socket import handshake

_BACKLOG: Final = 256
_PAUSE_S: Final = 0.1
_OUT_OF_RESOURCES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Limits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    max_frame: int
    web_connections: int
    max_connections_per_address: int
    handshake_timeout: float
    frame_timeout: float
    write_timeout: float


class Certificate(Protocol):
    """A certificate that may be reloaded."""

    @property
    def context(self) -> ssl.SSLContext:
        """The context for connections accepted from now on."""


class Server:
    """Accepts connections and serves each in a task of its own."""

    def __init__(self, app: App, limits: Limits, tls: Certificate | None) -> None:
        self._app = app
        self._limits = limits
        self._tls = tls
        self._connections = 0
        self._of_address: Counter[str] = Counter()

    async def run(self, listeners: list[socket.socket]) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                listener.listen(_BACKLOG)
                listener.setblocking(False)
                nursery.start_soon(self._accept, trio.socket.from_stdlib_socket(listener), nursery)

    async def _accept(self, listener: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        cannot_accept = Sparing(log.error, "cannot accept boards, pausing")
        while True:
            try:
                sock, where = await listener.accept()
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    cannot_accept(error=error.strerror, pause_s=_PAUSE_S)
                    await trio.sleep(_PAUSE_S)
                else:
                    log.debug("a connection was gone before it was accepted", error=str(error))
                continue
            nursery.start_soon(self._guarded, sock, where)

    async def _guarded(self, sock: trio.socket.SocketType, where: Any) -> None:
        address = str(where[0])
        peer = f"[{address}]:{where[1]}" if ":" in address else f"{address}:{where[1]}"
        stream: trio.abc.Stream = trio.SocketStream(sock)
        self._connections += 1
        self._of_address[address] += 1
        try:
            await self._serve(stream, sock, address, peer)
        except http.GONE as error:
            log.debug("a web connection was lost", peer=peer, error=str(error))
        except Exception:
            log.exception("unexpected fault of a web connection", peer=peer)
        finally:
            self._connections -= 1
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]
            with trio.move_on_after(0, shield=True):
                await trio.aclose_forcefully(stream)

    async def _serve(
        self, stream: trio.abc.Stream, sock: trio.socket.SocketType, address: str, peer: str
    ) -> None:
        limits = self._limits
        over = self._connections > limits.web_connections
        over = over or self._of_address[address] > limits.max_connections_per_address
        if over:
            if self._tls is None:
                too_many = http.Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many are connected")
                with trio.move_on_after(limits.write_timeout):
                    await stream.send_all(_alone(http.refusal(too_many)))
            return
        raw: socket.socket | None = sock._sock  # type: ignore[attr-defined]
        if self._tls is not None:
            raw = None
            stream = trio.SSLStream(stream, self._tls.context, server_side=True)
            with trio.fail_after(limits.handshake_timeout):
                try:
                    await stream.do_handshake()
                except trio.BrokenResourceError:
                    return

        async def upgrade(request: http.Request, stream: trio.abc.Stream, early: bytes) -> None:
            await self._app.upgrade(request, stream, raw, early, handshake(request))

        deadlines = http.Deadlines(limits.frame_timeout, limits.write_timeout)
        serve = partial(http.serve, stream, address, peer, limits.max_frame, deadlines, SAFE)
        await serve(self._app.respond, upgrade)


def _alone(response: http.Response) -> bytes:
    """Encode an answer without h11, which would have to read the request first."""
    status = response.status
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
    head += f"Retry-After: 5\r\nContent-Length: {len(response.body)}\r\n\r\n"
    return head.encode() + response.body
