"""A PostgreSQL that stands still, is locked by somebody else, or has no room: all ends in time."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import mkdtemp

import postgres
import pytest
from processes import Pulse

from .conftest import Serve, Start, is_sound
from .ledger import Ledger, register, until_written
from .wire import request

pytestmark = pytest.mark.fault(57)

_TIMEOUT_S = 1.5
_LEASE_S = 3
_WATCHDOG_S = 1.5
_IN_TIME_S = 8.0
"""The lease of these tests is a second: to send and to settle, each with its wait."""


def _processes(cluster: postgres.Cluster) -> list[int]:
    postmaster = int((cluster.data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


@contextmanager
def stopped(cluster: postgres.Cluster) -> Iterator[None]:
    """Have the server stand still, and go on afterwards."""
    pids = _processes(cluster)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_server_that_stands_still(serve: Serve, cluster: postgres.Cluster, database: str) -> None:
    """Reads and writes end in time, nobody is judged, and the silent get one full timeout."""
    daemon = serve(heartbeat_timeout=_TIMEOUT_S, query_timeout=3)
    ledger = Ledger()
    alive, silent, reader = daemon.connect(), daemon.connect(), daemon.connect()
    with Pulse(alive, reader):
        alive.good("Register", id="alive", name="n", status="running")
        reader.good("Watch")
        with stopped(cluster):
            silent.good("Find", id="alive")
            began = time.monotonic()
            with daemon.connect() as writer:
                ledger.note("w-1", register(writer, "w-1"))
            assert time.monotonic() - began < _IN_TIME_S
            daemon.wait_for("the store failed")
            for operation in ("Query", "Audit"):
                began = time.monotonic()
                with daemon.connect() as client, Pulse(client):
                    assert client.call(operation, {})["errid"] in (1001, 1005), operation
                assert time.monotonic() - began < _IN_TIME_S, operation
            with daemon.connect() as writer:
                for number in range(50):
                    began = time.monotonic()
                    answer = register(writer, f"quick-{number}")
                    assert answer is not None and answer["errid"] == 1001, answer
                    assert time.monotonic() - began < 1.0, "a refusal waits for a connection"
                    ledger.note(f"quick-{number}", answer)
            assert reader.good("Find", id="alive")["status"] == "running"
        until_written(daemon, ledger, "after")
        assert reader.good("Find", id="alive")["status"] == "running"
    assert [body["kind"] for _, _, body in reader.events if body["task"]["id"] == "alive"] == []
    with cluster.connect(database) as server:
        ledger.check(server)
    is_sound(daemon)


def test_somebody_else_locks_the_state(
    serve: Serve, cluster: postgres.Cluster, database: str
) -> None:
    daemon = serve()
    ledger = Ledger()
    with daemon.connect() as client:
        client.good("Register", id="a", name="n", status="pending")
        client.good("Query")
    with cluster.connect(database) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE state")
        for number in range(3):
            began = time.monotonic()
            with daemon.connect() as client:
                ledger.note(f"w-{number}", register(client, f"w-{number}"))
                client_s = time.monotonic() - began
            assert client_s < _IN_TIME_S
        with daemon.connect() as client:
            assert client.good("Find", id="a")["status"] == "pending"
        other.execute("ROLLBACK")
        until_written(daemon, ledger, "after")
        ledger.check(other)
    is_sound(daemon)


@pytest.mark.parametrize("how", ["stopped", "down"])
def test_it_is_told_to_stop_while_its_server_is_away(
    how: str, serve: Serve, cluster: postgres.Cluster
) -> None:
    """Within the ten seconds that systemd's unit gives it, and with connections told."""
    daemon = serve()
    with daemon.connect() as client:
        client.good("Hello", protocol=1)
        if how == "down":
            cluster.stop("immediate")
        try:
            with stopped(cluster) if how == "stopped" else nullcontext():
                with daemon.connect() as writer:
                    register(writer, "w")
                daemon.wait_for("the store failed")
                began = time.monotonic()
                daemon.signal(signal.SIGTERM)
                code = daemon.wait(12)
                assert time.monotonic() - began < 10
                assert code in (0, 1)
        finally:
            if how == "down":
                cluster.start()
        client.until_closed()
    assert any("Bye" in (header or {}) for _, header, _ in client.events)
    is_sound(daemon)


def test_the_watchdog_is_fed_while_its_server_is_away(
    cluster: postgres.Cluster,
    database: str,
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lease longer than the watchdog: the writer's thread waits, and is alive."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(3)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", f"{_WATCHDOG_S * 1e6:.0f}")
        daemon = start(tmp_path / "data", store=cluster.dsn(database), leader_lease=_LEASE_S)
        with stopped(cluster), daemon.connect() as client:
            client.send(request("Register", {"id": "a", "name": "n"}))
            began = last = time.monotonic()
            while last - began < 2 * _LEASE_S:
                if told.recv(100) == b"WATCHDOG=1":
                    assert time.monotonic() - last < _WATCHDOG_S, "systemd would have killed it"
                    last = time.monotonic()
    assert daemon.stop() == 0


@pytest.fixture
def small_cluster() -> Iterator[postgres.Cluster]:
    """A server on a file system of 160 MB."""
    # Not below the tests' own directory: the server's user may not go in there.
    where = Path(mkdtemp(prefix="small-"))
    where.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", str(where)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    try:
        if mounted.returncode:
            pytest.skip(f"a tmpfs cannot be mounted here (root is needed): {mounted.stderr}")
        cluster = postgres.Cluster(where, max_wal_size="48MB", min_wal_size="32MB")
        try:
            yield cluster
        finally:
            cluster.remove()
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "-l", str(where)], check=True)
        where.rmdir()


def test_the_servers_disk_is_full(
    small_cluster: postgres.Cluster, start: Start, tmp_path: Path
) -> None:
    """Refused writes are not there, and writing goes on once there is room."""
    cluster = small_cluster
    ballast = cluster.directory.parent / "ballast"
    daemon = start(tmp_path / "data", store=cluster.create("small"), leader_lease=1)
    ledger = Ledger()
    with daemon.connect() as client:
        ledger.note("before-0", register(client, "before-0"))
    room = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, (room.f_bavail - 512) * room.f_frsize)
    for number in range(400):
        with daemon.connect() as client:
            # The server compresses what repeats itself.
            answer = register(client, f"big-{number}", description=os.urandom(100_000).hex())
            ledger.note(f"big-{number}", answer)
        if len(ledger.refused) >= 5:
            break
    assert ledger.refused, "the disk did not become full"
    ballast.unlink()
    # Where it could not even write its log ahead, the server has crashed, and may have given up.
    if not cluster.is_running():
        cluster.start()
    until_written(daemon, ledger, "after")
    with cluster.connect("small") as server:
        ledger.check(server)
    is_sound(daemon)
    assert daemon.stop() == 0
