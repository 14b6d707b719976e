"""The web face under the fuzzer: conversations of browsers, scripts and attackers, as bytes.

An input is a list of steps: bytes for one of six connections, a websocket's frame, an end of input,
a reset, a peer that stops reading, time that passes. The poller, the conversations, the operations
and the store are the real ones; only the clock, the threads and the kernel's TCP are not. After
each input the module asks what must hold whatever was sent, see `Faces.run`.
"""

import json
import random
import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple
from zlib import crc32

import structlog
import trio
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdashd.core.access import Access
from taskdashd.core.proofs import Proofs
from taskdashd.domain.access import Identity
from taskdashd.families.people.operations.sign_in import prove
from taskdashd.server.link import Links
from taskdashd.server.mailbox import Mailbox
from taskdashd.server.poller import Poller
from taskdashd.settings import values
from taskdashd.testing import World
from taskdashd.web.app import App
from taskdashd.web.files import Files, read_description
from taskdashd.web.forwarded import Proxies
from taskdashd.web.origins import Origins

SEND, FRAME, GO, WAIT, USE, END, CLOSE, DEAF, AGAIN = range(9)
_KINDS: Final = 9
_STEPS_MAX: Final = 64
_CONNECTIONS: Final = 6
_TURNS_MAX: Final = 3_000
_HELD_MAX: Final = 256 << 10
"""What may be held of one connection's input: a head or a frame, and what came behind it."""
_SENT_MAX: Final = 512 << 10
_WAITED_MAX_S: Final = 100.0
LIMITS: Final[dict[str, Any]] = {
    "max_frame": 8 << 10,
    "input_buffer": 1 << 20,
    "reply_buffer": 16 << 10,
    "watch_buffer": 64 << 10,
    "max_pending": 16,
    "max_watches": 4,
    "max_connections_per_address": 3,
    "request_rate": 100,
}
"""Small, so that inputs of a few kilobytes reach them."""
_FRAME_S: Final = 10.0
_STATUSES: Final = frozenset(
    (
        100,
        101,
        200,
        204,
        304,
        400,
        401,
        403,
        404,
        405,
        408,
        409,
        413,
        415,
        421,
        426,
        429,
        431,
        501,
        503,
    )
)
_ADDRESS, _OTHER, _BYSTANDER = "10.0.0.1", "10.0.0.2", "10.0.0.9"


class Step(NamedTuple):
    """A kind, its number, and bytes for `SEND` and `FRAME`."""

    kind: int
    number: int = 0
    data: bytes = b""


def decode(data: bytes) -> list[Step]:
    """Read steps: kind, number and, where it has any, the length of its bytes and these."""
    steps, at = [], 0
    while at + 2 <= len(data) and len(steps) < _STEPS_MAX:
        kind, number = data[at] % _KINDS, data[at + 1]
        at += 2
        body = b""
        if kind in (SEND, FRAME):
            (size,) = struct.unpack(">H", data[at : at + 2].rjust(2, b"\0"))
            body, at = data[at + 2 : at + 2 + size], at + 2 + size
        steps.append(Step(kind, number, body))
    return steps


def encode(steps: list[Step]) -> bytes:
    """Write steps as `decode` reads them."""
    parts = []
    for kind, number, data in steps:
        sized = struct.pack(">H", len(data)) + data if kind in (SEND, FRAME) else b""
        parts.append(bytes((kind, number)) + sized)
    return b"".join(parts)


def frame(first: int, payload: bytes) -> bytes:
    """Encode a browser's frame; the first byte is as it is given."""
    mask, length = bytes((first ^ 0x5A, 1, 7, 0x33)), len(payload)
    size = bytes((0x80 | length,)) if length < 126 else b"\xfe" + struct.pack(">H", length)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes((first,)) + size + mask + masked


