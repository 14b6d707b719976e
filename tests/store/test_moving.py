"""A store moved to PostgreSQL and back: all of it, compared, and watchers notice nothing."""

import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import apsw
import postgres
import psycopg
import pytest
from processes import taskdashd

import taskdash
from taskdash.testing import running_daemon
from taskdash_protocol.families.tasks import Register
from taskdashd.store import backup, moving
from taskdashd.store.backup import BackupError, StoreUnusable
from taskdashd.store.database import Database
from taskdashd.store.dialect.carrying import TABLES
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME, MOVING_NAME
from taskdashd.testing import World

pytestmark = pytest.mark.sqlite("what has both engines by itself")


@pytest.fixture
def store(cluster: postgres.Cluster) -> str:
    """An empty database."""
    return cluster.create()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with some history, what databases hate in it, and no daemon on it."""
    world = World(tmp_path / "data")
    peer = world.connect()
    for number in range(40):
        peer.ask("Register", id=f"t{number}", name="n", status="finish", labels=["a"])
    odd = {"id": "爸'\"\\%s :x ?", "name": "名" * 900, "status": "待领取", "mine": "\0\\u0000"}
    odd["labels"] = ["a\0b", "\\u0000"]
    assert peer.ask("Register", **odd)["errid"] == 0
    assert peer.ask("Update", id="t7", mine="\0 % \\u0000 :x")["errid"] == 0
    assert peer.ask("SetPerson", user="ann", name="Ann")["errid"] == 0
    world.core.acts.note("signed in", "ann", "%s ? :x")
    world.core.writer.note(world.core.acts.take())
    peer.ask("Query")
    world.close()
    return world.directory


def quiet(_done: int, _of: int) -> None:
    """Show no progress."""


def rows_of_file(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(apsw.Connection(str(path / DATABASE_NAME))) as database:
        return {table.name: list(database.execute(table.select)) for table in TABLES}


def rows_of_store(store: str) -> dict[str, list[tuple[Any, ...]]]:
    with psycopg.connect(store, options="-c search_path=taskdash") as database:
        return {table.name: database.execute(table.select).fetchall() for table in TABLES}


def scalar(store: str, statement: str) -> Any:
    with psycopg.connect(store, options="-c search_path=taskdash", autocommit=True) as database:
        (value,) = database.execute(statement).fetchone() or (None,)
        return value


def test_every_row_comes_over_and_back(data: Path, store: str, tmp_path: Path) -> None:
    """Revs, kinds, checksums, acts with their ids, records; and the same again in a new file."""
    before, told = rows_of_file(data), []
    done = moving.to_store(data, store, lambda *some: told.append(some))
    assert (done.rev, done.tasks, done.aside) == (43, 41, None)
    assert told[-1] == (2 * sum(map(len, before.values())),) * 2
    there = rows_of_store(store)
    act = there["act"].pop()
    assert (act[3], act[5]) == ("moved", f"from {data / DATABASE_NAME}")
    assert there == before == rows_of_file(data)
    assert backup.check(data, store) == []
    back = moving.to_directory(store, tmp_path / "back", quiet)
    assert (back.rev, back.tasks, back.aside) == (42, 41, None)
    again = rows_of_file(tmp_path / "back")
    assert [one[3] for one in again["act"][-2:]] == ["moved", "moved"]
    again["act"] = again["act"][:-2]
    assert again == before
    assert backup.check(tmp_path / "back") == []


def test_old_rows_get_the_kind_that_the_table_of_tasks_has(data: Path, store: str) -> None:
    """The fold is left behind, and whose a task is would be lost with it."""
    with closing(apsw.Connection(str(data / DATABASE_NAME))) as database:
        database.execute("UPDATE change SET task_kind = NULL")
        database.execute("UPDATE task SET kind = 1 WHERE id = 't3'")
    moving.to_store(data, store, quiet)
    assert scalar(store, "SELECT task_kind FROM change WHERE task_id = 't3'") == 1
    with closing(Database.open(data, store=store)) as opened:
        opened.start()
    assert scalar(store, "SELECT kind FROM task WHERE id = 't3'") == 1
    assert backup.check(data, store) == []


def test_what_is_there_is_never_overwritten(data: Path, store: str, tmp_path: Path) -> None:
    moving.to_store(data, store, quiet)
    with pytest.raises(BackupError, match="holds a database already: --force moves it aside"):
        moving.to_store(data, store, quiet)
    with pytest.raises(BackupError, match="holds a database already: --force moves it aside"):
        moving.to_directory(store, data, quiet)
    old = scalar(store, "SELECT term FROM state"), scalar(store, "SELECT boot FROM state")
    aside = moving.to_store(data, store, quiet, force=True).aside
    assert scalar(store, f"SELECT count(*) FROM {aside}.change") == 42
    new = scalar(store, "SELECT term FROM state"), scalar(store, "SELECT boot FROM state")
    assert new[0] > old[0], "its daemon could go on"
    assert new[1] > old[1], "its daemon could take it for its own"
    moved = moving.to_directory(store, data, quiet, force=True).aside
    assert isinstance(moved, Path)
    assert (moved / DATABASE_NAME).exists()


@pytest.mark.parametrize("words", [("a", "b"), ("postgresql:///a", "postgresql:///b")])
def test_a_move_is_between_two_engines(words: tuple[str, str]) -> None:
    done = taskdashd("move", "--from", words[0], "--to", words[1])
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "name a directory and a postgresql://" in done.stderr


def test_no_password_is_taken_from_a_command_line(tmp_path: Path) -> None:
    done = taskdashd("move", "--from", tmp_path, "--to", "postgresql://u:secret@h/d")
    assert done.returncode == 2
    assert "must hold no password" in done.stderr
    assert "secret" not in done.stderr


def test_what_is_damaged_is_not_carried_on(data: Path, store: str) -> None:
    """A bit that flipped is found while it is moved, and the target is not taken for whole."""
    with closing(apsw.Connection(str(data / DATABASE_NAME))) as database:
        database.execute("UPDATE change SET task = replace(task, 'finish', 'finisx') WHERE rev = 9")
    with pytest.raises(BackupError, match="not all changes are as they were written"):
        moving.to_store(data, store, quiet)
    with pytest.raises(
        StoreUnusable, match=r"a move or a restore to .* was interrupted: then do it again"
    ):
        Database.open(data, store=store)


DIE = """
import os, signal, sys
from pathlib import Path
from taskdashd.store import moving
def say(done, of):
    os.kill(os.getpid(), signal.SIGKILL)
