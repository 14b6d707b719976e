"""Requests a second, and how long they take."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import servers
import wires
from servers import Server

SHAPES = ((1, 1), (64, 1), (64, 16), (8, 100))
KNOWN = 10_000
NEW = "new~"
"""The prefix of ids that the load generator makes new in each round through the file."""
MILLION = 1_000_000
WARMUP_S = 0.5
PEERS = ("taskdashd", "Redis", "etcd", "bare trio")


class Requests:
    """Files of requests, each written once."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._files: dict[tuple[object, ...], Path] = {}

    def file(
        self,
        wire: str,
        workload: str,
        count: int,
        prefix: str,
        *,
        at_rest: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> Path:
        """Give the file with so many requests of a workload, about as many tasks.

        `share` (2, 9) is the third of nine parts of them.
        """
        key = (wire, workload, count, prefix, at_rest, share)
        if key not in self._files:
            self._files[key] = self._where / f"{len(self._files)}.requests"
            with self._files[key].open("wb") as file:
                for entry in wires.entries(self._requests(*key)):
                    file.write(entry)
        return self._files[key]

    @staticmethod
    def _requests(
        wire: str, workload: str, count: int, prefix: str, at_rest: bool, share: tuple[int, int]
    ) -> Iterator[bytes]:
        if wire in wires.OPENING:
            yield wires.OPENING[wire]
        part, parts = share
        for number in range(count * part // parts, count * (part + 1) // parts):
            # In another order than they were registered in; 7919 divides no count used here.
            at = number if workload == "register" else number * 7919 % count
            yield wires.request(wire, workload, wires.task(at, prefix, at_rest=at_rest))


def load(server: Server, shape: tuple[int, int], seconds: float, file: Path) -> dict[str, Any]:
    """Let the load generator ask; a reply that is an error ends the benchmark.

    0 `seconds` means each request once, with no warm-up.
    """
    command = _command(server, shape, seconds, file)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{server.name}: {shape}: {result.stdout}{result.stderr}")
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def _command(server: Server, shape: tuple[int, int], seconds: float, file: Path) -> list[str]:
    words = (server.port, *shape, WARMUP_S, seconds, server.wire, file)
    pinned = ["taskset", "-c", str(servers.LOAD_CORE), str(servers.BUILD / "load")]
    return [*pinned, "127.0.0.1", *map(str, words)]


def prepare(server: Server, requests: Requests, count: int, *, at_rest: bool = False) -> None:
    """Register known tasks, in the same way everywhere."""
    file = requests.file(server.wire, "register", count, "known", at_rest=at_rest)
    load(server, (16, 16), 0, file)


def rate(
    name: str,
    workload: str,
    shape: tuple[int, int],
    seconds: float,
    requests: Requests,
    where: Path,
) -> float:
    """Measure one peer once, started with nothing in it."""
    with servers.fresh(name, where) as server:
        if workload == "register new":
            count = 20_000 if shape == (1, 1) else 400_000
            file = requests.file(server.wire, "register", count, NEW)
        else:
            prepare(server, requests, KNOWN)
            file = requests.file(server.wire, workload.split()[0], KNOWN, "known")
        return float(load(server, shape, seconds, file)["rate"])


def ceiling(shape: tuple[int, int], seconds: float, requests: Requests, where: Path) -> float:
    """Measure the load generator itself, against a server that does nothing."""
    with servers.fresh("null", where) as server:
        file = requests.file("frames", "register", KNOWN, "known")
        return float(load(server, shape, seconds, file)["rate"])


def p99_us(
    server: Server, seconds: float, requests: Requests, depth: tuple[int, int]
) -> tuple[int, int]:
    """Give the 99th percentile of Find alone, and while 64 connections register."""
    find = requests.file(server.wire, "find", KNOWN, "known")
    alone = int(load(server, depth, seconds, find)["p99_us"])
    register = requests.file(server.wire, "register", 400_000, "new")
    command = _command(server, (64, 1), seconds + 1, register)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as busy:
        beside = int(load(server, depth, seconds, find)["p99_us"])
        busy.wait()
    if busy.returncode:
        raise SystemExit(f"{server.name}: registering beside Find failed")
    return alone, beside
