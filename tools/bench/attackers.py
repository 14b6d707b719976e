"""What attackers do, a process each: the same again and again, from an address of their own.

    attackers.py ATTACK DOOR WHERE

WHERE is JSON: the ports, a token and a cookie. An attack is written once and done by every door
where it makes sense; `@attack` says by which, and whether only who has signed in can do it.
"""

import json
import random
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final, NamedTuple

from taskdash_protocol.frames import TASKDASH

SOURCE: Final = ("127.0.0.2", 0)
MASK: Final = bytes(4)
KIB: Final = 1 << 10
FRAMES: Final = ("tcp", "tls")
WEB: Final = ("http", "https")
_IP_BIND_ADDRESS_NO_PORT: Final = 24
_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
_noise: Final = random.Random(1)


class Target(NamedTuple):
    """The daemon as an attacker knows it: one of its doors, and what lets somebody in."""

    door: str
    ports: dict[str, int]
    token: str
    cookie: str
    kept: list[socket.socket]

    def connect(self) -> socket.socket:
        """Connect from the attacker's address."""
        port = self.ports[self.door if self.door in ("tcp", "tls") else "http"]
        sock = socket.socket()
        sock.settimeout(10)
        # Without it each connection that has ended keeps its port from everybody for a minute.
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind(SOURCE)
        sock.connect(("127.0.0.1", port))
        return sock

    def secured(self) -> socket.socket:
        """Connect, and speak TLS where the door is one of TLS."""
        sock = self.connect()
        return _context().wrap_socket(sock) if self.door in ("tls", "https") else sock

    def enter(self) -> socket.socket:
        """Connect, and sign in where that is done once for a connection."""
        sock = self.secured()
        if self.door in FRAMES:
            hello = {"protocol": 1, "token": self.token}
            answered(sock, request(self, "Hello", hello))
        elif self.door == "ws":
            lines = (
                "GET /ws HTTP/1.1",
                "Host: 127.0.0.1",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                f"Sec-WebSocket-Key: {_KEY}",
                f"Cookie: {self.cookie}",
                "\r\n",
            )
            sock.sendall("\r\n".join(lines).encode())
            sock.recv(1 << 16)
        return sock

    def few(self, count: int, begin: Callable[[], socket.socket]) -> list[socket.socket]:
        """Give connections that stay from one call to the next."""
        while len(self.kept) < count:
            self.kept.append(begin())
        return self.kept


@cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Attack(NamedTuple):
    """An attack, by which doors, and whether only somebody who has signed in can do it."""

    do: Callable[[Target], None]
    doors: tuple[str, ...]
    signed_in: bool


ATTACKS: Final[dict[str, Attack]] = {}


def attack(
    *doors: str, signed_in: bool = False
) -> Callable[[Callable[[Target], None]], Callable[[Target], None]]:
    """Put a function among the attacks: it does something, and is called again and again."""

    def put(do: Callable[[Target], None]) -> Callable[[Target], None]:
        ATTACKS[do.__name__.replace("_", "-")] = Attack(do, doors, signed_in)
        return do

    return put


def head(path: str, size: int | None, kind: str = "application/json", more: str = "") -> bytes:
    """Give the head of a POST."""
    length = "" if size is None else f"Content-Length: {size}\r\n"
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{length}{more}\r\n"
    ).encode()


