"""SQLite and PostgreSQL under the same daemon: the server's data stands beside the file.

The daemon runs on one core and the load on the other; PostgreSQL, with its defaults, where it finds
room. The engines take turns, and medians are compared.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

import crowds
import footprint
import office
import postgres
import psycopg
import servers
import throughput
import views
import wires
from report import Goal
from servers import Server
from throughput import KNOWN, Requests

from taskdash_protocol.families.tasks import Query
from taskdashd.domain import search
from taskdashd.store.database import Database

ENGINES: Final = ("SQLite", "PostgreSQL")
LEASE_S: Final = 60.0
"""While an office is made, an overloaded disk may take its time."""
ROUNDS: Final = 5
_NUMBERS: Final = count()

PAGES: Final[dict[str, dict[str, Any]]] = {
    **{f"all, {order}": {"order": order} for order in ("rev", "-rev", "-updated_at", "name")},
    **{
        f"{name}, {order}": {"where": views.PLACES[name], "order": order}
        for name in ("column: done", "column: dead", "group, large", "group, small", "user")
        for order in ("-rev", "-updated_at", "name")
    },
    **{
        f"contains {what}, {order}": {"contains": views.SOUGHT[what], "order": order}
        for what in (
            *("in the oldest task", "in every other task", "in a tenth", "two in a tenth"),
            *("two characters, frequent", "nowhere", "two that no task has both of"),
        )
        for order in ("-rev", "name")
    },
}


class Place(NamedTuple):
    """What a daemon stands on: a data directory, and the database where there is one."""

    data: Path
    settings: dict[str, str]


class Run:
    """One run, and what it has found."""

    def __init__(self, rounds: int, seconds: float, tasks: int, where: Path) -> None:
        self.rounds, self.seconds, self.tasks, self.where = rounds, seconds, tasks, where
        self.cluster = postgres.Cluster(where)
        self.requests = Requests(where)
        self.goals: list[Goal] = []
        self._offices: dict[str, Place] = {}

    def place(self, engine: str) -> Place:
        """Give a place with nothing in it."""
        data = self.where / f"data-{next(_NUMBERS)}"
        if engine == "SQLite":
            return Place(data, {})
        name = f"bench_{next(_NUMBERS)}"
        with psycopg.connect(self.cluster.dsn("postgres"), autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return Place(data, {"store": self.cluster.dsn(name)})

    @contextmanager
    def daemon(self, engine: str, place: Place | None = None) -> Iterator[Server]:
        """Run a daemon on a place, or on a new one."""
        data, settings = place or self.place(engine)
        with servers.taskdashd(data, **settings) as server:
            yield server

    def office(self, engine: str) -> Place:
        """Give a place with the tasks of an office, folded and indexed."""
        if engine in self._offices:
            return self._offices[engine]
        place = self._offices[engine] = self.place(engine)
        began = time.monotonic()
        if engine == "SQLite":
            office.make(place.data, self.tasks)
        else:
            office.make_on(place.settings["store"], place.data, self.tasks)
        made_s = time.monotonic() - began
        database = opened(place)
        database.start()
        folded_s = time.monotonic() - began - made_s
        while database.index_texts(10_000) < self.tasks:
            pass
        database.close()
        indexed_s = time.monotonic() - began - made_s - folded_s
        told = f"made in {made_s:.1f} s, folded in {folded_s:.1f}, texts indexed in {indexed_s:.1f}"
        print(f"{engine}: {self.tasks:,} tasks {told}", flush=True)
        return place

    def compare(self, what: str, found: dict[str, list[float]], least: float) -> None:
        """Print what the engines do in a second, and compare the ratio with what it is to be."""
        ours, theirs = (statistics.median(found[engine]) for engine in ENGINES)
        told = ", ".join(
            f"{engine} {statistics.median(some):,.0f}" for engine, some in found.items()
        )
        print(f"{what}: {told}; PostgreSQL {theirs / ours:.2f} × SQLite", flush=True)
        self.goals.append(Goal(f"× SQLite: {what}", theirs / ours, least))


def opened(place: Place) -> Database:
    """Open a place in this process."""
    return Database.open(place.data, lease_s=LEASE_S, **place.settings)  # type: ignore[arg-type]


def register(run: Run) -> None:
    """Register durable, beside one row a commit by psycopg."""
    for shape, least in (((1, 1), 0.4), ((64, 16), 0.35)):
        found: dict[str, list[float]] = {engine: [] for engine in ENGINES}
        bare: list[float] = []
        number = 20_000 if shape == (1, 1) else 400_000
        file = run.requests.file("frames", "register", number, "new")
        for _ in range(run.rounds):
            for engine, some in found.items():
                with run.daemon(engine) as server:
                    some.append(throughput.load(server, shape, run.seconds, file)["rate"])
            bare.append(one_row(run))
        what = f"register, {shape[0]}×{shape[1]}"
        run.compare(what, found, least)
        if shape != (1, 1):
            ratio = statistics.median(found["PostgreSQL"]) / statistics.median(bare)
            print(f"one row a commit by psycopg: {statistics.median(bare):,.0f}")
            run.goals.append(Goal(f"× one row a commit: {what}", ratio, 3))


def one_row(run: Run) -> float:
    """Give the rows a second that psycopg commits one by one."""
    with psycopg.connect(run.place("PostgreSQL").settings["store"], autocommit=True) as server:
        server.execute("CREATE TABLE bare (id text PRIMARY KEY, task text NOT NULL)")
        began, rows = time.monotonic(), 0
        while time.monotonic() - began < run.seconds:
            server.execute("INSERT INTO bare VALUES (%s, %s)", (f"task-{rows:07}", "x" * 400))
            rows += 1
        return rows / (time.monotonic() - began)


def find(run: Run) -> None:
    """Find ids that are asked for often."""
    found: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    file = run.requests.file("frames", "find", KNOWN, "known")
    for engine, some in found.items():
        with run.daemon(engine) as server:
            throughput.prepare(server, run.requests, KNOWN)
            for _ in range(run.rounds):
                some.append(throughput.load(server, (64, 16), run.seconds, file)["rate"])
    run.compare("find hot, 64×16", found, 0.95)


def pages(run: Run) -> None:
    """Read pages of 100 among the tasks of an office, one after another."""
    databases = [opened(run.office(engine)) for engine in ENGINES]
    people = [(one, office.name_of(n, one)["name"]) for n, one in enumerate(office.PEOPLE)]
    ratios: list[float] = []
    for name, body in PAGES.items():
        request = Query.parse({"limit": 100, **body})
        sought = search.sought(body.get("contains", ""), people)
        took, ids = [], []
        for database in databases:
            best = float("inf")
            for _ in range(ROUNDS):
                began = time.perf_counter()
                try:
                    page = database.query(request, 1 << 20, sought=sought)
                except Exception as error:  # told with its figures
                    print(f"{name}: {error}")
                    continue
                best = min(best, time.perf_counter() - began)
            took.append(best * 1000)
            ids.append([row.id for row in page.rows])
        same = "" if ids[0] == ids[1] else "  NOT THE SAME TASKS"
        ratios.append(took[0] / took[1])
        print(f"{name:48}{took[0]:9.2f} ms {took[1]:9.2f} ms {ratios[-1]:6.2f}{same}", flush=True)
    for database in databases:
        database.close()
    run.goals.append(Goal("× SQLite: a page of 100, median", statistics.median(ratios), 0.5))
    run.goals.append(Goal("× SQLite: a page of 100, the worst", min(ratios), 0.5))


def query(run: Run) -> None:
    """Ask a daemon for pages of 100: a user and a status."""
    found: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for engine, some in found.items():
        with run.daemon(engine) as server:
            throughput.prepare(server, run.requests, 100_000, at_rest=True)
            file = run.requests.file("frames", "query", 500, "known", at_rest=True)
            # The first waits for the fold.
            began = time.monotonic()
            crowds.ask(server, wires.frame("Query", {"limit": 1}), 1)
            print(f"{engine}: the first page comes after {time.monotonic() - began:.2f} s")
            for _ in range(run.rounds):
                shape = footprint.QUERY_SHAPE
                some.append(throughput.load(server, shape, run.seconds, file)["rate"])
    run.compare("query a page, 8×1", found, 0.5)


def ready(run: Run) -> None:
    """Start on an office."""
    mib: dict[str, float] = {}
    for engine in ENGINES:
        place = run.office(engine)
        started = []
        for _ in range(run.rounds):
            began = time.monotonic()
            with run.daemon(engine, place) as server:
                ready_s = time.monotonic() - began
                started.append((ready_s, server.memory_kib() / 1024))
        ready_s, mib[engine] = (statistics.median(each) for each in zip(*started, strict=True))
        print(f"{engine}, {run.tasks:,} tasks: ready after {ready_s:.2f} s, {mib[engine]:.0f} MiB")
        run.goals.append(Goal(f"s until ready, {engine}", ready_s, 5, at_most=True))
    more = mib["PostgreSQL"] - mib["SQLite"]
    run.goals.append(Goal("MiB more than on SQLite", more, 32, at_most=True))


PARTS: Final[dict[str, Callable[[Run], None]]] = {
    part.__name__: part for part in (register, find, query, pages, ready)
}


def main() -> None:
    """Measure the parts that are asked for, and say which goals were missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--where", type=Path, default=Path(tempfile.gettempdir()))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="engines-", dir=given.where) as directory:
        # The server runs as another user where this is root.
        Path(directory).chmod(0o755)
        run = Run(given.rounds, given.seconds, given.tasks, Path(directory))
        try:
            for name in given.only:
                PARTS[name](run)
        finally:
            run.cluster.remove()
    for goal in run.goals:
        print(goal.text())


if __name__ == "__main__":
    main()
