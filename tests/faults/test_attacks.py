"""Attacks found by reading the code: each holds a sentence of the wire contract against it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import last_lines, memory_kib, peak_kib

from .conftest import Start
from .wire import BEAT, Client, Gone, Process, WiredDaemon, frame, pace, request


def _register_many(client: Client, tasks: list[dict[str, Any]], at_once: int = 50) -> None:
    for first in range(0, len(tasks), at_once):
        some = tasks[first : first + at_once]
        client.send(b"".join(request("Register", {"name": "n", **task}) for task in some))
        for _ in some:
            assert client.reply()["errid"] == 0


def _stopped(daemon: WiredDaemon) -> None:
    daemon.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, daemon.pid, os.WSTOPPED | os.WNOWAIT)


# Watches


@pytest.mark.parametrize(
    ("count", "size"), [(100, 100_000), pytest.param(6_000, 700, marks=pytest.mark.soak)]
)
def test_a_watch_resumes_over_more_than_its_buffer(count: int, size: int, start: Start) -> None:
    """`since` resumes without a gap: a watcher that reads at once is never cut for the backlog."""
    daemon = start()
    with daemon.connect() as writer, daemon.connect() as watcher:
        text = "x" * size
        tasks = [{"id": f"{n}", "status": "pending", "description": text} for n in range(count)]
        _register_many(writer, tasks)
        watcher.good("Watch", since=0)
        revs = [watcher.event()[2]["rev"] for _ in range(count)]
        assert revs == list(range(1, count + 1))


def test_watching_again_and_again_takes_no_memory(start: Start) -> None:
    """Watch and Unwatch in turn leave nothing behind."""
    daemon = start()
    with daemon.connect() as client:
        tasks = [{"id": f"{n % 9}", "status": "pending", "url": "x" * 2_000} for n in range(1_500)]
        _register_many(client, tasks)

        def watch(times: int) -> int:
            for _ in range(times):
                number = client.good("Watch", since=300)["watch"]
                client.good("Unwatch", watch=number)
                client.events.clear()
            return memory_kib(daemon.pid, "Rss")

        before = watch(10)
        grown = watch(10) - before
    assert grown < 4 << 10, f"10 times Watch and Unwatch took {grown / 1024:.0f} MiB"


@pytest.mark.fault(28)
@pytest.mark.soak
def test_stuck_watchers_slow_nobody(start: Start) -> None:
    """100 watchers that do not read, each below its bound: others are about as fast as before."""
    daemon = start(write_timeout=60)
    with daemon.connect() as client:

        def median_s() -> float:
            took = []
            for number in range(60):
                began = time.monotonic()
                client.good("Register", id=f"{number}", name="n", status="pending")
                took.append(time.monotonic() - began)
            return sorted(took)[30]

        alone = median_s()
        for _ in range(100):
            daemon.connect(receive_buffer=4096).good("Watch")
        tasks = [{"id": "big", "status": "pending", "url": "x" * 60_000} for _ in range(64)]
        _register_many(client, tasks, at_once=1)
        stuck = median_s()
    print(f"\nmedian Register: {alone * 1e3:.1f} ms, with stuck watchers {stuck * 1e3:.1f} ms")
    # Each change is an event for each watcher: that costs a little, a copied backlog much more.
    assert stuck < alone + 0.004


# Memory and work that one connection can cause


@pytest.mark.soak
def test_a_page_of_big_tasks_takes_little_memory(start: Start) -> None:
    """A Query of many big tasks takes a few pages' memory, not that of all it selects."""
    daemon = start()
    with daemon.connect() as client:
        tasks = [{"id": f"{n}", "status": "pending", "url": "x" * 900_000} for n in range(200)]
        _register_many(client, tasks, at_once=1)
        before = peak_kib(daemon.pid)
        assert client.good("Query", limit=1000)["tasks"]
        grown = peak_kib(daemon.pid) - before
    assert grown < 48 << 10, f"a Query took {grown / 1024:.0f} MiB"


