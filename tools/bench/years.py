"""What forgetting costs: file, memory and start over two simulated years; who waits, and how long.

The daemon's parts are real, its clock is not. A run is a task that is registered and finished.
"""

import argparse
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, ClassVar

from taskdash_protocol.families.tasks import Query, Register, Update
from taskdashd.core.access import Access
from taskdashd.core.clock import Clock
from taskdashd.core.housekeeping import STEADY_S
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Change, Moment
from taskdashd.domain.times import stamp
from taskdashd.feed.watches import Event
from taskdashd.parts import Environment, Parts, build
from taskdashd.settings.config import Settings
from taskdashd.settings.live import Live
from taskdashd.store.database import Database
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.executor import ThreadExecutor
from taskdashd.store.transaction import Transaction
from taskdashd.testing import World

ME = Author(1, "cron (10.0.0.7:40000)")
DAY_S, HOUR_S = 86400.0, 3600.0
_STEP_H = 6
_WAIT_EVERY_S = 0.02
_QUERY = Query({}, "id", 10)
_START = """
import sys, time
from pathlib import Path
from taskdashd.store.database import Database
began = time.perf_counter()
Database.open(Path(sys.argv[1])).start()
print(time.perf_counter() - began)
"""


class Told:
    """A watcher that counts the events it is told."""

    def __init__(self) -> None:
        self.events = 0

    def deliver(self, _watch: int, events: Sequence[Event]) -> None:
        """Count the events."""
        self.events += len(events)

    def has_room(self) -> bool:
        """Tell that it never falls behind."""
        return True

    def resume_watches(self) -> None:
        """Do nothing: the watch is live from its start."""

    def on_fault(self, _watch: int, error: Exception) -> None:
        """Raise the fault: there must be none."""
        raise error


def fields(task_id: str) -> dict[str, str]:
    return {
        "id": task_id,
        "name": "Nightly report of the warehouse",
        "status": "running",
        "group_id": f"group-{hash(task_id) % 20}",
        "description": "step 3 of 7: " + "counting what is on the shelves " * 8,
        "project_id": "warehouse",
        "task_type": "cron",
    }


def begin(task_id: str, rev: int, at: str) -> Change:
    return tasks.register(None, Register.parse(fields(task_id)), ME, Moment(rev, at))


def end(task: tasks.Task, rev: int, at: str) -> Change:
    update = Update(task.id, {"status": "finish", "stop_time": at}, own=True)
    return tasks.update(task, update, ME, Moment(rev, at))


def run(task_id: str, transaction: Transaction) -> None:
    change = begin(task_id, transaction.rev, transaction.at)
    transaction.put(change)
    transaction.put(end(change.task, transaction.rev, transaction.at))


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)


def nothing(_outcome: object) -> None:
    """Take the outcome of a write that nobody waits for."""


def step(world: World, number: int, runs: int, chance: Random) -> None:
    """Let some hours pass, with their runs and with ticks at their end."""
    for _ in range(runs):
        task_id = f"nightly-{number}-{chance.getrandbits(64):016x}"
        world.core.writer.write(partial(run, task_id), nothing)
    world.drain()
    world.time += _STEP_H * HOUR_S
    world.supervisor.tick(_STEP_H * HOUR_S)
    world.drain()
    # As many more as forgetting and giving back want: in reality each hour has 14,400.
    for _ in range(8):
        world.time += 0.25
        world.supervisor.tick(0.25)
        world.drain()


