"""What a recorded exchange is made of: a client for each door, and the tape of what was said.

Replies are kept to the byte, but for what differs from run to run: that gets a stable name.
"""

import base64
import json
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgpack
from wire_client import ERRMSG, ask, native, tcpx, twice

from taskdash_protocol.requests import REQUESTS

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
VOLATILE = [
    (TIME, "<time>"),
    # A daemon that is kept from its work for a moment finds a service dead that it never saw late.
    (r'\["<time>","late"\],(?=\["<time>","dead"\])', ""),
    (r"(127\.0\.0\.\d+):\d{4,5}", r"\1:<port>"),
    (r"taskdashd/\d[\w.+-]*", "taskdashd/<version>"),
    (r"(?<=taskdash=)[\w-]+(\.[\w-]+)+", "<cookie>"),
    (r"\d+\.[0-9a-f]{64}", "<confirm>"),
    (r"td_([a-z]+)_[\w-]{40,}", r"td_\1_<secret>"),
    (r"wait \d+ s", "wait <n> s"),
    (r'etag: W/"[0-9a-f]+"', 'etag: W/"<digest>"'),
    (r'"(seconds|version|sqlite|etag)":"[^"]*"', r'"\1":"<\1>"'),
    (r'"now":\{"open":[^}]*\}', '"now":"<now>"'),
    # How many beats come while something is waited for is the machine's to say.
    (r'"beat":\[[0-9,]*\],?', ""),
    (r'"(day|date)":"\d{4}-\d\d-\d\d"', r'"\1":"<date>"'),
    (r'"commits":\{[^}]*\}', r'"commits":"<commits>"'),
    (
        r'"(pid|uptime|memory_bytes|bytes|wal_bytes|free_bytes|connections|writes_waiting|silent_s'
        r'|since|claim_s|finish_s|CreateTime)":-?\d[\d.e+-]*',
        r'"\1":<n>',
    ),
]
"""Patterns of what differs from run to run, and the names that stand for it."""
OFFERED = [list(REQUESTS), [name for name, one in REQUESTS.items() if one.over_http]]
"""Which operations a refusal names: over TCP, and over HTTP."""
OPENAPI = json.dumps(
    json.loads((Path(__file__).parents[2] / "taskdashd/web/openapi.json").read_text()),
    ensure_ascii=False,
    separators=(",", ":"),
)
LONG_CHARACTERS = 16_000
"""A longer reply is kept as its digest, so that the book can be read."""


def stable(text: str) -> str:
    """Give a text with names in place of what differs from run to run, and long runs cut short.

    The list of operations and their description have names too: each new operation is in them.
    """
    text = text.replace(OPENAPI, "<openapi.json>")
    for names in OFFERED:
        text = text.replace(f", only {', '.join(names)}", ", only <operations>")
    # The states of several groups are put together in the order of a set.
    text = re.sub(r'(?<="states":)\{[^}]*\}', lambda found: _sorted(found[0]), text)
    text = re.sub(r'(?<="day":)\[.*?\](?=,"bucket")', lambda found: _day(found[0]), text)
    text = re.sub(r'(?<="next":")[\w-]+={0,2}(?=")', lambda found: _cursor(found[0]), text)
    for pattern, name in VOLATILE:
        text = re.sub(pattern, name, text)
    for errid, errmsg in ERRMSG.items():
        text = text.replace(f'"errid":{errid},"errmsg":"{errmsg}"', f"<{errid}>")
    text = re.sub(r"(.)\1{19,}", lambda run: f"{run[1]}<x{len(run[0])}>", text)
    if len(text) > LONG_CHARACTERS:
        return f"<{len(text)} characters, SHA-256 {sha256(text.encode()).hexdigest()}>"
    return text.replace("\r\n", "\n").replace("\n", "⏎")


def _day(text: str) -> str:
    # A quarter of an hour may end while the test runs: only the sums are the same each time.
    quarters = json.loads(text)
    events = sum((Counter(one["events"]) for one in quarters), Counter())
    keys = sorted({" ".join(one) for one in quarters})
    return f"<{len(quarters)} of {keys}, events {sorted(events.items())}>"