class Client:
    """A peer's end of a connection: what it sent and got, and whether it is still there."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)
        self.sent = bytearray()
        self.got = bytearray()
        self._waiting = b""
        self.is_deaf = False
        self.has_ended = False
        self.is_over = False
        """Whether the daemon has closed its side."""
        self.is_excused = False
        """Whether the peer did what lets the daemon leave requests unanswered."""

    def send(self, data: bytes) -> None:
        if not (self.has_ended or self.is_over) and len(self.sent) < _SENT_MAX:
            self._waiting += data
            self.pump()

    def pump(self) -> None:
        """Send what waits, and read what has come."""
        try:
            while self._waiting:
                taken = self.sock.send(self._waiting)
                self.sent += self._waiting[:taken]
                self._waiting = self._waiting[taken:]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting, self.is_excused = b"", True
        if self.is_deaf or self.is_over:
            return
        try:
            while data := self.sock.recv(1 << 16):
                self.got += data
            self.is_over = True
        except BlockingIOError:
            pass
        except OSError:
            self.is_over = self.is_excused = True

    def end(self) -> None:
        if not self.has_ended:
            self.has_ended, self._waiting = True, b""
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)


class _Plain(socket.socket):
    """The daemon's end: a pair of local sockets has no options of TCP."""

    def setsockopt(self, level: int, *rest: Any) -> None:  # type: ignore[override]
        if level != socket.IPPROTO_TCP:
            super().setsockopt(level, *rest)


