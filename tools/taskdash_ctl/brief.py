"""The report of a command that may be over in a moment: two requests on one connection.

The whole client takes longer to import than `true` takes to run, so a command's first moments are
told without it: this module writes Hello, Register and Update by hand, in a thread, since looking
up a name may take seconds. Whatever goes wrong here is left to the client, which meets it again,
and says what it is.
"""

import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgpack

from taskdash.address import parse, read_token
from taskdash.dial import dial
from taskdash_protocol import PROTOCOL_VERSION

_HEARTBEAT: Final = bytes.fromhex("000000 06 93 cd0570 c0 c0")
_REPLY_BYTES_MAX: Final = 1 << 20
_REQUEST: Final = 2
"""MessageID of a request, and of its reply."""


class Brief:
    """Registers a task as soon as it is made. `epoch` is the task's, once it is registered."""

    def __init__(self, server: str | None, client: str, task: Mapping[str, Any]) -> None:
        self.epoch: int | None = None
        self._server, self._client, self._task = server, client, task
        self._sock: socket.socket | None = None
        self._timeout_s = 0.0
        self._lock = threading.Lock()
        self._given_up = False
        self._thread = threading.Thread(target=self._begin, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether the task may still be registered."""
        return self._thread.is_alive()

    def end(self, word: Mapping[str, Any], timeout_s: float) -> bool:
        """Tell how the task ended; False where the daemon may not know."""
        ends_at = time.monotonic() + timeout_s
        self._thread.join(timeout_s)
        with self._lock:
            # A Register that is sent later would begin again what has ended.
            self._given_up = True
        if self._thread.is_alive() or self.epoch is None or self._sock is None:
            return False
        body = {"id": self._task["id"], "epoch": self.epoch, **word}
        with suppress(Exception):
            self._sock.settimeout(max(0.01, min(self._timeout_s, ends_at - time.monotonic())))
            self._sock.sendall(_frame(3, "Update", body))
            return bool(self._reply()["errid"] == 0)
        return False

    def beat(self) -> None:
        """Say that the task lives, before the client that takes it over is there."""
        if self.epoch is not None and self._sock is not None:
            with suppress(OSError):
                self._sock.sendall(_HEARTBEAT)

    def close(self) -> None:
        """Disconnect; the task keeps its deadline."""
        if self._sock is not None:
            self._sock.close()

    def _begin(self) -> None:
        with suppress(Exception):
            where = parse(self._server)
            self._timeout_s = where.timeout_s
            hello = {
                "protocol": PROTOCOL_VERSION,
                "client": self._client,
                "token": read_token(),
            }
            self._sock = dial(where)
            with self._lock:
                if self._given_up:
                    return
                self._sock.sendall(_frame(1, "Hello", hello) + _frame(2, "Register", self._task))
            replies = {reply["Seq"]: reply for reply in (self._reply(), self._reply())}
            if replies[1]["errid"] == 0 and replies[2]["errid"] == 0:
                self.epoch = int(replies[2]["epoch"])

    def _reply(self) -> dict[str, Any]:
        """Read the next reply: its body, and `Seq`."""
        while True:
            size = int.from_bytes(self._read(4))
            if size > _REPLY_BYTES_MAX:
                raise ValueError
            number, header, body = msgpack.unpackb(self._read(size))
            if number == _REQUEST:
                return {**json.loads(body), "Seq": header["Seq"]}

    def _read(self, size: int) -> bytes:
        assert self._sock is not None
        data = b""
        while len(data) < size:
            piece = self._sock.recv(size - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data


def _frame(seq: int, operation: str, body: Mapping[str, Any]) -> bytes:
    header = {"RequestID": operation, "Seq": seq}
    packed: bytes = msgpack.packb([_REQUEST, header, json.dumps(body).encode()])
    return len(packed).to_bytes(4) + packed
