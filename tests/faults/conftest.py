"""Daemons and strace, started for a test and surely ended with it."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import postgres
import psycopg
import pytest

from taskdash.testing import COMMAND

from .wire import Process, WiredDaemon, close_all

Start = Callable[..., Any]
Serve = Callable[..., WiredDaemon]

_numbers = count()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a daemon: `start(heartbeat_timeout=5)`; by default on `tmp_path / "data"`."""
    started: list[WiredDaemon] = []

    def run(
        data: Path | None = None, *, command: Sequence[str] = COMMAND, **settings: Any
    ) -> WiredDaemon:
        # The floods of these tests must reach the daemon.
        settings = {"request_rate": "off", **settings}
        daemon = WiredDaemon(data or tmp_path / "data", settings, command=command)
        started.append(daemon)
        return daemon

    yield run
    for daemon in started:
        daemon.kill()
    close_all()


class Injection:
    """Faults that strace puts into a running daemon, until `heal`."""

    def __init__(self, daemon: WiredDaemon, *expressions: str, log: Path) -> None:
        options = [word for text in expressions for word in ("-e", f"inject={text}")]
        traced = ",".join(text.split(":")[0] for text in expressions)
        self.log = log
        command = ["strace", "-f", "-o", str(log), "-e", f"trace={traced}", *options]
        self._strace = Process([*command, "-p", str(daemon.pid)])
        self._strace.wait_line("attached")

    @property
    def hits(self) -> int:
        return self.log.read_text().count("(INJECTED)")

    def heal(self) -> None:
        if self._strace.popen.returncode is None:
            self._strace.signal(signal.SIGINT)
            self._strace.wait_end()


@pytest.fixture
def inject(tmp_path: Path) -> Iterator[Callable[..., Injection]]:
    """Put faults into a daemon's system calls: `inject(daemon, "fdatasync:error=EIO")`."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: system calls cannot be made to fail")
    active: list[Injection] = []

    def put(daemon: WiredDaemon, *expressions: str) -> Injection:
        log = tmp_path / f"strace{len(active)}.log"
        injection = Injection(daemon, *expressions, log=log)
        active.append(injection)
        return injection

    yield put
    for injection in active:
        injection.heal()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 2 MiB; unmounted at the end."""
    where = tmp_path / "disk"
    where.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(where)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here (root is needed): {done.stderr.strip()}")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.fixture
def database(cluster: postgres.Cluster) -> str:
    """An empty database of it, by name."""
    name = f"faults{next(_numbers)}"
    cluster.create(name)
    return name


@pytest.fixture
def serve(cluster: postgres.Cluster, database: str, start: Start, tmp_path: Path) -> Serve:
    """Start a daemon on that database: `serve("first")`, each with files of its own."""

    def run(data: str = "data", **settings: Any) -> WiredDaemon:
        settings = {"store": cluster.dsn(database), "leader_lease": 1, **settings}
        daemon: WiredDaemon = start(tmp_path / data, **settings)
        return daemon

    return run


def is_sound(daemon: WiredDaemon) -> None:
    """Look that a daemon's log is its own: no traceback, and no line of the driver's."""
    daemon.no_traceback()
    raw = [line["text"] for line in daemon.log if not line["event"]]
    assert not raw, raw[:3]


def end_all(server: "psycopg.Connection[Any]", database: str) -> None:
    """End every session of a daemon with its database."""
    server.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'taskdashd' AND datname = %s",
        (database,),
    )