class Faces:
    """A daemon with its web face, asked input after input."""

    def __init__(self) -> None:
        # Keep the file in memory where that is easy: the disk's syncs take most of the time.
        memory = Path("/dev/shm")
        self._directory = TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.world = World(Path(self._directory.name), with_board=True, **LIMITS)
        self._files, self._description = Files.read(), read_description()
        self._runs = 0
        self._start()

    def _start(self) -> None:
        world = self.world
        assert world.web is not None
        self._boards, self._viewers = world.web.boards, world.web.viewers
        known = {
            "operator": Identity("t", "operator", key="1"),
            "reader": Identity("r", "reader", frozenset({"g"}), key="2"),
            "ping": Identity("p", "ping", key="3"),
        }
        self._app = App(
            runner=world.runner,
            limits=world.live,
            boards=self._boards,
            viewers=self._viewers,
            tokens=Access(known.get, world.core.clock.now, required=True),
            files=self._files,
            description=self._description,
            key=bytes(32),
            origins=Origins("https://a.example"),
            proofs=Proofs(world.core.identities, world.core.clock.now, prove),
            proxies=Proxies(values.proxies(_OTHER)),
            secure=False,
        )
        self._mailbox = Mailbox()
        self._poller = Poller(world.core, world.live, self._mailbox, Links())
        self._poller._epoll.register(self._mailbox, 1)
        self._ports = count(1)
        self._cookie = b""
        self.faults: list[Any] = []

    def close(self) -> None:
        """End the daemon."""
        self._poller.close()
        self._mailbox.close()
        self.world.close()
        self._directory.cleanup()

    def note(self, _logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        """Take a line of the log: a processor of structlog."""
        if "exc_info" in event or event.get("level") in ("error", "critical"):
            self.faults.append(event)
        raise structlog.DropEvent

    def run(self, data: bytes) -> None:
        """Do what the bytes say, and check what must hold:

        - no fault that nobody expected is logged, and no work goes on without an end;
        - a bystander is answered, whatever waits for whom;
        - what is sent is HTTP and websocket frames; what was asked well is answered, in order;
        - what is held is bounded, an unfinished request ends in its time, and nothing stays behind.
        """
        self.faults.clear()
        self._sign_in()
        clients: dict[int, Client] = {}
        try:
            self._play(decode(data), clients)
            self._bystand()
            for client in clients.values():
                client.is_deaf = False
            self._go(clients)
            if crc32(data) % 8 == 0:
                self._wait_for_ends(clients)
            for client in clients.values():
                check(client)
        finally:
            for client in clients.values():
                client.sock.close()
        self._go({})
        self._leaves_nothing()
        self.world.advance(2.0)
        assert not self.faults, self.faults[0]
        self._runs += 1
        if self._runs % 5000 == 0:
            self._poller.close()
            self._mailbox.close()
            self.world.restart()
            self._start()

    def _play(self, steps: list[Step], clients: dict[int, Client]) -> None:
        current, before, left_s = 0, b"", _WAITED_MAX_S
        for kind, number, data in steps:
            if kind == USE:
                current = number % _CONNECTIONS
                continue
            if current not in clients:
                clients[current] = self._connect(_ADDRESS if current < 4 else _OTHER)
            client = clients[current]
            if kind in (SEND, FRAME):
                before = frame(number, data) if kind == FRAME else data
                before = before.replace(b"{cookie}", self._cookie)
                client.send(before)
            elif kind == AGAIN:
                client.send(before * number)
            elif kind == GO:
                self._go(clients)
            elif kind == WAIT:
                self._wait(min(number / 4, left_s), clients)
                left_s = max(0.0, left_s - number / 4)
            elif kind == END:
                client.end()
            elif kind == CLOSE:
                client.sock.close()
                del clients[current]
            else:
                client.is_deaf = bool(number % 2)
                client.is_excused = True
        self._go(clients)

    def _connect(self, address: str) -> Client:
        theirs, ours = socket.socketpair()
        plain = _Plain(fileno=ours.detach())
        self._poller._accepted(plain, (address, next(self._ports)), self._app)
        return Client(theirs)

    def _go(self, clients: dict[int, Client]) -> None:
        """Do all that is at hand."""
        world, poller = self.world, self._poller
        for turn in count():
            assert turn < _TURNS_MAX, "it never comes to an end"
            poller._serve_ready()
            has_jobs = bool(world.writing.jobs or world.reading.jobs)
            if world.writing.jobs:
                world.writing.step()
            if world.reading.jobs:
                world.reading.step()
            if self._boards._wake.is_set():
                self._boards._wake = trio.Event()
                list(self._boards._tell())
            world.core.writer.flush()
            before = [len(client.got) for client in clients.values()]
            for client in clients.values():
                client.pump()
            heard = before != [len(client.got) for client in clients.values()]
            busy = poller._turns or poller._touched or poller._epoll.poll(0)
            if not (has_jobs or heard or busy):
                break
        for link in poller._links.values():
            held = link.conversation.buffered_bytes
            assert held <= _HELD_MAX, f"{held} bytes of input are held for one connection"
        assert not self.faults, self.faults[0]

    def _wait(self, seconds: float, clients: dict[int, Client]) -> None:
        self._go(clients)
        until = self.world.time + seconds
        while self.world.time < until:
            step_s = min(1.0, until - self.world.time)
            self.world.advance(step_s)
            self._poller.check_deadlines()
            self._go(clients)

    def _wait_for_ends(self, clients: dict[int, Client]) -> None:
        """Let time pass until every connection has ended, in the time that is promised for each."""
        begun = [
            link
            for link in self._poller._links.values()
            if link.conversation.has_partial_frame and not link.conversation.closing
        ]
        self._wait(_FRAME_S + 3.0, clients)
        for link in begun:
            stays = link.fd in self._poller._links and link.conversation.has_partial_frame
            assert not stays, f"an unfinished request stays: {link.conversation}"
        self._wait(70.0, clients)
        assert not self._poller._links, [link.conversation for link in self._poller._links.values()]
        for client in clients.values():
            client.pump()
            assert client.is_over

    def _bystand(self) -> None:
        """Ask for somebody who does nothing wrong: the answer must come without time passing."""
        client = self._connect(_BYSTANDER)
        client.send(_PARTS[0].data + request("POST /api/v1/Find", *_OPERATOR, body=b'{"id":"by"}'))
        self._go({0: client})
        assert client.got.startswith(b"HTTP/1.1 200"), bytes(client.got[:200])
        assert bytes(client.got).count(b"HTTP/1.1 404") == 1, bytes(client.got[-300:])
        client.sock.close()

    def _sign_in(self) -> None:
        """Have a cookie that counts, whoever was signed out by the inputs before."""
        if self._cookie and self._is_signed_in():
            return
        client = self._connect(_BYSTANDER)
        client.send(request("POST /api/v1/Login", _JSON, body=b'{"user":"1001","name":"A"}'))
        self._go({0: client})
        found = re.search(rb"set-cookie: (taskdash=[^;]+)", bytes(client.got))
        self._cookie = found[1] if found else b"taskdash=none"
        client.sock.close()
        self._go({})

    def _is_signed_in(self) -> bool:
        client = self._connect(_BYSTANDER)
        client.send(request("GET /api/v1/about", "Cookie: " + self._cookie.decode()))
        self._go({0: client})
        client.sock.close()
        return b'"user":"1001"' in client.got

    def _leaves_nothing(self) -> None:
        """Look for what a connection that has ended must not leave behind."""
        poller, core = self._poller, self.world.core
        assert not poller._links
        assert not poller._turns
        assert poller._admission._admitted == poller._admission._turned_away == 0
        assert poller._admission._input.bytes == 0, poller._admission._input.bytes
        assert core.unsent.bytes == 0, core.unsent.bytes
        assert not self._boards._viewers
        assert not self._viewers._sockets
        assert not any(one._at for one in poller._deadlines._all)


_HEAD: Final = re.compile(
    rb"(GET|HEAD|POST) (/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z-]+: [!-~][ -~]*\r\n)*)\r\n"
)
_CHUNK: Final = re.compile(rb"([0-9a-f]{1,4})\r\n")


def asked(sent: bytes) -> tuple[int, int | None]:
    """Count the requests at the beginning of a stream that nobody could call malformed.

    Also tell where the bytes of a websocket begin, if the next one asks for that.
    """
    number, at = 0, 0
    while (head := _HEAD.match(sent, at)) and head.end() - at < 15 << 10:
        lines = [line.partition(b": ") for line in head[3].split(b"\r\n")[:-1]]
        names = [name.lower() for name, _, _ in lines]
        given = {name.lower(): value for name, _, value in lines}
        odd = {b"connection", b"expect"} & set(names)
        if names.count(b"host") != 1 or len(names) != len(set(names)) or len(names) > 100:
            break
        if given.get(b"upgrade", b"").lower() == b"websocket":
            has_body = {b"content-length", b"transfer-encoding"} & set(names)
            return number, None if has_body else head.end()
        if odd:
            break
        end = _end_of_body(sent, head.end(), given)
        if end is None:
            break
        number, at = number + 1, end
    return number, None


def _end_of_body(sent: bytes, at: int, given: dict[bytes, bytes]) -> int | None:
    length = given.get(b"content-length")
    if b"transfer-encoding" in given:
        if length is not None or given[b"transfer-encoding"] != b"chunked":
            return None
        while chunk := _CHUNK.match(sent, at):
            size = int(chunk[1], 16)
            at = chunk.end() + size + 2
            if sent[at - 2 : at] != b"\r\n":
                return None
            if not size:
                return at
        return None
    if length is None:
        return at
    if not length.isdigit() or len(length) > 5 or at + int(length) > len(sent):
        return None
    return at + int(length)


def check(client: Client) -> None:
    """Check what a peer got: HTTP first, and the frames of a websocket if it became one."""
    statuses, rest, closes = _responses(bytes(client.got))
    for status in statuses:
        assert status in _STATUSES, f"a response with status {status}"
    number, at = asked(bytes(client.sent))
    final = [status for status in statuses if status >= 101]
    if not (client.is_excused or closes or 101 in statuses):
        assert len(final) >= number, f"{number} requests, {len(final)} answers: {statuses}"
    if 101 in statuses:
        known = at is not None and final.index(101) == number
        _check_socket(client, bytes(client.sent[at:]) if known else None, rest)


def _responses(got: bytes) -> tuple[list[int], bytes, bool]:
    """Read responses; what follows a 101 is left. Also tell whether the last one is the last."""
    statuses: list[int] = []
    closes = False
    while got:
        assert not closes, f"bytes behind the last response: {got[:200]!r}"
        head, found, got = got.partition(b"\r\n\r\n")
        if not found:
            # A response that was begun: the peer was cut off, or stopped reading.
            return statuses, b"", True
        first, *lines = head.split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.1 ([0-9]{3}) [A-Za-z -]+", first)
        assert match, first
        headers = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(b":") for line in lines)
            if colon
        }
        assert len(headers) == len(lines), head
        statuses.append(int(match[1]))
        if statuses[-1] == 101:
            return statuses, got, False
        closes = headers.get(b"connection", b"").lower() == b"close"
        size = int(headers.get(b"content-length", b"0"))
        # The response to a HEAD has no body, though it says how long one would be.
        if not got.startswith(b"HTTP/1.1 "):
            got = got[size:]
    return statuses, b"", closes


