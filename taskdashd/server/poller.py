"""All sockets of the wire protocol on one inner epoll that one trio task waits for.

A trio task for each connection costs a task switch for each request and some kilobytes for each
idle peer. Here a sweep takes the sockets that are ready, lets each connection run its requests,
and then sends: one `recv` and one `send` for each connection in a sweep, however many requests
they carry, and one commit for all writes of a sweep.

Events are level-triggered: a socket that a sweep did not finish is ready in the next.

A turn of trio's loop costs as much as some requests, so sweeps follow one another within a turn,
as long as something is ready and for no longer than `TURN_S`.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
import trio

from taskdash_protocol.errors import BadRequest, ServerError
from taskdashd.core.run import Runner
from taskdashd.domain.access import LOCAL_OPERATOR
from taskdashd.server.admission import Admission, AdmissionLimits, peer_of
from taskdashd.server.connection import Connection, ConnectionLimits
from taskdashd.server.deadlines import Deadlines, FrameDeadlines
from taskdashd.server.link import Link, Links
from taskdashd.server.listener import Listener
from taskdashd.server.mailbox import Mailbox
from taskdashd.server.ready import ReadyReplies
from taskdashd.server.tls import TlsContext, TlsSocket

RECV_BYTES: Final = 64 << 10
TURN_S: Final = 0.005
"""Sweeps follow one another for so long; other trio tasks (the tick, signals) wait meanwhile."""
_READY_MAX: Final = 256
_AFTER_FAULT_S: Final = 0.1
LINGER_S: Final = 1.0
"""How long a peer may take to read the last replies after the daemon has closed its side."""


log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ServerLimits(ConnectionLimits, AdmissionLimits, Protocol):
    """The settings that the server reads; they may change while the daemon runs."""

    frame_timeout: float
    handshake_timeout: float
    reply_cache: int
    write_timeout: float


class Poller:
    """Accepts, reads, writes and closes; see the module."""

    def __init__(
        self, runner: Runner, limits: ServerLimits, mailbox: Mailbox, links: Links
    ) -> None:
        core = self._core = runner.core
        self._runner = runner
        self._mailbox = mailbox
        self.limits = limits
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}
        self._by_serial = links
        self._admission = Admission(limits)
        self._touched: dict[Link, None] = {}
        self._reading_stopped = False
        self._ready_replies = ReadyReplies(core.view, core.ownership.speaks_for, limits.reply_cache)
        now = core.clock.now
        self._listener = Listener(self._epoll, now, self._accepted)
        self.stop_accepting = self._listener.close
        self.forget_replies = self._ready_replies.forget
        self._frames = FrameDeadlines(now)
        self._handshakes: Deadlines[Link] = Deadlines(now)
        self._unsent: Deadlines[Link] = Deadlines(now)
        self._lingering: Deadlines[Link] = Deadlines(now)
        self._all_deadlines = *self._frames.all, self._handshakes, self._unsent, self._lingering

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def listen(self, listeners: Iterable[socket.socket], tls: TlsContext | None = None) -> None:
        """Accept connections from bound sockets, with TLS on them if `tls` is given."""
        for listener in listeners:
            self._listener.listen(listener, tls)

    async def run(self) -> None:
        """Serve until cancelled."""
        self._epoll.register(self._mailbox, select.EPOLLIN)
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            try:
                self._serve_ready()
            except Exception:
                log.exception("unexpected fault while serving")
                await trio.sleep(_AFTER_FAULT_S)

    def _serve_ready(self) -> None:
        until = time.monotonic() + TURN_S
        while ready := self._epoll.poll(0, _READY_MAX):
            for fd, events in ready:
                if (link := self._links.get(fd)) is not None:
                    self._guarded(self._ready, link, events)
                elif fd == self._mailbox.fileno():
                    self._take_results()
                else:
                    self._listener.ready(fd)
            self._sweep()
            if time.monotonic() >= until:
                break

    def _take_results(self) -> None:
        for then, result in self._mailbox.take():
            try:
                then(result)
            except Exception:
                log.exception("unexpected fault after a job")

    def _sweep(self) -> None:
        """Let every touched connection go on and send, then start a commit."""
        touched = list(self._touched)
        self._touched.clear()
        for link in touched:
            if self._links.get(link.fd) is link:
                self._guarded(self._settle, link)
        self._core.writer.flush()

    def expire(self, serial: int, error: ServerError) -> None:
        """End the connection of a session for a reason, once its requests are answered."""
        if link := self._by_serial.find(serial):
            link.connection.end_after_this(error)

    def check_deadlines(self) -> float | None:
        """End connections past a deadline; returns the seconds until the next one."""
        for link in self._frames.due():
            self._end_partial(link)
        for link in self._handshakes.due():
            if link.tls is not None and not link.tls.established:
                log.info("no TLS handshake came", peer=link.connection.session.peer)
                self._close(link)
        for link in self._unsent.due():
            if link.was_read():
                self._unsent.start(link, self.limits.write_timeout)
                continue
            log.info("peer does not read", peer=link.connection.session.peer)
            self._close(link)
        for link in self._lingering.due():
            self._close(link)
        self._sweep()
        waits = [deadlines.next_s() for deadlines in self._all_deadlines]
        waits.append(self._listener.resume())
        return min((wait for wait in waits if wait is not None), default=None)

    def stop_reading(self) -> None:
        """Read no more requests; requests that were read go on."""
        self._reading_stopped = True
        for link in self._links.values():
            self._update(link)

    @property
    def quiet(self) -> bool:
        """Whether every request that was read is answered, and every reply sent."""
        return all(
            link.connection.idle and not link.connection.outbox.output_bytes
            for link in self._links.values()
        )

    def say_goodbye(self, error: ServerError) -> None:
        """End every connection, once the replies that are under way are sent."""
        for link in list(self._links.values()):
            link.connection.expire(error)
        self._sweep()

    def close(self) -> None:
        """Close all connections and listeners, without goodbye."""
        for link in list(self._links.values()):
            self._close(link)
        self.stop_accepting()
        self._epoll.close()

    def _accepted(self, sock: socket.socket | TlsSocket, address: Any) -> None:
        link = Link(sock, sock.fileno(), sock if isinstance(sock, TlsSocket) else None)
        try:
            self._take(link, address)
        except Exception:
            log.exception("cannot serve a new connection")
            if self._links.get(link.fd) is link:
                self._close(link)
            else:
                self._admission.leave(link)
                sock.close()

    def _take(self, link: Link, address: Any) -> None:
        sock = link.sock
        sock.setblocking(False)
        link.address, peer = peer_of(sock, address)
        refusal = self._admission.enter(link)
        if refusal is not None and not self._admission.may_tell_more:
            self._admission.leave(link)
            sock.close()
            return
        if link.address:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.connection = Connection.begin(
            self._runner,
            self.limits,
            peer,
            lambda _connection: self._touched.setdefault(link),
            self._ready_replies,
        )
        self._links[link.fd] = link
        self._by_serial.add(link)
        self._epoll.register(link.fd, 0)
        self._update(link)
        if link.tls is not None:
            self._handshakes.start(link, self.limits.handshake_timeout)
        if not link.address:
            self._core.identities.become(link.connection.session, LOCAL_OPERATOR)
        if refusal is not None:
            self._core.acts.note("turned away", link.address, refusal.detail)
            link.connection.expire(refusal, reply=True)

    def _ready(self, link: Link, events: int) -> None:
        if events & (select.EPOLLERR | select.EPOLLHUP):
            self._hang_up(link)
            return
        if events & select.EPOLLIN:
            self._receive(link)
        if events & select.EPOLLOUT and link.fd in self._links:
            link.blocked = False
            self._touched.setdefault(link)

    def _hang_up(self, link: Link) -> None:
        """Run the last requests of a peer that was reset, or has closed in both directions.

        A client that exits may have sent its last Update unread in the socket; no reply is sent.
        """
        if link.hung_up:
            return
        link.hung_up = True
        # Unregister: EPOLLHUP cannot be masked, and would be reported in every sweep.
        self._epoll.unregister(link.fd)
        connection = link.connection
        with suppress(OSError):
            while not connection.closing and (data := link.sock.recv(RECV_BYTES)):
                connection.receive(data)
        connection.hang_up()
        self._touched.setdefault(link)

    def _settle_unheard(self, link: Link) -> None:
        connection = link.connection
        connection.settle()
        while connection.outbox.output_bytes:
            connection.outbox.drop_output()
            connection.room_was_made()
        self._touched.pop(link, None)
        if connection.finished:
            self._close(link)

    def _receive(self, link: Link) -> None:
        try:
            data = link.sock.recv(RECV_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                log.info("TLS failed", peer=link.connection.session.peer, reason=error.reason)
            self._hang_up(link)
            return
        if link.lingers:
            if not data:
                self._close(link)
            return
        connection = link.connection
        if data:
            link.count(data)
            if link.tls is not None and connection.session.identity is None:
                self._core.identities.recognise(connection.session, link.tls.peer_name)
            full = len(data) == RECV_BYTES or link.tls is not None
            connection.receive(data, more=full and link.has_unread)
        else:
            connection.end_of_input()
        self._touched.setdefault(link)

    def _end_partial(self, link: Link) -> None:
        limit = f"{self.limits.frame_timeout:g} s"
        late = BadRequest(f"a frame was begun and not completed within {limit}")
        link.connection.end_after_this(late, reply=True)

    def _settle(self, link: Link) -> None:
        if link.hung_up:
            self._settle_unheard(link)
            return
        link.connection.settle()
        self._go_on(link)

    def _go_on(self, link: Link) -> None:
        """Send the ready output, then finish the connection or renew its deadlines and events."""
        connection = link.connection
        if link.has_unsent and not link.blocked and self._send(link):
            connection.room_was_made()
        if link.hung_up:
            return
        # Leave output that the new room let through for the next sweep: a peer that reads as fast
        # as the daemon writes must not keep the other connections waiting.
        self._touched.pop(link, None)
        unsent = link.has_unsent
        if connection.finished and not unsent:
            self._finish(link)
            return
        if unsent and link not in self._unsent:
            link.was_read()
            self._unsent.start(link, self.limits.write_timeout)
        if (refusal := self._admission.hold(link)) is not None:
            connection.expire(refusal, reply=True)
        self._frames.time(link, self.limits.frame_timeout)
        self._update(link)

    def _send(self, link: Link) -> bool:
        """Send ready output, or a piece of it; True if the socket took all that was offered."""
        connection = link.connection
        output = connection.outbox.take()
        try:
            sent = link.sock.send(output)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            log.debug("connection lost", peer=connection.session.peer, error=str(error))
            self._hang_up(link)
            return False
        if sent:
            self._unsent.stop(link)
        if sent < len(output):
            connection.outbox.put_back(output[sent:])
            # Do not try again before EPOLLOUT: the kernel's buffer is full.
            link.blocked = True
        elif link.tls is not None and link.tls.has_unsent:
            link.blocked = True
        return not link.blocked

    def _update(self, link: Link) -> None:
        if link.hung_up:
            return
        events = 0
        wanted = self._admission.may_read(link) and not self._reading_stopped
        if wanted or link.lingers:
            events |= select.EPOLLIN
        if link.has_unsent:
            events |= select.EPOLLOUT
        if events != link.events:
            self._epoll.modify(link.fd, events)
            link.events = events

    def _finish(self, link: Link) -> None:
        if link.lingers:
            return
        if not link.connection.closing:
            # The peer has closed its side and has all its replies.
            self._close(link)
            return
        # Linger: closing with unread input sends a reset, which can destroy the last replies.
        link.lingers = True
        try:
            link.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(link)
            return
        self._lingering.start(link, LINGER_S)
        self._update(link)

    def _close(self, link: Link) -> None:
        if self._links.get(link.fd) is not link:
            # Closed already: the descriptor's number may belong to another link by now.
            return
        del self._links[link.fd]
        self._by_serial.remove(link)
        self._admission.leave(link)
        for deadlines in self._all_deadlines:
            deadlines.stop(link)
        self._touched.pop(link, None)
        with suppress(OSError):
            # Not registered, if the peer hung up or the registration itself failed.
            self._epoll.unregister(link.fd)
        link.sock.close()
        link.connection.lost()

    def _guarded(self, step: Callable[..., None], link: Link, *args: Any) -> None:
        # Catch everything: a fault in one connection must not end the sweep for all others.
        try:
            step(link, *args)
        except Exception:
            log.exception("unexpected fault", peer=link.connection.session.peer)
            self._close(link)