def frame(payload: bytes, opcode: int = 1, *, last: bool = True) -> bytes:
    """Give a websocket's frame."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size <= 0xFFFF:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return bytes([0x80 * last | opcode]) + length + MASK + payload


def request(target: Target, operation: str, body: dict[str, Any], *, signed: bool = True) -> bytes:
    """Give a request as the door has it."""
    text = json.dumps(body).encode()
    if target.door in FRAMES:
        return TASKDASH.request({"RequestID": operation}, text)
    if target.door == "ws":
        return frame(b'{"seq":1,"op":"%b","body":%b}' % (operation.encode(), text))
    cookie = f"Cookie: {target.cookie}\r\n" if signed else ""
    return head(f"/api/v1/{operation}", len(text), more=cookie) + text


def answered(sock: socket.socket, data: bytes) -> None:
    """Send and read an answer, or the end of the connection."""
    with suppress(OSError):
        sock.sendall(data)
    with suppress(OSError):
        sock.recv(1 << 16)


_unsent: dict[socket.socket, bytes] = {}
_BUSY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def flood(socks: list[socket.socket], data: bytes, *, reads: bool) -> None:
    """Send on each connection what the kernel takes, and read what has come, or leave it."""
    for sock in list(socks):
        sock.setblocking(False)
        try:
            if reads:
                with suppress(*_BUSY):
                    while sock.recv(1 << 20):
                        pass
            # A whole frame or request ends each piece, or the next would begin in the middle.
            rest = _unsent.pop(sock, b"") or data
            sent = 0
            with suppress(*_BUSY):
                sent = sock.send(rest)
            if sent < len(rest):
                _unsent[sock] = rest[sent:]
        except OSError:
            _unsent.pop(sock, None)
            sock.close()
            socks.remove(sock)
    time.sleep(0.0005)


def fill(target: Target, count: int, begin: Callable[[], socket.socket], data: bytes) -> None:
    """Send something that has no end on many connections, and leave them as they are."""
    if len(target.kept) >= count:
        # Whoever was ended comes again.
        for sock in list(target.kept):
            with suppress(*_BUSY):
                sock.setblocking(False)
                if not sock.recv(1 << 16):
                    sock.close()
                    target.kept.remove(sock)
        time.sleep(0.05)
        return
    with suppress(*_BUSY):
        sock = begin()
        target.kept.append(sock)
        sock.setblocking(False)
        sock.send(data)


# Nobody has signed in: connections


@attack("tcp", "tls", "http")
def connects(target: Target) -> None:
    """Connect and go."""
    for _ in range(50):
        target.connect().close()


@attack("tcp", "tls", "http")
def idle(target: Target) -> None:
    """Take every connection that an address may have, and try to have more."""
    fill(target, 510, target.connect, b"")


@attack("tcp", "tls", "http")
def garbage(target: Target) -> None:
    """Send noise that is no protocol's."""
    with target.connect() as sock:
        answered(sock, b"\xff" + _noise.randbytes(4_000))


@attack("tcp")
def resets(target: Target) -> None:
    """Send many small frames, and reset the connection."""
    sock = target.connect()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.setblocking(False)
    with suppress(*_BUSY):
        sock.send(TASKDASH.heartbeat * 50_000)
    sock.close()


# TLS


@cache
def _hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = _context().wrap_bio(incoming, outgoing)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@attack("tls", "https")
def hellos(target: Target) -> None:
    """Have the daemon sign again and again, a hundred at a time, and do nothing oneself."""
    socks = [target.connect() for _ in range(100)]
    for sock in socks:
        with suppress(OSError):
            sock.sendall(_hello())
    for sock in socks:
        answered(sock, b"")
        sock.close()


@attack("tls", "https")
def handshakes(target: Target) -> None:
    """Shake hands, and close."""
    with suppress(ValueError), target.secured():
        pass


@attack("tls")
def half_hellos(target: Target) -> None:
    """Announce a ClientHello of 128 KiB, and send no more of it."""
    fill(target, 500, target.connect, bytes.fromhex("160301 4000 01 01ff00") + bytes(0x4000 - 4))


@attack("tls", "https")
def key_updates(target: Target) -> None:
    """Change keys again and again (RFC 8446, 4.6.3): each costs the daemon as much as a request."""
    import keys

    with target.connect() as sock:
        sock.sendall(keys.flood_behind_handshake(sock, 2_400))
        answered(sock, b"")


