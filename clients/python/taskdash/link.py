"""The thread that carries a session: it connects, sends, receives, beats, and connects again.

This thread alone opens, reads and closes the socket. The threads that call may send (so that a call
costs one change of threads, not two), always under the lock. A program that is busy elsewhere,
in whatever event loop, keeps its tasks alive.

A fork copies neither the thread nor the daemon's idea of who speaks on the socket, and a lock as it
is held at that moment. So the child drops all of it, and begins anew at its first use.
"""

import atexit
import logging
import os
import select
import socket
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final, NoReturn, TypeVar

from taskdash.address import Address, read_token
from taskdash.calls import State
from taskdash.dial import connect, reason
from taskdash.errors import AuthError, ConnectionError, ProtocolError
from taskdash.session import Session
from taskdash.waiting import UNANSWERED, now_s
from taskdash_protocol import foreign
from taskdash_protocol.errors import FrameError, TaskDashError

RECEIVE_BYTES: Final = 256 << 10
TOKEN_LOOK_S: Final = 1.0
"""So often the token is read again, while the daemon refuses that of the last connection."""
CLOSE_TIMEOUT_S: Final = 5.0
"""So long a client waits by default until the daemon has what was said, as it is closed."""
LINGER_S: Final = 2.0
"""After `close` the thread waits so long for the replies to what was said before."""

log: Final = logging.getLogger("taskdash")
# Silent unless the program configures logging (logging, "Configuring Logging for a Library").
log.addHandler(logging.NullHandler())
T = TypeVar("T")

_links: "Final[weakref.WeakSet[Link]]" = weakref.WeakSet()
_leaves = 0
"""The process that leaves by `_leave_with_multiprocessing`."""


