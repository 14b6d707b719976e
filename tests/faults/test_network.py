"""Faults 16, 17, 19 and 32: clients that hang, links that drop everything, crowds that come back.

The client is a process of its own, in a network namespace of its own where a link has to fail.
"""

import itertools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Pulse, last_lines, sockets

from .conftest import Start
from .wire import Client, Frames, Process, WiredDaemon, pace, request

# Holds one task and updates it again and again; prints each error that an update ends in.
HOLDER = """
import logging, sys, time
import taskdash
logging.disable()
said = 0
with taskdash.connect(sys.argv[1], client="holder") as dash:
    with dash.task("held", heartbeat_timeout=float(sys.argv[2])) as task:
        print("holds", file=sys.stderr, flush=True)
        while True:
            time.sleep(0.05)
            said += 1
            try:
                task.update(description=str(said))
            except taskdash.TaskDashError as error:
                print(type(error).__name__, file=sys.stderr, flush=True)
                time.sleep(0.2)
"""

# Writes one fenced task with its first epoch, as fast as answers come, until it is refused.
FENCED = """
import sys
sys.path.insert(0, sys.argv[2])
from faults.wire import Client, Gone
client = Client(int(sys.argv[1]))
epoch = client.good("Register", id="fenced", name="n", fenced=True, heartbeat_timeout=1)["epoch"]
print("holds", file=sys.stderr, flush=True)
number = 0
while True:
    number += 1
    try:
        answer = client.call("Update", {"id": "fenced", "epoch": epoch, "description": "old"})
    except Gone:
        # So silent a connection is closed; what it had wanted is tried again on another.
        client.close()
        client = Client(int(sys.argv[1]))
        continue
    if answer["errid"]:
        print("refused", answer["errid"], file=sys.stderr, flush=True)
        break
"""


_NUMBERS = itertools.count()


class Link:
    """A network namespace and the one link to it."""

    def __init__(self, number: int) -> None:
        self.name = f"tdtest{number}"
        self.here, self.there = f"tdh{number}", f"tdn{number}"
        net = f"10.{200 + number % 50}.{number // 50 % 250}"
        self.address = f"{net}.1"
        _ip("netns", "add", self.name)
        _ip("link", "add", self.here, "type", "veth", "peer", self.there, "netns", self.name)
        _ip("addr", "add", f"{self.address}/30", "dev", self.here)
        _ip("link", "set", self.here, "up")
        self.inside("ip", "addr", "add", f"{net}.2/30", "dev", self.there)
        self.up()

    def inside(self, *command: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.name, *command], check=True, timeout=10)

    def up(self) -> None:
        self.inside("ip", "link", "set", self.there, "up")

    def down(self) -> None:
        self.inside("ip", "link", "set", self.there, "down")

    def drop_everything(self) -> None:
        self.inside("nft", "add table inet f")
        for hook in ("input", "output"):
            rule = f"{{ type filter hook {hook} priority 0; policy drop; }}"
            self.inside("nft", f"add chain inet f {hook} {rule}")

    def run(self, script: str, *words: str) -> Process:
        return Process(["ip", "netns", "exec", self.name, sys.executable, "-c", script, *words])

    def remove(self) -> None:
        _ip("link", "del", self.here)
        _ip("netns", "del", self.name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10)