@attack("tls", signed_in=True)
def small_records(target: Target) -> None:
    """Send one heartbeat a record, as much as the kernel takes."""
    for sock in target.few(20, target.enter):
        sock.setblocking(False)
        with suppress(*_BUSY):
            for _ in range(500):
                sock.send(TASKDASH.heartbeat)
    time.sleep(0.0005)


# Nobody has signed in: requests


@attack("tcp", "tls", "http")
def beats(target: Target) -> None:
    """Ask what costs nothing: heartbeats, or a page."""
    get = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    data = TASKDASH.heartbeat * 5_000 if target.door in FRAMES else get * 100
    flood(target.few(40, target.secured), data, reads=True)


@attack("tcp", "tls", "http")
def refused(target: Target) -> None:
    """Ask without having signed in."""
    data = request(target, "Find", {"id": "t1"}, signed=False)
    flood(target.few(40, target.secured), data * 200, reads=True)


@attack("tcp", "tls", "http")
def wrong_tokens(target: Target) -> None:
    """Try tokens."""
    with target.secured() as sock:
        if target.door in FRAMES:
            answered(sock, request(target, "Hello", {"protocol": 1, "token": "x" * 43}))
        else:
            wrong = "Authorization: Bearer " + "x" * 43 + "\r\n"
            answered(sock, head("/api/v1/Status", 2, more=wrong) + b"{}")


@attack("http")
def wrong_passwords(target: Target) -> None:
    """Try to sign in as somebody with a password."""
    body = json.dumps({"user": "admin", "password": "wrong"}).encode()
    with target.secured() as sock:
        answered(sock, head("/api/v1/Login", len(body)) + body)


@attack("tcp", "tls", "http")
def bombs(target: Target) -> None:
    """Send what is short and long to parse: JSON of many empty lists."""
    body = b'{"id":"t1","a":[' + b",".join([b"[]"] * 21_000) + b"]}"
    with target.secured() as sock:
        if target.door in FRAMES:
            answered(sock, TASKDASH.request({"RequestID": "Find"}, body))
        else:
            answered(sock, head("/api/v1/Find", len(body)) + body)


@attack("tcp", "tls", "http")
def unfinished(target: Target) -> None:
    """Begin frames or bodies of almost 64 KiB, and end none."""
    if target.door in FRAMES:
        data = TASKDASH.request({"RequestID": "Find"}, b" " * 64_000)[:-1]
    else:
        data = head("/api/v1/Find", 65_000) + b" " * 64_000
    fill(target, 400, target.secured, data)


FIELDS = b"&".join([b"a="] * 349_000)
FORM = "application/x-www-form-urlencoded"


@attack("http")
def form_fields(target: Target) -> None:
    """Send a form of a mebibyte."""
    with target.connect() as sock:
        answered(sock, head("/rpost/task", len(FIELDS), FORM) + FIELDS)


@attack("http")
def forms_at_once(target: Target) -> None:
    """Have forty forms of 64 KiB end in the same moment."""
    data = head("/rpost/task", 65_000, FORM) + FIELDS[:65_000]
    socks = [target.connect() for _ in range(40)]
    for sock in socks:
        sock.sendall(data[:-1])
    for sock in socks:
        with suppress(OSError):
            sock.sendall(data[-1:])
    for sock in socks:
        answered(sock, b"")
        sock.close()


@attack("http")
def chunks_of_a_byte(target: Target) -> None:
    """Send a body a byte a chunk."""
    begun = head("/api/v1/Find", None, more="Transfer-Encoding: chunked\r\n")
    with target.connect() as sock:
        answered(sock, begun + b"1\r\na\r\n" * 10_000)


@attack("http")
def head_and_garbage(target: Target) -> None:
    """Ask, and go on with what is no HTTP."""
    with target.connect() as sock:
        answered(sock, b"HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n\x00\x01\x02\r\n\r\n")


# Somebody has signed in


