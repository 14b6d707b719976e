"""Faults of the disk: refused writes leave nothing behind, reads go on, and writes come back."""

import contextlib
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from processes import Pulse, last_lines, taskdashd

from .conftest import Start
from .wire import BEAT, WiredDaemon

_BIG_BYTES = 8_000
_TIMEOUT_S = 0.8
_LASTS_S = 1.2


class Household:
    """A daemon's clients and tasks before a fault of the disk, and what must hold during it.

    `alive` beats on; `dead` is silent from the start of the fault.
    """

    def __init__(self, daemon: WiredDaemon) -> None:
        self.daemon = daemon
        self.alive = daemon.connect()
        # Beat in the background: a write may take long before it is refused.
        self.pulse = Pulse(self.alive).start()
        self.alive.good("Register", id="alive", name="n", heartbeat_timeout=_TIMEOUT_S)
        self.watcher = daemon.connect()
        self.watcher.good("Watch")
        self.refused: list[str] = []
        self.stored: list[str] = []
        self.writer = daemon.connect()
        self.store("before")

    def close(self) -> None:
        self.pulse.stop()
        for client in (self.alive, self.watcher, self.writer):
            client.close()

    def beat(self) -> None:
        for client in (self.watcher, self.writer):
            client.send(BEAT)

    def store(self, task_id: str, **fields: Any) -> int:
        answer = self.writer.call("Register", {"id": task_id, "name": "n", "status": "pending"})
        self._note(task_id, answer)
        return int(answer["errid"])

    def fill(self) -> None:
        """Write until the disk is so full that not even a small task fits."""
        refused_in_a_row = 0
        size = _BIG_BYTES
        for number in range(2_000):
            task_id = f"fill{number}"
            body = {"id": task_id, "name": "n", "status": "pending", "description": "x" * size}
            answer = self.writer.call("Register", body)
            self._note(task_id, answer)
            self.beat()
            refused_in_a_row = refused_in_a_row + 1 if answer["errid"] else 0
            if answer["errid"]:
                size //= 2
            if refused_in_a_row == 10:
                return
        pytest.fail("the disk did not become full")

    def _note(self, task_id: str, answer: dict[str, Any]) -> None:
        assert answer["errid"] in (0, 1001), answer
        if answer["errid"]:
            assert answer["detail"]
            assert answer["id"] == task_id
            self.refused.append(task_id)
        else:
            self.stored.append(task_id)

    def refuses_writes_serves_reads(self) -> None:
        """Writes get 1001 and leave nothing, not even for Find; stored tasks can be read."""
        self.store("refused-first")
        assert "refused-first" in self.refused
        before = self.writer.good("Find", id="before")
        update = self.writer.call("Update", {"id": "before", "status": "review"})
        assert update["errid"] == 1001, update
        assert self.writer.good("Find", id="before") == before
        for task_id in self.refused:
            assert self.writer.call("Find", {"id": task_id})["errid"] == 1002, task_id
            self.beat()
        for task_id in self.stored[-20:]:
            self.writer.good("Find", id=task_id)
            self.beat()

    def serves_queries(self) -> None:
        """A Query is a read: it is answered with all that is committed."""
        found = self.writer.call("Query", {"limit": 1000})
        assert found["errid"] == 0, found
        found = {task["id"] for task in found["tasks"]}
        assert not found & set(self.refused)

    def nobody_dies_while_it_lasts(self, seconds: float) -> None:
        """`alive` stays alive; `dead` is silent, but its shutdown cannot be stored yet."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.beat()
            with contextlib.suppress(TimeoutError):
                self.watcher.receive(0.2)
        told = [(body["kind"], body["task"]["id"]) for _, _, body in self.watcher.events]
        assert not {task_id for _, task_id in told} & set(self.refused), "a refused write was told"
        assert "shutdown" not in [kind for kind, _ in told]
        assert self.writer.good("Find", id="alive")["status"] == ""
        assert self.writer.good("Find", id="dead")["status"] == ""

    def heals(self) -> None:
        """Writes succeed again, and the shutdown that was due is written soon."""
        end = time.monotonic() + 5
        while self.store(f"healed{len(self.refused)}"):
            assert time.monotonic() < end, "writes are still refused after the fault is gone"
            self.beat()
        while True:
            self.beat()
            _, _, body = self.watcher.event(end + 3 - time.monotonic())
            if body["kind"] == "shutdown":
                break
        assert body["task"]["id"] == "dead"
        self.beat()
        assert self.writer.good("Find", id="alive")["status"] == ""

    def survives_restart(self, restart: Callable[[], WiredDaemon]) -> None:
        """After a restart every stored write is there, and none that was refused."""
        # `alive` beats until the end, and is looked at first: from the start it has one timeout.
        daemon = restart()
        self.close()
        with daemon.connect() as client:
            assert client.good("Find", id="alive")["status"] == ""
            for task_id in self.stored:
                client.good("Find", id=task_id)
            ghosts = [
                task_id
                for task_id in self.refused
                if client.call("Find", {"id": task_id})["errid"] != 1002
            ]
            assert ghosts == [], "writes that were refused with 1001 are there after a restart"
        daemon.no_traceback()


def _lose_one(house: Household) -> None:
    with house.daemon.connect() as dead:
        dead.good("Register", id="dead", name="n", heartbeat_timeout=_TIMEOUT_S)


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(5)
def test_full_disk(small_disk: Path, start: Start) -> None:
    """A full disk: 1001 and nothing kept; reads are served; space made, it all goes on."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (1 << 20))
    data = small_disk / "data"
    # Have no reserve: on the full disk nothing at all can be written.
    daemon = start(data, reserve=0)
    house = Household(daemon)
    _lose_one(house)
    house.fill()
    house.refuses_writes_serves_reads()
    house.nobody_dies_while_it_lasts(_LASTS_S)
    ballast.unlink()
    house.heals()
    daemon.no_traceback()

    def restart() -> WiredDaemon:
        assert daemon.stop() == 0
        return start(data, reserve=0)

    house.survives_restart(restart)


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(5)
def test_full_disk_queries(small_disk: Path, start: Start) -> None:
    """On a full disk a Query is served as any read is."""
    daemon = start(small_disk / "data")
    house = Household(daemon)
    try:
        house.fill()
        house.serves_queries()
    finally:
        house.close()


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(7)
@pytest.mark.soak
def test_file_size_limit(start: Start, tmp_path: Path) -> None:
    """RLIMIT_FSIZE: as a full disk, and SIGXFSZ kills nobody."""
    data = tmp_path / "data"
    daemon = start(data)
    house = Household(daemon)
    _lose_one(house)
    hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1 << 19, hard))
    house.fill()
    house.refuses_writes_serves_reads()
    house.nobody_dies_while_it_lasts(_LASTS_S)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
    house.heals()
    daemon.no_traceback()

    def restart() -> WiredDaemon:
        assert daemon.stop() == 0
        return start(data)

    house.survives_restart(restart)


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(4)
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("fdatasync,fsync:error=EIO", marks=pytest.mark.soak),
        pytest.param("pwrite64:error=EIO", marks=pytest.mark.soak),
        pytest.param("pwrite64:error=EROFS", marks=pytest.mark.soak),
        pytest.param("pwrite64:error=ENOSPC", marks=pytest.mark.soak),
    ],
)
def test_io_error(fault: str, start: Start, inject: Any, tmp_path: Path) -> None:
    """A disk that fails to write or sync: 1001, nothing kept, reads served; it heals."""
    data = tmp_path / "data"
    # With a reserve, only operators would be let write for a while after ENOSPC.
    daemon = start(data, reserve=0)
    house = Household(daemon)
    _lose_one(house)
    injection = inject(daemon, fault)
    house.refuses_writes_serves_reads()
    house.nobody_dies_while_it_lasts(_LASTS_S)
    assert injection.hits > 0
    injection.heal()
    house.heals()
    daemon.no_traceback()

    def restart() -> WiredDaemon:
        assert daemon.stop() == 0
        return start(data)

    house.survives_restart(restart)


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(4)
@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync,fsync:error=EIO",
        pytest.param("pwrite64:error=EIO", marks=pytest.mark.soak),
    ],
)
def test_io_error_then_killed(fault: str, start: Start, inject: Any, tmp_path: Path) -> None:
    """A write refused with 1001 is not kept, also when the daemon is killed right after."""
    data = tmp_path / "data"
    daemon = start(data)
    house = Household(daemon)
    injection = inject(daemon, fault)
    for number in range(3):
        assert house.store(f"refused{number}") == 1001
    injection.heal()

    def restart() -> WiredDaemon:
        daemon.kill()
        return start(data)

    house.survives_restart(restart)


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(4)
@pytest.mark.soak
def test_io_error_at_each_of_the_first_50_syncs(start: Start, inject: Any, tmp_path: Path) -> None:
    """EIO at the Nth sync or write, N = 1..50 each: an answer is true, also after a kill -9."""
    for call in ("fdatasync,fsync", "pwrite64"):
        for number in range(1, 51):
            data = tmp_path / f"{call[:2]}{number}"
            daemon = start(data)
            house = Household(daemon)
            injection = inject(daemon, f"{call}:error=EIO:when={number}")
            for write in range(60):
                house.store(f"n{write}")
            assert injection.hits == 1
            injection.heal()
            assert house.store("healed") == 0

            def restart(daemon: WiredDaemon = daemon, data: Path = data) -> WiredDaemon:
                daemon.kill()
                return start(data)

            house.survives_restart(restart)
            shutil.rmtree(data, ignore_errors=True)


