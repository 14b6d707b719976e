"""What a second does not show: writes with the fold that follows them, and rounds of many tasks."""

import time
from pathlib import Path
from typing import Final

import crowds
import servers
import wires
from servers import Server
from throughput import NEW, WARMUP_S, Requests, load, prepare

PEERS: Final = ("taskdashd", "Redis")
SHAPE: Final = (64, 16)
AGAIN: Final = 40_000
SUSTAINED: Final = ("new, sustained", "again, sustained")
_NEW: Final = 400_000

TURNS: Final = (
    ((64, 1), 5_000, 0.45),
    ((64, 1), 20_000, 0.40),
    ((64, 1), 100_000, 0.35),
    ((64, 16), 5_000, 0.45),
    ((64, 16), 40_000, 0.30),
)
"""Of how many tasks each is asked for in its turn, in which shape, and what is aimed at × Redis."""


def sustained(
    name: str, workload: str, seconds: float, requests: Requests, where: Path
) -> tuple[float, float]:
    """Register for so long; give requests a second until all of it is folded, and the fold's wait.

    The daemon owes the fold when the last reply comes, and pays it before it gives a page. New
    tasks are at rest: a million that live is no office, and no daemon takes them by default.
    """
    with servers.fresh(name, where) as server:
        if workload == SUSTAINED[0]:
            file = requests.file(server.wire, "register", _NEW, NEW, at_rest=True)
        else:
            prepare(server, requests, AGAIN)
            file = requests.file(server.wire, "register", AGAIN, "known")
        told = load(server, SHAPE, seconds, file)
        owed_s = _fold(server)
        return told["in_all"] / (WARMUP_S + told["seconds"] + owed_s), owed_s


def _fold(server: Server) -> float:
    """Give how long the daemon lets a page wait; its peers have written all there is to write."""
    if server.wire != "frames":
        return 0.0
    began = time.monotonic()
    crowds.ask(server, wires.frame("Query", {"limit": 1}), 1)
    return time.monotonic() - began


def in_turn(
    name: str,
    shape: tuple[int, int],
    count: int,
    seconds: float,
    requests: Requests,
    where: Path,
) -> float:
    """Give Finds a second where each of so many tasks is asked for in its turn, round by round."""
    with servers.fresh(name, where) as server:
        prepare(server, requests, count)
        _fold(server)
        file = requests.file(server.wire, "find", count, "known")
        # Go round once before: what was just registered lies in other caches than what was found.
        load(server, shape, 0, file)
        return float(load(server, shape, seconds, file)["rate"])
