"""Bad neighbours: whatever one connection does, the others are served and the daemon lives."""

import contextlib
import os
import random
import resource
import select
import signal
import socket
import struct
import time
from pathlib import Path

import pytest
from processes import Pulse, cpu_s, descriptors, peak_kib, stretch

from .conftest import Start
from .wire import BEAT, Client, Gone, WiredDaemon, pace, request

_BIG_BYTES = 200_000
_SLOW_MAX_S = 1.0
_MEMORY_MAX_KIB = 64 << 10


def _until(daemon: WiredDaemon, client: Client, files: int, timeout_s: float = 5.0) -> None:
    """Ask until the daemon has no more than so many descriptors open."""
    end = time.monotonic() + timeout_s
    while descriptors(daemon.pid) > files:
        assert time.monotonic() < end, (
            f"{descriptors(daemon.pid) - files} descriptors are not freed"
        )
        client.call("Find", {"id": "nothing"})
        pace(0.01)


class Neighbour:
    """A well-behaved client that measures how long its requests take."""

    def __init__(self, daemon: WiredDaemon) -> None:
        self.client = daemon.connect()
        self.number = 0
        self.took: list[float] = []
        self.stretch = stretch()
        self.ask()

    def ask(self) -> None:
        self.number += 1
        began = time.monotonic()
        self.client.good("Register", id=f"n{self.number % 50}", name="n", status="pending")
        self.took.append(time.monotonic() - began)

    def slowest(self) -> float:
        """Give the time of the slowest request, as it were if nothing else ran here."""
        self.stretch = max(self.stretch, stretch())
        return max(self.took) / self.stretch


@pytest.mark.fault(31)
def test_out_of_descriptors(start: Start) -> None:
    """EMFILE at accept: open connections and the database work on, accepting resumes by itself."""
    daemon = start()
    first, second = daemon.connect(), daemon.connect()
    late: list[Client] = []
    try:
        first.good("Register", id="a", name="n")
        second.good("Find", id="a")
        hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (descriptors(daemon.pid), hard))
        late = [daemon.connect() for _ in range(20)]
        for client in late:
            client.send(request("Find", {"id": "a"}))
        daemon.wait_for("cannot accept, pausing")
        cpu = cpu_s(daemon.pid)
        began = time.monotonic()
        number = 0
        while time.monotonic() < began + 1:
            number += 1
            first.good("Update", id="a", description=f"{number}")
            assert second.good("Find", id="a")["description"] == f"{number}"
            assert len(first.good("Query")["tasks"]) == 1
            pace(0.02)
        assert not select.select([client.sock for client in late], [], [], 0)[0]
        assert cpu_s(daemon.pid) - cpu < 0.7, "the daemon spins while it cannot accept"
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (hard, hard))
        for client in late:
            assert client.reply(3)["description"] == f"{number}"
    finally:
        for client in [first, second, *late]:
            client.close()
    daemon.no_traceback()


@pytest.mark.fault(18)
def test_reset_in_mid_frame(start: Start) -> None:
    """RST in the middle of a frame, or before a reply: nothing is left open, no traceback."""
    daemon = start()
    with daemon.connect() as other:
        other.good("Register", id="big", name="n", description="x" * _BIG_BYTES)
        files = descriptors(daemon.pid)
        whole = request("Register", {"id": "half", "name": "n"})
        for cut in range(1, len(whole)):
            with daemon.connect() as client:
                client.send(whole[:cut])
                client.reset()
        for _ in range(20):
            with daemon.connect() as client:
                client.send(request("Find", {"id": "big"}) * 3 + whole[:20])
                client.reset()
        _until(daemon, other, files)
        assert other.call("Find", {"id": "half"})["errid"] == 1002
    daemon.no_traceback()


