"""Backups: consistent, verified, put back; and what `check` finds and mends."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from errno import EIO
from pathlib import Path

import apsw
import pytest
from processes import taskdashd

import taskdash
from taskdash.testing import running_daemon
from taskdashd.domain.times import stamp
from taskdashd.settings import files
from taskdashd.store import accounts, backup, copies, kept
from taskdashd.store.accounts import Account
from taskdashd.store.backup import BackupError
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME, RESTORING_NAME
from taskdashd.store.lock import StoreUnusable
from taskdashd.store.removal import Going, Removal
from taskdashd.testing import WALL_START, World

pytestmark = pytest.mark.sqlite("copies of the file")


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
    restored, aside, *_ = backup.restore(copy.path, tmp_path / "other")
    assert (restored.rev, aside) == (51, None)
    assert tasks(tmp_path / "other") == before
    world = World(data)
    world.connect().ask("Register", id="later", name="n", status="finish")
    world.close()
    with pytest.raises(BackupError, match="holds a database already: --force"):
        backup.restore(copy.path, data)
    assert "later" in tasks(data)
    _, aside, *_ = backup.restore(copy.path, data, force=True)
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
        with taskdash.connect(daemon.url) as dash:
            for number in range(1, 5):
                dash.register("t", name=f"n{number}", status="finish")
                daemon.wait_for("backed up", count=number)
        daemon.wait_for("not backed up: nothing has changed since")
        backed_up = [line for line in daemon.log if line["event"] == "backed up"]
        refused = taskdashd("restore", "--newest", "--force", "--data", data)
        assert refused.returncode == 1
        assert "another taskdashd" in refused.stderr
        assert daemon.stop() == 0
    found = backup.kept(data / "backups")
    assert [str(path) for path in found] == [line["file"] for line in backed_up[-2:]]
    newest = found[-1]
    assert newest.stat().st_mode & 0o077 == 0
    newest.write_bytes(newest.read_bytes()[:5000])
    assert backup.newest_good(data / "backups").path == backup.kept(data / "backups")[0]
    done = taskdashd("restore", "--newest", "--force", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "restored" in done.stdout
    assert "what was there is in" in done.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[World]:
    """A daemon with a board, whose data were just backed up."""
    world = World(tmp_path / "data", with_board=True, audit_keep=10.0)
    boss = world.connect()
    assert boss.ask("SetPerson", user="ann", name="Ann")["errid"] == 0
    for number in range(5):
        boss.ask("Register", id=f"t{number % 3}", name=f"{number}", status="finish")
    settle(world)
    world.time += 100
    world.core.acts.note("signed in", "ann")
    settle(world)
    backup.scheduled(world.directory, tmp_path / "kept", 2, world.core.clock.wall)
    yield world
    world.close()


def settle(world: World) -> None:
    """Store what is noted, and fold what is not folded."""
    world.advance(3)
    world.core.writer.catch_up(lambda _outcome: None)
    world.drain()


def is_copied(world: World) -> bool:
    settle(world)
    found = backup.up_to_date(world.directory, world.directory.parent / "kept")
    assert found in (None, *backup.kept(world.directory.parent / "kept"))
    return found is not None


def write(world: World, request: str, **body: object) -> None:
    assert world.connect().ask(request, **body)["errid"] == 0


def refuse(world: World) -> None:
    world.core.acts.note("refused", "10.0.0.66", "no such token")


def prune(world: World) -> None:
    """Prune what is older than the newest act."""
    world.core.writer.chores.prune(stamp(WALL_START + world.time - 50), stamp(WALL_START + 1e6))


def keep(world: World) -> None:
    """Keep a record and note nothing."""
    keeping = lambda transaction: transaction.keep("kind", "key", {})  # noqa: E731
    world.core.writer.write(keeping, lambda _outcome: None)
    world.core.writer.flush()
    world.drain()


def forget(world: World) -> None:
    """Remove a task with its only change, which is not the newest."""
    going = kept.task("t2", world.database.load(["t2"], [])["t2"])
    removal = Removal([Going(going, [going.rev])])
    world.core.writer.write(lambda transaction: transaction.forget(removal), lambda _outcome: None)
    world.core.writer.flush()
    world.drain()


@pytest.mark.parametrize(
    "change",
    [
        lambda world: write(world, "Register", id="new", name="n", status="finish"),
        lambda world: write(world, "Update", id="t1", name="other", own=False),
        lambda world: write(world, "SetPerson", user="ann", name="Anna"),
        lambda world: write(
            world, "SetCalendar", name="c", zone="Asia/Shanghai", hours="Mon-Fri 09:00-12:00"
        ),
        refuse,
        keep,
        prune,
        forget,
    ],
    ids=["new", "changed", "person", "calendar", "act", "record", "pruned", "forgotten"],
)
def test_what_has_changed_is_backed_up(copied: World, change: Callable[[World], None]) -> None:
    assert is_copied(copied)
    change(copied)
    assert not is_copied(copied)
    kept = copied.directory.parent / "kept"
    backup.scheduled(copied.directory, kept, 2, copied.core.clock.wall)
    assert is_copied(copied)


def test_what_changes_by_itself_is_no_reason_for_a_backup(copied: World) -> None:
    """The kept copies of a weekend would else all be the same, and those of Friday gone."""
    assert copied.web is not None
    for _ in range(3):
        copied.time += 900
        copied.web.figures.tick()
        copied.web.figures.store()
        for kind in ("backed up", "backup failed"):
            copied.core.acts.note(kind, "taskdashd", "of a test")
        copied.core.writer.chores.give_back(10, lambda _outcome: None)
        assert is_copied(copied)


def test_a_copy_of_another_history_with_the_same_numbers_is_none(copied: World) -> None:
    """After a restore revs are used again: what stands under them is another change."""
    kept = copied.directory.parent / "kept"
    (before,) = backup.kept(kept)
    write(copied, "Register", id="t1", name="here", status="finish")
    settle(copied)
    backup.write(copied.directory, kept / "taskdash-20990101T000000Z.db")
    assert is_copied(copied)
    copied.database.close()
    backup.restore(before, copied.directory, force=True)
    edit(copied.directory, "DELETE FROM act WHERE kind = 'restored'")
    other = World(copied.directory, with_board=True, audit_keep=10.0)
    other.time = copied.time + 60
    write(other, "Register", id="t1", name="there", status="finish")
    assert not is_copied(other)
    other.close()


@pytest.mark.parametrize("content", [b"", b"no database at all", None])
def test_a_copy_that_cannot_be_read_is_no_reason_to_make_none(
    copied: World, content: bytes | None
) -> None:
    """A damaged copy, one of an older daemon, and one that was removed."""
    (newest,) = backup.kept(copied.directory.parent / "kept")
    if content is None:
        database = apsw.Connection(str(newest))
        database.execute("ALTER TABLE state DROP COLUMN forgotten_rev")
        database.close()
    else:
        newest.write_bytes(content)
    assert not is_copied(copied)
    newest.unlink()
    assert not is_copied(copied)


def test_a_copy_is_of_one_moment_however_many_steps_it_takes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed between two steps is not in it, and they begin only once."""
    world = World(data)
    steps = []

    def commit(descriptor: int) -> None:
        steps.append(descriptor)
        world.connect().ask("Register", id=f"late{len(steps)}", name="n", status="finish")

    monkeypatch.setattr(copies, "_PAGES_AT_ONCE", 1)
    monkeypatch.setattr(backup.os, "fdatasync", commit)
    copy = backup.write(data, tmp_path / "copy.db")
    assert (copy.rev, copy.tasks) == (51, 50)
    assert len(steps) > 10
    world.close()


