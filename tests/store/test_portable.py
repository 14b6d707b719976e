"""Backups, restores and checks of a PostgreSQL, and what is known to have been acknowledged."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import postgres
import psycopg
import pytest
import trio
from processes import taskdashd

import taskdash
from taskdash.testing import running_daemon
from taskdash_protocol.families.people import SetPerson
from taskdashd.process import copier
from taskdashd.settings import files
from taskdashd.store import acknowledged, backup
from taskdashd.store.backup import BackupError, StoreUnusable
from taskdashd.store.database import Database
from taskdashd.store.dialect.postgres import checks
from taskdashd.testing import World

pytestmark = pytest.mark.sqlite("what has both engines by itself")


@pytest.fixture
def empty(cluster: postgres.Cluster) -> Callable[[], str]:
    """Makes an empty database, and another each time."""
    return cluster.create


@pytest.fixture
def store(empty: Callable[[], str], tmp_path: Path) -> str:
    """A database with some tasks and people, and no daemon on it."""
    store = empty()
    with running_daemon(tmp_path / "data", store=store) as daemon:
        with taskdash.connect(daemon.url) as dash:
            for number in range(20):
                dash.register(f"t{number}", name="n", status="finish", labels=["a"], text="中文字")
            dash.update("t3", description="again")
            assert next(dash.pipeline([SetPerson("ann", name="Ann")]))["errid"] == 0
            assert len(list(dash.query())) == 20
        assert daemon.stop() == 0
    return store


def run(store: str, statement: str) -> Any:
    with psycopg.connect(store, options="-c search_path=taskdash", autocommit=True) as database:
        done = database.execute(statement)
        return done.fetchall() if done.description else None


def tasks(data: Path, store: str = "") -> dict[str, str]:
    """Give every task as a new daemon tells it."""
    with running_daemon(data, **({"store": store} if store else {})) as daemon:
        with taskdash.connect(daemon.url) as dash:
            found = {task["id"]: json.dumps(task, sort_keys=True) for task in dash.query()}
        assert daemon.stop() == 0
    return found


def test_a_backup_is_the_file_that_a_pi_takes(
    store: str, empty: Callable[[], str], tmp_path: Path
) -> None:
    """A copy of a PostgreSQL is put back under a daemon on a file, and under another PostgreSQL."""
    data, copy = tmp_path / "data", tmp_path / "copy.db"
    done = taskdashd("backup", copy, "--data", data, "--store", store)
    assert done.returncode == 0, done.stderr
    assert f"backed up {copy}: 20 tasks, rev 21" in done.stdout
    assert copy.stat().st_mode & 0o077 == 0
    before = tasks(data, store)
    assert backup.restore(copy, tmp_path / "pi").copy.tasks == 20
    assert backup.check(tmp_path / "pi") == []
    assert tasks(tmp_path / "pi") == before
    assert backup.check(tmp_path / "pi") == []
    other = empty()
    done = taskdashd("restore", copy, "--data", tmp_path / "third", "--store", other)
    assert done.returncode == 0, done.stderr
    assert tasks(tmp_path / "third", other) == before


def test_a_restore_signs_everybody_out_and_keeps_what_was_there(store: str, tmp_path: Path) -> None:
    """Refused without --force; with it the schema is renamed, and changed accounts are named."""
    data, copy = tmp_path / "data", tmp_path / "copy.db"
    backup.write(data, copy, store)
    (data / files.COOKIE_KEY_NAME).write_bytes(b"k" * 32)
    with pytest.raises(BackupError, match="holds a database already: --force"):
        backup.restore(copy, data, store=store)
    assert (data / files.COOKIE_KEY_NAME).exists()
    run(store, "DELETE FROM record WHERE kind = 'person'")
    done = taskdashd("restore", copy, "--data", data, "--store", store, "--force")
    assert done.returncode == 0, done.stderr
    assert "has no account in what was replaced" in done.stdout
    assert not (data / files.COOKIE_KEY_NAME).exists()
    (aside,) = [word for word in done.stdout.split() if word.startswith("taskdash_replaced_")]
    assert run(store, f"SELECT count(*) FROM {aside.rstrip(';')}.change") == [(21,)]
    assert backup.check(data, store) == []
    assert len(tasks(data, store)) == 20, "it is another cluster, and no loss"


def test_the_daemon_makes_its_own(store: str, tmp_path: Path) -> None:
    """In a process of its own; nothing is copied where nothing has changed."""
    data, kept = tmp_path / "data", tmp_path / "kept"
    assert backup.up_to_date(data, kept, store) is None
    made = trio.run(copier.copy, data, kept, 3, store)
    assert (made.tasks, made.rev) == (20, 21)
    assert backup.up_to_date(data, kept, store) == made.path
    run(
        store,
        "INSERT INTO act (rev, at, kind, who, detail, count) VALUES (1, '2', 'b', 'c', '', 1)",
    )
    assert backup.up_to_date(data, kept, store) is None
    told = {"store": store, "backup_every": "1h", "backup_dir": kept}
    made.path.unlink()
    with running_daemon(data, **told) as daemon:
        assert daemon.wait_for("backed up")["tasks"] == 20
        assert daemon.stop() == 0


DAMAGES = {
    "1 changes are not as they were written": "UPDATE change SET crc = 5 WHERE rev = 4",
    "2 changes are not as they were written": "UPDATE change SET task = '{', crc = NULL"
    " WHERE rev IN (3, 4)",
    "1 records of people or services are not as they were written": (
        "UPDATE record SET value = '{}' WHERE kind = 'person'"
    ),
    "1 changes lead to one before them that is not there": "DELETE FROM change WHERE rev = 4",
    "the row about the database itself is missing": "DELETE FROM state",
    "1 tasks have no change in the log": 'INSERT INTO task (id, rev, status, "user", group_id,'
    " project_id) VALUES ('x', 4, '', '', '', '')",
}
MENDED = {
    "1 tasks are found by what they are not": "UPDATE task SET checker = 'x' WHERE id = 't3'",
    "2 tasks are found by what they are not": "UPDATE task SET state = 0 WHERE id IN ('t3', 't4')",
    "1 tasks are not found by their labels": "DELETE FROM task_label WHERE id = 't3'",
    "3 tasks are not found by their labels": "UPDATE task_label SET state = 0"
    " WHERE id IN ('t3', 't4', 't5')",
    "1 tasks are not found by their texts": "DELETE FROM task_text WHERE id = 't3'",
    "2 tasks are not found by their texts": "UPDATE task_text SET text = 'x'"
    " WHERE id IN ('t3', 't4')",
    "1 texts are not found by all that they hold": "UPDATE task_gram SET grams = '{abc}'"
    " WHERE id = 't3'",
    "1 tasks are not as the log says": "UPDATE task SET rev = 1 WHERE id = 't3'",
    "the task table is ahead of the log": "UPDATE state SET folded_rev = 99",
}


@pytest.mark.parametrize("what", DAMAGES)
def test_what_is_damaged_is_named(store: str, tmp_path: Path, what: str) -> None:
    run(store, DAMAGES[what])
    (fault,) = backup.check(tmp_path / "data", store)
    assert fault == (what, backup.RESTORE)
    done = taskdashd("check", "--repair", "--data", tmp_path / "data", "--store", store)
    assert done.returncode == 1
    assert f"fault: {what}\n  to do: {backup.RESTORE}" in done.stdout


def test_what_the_log_still_has_is_made_anew(store: str, tmp_path: Path) -> None:
    """Each fault of the tables that the log folds to, found and mended."""
    data = tmp_path / "data"
    for what, damage in MENDED.items():
        run(store, damage)
        assert what in [fault.what for fault in backup.check(data, store)], what
        assert {fault.cure for fault in backup.check(data, store)} == {backup.REBUILD}
        backup.repair(data, store)
        with closing(Database.open(data, store=store)) as database:
            database.start()
            database.index_texts(10_000)
        assert backup.check(data, store) == [], what
    run(store, MENDED["1 tasks are found by what they are not"])
    done = taskdashd("check", "--repair", "--data", data, "--store", store)
    assert (done.returncode, "mended: 1 tasks are found" in done.stdout) == (0, True)


def test_the_daemons_own_check_is_the_servers(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How rows belong together, within the deadline."""
    with closing(Database.open(tmp_path / "data", store=store)) as database:
        assert database.health(check=True).check == "ok"
        run(store, DAMAGES["1 changes lead to one before them that is not there"])
        told = database.health(check=True).check
        assert told == "1 changes lead to one before them that is not there"
    slow = ("SELECT 1 FROM pg_sleep(60)", "", "")
    monkeypatch.setattr(checks, "SHAPE", (slow,))
    with closing(Database.open(tmp_path / "data", store=store, query_timeout_s=0.1)) as database:
        assert database.health(check=True).check == "not finished within 0.1 s"


