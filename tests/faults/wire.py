"""A tiny client of PROTOCOL.md, and programs whose output is waited for.

Nothing that speaks here is the project's code; only the daemon's process is (`taskdash.testing`).

No wait without a deadline, and none on a clock: each blocks on a socket or on the daemon's output.
"""

import json
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgpack
from processes import last_lines

from taskdash.testing import RunningDaemon

BEAT = bytes.fromhex("00000006 93cd0570c0c0")
DEADLINE_S = 20.0

_open: list["Client"] = []


class Gone(Exception):
    """The daemon closed the connection."""


def frame(message_id: int, header: Any, body: bytes | None) -> bytes:
    payload = msgpack.packb([message_id, header, body])
    return struct.pack(">I", len(payload)) + payload


def request(operation: str, body: dict[str, Any], seq: Any = None) -> bytes:
    header = {"RequestID": operation}
    if seq is not None:
        header["Seq"] = seq
    return frame(2, header, json.dumps(body, ensure_ascii=False).encode())


class Frames:
    """Bytes in, frames out, as `(message_id, header, body)` with the body's JSON parsed."""

    def __init__(self) -> None:
        self.data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, Any, Any]]:
        self.data += data
        at = 0
        while len(self.data) - at >= 4:
            (length,) = struct.unpack_from(">I", self.data, at)
            if len(self.data) - at - 4 < length:
                break
            parts = msgpack.unpackb(bytes(self.data[at + 4 : at + 4 + length]))
            at += 4 + length
            yield parts[0], parts[1], None if parts[2] is None else json.loads(parts[2])
        del self.data[:at]


class Client:
    """One blocking connection. `events` collects what the daemon pushed."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        source: str = "127.0.0.1",
        receive_buffer: int | None = None,
    ) -> None:
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(DEADLINE_S)
        try:
            self.sock.bind((source, 0))
            self.sock.connect((host, port))
            if self.sock.getsockname() == self.sock.getpeername():
                # Where nobody listens, the kernel may give this socket that very port, and
                # connect it to itself (RFC 9293, 3.5: simultaneous open).
                raise ConnectionRefusedError
        except OSError:
            self.sock.close()
            raise
        _open.append(self)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frames = Frames()
        self.replies: list[tuple[int, Any, Any]] = []
        self.events: list[tuple[float, Any, Any]] = []

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self, timeout_s: float = DEADLINE_S) -> None:
        """Read once. Raises `Gone`, or `TimeoutError`."""
        self.sock.settimeout(max(timeout_s, 0.001))
        try:
            data = self.sock.recv(1 << 20)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Gone from error
        if not data:
            raise Gone
        now = time.monotonic()
        for message_id, header, body in self.frames.feed(data):
            if message_id == 3:
                self.events.append((now, header, body))
            else:
                self.replies.append((message_id, header, body))

    def reply(self, timeout_s: float = DEADLINE_S) -> dict[str, Any]:
        end = time.monotonic() + timeout_s
        while not self.replies:
            self.receive(end - time.monotonic())
        return self.replies.pop(0)[2]

    def call(
        self, operation: str, body: dict[str, Any], timeout_s: float = DEADLINE_S
    ) -> dict[str, Any]:
        self.send(request(operation, body))
        return self.reply(timeout_s)

    def good(self, operation: str, **body: Any) -> dict[str, Any]:
        answer = self.call(operation, body)
        assert answer["errid"] == 0, answer
        return answer

    def event(self, timeout_s: float = DEADLINE_S) -> tuple[float, Any, Any]:
        end = time.monotonic() + timeout_s
        while not self.events:
            self.receive(end - time.monotonic())
        return self.events.pop(0)

    def until_closed(self, timeout_s: float = DEADLINE_S) -> float:
        """Read until the daemon closes; returns the seconds that it took."""
        start = time.monotonic()
        try:
            while True:
                self.receive(start + timeout_s - time.monotonic())
        except Gone:
            return time.monotonic() - start


def close_all() -> None:
    """Close every connection that a test left open."""
    while _open:
        _open.pop().close()


def pace(seconds: float) -> None:
    """Hold a load generator back. Not for waiting until something is so."""
    select.select([], [], [], max(seconds, 0))


class Process:
    """A program whose output is read line by line, so that a test can wait for what it says."""

    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
        with self._said:
            self._over = True
            self._said.notify_all()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_line(self, text: str, timeout_s: float = DEADLINE_S) -> str:
        """Wait for a line with this text, among those said already or later."""
        end = time.monotonic() + timeout_s
        seen = 0
        with self._said:
            while True:
                for line in self.lines[seen:]:
                    if text in line:
                        return line
                seen = len(self.lines)
                said = last_lines(self.output)
                assert not self._over, f"it ended, and did not say {text!r}:\n{said}"
                left = end - time.monotonic()
                assert left > 0, f"{text!r} was not said within {timeout_s:g} s:\n{said}"
                self._said.wait(left)

    def wait_end(self, timeout_s: float = DEADLINE_S) -> int:
        code = self.popen.wait(timeout_s)
        self._thread.join(timeout_s)
        assert self.popen.stderr is not None
        self.popen.stderr.close()
        return code

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def close(self) -> None:
        """End the program in whatever state it is, and leave nothing open."""
        if self.popen.returncode is None:
            self.popen.kill()
            self.wait_end()


class WiredDaemon(RunningDaemon):
    """A daemon's process, with connections of this client's."""

    def connect(self, **options: Any) -> Client:
        return Client(self.port, **options)

    def no_traceback(self) -> None:
        traces = [line for line in self.log if "Traceback" in str(line)]
        assert not traces, f"{len(traces)} tracebacks, the first one: {str(traces[0])[:3000]}"