@pytest.fixture
def link() -> Iterator[Link]:
    """A namespace with a link to it; root and iproute2 and nftables are needed."""
    if os.geteuid() or not shutil.which("ip") or not shutil.which("nft"):
        pytest.skip("a network namespace needs root, iproute2 and nftables")
    # Use a new name each time: the kernel removes the last namespace some time later.
    try:
        link = Link(os.getpid() % 100_000 * 10 + next(_NUMBERS))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    yield link
    link.remove()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Processes that are surely ended."""
    started: list[Process] = []
    yield started
    for process in started:
        process.close()


def _watch(daemon: WiredDaemon, host: str) -> Client:
    client = Client(daemon.port, host=host, source="0.0.0.0")
    client.good("Hello", protocol=1)
    client.good("Watch", where={"id": ["held", "fenced"]})
    return client


def _shutdown(watcher: Client, within_s: float) -> float:
    """Wait until the task is shut down; gives the moment."""
    end = time.monotonic() + within_s
    while True:
        at, _, body = watcher.event(end - time.monotonic())
        if body["kind"] == "shutdown":
            return at


@pytest.mark.fault(17)
def test_a_link_that_drops_everything(start: Start, link: Link, processes: list[Process]) -> None:
    """No FIN, no RST: the task is shut down in time, and the connection is let go."""
    daemon = start(listen=f"{link.address}:0", auth="open", heartbeat_timeout=2)
    with _watch(daemon, link.address) as watcher:
        with Pulse(watcher):
            holder = link.run(HOLDER, f"taskdash://{link.address}:{daemon.port}", "2")
            processes.append(holder)
            holder.wait_line("holds")
            for _ in range(4):
                watcher.event()
            # Of its files a daemon opens some only when it writes to them.
            held = sockets(daemon.pid)
            link.drop_everything()
        began = time.monotonic()
        watcher.events.clear()
        # So silent a connection is closed after ten seconds; a loaded machine takes some more.
        ends = began + 30
        died = 0.0
        while time.monotonic() < ends and not (died and sockets(daemon.pid) < held):
            watcher.send(bytes.fromhex("00000006 93cd0570c0c0"))
            try:
                watcher.receive(0.2)
            except TimeoutError:
                continue
            for at, _, body in watcher.events:
                died = at if body["kind"] == "shutdown" else died
            watcher.events.clear()
        assert 1.0 < died - began <= 3.2
        assert sockets(daemon.pid) < held
    daemon.no_traceback()


def _flap(start: Start, link: Link, processes: list[Process], times: int) -> None:
    daemon = start(listen=f"{link.address}:0", auth="open", heartbeat_timeout=20)
    holder = link.run(HOLDER, f"taskdash://{link.address}:{daemon.port}?timeout=1", "20")
    processes.append(holder)
    holder.wait_line("holds")
    for _ in range(times):
        pace(0.5)
        link.down()
        pace(1.0)
        link.up()
    with Client(daemon.port, host=link.address, source="0.0.0.0") as client:
        before = int(client.good("Find", id="held")["description"])
        end = time.monotonic() + 15
        while int(client.good("Find", id="held")["description"]) <= before:
            assert time.monotonic() < end, (
                f"the task stays at {before}:\n{last_lines(holder.output)}"
            )
            pace(0.1)
        task = client.good("Find", id="held")
        assert task["status"] == "running"
        told: list[int] = []
        after = None
        while True:
            body = {"task": "held", "limit": 1000} | ({"after": after} if after else {})
            page = client.good("Audit", **body)
            assert {one["kind"] for one in page["entries"]} <= {"registered", "updated"}
            changes = [one["changes"].get("description") for one in page["entries"]]
            told += [int(change[1]) for change in changes if change and change[1]]
            if (after := page["next"]) is None:
                break
    # The newest comes first: each value after the one before it, none twice.
    assert told == sorted(set(told), reverse=True)
    daemon.no_traceback()


@pytest.mark.fault(19)
def test_a_link_that_flaps(start: Start, link: Link, processes: list[Process]) -> None:
    """The client is back, the task lives, nothing is done twice or in another order."""
    _flap(start, link, processes, 3)


@pytest.mark.soak
@pytest.mark.fault(19)
def test_a_link_that_flaps_20_times(start: Start, link: Link, processes: list[Process]) -> None:
    """The same with 20 flaps."""
    _flap(start, link, processes, 20)


@pytest.mark.fault(16)
def test_a_client_that_hangs(start: Start, processes: list[Process]) -> None:
    """Stopped: `shutdown` in time. Continued: its writes are refused, its successor's stay."""
    daemon = start(heartbeat_timeout=30)
    tests = str(Path(__file__).parents[1])
    with _watch(daemon, "127.0.0.1") as watcher:
        holder = Process([sys.executable, "-c", FENCED, str(daemon.port), tests])
        processes.append(holder)
        holder.wait_line("holds")
        watcher.event(5)
        holder.signal(signal.SIGSTOP)
        began = time.monotonic()
        assert _shutdown(watcher, 4) - began <= 2.1
        watcher.good("Register", id="fenced", name="n", description="new", status="running")
        holder.signal(signal.SIGCONT)
        holder.wait_line("refused 1004")
        assert watcher.good("Find", id="fenced")["description"] == "new"
    daemon.no_traceback()


_CROWD = 2_000


@pytest.mark.fault(32)
def test_2000_clients_come_back_at_once(start: Start, tmp_path: Path) -> None:
    """After kill -9 and a restart: all are served within 30 s, and nobody was shut down."""
    daemon = start(heartbeat_timeout=15)
    _register_crowd(daemon.port)
    daemon.kill()
    again = start(heartbeat_timeout=15, listen=f"127.0.0.1:{daemon.port}")
    took_s, sockets = _register_crowd(again.port, stay=True)
    print(f"\n{_CROWD} clients were back in {took_s:.1f} s")
    assert took_s < 30
    with again.connect() as client:
        assert client.good("Query", where={"status": "shutdown"})["tasks"] == []
        assert client.good("Status")["live_tasks"] == _CROWD
    for sock in sockets:
        sock.close()
    again.no_traceback()


def _register_crowd(port: int, *, stay: bool = False) -> tuple[float, list[socket.socket]]:
    """Connect all at once, and register a task each; gives the seconds that it took."""
    poll = select.poll()
    sockets: dict[int, tuple[socket.socket, Frames, bytes]] = {}
    began = time.monotonic()
    for number in range(_CROWD):
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((f"127.0.0.{2 + number % 4}", 0))
        sock.connect_ex(("127.0.0.1", port))
        ask = request("Register", {"id": f"c{number}", "name": "n", "status": "running"})
        sockets[sock.fileno()] = (sock, Frames(), ask)
        poll.register(sock, select.POLLOUT)
    left = set(sockets)
    while left:
        assert time.monotonic() < began + 60, f"{len(left)} were not served"
        for fd, events in poll.poll(1000):
            sock, frames, ask = sockets[fd]
            if events & select.POLLOUT:
                sock.send(ask)
                poll.modify(sock, select.POLLIN)
                continue
            for _, _, body in frames.feed(sock.recv(1 << 16)):
                assert body["errid"] == 0, json.dumps(body)
                left.discard(fd)
                poll.unregister(fd)
    took_s = time.monotonic() - began
    held = [sock for sock, _, _ in sockets.values()]
    if not stay:
        for sock in held:
            sock.close()
    return took_s, held
