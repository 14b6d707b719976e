"""Attacks on the web face, and what others notice of them.

Each attack is a process of its own that does the same again and again, from another address. Beside
it a service asks Find after Find, tasks die by silence, and a stand-in for systemd waits for the
watchdog's beats. What is told: how long a Find took alone and under the attack, how late the deaths
were seen, the longest wait between two beats, the daemon's memory and processor time, and the
longest Query of a bystander and Status on the operator's own socket.
"""

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import taskdash
from taskdash.testing import RunningDaemon
from taskdash_protocol.families.operators import Status
from taskdash_protocol.families.tasks import Query, Register
from taskdash_protocol.request import Request

SOURCE = ("127.0.0.2", 0)
SERVICES, PEOPLE, TASKS = 500, 1_000, 20_000
SILENT_S = 2.0
WATCHDOG_S = 1.5
PAUSE_S = 0.002
MASK = bytes(4)

Attack = Callable[["Target"], None]
ATTACKS: dict[str, Attack] = {}


def attack(do: Attack) -> Attack:
    """Put a function among the attacks: it does something, and is called again and again."""
    ATTACKS[do.__name__.replace("_", "-")] = do
    return do


class Target:
    """The daemon's web face, as an attacker's process knows it."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port, self.cookie = port, cookie
        self.kept: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """Connect from the attacker's address."""
        return socket.create_connection(("127.0.0.1", self.port), 10, SOURCE)

    def few(self, count: int, begin: Callable[[], socket.socket]) -> list[socket.socket]:
        """Give connections that stay from one call to the next."""
        self.kept += [begin() for _ in range(count - len(self.kept))]
        return self.kept

    def post(self, path: str, size: int, kind: str, more: str = "") -> bytes:
        """Give the head of a POST."""
        length = f"Content-Length: {size}\r\n" if size else ""
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{length}{more}\r\n"
        ).encode()

    def websocket(self) -> socket.socket:
        """Open a websocket as the person who has signed in."""
        sock = self.connect()
        sock.sendall(
            (
                "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket"
                "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Cookie: {self.cookie}\r\n\r\n"
            ).encode()
        )
        sock.recv(1 << 16)
        return sock


