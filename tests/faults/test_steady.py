"""Fault 42: steady load for a long time. What grows with time is a leak.

tools/test --fault 42                     a minute
tools/test --fault 42 --seconds 3600      the hour
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest
from processes import cpu_s, descriptors, memory_kib

from .conftest import Start
from .wire import BEAT, Client, WiredDaemon, pace, request

_CLIENTS = 16
_TASKS_EACH = 50
_OPERATIONS_A_SECOND_EACH = 25
_SAMPLES = 60
_WARM_UP = 0.25
_MEMORY_KIB_MAX = 4096
"""How much more memory may be in use at the end than after the caches are full."""


class Worker(threading.Thread):
    """One client that registers, updates, finds, queries, watches, reconnects, until told."""

    def __init__(self, daemon: WiredDaemon, number: int, over: threading.Event) -> None:
        super().__init__()
        self.daemon_process, self.number, self.over = daemon, number, over
        self.is_warm = threading.Event()
        """Set once the caches are full: from then on the worker works at a steady pace."""
        self.done = 0
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.over.is_set():
                with Client(self.daemon_process.port) as client:
                    self._serve(client)
        except BaseException as fault:
            self.fault = fault

    def _serve(self, client: Client) -> None:
        client.good("Hello", protocol=1, client=f"steady-{self.number}")
        watch = client.good("Watch", where={"group_id": f"g{self.number}"})["watch"]
        for turn in range(100):
            if self.over.is_set():
                return
            task_id = f"t{self.number}-{turn % _TASKS_EACH}"
            text = f"{self.number} {turn} " + "x" * (turn * 37 % 300)
            client.send(
                request("Register", {"id": task_id, "name": text, "group_id": f"g{self.number}"})
                + request("Update", {"id": task_id, "status": ("a", "finish")[turn % 2]})
                + request("Find", {"id": task_id})
                + BEAT
            )
            for _ in range(3):
                assert client.reply()["errid"] == 0
            if turn % 40 == 0:
                client.good("Query", where={"group_id": f"g{self.number}"}, limit=20)
                client.good("Audit", task=task_id, limit=5)
            client.events.clear()
            self.done += 3
            if self.is_warm.is_set():
                pace(3 / _OPERATIONS_A_SECOND_EACH)
        client.good("Unwatch", watch=watch)


def _slope(points: list[tuple[float, float]]) -> float:
    """Give the slope of the line of least squares."""
    x_mean, y_mean = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / spread


@pytest.mark.soak
@pytest.mark.fault(42)
def test_steady_load(start: Start, tmp_path: Path, seconds: float | None) -> None:
    """Memory, descriptors and the WAL do not grow; nothing is refused."""
    seconds = seconds or 60.0
    # Small caches are full after a few seconds; memory that grows after that is a leak.
    daemon = start(task_cache=1 << 20, reply_cache=1 << 20, event_cache=1 << 16)
    over = threading.Event()
    workers = [Worker(daemon, number, over) for number in range(_CLIENTS)]
    for worker in workers:
        worker.start()
    wal = tmp_path / "data" / "taskdash.db-wal"
    measures: dict[str, Callable[[], float]] = {
        "memory KiB": lambda: memory_kib(daemon.pid, "Pss"),
        "descriptors": lambda: descriptors(daemon.pid),
        "WAL KiB": lambda: wal.stat().st_size / 1024,
    }
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in measures}
    began, cpu_before_s = time.monotonic(), cpu_s(daemon.pid)
    try:
        for _ in range(_SAMPLES):
            pace(seconds / _SAMPLES)
            if time.monotonic() - began >= seconds * _WARM_UP / 2:
                for worker in workers:
                    worker.is_warm.set()
            for name, measure in measures.items():
                samples[name].append((time.monotonic() - began, measure()))
            assert all(worker.is_alive() for worker in workers), [w.fault for w in workers]
    finally:
        over.set()
        for worker in workers:
            worker.join(30)
    assert [worker.fault for worker in workers] == [None] * _CLIENTS
    lasted = time.monotonic() - began
    settled = {
        name: [(at, value) for at, value in points if at >= seconds * _WARM_UP]
        for name, points in samples.items()
    }
    slopes = {name: _slope(points) * 3600 for name, points in settled.items()}
    done = sum(worker.done for worker in workers)
    cpu = (cpu_s(daemon.pid) - cpu_before_s) / lasted
    print(f"\n{done} operations in {lasted:.0f} s, {cpu:.0%} of a core")
    for name, slope in slopes.items():
        first, last = settled[name][0][1], settled[name][-1][1]
        print(f"{name}: {first:.0f} -> {last:.0f}, {slope:+.1f} an hour")
    hours = lasted * (1 - _WARM_UP) / 3600
    assert slopes["memory KiB"] * hours < _MEMORY_KIB_MAX
    assert abs(slopes["descriptors"] * hours) < 2
    assert settled["WAL KiB"][-1][1] < 32 << 10
    daemon.no_traceback()
    assert daemon.stop() == 0
