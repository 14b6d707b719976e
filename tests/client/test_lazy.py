"""`import taskdash` costs a program little, and gives all that it names."""

import subprocess
import sys

import pytest

import taskdash

FREE = (
    "import sys, taskdash; before = set(sys.modules);"
    "dear = {'logging', 'dataclasses', 'orjson', 'msgspec', 'ssl', 'taskdash.client'};"
    "print(*sorted(before & dear));"
    "print(*[name for name in taskdash.__all__ if not hasattr(taskdash, name)]);"
    "print(taskdash.errors.NotFound is taskdash.NotFound, 'connect' in dir(taskdash));"
    "from taskdash import *; print(connect is taskdash.connect, Task.__module__)"
)


def test_a_name_is_imported_when_it_is_used() -> None:
    """A bare import brings nothing dear in; each public name is there all the same."""
    # Another interpreter: in this one everything has been imported already.
    told = subprocess.run(
        [sys.executable, "-c", FREE], capture_output=True, text=True, check=True, timeout=30
    )
    assert told.stdout.splitlines() == ["", "", "True True", "True taskdash.task"]


def test_a_name_that_is_none_is_refused_as_ever() -> None:
    with pytest.raises(AttributeError, match="module 'taskdash' has no attribute 'conect'"):
        taskdash.conect  # type: ignore[attr-defined]  # noqa: B018