def frame(payload: bytes, opcode: int = 1, *, last: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size <= 0xFFFF:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return bytes([0x80 * last | opcode]) + length + MASK + payload


def ask(operation: str, **body: Any) -> bytes:
    return frame(json.dumps({"seq": 1, "op": operation, "body": body}).encode())


def answered(sock: socket.socket, data: bytes) -> None:
    """Send and read an answer, or the end of the connection."""
    with suppress(OSError):
        sock.sendall(data)
    with suppress(OSError):
        sock.recv(1 << 16)


def flood(socks: list[socket.socket], data: bytes, *, reads: bool) -> None:
    """Send on each connection what the kernel takes, and read what has come, or leave it."""
    for sock in socks:
        sock.setblocking(False)
        try:
            if reads:
                with suppress(BlockingIOError):
                    while sock.recv(1 << 20):
                        pass
            with suppress(BlockingIOError):
                # A whole frame or request ends each piece, or the next would begin in the middle.
                rest = _unsent.pop(sock, b"") or data
                sent = sock.send(rest)
                if sent < len(rest):
                    _unsent[sock] = rest[sent:]
        except OSError:
            _unsent.pop(sock, None)
            sock.close()
            socks.remove(sock)
            return
    time.sleep(0.0005)


_unsent: dict[socket.socket, bytes] = {}

# Row 1: nobody has signed in

FIELDS = b"&".join([b"a="] * 349_000)


@attack
def form_fields(target: Target) -> None:
    kind = "application/x-www-form-urlencoded"
    with target.connect() as sock:
        answered(sock, target.post("/rpost/task", len(FIELDS), kind) + FIELDS)


@attack
def forms_at_once(target: Target) -> None:
    kind, size = "application/x-www-form-urlencoded", 65_000
    data = target.post("/rpost/task", size, kind) + FIELDS[:size]
    socks = [target.connect() for _ in range(40)]
    for sock in socks:
        sock.sendall(data[:-1])
    for sock in socks:
        with suppress(OSError):
            sock.sendall(data[-1:])
    for sock in socks:
        answered(sock, b"")
        sock.close()


@attack
def chunks_of_a_byte(target: Target) -> None:
    head = target.post("/api/v1/Find", 0, "application/json", "Transfer-Encoding: chunked\r\n")
    with target.connect() as sock:
        answered(sock, head + b"1\r\na\r\n" * 10_000)


@attack
def json_unsigned(target: Target) -> None:
    body = b'{"a":[' + b",".join([b"[]"] * 21_000) + b"]}"
    with target.connect() as sock:
        answered(sock, target.post("/api/v1/Find", len(body), "application/json") + body)


@attack
def requests_piped(target: Target) -> None:
    get = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    flood(target.few(40, target.connect), get * 100, reads=True)


@attack
def head_and_garbage(target: Target) -> None:
    with target.connect() as sock:
        answered(sock, b"HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n\x00\x01\x02\r\n\r\n")


# Row 2: a signed-in person


@attack
def services_unread(target: Target) -> None:
    flood(target.few(4, target.websocket), ask("Services") * 1_680, reads=False)


@attack
def services_read(target: Target) -> None:
    flood(target.few(4, target.websocket), ask("Services") * 100, reads=True)


@attack
def people_read(target: Target) -> None:
    flood(target.few(4, target.websocket), ask("People") * 100, reads=True)


@attack
def finds(target: Target) -> None:
    flood(target.few(8, target.websocket), ask("Find", id="t1") * 1_000, reads=True)


@attack
def large_message(target: Target) -> None:
    message = frame(b'{"seq":1,"op":"Find","body":{"a":"' + b"x" * 1_000_000 + b'"}}')
    flood(target.few(4, target.websocket), message, reads=True)


# Row 3: a signed-in person


@cache
def long_query() -> bytes:
    """Give a Query of 507 KiB that looks at every task and finds none."""
    return ask("Query", contains="x" * 256, where={"name": ["n", "x" * (507 << 10)]})


@attack
def long_queries(target: Target) -> None:
    """Ask on eight websockets for what takes long."""
    flood(target.few(8, target.websocket), long_query(), reads=True)


# Rows 7 and 8


@attack
def unfinished_bodies(target: Target) -> None:
    head = target.post("/api/v1/Find", 65_000, "application/json")
    for sock in target.few(400, target.connect):
        with suppress(OSError):
            sock.sendall(head + b" " * 64_000)
    time.sleep(1)


@attack
def unfinished_messages(target: Target) -> None:
    part = b"\xff" + struct.pack(">Q", 1 << 20)
    socks = target.few(100, target.websocket)
    for sock in socks:
        with suppress(OSError):
            sock.setblocking(False)
            sock.send(b"\x81" + part + MASK + b" " * 900_000)
    time.sleep(1)


@attack
def pings(target: Target) -> None:
    flood(target.few(4, target.websocket), frame(b"", 9) * 10_000, reads=True)


@attack
def empty_fragments(target: Target) -> None:
    begun = frame(b"", 1, last=False) + frame(b"", 0, last=False) * 10_000
    flood(target.few(4, target.websocket), begun, reads=True)


# What others notice


class Systemd:
    """Takes the watchdog's beats, and notes the longest wait for one."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(self.path))
        self._last = time.monotonic()
        self.longest_s = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self._sock.recv(4096)
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - self._last)
            self._last = now

    def begin(self) -> None:
        """Forget what was before."""
        self._last, self.longest_s = time.monotonic(), 0.0

    def longest(self) -> float:
        """Give the longest wait, also if it still lasts."""
        return max(self.longest_s, time.monotonic() - self._last)


def bystand(dash: Any, seconds: float) -> list[float]:
    """Ask Find after Find; give how long each took, in milliseconds, sorted."""
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        dash.find("t1", timeout_s=60)
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(PAUSE_S)
    return sorted(took)


class Beside(threading.Thread):
    """Asks what takes longer than a Find again and again, and notes the longest wait, in ms."""

    def __init__(self, url: str, request: Request, seconds: float) -> None:
        super().__init__()
        self._url, self._request, self._seconds = url, request, seconds
        self.longest = 0.0
        self.start()

    def run(self) -> None:
        """Ask until the time is over."""
        end = time.perf_counter() + self._seconds
        with taskdash.connect(self._url) as dash:
            while (began := time.perf_counter()) < end:
                try:
                    dash.call(self._request, 60.0)
                except taskdash.TaskDashError:
                    self.longest = float("inf")
                    return
                self.longest = max(self.longest, 1000 * (time.perf_counter() - began))
                time.sleep(0.05)


def at(took: list[float], share: float) -> float:
    return took[min(len(took) - 1, int(len(took) * share))]


def deaths(url: str, seconds: float, late: list[float]) -> None:
    """Have tasks fall silent one after another, and note how late each death was seen."""
    with taskdash.connect(url) as watcher:
        seen = watcher.watch({"status": "shutdown"})
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            number += 1
            task = f"victim-{time.monotonic_ns()}-{number}"
            _register_and_go(url, task)
            began = time.monotonic()
            for event in seen:
                if event.task["id"] == task:
                    late.append(time.monotonic() - began - SILENT_S)
                    break


def _register_and_go(url: str, task: str) -> None:
    """Register a task on a connection of its own, and close that: from now on it is silent."""
    with taskdash.connect(url) as dash:
        dash.ask("Register", id=task, name=task, status="running", heartbeat_timeout=SILENT_S)


@contextmanager
def attacked(name: str, port: int, cookie: str) -> Iterator[None]:
    command = [sys.executable, __file__, "--attack", name, str(port), cookie]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def furnish(dash: Any) -> None:
    for number in range(PEOPLE):
        dash.ask("SetPerson", user=f"u{number}", name=f"Person {number}", groups=["cut"])
    for number in range(SERVICES):
        dash.ask("RegisterService", url=f"http://10.0.{number // 250}.{number % 250}", name="n")
    dash.ask("Register", id="t1", name="One", status="finish")
    about = {"name": "n", "status": "finish", "description": "what is to be done " * 50}
    tasks = ({"id": f"task-{number}", **about} for number in range(TASKS))
    for _ in dash.pipeline(map(Register.parse, tasks)):
        pass


def sign_in(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port, source_address=SOURCE)
    kind = {"content-type": "application/json"}
    connection.request("POST", "/api/v1/Login", json.dumps({"user": "u1"}), kind)
    answer = connection.getresponse()
    answer.read()
    return answer.headers["set-cookie"].partition(";")[0]


def measure(name: str, daemon: RunningDaemon, port: int, systemd: Systemd, seconds: float) -> None:
    cookie = sign_in(port)
    with taskdash.connect(daemon.url) as dash:
        alone = bystand(dash, seconds)
        before_kib, before_s, lines = memory_kib(daemon.pid), cpu_s(daemon.pid), len(daemon.log)
        with attacked(name, port, cookie):
            time.sleep(0.5)
            systemd.begin()
            late: list[float] = []
            dying = threading.Thread(target=deaths, args=(daemon.url, seconds - SILENT_S, late))
            dying.start()
            querying = Beside(daemon.url, Query({}, "id", 10), seconds)
            control = f"unix://{daemon.data / 'taskdashd.sock'}"
            looking = Beside(control, Status(), seconds)
            took = bystand(dash, seconds)
            more_mib = (memory_kib(daemon.pid) - before_kib) / 1024
            cores = (cpu_s(daemon.pid) - before_s) / (seconds + 0.5)
            longest_s = systemd.longest()
            for thread in (dying, querying, looking):
                thread.join()
    death = f"{max(late):5.2f}" if late else "  -  "
    print(
        f"{name:22} {at(alone, 0.5):6.2f} {at(alone, 0.99):7.2f} {at(took, 0.5):8.2f}"
        f" {at(took, 0.99):7.2f} {took[-1]:8.2f}  {more_mib:+7.1f}  {cores:5.2f}"
        f"  {longest_s:6.2f}  {death}  {len(daemon.log) - lines:6}"
        f"  {querying.longest:8.0f} {looking.longest:8.0f}",
        flush=True,
    )


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--seconds", type=float, default=5.0)
    given.add_argument("--only", default="")
    given.add_argument("--list", action="store_true")
    given.add_argument("--attack", nargs=3, help=argparse.SUPPRESS)
    words = given.parse_args()
    if words.list:
        print("\n".join(ATTACKS))
        return
    if words.attack:
        name, port, cookie = words.attack
        target = Target(int(port), cookie)
        while True:
            with suppress(OSError):
                ATTACKS[name](target)
    names = words.only.split(",") if words.only else list(ATTACKS)
    with tempfile.TemporaryDirectory() as where:
        systemd = Systemd(Path(where))
        environment = {
            "NOTIFY_SOCKET": str(systemd.path),
            "WATCHDOG_USEC": f"{WATCHDOG_S * 1e6:.0f}",
        }
        print(
            "                       alone, ms       under attack, ms           memory        "
            " longest   death   lines     longest, ms\n"
            "attack                    p50     p99      p50     p99      max      MiB  cores"
            "  beat s  late s  of log     Query   Status"
        )
        for name in names:
            # A daemon for each: what one attack leaves behind is not the next one's.
            data = Path(where) / name
            daemon = RunningDaemon(data, {"web": "127.0.0.1:0"}, env=environment)
            try:
                web = daemon.wait_for("the board is at")["address"]
                with taskdash.connect(daemon.url) as dash:
                    furnish(dash)
                port = int(web.rpartition(":")[2])
                measure(name, daemon, port, systemd, words.seconds)
            finally:
                daemon.kill()


if __name__ == "__main__":
    main()