@pytest.mark.soak
def test_finds_of_more_than_the_cache_holds(start: Start) -> None:
    """Pipelined Finds of tasks that the cache cannot hold at once read each task about once."""
    daemon = start(task_cache=1 << 20)
    with daemon.connect() as client:
        tasks = [{"id": f"{n}", "status": "pending", "url": "x" * 100_000} for n in range(200)]
        _register_many(client, tasks, at_once=1)
        began = time.monotonic()
        for task in tasks:
            client.good("Find", id=task["id"])
        one_by_one = time.monotonic() - began
        began = time.monotonic()
        client.send(b"".join(request("Find", {"id": task["id"]}) for task in tasks))
        for task in tasks:
            assert client.reply(60)["id"] == task["id"]
        pipelined = time.monotonic() - began
    print(f"\n200 Finds of 100 kB: one by one {one_by_one:.2f} s, pipelined {pipelined:.2f} s")
    assert pipelined < 2 * one_by_one + 1


def test_live_tasks_are_bounded(start: Start) -> None:
    """`max_live_tasks` holds also for Registers that arrive together."""
    daemon = start(max_live_tasks=10)
    with daemon.connect() as client:
        client.send(b"".join(request("Register", {"id": f"{n}", "name": "n"}) for n in range(300)))
        errids = [client.reply()["errid"] for _ in range(300)]
        assert set(errids) == {0, 1005}
        assert errids.count(0) == 10


@pytest.mark.soak
def test_finished_tasks_with_a_long_timeout_take_no_memory(start: Start) -> None:
    """Register and finish again and again: nothing stays until the long timeout is over."""
    daemon = start()
    with daemon.connect() as client:
        both = b"".join(
            request("Register", {"id": f"{n}", "name": "n", "heartbeat_timeout": 86400})
            + request("Update", {"id": f"{n}", "status": "finish"})
            for n in range(50)
        )

        def churn(times: int) -> int:
            for _ in range(times):
                client.send(both)
                for _ in range(100):
                    assert client.reply()["errid"] == 0
            return memory_kib(daemon.pid, "Rss")

        before = churn(200)
        grown = churn(400) - before
    assert grown < 2 << 10, f"20,000 finished tasks hold {grown} KiB"


# Liveness


@pytest.mark.soak
def test_slow_queries_do_not_stop_liveness_or_finds(start: Start) -> None:
    """Whatever is queried: shutdown comes in time and a Find is answered."""
    daemon = start(max_live_tasks=100_000, task_cache=1 << 20)
    count = 40_000
    with daemon.connect() as client:
        tasks = [
            {"id": f"{n}", "status": "pending", "description": f"{n * 7919 % count}" + "y" * 300}
            for n in range(count)
        ]
        _register_many(client, tasks, at_once=500)
        dead = daemon.connect()
        dead.good("Register", id="dead", name="n", heartbeat_timeout=2)
        # Push the dead task out of the cache, with all but the newest.
        for first in range(count, count + 3_000, 500):
            some = [{"id": f"{n}", "status": "pending"} for n in range(first, first + 500)]
            _register_many(client, some, at_once=500)
            dead.send(BEAT)
        client.good("Watch", where={"status": "shutdown"})
        query = request("Query", {"order": "-description", "limit": 1, "where": {"user": ""}})
        busy = [daemon.connect() for _ in range(4)]
        for other in busy:
            # Send more queries than these peers get answered during the test.
            other.send(query * 60)
        dead.send(BEAT)
        deadline = time.monotonic() + 2
        dead.close()
        # One writer goes on, with a task that stays in memory.
        found_after = None
        asked = time.monotonic()
        finder = daemon.connect()
        finder.send(request("Find", {"id": "17"}))
        end = deadline + 20
        while time.monotonic() < end and not (client.events and found_after is not None):
            client.good("Update", id=f"{count + 2_999}", url=f"{time.monotonic()}")
            with contextlib.suppress(TimeoutError):
                finder.receive(0.01)
            if finder.replies and found_after is None:
                found_after = time.monotonic() - asked
        late = client.events[0][0] - deadline if client.events else None
    print(f"\nunder slow Queries: shutdown {late} s late, Find answered after {found_after} s")
    assert late is not None
    assert late <= 1.0
    assert found_after is not None
    assert found_after <= 2.0