from taskdashd.store.dialect import carrying
carrying._TOLD_EVERY = 30
source, target = sys.argv[1:]
if source.startswith("postgresql"):
    moving.to_directory(source, Path(target), say)
else:
    moving.to_store(Path(source), target, say)
"""


def die(source: object, target: object) -> None:
    program = [sys.executable, "-c", DIE, str(source), str(target)]
    done = subprocess.run(program, check=False, timeout=60, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_crash_half_way_leaves_a_target_that_no_daemon_takes(
    data: Path, store: str, tmp_path: Path
) -> None:
    """Both ways: the source is as it was, and the same move done again succeeds."""
    before = rows_of_file(data)
    die(data, store)
    assert rows_of_file(data) == before
    with pytest.raises(
        StoreUnusable, match=r"a move or a restore to .* was interrupted: then do it again"
    ):
        Database.open(tmp_path / "other", store=store)
    with pytest.raises(BackupError, match="a move or a restore runs, or was interrupted"):
        backup.check(data, store)
    moving.to_store(data, store, quiet)
    before = rows_of_store(store)
    die(store, tmp_path / "back")
    assert rows_of_store(store) == before
    assert (tmp_path / "back" / MOVING_NAME).exists()
    with pytest.raises(StoreUnusable, match=r"a move to .* was interrupted: run taskdashd move"):
        Database.open(tmp_path / "back")
    moving.to_directory(store, tmp_path / "back", quiet)
    assert backup.check(tmp_path / "back") == []


def test_two_moves_to_one_database_do_not_mix(data: Path, store: str) -> None:
    """The second is told so while the first is under way."""
    refused: list[str] = []

    def say(_done: int, _of: int) -> None:
        if not refused:
            with pytest.raises(BackupError) as told:
                moving.to_store(other, store, quiet)
            refused.append(str(told.value))

    world = World(other := data.parent / "other")
    world.close()
    moving.to_store(data, store, say)
    assert "another move or restore to" in refused[0]
    assert backup.check(data, store) == []


def test_a_directory_in_use_is_not_moved(data: Path, store: str) -> None:
    world = World(data)
    done = taskdashd("move", "--from", data, "--to", store)
    world.close()
    assert done.returncode == 1
    assert "another taskdashd" in done.stderr


@pytest.mark.parametrize("tasks", [300, pytest.param(100_000, marks=pytest.mark.soak)])
def test_an_open_watch_goes_on_as_if_nothing_had_been(
    tasks: int, cluster: postgres.Cluster, tmp_path: Path
) -> None:
    """A daemon on a file, then one on PostgreSQL, then one on a file: each rev is told once."""
    store, back, port = cluster.create(), tmp_path / "back", postgres.free_port()
    told: list[int] = []
    last_rev = tasks + 15
    with ExitStack() as opened:
        for number, directory in enumerate((tmp_path / "data", tmp_path / "data", back)):
            chosen = {"store": store} if number == 1 else {}
            with running_daemon(directory, port=port, **chosen) as daemon:
                if number == 0:
                    register(daemon.url, "early", tasks)
                    watching = opened.enter_context(taskdash.connect(daemon.url))
                    events = opened.enter_context(watching.watch(since=tasks // 2))
                    args = (events, last_rev, told)
                    watcher = threading.Thread(target=take_until, args=args)
                    watcher.start()
                register(daemon.url, f"late{number}", 5)
                assert daemon.stop() == 0
            if number < 2:
                places = (directory, store) if number == 0 else (store, back)
                done = taskdashd("move", "--from", places[0], "--to", places[1])
                assert done.returncode == 0, done.stderr
                assert f"moved {tasks + 5 * number + 5} tasks" in done.stdout
        with running_daemon(back, port=port):
            watcher.join(60)
            assert not watcher.is_alive(), told[-3:]
    assert told == list(range(tasks // 2 + 1, last_rev + 1))


def test_a_daemon_on_what_is_moved_away_writes_nothing_more(store: str, tmp_path: Path) -> None:
    """All that it has acknowledged comes over; what comes later is refused."""
    with (
        running_daemon(tmp_path / "data", store=store) as daemon,
        taskdash.connect(daemon.url, timeout=5) as dash,
    ):
        dash.register("before", name="n", status="finish")
        moving.to_directory(store, tmp_path / "back", quiet)
        with pytest.raises(taskdash.TaskDashError):
            dash.register("after", name="n", status="finish")
    (change,) = rows_of_file(tmp_path / "back")["change"]
    assert change[5] == "before"
    assert rows_of_store(store)["change"] == [change]


def register(url: str, name: str, count: int) -> None:
    tasks = [{"id": f"{name}{number}", "name": "n", "status": "finish"} for number in range(count)]
    with taskdash.connect(url) as dash:
        assert all(done["errid"] == 0 for done in dash.pipeline(map(Register.parse, tasks)))


def take_until(events: Any, rev: int, told: list[int]) -> None:
    for event in events:
        told.append(event.rev)
        if event.rev >= rev:
            break
