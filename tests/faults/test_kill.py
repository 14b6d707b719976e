"""`kill -9` under writes: every acknowledged write is there afterwards."""

import select
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from .conftest import Start
from .wire import Client, Frames, WiredDaemon, request

_CONNECTIONS = 4
_WINDOW = 64
_IDS = 40


@dataclass
class Entry:
    """The values that a task may have: the last acknowledged one, or any sent after it."""

    acked: int = 0
    sent: list[int] = field(default_factory=list)

    def allows(self, value: int) -> bool:
        return value == self.acked or value in self.sent


class Writer:
    """Pipelines writes of its own ids on one connection, and keeps the ledger."""

    def __init__(self, number: int, ledger: dict[str, Entry]) -> None:
        self.number = number
        self.ledger = ledger
        self.client: Client | None = None
        self.in_flight: list[tuple[str, int]] = []
        self.frames = Frames()
        self.out = b""
        self.value = 0
        self.acks = 0

    def connect(self, daemon: WiredDaemon) -> None:
        self.client = daemon.connect()
        self.client.sock.setblocking(False)
        self.in_flight = []
        self.frames = Frames()
        self.out = b""

    def fill(self) -> None:
        while len(self.in_flight) < _WINDOW:
            self.value += 1
            task_id = f"w{self.number}-{self.value % _IDS}"
            entry = self.ledger.setdefault(task_id, Entry())
            body = {"id": task_id, "description": f"{self.value}", "status": "running"}
            if entry.acked and self.value % 3:
                self.out += request("Update", body)
            else:
                self.out += request("Register", {**body, "name": "n"})
            entry.sent.append(self.value)
            self.in_flight.append((task_id, self.value))
        assert self.client is not None
        try:
            sent = self.client.sock.send(self.out)
        except BlockingIOError:
            return
        self.out = self.out[sent:]

    def read(self) -> None:
        assert self.client is not None
        data = self.client.sock.recv(1 << 16)
        if not data:
            raise ConnectionError("closed")
        for _, _, body in self.frames.feed(data):
            task_id, value = self.in_flight.pop(0)
            assert body["errid"] == 0, body
            assert body["id"] == task_id
            entry = self.ledger[task_id]
            entry.acked = value
            entry.sent = [other for other in entry.sent if other > value]
            self.acks += 1


def _load_until_killed(daemon: WiredDaemon, writers: list[Writer], acks_min: int) -> None:
    for writer in writers:
        writer.connect(daemon)
    by_fd = {writer.client.sock.fileno(): writer for writer in writers if writer.client}
    poll = select.poll()
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    wanted = sum(writer.acks for writer in writers) + acks_min
    end = time.monotonic() + 20
    while sum(writer.acks for writer in writers) < wanted:
        assert time.monotonic() < end, "writes are not acknowledged"
        for writer in writers:
            writer.fill()
        for fd, _ in poll.poll(1000):
            by_fd[fd].read()
    for writer in writers:
        writer.fill()
    daemon.kill()
    # Replies sent before the kill acknowledge their writes, read by then or not: read the rest.
    for writer in writers:
        try:
            while True:
                writer.read()
        except (BlockingIOError, ConnectionError):
            pass
        finally:
            assert writer.client is not None
            writer.client.close()


def _verify(daemon: WiredDaemon, ledger: dict[str, Entry], rev_before: int) -> int:
    with daemon.connect() as client:
        found: dict[str, int] = {}
        revs: list[int] = []
        after = None
        while True:
            page = client.good("Query", limit=1000, **({"after": after} if after else {}))
            for task in page["tasks"]:
                found[task["id"]] = int(task["description"])
                revs.append(task["rev"])
            if (after := page["next"]) is None:
                break
        assert len(revs) == len(set(revs))
        for task_id, entry in ledger.items():
            if task_id not in found:
                assert entry.acked == 0, f"{task_id}: acknowledged {entry.acked}, and is gone"
                continue
            assert entry.allows(found[task_id]), f"{task_id}: {found[task_id]}, not {entry}"
            answer = client.good("Find", id=task_id)
            assert int(answer["description"]) == found[task_id]
            # The stored value is known now: writes in flight became it, or are lost for good.
            entry.acked, entry.sent = found[task_id], []
        assert max(revs) > rev_before, "rev did not grow"
        return max(revs)


def _rounds(start: Start, data: Path, rounds: int) -> None:
    ledger: dict[str, Entry] = {}
    writers = [Writer(number, ledger) for number in range(_CONNECTIONS)]
    daemon = start(data)
    rev = 0
    for number in range(rounds):
        _load_until_killed(daemon, writers, 300 + 211 * (number % 7))
        daemon = start(data)
        rev = _verify(daemon, ledger, rev)
        daemon.no_traceback()
        with closing(apsw.Connection(str(data / "taskdash.db"))) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert daemon.stop() == 0
    acked = sum(writer.acks for writer in writers)
    print(f"\n{rounds} rounds of kill -9, {acked} acknowledged writes, all present, rev {rev}")


@pytest.mark.fault(1)
def test_acknowledged_writes_survive_kill_9(start: Start, tmp_path: Path) -> None:
    """Three deaths under load: each acknowledged write is there, rev grows, the file is sound."""
    _rounds(start, tmp_path / "data", 3)


@pytest.mark.fault(1)
@pytest.mark.soak
def test_acknowledged_writes_survive_50_times_kill_9(start: Start, tmp_path: Path) -> None:
    """Fifty deaths under load on one data directory, as above."""
    _rounds(start, tmp_path / "data", 50)
