"""What others notice while two large groups become one, with two hundred boards open.

Somebody finds tasks all the time, one after another; the daemon's event loop is looked at too.
"""

import argparse
import json
import select
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import servers
from pages import cookie, open_board

import taskdash
from taskdash_protocol.families.tasks import Register

GROUPS: Final = ("cut", "paint")
SHOWN: Final = 5


def furnish(dash: Any, people: int, tasks: int) -> None:
    """Make people, half of them of each group, and tasks of the group that goes, which wait."""
    for number in range(people):
        user = f"u{number}"
        dash.ask("SetPerson", user=user, name=user, groups=[GROUPS[number % 2]])
    made = (
        {
            "id": f"t{number}",
            "name": f"Task {number}",
            "status": "待领取",
            "group_id": GROUPS[0],
            "description": "x" * 120,
        }
        for number in range(tasks)
    )
    for outcome in dash.pipeline(map(Register.parse, made)):
        assert isinstance(outcome, dict), outcome


class Reader(threading.Thread):
    """Reads all that boards are told, as browsers do."""

    def __init__(self, boards: list[socket.socket]) -> None:
        super().__init__(daemon=True)
        self._boards = {board.fileno(): board for board in boards}
        self.bytes = 0

    def run(self) -> None:
        """Read for as long as the process lives."""
        poll = select.epoll()
        for fd in self._boards:
            poll.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll():
                self.bytes += len(self._boards[fd].recv(1 << 20))


class Finder(threading.Thread):
    """Finds a task again and again, and keeps when each answer came and how long it took."""

    def __init__(self, url: str, tasks: int) -> None:
        super().__init__(daemon=True)
        self._url, self._tasks = url, tasks
        self._is_over = False
        self.took: list[tuple[float, float]] = []

    def run(self) -> None:
        """Find until it is over."""
        with taskdash.connect(self._url) as dash:
            while not self._is_over:
                began = time.monotonic()
                dash.find(f"t{len(self.took) * 7919 % self._tasks}")
                now = time.monotonic()
                self.took.append((now, now - began))
                time.sleep(0.001)

    def close(self) -> None:
        """End."""
        self._is_over = True
        self.join()


@contextmanager
def house(people: int, tasks: int, boards: int, where: Path) -> Iterator[tuple[Any, Reader]]:
    """Start a daemon with open boards; gives its process and what reads them."""
    command = [sys.executable, str(servers.HERE / "stepped.py"), str(where / "steps.json")]
    with servers.running(
        where / "data", command=command, web="127.0.0.1:0", **servers.UNLIMITED
    ) as daemon:
        web = daemon.wait_for("the board is at")["address"]
        with taskdash.connect(daemon.url) as dash:
            furnish(dash, people, tasks)
        cookies = [cookie(web, f"u{number % people}") for number in range(min(boards, people))]
        opened = [open_board(web, cookies[number % len(cookies)]) for number in range(boards)]
        reader = Reader(opened)
        reader.start()
        time.sleep(2)
        yield daemon, reader


def said(name: str, took: list[float]) -> str:
    took = sorted(took)
    p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
    return (
        f"{name}: {len(took)} Finds, p50 {p50:.1f} ms, p99 {p99:.1f}, at most {took[-1] * 1e3:.1f}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    for name, default in (("boards", 200), ("people", 1_000), ("tasks", 10_000)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        with house(given.people, given.tasks, given.boards, where) as (daemon, reader):
            finder = Finder(daemon.url, given.tasks)
            finder.start()
            time.sleep(3)
            before, began = reader.bytes, time.monotonic()
            moved, times = 0, 0
            with taskdash.connect(f"{daemon.url}?timeout=60") as dash:
                more = True
                while more:
                    told = dash.ask("MergeGroups", **{"from": GROUPS[0], "into": GROUPS[1]})
                    moved, times, more = moved + told["tasks"], times + 1, told["more"]
            ended = time.monotonic()
            time.sleep(1)
            finder.close()
            told_bytes = reader.bytes - before
        steps = json.loads((where / "steps.json").read_text())
    print(
        f"{given.people} people, {moved} tasks, {given.boards} boards: {ended - began:.1f} s,"
        f" asked {times} times"
    )
    print(f"  boards were told {told_bytes / 1e6:.1f} MB")
    for name, first, last in (("before", began - 2, began), ("meanwhile", began, ended)):
        print(" ", said(name, [took for at, took in finder.took if first <= at <= last]))
        within = [one for one in steps if first <= one[1] <= last]
        within.sort(key=lambda one: one[3], reverse=True)
        for task, _, took, worked in within[:SHOWN]:
            print(
                f"    step of {worked * 1000:.1f} ms of processor,"
                f" {took * 1000:.1f} by the clock: {task}"
            )


main()