@pytest.mark.soak
def test_heavy_requests_do_not_stop_liveness(start: Start) -> None:
    """One client's costly requests do not keep the dead from being found in time."""
    daemon = start()
    nested = '{"id":"s","name":"n","x":[' + ",".join(["[" * 29 + "]" * 29] * 17_700) + "]}"
    costly = frame(2, {"RequestID": "Register"}, nested.encode())
    with daemon.connect() as watcher, daemon.connect() as busy:
        watcher.good("Watch", where={"status": "shutdown"})
        with daemon.connect() as dead:
            dead.good("Register", id="t", name="n", heartbeat_timeout=2)
            deadline = time.monotonic() + 2
        while not watcher.events and time.monotonic() < deadline + 15:
            busy.send(costly)
            busy.reply()
            watcher.send(BEAT)
            with contextlib.suppress(TimeoutError):
                watcher.receive(0.001)
        assert watcher.events, "a dead task is not found while the daemon is busy"
        late = watcher.events[0][0] - deadline
    assert late <= 1.0, f"shut down {late:.1f} s after the deadline"


@pytest.mark.fault(16)
@pytest.mark.soak
def test_a_hung_peer_with_unread_requests_is_judged_in_time(start: Start) -> None:
    """A client hangs while its own requests wait behind replies: its task is shut down in time."""
    daemon = start()
    with daemon.connect() as watcher, daemon.connect(receive_buffer=4096) as hung:
        watcher.good("Watch", where={"status": "shutdown"})
        watcher.good("Register", id="big", name="n", status="pending", url="x" * 500_000)
        hung.good("Register", id="t", name="n", heartbeat_timeout=1)
        hung.sock.setblocking(False)
        with contextlib.suppress(OSError):
            hung.sock.send(request("Find", {"id": "big"}) * 20_000)
        deadline = time.monotonic() + 1
        while not watcher.events and time.monotonic() < deadline + 25:
            watcher.send(BEAT)
            with contextlib.suppress(TimeoutError):
                watcher.receive(0.3)
        assert watcher.events
        late = watcher.events[0][0] - deadline
    assert late <= 1.0, f"shut down {late:.1f} s after the deadline"


@pytest.mark.fault(15)
@pytest.mark.soak
def test_a_fence_holds_through_a_stall(start: Start) -> None:
    """Bytes that wait in the sockets are read before an owner counts as gone: its fence holds."""
    daemon = start(heartbeat_timeout=1)
    owner, thief = daemon.connect(), daemon.connect()
    outcomes = []
    for number in range(12):
        owner.good("Register", id=f"f{number}", name="owner", fenced=True)
        thief.send(BEAT)
        _stopped(daemon)
        thief.send(request("Register", {"id": f"f{number}", "name": "thief"}))
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            owner.send(BEAT)
            pace(0.25)
        daemon.signal(signal.SIGCONT)
        outcomes.append(thief.reply()["errid"])
        thief.send(BEAT)
    assert outcomes == [1004] * 12