@pytest.mark.fault(28)
def test_a_peer_that_never_reads_its_replies(start: Start) -> None:
    """Pipelined Finds of a big task, never read: cut at the bound, memory flat, others served."""
    daemon = start(write_timeout=2)
    neighbour = Neighbour(daemon)
    files = descriptors(daemon.pid)
    with daemon.connect(receive_buffer=4096) as deaf:
        deaf.good("Register", id="big", name="n", description="x" * _BIG_BYTES)
        before = peak_kib(daemon.pid)
        deaf.sock.setblocking(False)
        questions = request("Find", {"id": "big"}) * 2_000
        end = time.monotonic() + 8
        while descriptors(daemon.pid) > files:
            assert time.monotonic() < end, "the peer that does not read is not cut off"
            with contextlib.suppress(OSError):
                questions = questions[deaf.sock.send(questions) :] if questions else b""
            neighbour.ask()
            pace(0.005)
        grown = peak_kib(daemon.pid) - before
    neighbour.client.close()
    print(
        f"\nnever reads: memory +{grown / 1024:.0f} MiB, slowest request of"
        f" another {neighbour.slowest() * 1000:.0f} ms"
    )
    daemon.no_traceback()
    assert grown < _MEMORY_MAX_KIB, f"one peer that does not read took {grown / 1024:.0f} MiB"
    assert neighbour.slowest() < _SLOW_MAX_S


@pytest.mark.fault(28)
def test_a_watcher_that_never_reads(start: Start) -> None:
    """A watcher that does not read is cut off at `watch_buffer`, and slows nobody."""
    daemon = start(watch_buffer=256 << 10, write_timeout=2)
    neighbour = Neighbour(daemon)
    with daemon.connect(receive_buffer=4096) as deaf, daemon.connect() as writer:
        deaf.good("Watch")
        files = 0
        before = peak_kib(daemon.pid)
        # Look well before `write_timeout`: the bound must cut the watcher off, not the clock.
        end = time.monotonic() + 1.9
        while not any(line["event"] == "watcher cut off" for line in daemon.log):
            assert time.monotonic() < end, "the watcher that does not read is not cut off"
            writer.send(
                b"".join(
                    request("Register", {"id": f"w{one}", "name": "n", "description": "x" * 20_000})
                    for one in range(20)
                )
            )
            for _ in range(20):
                assert writer.reply()["errid"] == 0
            neighbour.ask()
            # Counted with the watcher, and with what a daemon opens later than at its start.
            files = max(files, descriptors(daemon.pid))
        assert peak_kib(daemon.pid) - before < _MEMORY_MAX_KIB
        # The last output is offered for `write_timeout`; then the watcher's descriptor is free.
        _until(daemon, neighbour.client, files - 1, 7)
    neighbour.client.close()
    assert neighbour.slowest() < _SLOW_MAX_S
    daemon.no_traceback()


@pytest.mark.fault(27)
def test_slowloris(start: Start) -> None:
    """500 peers send a byte at a time: each gets 1000 and is cut at `frame_timeout`."""
    timeout_s = 0.5
    daemon = start(frame_timeout=timeout_s, max_connections_per_address=1000)
    neighbour = Neighbour(daemon)
    files = descriptors(daemon.pid)
    whole = request("Register", {"id": "slow", "name": "n" * 500})
    slow = [daemon.connect() for _ in range(500)]
    sent = dict.fromkeys(slow, 0)
    began: dict[Client, float] = {}
    seen_open: dict[Client, float] = {}
    took: list[float] = []
    try:
        end = time.monotonic() + 20
        while sent:
            assert time.monotonic() < end, f"{len(sent)} slow peers are not cut off"
            for client in list(sent):
                began.setdefault(client, time.monotonic())
                try:
                    client.send(whole[sent[client] : sent[client] + 1])
                    sent[client] += 1
                    while not client.replies:
                        looked = time.monotonic()
                        client.receive(0)
                except TimeoutError:
                    seen_open[client] = looked
                    continue
                except Gone:
                    pytest.fail("a slow peer was closed without a reply")
                assert client.reply()["errid"] == 1000
                took.append(time.monotonic() - began[client])
                del sent[client]
            neighbour.ask()
            pace(0.02)
        _until(daemon, neighbour.client, files)
    finally:
        for client in slow:
            client.close()
        neighbour.client.close()
    print(
        f"\nslowloris: cut after {min(took):.2f} to {max(took):.2f} s,"
        f" slowest other request {neighbour.slowest() * 1000:.0f} ms"
    )
    assert min(took) >= timeout_s
    # A peer's turn to be looked at comes late on a busy machine: what counts is when it was still
    # open.
    assert max(seen_open[client] - began[client] for client in seen_open) <= timeout_s + 1.0
    assert neighbour.slowest() < _SLOW_MAX_S
    daemon.no_traceback()


