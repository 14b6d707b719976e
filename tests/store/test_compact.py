"""`taskdashd compact`: an older database becomes one that gives room back, or stays as it is."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner
from test_database import change

from taskdashd.cli import main
from taskdashd.store import backup
from taskdashd.store.compact import compact
from taskdashd.store.database import Database
from taskdashd.store.dialect.sqlite import engine as dialect
from taskdashd.store.dialect.sqlite.engine import COMPACTING_NAME, DATABASE_NAME
from taskdashd.store.removal import Going, Removal

pytestmark = pytest.mark.sqlite("compacting the file")

TASKS = 300

KILLED = """
import os, sys
from pathlib import Path
from taskdashd.store.database import Database
Database.open(Path(sys.argv[1])).start()
os._exit(0)
"""


def dying(data: Path, at: int) -> int:
    """Compact in a process that dies at the moment with a number; give its exit code.

    Each call of SQLite or of the system that may change a file is a moment.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [at]

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return call(*arguments, **more)

        return counting

    class Connection(apsw.Connection):
        execute = counted(apsw.Connection.execute)
        close = counted(apsw.Connection.close)

    try:
        apsw.Connection = Connection  # type: ignore[misc]
        os.fsync, Path.replace = counted(os.fsync), counted(Path.replace)  # type: ignore[method-assign]
        Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]
        compact(data, lambda _: None)
        os._exit(0)
    finally:
        os._exit(1)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Give a data directory whose database keeps its room, with much of it unused and a WAL."""
    data = tmp_path / "data"
    data.mkdir()
    with closing(apsw.Connection(str(data / DATABASE_NAME))) as database:
        database.execute("PRAGMA auto_vacuum = NONE")
        database.execute("CREATE TABLE filler (x)")
    database = Database.open(data)
    database.start()
    changes = [change(rev, f"t{rev}", description="x" * 5000) for rev in range(1, TASKS + 1)]
    database.append(changes)
    database.fold(TASKS)
    gone = [Going(one.task, [one.task.rev]) for one in changes[10:]]
    database.append([], removals=[Removal(gone)])
    assert database.give_back(10_000) == 0, "it keeps its room"
    assert not database.health(check=False).file.gives_back
    database.close()
    subprocess.run([sys.executable, "-c", KILLED, str(data)], check=True)
    assert (data / f"{DATABASE_NAME}-wal").exists()
    return data


def tasks_in(data: Path) -> int:
    """Count the tasks that a daemon finds there."""
    with closing(Database.open(data)) as database:
        database.start()
        return sum(database.health(check=False).tasks.values())


def vacuums(data: Path) -> int:
    with closing(apsw.Connection(str(data / DATABASE_NAME))) as database:
        return int(database.execute("PRAGMA auto_vacuum").get)


def test_it_becomes_small_and_gives_room_back(old: Path) -> None:
    said: list[int] = []
    done = compact(old, said.append)
    assert done.bytes_before > 1_000_000 > 400_000 > done.bytes_after
    assert said[0] < 2_000_000
    assert vacuums(old) == dialect.VACUUMS_BIT_BY_BIT
    assert (old / DATABASE_NAME).stat().st_mode & 0o777 == 0o600
    assert not backup.check(old)
    assert tasks_in(old) == 10


def test_not_while_a_daemon_or_a_reader_has_it(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Database.open(old)), pytest.raises(backup.StoreUnusable, match="uses"):
        compact(old, lambda _: None)
    monkeypatch.setattr("taskdashd.store.compact._BUSY_MS", 10)
    with closing(apsw.Connection(str(old / DATABASE_NAME))) as reader:
        reader.execute("SELECT * FROM task")
        with pytest.raises(backup.BackupError, match="locked"):
            compact(old, lambda _: None)
    assert tasks_in(old) == 10


def test_not_without_room(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says how much it needs, and leaves everything as it was."""
    monkeypatch.setattr("taskdashd.store.compact._SPARE_BYTES", 1 << 60)
    result = CliRunner().invoke(main, ["compact", "--data", str(old)])
    assert result.exit_code == 1
    assert "needs 1099511" in result.output
    assert "are needed" in result.output
    assert not (old / COMPACTING_NAME).exists()
    assert vacuums(old) == 0


def test_the_command_tells_what_was_gained(old: Path) -> None:
    result = CliRunner().invoke(main, ["compact", "--data", str(old)])
    assert result.exit_code == 0
    assert "MiB gained, read back whole" in result.output


def test_a_damaged_database_stays(old: Path) -> None:
    with closing(apsw.Connection(str(old / DATABASE_NAME))) as database:
        database.execute("UPDATE change SET task = replace(task, 'x', 'y') WHERE rev = 3")
    with pytest.raises(backup.BackupError, match="not as they were written"):
        compact(old, lambda _: None)
    assert vacuums(old) == 0
    assert not (old / COMPACTING_NAME).exists()


def test_whenever_it_dies_one_of_the_two_is_there(old: Path) -> None:
    """The old or the new file, whole; and what was begun is removed by the next start."""
    deaths, kept, made = 0, 0, 0
    for die_at in range(200):
        data = old.with_name(f"d{die_at}")
        data.mkdir()
        for path in old.iterdir():
            (data / path.name).write_bytes(path.read_bytes())
        code = dying(data, die_at)
        deaths += code == 9
        is_new = vacuums(data) == dialect.VACUUMS_BIT_BY_BIT
        kept, made = kept + (not is_new), made + is_new
        assert not backup.check(data)
        assert tasks_in(data) == 10
        assert not (data / COMPACTING_NAME).exists()
        if code == 0:
            break
    assert deaths > 20
    assert kept > 10
    assert made >= 2