@attack("tcp", "tls", "ws", "http", signed_in=True)
def finds(target: Target) -> None:
    """Ask Find as fast as can be."""
    flood(target.few(8, target.enter), request(target, "Find", {"id": "t1"}) * 1_000, reads=True)


@attack("tcp", "ws", signed_in=True)
def batches(target: Target) -> None:
    """Have forty connections ask as much at once as is done in a step, for what is not known."""
    data = b"".join(
        request(target, "Find", {"id": f"task-{_noise.randrange(20_000)}"}) for _ in range(200)
    )
    flood(target.few(40, target.enter), data, reads=True)


@attack("tcp", "ws", signed_in=True)
def long_queries(target: Target) -> None:
    """Ask on eight connections for what takes long: a look at every task, for nothing."""
    flood(target.few(8, target.enter), long_query(target), reads=True)


@cache
def _long_text() -> str:
    return "x" * (500 * KIB)


def long_query(target: Target) -> bytes:
    """Give a Query of some 500 KiB that looks at every task and finds none."""
    return request(target, "Query", {"contains": "x" * 256, "where": {"name": ["n", _long_text()]}})


@attack("tcp", "ws", signed_in=True)
def unread(target: Target) -> None:
    """Ask for pages, and read none."""
    flood(target.few(40, target.enter), request(target, "Query", {}) * 100, reads=False)


@attack("ws", signed_in=True)
def services_unread(target: Target) -> None:
    """Ask for the services, and read nothing."""
    flood(target.few(4, target.enter), request(target, "Services", {}) * 1_680, reads=False)


@attack("ws", "http", signed_in=True)
def people_read(target: Target) -> None:
    """Ask for all people again and again."""
    flood(target.few(4, target.enter), request(target, "People", {}) * 100, reads=True)


@attack("tcp", "tls", "ws", "http", signed_in=True)
def large(target: Target) -> None:
    """Send requests of a mebibyte."""
    data = request(target, "Find", {"id": "t1", "a": "x" * 1_000_000})
    flood(target.few(4, target.enter), data, reads=True)


@attack("tcp", "tls", signed_in=True)
def writes(target: Target) -> None:
    """Write the same few tasks as fast as can be."""
    data = b"".join(
        request(target, "Register", {"id": f"w{number}", "name": "n", "status": "finish"})
        for number in range(100)
    )
    flood(target.few(8, target.enter), data, reads=True)


@attack("tcp", signed_in=True)
def watches(target: Target) -> None:
    """Watch with as much to compare as is allowed, on every connection."""
    where = {"name": ["n", _long_text()]}
    data = request(target, "Watch", {"where": where}) * 4
    flood(target.few(60, target.enter), data, reads=True)


@attack("tcp", "ws", signed_in=True)
def unfinished_large(target: Target) -> None:
    """Begin messages of a mebibyte, and end none."""
    if target.door == "ws":
        data = b"\x81\xff" + struct.pack(">Q", 1 << 20) + MASK + b" " * 900_000
    else:
        data = TASKDASH.request({"RequestID": "Find"}, b" " * 1_000_000)[:-1]
    fill(target, 200, target.enter, data)


@attack("tcp", "ws", signed_in=True)
def pings(target: Target) -> None:
    """Send signs of life and nothing else."""
    data = frame(b"", 9) if target.door == "ws" else TASKDASH.heartbeat
    flood(target.few(4, target.enter), data * 10_000, reads=True)


@attack("ws", signed_in=True)
def empty_fragments(target: Target) -> None:
    """Send a message of nothing, without an end."""
    begun = frame(b"", 1, last=False) + frame(b"", 0, last=False) * 10_000
    flood(target.few(4, target.enter), begun, reads=True)


def main() -> None:
    name, door, where = sys.argv[1:]
    given = json.loads(where)
    target = Target(door, given["ports"], given["token"], given["cookie"], [])
    while True:
        with suppress(OSError):
            ATTACKS[name].do(target)


if __name__ == "__main__":
    main()
