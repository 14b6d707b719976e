"""The examples in the client's docstrings and in its guide, run as they stand."""

import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskdash
from taskdash.testing import RunningDaemon, running_daemon

MODULES = [f"taskdash.{module.name}" for module in pkgutil.iter_modules(taskdash.__path__)]
GUIDE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()


@pytest.fixture(autouse=True)
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningDaemon]:
    with running_daemon(tmp_path) as daemon:
        monkeypatch.setenv("TASKDASH_URL", daemon.url)
        yield daemon


def test_examples_in_docstrings() -> None:
    """Doctests of every module pass, and there are some."""
    results = [doctest.testmod(importlib.import_module(name)) for name in MODULES]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 10


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
def test_examples_in_the_guide(code: str) -> None:
    """Each block of the guide stands alone; `restic` stands for any work."""
    exec(code.replace("restic()", "None"), {"__name__": "guide"})