def _check_socket(client: Client, sent: bytes | None, got: bytes) -> None:
    seqs, code, whole = _messages(got)
    assert whole or client.is_excused
    if sent is None:
        return
    wanted, is_well = _asked_on(sent)
    assert seqs == wanted[: len(seqs)], f"asked {wanted}, answered {seqs}"
    if code is None and not client.is_excused:
        assert len(seqs) == len(wanted), f"{len(wanted)} messages, {len(seqs)} replies"
    if is_well:
        assert code not in (1002, 1003, 1007), f"a stream without a fault is closed with {code}"


def _messages(got: bytes) -> tuple[list[Any], int | None, bool]:
    """Read a daemon's frames: the seqs of replies, the close frame's code, if all are whole."""
    seqs: list[Any] = []
    at, code = 0, None
    while at < len(got):
        assert code is None, "a frame behind the close frame"
        if len(got) - at < 2:
            return seqs, code, False
        first, size = got[at], got[at + 1]
        assert first in (0x81, 0x88, 0x89, 0x8A), f"a frame that begins with {first:#x}"
        assert size < 126 or first == 0x81
        at += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(got[at : at + width], "big")
            at += width
        payload, at = got[at : at + size], at + size
        if at > len(got):
            return seqs, code, False
        if first == 0x81:
            said = json.loads(payload)
            if "seq" in said:
                seqs.append(said["seq"])
        elif first == 0x88:
            code = int.from_bytes(payload[:2], "big") if payload else 0
            assert code == 0 or 1000 <= code <= 4999
            payload[2:].decode()
    return seqs, code, True


