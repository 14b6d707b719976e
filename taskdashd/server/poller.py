"""All sockets of all doors on one inner epoll that one trio task waits for.

A trio task for each connection costs a task switch for each request and some kilobytes for each
idle peer. Here a sweep takes the sockets that are ready, lets what is spoken on each (its
`Conversation`) run its requests, and then sends: one `recv` and one `send` for each in a sweep,
however many requests they carry, and one commit for all writes of a sweep. What takes longer than
a step is left for turns, which have a moment behind each sweep: the others go on meanwhile. So is
what a sweep has no time for: however many sockets one address makes ready, the others' are next.

Events are level-triggered: a socket that a sweep did not finish is ready in the next.
A round of trio's loop costs as much as some requests, so sweeps follow one another within a round,
as long as something is ready and for no longer than `TURN_S`.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
import trio

from taskdash_protocol.errors import ServerError
from taskdashd.core.table import Core
from taskdashd.server.admission import Admission, AdmissionLimits, peer_of
from taskdashd.server.deadlines import LinkDeadlines
from taskdashd.server.link import Door, Link, Links
from taskdashd.server.listener import Listener
from taskdashd.server.mailbox import Mailbox
from taskdashd.server.tls import TlsSocket
from taskdashd.server.turns import Turns

TURN_S: Final = 0.005
"""Sweeps follow one another for so long; other trio tasks (the tick, signals) wait meanwhile."""
_READY_MAX: Final = 256
_AFTER_FAULT_S: Final = 0.1

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class PollerLimits(AdmissionLimits, Protocol):
    """The settings that the poller reads; they may change while the daemon runs."""

    frame_timeout: float
    handshake_timeout: float
    write_timeout: float


class Poller:
    """Accepts, reads, writes and closes; see the module."""

    def __init__(self, core: Core, limits: PollerLimits, mailbox: Mailbox, links: Links) -> None:
        self._core, self._mailbox, self.limits = core, mailbox, limits
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}
        self._by_serial = links
        self._admission = Admission(limits, core.unsent)
        self._touched: dict[Link, None] = {}
        self._turns = Turns()
        self._serves = False  # Whether a sweep is on, which sends what touched links have to say.
        self._reading_stopped = False
        self._listener = Listener(self._epoll, core.clock.now, self._accepted)
        self.listen, self.stop_accepting = self._listener.listen, self._listener.close
        self._deadlines = LinkDeadlines(core.clock.now)

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._links)

    async def run(self) -> None:
        """Serve until cancelled."""
        self._epoll.register(self._mailbox, select.EPOLLIN)
        while True:
            if self._turns:
                await trio.lowlevel.checkpoint()
            else:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
            try:
                self._serve_ready()
            except Exception:
                log.exception("unexpected fault while serving")
                self._serves = False
                await trio.sleep(_AFTER_FAULT_S)

    def _serve_ready(self) -> None:
        until = time.monotonic() + TURN_S
        while (ready := self._epoll.poll(0, _READY_MAX)) or self._turns:
            self._serves = True
            self._turns.begin()
            listening = []
            for fd, events in ready:
                if (link := self._links.get(fd)) is not None:
                    if not self._turns.put_off(link, self._turns.reads, events):
                        self._guarded(self._ready, link, events)
                elif fd == self._mailbox.fileno():
                    self._mailbox.deliver()
                else:
                    listening.append(fd)
            self._sweep()
            if self._turns:
                self._take_turns()
            # Whoever has closed a connection, and waited for a turn, has room for another.
            for fd in listening:
                self._listener.ready(fd)
            if time.monotonic() >= until:
                break

    def _take_turns(self) -> None:
        self._serves = True
        for link, events in self._turns.take():
            self._guarded(self._turn, link, events)
        self._flush()

    def _turn(self, link: Link, events: int) -> None:
        if events:
            self._ready(link, events)
        elif link.conversation.wants_turn:
            link.conversation.take_turn()
        elif link.has_rest and link.has_turn:
            self._take_rest(link)
        if self._links.get(link.fd) is link:
            self._settle(link)

    def _touch(self, link: Link) -> None:
        self._touched[link] = None
        if not self._serves:
            # Another task of the loop has something to say here: no socket becomes ready for it.
            self._serves = True
            self._mailbox.wake()

    def _sweep(self) -> None:
        self._serves = True
        touched, self._touched = self._touched, {}
        sends = self._turns.sends
        sends.begin()
        for link in touched:
            if self._links.get(link.fd) is link and not self._turns.put_off(link, sends):
                self._guarded(self._settle, link)
        self._turns.end()
        self._flush()

    def _flush(self) -> None:
        self._core.writer.flush()
        if self._touched:
            self._mailbox.wake()
        else:
            self._serves = False

    def expire(self, serial: int, error: ServerError) -> None:
        """End the connection of a session for a reason, once its requests are answered."""
        if link := self._by_serial.find(serial):
            link.conversation.end_after_this(error)

    def check_deadlines(self) -> float | None:
        """End connections past a deadline; returns the seconds until the next one."""
        deadlines = self._deadlines
        for link in deadlines.frames.due():
            link.conversation.overdue(self.limits.frame_timeout)
        for link in deadlines.alarms_due():
            self._guarded(self._wake, link)
        for link in deadlines.handshakes_due(self.limits.handshake_timeout, self._turns.has_ready):
            log.info("no TLS handshake came", peer=link.peer)
            self._close(link)
        for link in deadlines.not_read(self.limits.write_timeout):
            log.info("peer does not read", peer=link.peer)
            self._close(link)
        for link in deadlines.lingered(self.limits.write_timeout):
            self._close(link)
        self._sweep()
        if self._turns:
            self._mailbox.wake()
        waits = deadlines.next_s(), self._listener.resume()
        return min((wait for wait in waits if wait is not None), default=None)

    def stop_reading(self) -> None:
        """Read no more requests; requests that were read go on."""
        self._reading_stopped = True
        for link in self._links.values():
            self._update(link)

    @property
    def quiet(self) -> bool:
        """Whether every request that was read is answered, and every reply sent."""
        spoken = (link.conversation for link in self._links.values())
        return not self._turns and all(one.idle and not one.outbox.output_bytes for one in spoken)

    def say_goodbye(self, error: ServerError) -> None:
        """End every conversation, once the replies that are under way are sent."""
        for link in list(self._links.values()):
            link.conversation.expire(error)
        self._sweep()

    def close(self) -> None:
        """Close all connections and listeners, without goodbye."""
        for link in list(self._links.values()):
            self._close(link)
        self.stop_accepting()
        self._epoll.close()

    def _accepted(self, sock: socket.socket | TlsSocket, address: Any, door: Door) -> None:
        link = Link(sock, sock.fileno(), door, sock if isinstance(sock, TlsSocket) else None)
        try:
            self._take(link, address)
        except Exception:
            log.exception("cannot serve a new connection")
            if self._links.get(link.fd) is not link:
                self._admission.leave(link)
                return sock.close()
            self._close(link)

    def _take(self, link: Link, address: Any) -> None:
        sock = link.sock
        sock.setblocking(False)
        link.address, link.peer = peer_of(sock, address)
        refusal = self._admission.enter(link)
        if refusal is not None and not self._admission.may_tell_more:
            self._admission.leave(link)
            sock.close()
            return
        if link.address:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.conversation = link.door.begin(link, lambda _conversation: self._touch(link))
        self._links[link.fd] = link
        self._by_serial.add(link)
        self._epoll.register(link.fd, 0)
        self._update(link)
        if link.tls is not None:
            self._deadlines.handshakes.start(link, self.limits.handshake_timeout)
        self._deadlines.start_alarm(link)
        if refusal is not None:
            self._core.acts.note("turned away", link.address, refusal.detail)
            link.conversation.expire(refusal, reply=True)

    def _wake(self, link: Link) -> None:
        link.conversation.wake()
        self._deadlines.start_alarm(link)

    def _ready(self, link: Link, events: int) -> None:
        if events & (select.EPOLLERR | select.EPOLLHUP):
            self._hang_up(link)
            return
        # What was put off may be wanted no more.
        events &= link.events
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
        link.hung_up = link.has_rest = True
        link.conversation.hang_up()
        # Unregister: EPOLLHUP cannot be masked, and would be reported in every sweep.
        self._epoll.unregister(link.fd)
        self._turns.add(link)

    def _take_rest(self, link: Link) -> None:
        if not link.take_rest():
            link.has_rest = False
            link.conversation.end_of_input()

    def _settle_unheard(self, link: Link) -> None:
        link.settle_unheard()
        self._touched.pop(link, None)
        if link.conversation.finished:
            self._close(link)
        elif link.has_turn:
            self._turns.add(link)

    def _receive(self, link: Link) -> None:
        size = self._admission.recv_bytes(link)
        try:
            data = link.sock.recv(size)
        except BlockingIOError:
            if link.has_unsent:
                self._touched.setdefault(link)  # What waited for the TLS handshake may go now.
            return
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                log.info("TLS failed", peer=link.peer, reason=error.reason)
            self._hang_up(link)
            return
        if link.lingers:
            if not data:
                self._close(link)
            return
        conversation = link.conversation
        if data:
            link.count(data)
            if link.tls is not None:
                conversation.secured(link.tls)
            elif conversation.beats(data):
                return
            full = len(data) == size or link.tls is not None
            conversation.receive(data, more=full and link.has_unread)
            self._admission.hold_large_replies(link)
            if link.tls is not None and link.tls.ended:
                conversation.end_of_input()
        else:
            conversation.end_of_input()
            if conversation.finished and not link.has_unsent:
                # Make room at once: another connection may be accepted in this very sweep.
                self._finish(link)
                return
        self._touched.setdefault(link)

    def _settle(self, link: Link) -> None:
        if link.hung_up:
            self._settle_unheard(link)
            return
        link.conversation.settle()
        self._go_on(link)

    def _go_on(self, link: Link) -> None:
        """Send the ready output, then finish the link or renew its deadlines and events."""
        if link.has_unsent and not link.blocked and self._send(link):
            link.conversation.room_was_made()
        conversation = link.conversation
        if link.hung_up:
            return
        # Leave output that the new room let through for the next sweep: others must not wait.
        self._touched.pop(link, None)
        if link.rests:
            # As a board does that was told of a change: there are hundreds of them.
            return
        unsent = link.has_unsent
        if conversation.finished and not unsent:
            self._finish(link)
            return
        if conversation.wants_turn:
            self._turns.add(link)
        if unsent and link not in self._deadlines.unsent:
            link.was_read()
            self._deadlines.unsent.start(link, self.limits.write_timeout)
        if (refusal := self._admission.hold(link)) is not None:
            conversation.expire(refusal, reply=True)
            self._admission.hold(link)  # What was just dropped must not end others too.
        self._deadlines.frames.time(link, self.limits.frame_timeout)
        self._update(link)

    def _send(self, link: Link) -> bool:
        """Send ready output, or a piece of it; True if the socket took all that was offered."""
        try:
            if link.send():
                self._deadlines.unsent.stop(link)
        except OSError as error:
            log.debug("connection lost", peer=link.peer, error=str(error))
            self._hang_up(link)
            return False
        return not link.blocked

    def _update(self, link: Link) -> None:
        if link.hung_up:
            return
        wanted = self._admission.may_read(link) and not self._reading_stopped
        if (events := link.wanted_events(may_read=wanted)) != link.events:
            self._epoll.modify(link.fd, events)
            link.events = events

    def _finish(self, link: Link) -> None:
        if link.lingers:
            return
        if not link.conversation.closing or not link.begin_linger():
            # The peer is gone, or has closed its side and has all its replies.
            self._close(link)
            return
        self._deadlines.linger(link)
        self._update(link)

    def _close(self, link: Link) -> None:
        if self._links.get(link.fd) is not link:
            # Closed already: the descriptor's number may belong to another link by now.
            return
        del self._links[link.fd]
        self._by_serial.remove(link)
        self._admission.leave(link)
        self._deadlines.stop(link)
        self._touched.pop(link, None)
        self._turns.drop(link)
        with suppress(OSError):
            self._epoll.unregister(link.fd)  # None is registered for a peer that hung up.
        link.sock.close()
        link.conversation.lost()

    def _guarded(self, step: Callable[..., None], link: Link, *args: Any) -> None:
        # Catch everything: a fault in one connection must not end the sweep for all others.
        try:
            step(link, *args)
        except Exception:
            log.exception("unexpected fault", peer=link.peer)
            self._close(link)
