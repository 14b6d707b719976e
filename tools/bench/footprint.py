"""Bytes and large files: memory, what goes to the disk, and a million tasks."""

import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import crowds
import servers
import wires
from servers import Server
from throughput import KNOWN, MILLION, Requests, load, prepare

QUERY_SHAPE = (8, 1)
FIND_SHAPE = (64, 16)
SINGLE_SHAPE = (64, 1)
_QUERIES = 500
_LIVE_TASKS, _LIVE_CONNECTIONS = 100_000, 1_000
_WRITTEN = 100_000


def idle_mib(where: Path) -> float:
    """Give the memory of a daemon that has just started."""
    with servers.fresh("taskdashd", where) as server:
        time.sleep(1)
        return server.memory_kib() / 1024


def live_mib(where: Path) -> float:
    """Give the memory with 100,000 live tasks on 1,000 connections."""
    each = _LIVE_TASKS // _LIVE_CONNECTIONS
    openings = [
        b"".join(
            wires.frame(
                "Register", {**wires.task(number * each + one, "live"), "heartbeat_timeout": 600}
            )
            for one in range(each)
        )
        for number in range(_LIVE_CONNECTIONS)
    ]
    with (
        servers.fresh("taskdashd", where) as server,
        crowds.crowd(server, _LIVE_CONNECTIONS, 0, openings, [b""]) as crowd,
    ):
        while crowd.told()["bytes"]:
            time.sleep(1)
        _written_back(server)
        return server.memory_kib() / 1024


class Written(NamedTuple):
    """The bytes that a durable write brings to the disk."""

    bytes_each: float
    """For one write, in the log, the table and its indexes, and checkpointed but for the end."""
    wal_bytes: int
    """How large the WAL has become."""


def written(name: str, where: Path, requests: Requests) -> Written:
    """Measure Register of new ids at 64×16."""
    with servers.fresh(name, where) as server:
        file = requests.file(server.wire, "register", _WRITTEN, "new")
        before = server.written_bytes()
        load(server, (64, 16), 0, file)
        _written_back(server)
        wal = sum(path.stat().st_size for path in server.data.glob("*-wal"))
        return Written((server.written_bytes() - before) / _WRITTEN, wal)


def record_bytes(where: Path) -> float:
    """Give the size of the task, as JSON, that `written` registers."""
    with servers.fresh("taskdashd", where) as server:
        one = wires.task(0, "new")
        answer = crowds.ask(
            server, wires.frame("Register", one) + wires.frame("Find", {"id": one["id"]}), 2
        )
        return float(len(answer[-1].body or b""))


def _written_back(server: Server) -> None:
    """Wait until a server has stopped to write."""
    before = -1
    while (now := server.written_bytes()) != before:
        before = now
        time.sleep(1.5)


# A million tasks


@contextmanager
def million(requests: Requests, where: Path) -> Iterator[Path]:
    """Prepare a data directory of the daemon with a million tasks, none of them live."""
    with tempfile.TemporaryDirectory(prefix="million-", dir=where) as directory:
        data = Path(directory) / "data"
        with servers.taskdashd(data) as server:
            prepare(server, requests, MILLION, at_rest=True)
            _written_back(server)
        yield data


@contextmanager
def knowing_million(name: str, data: Path, requests: Requests, where: Path) -> Iterator[Server]:
    """Start a peer that knows a million tasks: the daemon on its file, another filled anew."""
    if name == "taskdashd":
        with servers.taskdashd(data) as server:
            yield server
        return
    with servers.fresh(name, where) as server:
        prepare(server, requests, MILLION, at_rest=True)
        yield server


class Started(NamedTuple):
    """A start with a million tasks in the file."""

    ready_s: float
    mib: float


def start(data: Path) -> Started:
    """Start the daemon on a file."""
    began = time.monotonic()
    with servers.taskdashd(data) as server:
        return Started(time.monotonic() - began, server.memory_kib() / 1024)


class Finds(NamedTuple):
    """Finds a second, of a million tasks."""

    hot: float
    """Of ids that are asked for often, in `FIND_SHAPE`."""
    cold: float
    """Of any of the million, in `FIND_SHAPE`."""
    cold_singly: float
    """The same in `SINGLE_SHAPE`."""


def finds(server: Server, seconds: float, requests: Requests, number: int, rounds: int) -> Finds:
    """Measure a round of so many; what is cold was asked for in no round before."""
    cold = [
        requests.file(server.wire, "find", MILLION, "known", share=(part, 2 * rounds))
        for part in (2 * number, 2 * number + 1)
    ]
    asked = (
        (FIND_SHAPE, requests.file(server.wire, "find", KNOWN, "known")),
        (FIND_SHAPE, cold[0]),
        (SINGLE_SHAPE, cold[1]),
    )
    return Finds(*(float(load(server, shape, seconds, file)["rate"]) for shape, file in asked))


def queries(server: Server, seconds: float, requests: Requests) -> float:
    """Give pages a second: user and status, 100 tasks."""
    file = requests.file(server.wire, "query", _QUERIES, "known", at_rest=True)
    return float(load(server, QUERY_SHAPE, seconds, file)["rate"])


_PAGE = """
SELECT c.task FROM (SELECT rev FROM task WHERE user = ? AND status = ? ORDER BY id LIMIT 100) AS t
CROSS JOIN change AS c ON c.rev = t.rev
"""


def bare_queries(data: Path, seconds: float) -> float:
    """Give the same pages a second, read by SQLite in this process and sent to nobody."""
    database = sqlite3.connect(f"file:{data / 'taskdash.db'}?mode=ro", uri=True)
    wanted = [wires.task(number, "known", at_rest=True) for number in range(_QUERIES)]
    try:
        began = time.monotonic()
        spent, count = resource.getrusage(resource.RUSAGE_SELF), 0
        while time.monotonic() - began < seconds:
            one = wanted[count % _QUERIES]
            page = database.execute(_PAGE, (one["user"], one["status"])).fetchall()
            assert len(page) == 100
            count += 1
        now = resource.getrusage(resource.RUSAGE_SELF)
        cpu = now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime
        return count / cpu
    finally:
        database.close()
