"""What a board, and the people who use it, cost the daemon beside its services."""

import gc
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import crowds
import servers
import wires
from pages import PASSWORD, cookie, open_board
from servers import Server
from throughput import Requests, load
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

import taskdash
from taskdash_protocol import strictjson
from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.access import Sight
from taskdashd.domain.tasks import Change
from taskdashd.families.figures.rules.day import BUCKET_S, QUARTERS
from taskdashd.families.figures.rules.tally import Tally
from taskdashd.process.start import settle_memory

ALONE, UNSEEN, OPEN = "no board", "nobody looks", "a page is open"
WATCHED = f"{crowds.WATCHERS:,} watch something else"
_REGISTERED = 300_000
_SHAPE = (64, 16)
_QUIET_S = 0.5
HANDED = 10
_WAITS, _HELD = "待领取", "已领取"


class Page(threading.Thread):
    """An open page that reads all it is told, as a browser does, and keeps it unread."""

    def __init__(self, web: str, held: str) -> None:
        super().__init__(daemon=True)
        self._sock = open_board(web, held)
        self._chunks: list[bytes] = []
        self.start()

    def run(self) -> None:
        """Read until the page is closed."""
        os.sched_setaffinity(0, {servers.LOAD_CORE})
        while data := self._sock.recv(1 << 20):
            self._chunks.append(data)

    def close(self) -> list[dict[str, Any]]:
        """Close the page, and give what it was told."""
        self._sock.shutdown(2)
        self.join()
        self._sock.close()
        wire, text, told = Connection(ConnectionType.CLIENT), "", []
        for chunk in self._chunks:
            wire.receive_data(chunk)
            for event in wire.events():
                if isinstance(event, TextMessage):
                    text += event.data
                    if event.message_finished:
                        told.append(json.loads(text))
                        text = ""
        return told


class Beside(NamedTuple):
    """What the registering of many tasks took."""

    cpu_us: float
    """Processor time of the daemon for each, until it was quiet again."""
    told: int
    """Different tasks of which the open page was told."""
    afresh: int
    """How often the page was told to read all anew instead."""


def registering(beside: str, requests: Requests, where: Path) -> Beside:
    """Register new tasks beside nothing, a board, an open page, or watchers."""
    settings = {"web": "127.0.0.1:0"} if beside in (UNSEEN, OPEN) else {}
    with ExitStack() as stack:
        data = stack.enter_context(servers.anew(where))
        # Let nobody be taken for dead: a watcher that had to beat would be measured with it.
        daemon = stack.enter_context(
            servers.running(data, **servers.UNLIMITED, **settings, heartbeat_timeout=600)
        )
        server = Server(beside, "frames", daemon.port, daemon.pid, daemon.data)
        if beside == WATCHED:
            users = ({"user": f"elsewhere-{number}"} for number in range(crowds.WATCHERS))
            watches = [wires.frame("Watch", {"where": where}) for where in users]
            stack.enter_context(crowds.crowd(server, crowds.WATCHERS, 0, watches, [b""]))
        page = None
        if beside == OPEN:
            with taskdash.connect(daemon.url) as dash:
                dash.ask("SetPerson", user="1001", name="1001", role="admin", password=PASSWORD)
            web = daemon.wait_for("the board is at")["address"]
            page = Page(web, cookie(web, "1001"))
        _quiet(server)
        before = server.cpu_s()
        load(server, _SHAPE, 0, requests.file("frames", "register", _REGISTERED, "new"))
        _quiet(server)
        each = (server.cpu_s() - before) / _REGISTERED * 1e6
        if page is None:
            return Beside(each, 0, 0)
        with taskdash.connect(daemon.url) as dash:
            dash.ask("Register", id="after", name="after", status="finish")
        time.sleep(_QUIET_S)
        return Beside(each, *_looked_at(page.close()))


def _looked_at(messages: list[dict[str, Any]]) -> tuple[int, int]:
    """Give of how many tasks a page was told, and how often to read afresh, as it must be."""
    told: set[str] = set()
    afresh = 0
    for message in messages:
        afresh += bool(message.get("afresh"))
        told |= {event["task"]["id"] for event in message.get("events", ())}
    if "after" not in told:
        raise SystemExit("the open page was not told of what came after the burst")
    if not afresh and len(told) != _REGISTERED + 1:
        raise SystemExit(f"the open page was told of {len(told)} tasks, and not to read afresh")
    return len(told), afresh


def _quiet(server: Server) -> None:
    """Wait until a server does nothing: also what it does after its replies is counted."""
    before = -1.0
    while (now := server.cpu_s()) - before > 0.02 * _QUIET_S:
        before = now
        time.sleep(_QUIET_S)


