"""What the process does now and then."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from taskdashd.core.acts import Acts
from taskdashd.process import chores
from taskdashd.settings.config import Settings
from taskdashd.store.backup import Copy


@pytest.mark.parametrize(("took_s", "is_told"), [(300.0, False), (500.0, True)])
def test_a_backup_that_takes_a_tenth_of_its_interval_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    took_s: float,
    is_told: bool,
) -> None:
    """Each hour one that takes five minutes is no news; one of eight minutes warns and goes on."""
    moments = iter([0.0, took_s, 3600.0, 3600.0 + took_s])
    monkeypatch.setattr(
        chores, "time", SimpleNamespace(monotonic=lambda: next(moments), time=lambda: 0.0)
    )
    made: list[Path] = []

    async def copy(*_: Any) -> Copy:
        made.append(tmp_path / "copy")
        return Copy(path=made[-1], rev=1, tasks=1, size_bytes=1)

    monkeypatch.setattr(chores.copier, "copy", copy)
    monkeypatch.setattr(chores.backup, "up_to_date", lambda *_: None)
    monkeypatch.setattr(chores.backup, "due_in_s", lambda *_: 0.0)

    async def run_here(job: Any, *arguments: Any, **_: Any) -> Any:
        return job(*arguments)

    monkeypatch.setattr(chores.trio.to_thread, "run_sync", run_here)
    settings = replace(Settings(), data=tmp_path, backup_every=3600.0)
    acts = Acts(lambda: "", lambda: 0.0, lambda: 0)

    async def two_hours() -> None:
        with trio.move_on_after(5000):
            await chores.back_up(settings, acts)

    trio.run(two_hours, clock=MockClock(autojump_threshold=0))
    assert len(made) == 2
    assert capsys.readouterr().out.count("a backup takes long") == (2 if is_told else 0)