def _garbage(rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    noise = rng.randbytes(rng.randrange(1, 400))
    if kind == 0:
        return noise
    if kind == 1:
        return rng.choice(
            [
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise,
                b"SSH-2.0-OpenSSH_9.6\r\n",
                b"\0\0\0\0",
                b"\xff\xff\xff\xff" + noise,
            ]
        )
    if kind == 2:
        return struct.pack(">I", len(noise)) + noise
    if kind == 3:
        return struct.pack(">I", len(noise) + 1) + b"\x93" + noise
    if kind == 4:
        return struct.pack(">I", len(noise) + 1) + b"\x00" + noise
    good = bytearray(request("Register", {"id": "a", "name": "n", "x": [1, {"y": None}]}))
    for _ in range(3):
        good[rng.randrange(4, len(good))] = rng.randrange(256)
    return bytes(good)


@pytest.mark.fault(26)
def test_garbage(start: Start) -> None:
    """500 peers send noise, other protocols and broken frames: others are served, nothing leaks."""
    daemon = start(frame_timeout=1)
    neighbour = Neighbour(daemon)
    rng = random.Random(20261122)
    files = descriptors(daemon.pid)
    peers: list[Client] = []
    try:
        for number in range(500):
            client = daemon.connect()
            peers.append(client)
            with contextlib.suppress(OSError):
                client.send(b"".join(_garbage(rng) for _ in range(rng.randrange(1, 4))))
            if number % 10 == 0:
                neighbour.ask()
        for client in peers:
            client.sock.shutdown(socket.SHUT_WR) if rng.random() < 0.5 else client.close()
        for client in peers:
            client.close()
        _until(daemon, neighbour.client, files)
        neighbour.ask()
    finally:
        for client in peers:
            client.close()
        neighbour.client.close()
    assert neighbour.slowest() < _SLOW_MAX_S
    daemon.no_traceback()


_OTHER_PROTOCOLS = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\x16\x03\x01\x02\x00\x01",
]


@pytest.mark.fault(26)
def test_another_protocol(start: Start) -> None:
    """HTTP, SSH or TLS on this port: told 1000 and closed within 1 s."""
    daemon = start()
    for words in _OTHER_PROTOCOLS:
        with daemon.connect() as client:
            client.send(words)
            assert client.reply(1)["errid"] == 1000
            client.sock.shutdown(socket.SHUT_WR)
            assert client.until_closed(1.5) < 1.5


def _stopped(daemon: WiredDaemon) -> None:
    daemon.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, daemon.pid, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.fault(15)
def test_a_daemon_that_stood_still_blames_nobody(start: Start, tmp_path: Path) -> None:
    """SIGSTOP for three timeouts, the beats wait in the sockets: nobody is declared dead."""
    timeout_s = 0.8
    daemon = start(heartbeat_timeout=timeout_s)
    clients = [daemon.connect() for _ in range(50)]
    watcher = daemon.connect()
    try:
        with Pulse(*clients, watcher):
            watcher.good("Watch", where={"status": "shutdown"})
            for number, client in enumerate(clients):
                client.good("Register", id=f"t{number}", name="n")
            _stopped(daemon)
            pace(3 * timeout_s)
            daemon.signal(signal.SIGCONT)
            pace(timeout_s)
            watcher.send(request("Query", {"limit": 1000}))
            tasks = watcher.reply()["tasks"]
            assert watcher.events == []
            assert [task["status"] for task in tasks] == [""] * len(clients)
        # Judging goes on: each task is shut down once its client has gone.
        for client in clients:
            client.close()
        seen = set()
        end = time.monotonic() + 3 * timeout_s
        while len(seen) < len(clients):
            assert time.monotonic() < end
            watcher.send(BEAT)
            with contextlib.suppress(TimeoutError):
                seen.add(watcher.event(0.25)[2]["task"]["id"])
    finally:
        for client in [*clients, watcher]:
            client.close()
    daemon.no_traceback()