def years(where: Path, rate: int, days: int) -> None:
    print(f"{rate} runs an hour, kept for 90 days: a window of {rate * 24 * 90:,} runs\n")
    print("   day      runs     there  file MiB  unused  memory MiB  start s       told  took s")
    chance, began, runs, told = Random(1), time.perf_counter(), 0, Told()
    world = World(where, with_board=True)
    watch = world.core.feed.watch(1, told, {}, None)
    world.core.feed.resume(watch)
    steps_a_day = 24 // _STEP_H
    for number in range(days * steps_a_day):
        step(world, number, rate * _STEP_H, chance)
        runs += rate * _STEP_H
        if (number + 1) % (30 * steps_a_day) and number + 1 != days * steps_a_day:
            continue
        health = world.database.health(check=False)
        memory, start_s = resident_mib(), started(where)
        assert told.events == 2 * runs, "a watch is told of each change, and of nothing else"
        print(
            f"{(number + 1) // steps_a_day:6} {runs:9,} {sum(health.tasks.values()):9,}"
            f" {(health.file_bytes + health.wal_bytes) / (1 << 20):9.1f}"
            f" {health.reusable_bytes / (1 << 20):7.1f} {memory:11.1f} {start_s:8.2f}"
            f" {told.events:10,} {time.perf_counter() - began:7.0f}",
            flush=True,
        )
    world.close()


def started(where: Path) -> float:
    """Give the seconds that a start takes with a copy of the database."""
    with tempfile.TemporaryDirectory(prefix="taskdash-years-") as directory:
        for path in where.glob(f"{DATABASE_NAME}*"):
            shutil.copy(path, directory)
        command = [sys.executable, "-c", _START, directory]
        return float(subprocess.run(command, check=True, capture_output=True).stdout)


class TimedDatabase(Database):
    """A database that notes how long each step takes that forgets."""

    steps: ClassVar[dict[str, list[tuple[float, float]]]] = {}

    def append(self, changes: Any, acts: Any = (), records: Any = (), removals: Any = ()) -> None:
        """Commit, and note how long that took with something to be removed."""
        with self._timed("a commit that removes" if removals else ""):
            super().append(changes, acts, records, removals)

    def give_back(self, pages_max: int) -> int:
        """Give back, and note how long that took."""
        with self._timed("giving room back"):
            return super().give_back(pages_max)

    def look(self, look: Callable[..., Any]) -> Any:
        """Look, and note how long that took."""
        with self._timed("a look for what is old"):
            return super().look(look)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter(), time.thread_time()
        yield
        if name:
            took = time.perf_counter() - began[0], time.thread_time() - began[1]
            self.steps.setdefault(name, []).append(took)


