"""A relay between a browser and the daemon that can go dead, as a laptop that sleeps."""

import select
import socket
import threading
from contextlib import suppress


class Relay:
    """Passes bytes on, in a thread, unless it sleeps."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._to = port
        self._source = source
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._asleep = False
        self._over = False
        self._wake_read, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def sleep(self) -> None:
        """Pass nothing on, in either direction; connections stay as they are."""
        self._asleep = True
        self._wake.send(b"x")

    def go_on(self) -> None:
        """Pass bytes on again, first of all those that were held back."""
        self._asleep = False
        self._wake.send(b"x")

    def wake(self) -> None:
        """Pass bytes on again. Earlier connections are closed, as they are after a night."""
        with self._lock:
            for sock in list(self._pairs):
                sock.close()
            self._pairs.clear()
        self._asleep = False
        self._wake.send(b"x")

    def close(self) -> None:
        self._over = True
        self._wake.send(b"x")
        self._thread.join()
        for sock in (self._listener, self._wake, self._wake_read, *self._pairs):
            sock.close()

    def _run(self) -> None:
        while not self._over:
            with self._lock:
                watched = [] if self._asleep else [self._listener, *self._pairs]
            ready, _, _ = select.select([self._wake_read, *watched], [], [])
            for sock in ready:
                if sock is self._wake_read:
                    sock.recv(100)
                elif sock is self._listener:
                    self._pair(sock.accept()[0])
                else:
                    self._pass_on(sock)

    def _pair(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(
                ("127.0.0.1", self._to), source_address=(self._source, 0)
            )
        except ConnectionRefusedError:
            # The daemon is away.
            near.close()
            return
        with self._lock:
            self._pairs[near], self._pairs[far] = far, near

    def _pass_on(self, sock: socket.socket) -> None:
        with self._lock:
            other = self._pairs.get(sock)
            if other is None:
                return
            data = b""
            with suppress(OSError):
                data = sock.recv(1 << 16)
            if data:
                with suppress(OSError):
                    other.sendall(data)
                return
            del self._pairs[sock], self._pairs[other]
            sock.close()
            other.close()
