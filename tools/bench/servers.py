"""The servers under test, each on loopback and on one core, with a data directory of its own."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import wires

from taskdash.testing import COMMAND, RunningDaemon, running_daemon

HERE = Path(__file__).parent
BUILD = HERE / ".build"
SERVER_CORE, LOAD_CORE = 0, 1
_START_S = 60


class Server:
    """A server that runs."""

    def __init__(self, name: str, wire: str, port: int, pid: int, data: Path) -> None:
        self.name, self.wire, self.port, self.pid, self.data = name, wire, port, pid, data

    def cpu_s(self) -> float:
        """Give the server's processor time, in seconds."""
        # Read the process's own clock (clock_getcpuclockid(3), whose number is made so): the times
        # in /proc/PID/stat are ticks of 10 ms, and a thousand beats may take no more than one.
        return time.clock_gettime((~self.pid << 3) | 2)

    def memory_kib(self) -> int:
        """Give the server's proportional set size, in KiB."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise AssertionError("no Pss")

    def written_bytes(self) -> int:
        """Give the bytes that it has caused to be written to storage (proc(5), /proc/pid/io)."""
        for line in Path(f"/proc/{self.pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        raise AssertionError("no write_bytes")


@contextmanager
def process(
    *command: str, core: int = SERVER_CORE, **kwargs: object
) -> Iterator[subprocess.Popen[str]]:
    """Run a program on one core until the context ends."""
    pinned = ["taskset", "-c", str(core), *command]
    running = subprocess.Popen(pinned, text=True, **kwargs)  # type: ignore[call-overload]
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)
        for stream in (running.stdin, running.stdout, running.stderr):
            if stream:
                stream.close()


# The load comes from one address, as fast as it can, and registers for longer than an office has
# tasks that live; the others have no such limits.
UNLIMITED = {
    "max_live_tasks": 100_000_000,
    "max_connections_per_address": 1_000_000,
    "request_rate": "off",
    "identity_rate": "off",
}


@contextmanager
def running(
    data: Path, *, command: Sequence[str] = COMMAND, **settings: object
) -> Iterator[RunningDaemon]:
    """Run our daemon on its core, and end it in order."""
    pinned = ("taskset", "-c", str(SERVER_CORE), *command)
    with running_daemon(data, command=pinned, **settings) as daemon:
        yield daemon
        daemon.stop()


@contextmanager
def taskdashd(data: Path, **settings: object) -> Iterator[Server]:
    with running(data, **UNLIMITED, **settings) as daemon:
        yield Server("taskdashd", "frames", daemon.port, daemon.pid, data)


_TOKENS: dict[str, bytes] = {}
"""The file of tokens that all servers are given, once it was made."""


def make_token(data: Path, name: str, *words: str) -> str:
    """Make a token of a daemon by its command line."""
    command = [*COMMAND, "token", "create", name, "--data", str(data), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]


@contextmanager
def taskdashd_with_tokens(data: Path) -> Iterator[Server]:
    """Start taskdashd so that each connection has to sign in."""
    data.mkdir(exist_ok=True)
    file = data / "tokens.json"
    if not _TOKENS:
        wires.sign_in_with(make_token(data, "bench"))
        _TOKENS["file"] = file.read_bytes()
    file.write_bytes(_TOKENS["file"])
    with taskdashd(data, auth="tokens") as server:
        server.wire = "hello"
        yield server


@contextmanager
def bare_trio(data: Path) -> Iterator[Server]:
    command = [sys.executable, str(HERE / "bare_trio.py")]
    with process(*command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        yield Server("bare trio", "frames", int(running.stdout.readline()), running.pid, data)


@contextmanager
def null(data: Path) -> Iterator[Server]:
    with process(str(BUILD / "null"), stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        yield Server("null", "frames", int(running.stdout.readline()), running.pid, data)


@contextmanager
def redis(data: Path) -> Iterator[Server]:
    port = _free_port()
    data.mkdir(exist_ok=True)
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
    command += ["--maxclients", "20000", "--save", "", "--appendonly", "yes"]
    with process(*command, "--appendfsync", "always", stdout=subprocess.DEVNULL) as running:
        with _connected(port) as sock:
            for script in wires.REDIS_SCRIPTS:
                sock.sendall(wires.resp("SCRIPT", "LOAD", script))
                assert wires.script_sha(script).encode() in sock.recv(4096)
        yield Server("Redis", "resp", port, running.pid, data)


@contextmanager
def etcd(data: Path) -> Iterator[Server]:
    port, peer = _free_port(), _free_port()
    url, peer_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    command = ["etcd", "--data-dir", str(data), "--listen-client-urls", url]
    command += ["--advertise-client-urls", url, "--listen-peer-urls", peer_url]
    command += ["--initial-advertise-peer-urls", peer_url, "--logger", "zap"]
    command += ["--initial-cluster", f"default={peer_url}", "--quota-backend-bytes", str(8 << 30)]
    with process(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        _connected(port).close()
        server = Server("etcd", "grpc", port, running.pid, data)
        grants = [wires.message((1, 3600), (2, lease)) for lease in wires.LEASES]
        deadline = time.monotonic() + _START_S
        # etcd listens before it has elected itself, and refuses calls until then.
        while not etcd_calls(server, "grant", grants[:1]):
            if time.monotonic() > deadline:
                raise SystemExit("etcd does not answer")
            time.sleep(0.1)
        etcd_calls(server, "grant", grants[1:])
        yield server


def etcd_calls(server: Server, call: str, bodies: Sequence[bytes]) -> bytes:
    """Make some calls; gives the data that came back, nothing of those that were refused."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        path, answer, data, ended = wires.GRPC_PATHS[call], b"", b"", 0
        sock.sendall(wires.H2_HELLO)
        for number, body in enumerate(bodies):
            stream = 2 * number + 1
            sock.sendall(wires.h2_headers(stream, path) + wires.h2_data(stream, body, last=True))
        while ended < len(bodies):
            size = wires.h2_frame_size(answer)
            if not size:
                more = sock.recv(65536)
                if not more:
                    break
                answer += more
                continue
            kind, flags, payload, answer = answer[3], answer[4], answer[9:size], answer[size:]
            if kind == wires.H2_DATA:
                data += payload
            ended += kind in (wires.H2_DATA, wires.H2_HEADERS) and flags & wires.H2_END_STREAM
        return data


