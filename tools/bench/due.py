"""What comes due at once: ten thousand claims that run out within one second."""

import json
import socket
import sys
import time
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import crowds
import servers
import wires
from servers import Server

from taskdash_protocol.statuses import UNCLAIMED

CLAIMS = 10_000
_AT_ONCE = 500
_LEAD_S = 20.0
_HELD = "held"


class Due(NamedTuple):
    """How the claims ended."""

    first_s: float
    """How long after its time a claim was freed, the least of all."""
    last_s: float
    told_s: float
    """How long after its time the news of a claim came, the most of all."""
    step_s: float
    """The longest step of the event loop meanwhile."""
    step_cpu_s: float
    """The most processor time that a step took: what else the machine does is not in it."""


def claims(where: Path) -> Due:
    """Have claims run out that are due evenly over one second, and look when each is freed."""
    data = Path(mkdtemp(dir=where))
    command = [sys.executable, str(servers.HERE / "stepped.py"), str(data / "steps.json")]
    limits = {"request_rate": "off", "identity_rate": "off", "task_cache": 64 << 20}
    with servers.running(data / "data", command=command, **limits) as daemon:
        server = Server("taskdashd", "frames", daemon.port, daemon.pid, data)
        until = _claimed(server)
        with socket.create_connection(("127.0.0.1", server.port)) as watcher:
            watcher.sendall(wires.frame("Watch", {}))
            freed, told = _freed(watcher)
    begin, end = min(until.values()), max(freed.values())
    # The daemon's times are the wall clock's, its steps' those of the monotonic one.
    ahead_s = time.time() - time.monotonic()
    noted = json.loads((data / "steps.json").read_text())
    steps = [(took, worked) for _, at, took, worked in noted if begin <= at + ahead_s <= end]
    late = [freed[task_id] - until[task_id] for task_id in until]
    return Due(
        min(late),
        max(late),
        max(told[task_id] - until[task_id] for task_id in until),
        max((took for took, _ in steps), default=0.0),
        max((worked for _, worked in steps), default=0.0),
    )


def _claimed(server: Server) -> dict[str, float]:
    """Register and claim; gives when each claim runs out."""
    person = {"user": "ann", "name": "Ann"}
    crowds.ask(server, wires.frame("SetPerson", person), 1)
    begin = time.time() + _LEAD_S
    until: dict[str, float] = {}
    for first in range(0, CLAIMS, _AT_ONCE):
        numbers = range(first, first + _AT_ONCE)
        free = {"status": UNCLAIMED, "user": "", "group_id": ""}
        some = [{**wires.task(number, _HELD), **free} for number in numbers]
        crowds.ask(server, b"".join(wires.frame("Register", one) for one in some), len(some))
        asked = [
            {
                "id": one["id"],
                "user": "ann",
                "limit": round(begin + number / CLAIMS - time.time(), 3),
            }
            for number, one in zip(numbers, some, strict=True)
        ]
        frames = b"".join(wires.frame("Claim", one) for one in asked)
        for message in crowds.ask(server, frames, len(asked)):
            reply = json.loads(message.body or b"{}")
            until[reply["id"]] = _seconds(reply["claim_until"])
    if time.time() > begin - 1:
        raise SystemExit("the claims were made too slowly")
    return until


def _freed(watcher: socket.socket) -> tuple[dict[str, float], dict[str, float]]:
    """Give when each claim was freed, and when that was told."""
    freed: dict[str, float] = {}
    told: dict[str, float] = {}
    decoder = wires.Decoder(framing=wires.TASKDASH)
    watcher.settimeout(_LEAD_S + 60)
    parts: list[tuple[float, bytes]] = []
    # Keep what comes, and decode it later: decoding takes longer than the daemon needs.
    size, word = 0, b'"kind":"updated"'
    tail = b""
    while size < CLAIMS:
        part = watcher.recv(1 << 20)
        parts.append((time.time(), part))
        size += (tail + part).count(word)
        tail = part[1 - len(word) :]
    for at, part in parts:
        decoder.feed(part)
        while isinstance(message := decoder.next(), wires.Message):
            task = json.loads(message.body or b"{}").get("task")
            if task is not None and task["status"] == UNCLAIMED:
                freed[task["id"]], told[task["id"]] = _seconds(task["updated_at"]), at
    return freed, told


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
