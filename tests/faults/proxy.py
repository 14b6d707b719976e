"""A TCP proxy that cuts a connection at a byte, or holds what comes there until it is let go."""

import selectors
import socket
import threading
from contextlib import suppress
from typing import Self

_PIECE = 1 << 16


class _Pair:
    """A client's socket and the server's, and what is held between them."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.held: list[tuple[socket.socket, bytes]] = []
        self.holds = False

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Proxy:
    """See the module. Bytes of both directions count, from `cut_at` or `hold_at` on."""

    def __init__(self, port: int) -> None:
        self._server = "127.0.0.1", port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake, woken = socket.socketpair()
        self._selector.register(woken, selectors.EVENT_READ)
        self._woken = woken
        self._pairs: list[_Pair] = []
        self._lock = threading.Condition()
        self._left: int | None = None
        self._holds = False
        self._is_over = False
        self.refuses = False
        """Whether new connections are closed at once, and so those that are there once cut."""
        self.passed = 0
        self.happened = 0
        """How often a connection was cut or held."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._wake.send(b"x")
        self._thread.join(10)
        for pair in self._pairs:
            pair.close()
        for one in (self._listener, self._wake, self._woken):
            one.close()
        self._selector.close()

    def count(self) -> int:
        """Give how many bytes have passed since the last call."""
        with self._lock:
            passed, self.passed = self.passed, 0
        return passed

    def cut_at(self, left: int, *, refuses: bool = False) -> None:
        """Cut the next connection that has bytes after so many of them."""
        with self._lock:
            self._left, self._holds, self._cuts_off = left, False, refuses

    def hold_at(self, left: int) -> None:
        """Hold what comes after so many bytes, and all later of that connection."""
        with self._lock:
            self._left, self._holds, self._cuts_off = left, True, False

    def let_go(self) -> None:
        """Send what is held, and cut nothing."""
        with self._lock:
            self._left = None
            self.refuses = False
            for pair in self._pairs:
                pair.holds = False
                for target, data in pair.held:
                    with suppress(OSError):
                        target.sendall(data)
                pair.held.clear()

    def _run(self) -> None:
        while not self._is_over:
            for key, _ in self._selector.select():
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.data, _Pair):
                        self._pass(key.data, key.fileobj)  # type: ignore[arg-type]

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            if self.refuses:
                raise ConnectionRefusedError
            pair = _Pair(client, socket.create_connection(self._server))
        except OSError:
            client.close()
            return
        self._pairs.append(pair)
        for one in (pair.client, pair.server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(one, selectors.EVENT_READ, pair)

    def _pass(self, pair: _Pair, source: socket.socket) -> None:
        if pair not in self._pairs:
            return
        target = pair.server if source is pair.client else pair.client
        try:
            data = source.recv(_PIECE)
        except OSError:
            data = b""
        if not data and not (pair.holds and source is pair.client):
            self._end(pair)
            return
        if not data:
            # The daemon has given up; what it has sent is still on its way.
            self._selector.unregister(source)
            return
        if pair.holds:
            pair.held.append((target, data))
            return
        self.passed += len(data)
        rest = b""
        if self._left is not None:
            data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
        with suppress(OSError):
            target.sendall(data)
        if self._left == 0 and rest:
            self._left = None
            self.happened += 1
            if self._holds:
                pair.holds = True
                pair.held.append((target, rest))
            else:
                self.refuses = self._cuts_off
                for other in list(self._pairs) if self.refuses else [pair]:
                    self._end(other)

    def _end(self, pair: _Pair) -> None:
        for one in (pair.client, pair.server):
            with suppress(KeyError, ValueError):
                self._selector.unregister(one)
        pair.close()
        self._pairs.remove(pair)