def _asked_on(sent: bytes) -> tuple[list[Any], bool]:
    """Read a browser's frames by another's code: the seqs asked, and if nothing was wrong."""
    wire = FrameProtocol(client=False, extensions=[])
    seqs: list[Any] = []
    text = ""
    try:
        # Complete a frame that was begun, with zeros: its head may be wrong already.
        for more in (sent, bytes(16)):
            decoder = wire._frame_decoder
            if more is not sent and decoder.header is None and not len(decoder.buffer):
                break
            wire.receive_bytes(more)
            for found in wire.received_frames():
                if found.opcode is Opcode.CLOSE:
                    return seqs, True
                if found.opcode is Opcode.BINARY:
                    return seqs, False
                if found.opcode is Opcode.TEXT and more is sent:
                    text += str(found.payload)
                    if found.message_finished:
                        seqs.append(_seq_of(text.encode()))
                        text = ""
    except ParseFailed:
        return seqs, False
    return seqs, True


def _seq_of(message: bytes) -> Any:
    try:
        return strictjson.loads_object(message).get("seq")
    except BadRequest:
        return None


def request(head: str, *headers: str, body: bytes = b"") -> bytes:
    """Write a request; a body brings its length with it."""
    sized = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{head} HTTP/1.1", "Host: 10.0.0.1", *headers, *sized, "", ""]
    return "\r\n".join(lines).encode() + body


