"""A client of the wire contract (PROTOCOL.md) that shares no code with the project: sockets,
struct, JSON, msgpack. Only the daemon's process is the project's own (`taskdash.testing`): that one
speaks no wire. Every reply that `call` reads is held against what the contract says of all
replies."""

import itertools
import json
import re
import socket
import struct
import time
import uuid
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import msgpack

from taskdash.testing import RunningDaemon

REQUEST, EVENT, TCPX_REPLY, HEARTBEAT, TOKEN = 2, 3, 4, 1392, 1393
BEAT = bytes.fromhex("00 00 00 06 93 cd 05 70 c0 c0")
TCPX_BEAT = bytes.fromhex("00 00 00 10 00 00 05 70 00 00 00 04 00 00 00 00 6e 75 6c 6c")
ERRMSG = {
    0: "正确",
    1000: "请求格式不正确",
    1001: "数据库存储失败",
    1002: "不存在该任务id",
    1003: "未授权",
    1004: "冲突",
    1005: "服务繁忙",
}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ABOUT_ONE_TASK = ("Register", "Update", "Find")
STRINGS = [
    "id",
    "name",
    "url",
    "user",
    "group_id",
    "description",
    "status",
    "start_time",
    "stop_time",
    "project_id",
    "instance_id",
    "task_type",
    "edit_info",
    "checker",
    "parent_id",
]

_numbers = itertools.count(1)
_open: list["Wire"] = []


def unique(prefix: str = "t") -> str:
    """Give an id that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def text(body: Any) -> bytes | None:
    """Encode a body as JSON text; bytes are taken as they are."""
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body, ensure_ascii=False).encode()


def length(payload: bytes) -> bytes:
    """Put the length before a payload."""
    return struct.pack(">I", len(payload)) + payload


def native(message_id: int, header: Any, body: Any = None) -> bytes:
    """Build a frame of the contract's own framing."""
    return length(msgpack.packb([message_id, header, text(body)]))


def ask(request_id: str, body: Any = None, **header: Any) -> bytes:
    """Build a request's frame."""
    return native(REQUEST, {"RequestID": request_id, **header}, body)


def tcpx(message_id: int, header: Any, body: Any = None) -> bytes:
    """Build a frame of the original framing; a header of b"" is one of no length."""
    head, rest = text(header) if header is not None else b"null", text(body) or b""
    return length(struct.pack(">III", message_id, len(head), len(rest)) + head + rest)


def twice(body: Any) -> bytes:
    """Encode a body as the original client does: a JSON string that holds the JSON text."""
    return json.dumps((text(body) or b"").decode()).encode()


class Frame(NamedTuple):
    message_id: Any
    header: Any
    body: Any
    """The body's JSON, parsed once."""
    raw: bytes | None
    at: float


class Event(NamedTuple):
    watch: int
    rev: int
    kind: str
    task: dict[str, Any]
    at: float


class Closed(Exception):
    """The daemon has closed the connection, as the contract wants it: no reset."""


def _parse_native(payload: bytes, at: float) -> Frame:
    parts = msgpack.unpackb(payload, raw=False)
    assert isinstance(parts, list)
    assert len(parts) == 3, "a payload is an array of exactly three elements"
    message_id, header, raw = parts
    assert type(message_id) is int
    assert header is None or type(header) is dict
    assert raw is None or type(raw) is bytes, "the daemon's bodies are bin or nil"
    return Frame(message_id, header, None if raw is None else json.loads(raw), raw, at)


def _parse_tcpx(payload: bytes, at: float) -> Frame:
    message_id, head_size, body_size = struct.unpack_from(">III", payload)
    assert len(payload) == 12 + head_size + body_size
    head, raw = payload[12 : 12 + head_size], payload[12 + head_size :]
    return Frame(
        message_id,
        json.loads(head) if head else None,
        json.loads(raw) if raw else None,
        raw or None,
        at,
    )