def _refused_start(data: Path, *words: str) -> str:
    refused = taskdashd("run", "--listen", "127.0.0.1:0", "--data", data)
    said = [line for line in refused.stderr.splitlines() if line.startswith("taskdashd:")]
    assert refused.returncode > 0
    assert "Traceback" not in refused.stderr
    assert len(said) == 1, last_lines(refused.stderr)
    for word in words:
        assert word in said[0], said[0]
    return said[0]


def _close(database: apsw.Connection) -> None:
    database.close()


@pytest.mark.fault(11)
def test_second_daemon_on_the_same_data(start: Start, tmp_path: Path) -> None:
    """A second daemon on the same data says who holds it, and leaves; the first goes on."""
    data = tmp_path / "data"
    daemon = start(data)
    with daemon.connect() as client:
        client.good("Register", id="a", name="n")
        _refused_start(data, "another taskdashd", str(daemon.pid), str(data))
        client.good("Update", id="a", status="running")
    daemon.kill()
    # A lock whose holder was killed holds nobody up.
    with start(data).connect() as client:
        client.good("Find", id="a")


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(13)
def test_newer_schema(start: Start, tmp_path: Path) -> None:
    """Data of a newer version is refused, with what to do, and left as it was."""
    data = tmp_path / "data"
    daemon = start(data)
    with daemon.connect() as client:
        client.good("Register", id="a", name="n")
    assert daemon.stop() == 0
    database = apsw.Connection(str(data / "taskdash.db"))
    columns = [row[1] for row in database.execute("PRAGMA table_info(schema_migration)")]
    copied = ", ".join(
        "'9999_from_the_future'" if name == "name" else f"max({name}) + 1" if name == "id" else name
        for name in columns
    )
    database.execute(f"INSERT INTO schema_migration SELECT {copied} FROM schema_migration")
    _close(database)
    content = (data / "taskdash.db").read_bytes()
    _refused_start(data, "newer", "9999_from_the_future")
    assert (data / "taskdash.db").read_bytes() == content


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.parametrize("content", [b"this is no database, " * 500, b"SQLite format 3\0" * 300])
def test_a_file_that_is_no_database(content: bytes, tmp_path: Path) -> None:
    """A data file that is no database is refused by name, and left as it was."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "taskdash.db").write_bytes(content)
    _refused_start(data, "taskdash.db")
    assert (data / "taskdash.db").read_bytes() == content


@pytest.mark.sqlite("the disk under the file")
def test_another_programs_database(tmp_path: Path) -> None:
    """A SQLite file with tables of somebody else's is refused, or its tables stay untouched."""
    data = tmp_path / "data"
    data.mkdir()
    database = apsw.Connection(str(data / "taskdash.db"))
    database.execute("CREATE TABLE task (id, mine); INSERT INTO task VALUES (1, 2)")
    _close(database)
    _refused_start(data, "taskdash.db")
    database = apsw.Connection(str(data / "taskdash.db"))
    assert database.execute("SELECT * FROM task").fetchall() == [(1, 2)]
    _close(database)


@pytest.mark.sqlite("the disk under the file")
def test_data_that_is_a_file(tmp_path: Path) -> None:
    """A data directory that is a file is refused by name."""
    data = tmp_path / "data"
    data.write_text("a file")
    _refused_start(data, str(data))


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(6)
@pytest.mark.parametrize("used", [False, True])
def test_read_only_directory(used: bool, small_disk: Path, start: Start) -> None:
    """A read-only file system: a clear message and an exit code other than 0."""
    data = small_disk / "data"
    if used:
        daemon = start(data)
        with daemon.connect() as client:
            client.good("Register", id="a", name="n")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    _refused_start(data, str(data))


@pytest.mark.sqlite("the disk under the file")
@pytest.mark.fault(5)
def test_start_on_a_full_disk(small_disk: Path) -> None:
    """A full disk at the start: a clear message and an exit code other than 0."""
    (small_disk / "ballast").write_bytes(b"\0" * ((2 << 20) - 4096))
    _refused_start(small_disk / "data", str(small_disk / "data"))