class Loop:
    """An event loop of one thread: what other threads bring, and ticks."""

    def __init__(self) -> None:
        self.ready: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = (
            queue.SimpleQueue()
        )
        self.ahead_s = 0.0

    def soon(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have something called by `turn`; safe to call from any thread."""
        self.ready.put((call, arguments))

    def turn(self, until: float) -> None:
        """Do what comes until a moment."""
        while (left := until - time.monotonic()) > 0:
            try:
                call, arguments = self.ready.get(timeout=left)
            except queue.Empty:
                return
            call(*arguments)

    def now(self) -> float:
        """Give the time that this loop is at, ahead of the machine's."""
        return time.monotonic() + self.ahead_s


def filled(where: Path, window: int, due: int, wall: float) -> list[str]:
    """Store a window of runs and some that are due to be forgotten; give the ids of the former."""
    chance = Random(2)
    with closing(Database.open(where)) as database:
        rev, changes, ids = database.start().last_rev, [], []
        for number in range(window + due):
            age_s = 80 * DAY_S * (1 - number / (window + due))
            if number < due:
                age_s = 90 * DAY_S + HOUR_S - number / 1000
            task_id, at = f"nightly-{chance.getrandbits(64):016x}", stamp(wall - age_s)
            first = begin(task_id, rev + 1, at)
            changes += [first, end(first.task, rev + 2, at)]
            rev += 2
            if number >= due:
                ids.append(task_id)
            if len(changes) >= 8192 or number == window + due - 1:
                database.append(changes)
                database.fold(rev)
                changes = []
    return ids


def waits(where: Path, window: int, due: int) -> None:
    wall = time.time()
    began = time.perf_counter()
    ids = filled(where, window, due, wall)
    size = (where / DATABASE_NAME).stat().st_size / (1 << 20)
    print(f"\n{window + due:,} runs stored ({size:,.0f} MiB, {time.perf_counter() - began:.0f} s)")
    loop, at_start = Loop(), time.monotonic()
    executors = [ThreadExecutor.start(name, loop.soon) for name in ("write", "load", "query")]
    live = Live(replace(Settings(), data=where))
    database = TimedDatabase.open(where)
    clock = Clock(loop.now, lambda: wall + loop.now() - at_start, time.thread_time, loop.now)
    environment = Environment(*executors, lambda: executors[1], lambda _: False, None, "UTC")
    access = Access(lambda _: None, loop.now, required=False)
    parts = build(database, live, clock, access, environment, with_board=True)
    told = Told()
    feed = parts.runner.core.feed
    feed.resume(feed.watch(1, told, {}, None))
    print("                          waits in ms: median, 99 %, longest")
    for title in ("nothing is forgotten", "while it is forgotten"):
        found = measured(loop, parts, ids, title == "while it is forgotten", 2 * due)
        for name, times in found:
            times.sort()
            print(
                f"  {title:22} {name:7} {median(times) * 1000:7.1f}"
                f" {times[int(len(times) * 0.99)] * 1000:7.1f} {times[-1] * 1000:7.1f}"
                f"   of {len(times)}"
            )
    health = database.health(check=False)
    print(
        f"  {sum(health.tasks.values()):,} are left, {health.reusable_bytes / (1 << 20):.0f} MiB of"
        f" {health.file_bytes / (1 << 20):,.0f} are unused; a watch was told of {told.events:,}"
        " changes, two for each write"
    )
    print("  longest steps of the forgetting itself, in ms (of the processor):")
    for name, times in database.steps.items():
        walls, processor = zip(*times, strict=True)
        print(
            f"    {name:22} {max(walls) * 1000:7.1f} ({max(processor) * 1000:.1f})"
            f"   of {len(times)}"
        )
    for executor in executors:
        executor.close(10)
    database.close()


def measured(
    loop: Loop, parts: Parts, ids: list[str], forgets: bool, until_rev: int
) -> list[tuple[str, list[float]]]:
    """Write, look up and query, one of each at a time, and give how long each waited."""
    core, chance = parts.runner.core, Random(f"{forgets}")
    took: dict[str, list[float]] = {"write": [], "find": [], "query": []}
    turns = 1000
    if forgets:
        loop.ahead_s += STEADY_S + 1
        core.clock.tick(STEADY_S + 60)
    busy: set[str] = set()
    next_tick, number = 0.0, 0

    def ask(name: str, start: Callable[[Callable[[Any], None]], None]) -> None:
        asked = time.perf_counter()

        def done(outcome: Any) -> None:
            busy.discard(name)
            assert not isinstance(outcome, Exception), outcome
            took[name].append(time.perf_counter() - asked)

        busy.add(name)
        start(done)

    while turns:
        # Go on for a while after the last was forgotten: then its room is given back.
        turns -= not forgets or core.feed.gaps_rev >= until_rev
        number += 1
        if "write" not in busy:
            task_id = f"new-{forgets}-{number}"
            ask("write", lambda done, one=task_id: core.writer.write(partial(run, one), done))
        if "find" not in busy:
            ask("find", lambda done: core.reader.load([chance.choice(ids)], done))
        if "query" not in busy:
            ask("query", lambda done: core.reader.query(_QUERY, None, 1 << 20, _always, done))
        core.writer.flush()
        if time.monotonic() >= next_tick:
            next_tick = time.monotonic() + 0.25
            core.clock.tick(1)
            core.writer.fold_some()
            parts.housekeeping.tick()
        loop.turn(time.monotonic() + _WAIT_EVERY_S)
    while busy:
        core.writer.flush()
        loop.turn(time.monotonic() + _WAIT_EVERY_S)
    return list(took.items())


def _always() -> bool:
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=24, help="runs an hour, in the years")
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--window", type=int, default=80_000, help="runs stored, for the waits")
    parser.add_argument("--due", type=int, default=25_000, help="and to be forgotten")
    parser.add_argument("--only", choices=("years", "waits"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="taskdash-years-") as directory:
        where = Path(directory)
        for name in ("years", "waits"):
            (where / name).mkdir()
        if given.only != "waits":
            years(where / "years", given.rate, given.days)
        if given.only != "years":
            waits(where / "waits", given.window, given.due)


main()
