"""The process that makes backups for the daemon."""

import os
import sys
from pathlib import Path

import pytest
import trio

from taskdashd.process import copier
from taskdashd.store import backup
from taskdashd.store.backup import BackupError
from taskdashd.testing import World


@pytest.fixture
def data(tmp_path: Path) -> Path:
    world = World(tmp_path / "data")
    assert world.connect().ask("Register", id="t", name="n", status="finish")["errid"] == 0
    world.close()
    return world.directory


def test_it_makes_a_copy_wherever_it_is_started(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages are found by the daemon's own path, and not by the environment's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    copy = trio.run(copier.copy, data, tmp_path / "kept", 3)
    assert [copy.path] == backup.kept(tmp_path / "kept")
    assert (copy.rev, copy.tasks, copy.size_bytes) == (1, 1, copy.path.stat().st_size)
    assert copy.path.stat().st_mode & 0o077 == 0


def test_what_went_wrong_is_told_in_a_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "taskdash.db").write_bytes(b"no database at all")
    with pytest.raises(BackupError, match="file is not a database"):
        trio.run(copier.copy, data, tmp_path / "kept", 3)
    monkeypatch.setattr(copier, "_PROGRAM", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(BackupError, match="it ended with -9"):
        trio.run(copier.copy, data, tmp_path / "kept", 3)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OSError, match="No such file"):
        trio.run(copier.copy, data, tmp_path / "kept", 3)


def test_it_ends_with_the_daemon(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that stops does not wait for a backup, and leaves nobody to make it."""
    said = tmp_path / "said"
    program = f"import os, time; open({str(said)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    monkeypatch.setattr(copier, "_PROGRAM", program)

    async def stop_in_the_middle() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(copier.copy, data, tmp_path / "kept", 3)
            while not said.exists() or not said.read_text():
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    trio.run(stop_in_the_middle)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.read_text()), 0)