class Wire:
    """One connection. Events that come while a reply is awaited are kept for `event`."""

    reply_id = REQUEST
    beat_bytes = BEAT

    def __init__(
        self, address: tuple[str, int], *, rcvbuf: int | None = None, source: str = ""
    ) -> None:
        self.sock = socket.socket()
        _open.append(self)
        if rcvbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(10)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = bytearray()
        self.events: deque[Event] = deque()
        self.sent_at = 0.0

    # Bytes

    def send(self, data: bytes) -> None:
        self.sock.settimeout(20)
        self.sent_at = time.monotonic()
        self.sock.sendall(data)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def _more(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self.sock.settimeout(left)
        chunk = self.sock.recv(1 << 18)
        if not chunk:
            assert not self.data, f"closed in the middle of a frame: {bytes(self.data)!r}"
            raise Closed
        self.data += chunk

    # Frames

    def parse(self, payload: bytes, at: float) -> Frame:
        return _parse_native(payload, at)

    def frame(self, within: float = 10.0) -> Frame:
        """Read the next frame, whatever it is."""
        deadline = time.monotonic() + within
        while True:
            if len(self.data) >= 4:
                (size,) = struct.unpack_from(">I", self.data)
                if len(self.data) >= 4 + size:
                    payload = bytes(self.data[4 : 4 + size])
                    del self.data[: 4 + size]
                    return self.parse(payload, time.monotonic())
            self._more(deadline)

    def reply(self, within: float = 10.0) -> Frame:
        """Read the next frame that is no event of a watch."""
        deadline = time.monotonic() + within
        while True:
            frame = self.frame(deadline - time.monotonic())
            if frame.message_id != EVENT or not frame.header or "Watch" not in frame.header:
                return frame
            self.events.append(_event(frame))

    def event(self, within: float = 10.0) -> Event:
        """Read the next event of a watch; a reply in its place is a fault."""
        if self.events:
            return self.events.popleft()
        frame = self.frame(within)
        assert frame.message_id == EVENT, frame
        return _event(frame)

    def silent(self, seconds: float) -> None:
        """Assert that nothing comes for so long, and that the connection stays open."""
        assert not self.events
        deadline = time.monotonic() + seconds
        with suppress(TimeoutError):
            frame = self.frame(deadline - time.monotonic())
            raise AssertionError(f"something came: {frame}")

    def eof(self, within: float = 5.0) -> None:
        """Assert that the daemon closes now, without another frame and without a reset."""
        assert not self.events
        with suppress(Closed):
            frame = self.frame(within)
            raise AssertionError(f"not closed, but: {frame}")

    def bye(self, within: float = 5.0) -> dict[str, Any]:
        """Read the Bye, then the end. Returns the Bye's body."""
        frame = self.reply(within)
        assert (frame.message_id, frame.header) == (EVENT, {"Bye": True}), frame
        assert type(frame.body["errid"]) is int
        assert type(frame.body["detail"]) is str
        assert frame.body["detail"]
        self.eof()
        return frame.body

    # Requests

    def pack(self, message_id: int, header: Any, body: Any = None) -> bytes:
        return native(message_id, header, body)

    def beat(self) -> None:
        self.send(self.beat_bytes)

    def ping(self, within: float = 10.0) -> None:
        """Send a heartbeat with Seq and read its echo: everything before it was handled."""
        seq = next(_numbers)
        self.send(self.pack(HEARTBEAT, {"Seq": seq}))
        frame = self.reply(within)
        assert (frame.message_id, frame.header, frame.body) == (HEARTBEAT, {"Seq": seq}, None)

    def call(self, request_id: str, body: Any = None, *, errid: int = 0) -> dict[str, Any]:
        """Ask, read the reply, and check all that the contract says of any reply."""
        seq = next(_numbers)
        self.send(self.pack(REQUEST, {"RequestID": request_id, "Seq": seq}, body))
        frame = self.reply()
        assert frame.header == {"RequestID": request_id, "Seq": seq}
        answer = self.check(frame, errid)
        if request_id in ABOUT_ONE_TASK and isinstance(body, dict):
            given = body.get("id")
            if errid != 1000:
                assert answer["id"] == given
        return answer

    def check(self, frame: Frame, errid: int = 0) -> dict[str, Any]:
        """Hold a reply against the contract; returns its body."""
        assert frame.message_id == self.reply_id, frame
        assert type(frame.body) is dict, frame
        assert type(frame.body["errid"]) is int
        assert frame.body["errid"] == errid, frame.body
        assert frame.body["errmsg"] == ERRMSG[errid]
        if errid:
            assert type(frame.body["detail"]) is str
            assert frame.body["detail"].strip(), "a refusal says what is wrong"
        return frame.body

    def refused(self, data: bytes, errid: int = 1000) -> dict[str, Any]:
        """Send a whole frame that is wrong: it is refused, and the connection goes on."""
        self.send(data)
        body = self.check(self.reply(), errid)
        self.ping()
        return body

    # Operations

    def hello(self) -> dict[str, Any]:
        return self.call("Hello", {"protocol": 1, "client": "contract/1"})

    def register(self, task_id: str, *, errid: int = 0, **fields: Any) -> dict[str, Any]:
        return self.call("Register", {"id": task_id, "name": "n", **fields}, errid=errid)

    def update(self, task_id: str, *, errid: int = 0, **fields: Any) -> dict[str, Any]:
        return self.call("Update", {"id": task_id, **fields}, errid=errid)

    def find(self, task_id: str, *, errid: int = 0) -> dict[str, Any]:
        return self.call("Find", {"id": task_id}, errid=errid)

    def query(self, **body: Any) -> dict[str, Any]:
        return self.call("Query", body)

    def watch(self, **body: Any) -> tuple[int, int]:
        """Watch; returns the watch's number and rev."""
        answer = self.call("Watch", body)
        assert type(answer["watch"]) is int
        assert type(answer["rev"]) is int
        return answer["watch"], answer["rev"]


class TcpxWire(Wire):
    """A connection in the original framing."""

    reply_id = TCPX_REPLY
    beat_bytes = TCPX_BEAT

    def parse(self, payload: bytes, at: float) -> Frame:
        return _parse_tcpx(payload, at)

    def pack(self, message_id: int, header: Any, body: Any = None) -> bytes:
        return tcpx(message_id, header, body)


def _event(frame: Frame) -> Event:
    assert set(frame.header) == {"Watch"}, frame.header
    body = frame.body
    assert set(body) == {"rev", "kind", "task"}
    assert body["kind"] in ("registered", "updated", "shutdown", "recovered")
    assert body["task"]["rev"] == body["rev"]
    return Event(frame.header["Watch"], body["rev"], body["kind"], body["task"], frame.at)


def close_all() -> None:
    """Close every connection that a test left open."""
    while _open:
        _open.pop().close()


class WiredDaemon(RunningDaemon):
    """A daemon's process, with connections of this client's."""

    def connect(self, **options: Any) -> Wire:
        return Wire(("127.0.0.1", self.port), **options)

    def connect_tcpx(self) -> TcpxWire:
        return TcpxWire(("127.0.0.1", self.port))

    def faults(self) -> list[str]:
        """Lines of the log that no peer may ever provoke."""
        signs = ("Traceback", "unexpected fault", '"exception"', '"level": "critical"')
        lines = map(json.dumps, self.log)
        return [line for line in lines if any(sign in line for sign in signs)]


def revs(events: Iterable[Event]) -> list[int]:
    return [event.rev for event in events]


def end(daemon: WiredDaemon) -> None:
    """Stop a daemon; whatever its peers did, it must not have failed."""
    daemon.stop()
    assert daemon.faults() == [], "a peer made the daemon fail"
