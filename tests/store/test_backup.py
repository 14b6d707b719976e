"""Backups: consistent, verified, put back; and what `check` finds and mends."""

import json
import threading
from pathlib import Path

import apsw
import pytest
from processes import taskdashd

import taskdash
from taskdash.testing import running_daemon
from taskdashd.store import backup
from taskdashd.store.backup import BackupError
from taskdashd.store.database import DATABASE_NAME, RESTORING_NAME
from taskdashd.store.lock import StoreUnusable
from taskdashd.testing import World


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with some history, and no daemon on it."""
    directory = tmp_path / "data"
    world = World(directory)
    peer = world.connect()
    for number in range(50):
        peer.ask("Register", id=f"t{number}", name="n", status="finish", user=f"u{number % 3}")
    peer.ask("Update", id="t7", description="changed")
    peer.ask("Query")
    world.close()
    return directory


def tasks(data: Path) -> dict[str, str]:
    """Give every task as a new daemon on this data tells it."""
    world = World(data)
    found = world.connect().ask("Query", limit=1000)["tasks"]
    world.close()
    return {task["id"]: json.dumps(task, sort_keys=True) for task in found}


@pytest.mark.fault(41)
def test_a_copy_put_back_is_the_same(data: Path, tmp_path: Path) -> None:
    """A copy is put back in another directory, and in its own over later changes."""
    copy = backup.write(data, tmp_path / "copy.db")
    assert (copy.rev, copy.tasks) == (51, 50)
    assert copy.path.stat().st_mode & 0o077 == 0
    before = tasks(data)
    restored, aside = backup.restore(copy.path, tmp_path / "other")
    assert (restored.rev, aside) == (51, None)
    assert tasks(tmp_path / "other") == before
    world = World(data)
    world.connect().ask("Register", id="later", name="n", status="finish")
    world.close()
    with pytest.raises(BackupError, match="holds a database already: --force"):
        backup.restore(copy.path, data)
    assert "later" in tasks(data)
    _, aside = backup.restore(copy.path, data, force=True)
    assert tasks(data) == before
    assert aside is not None
    assert "later" in tasks(aside)


@pytest.mark.fault(41)
def test_a_copy_made_under_load_is_of_one_moment(tmp_path: Path) -> None:
    """A copy holds everything up to its rev and nothing after; the daemon is not held up."""
    with running_daemon(tmp_path / "data") as daemon:
        stop = threading.Event()
        written: list[int] = []

        def write() -> None:
            with taskdash.connect(daemon.url) as dash:
                while not stop.is_set():
                    # Each task is written three times, each time with the number of the write.
                    name = f"n{len(written)}"
                    dash.register(f"t{len(written) // 3}", name=name, status="finish")
                    written.append(len(written))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            copies = [backup.write(tmp_path / "data", tmp_path / f"{n}.db") for n in range(5)]
            while len(written) < copies[-1].rev + 5:
                assert writer.is_alive()
        finally:
            stop.set()
            writer.join()
        daemon.stop()
    assert [copy.rev for copy in copies] == sorted(copy.rev for copy in copies)
    for copy in copies:
        # Each write is a rev: the copy of rev N holds what the first N made, and nothing later.
        assert copy.tasks == (copy.rev + 2) // 3
        backup.restore(copy.path, tmp_path / f"restored-{copy.path.stem}")
        restored = tasks(tmp_path / f"restored-{copy.path.stem}")
        for text in restored.values():
            task = json.loads(text)
            last = min(int(task["id"][1:]) * 3 + 2, copy.rev - 1)
            assert (task["name"], task["rev"]) == (f"n{last}", last + 1)


def test_a_daemon_keeps_so_many_backups_of_its_own(tmp_path: Path) -> None:
    """`backup_every`, `backup_keep`, and `restore --newest` afterwards."""
    data = tmp_path / "data"
    with running_daemon(data, backup_every="1s", backup_keep=2) as daemon:
        daemon.wait_for("backed up", count=4)
        refused = taskdashd("restore", "--newest", "--force", "--data", data)
        assert refused.returncode == 1
        assert "another taskdashd" in refused.stderr
        assert daemon.stop() == 0
    assert len(backup.kept(data / "backups")) == 2
    newest = backup.kept(data / "backups")[-1]
    newest.write_bytes(newest.read_bytes()[:5000])
    assert backup.newest_good(data / "backups").path == backup.kept(data / "backups")[0]
    done = taskdashd("restore", "--newest", "--force", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "restored" in done.stdout
    assert "what was there is in" in done.stdout


def test_a_backup_that_fails_is_logged_and_tried_again(tmp_path: Path) -> None:
    """A file stands where the directory of backups should be."""
    (tmp_path / "in-the-way").write_text("")
    with running_daemon(
        tmp_path / "data",
        backup_every="1s",
        backup_dir=tmp_path / "in-the-way",
    ) as daemon:
        daemon.wait_for("the backup failed")
        (tmp_path / "in-the-way").unlink()
        daemon.wait_for("backed up")


def test_a_file_is_never_overwritten(data: Path, tmp_path: Path) -> None:
    """`backup` overwrites no file, and leaves nothing behind where it fails."""
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(BackupError, match="exists already"):
        backup.write(data, tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "precious"
    with pytest.raises(BackupError, match="no database at"):
        backup.write(tmp_path / "nowhere", tmp_path / "copy.db")
    with pytest.raises(BackupError, match="cannot back up"):
        backup.write(data, tmp_path / "no" / "such" / "directory.db")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "mine"}


def test_a_damaged_copy_is_not_restored(data: Path, tmp_path: Path) -> None:
    """A copy that is cut, or has pages overwritten, is refused; the database there stays."""
    good = backup.write(data, tmp_path / "copy.db").path.read_bytes()
    before = tasks(data)
    bad = tmp_path / "bad.db"
    for content in (
        b"",
        b"no database at all",
        good[: len(good) // 2],
        good[:4096] + b"\x55" * 4096 + good[8192:],
        good[:-4096] + b"\xff" * 4096,
    ):
        bad.write_bytes(content)
        with pytest.raises(BackupError):
            backup.restore(bad, data, force=True)
    assert tasks(data) == before


def edit(data: Path, *statements: str) -> None:
    # By the daemon's SQLite: the interpreter's may be too old for the index of texts.
    database = apsw.Connection(str(data / DATABASE_NAME))
    with database:
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    ("statement", "what", "mends"),
    [
        ("DELETE FROM task WHERE id = 't3'", "1 tasks are not as the log says", True),
        ("UPDATE task SET rev = 1 WHERE id = 't3'", "1 tasks are not as the log says", True),
        ("UPDATE task SET group_id = 'x' WHERE id = 't3'", "found by what they are not", True),
        ("DELETE FROM change WHERE task_id = 't3'", "1 tasks have no change in the log", False),
        ("DELETE FROM schema_migration", "which schema it has", False),
        ("UPDATE state SET folded_rev = 1000", "ahead of the log", True),
        ("UPDATE change SET task = '{' WHERE rev = 5", "1 changes hold no JSON", False),
        ("DELETE FROM change WHERE rev = 8", "lead to one before them", False),
        ("DELETE FROM state", "the row about the file", False),
        ("DROP TABLE task", "not a database of taskdashd", False),
        (
            "UPDATE schema_migration SET name = '9999_future' WHERE name LIKE '0001%'",
            "newer taskdashd (schema 9999_future)",
            False,
        ),
    ],
)
def test_check_finds_it_and_says_what_to_do(
    data: Path, statement: str, what: str, mends: bool
) -> None:
    """--repair mends what can be made again from the log, and nothing else."""
    before = tasks(data)
    assert taskdashd("check", "--data", data).stdout.endswith(": no fault found\n")
    edit(data, statement)
    told = taskdashd("check", "--data", data)
    assert told.returncode == 1
    assert what in told.stdout
    assert "to do: " in told.stdout
    repaired = taskdashd("check", "--repair", "--data", data)
    assert (repaired.returncode == 0) == mends, repaired.stdout + repaired.stderr
    if mends:
        assert tasks(data) == before
        assert taskdashd("check", "--data", data).returncode == 0


@pytest.mark.fault(41)
def test_what_is_in_the_wal_is_restored_too(data: Path, tmp_path: Path) -> None:
    """A database whose daemon was killed is a file and its WAL."""
    world = World(data)
    world.connect().ask("Register", id="in-the-wal", name="n", status="finish")
    killed = tmp_path / "killed"
    killed.mkdir()
    for path in data.glob(f"{DATABASE_NAME}*"):
        (killed / path.name).write_bytes(path.read_bytes())
    world.close()
    assert (killed / f"{DATABASE_NAME}-wal").stat().st_size
    backup.restore(killed / DATABASE_NAME, tmp_path / "restored")
    assert "in-the-wal" in tasks(tmp_path / "restored")


def test_a_restore_that_was_interrupted_is_not_taken_for_an_empty_database(data: Path) -> None:
    """The old database is moved aside, and the new one not yet in its place."""
    (data / DATABASE_NAME).rename(data / RESTORING_NAME)
    with pytest.raises(StoreUnusable, match="restore again"):
        World(data)
    (data / RESTORING_NAME).rename(data.parent / "copy.db")
    backup.restore(data.parent / "copy.db", data)
    assert len(tasks(data)) == 50


def test_when_the_next_backup_is_due(data: Path, tmp_path: Path) -> None:
    """The names of the daemon's copies tell; other files are neither counted nor removed."""
    directory = tmp_path / "backups"
    directory.mkdir()
    now = 1_800_000_000.0
    assert backup.due_in_s(directory, 60, now) == 0
    copy = backup.scheduled(data, directory, 1, lambda: now)
    assert backup.due_in_s(directory, 60, now + 20) == 40
    assert backup.due_in_s(directory, 60, now + 100) == 0
    others = [directory / "taskdash-manual.db", directory / "taskdash-20200101T000000Z.db"]
    others[0].write_text("mine")
    others[1].symlink_to("nowhere")
    (directory / ".taskdash-20200101T000000Z.db.1.partial-journal").write_text("left")
    future = backup.scheduled(data, directory, 1, lambda: now + 1e6)
    assert not copy.path.exists()
    assert backup.due_in_s(directory, 60, now) == 0
    newer = backup.scheduled(data, directory, 1, lambda: now)
    assert {path.name for path in directory.iterdir()} == {
        newer.path.name,
        *(path.name for path in others),
    }
    assert not future.path.exists()


def test_a_daemon_that_runs_is_not_repaired(data: Path) -> None:
    """A running daemon would not see the repair."""
    world = World(data)
    with pytest.raises(StoreUnusable, match="another taskdashd"):
        backup.repair(data)
    with pytest.raises(StoreUnusable, match="another taskdashd"):
        backup.restore(backup.write(data, data / "copy.db").path, data, force=True)
    world.close()
