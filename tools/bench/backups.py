"""Files with many tasks: what a backup, a check and a restore of one take, and who waits for it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import servers
import wires

from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.store.database import Database

SIZES = (10_000, 100_000, 1_000_000)
_BATCH = 4096
_WRITES_PER_S = 200
_AUTHOR = tasks.Author(1, "bench")


@contextmanager
def filled(count: int, where: Path) -> Iterator[Path]:
    """Give a data directory with so many tasks; it is removed afterwards."""
    with servers.anew(where) as data:
        data.mkdir()
        _fill(data, count)
        yield data


def _fill(data: Path, count: int) -> None:
    """Write tasks by the daemon's own statements, without a daemon."""
    database = Database.open(data)
    database.start()
    changes: list[tasks.Change] = []
    for number in range(count):
        request = Register.parse(wires.task(number, "kept", at_rest=True))
        moment = tasks.Moment(number + 1, "2026-01-01T00:00:00.000Z")
        changes.append(tasks.register(None, request, _AUTHOR, moment))
        if len(changes) == _BATCH or number == count - 1:
            database.append(changes)
            database.fold(number + 1)
            changes.clear()
    database.close()


class Took(NamedTuple):
    """What a command took."""

    seconds: float
    cpu_s: float
    mib: float
    """The largest resident set of the process."""


def command(*words: str | Path) -> Took:
    """Run a command of taskdashd to its end."""
    began = time.monotonic()
    running = subprocess.Popen(
        [sys.executable, "-m", "taskdashd", *map(str, words)], stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise SystemExit(f"taskdashd {' '.join(map(str, words))} ended with {running.returncode}")
    took_s = time.monotonic() - began
    return Took(took_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def commands(data: Path, where: Path) -> dict[str, Took]:
    """Back a data directory up, check it, and restore the copy to another one."""
    copy = where / "copy.db"
    took = {
        "backup": command("backup", copy, "--data", data),
        "check": command("check", "--data", data),
        "restore": command("restore", copy, "--data", where / "restored"),
    }
    for path in (copy, *(where / "restored").iterdir()):
        path.unlink()
    (where / "restored").rmdir()
    return took


class Delays(NamedTuple):
    """How long writers waited for their replies, in milliseconds."""

    p50: float
    p99: float
    most: float


class _Writer(Thread):
    """Registers tasks at a steady rate, one after another, and notes how long each took."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._sock = socket.create_connection(("127.0.0.1", port))
        self.took: list[tuple[float, float]] = []
        """When each was asked, and the seconds until its reply."""
        self.stop = Event()

    def run(self) -> None:
        """Write until told to stop."""
        number, due = 0, time.perf_counter()
        while not self.stop.is_set():
            one = {**wires.task(number % 1000, "new"), "status": "finish"}
            began = time.perf_counter()
            self._sock.sendall(wires.frame("Register", one))
            head = self._sock.recv(4, socket.MSG_WAITALL)
            self._sock.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
            self.took.append((began, time.perf_counter() - began))
            number += 1
            due = max(due + 1 / _WRITES_PER_S, time.perf_counter() - 0.1)
            time.sleep(max(0.0, due - time.perf_counter()))
        self._sock.close()


@contextmanager
def _writing(port: int) -> Iterator[_Writer]:
    os.sched_setaffinity(0, {servers.LOAD_CORE})
    writer = _Writer(port)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop.set()
        writer.join()
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


def beside(data: Path, where: Path) -> tuple[Delays, Delays, float]:
    """Let a daemon back its file up by itself; give the delays of writers before and meanwhile.

    And how many seconds the backup took.
    """
    settings = {"backup_every": "8s", "backup_keep": 1, "backup_dir": where / "kept"}
    with servers.running(data, **servers.UNLIMITED, **settings) as daemon:
        daemon.wait_for("backed up", 600)
        with _writing(daemon.port) as writer:
            log = daemon.wait_for("backed up", 600, count=2)
            ended = time.perf_counter()
    began = ended - log["took_s"]
    before = [took for at, took in writer.took if at + took < began - 0.5]
    meanwhile = [took for at, took in writer.took if at + took >= began - 0.5]
    return _delays(before), _delays(meanwhile), log["took_s"]


def _delays(seconds: list[float]) -> Delays:
    ordered = sorted(one * 1000 for one in seconds)
    return Delays(ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