_JSON: Final = "Content-Type: application/json"
_FORM: Final = "Content-Type: application/x-www-form-urlencoded"
_OPERATOR: Final = ("Authorization: Bearer operator", _JSON)
_PERSON: Final = ("Cookie: {cookie}", _JSON)
_HANDSHAKE: Final = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def _post(name: str, body: object, *headers: str) -> Step:
    text = json.dumps(body).encode()
    return Step(SEND, 0, request(f"POST /api/v1/{name}", *(headers or _OPERATOR), body=text))


def _text(op: str, seq: int = 1, **body: Any) -> Step:
    return Step(FRAME, 0x81, json.dumps({"seq": seq, "op": op, "body": body}).encode())


_TASK: Final = {"id": "a", "name": "n", "status": "running"}
_PARTS: Final = [
    Step(SEND, 0, request("GET /api/v1/about")),
    *(
        Step(SEND, 0, request(f"{how} {path}"))
        for how in ("GET", "HEAD")
        for path in ("/", "/healthz")
    ),
    Step(SEND, 0, request("GET /nothing?a=1", "Cookie: a=1; taskdash=x.y.z", "Cookie: {cookie}")),
    Step(SEND, 0, request("GET /board.css", "Accept-Encoding: gzip", 'If-None-Match: "x"')),
    Step(SEND, 0, request("GET /api/v1/openapi.json", "Connection: close")),
    Step(SEND, 0, request("OPTIONS *", "Origin: http://10.0.0.1")),
    Step(
        SEND,
        0,
        request(
            "OPTIONS /api/v1/Find",
            "Origin: https://a.example",
            "Access-Control-Request-Method: POST",
        ),
    ),
    Step(SEND, 0, request("GET /healthz", "X-Forwarded-For: 1.2.3.4, [::1]:5")),
    Step(SEND, 0, request("GET /", "Forwarded: for=1.2.3.4;proto=https", "Origin: null")),
    Step(SEND, 0, request("GET /rget/task/?operation=GetTasksByStatus&status=a&start=1&count=2")),
    Step(SEND, 0, request("GET /ping/ping/job?status=finish")),
    Step(SEND, 0, request("POST /ping/ping/job", body=b"it went well")),
    _post("Find", {"id": "a"}),
    _post("Find", {"id": "a"}, "Authorization: Bearer wrong", _JSON),
    _post("Find", {"id": "a"}, *_PERSON),
    _post("Find", {"id": "a"}, *_OPERATOR, "Origin: http://elsewhere.example"),
    _post("Register", _TASK),
    _post("Register", {**_TASK, "id": "b", "status": "待领取", "n": [[{}], [], -1.5e300]}),
    _post("Update", {"id": "a", "progress": "1/2", "deep": [[[[[]]]]], "big": 9223372036854775807}),
    _post("Query", {"where": {"status": ["running"]}, "limit": 2}),
    _post("Query", {"where": {}}, *_PERSON),
    _post("Login", {"user": "1002", "name": "B"}, _JSON),
    _post("Logout", {}, *_PERSON),
    _post("Claim", {"id": "b"}, *_PERSON),
    _post("People", {}, *_PERSON),
    _post("Services", {}),
    _post("Status", {}),
    _post("Figures", {}),
    _post("Audit", {"limit": 3}),
    _post("Nothing", {}),
    Step(SEND, 0, request("POST /api/v1/Find", *_OPERATOR, "Expect: 100-continue", body=b"{}")),
    Step(SEND, 0, request("POST /api/v1/Find", *_OPERATOR, "Content-Length: 9000")),
    Step(
        SEND,
        0,
        request("POST /api/v1/Find", *_OPERATOR, "Transfer-Encoding: chunked")
        + b'5\r\n{"id"\r\n5\r\n:"a"}\r\n0\r\n\r\n',
    ),
    Step(
        SEND,
        0,
        request("POST /rpost/task", _FORM, "Transfer-Encoding: chunked")
        + b"3;a=b\r\nope\r\n0\r\nTrailer: x\r\n\r\n",
    ),
    Step(SEND, 0, request("POST /rpost/task", _FORM, body=b"operation=GetTasksNoUser&x=%E5%BE%85")),
    Step(SEND, 0, request("POST /rpost/task", _FORM, body=b"operation=userLogin&username=1001")),
    Step(
        SEND,
        0,
        request("POST /rpost/task", *_PERSON, body=b'{"operation":"GetTasksByUser","user":"1001"}'),
    ),
    Step(
        SEND,
        0,
        request(
            "POST /rpost/task", *_OPERATOR, body=b'{"operation":"TaskBind","ID":"b","user":"1"}'
        ),
    ),
    Step(
        SEND,
        0,
        request(
            "POST /rpost/task",
            "Content-Type: multipart/form-data; boundary=x",
            body=b'--x\r\nContent-Disposition: form-data; name="operation"\r\n\r\n'
            b"userLogin\r\n--x--\r\n",
        ),
    ),
    Step(SEND, 0, request("GET /ws", *_HANDSHAKE, "Authorization: Bearer operator")),
    Step(SEND, 0, request("GET /ws", *_HANDSHAKE, "Authorization: Bearer reader")),
    Step(SEND, 0, request("GET /ws?since=1&sight=0a0b0c0d", *_HANDSHAKE, "Cookie: {cookie}")),
    Step(SEND, 0, request("GET /ws", *_HANDSHAKE)),
    Step(SEND, 0, request("GET /api/v1/about", "Upgrade: h2c", "Connection: Upgrade")),
    _text("Find", id="a"),
    _text("Query", 2, where={}),
    _text("Register", 3, **_TASK),
    _text("Update", 4, id="a", progress="x"),
    _text("Services", 5),
    _text("People", 6),
    _text("Watch", 7),
    _text("Login", 8, user="1"),
    _text("Handover", 9, **{"from": "1001", "to": "1002"}),
    Step(FRAME, 0x81, '{"seq":10,"op":"Find","body":{"id":"字"}}'.encode()),
    Step(FRAME, 0x01, b'{"seq":11,"op":"Find",'),
    Step(FRAME, 0x00, b'"body":'),
    Step(FRAME, 0x80, b'{"id":"a"}}'),
    Step(FRAME, 0x81, b"[]"),
    Step(FRAME, 0x81, b"\xff\xfe"),
    Step(FRAME, 0x82, b"bytes"),
    Step(FRAME, 0x89, b"ping"),
    Step(FRAME, 0x8A, b"pong"),
    Step(FRAME, 0x88, b""),
    Step(FRAME, 0x88, b"\x03\xe8bye"),
    Step(FRAME, 0x88, b"\x03\xed"),
    Step(SEND, 0, b"\x81\xff\x00\x00\x00\x00\x00\x00\x20\x00\0\0\0\0"),
    Step(SEND, 0, b"\x89\x05hello"),
    Step(SEND, 0, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    *(Step(GO), Step(GO), Step(WAIT, 4), Step(WAIT, 45), Step(WAIT, 110), Step(USE, 1)),
    *(
        Step(USE, 4),
        Step(END),
        Step(CLOSE),
        Step(DEAF, 1),
        Step(DEAF),
        Step(AGAIN, 3),
        Step(AGAIN, 200),
    ),
]
_WORDS: Final = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b":",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"HTTP/1.0",
        b"HTTP/1.1",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: 99999999999\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Host: [::1\r\n",
    ),
    *(
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"Cookie: {cookie}\r\n",
        b"ffffffff\r\n",
    ),
    *(b"Upgrade: websocket\r\n", b"Host: \r\n", b"Origin: null\r\n", b"Accept-Encoding: gzip\r\n"),
    *(b"Authorization: Bearer operator\r\n", b"Range: bytes=0-\r\n", b"If-None-Match: *\r\n"),
    *(b"{", b"}", b"[", b"]", b'"', b"\\u0000", b"\\ud800", b"1e999", b"-0", b"9" * 20, b"null"),
    *(b'"seq":', b'"op":', b'"body":', b"%", b"%ff", b"&", b"=", b"+", b"\xc3\xa9", b"\xf0\x90"),
)