def _sorted(text: str) -> str:
    return shown(dict(sorted(json.loads(text).items())))


def _cursor(text: str) -> str:
    # Where tasks are ordered by a time, the cursor holds it.
    try:
        return f"<{base64.urlsafe_b64decode(text).decode()}>"
    except ValueError:
        return text


class Tape:
    """What was said in a chapter, by what was asked."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}

    def note(self, asked: str, got: str) -> None:
        """Keep an exchange; a request that is repeated gets a number."""
        name = base = stable(asked).removeprefix(": ")[:240]
        number = 1
        while name in self.said:
            number += 1
            name = f"{base} ({number})"
        self.said[name] = stable(got)


def shown(body: Any) -> str:
    """Write a request's body as one line."""
    if isinstance(body, bytes):
        return body.decode(errors="backslashreplace")
    words = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=repr)
    return "" if body is None else words


class Peer:
    """A TCP connection from an address of this machine, read by exact lengths."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def exactly(self, size: int) -> bytes:
        """Read so many bytes. Raises `EOFError` at the end."""
        data = b""
        while len(data) < size:
            chunk = self.sock.recv(size - len(data))
            if not chunk:
                raise EOFError(f"ended in the middle: {data!r}" if data else "")
            data += chunk
        return data

    def half_close(self) -> None:
        """Send no more."""
        self.sock.shutdown(socket.SHUT_WR)

    def rest(self) -> bytes:
        """Read to the end."""
        return b"".join(iter(lambda: self.sock.recv(1 << 16), b""))

    def close(self) -> None:
        self.sock.close()


class Tcp(Peer):
    """A connection of a service, in the contract's own framing."""

    def __init__(self, tape: Tape, port: int, name: str = "tcp", source: str = "127.0.0.1") -> None:
        super().__init__(port, source)
        self.tape, self.name = tape, name
        self._aside: list[str] = []
        """Events that came before the awaited reply."""

    def heard(self, operation: str = "") -> str:
        """Read a frame, and write it as one line; the end of the connection has words too."""
        try:
            (size,) = struct.unpack(">I", self.exactly(4))
            return self.line(self.exactly(size), operation)
        except EOFError as end:
            return f"<closed{end}>"

    def line(self, payload: bytes, operation: str) -> str:
        """Write a payload: its header only where it is not the usual one of a reply."""
        message_id, header, body = msgpack.unpackb(payload)
        # The line shows no bytes: check that there is only one way to have encoded it.
        assert msgpack.packb([message_id, header, body]) == payload
        text = "nil" if body is None else body.decode()
        usual = (message_id, header) == (2, {"RequestID": operation})
        return text if usual else f"{message_id} {shown(header)} {text}"

    def request(self, operation: str, body: Any, header: dict[str, Any]) -> bytes:
        return ask(operation, body, **header)

    def ask(
        self, operation: str, body: Any = None, what: str = "", **header: Any
    ) -> dict[str, Any]:
        """Ask, keep the reply, and give its body; events that come first wait for `events`."""
        what = what or f"{operation} {f'{shown(header)} ' if header else ''}{shown(body)}"
        return self.exchange(what, self.request(operation, body, header), operation)

    def exchange(self, what: str, data: bytes, operation: str = "") -> dict[str, Any]:
        """Send bytes, keep the reply, and give its body."""
        self.send(data)
        line = self.heard(operation)
        while line.startswith('3 {"Watch"'):
            self._aside.append(line)
            line = self.heard(operation)
        self.tape.note(f"{self.name}: {what}", line)
        return json.loads(line) if line.startswith("{") else {}

    def say(self, what: str, data: bytes, frames: int) -> None:
        """Send bytes, if any, and keep so many of the frames that come, or the end."""
        if data:
            self.send(data)
        self.tape.note(f"{self.name}: {what}", " | ".join(self.heard() for _ in range(frames)))

    def flood(self, data: bytes, times: int) -> None:
        """Send the same so often in one go, and keep which replies came, not how often."""
        self.send(data * times)
        heard = {stable(self.heard()) for _ in range(times)}
        self.tape.note(f"{self.name}: {times} times", " | ".join(sorted(heard)))

    def events(self, what: str, count: int, *, known_revs: bool = True) -> None:
        """Keep so many events of watches, and that no other comes before the echo of a beat.

        Their revs are left out where they depend on how busy the machine is.
        """
        while len(self._aside) < count:
            self._aside.append(self.heard())
        self.send(self.beat)
        while not (line := self.heard()).startswith("1392 "):
            self._aside.append(line)
        told = " | ".join(self._aside)
        if not known_revs:
            told = re.sub(r'"rev":\d+', '"rev":<rev>', told)
        self.tape.note(f"{self.name}: events: {what}", told)
        self._aside.clear()

    @property
    def beat(self) -> bytes:
        return native(1392, {"Seq": 0})


