"""A shell completes the ids of tasks, and whatever an id holds, it stays a word."""

import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import environment, terminal

import taskdash
from taskdash.testing import RunningDaemon

SHELLS = {
    "bash": ("bash --norc --noprofile -i", "source <(taskdash-ctl completion bash)"),
    "zsh": (
        "zsh -f -i",
        "autoload -Uz compinit && compinit -u -D && source <(taskdash-ctl completion zsh)",
    ),
    "fish": ("fish --no-config", "taskdash-ctl completion fish | source"),
}
TYPED = {
    "backup-42": "backu",
    "dag:node:1": "dag:n",
    "my task": "my",
    "its;ls $(touch hurt) `touch hurt` | touch hurt &": "its",
    "com,ma": "com",
    "q'uo\"te": "q",
    "备份-1": "备",
    "a=b@c": "a=",
    "back\\slash": "back\\\\",
}
"""What is typed for an id until the key is pressed."""


def completed(daemon: RunningDaemon | str, line: str, **env: str) -> list[str]:
    """Ask as bash does."""
    env = {**environment(daemon if isinstance(daemon, str) else daemon.url), **env}
    env |= {"COMP_WORDS": line, "_TASKDASH_CTL_COMPLETE": "bash_complete"}
    env |= {"COMP_WORDBREAKS": " \t\n\"'@><=;|&(:"}
    command = "from taskdash_ctl.cli import main; main(prog_name='taskdash-ctl')"
    told = subprocess.run(
        [sys.executable, "-c", command], env=env, capture_output=True, text=True, timeout=30
    )
    assert told.stderr == ""
    return told.stdout.split("\n")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_an_id_whatever_it_holds(
    daemon: RunningDaemon, shell: str, tmp_path: Path
) -> None:
    """The line that the key makes is run, and finds the task; nothing in the id is run."""
    with taskdash.connect(daemon.url) as dash:
        for number, task_id in enumerate(TYPED):
            dash.register(task_id, f"found {number}", status="pending")
    start, load = SHELLS[shell]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    begin = f"cd {tmp_path}; HOME={tmp_path} PATH={shlex.quote(path)} exec {start}"
    with terminal(daemon, f"bash -c {shlex.quote(begin)}", columns=150, lines=50) as shown:
        shown.press("-l", f"{load}; echo rea''dy")
        shown.press("Enter")
        shown.until(lambda lines: "ready" in lines)
        for number, typed in enumerate(TYPED.values()):
            shown.press("-l", f"taskdash-ctl show {typed}")
            shown.press("Tab")
            shown.press("-l", " | grep found")
            shown.press("Enter")
            shown.until(lambda lines, told=f"found {number}": any(told in one for one in lines))
    assert not (tmp_path / "hurt").exists()


def test_only_ids_that_may_be_meant_are_offered(daemon: RunningDaemon) -> None:
    """What has ended is not ended again, a word that stands there is not said twice."""
    with taskdash.connect(daemon.url) as dash:
        for name, status in (("one", "pending"), ("two", "finish"), ("three", "failed")):
            dash.register(f"some-{name}", name, status=status)
    assert completed(daemon, "taskdash-ctl show some-") == [
        *("plain,some-three", "plain,some-two", "plain,some-one")
    ]
    assert completed(daemon, "taskdash-ctl finish some-") == ["plain,some-one"]
    assert completed(daemon, "taskdash-ctl acknowledge some-") == ["plain,some-three"]
    told = completed(daemon, "taskdash-ctl wait some-one some-t")
    assert told == ["plain,some-three", "plain,some-two"]
    for command in ("update", "label", "audit", "names", "claim", "approve"):
        assert completed(daemon, f"taskdash-ctl {command} some-o") == ["plain,some-one"]
    assert completed(daemon, "taskdash-ctl show 'some-o") == ["plain,some-one"]


def test_an_old_task_is_found_too(daemon: RunningDaemon) -> None:
    with taskdash.connect(daemon.url) as dash:
        dash.register("old-1", "n", status="finish")
        for number in range(1000):
            dash.register(f"newer-{number}", "n", status="finish")
    assert completed(daemon, "taskdash-ctl show old-") == ["plain,old-1"]
    assert len(completed(daemon, "taskdash-ctl show ")) == 100


def test_the_server_that_is_named_in_the_line_is_asked(daemon: RunningDaemon) -> None:
    with taskdash.connect(daemon.url) as dash:
        dash.register("here-1", "n", status="pending")
    line = f"taskdash-ctl --server {daemon.url} show here"
    assert completed("taskdash://127.0.0.1:1", line) == ["plain,here-1"]


def test_a_daemon_that_does_not_answer_keeps_nobody_waiting() -> None:
    """Away, silent, or with an address that is none: no completion, no word, and soon."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"taskdash://127.0.0.1:{silent.getsockname()[1]}"
        for url in ("taskdash://127.0.0.1:1", silent_url, "nonsense://x"):
            begun = time.monotonic()
            assert completed(url, "taskdash-ctl show x") in ([], [""])
            assert time.monotonic() - begun < 5