class Link:
    """See the module. `session` may only be touched through `do`."""

    def __init__(
        self,
        where: Address,
        session: Session,
        token: str | None = None,
        in_child: Callable[[], Session] | None = None,
    ) -> None:
        self.where = where
        self.session = session
        if token is not None and not isinstance(token, str):
            raise TypeError("the token is no text")  # not shown: it is a secret all the same
        self._token = token if token is None else token.strip()
        """The credential; None: read it from the environment for each connection."""
        self._in_child = in_child
        """Makes the session of a forked child; None where the link is of no use there."""
        self._is_of_parent = False
        self._closing = False
        self._not_yet: tuple[type[OSError], ...] = (BlockingIOError,)
        if where.tls is not None:
            # Import ssl only for TLS: the import takes longer than all else together.
            from ssl import SSLWantReadError, SSLWantWriteError

            self._not_yet = (BlockingIOError, SSLWantReadError, SSLWantWriteError)
        self._forget_process()
        self._start()
        _links.add(self)

    def _forget_process(self) -> None:
        """Begin with nothing that belongs to a process: no thread, no socket, a lock of our own."""
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._sock: socket.socket | None = None
        self._wakers: tuple[socket.socket, ...] = ()
        """A pair of sockets: what is sent to the second wakes the thread, which reads the first."""
        self._shown: str | None = None
        """The token of the last connection; None where it could not be read."""
        self._deferred: deque[Callable[[Session, float], object]] = deque()
        self._suspect = False
        """An exception, such as Ctrl-C, has stopped a step half way: what was sent is unknown."""
        self._hooks: threading.Thread | None = None
        self._to_tell: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._linger_until = 0.0

    def _start(self) -> None:
        """Start the thread, unless this process has it."""
        with self._lock:
            if self._thread is not None or self.closed:
                return
            self._wakers = socket.socketpair()
            for sock in self._wakers:
                sock.setblocking(False)
            thread = threading.Thread(target=self._run, name="taskdash", daemon=True)
            thread.start()
            # Set `_thread` last: a thread that could not be started is no thread.
            self._thread = thread
        _leave_with_multiprocessing()

    def begin_in_child(self) -> None:
        """Drop what is the parent's, right after a fork; called before anything else runs."""
        inherited = [*self._wakers, *filter(None, [self._sock])]
        before = self.session
        self._forget_process()
        for sock in inherited:
            # Close them, or the daemon would not see that the parent has ended while a child lives.
            sock.close()
        if self._in_child is None:
            self._is_of_parent = True
            return
        self.session = self._in_child()
        self.session.tasks.leave_to_parent(before.tasks)
        if self._closing:
            self.session.end(ConnectionError("the client is closed"))

    @property
    def closed(self) -> bool:
        """Whether nothing will be sent or received any more."""
        return self._closing or self.session.ended is not None

    def do(self, step: Callable[[Session, float], T]) -> T | None:
        """Run a step on the session, and send what it has to say.

        Called by a signal handler that has interrupted another step of this thread, it runs the
        step after that one, and gives None.
        """
        if self._thread is None:
            if self._is_of_parent:
                raise ConnectionError("this client was made before fork: connect in the child")
            self._start()
        if self.is_held_here:
            self._deferred.append(step)
            return None
        with self._lock:
            try:
                outcome = step(self.session, now_s())
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

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled, or copied, with all that holds this: client, handle and watch."""
        raise TypeError("a taskdash client is not pickled nor copied: connect in each process")

    def take_back(self, step: Callable[[Session, float], object]) -> None:
        """Run a step that takes something back: where a fork has left all behind, nothing is."""
        if self._thread is not None:
            self.do(step)

    @property
    def is_held_here(self) -> bool:
        """Whether this thread is in the middle of a step: a signal handler has interrupted it."""
        # The lock itself knows its owner, and changes it in C: a flag beside the lock would be
        # wrong for a signal that comes between the two. (threading.Condition asks the same.)
        return self._lock._is_owned()  # type: ignore[attr-defined, no-any-return]

    def _run_deferred(self) -> None:
        while self._deferred:
            self._deferred.popleft()(self.session, now_s())

    def close(self, timeout_s: float) -> None:
        """Disconnect, and end the thread; it may go on for a moment to send what waits."""
        if not self._closing:
            self._linger_until = now_s() + max(timeout_s, LINGER_S)
            self._closing = True
        self._wake()
        if self.is_held_here:
            # This signal handler's thread holds the lock: the other could not end while it waits.
            return
        ends_at = now_s() + timeout_s
        self._join(self._thread, ends_at)
        # Join the thread of the hooks second: the first may have started it only at its end.
        self._join(self._hooks, ends_at)

    def _wake(self) -> None:
        # A full pair wakes the thread anyway; a closed one has no thread any more.
        with suppress(OSError):
            for sock in self._wakers[1:]:
                sock.send(b"\0")

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
            thread.join(max(0.0, ends_at - now_s()))

    # The thread

    def _run(self) -> None:
        fault: TaskDashError = ConnectionError("the client is closed")
        try:
            tried = False
            while self.session.ended is None and not (
                # Where the client is closed at once, try once to say what was said of its tasks.
                self._closing and (tried or not self.session.unsaid)
            ):
                self._pause()
                self._live_through_a_connection()
                tried = True
        except Exception as error:
            log.exception("unexpected fault in the client's thread")
            fault = ConnectionError(f"unexpected fault in the client: {error!r}")
        finally:
            with self._lock:
                self.session.end(fault)
            self._tell()
            self._to_tell.put(None)
            for sock in self._wakers:
                sock.close()

    def _pause(self) -> None:
        """Wait until it is time to try again, or until the client is closed."""
        while not self._closing:
            left_s = self.session.retry_at - now_s()
            if left_s <= 0:
                return
            poll = select.poll()
            poll.register(self._wakers[0], select.POLLIN)
            if isinstance(self.session.last_fault, AuthError):
                left_s = min(left_s, TOKEN_LOOK_S)
            poll.poll(left_s * 1000 + 1)
            self._tell()
            self._drain_wake()
            if isinstance(self.session.last_fault, AuthError) and self._token_has_changed():
                return

    def _read_token(self) -> str:
        return read_token() if self._token is None else self._token

    def _token_has_changed(self) -> bool:
        try:
            return self._read_token() != self._shown
        except AuthError:
            return False

    def _live_through_a_connection(self) -> None:
        error: TaskDashError
        try:
            self._shown = None
            self._shown = token = self._read_token()
            sock = connect(self.where)
            with self._lock:
                self.session.connected(now_s(), token)
                self._sock = sock
            self._talk(sock)
            error = ConnectionError("the client is closed")
        except TaskDashError as fault:
            error = fault
        except Exception as fault:
            if not isinstance(fault, OSError):
                log.exception("unexpected fault in the client's thread")
            error = ConnectionError(
                f"the connection to taskdashd at {self.where} was lost: {reason(fault)}"
            )
        with self._lock:
            sock_to_close, self._sock = self._sock, None
            if not self._closing:
                self.session.disconnected(now_s(), error)
        if sock_to_close is not None:
            sock_to_close.close()
        log.debug("disconnected: %s", error)
        self._tell()

    def _talk(self, sock: socket.socket) -> None:
        poll = select.poll()
        poll.register(self._wakers[0], select.POLLIN)
        while True:
            with self._lock:
                now = now_s()
                # Look at `_closing` before `unsaid`: what is said between two looks would be lost.
                closing = self._closing
                if self._suspect:
                    self._suspect = False
                    raise ConnectionError("a call was interrupted half way")
                self._run_deferred()
                self.session.tick(now)
                all_sent = self._send(sock)
                wait_s = self.session.wait_s(now)
                if closing:
                    wait_s = min(wait_s, max(0.0, self._linger_until - now))
                unsaid = self.session.unsaid
            self._tell()
            if closing and all_sent and (not unsaid or now > self._linger_until):
                return
            poll.register(sock, select.POLLIN | (0 if all_sent else select.POLLOUT))
            decrypted = self._has_decrypted(sock)
            ready = dict(poll.poll(0 if decrypted else wait_s * 1000 + 1))
            # Read from what is ready alone: a read in vain costs as much as a reply in a pipeline.
            if self._wakers[0].fileno() in ready:
                self._drain_wake()
            if decrypted or sock.fileno() in ready:
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
                self.session.receive(data, now_s())
            except FrameError as error:
                who = foreign.of_server(error.start) or f"this is no taskdashd: {error}"
                raise ProtocolError(f"{self.where}: {who}") from error

    def _has_decrypted(self, sock: socket.socket) -> bool:
        return self.where.tls is not None and sock.pending() > 0  # type: ignore[attr-defined]

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            self._wakers[0].recv(4096)

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
                try:
                    hooks.start()
                except RuntimeError as error:  # Python 3.12 starts none while the program ends
                    log.warning("a hook of the program is not called: %s", error)
                    continue
                # Set `_hooks` last: `close` joins it, and only a started thread can be joined.
                self._hooks = hooks
            self._to_tell.put(effect)

    def _run_hooks(self) -> None:
        while (effect := self._to_tell.get()) is not None:
            try:
                effect()
            except BaseException:  # SystemExit in a hook would end this thread in silence
                log.exception("a hook of the program failed")


def _begin_in_child() -> None:
    for link in list(_links):
        link.begin_in_child()


def _leave() -> None:
    """Let the threads send their last words: Python kills daemon threads as the program ends."""
    ends_at = now_s() + CLOSE_TIMEOUT_S
    for link in list(_links):
        link.close(max(0.0, ends_at - now_s()))


def _leave_with_multiprocessing() -> None:
    """Leave in order also where a child of multiprocessing ends, which runs no atexit."""
    global _leaves  # once in each process
    if _leaves != os.getpid() and "multiprocessing.process" in sys.modules:
        from multiprocessing import parent_process

        if parent_process() is not None:
            from multiprocessing.util import Finalize

            Finalize(None, _leave, exitpriority=10)
            _leaves = os.getpid()


# Registered with the interpreter, for a child may come from os.fork, multiprocessing, or a server's
# own C code: nobody who forks knows of this client.
os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_leave)