def test_a_database_that_is_not_there_is_said_so(empty: Callable[[], str], tmp_path: Path) -> None:
    nowhere = empty()
    for words in (("backup", tmp_path / "copy.db"), ("check",)):
        done = taskdashd(*words, "--data", tmp_path / "data", "--store", nowhere)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "there is no database of taskdashd at postgresql://" in done.stderr
        done = taskdashd(*words, "--data", tmp_path / "data", "--store", f"{nowhere}x")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "does not exist" in done.stderr
    assert not (tmp_path / "copy.db").exists()
    done = taskdashd("compact", "--data", tmp_path / "data", "--store", nowhere)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert "VACUUM" in done.stdout


WITHOUT_PSYCOPG = "import sys; sys.modules['psycopg'] = None; from taskdashd.__main__ import main"


@pytest.mark.parametrize("command", ["run", "check", "backup copy.db", "restore there.db"])
def test_what_is_not_installed_is_named(command: str, tmp_path: Path) -> None:
    """Only those who have a PostgreSQL need psycopg."""
    World(tmp_path / "data").close()
    backup.write(tmp_path / "data", tmp_path / "there.db")
    options = ["--data", "data", "--store", "postgresql://db/taskdash"]
    program = [sys.executable, "-c", f"{WITHOUT_PSYCOPG}; main()", *command.split(), *options]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.endswith(
        'psycopg for a PostgreSQL: pip install "taskdash[daemon,postgres]"\n'
    )