def rev_in_file(world: World) -> int:
    """Read the newest rev in the database file, without its WAL."""
    uri = f"file:{world.database.engine.where}?immutable=1"
    flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READONLY
    with closing(apsw.Connection(uri, flags=flags)) as database:
        return int(database.execute("SELECT max(rev) FROM change").get)


def test_the_checkpoint_after_a_backup_is_not_the_writers(copied: World, tmp_path: Path) -> None:
    """The WAL has grown while the copy was read: a commit would have to write it all back."""
    newest = copied.core.view.committed_rev
    assert rev_in_file(copied) == newest
    write(copied, "Register", id="t", name="n", status="finish")
    backup.write(copied.directory, tmp_path / "by-hand.db")
    assert rev_in_file(copied) == newest, "only for the daemon, and not by whoever else copies"


def test_a_copy_is_removed_bit_by_bit(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the process dies, what is left of it is taken for no copy, and goes next time."""
    kept, sizes, truncate = copied.directory.parent / "kept", [], os.truncate

    def die_late(path: Path, size: int) -> None:
        sizes.append(size)
        truncate(path, size)
        if len(sizes) == 3:
            raise OSError(EIO, "the disk is gone")

    monkeypatch.setattr(backup, "_CUT_BYTES", 4096)
    monkeypatch.setattr(backup.os, "truncate", die_late)
    (old,) = backup.kept(kept)
    with pytest.raises(OSError, match="the disk is gone"):
        backup.scheduled(copied.directory, kept, 1, lambda: copied.core.clock.wall() + 1)
    assert sizes == sorted(sizes, reverse=True)
    (new,) = backup.kept(kept)
    assert new != old
    assert backup.verify(new)
    assert len(list(kept.iterdir())) == 2
    newer = backup.scheduled(copied.directory, kept, 1, lambda: copied.core.clock.wall() + 2)
    assert list(kept.iterdir()) == [newer.path]


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
    with pytest.raises(BackupError, match="cannot back up: there is no directory"):
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


def test_a_restore_says_whose_passwords_and_rights_come_back(tmp_path: Path) -> None:
    """Who was locked out since the backup may come in again: the operator must hear of it."""
    world = World(tmp_path / "data", with_board=True)
    boss = world.connect()
    for user, about in {
        "1001": {"name": "Ann", "password": "then, all is well"},
        "1002": {"name": "Bob", "password": "then, all is well"},
        "1003": {"name": "Cid"},
        "1004": {"name": "Dan", "role": "lead"},
        "1005": {"name": "Eve"},
    }.items():
        assert boss.ask("SetPerson", user=user, **about)["errid"] == 0
    assert boss.ask("Register", id="t", name="n", status="finish")["errid"] == 0
    copy = backup.write(world.directory, tmp_path / "copy.db").path
    for user, about in {
        "1001": {"password": "stolen, so another"},
        "1002": {"active": False},
        "1003": {"password": "the first of all"},
        "1004": {"role": "worker"},
        "1006": {"name": "Fay"},
    }.items():
        assert boss.ask("SetPerson", user=user, **about)["errid"] == 0
    world.close()
    key = world.directory / files.COOKIE_KEY_NAME
    key.write_bytes(bytes(32))
    done = taskdashd("restore", copy, "--force", "--data", world.directory)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    day = stamp(WALL_START)[:10]
    (said,) = (place for place, line in enumerate(lines) if "everybody is signed out" in line)
    assert lines[said].endswith(f"passwords, roles and who is active are those of {day}")
    assert lines[said + 1 :] == [
        "  Ann (1001): another password since",
        "  Bob (1002): was made inactive since",
        "  Cid (1003): had no password then",
        "  Dan (1004): was made worker since, is lead again",
    ]
    assert not key.exists()


def test_who_is_new_to_a_machine_is_not_said_to_have_been_removed() -> None:
    """A backup that is restored on another machine brings accounts that were never there."""
    ann = Account("Ann", "", True, "worker")
    (said,) = accounts.revived({}, {"1001": ann})
    assert said == ("Ann (1001)", "has no account in what was replaced")


def test_a_restore_over_what_cannot_be_read_says_so(data: Path, tmp_path: Path) -> None:
    copy = backup.write(data, tmp_path / "copy.db").path
    (data / DATABASE_NAME).write_bytes(b"no database" * 1000)
    done = taskdashd("restore", copy, "--force", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "whose password was changed since is not known" in done.stdout
