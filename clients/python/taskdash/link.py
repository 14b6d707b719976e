"""The thread that carries a session: it connects, sends, receives, beats, and connects again.

This thread alone opens, reads and closes the socket. The threads that call may send (so that a call
costs one change of threads, not two), always under the lock. A program that is busy elsewhere,
in whatever event loop, keeps its tasks alive.
"""

import atexit
import logging
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final, TypeVar

from taskdash.address import Address, read_token
from taskdash.calls import State
from taskdash.dial import dial
from taskdash.errors import AuthError, ConnectionError, ProtocolError
from taskdash.session import Session
from taskdash.waiting import UNANSWERED
from taskdash_protocol import foreign
from taskdash_protocol.errors import FrameError, TaskDashError

RECEIVE_BYTES: Final = 256 << 10
TOKEN_LOOK_S: Final = 1.0
"""So often the token is read again, while the daemon refuses that of the last connection."""
LINGER_S: Final = 2.0
"""After `close` the thread waits so long for the replies to what was said before."""

log: Final = logging.getLogger("taskdash")
# Silent unless the program configures logging (logging, "Configuring Logging for a Library").
log.addHandler(logging.NullHandler())
T = TypeVar("T")


class Link:
    """See the module. `session` may only be touched through `do`."""

    def __init__(self, where: Address, session: Session) -> None:
        self.where = where
        self.session = session
        self._lock = threading.RLock()
        self._sock: socket.socket | None = None
        self._closing = False
        self._shown: str | None = None
        """The token of the last connection; None where it could not be read."""
        self._process = os.getpid()
        self._not_yet: tuple[type[OSError], ...] = (BlockingIOError,)
        if where.tls is not None:
            # Import ssl only for TLS: the import takes longer than all else together.
            from ssl import SSLWantReadError, SSLWantWriteError

            self._not_yet = (BlockingIOError, SSLWantReadError, SSLWantWriteError)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._deferred: deque[Callable[[Session, float], object]] = deque()
        self._suspect = False
        """An exception, such as Ctrl-C, has stopped a step half way: what was sent is unknown."""
        self._hooks: threading.Thread | None = None
        self._to_tell: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._linger_until = 0.0
        self._thread = threading.Thread(target=self._run, name="taskdash", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether nothing will be sent or received any more."""
        return self._closing or self.session.ended is not None

    @property
    def here(self) -> bool:
        """Whether this process made the link: a fork of it has no such thread."""
        return os.getpid() == self._process

    def do(self, step: Callable[[Session, float], T]) -> T | None:
        """Run a step on the session, and send what it has to say.

        Called by a signal handler that has interrupted another step of this thread, it runs the
        step after that one, and gives None.
        """
        if not self.here:
            raise ConnectionError("this client was made before fork: connect again in the child")
        if self.is_held_here:
            self._deferred.append(step)
            return None
        with self._lock:
            try:
                outcome = step(self.session, time.monotonic())
                self._run_deferred()
                # Bytes that the socket does not take now are left to the thread, woken below.
                sent = self._sock is not None and self._send(self._sock)
            except BaseException as error:
                self._suspect = not isinstance(error, TaskDashError)
                self._wake()
                raise
        if not sent or self.session.effects or self._deferred:
            self._wake()
        return outcome

    @property
    def is_held_here(self) -> bool:
        """Whether this thread is in the middle of a step: a signal handler has interrupted it."""
        # The lock itself knows its owner, and changes it in C: a flag beside the lock would be
        # wrong for a signal that comes between the two. (threading.Condition asks the same.)
        return self._lock._is_owned()  # type: ignore[attr-defined, no-any-return]

    def _run_deferred(self) -> None:
        while self._deferred:
            self._deferred.popleft()(self.session, time.monotonic())

    def close(self, timeout_s: float) -> None:
        """Disconnect, and end the thread; it may go on for a moment to send what waits."""
        if not self._closing:
            self._linger_until = time.monotonic() + max(timeout_s, LINGER_S)
            self._closing = True
        self._wake()
        if self.is_held_here:
            # This signal handler's thread holds the lock: the other could not end while it waits.
            return
        ends_at = time.monotonic() + timeout_s
        self._join(self._thread, ends_at)
        # Join the thread of the hooks second: the first may have started it only at its end.
        self._join(self._hooks, ends_at)
        if self._thread.is_alive():
            # At exit Python kills daemon threads: without the join the last words would be lost.
            atexit.register(self._thread.join, LINGER_S)

    def _wake(self) -> None:
        # A full pair wakes the thread anyway; a closed one has no thread any more.
        with suppress(OSError):
            self._wake_out.send(b"\0")

    def _send(self, sock: socket.socket) -> bool:
        """Send what waits; True if nothing is left. Faults are left to the thread, which reads."""
        output = self.session.output
        if self._suspect:
            return False
        with suppress(OSError):
            while output:
                del output[: sock.send(output)]
        return not output

    @staticmethod
    def _join(thread: threading.Thread | None, ends_at: float) -> None:
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, ends_at - time.monotonic()))

    # The thread

    def _run(self) -> None:
        fault: TaskDashError = ConnectionError("the client is closed")
        try:
            while not self._closing and self.session.ended is None:
                self._pause()
                self._live_through_a_connection()
        except Exception as error:
            log.exception("unexpected fault in the client's thread")
            fault = ConnectionError(f"unexpected fault in the client: {error!r}")
        finally:
            with self._lock:
                self.session.end(fault)
            self._tell()
            self._to_tell.put(None)
            self._wake_in.close()
            self._wake_out.close()

    def _pause(self) -> None:
        """Wait until it is time to try again, or until the client is closed."""
        while not self._closing:
            left_s = self.session.retry_at - time.monotonic()
            if left_s <= 0:
                return
            poll = select.poll()
            poll.register(self._wake_in, select.POLLIN)
            if isinstance(self.session.last_fault, AuthError):
                left_s = min(left_s, TOKEN_LOOK_S)
            poll.poll(left_s * 1000 + 1)
            self._tell()
            self._drain_wake()
            if isinstance(self.session.last_fault, AuthError) and self._token_has_changed():
                return

    def _token_has_changed(self) -> bool:
        try:
            return read_token() != self._shown
        except AuthError:
            return False

    def _live_through_a_connection(self) -> None:
        if self._closing:
            return
        error: TaskDashError
        try:
            self._shown = None
            self._shown = token = read_token()
            sock = self._connect()
            with self._lock:
                self.session.connected(time.monotonic(), token)
                self._sock = sock
            self._talk(sock)
            error = ConnectionError("the client is closed")
        except TaskDashError as fault:
            error = fault
        except Exception as fault:
            if not isinstance(fault, OSError):
                log.exception("unexpected fault in the client's thread")
            error = ConnectionError(
                f"the connection to taskdashd at {self.where} was lost: {_reason(fault)}"
            )
        with self._lock:
            sock_to_close, self._sock = self._sock, None
            if not self._closing:
                self.session.disconnected(time.monotonic(), error)
        if sock_to_close is not None:
            sock_to_close.close()
        log.debug("disconnected: %s", error)
        self._tell()

    def _connect(self) -> socket.socket:
        where = self.where
        try:
            sock = dial(where)
        except (OSError, UnicodeError) as error:
            raise ConnectionError(f"cannot reach taskdashd at {where}: {_reason(error)}") from error
        sock.setblocking(False)
        return sock

    def _talk(self, sock: socket.socket) -> None:
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        while True:
            with self._lock:
                now = time.monotonic()
                if self._suspect:
                    self._suspect = False
                    raise ConnectionError("a call was interrupted half way")
                self._run_deferred()
                self.session.tick(now)
                all_sent = self._send(sock)
                wait_s = self.session.wait_s(now)
                if self._closing:
                    wait_s = min(wait_s, max(0.0, self._linger_until - now))
                unsaid = self.session.unsaid
            self._tell()
            if self._closing and all_sent and (not unsaid or now > self._linger_until):
                return
            poll.register(sock, select.POLLIN | (0 if all_sent else select.POLLOUT))
            if not self._has_decrypted(sock):
                poll.poll(wait_s * 1000 + 1)
            self._drain_wake()
            self._receive(sock)

    def _receive(self, sock: socket.socket) -> None:
        with self._lock:
            try:
                data = sock.recv(RECEIVE_BYTES)
            except self._not_yet:
                return
            if not data:
                asked = "" if self.session.state is State.UP else UNANSWERED
                raise ConnectionError(f"taskdashd at {self.where} closed the connection{asked}")
            try:
                self.session.receive(data, time.monotonic())
            except FrameError as error:
                who = foreign.of_server(error.start) or f"this is no taskdashd: {error}"
                raise ProtocolError(f"{self.where}: {who}") from error

    def _has_decrypted(self, sock: socket.socket) -> bool:
        return self.where.tls is not None and sock.pending() > 0  # type: ignore[attr-defined]

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            self._wake_in.recv(4096)

    def _tell(self) -> None:
        """Hand calls of the program's hooks to a thread of their own.

        A hook may call the client and wait for a reply: on this thread it would wait for ever, and
        the heartbeats with it.
        """
        with self._lock:
            effects, self.session.effects = self.session.effects, []
        for effect in effects:
            if self._hooks is None:
                hooks = threading.Thread(target=self._run_hooks, name="taskdash-hooks", daemon=True)
                hooks.start()
                # Set `_hooks` last: `close` joins it, and only a started thread can be joined.
                self._hooks = hooks
            self._to_tell.put(effect)

    def _run_hooks(self) -> None:
        while (effect := self._to_tell.get()) is not None:
            try:
                effect()
            except BaseException:  # SystemExit in a hook would end this thread in silence
                log.exception("a hook of the program failed")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "that is no host name"
    if distrust := getattr(error, "verify_message", None):
        return f"its certificate is not trusted: {distrust}"
    if getattr(error, "reason", None) == "WRONG_VERSION_NUMBER":
        return "no TLS is spoken there, as taskdashs:// asks for"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