def test_what_was_acknowledged_and_is_gone_is_told(store: str, tmp_path: Path) -> None:
    """A replica that lacked the last commits: nothing starts by itself, and no rev comes twice."""
    data = tmp_path / "data"
    with running_daemon(data, store=store) as daemon:
        with taskdash.connect(daemon.url) as dash:
            dash.register("lost", name="n", status="finish")
        wait_until(lambda: (data / acknowledged.NAME).read_text().split()[1].endswith("023"))
        assert daemon.stop() == 0
    run(store, "DELETE FROM task WHERE id = 'lost'")
    run(store, "DELETE FROM change WHERE rev = 23")
    run(store, "UPDATE state SET rev = 22, folded_rev = 22, text_rev = least(text_rev, 22)")
    with pytest.raises(StoreUnusable, match=r"ends at rev 22, and about rev 23 was acknowledged"):
        Database.open(data, store=store)
    done = taskdashd("run", "--data", data, "--store", store, "--listen", "127.0.0.1:0")
    assert (done.returncode, "`taskdashd run --accept-loss`" in done.stderr) == (1, True)
    with closing(Database.open(data, store=store, accept_loss=True)) as database:
        opened = database.start()
        assert (opened.last_rev, opened.gaps_rev) == (23 + (1 << 20) - 1,) * 2
    assert Database.open(data, store=store).close() is None, "it was accepted once"
    with running_daemon(data, store=store) as daemon, taskdash.connect(daemon.url) as dash:
        dash.register("next", name="n", status="finish")
        assert dash.find("next")["rev"] == 23 + (1 << 20)
        for since in (22, 23, 24, 1 << 20):
            with pytest.raises(taskdash.Conflict, match="no longer held"):
                dash.watch(since=since)
        dash.watch(since=22 + (1 << 20)).close()
    assert backup.check(data, store) == []


def test_of_several_hosts_the_one_that_can_be_written_to_is_taken(
    cluster: postgres.Cluster, empty: Callable[[], str], tmp_path: Path
) -> None:
    """Also by the migrations; and either way to begin an address is understood."""
    name = empty().rpartition("/")[2]
    standing_by = postgres.Cluster(default_transaction_read_only="on")
    try:
        for scheme in ("postgres", "postgresql"):
            hosts = f"127.0.0.1:{standing_by.port},127.0.0.1:{cluster.port}"
            store = f"{scheme}://{postgres.USER}@{hosts}/{name}"
            with closing(Database.open(tmp_path / "data", store=store)) as database:
                assert database.start().boot > 0
            assert backup.check(tmp_path / "data", store) == []
    finally:
        standing_by.remove()


def test_a_directory_belongs_to_one_database(
    store: str, empty: Callable[[], str], tmp_path: Path
) -> None:
    """Another one is refused before it is touched: a daemon on it goes on."""
    data, other = tmp_path / "data", empty()
    with running_daemon(tmp_path / "other", store=other) as daemon:
        with pytest.raises(StoreUnusable, match="two clusters"):
            Database.open(data, store=other)
        with taskdash.connect(daemon.url) as dash:
            dash.register("t", name="n", status="finish")
            assert dash.find("t")["rev"] == 1
    acknowledged.forget(data)
    Database.open(data, store=other).close()


@pytest.mark.parametrize("text", [b"x", b"0123456789abcdef 00000000000000000x23\n", b"\xff" * 38])
def test_a_damaged_note_is_not_taken_for_none(store: str, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "data" / acknowledged.NAME).write_bytes(text)
    with pytest.raises(StoreUnusable, match="is damaged: what was acknowledged is not known"):
        Database.open(tmp_path / "data", store=store)
    (tmp_path / "data" / acknowledged.NAME).write_bytes(bytes(38))
    Database.open(tmp_path / "data", store=store).close()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
