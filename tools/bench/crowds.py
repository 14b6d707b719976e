"""Many connections that do little: heartbeats, watchers, deaths, memory."""

import json
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

import servers
import wires
from servers import Server

WATCHERS = 1_000
CHANGES_PER_S = 100
DYING_CONNECTIONS, DYING_TASKS_EACH, DYING_TIMEOUT_S = 1_000, 10, 4.0
_SEQ_BEAT = wires.TASKDASH.beat({"Seq": 1})


class Crowd:
    """Connections that are open and have been answered."""

    def __init__(self, running: "subprocess.Popen[str]") -> None:
        self._running = running

    def told(self) -> dict[str, Any]:
        """Give what was counted since the last time: events, beats, bytes, delays."""
        assert self._running.stdin is not None
        self._running.stdin.write("\n")
        self._running.stdin.flush()
        return self.line()

    def line(self) -> dict[str, Any]:
        """Wait for a line."""
        assert self._running.stdout is not None
        line = self._running.stdout.readline()
        if not line:
            raise SystemExit("the crowd has ended")
        told: dict[str, Any] = json.loads(line)
        if told.get("closed"):
            raise SystemExit(f"connections of the crowd were closed: {told}")
        return told


@contextmanager
def crowd(
    server: Server, size: int, beat_every_s: float, openings: list[bytes], beats: list[bytes]
) -> Iterator[Crowd]:
    """Open connections, each with its opening, that beat evenly from then on."""
    files = []
    for name, some in (("openings", openings), ("beats", beats)):
        files.append(server.data.parent / name)
        files[-1].write_bytes(b"".join(wires.entries(iter(some))))
    command = [str(servers.BUILD / "crowd"), "127.0.0.1", str(server.port), str(size)]
    command += [str(beat_every_s), *map(str, files)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with servers.process(*command, core=servers.LOAD_CORE, **pipes) as running:
        one = Crowd(running)
        one.line()
        yield one


# Heartbeats

PINGS, _PINGED = 5_000, 100


def pings_us(where: Path) -> float:
    """Give the processor time of a ping by HTTP, as cron's curl sends it, on a kept connection."""
    data = Path(mkdtemp(dir=where))
    token = servers.make_token(data, "cron", "--role", "ping")
    settings = {**servers.UNLIMITED, "auth": "tokens", "web": "127.0.0.1:0"}
    with servers.running(data, **settings) as daemon:
        web = daemon.wait_for("the board is at")["address"]
        server = Server("taskdashd", "http", int(web.rpartition(":")[2]), daemon.pid, data)
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            before = 0.0
            # Each task is made by its first ping, which is no beat.
            for number in range(-_PINGED, PINGS):
                if number == 0:
                    before = server.cpu_s()
                path = f"/ping/{token}/cron-{number % _PINGED}"
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {web}\r\n\r\n".encode())
                answer = sock.recv(1 << 16)
                assert b" 200 " in answer.partition(b"\r\n")[0], answer
            return (server.cpu_s() - before) / PINGS * 1e6


def _taskdash_life(size: int) -> tuple[list[bytes], list[bytes]]:
    # Give each task a long timeout: none may die of a slow start.
    tasks = [{**wires.task(number, "idle"), "heartbeat_timeout": 60} for number in range(size)]
    return [wires.frame("Register", one) for one in tasks], [wires.TASKDASH.heartbeat]


def _etcd_life(size: int) -> tuple[list[bytes], list[bytes]]:
    openings, beats = [], []
    for number in range(size):
        lease = 1_000_000 + number
        grant = wires.message((1, 60), (2, lease))
        openings.append(
            wires.H2_HELLO
            + wires.h2_headers(1, wires.GRPC_PATHS["grant"])
            + wires.h2_data(1, grant, last=True)
            + wires.h2_headers(3, wires.GRPC_PATHS["keepalive"])
        )
        beats.append(wires.h2_data(3, wires.message((1, lease))))
    return openings, beats


def _mqtt_life(size: int) -> tuple[list[bytes], list[bytes]]:
    return [wires.mqtt_connect(f"idle{number}", 60) for number in range(size)], [wires.MQTT_PINGREQ]


_LIVES: dict[str, Callable[[int], tuple[list[bytes], list[bytes]]]] = {
    "taskdashd": _taskdash_life,
    "etcd": _etcd_life,
    "mosquitto": _mqtt_life,
}


class Beats(NamedTuple):
    """Costs of idle connections."""

    cpu_us: float
    """The server's time for one beat, with what it takes all the same."""
    kib_each: float
    """Memory of one connection, with a task, a lease or a session."""
    written_bytes: float
    """Written to the disk for one beat."""


def beats(name: str, size: int, beats_per_s: float, seconds: float, where: Path) -> Beats:
    """Measure so many connections that beat so often in all, after they have settled."""
    openings, each = _LIVES[name](size)
    with servers.fresh(name, where) as server:
        empty = server.memory_kib()
        with crowd(server, size, size / beats_per_s, openings, each) as idle:
            time.sleep(2)
            kib_each = (server.memory_kib() - empty) / size
            idle.told()
            cpu, written = server.cpu_s(), server.written_bytes()
            time.sleep(seconds)
            told = idle.told()
            took = server.cpu_s() - cpu
            wrote = server.written_bytes() - written
    return Beats(took / told["beats"] * 1e6, kib_each, wrote / told["beats"])


# Watchers


def _mark() -> str:
    return f"@@{time.monotonic_ns():019d}"


class Publisher:
    """One connection that makes changes and reads what it is told of them."""

    def __init__(self, server: Server) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wire = server.wire
        self._number = 0
        if self._wire == "grpc":
            self.sock.sendall(wires.H2_HELLO)

    def change(self, number: int) -> None:
        """Change a task, and say in it when."""
        one = {**wires.task(number % 100, "told"), "description": _mark()}
        if self._wire == "frames":
            data = wires.frame("Register", one)
        elif self._wire == "resp":
            data = wires.resp("MULTI") + wires.request("resp", "register", one)
            data += wires.resp("PUBLISH", "tasks", json.dumps(one)) + wires.resp("EXEC")
        else:
            stream, self._number = 2 * self._number + 1, self._number + 1
            body = wires.message((1, f"task/{one['id']}".encode()), (2, json.dumps(one).encode()))
            data = wires.h2_headers(stream, wires.GRPC_PATHS["register"])
            data += wires.h2_data(stream, body, last=True)
        self.sock.sendall(data)
        while select.select([self.sock], [], [], 0)[0]:
            if not self.sock.recv(65536):
                raise SystemExit("the publisher was cut off")

    def close(self) -> None:
        """Hang up."""
        self.sock.close()


def _watching(wire: str) -> bytes:
    if wire == "frames":
        return wires.frame("Watch", {})
    if wire == "resp":
        return wires.resp("SUBSCRIBE", "tasks")
    create = wires.message((1, b"task/"), (2, b"task0"))
    watch = wires.h2_data(1, wires.message((1, create)))
    return wires.H2_HELLO + wires.h2_headers(1, wires.GRPC_PATHS["watch"]) + watch


class FanOut(NamedTuple):
    """Results of events told to all watchers."""

    delivered: float
    """The share of the due events that came within the time and half a second."""
    cpu_us: float
    """The server's time for one event and one watcher."""
    p50_ms: float
    p99_ms: float


def fan_out(name: str, changes_per_s: float, seconds: float, where: Path) -> FanOut:
    """Measure changes at a steady rate, each told to every watcher."""
    # Send no beats: the measurement takes less than the watchers' timeout.
    with (
        servers.fresh(name, where) as server,
        crowd(server, WATCHERS, 0, [_watching(server.wire)], [b""]) as watchers,
    ):
        publisher = Publisher(server)
        publisher.change(0)
        time.sleep(1)
        watchers.told()
        cpu, began = server.cpu_s(), time.monotonic()
        changes = int(changes_per_s * seconds)
        for number in range(changes):
            time.sleep(max(0.0, began + number / changes_per_s - time.monotonic()))
            publisher.change(number)
        time.sleep(0.5)
        told = watchers.told()
        took = server.cpu_s() - cpu
        publisher.close()
    due = changes * WATCHERS
    return FanOut(
        told["events"] / due,
        took / told["events"] * 1e6,
        told["p50_us"] / 1000,
        told["p99_us"] / 1000,
    )


# Deaths


def mass_death(where: Path) -> float:
    """Give how many seconds after its deadline the last of 10,000 tasks was told to be dead."""
    total = DYING_CONNECTIONS * DYING_TASKS_EACH
    with servers.fresh("taskdashd", where) as server:
        connect = lambda: socket.create_connection(("127.0.0.1", server.port))  # noqa: E731
        with connect() as watcher:
            watcher.sendall(wires.frame("Watch", {"where": {"status": "shutdown"}}))
            silent = [connect() for _ in range(DYING_CONNECTIONS)]
            for number, sock in enumerate(silent):
                some = (wires.task(number * 10 + one, "dying") for one in range(DYING_TASKS_EACH))
                dying = [{**one, "heartbeat_timeout": DYING_TIMEOUT_S} for one in some]
                sock.sendall(b"".join(wires.frame("Register", one) for one in dying))
            for sock in silent:
                _drain(sock, DYING_TASKS_EACH)
            for sock in silent:
                # Beat with a Seq: its echo tells that the deadline counts from now.
                sock.sendall(_SEQ_BEAT)
            for sock in silent:
                _drain(sock, 1)
            deadline = time.monotonic() + DYING_TIMEOUT_S
            watcher.settimeout(DYING_TIMEOUT_S + 30)
            seen, data, word = 0, b"", b'"kind":"shutdown"'
            while seen < total:
                # Keep the tail: it may begin the word, and is too short to hold all of it.
                data = data[1 - len(word) :] + watcher.recv(1 << 20)
                seen += data.count(word)
            last = time.monotonic() - deadline
            for sock in silent:
                sock.close()
    return last


def ask(server: Server, data: bytes, replies: int) -> list[wires.Message]:
    """Send frames on a connection of their own; gives as many replies."""
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(data)
        return _drain(sock, replies)


def _drain(sock: socket.socket, frames: int) -> list[wires.Message]:
    decoder, told = wires.Decoder(framing=wires.TASKDASH), []
    while len(told) < frames:
        decoder.feed(sock.recv(65536))
        while isinstance(message := decoder.next(), wires.Message):
            told.append(message)
    return told