@contextmanager
def mosquitto(data: Path) -> Iterator[Server]:
    port = _free_port()
    data.mkdir(exist_ok=True)
    config = data / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_keepalive 65535\n")
    with process("mosquitto", "-c", str(config), stderr=subprocess.DEVNULL) as running:
        _connected(port).close()
        yield Server("mosquitto", "mqtt", port, running.pid, data)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 5)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


STARTS = {
    "taskdashd": taskdashd,
    "with tokens": taskdashd_with_tokens,
    "Redis": redis,
    "etcd": etcd,
    "bare trio": bare_trio,
    "null": null,
    "mosquitto": mosquitto,
}
_PROGRAMS = {
    "Redis": (("redis-server", "redis-server"),),
    "etcd": (("etcd", "etcd-server"),),
    "mosquitto": (("mosquitto", "mosquitto"),),
}


def missing(name: str) -> list[str]:
    """Name the Debian packages without which a peer cannot be measured."""
    return [package for program, package in _PROGRAMS.get(name, ()) if not shutil.which(program)]


@contextmanager
def fresh(name: str, where: Path) -> Iterator[Server]:
    """Start a peer with nothing in it; what it wrote is removed afterwards."""
    with anew(where) as data, STARTS[name](data) as server:
        yield server


@contextmanager
def anew(where: Path) -> Iterator[Path]:
    """Give a data directory that is not there yet; it is removed afterwards."""
    directory = Path(tempfile.mkdtemp(dir=where))
    try:
        yield directory / "data"
    finally:
        shutil.rmtree(directory)
