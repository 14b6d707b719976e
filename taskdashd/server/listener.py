"""Listening sockets: accepting connections, also when the process is out of descriptors."""

import errno
import os
import select
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import structlog

from taskdashd.server.link import Door
from taskdashd.server.tls import TlsContext, TlsSocket
from taskdashd.settings.logs import Sparing

BACKLOG: Final = 1024
_ACCEPTS_AT_ONCE: Final = 16
_PAUSE_S: Final = 0.1
_OUT_OF_RESOURCES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Take = Callable[["socket.socket | TlsSocket", Any, Door], None]
"""Take over an accepted socket, the peer's address, and the door that it came in by."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Listener:
    """All listening sockets of the daemon, registered with the epoll that waits for them."""

    def __init__(self, epoll: select.epoll, now: Callable[[], float], take: Take) -> None:
        self._epoll = epoll
        self._now = now
        self._take = take
        self._sockets: dict[int, tuple[socket.socket, Door, TlsContext | None]] = {}
        self._paused_until: float | None = None
        self._spare: int | None = None
        self._cannot_accept = Sparing(log.error, "cannot accept, pausing")

    def listen(
        self, listeners: Iterable[socket.socket], door: Door, tls: TlsContext | None = None
    ) -> None:
        """Accept connections from bound sockets for a door, with TLS on them if `tls` is given."""
        for listener in listeners:
            listener.setblocking(False)
            listener.listen(BACKLOG)
            self._sockets[listener.fileno()] = (listener, door, tls)
            self._epoll.register(listener.fileno(), select.EPOLLIN)

    def ready(self, fd: int) -> None:
        """Accept connections that wait on a ready socket, at most `_ACCEPTS_AT_ONCE`."""
        if fd not in self._sockets:
            return
        listener, door, tls = self._sockets[fd]
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    if self._give_spare_to(listener):
                        continue
                    self._pause(error)
                    return
                log.debug(
                    "a connection was gone before it was accepted",
                    peer="unknown",
                    error=str(error),
                )
                continue
            self._take(sock if tls is None else tls.wrap(sock), address, door)

    def resume(self) -> float | None:
        """Go on after a pause, if it is over; returns the seconds that it still lasts."""
        self._keep_spare()
        if self._paused_until is None:
            return None
        left_s = self._paused_until - self._now()
        if left_s > 0:
            return left_s
        self._paused_until = None
        for fd in self._sockets:
            self._epoll.modify(fd, select.EPOLLIN)
        return None

    def _give_spare_to(self, listener: socket.socket) -> bool:
        """Free the spare descriptor for the operator, who must get in when no other is left."""
        if self._spare is None or listener.family != socket.AF_UNIX:
            return False
        os.close(self._spare)
        self._spare = None
        return True

    def _keep_spare(self) -> None:
        if self._spare is None and self._sockets:
            with suppress(OSError):
                # No descriptor is free: `resume` tries again with the next tick.
                self._spare = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Take no more connections."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        for fd, (listener, *_) in self._sockets.items():
            self._epoll.unregister(fd)
            listener.close()
        self._sockets.clear()

    def _pause(self, error: OSError) -> None:
        # Stop polling: level-triggered, the kernel would report the same connection in every sweep.
        self._cannot_accept(error=error.strerror, pause_s=_PAUSE_S)
        for fd, (listener, *_) in self._sockets.items():
            if self._spare is None or listener.family != socket.AF_UNIX:
                self._epoll.modify(fd, 0)
        self._paused_until = self._now() + _PAUSE_S