class Tcpx(Tcp):
    """A connection in the original framing."""

    def line(self, payload: bytes, operation: str) -> str:
        message_id, head_size, body_size = struct.unpack_from(">III", payload)
        assert len(payload) == 12 + head_size + body_size
        head, body = payload[12 : 12 + head_size].decode(), payload[12 + head_size :].decode()
        usual = (message_id, head) == (4, f'{{"RequestID":"{operation}"}}')
        return body if usual else f"{message_id} {head} {body}"

    def request(self, operation: str, body: Any, header: dict[str, Any]) -> bytes:
        return tcpx(2, {"RequestID": operation, **header}, body)

    def ask_twice(self, operation: str, body: Any) -> None:
        """Ask with a body that is a JSON string of the object's text."""
        data = tcpx(2, {"RequestID": operation}, twice(body))
        self.exchange(f"twice: {operation} {shown(body)}", data, operation)

    @property
    def beat(self) -> bytes:
        return tcpx(1392, {"Seq": 0})


JSON = {"content-type": "application/json"}
HEADERS = (
    ("content-type", "application/json"),
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
"""Headers of every answer of the API; an exchange keeps only others, or other values."""


class Http:
    """A browser or a script: requests on one connection, as somebody."""

    def __init__(
        self, tape: Tape, port: int, name: str, source: str = "127.0.0.1", **headers: str
    ) -> None:
        self.tape, self.name, self.headers = tape, name, headers
        self._connection = HTTPConnection("127.0.0.1", port, 20, source_address=(source, 0))

    def ask(
        self, operation: str, body: Any = None, what: str = "", **headers: str
    ) -> dict[str, Any]:
        """Ask the API, keep the answer, and give its body."""
        sent = body if isinstance(body, bytes) else shown({} if body is None else body).encode()
        what = what or f"{operation} {shown(body)}"
        return self.send("POST", f"/api/v1/{operation}", sent, what, **{**JSON, **headers})

    def send(
        self, method: str, path: str, body: bytes | None = None, what: str = "", **headers: str
    ) -> dict[str, Any]:
        """Send a request, keep the answer, and give its body; a cookie is kept as browsers do."""
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        self._connection.request(method, path, body, {**self.headers, **given})
        answer = self._connection.getresponse()
        text = answer.read()
        heads = [(name, value) for name, value in answer.getheaders() if name != "content-length"]
        odd = [f"{name}: {value}" for name, value in heads if (name, value) not in HEADERS]
        odd += [f"no {name}" for name, value in HEADERS if name not in dict(heads)]
        for value in (value for name, value in heads if name == "set-cookie"):
            self.headers["cookie"] = value.partition(";")[0]
        line = f"{answer.status} {' | '.join([*odd, ''])}{self.shown_body(text, answer)}"
        asked = what or f"{method} {path} {shown(given or None)} {shown(body)}"
        self.tape.note(f"{self.name}: {asked}", line)
        return json.loads(text) if text[:1] == b"{" else {}

    @staticmethod
    def shown_body(text: bytes, answer: Any) -> str:
        """Write a body; of a file that the board is made of only that there is one."""
        if answer.headers.get("etag"):
            return "<a file>" if text else ""
        return text.decode()

    def close(self) -> None:
        self._connection.close()


TEXT, BYTES, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Board(Peer):
    """An open board's websocket (RFC 6455), in as few words as it takes."""

    def __init__(self, tape: Tape, port: int, name: str, query: str = "", **headers: str) -> None:
        super().__init__(port)
        self.tape, self.name = tape, name
        self.told: list[dict[str, Any]] = []
        """Messages that came unasked, and were not kept yet."""
        heads = {
            "Host": f"127.0.0.1:{port}",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            **headers,
        }
        lines = [f"GET /ws{query} HTTP/1.1", *(f"{name}: {text}" for name, text in heads.items())]
        self.send("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.exactly(1)
        self.tape.note(f"{self.name}: opens {stable(query)}", head.decode())

    def say(self, payload: bytes, opcode: int = TEXT, *, last: bool = True) -> None:
        """Send a frame, masked with zeros."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
        self.send(bytes([0x80 * last | opcode]) + length + bytes(4) + payload)

    def heard(self) -> tuple[int, bytes]:
        """Read a frame; the end of the connection counts as one."""
        try:
            first, size = self.exactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", self.exactly(2))
                assert size > 125, "a length in more bytes than it needs"
            elif size == 127:
                (size,) = struct.unpack(">Q", self.exactly(8))
                assert size > 0xFFFF, "a length in more bytes than it needs"
            assert first & 0x80, "the daemon sends whole messages"
            return first & 0x7F, self.exactly(size)
        except (EOFError, ConnectionResetError):
            return CLOSE, b""

    def ask(self, operation: str, body: Any = None, what: str = "") -> dict[str, Any]:
        """Ask, keep the reply, and give its body."""
        sent = body if isinstance(body, bytes) else shown({} if body is None else body).encode()
        message = b'{"seq":7,"op":%b,"body":%b}' % (shown(operation).encode(), sent)
        return self.message(what or f"{operation} {shown(body)}", message)

    def message(self, what: str, message: Any) -> dict[str, Any]:
        """Send a message, and keep the reply; what is told meanwhile waits for `tell`."""
        sent = message if isinstance(message, bytes) else shown(message).encode()
        self.say(sent)
        while True:
            opcode, payload = self.heard()
            if opcode != TEXT:
                self.tape.note(f"{self.name}: {what}", f"<{opcode} {payload.hex()}>")
                return {}
            if payload.startswith(b'{"seq":'):
                self.tape.note(f"{self.name}: {what}", payload.decode())
                said: dict[str, Any] = json.loads(payload)
                return said
            self.told.append(json.loads(payload))

    def tell(self, what: str, wanted: Callable[[dict[str, Any]], Any]) -> None:
        """Wait until something holds of what is told, and keep all that was told by then.

        Changes that come close together come as one message or as several: they are kept one by
        one. Figures come by the clock, and are not kept.
        """
        members: dict[str, list[Any]] = {}
        while True:
            while self.told:
                told = self.told.pop(0)
                told.pop("figures", None)
                # A board is told of changes a moment later: how far it is now is up to the clock.
                if told.pop("rev", None) is not None and "events" not in told:
                    told["rev"] = "<rev>"
                for name, value in told.items():
                    of_many = name in ("events", "services")
                    members.setdefault(name, []).extend(value if of_many else [value])
            if wanted(members):
                break
            opcode, payload = self.heard()
            assert opcode == TEXT, (what, members, opcode, payload)
            self.told.append(json.loads(payload))
        kept = {name: value for name, value in members.items() if value}
        self.tape.note(f"{self.name}: told: {what}", shown(kept))

    def end(self, what: str) -> None:
        """Keep how the daemon closes it."""
        while (heard := self.heard())[0] != CLOSE:
            pass
        code, why = heard[1][:2], heard[1][2:].decode()
        self.tape.note(f"{self.name}: ends: {what}", f"{int.from_bytes(code, 'big')} {why}")