@contextmanager
def with_people(others: int, requests: Requests, where: Path) -> Iterator[taskdash.Client]:
    """Start a daemon with two people in the midst of so many tasks of others."""
    with (
        servers.anew(where) as data,
        servers.running(data, **servers.UNLIMITED) as daemon,
        taskdash.connect(daemon.url) as dash,
    ):
        server = Server("taskdashd", "frames", daemon.port, daemon.pid, daemon.data)
        file = requests.file("frames", "register", others, "others", at_rest=True)
        load(server, (16, 16), 0, file)
        for user in ("1001", "1002"):
            dash.ask("SetPerson", user=user, name=user, groups=["cut"])
        for number in range(HANDED):
            one = {"id": f"t{number}", "name": "n", "status": _WAITS, "group_id": "cut"}
            dash.ask("Register", **one)
            dash.ask("Claim", id=f"t{number}", user="1001")
        _quiet(server)
        yield dash


def handovers(dash: taskdash.Client, times: int) -> list[float]:
    """Hand the ten tasks to and fro, and give how long each time took, in milliseconds."""
    took: list[float] = []
    of, to = "1001", "1002"
    for _ in range(times):
        began = time.perf_counter()
        told = dash.ask("Handover", of=of, to=[to])
        took.append((time.perf_counter() - began) * 1000)
        if len(told["moved"]) != HANDED:
            raise SystemExit(f"{told} instead of {HANDED} tasks moved")
        of, to = to, of
    return took


# Figures


_PEOPLE, _OWN_GROUPS, _SEEN_GROUPS = 5_000, 10_000, 64
_NOON = 1_800_000_000.0


def _tally() -> Tally:
    """Give a tally that follows 5,000 people and the groups that one of them may see."""
    people = [f"{number}" for number in range(_PEOPLE)]
    tally = Tally({}, _NOON, lambda: people)
    tally.follow({f"g{number}" for number in range(_SEEN_GROUPS)}, set(people))
    return tally


def _changes(groups: int) -> Iterator[Change]:
    """Give the changes of a hostile office.

    A service makes a group for each task, one person has tasks in 10,000 groups, and everybody has
    one in each group that one may see.
    """
    moment = tasks.Moment(1, "2026-01-01T00:00:00.000Z")
    request = Register.parse({"id": "t", "name": "n", "status": "running"})
    first = tasks.register(None, request, tasks.Author(1, "bench"), moment)
    one = first.task
    for number in range(max(groups, _OWN_GROUPS)):
        task = one._replace(group_id=f"other{number}", user=f"user{number}", status=_WAITS)
        held = task._replace(status=_HELD, user="0" if number < _OWN_GROUPS else task.user)
        yield first._replace(task=task)
        yield first._replace(task=held, previous=task)
        yield first._replace(task=held._replace(status="finish"), previous=held)
        yield first._replace(task=held, previous=held._replace(status="finish"))
    for number in range(_PEOPLE):
        for seen in range(_SEEN_GROUPS):
            yield first._replace(
                task=one._replace(group_id=f"g{seen}", user=f"{number}", status=_HELD)
            )


def figures(groups: int) -> tuple[dict[str, list[float]], float]:
    """Measure the steps of the figures in a hostile office, in ms, and the MiB that they take."""
    took: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        began = time.thread_time()
        yield
        took[what].append((time.thread_time() - began) * 1000)

    # As in the daemon: Python's search for cycles comes seldom, and skips what is there already.
    settle_memory()
    tally = _tally()
    before = _resident_mib()
    changes = _changes(groups)
    while batch := list(islice(changes, 1_000)):
        with timed("a commit of 1,000 changes"):
            tally.take(batch, _NOON)
    batch.clear()
    for number in range(QUARTERS):
        with timed("a look at all states"):
            tally.tick(_NOON + number * BUCKET_S)
        with timed("the records of what has changed"):
            tally.unsaved()
            tally.durations()
    late = _NOON + QUARTERS * BUCKET_S
    seen = frozenset(f"g{number}" for number in range(_SEEN_GROUPS))
    for sight in (None, Sight(seen, "7"), Sight(seen, "0")):
        for quarters in (2, QUARTERS):
            told = None
            walk = tally.walk(sight, late, quarters)
            while told is None:
                with timed("a part of somebody's figures"):
                    try:
                        next(walk)
                    except StopIteration as done:
                        told = done.value
            with timed("somebody's figures as JSON"):
                strictjson.dumps(told)
    mib = _resident_mib() - before
    newcomers = {f"new{number}" for number in range(_PEOPLE)}
    with timed("5,000 people are new"):
        tally.follow(set(), newcomers)
    return took, mib


def _resident_mib() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