def conversations() -> list[bytes]:
    """Give inputs to begin with: each part alone, behind a sign-in, and on a websocket."""
    sockets = [one for one in _PARTS if one.data.startswith(b"GET /ws")]
    seeds = [encode([one, Step(GO), _PARTS[0]]) for one in _PARTS]
    frames = [one for one in _PARTS if one.kind == FRAME]
    for opens in sockets[:3]:
        seeds += [encode([opens, Step(GO), one, Step(GO), frames[0]]) for one in frames]
        seeds.append(encode([opens, *frames[:12], Step(WAIT, 120), frames[0]]))
    large = Step(SEND, 0, request("GET /api/v1/openapi.json"))
    unread = [Step(DEAF, 1), large, Step(AGAIN, 30), Step(GO)]
    return [*seeds, *(encode([*unread, end]) for end in (Step(CLOSE), Step(WAIT, 60), Step(DEAF)))]


def mutate(data: bytes, max_size: int, seed: int, by_bytes: Callable[[bytes, int], bytes]) -> bytes:
    """Change an input: a step of it, its order, or its bytes."""
    draw = random.Random(seed)
    if draw.random() < 0.15:
        return by_bytes(data, max_size)
    steps = decode(data) or [draw.choice(_PARTS)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(len(steps) + 1)
        match draw.randrange(8):
            case 0 | 1 | 2:
                steps.insert(at, draw.choice(_PARTS))
            case 3 if len(steps) > 1:
                del steps[min(at, len(steps) - 1)]
            case 4:
                steps.insert(at, draw.choice(steps))
            case 5 if steps:
                steps[at:at] = _cut(steps.pop(min(at, len(steps) - 1)), draw)
            case _:
                at = min(at, len(steps) - 1)
                steps[at] = _bent(steps[at], draw)
    while len(found := encode(steps)) > max_size:
        steps.pop()
    return found


def _cut(step: Step, draw: random.Random) -> Iterator[Step]:
    """Send bytes in two pieces, with something in between."""
    if step.kind not in (SEND, FRAME):
        yield step
        return
    data = frame(step.number, step.data) if step.kind == FRAME else step.data
    at = draw.randrange(len(data) + 1)
    yield Step(SEND, 0, data[:at])
    yield draw.choice((Step(GO), Step(WAIT, 8), Step(WAIT, 41), Step(END), Step(USE, 2)))
    yield Step(SEND, 0, data[at:])


def _bent(step: Step, draw: random.Random) -> Step:
    """Change a step's bytes, or its number."""
    data, word = bytearray(step.data), draw.choice(_WORDS)
    at = draw.randrange(len(data) + 1)
    match draw.randrange(6):
        case 0:
            data[at:at] = word
        case 1:
            data[at : at + len(word)] = word
        case 2:
            del data[at : at + draw.randrange(1, 9)]
        case 3:
            data[at : at + 1] = bytes((draw.randrange(256),))
        case 4:
            data[at:at] = data[at : at + draw.randrange(40)] * draw.choice((1, 2, 30))
        case _:
            number = draw.choice((step.number ^ 1 << draw.randrange(8), draw.randrange(256)))
            return step._replace(number=number)
    return step._replace(data=bytes(data[:0xFFFF]))
