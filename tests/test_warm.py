"""A program that is forked is to its caller what one that is started anew would be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from processes import last_lines

from taskdash.testing import RunningDaemon


@pytest.fixture(autouse=True)
def _is_warm() -> None:
    if warm.Warm.forge is None:
        pytest.skip("nothing is forked: --cold, or a machine whose clone(2) is not known")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("taskdashd", "config"), ""),
        (("taskdashd", "run", "--listen", "nonsense"), ""),
        (("taskdash_ctl", "import", "-"), "no JSON\n"),
        (("taskdash_ctl",), ""),
    ],
)
def test_what_it_says_and_its_exit_code_are_the_same(
    tmp_path: Path, words: tuple[str, ...], given: str
) -> None:
    """Arguments, environment, working directory and the three streams reach the program."""
    command = [sys.executable, "-m", *words]
    env = {**os.environ, "TASKDASHD_DATA": "here", "TASKDASH_URL": "taskdash://127.0.0.1:1"}
    ended = []
    for kind in (warm.Cold, warm.Warm):
        with kind(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=tmp_path,
            text=True,
        ) as process:
            ended.append((*process.communicate(given, timeout=60), process.returncode))
    assert ended[0] == ended[1]
    assert ended[0][0] or ended[0][1], "the program says nothing: nothing is compared"


def test_a_signal_ends_it_and_its_command_line_is_that_of_who_forked(tmp_path: Path) -> None:
    daemon = RunningDaemon(tmp_path)
    assert "warm.py" in Path(f"/proc/{daemon.pid}/cmdline").read_text()
    assert daemon.kill() == -9, last_lines(str(daemon.log))


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONWARNINGS", "TZ", "COVERAGE_PROCESS_START"])
def test_what_decides_how_an_interpreter_starts_gets_one_that_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "")
    command = [sys.executable, "-m", "taskdashd", "token", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert "warm.py" not in Path(f"/proc/{process.pid}/cmdline").read_text()
        process.communicate()
