"""What writers were told of each write, and what the log of a PostgreSQL has of it."""

import threading
import time
from collections.abc import Iterator, Sized
from contextlib import suppress
from itertools import count
from typing import Any, Self

import psycopg

from .wire import Client, Gone, WiredDaemon, request

_WINDOW = 16
_RECONNECTS_S = 0.05


class Ledger:
    """The ids of writes, by what was answered; each writer's in the order of its answers."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.refused: set[str] = set()
        self.unanswered: set[str] = set()

    def note(self, task_id: str, answer: dict[str, Any] | None) -> None:
        if answer is None:
            self.unanswered.add(task_id)
        elif answer["errid"] == 0:
            self.stored.append(task_id)
        else:
            assert answer["errid"] == 1001, answer
            self.refused.add(task_id)

    def check(self, server: "psycopg.Connection[Any]") -> list[str]:
        """Compare with the log: what was answered is true. Gives the ids of the log, in order."""
        rows = server.execute("SELECT rev, task_id FROM change ORDER BY rev").fetchall()
        log = {task_id: rev for rev, task_id in rows}
        assert len(log) == len(rows), "a write is there twice"
        lost = [one for one in self.stored if one not in log]
        assert not lost, f"answered 0, and not there: {lost[:5]}"
        for name in {one.partition("-")[0] for one in self.stored}:
            revs = [log[one] for one in self.stored if one.partition("-")[0] == name]
            assert revs == sorted(revs), "answered in another order than stored"
        ghosts = self.refused & set(log)
        assert not ghosts, f"answered 1001, and there: {sorted(ghosts)[:5]}"
        (rev,) = server.execute("SELECT rev FROM state").fetchone() or (None,)
        assert not rows or rev >= rows[-1][0], "a rev may be used again"
        return list(log)


def ids_of(server: "psycopg.Connection[Any]", name: str) -> list[str]:
    """Give the ids in the log that a name begins, in order."""
    log = server.execute(
        "SELECT task_id FROM change WHERE task_id LIKE %s ORDER BY rev", (f"{name}%",)
    )
    return [task_id for (task_id,) in log]


class Writers:
    """Writers that pipeline new tasks, each on a connection of its own, until they are stopped."""

    def __init__(self, daemon: WiredDaemon, name: str, many: int = 4) -> None:
        self.ledger = Ledger()
        self._daemon = daemon
        self._over = threading.Event()
        self._lock = threading.Condition()
        self.faults: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(f"{name}{number}",)) for number in range(many)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "a write has no end"

    def wait_stored(self, more: int) -> None:
        """Wait until so many more writes were answered 0."""
        self._wait(self.ledger.stored, more)

    def wait_refused(self) -> None:
        """Wait until one more write was answered 1001."""
        self._wait(self.ledger.refused, 1)

    def _wait(self, answered: Sized, more: int, timeout_s: float = 40.0) -> None:
        with self._lock:
            wanted = len(answered) + more
            done = self._lock.wait_for(lambda: len(answered) >= wanted or self.faults, timeout_s)
        assert not self.faults, self.faults
        assert done, f"only {len(answered)} of {wanted} in {timeout_s} s"

    def _run(self, name: str) -> None:
        ids = (f"{name}-{number}" for number in count())
        try:
            while not self._over.is_set():
                with suppress(ConnectionRefusedError, ConnectionResetError):
                    self._write(ids)
                self._over.wait(_RECONNECTS_S)
        except BaseException as error:
            with self._lock:
                self.faults.append(error)
                self._lock.notify_all()

    def _write(self, ids: Iterator[str]) -> None:
        waiting: list[str] = []
        with self._daemon.connect() as client:
            try:
                while not self._over.is_set() or waiting:
                    while len(waiting) < _WINDOW and not self._over.is_set():
                        waiting.append(task_id := next(ids))
                        body = {"id": task_id, "name": "n", "status": "pending"}
                        client.send(request("Register", body))
                    self._note(waiting.pop(0), client.reply())
            except (Gone, ConnectionError):
                for task_id in waiting:
                    self._note(task_id, None)

    def _note(self, task_id: str, answer: dict[str, Any] | None) -> None:
        with self._lock:
            self.ledger.note(task_id, answer)
            self._lock.notify_all()


def register(client: Client, task_id: str, **fields: Any) -> dict[str, Any] | None:
    """Write a new task; None where no answer comes, since the connection ends."""
    try:
        return client.call("Register", {"id": task_id, "name": "n", "status": "pending", **fields})
    except (Gone, ConnectionError):
        return None


def until_written(daemon: WiredDaemon, ledger: Ledger, name: str) -> None:
    """Write, on a new connection where one has ended, until one is stored."""
    end = time.monotonic() + 30
    for number in range(10_000):
        with daemon.connect() as client:
            answer = register(client, f"{name}-{number}")
            ledger.note(f"{name}-{number}", answer)
        if answer is not None and answer["errid"] == 0:
            return
        assert time.monotonic() < end, "nothing is stored any more"