@pytest.mark.parametrize("blocked", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_stop_kills_nobody(blocked: bool, start: Start) -> None:
    """SIGTERM: no task of a service that beats is set to shutdown while the daemon ends."""
    daemon = start(shutdown_timeout=2)
    with daemon.connect() as client:
        client.good("Register", id="t", name="n", status="running", heartbeat_timeout=0.5)
        if blocked:
            # One peer that does not read makes the stop take its time.
            deaf = daemon.connect(receive_buffer=4096)
            deaf.good("Register", id="big", name="n", status="pending", url="x" * 900_000)
            deaf.send(request("Find", {"id": "big"}) * 9)
        daemon.signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            while daemon.exit_code is None:
                client.send(BEAT)
                pace(0.1)
    assert daemon.wait() == 0
    with start(daemon.data).connect() as client:
        assert client.good("Find", id="t")["status"] == "running"


def test_last_words_of_a_client_that_exits(start: Start) -> None:
    """A frame that arrived is done, also if its sender left a reply unread and so sent a reset."""
    daemon = start()
    with daemon.connect() as other:
        for number in range(50):
            with daemon.connect() as client:
                client.send(request("Register", {"id": f"{number}", "name": "n"}))
                # Wait until the reply has come, and leave the rest of it unread.
                client.sock.recv(1)
                client.send(request("Update", {"id": f"{number}", "status": "finish"}))
        end = time.monotonic() + 2
        missing = set(range(50))
        while missing and time.monotonic() < end:
            for number in list(missing):
                if other.good("Find", id=f"{number}")["status"] == "finish":
                    missing.discard(number)
        assert not missing, f"the last word of {len(missing)} of 50 clients was lost"


# The daemon's own surroundings


def _client_of(process: "subprocess.Popen[bytes]", line: str) -> Client:
    return Client(int(json.loads(line)["address"].rpartition(":")[2]))


@pytest.fixture
def run_raw(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a daemon with a standard error of the test's choice."""
    started = []

    def run(stderr: int, data: Path | None = None, **settings: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "taskdashd", "run", "--listen", "127.0.0.1:0"]
        command += ["--data", str(data or tmp_path / "data"), "--log-format", "json"]
        process = subprocess.Popen(command, stderr=stderr, env=os.environ | settings)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_nobody_reads_the_log(run_raw: Callable[..., Any]) -> None:
    """The log's reader dies: the daemon lives on, also when it has something to say."""
    reading, writing = os.pipe()
    process = run_raw(writing, TASKDASHD_WATCH_BUFFER="65536")
    os.close(writing)
    with os.fdopen(reading) as log:
        client = _client_of(process, log.readline())
        assert "ready" in log.readline()
    with client, Client(client.sock.getpeername()[1], receive_buffer=4096) as deaf:
        deaf.good("Watch")
        try:
            for _ in range(200):
                client.good("Register", id="a", name="n", url="x" * 60_000)
        except (Gone, OSError):
            pytest.fail("the daemon died of a log line that nobody read")


@pytest.mark.fault(5)
def test_the_log_is_on_the_full_disk(tmp_path: Path, run_raw: Callable[..., Any]) -> None:
    """Log and data on one disk, and it is full: writes get 1001, the daemon lives."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here: root is needed")
    try:
        log = disk / "log"
        with log.open("wb") as stderr:
            process = run_raw(stderr.fileno(), disk / "data")
        end = time.monotonic() + 10
        while "ready" not in log.read_text():
            assert time.monotonic() < end
            pace(0.02)
        with _client_of(process, log.read_text().splitlines()[0]) as client:
            refused = 0
            try:
                for number in range(600):
                    body = {"id": f"{number}", "name": "n", "url": "x" * 3_000}
                    refused += client.call("Register", body)["errid"] == 1001
            except (Gone, OSError):
                pytest.fail(f"the daemon died of a full disk under its log ({refused} refused)")
            assert refused
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_systemd_does_not_listen(tmp_path: Path) -> None:
    """A NOTIFY_SOCKET that is not there: no traceback; served, or refused in a sentence."""
    command = [sys.executable, "-m", "taskdashd", "run", "--listen", "127.0.0.1:0"]
    environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "none")}
    process = Process([*command, "--data", str(tmp_path / "data")], environment)
    try:
        with contextlib.suppress(AssertionError):
            process.wait_line("ready", 5)
        process.signal(signal.SIGTERM)
        process.wait_end()
    finally:
        process.close()
    assert "Traceback" not in process.output, last_lines(process.output)
