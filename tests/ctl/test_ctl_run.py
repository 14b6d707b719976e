"""taskdash-ctl run: any command as a task."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from terminal import ctl, environment

import taskdash
from taskdash.testing import RunningDaemon, running_daemon


def only_task(daemon: RunningDaemon, name: str) -> dict[str, Any]:
    (line,) = ctl(daemon, "list", "-f", f"name={name}", "-o", "jsonl").stdout.splitlines()
    return dict(json.loads(line))


@pytest.mark.parametrize(
    ("script", "code", "status"),
    [("exit 0", 0, "finish"), ("exit 7", 7, "failed"), ("kill -9 $$", 137, "failed")],
)
def test_run_gives_the_commands_exit_code_and_reports_its_end(
    daemon: RunningDaemon, script: str, code: int, status: str
) -> None:
    """Output and exit code are the command's; the task tells how it ended."""
    name = f"run {code}"
    result = ctl(daemon, "run", "--name", name, "--", "sh", "-c", f"echo out; {script}")
    assert (result.returncode, result.stdout, result.stderr) == (code, "out\n", "")
    task = only_task(daemon, name)
    assert (task["status"], task["exit_code"]) == (status, code)
    assert task["start_time"]
    assert task["stop_time"]


def test_run_passes_signals_on(daemon: RunningDaemon) -> None:
    """The command handles signals itself; its exit code is that of run."""
    script = (
        "trap 'echo got it; exit 5' TERM; echo ready; while :; do read -r _ || sleep 0.01; done"
    )
    command = [sys.executable, "-m", "taskdash_ctl", "run", "--name", "trap", "--"]
    process = subprocess.Popen(
        [*command, "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(daemon.url),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=15)
    assert (out, process.returncode) == ("got it\n", 5)
    assert only_task(daemon, "trap")["status"] == "failed"


def test_run_that_is_killed_is_seen_by_all(tmp_path: Path) -> None:
    """SIGKILL of the wrapper: heartbeats stop, and every watcher is told."""
    with (
        running_daemon(tmp_path, heartbeat_timeout=0.5) as daemon,
        taskdash.connect(daemon.url) as dash,
    ):
        watch = dash.watch()
        command = [sys.executable, "-m", "taskdash_ctl", "run", "--id", "doomed", "--"]
        process = subprocess.Popen(
            [*command, "sh", "-c", "echo ready; exec sleep 60"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(daemon.url),
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert next(watch).kind == "registered"
        process.kill()
        process.wait()
        assert next(event.kind for event in watch if event.kind != "updated") == "shutdown"
        # The end of its output is the end of the command.
        assert process.stdout.read() == ""
        process.stdout.close()


def test_run_without_a_daemon_still_runs(daemon: RunningDaemon) -> None:
    """run warns, gives the command's exit code, and waits no longer than was allowed."""
    result = ctl(
        "taskdash://127.0.0.1:1", "run", "--report-timeout", "0.3", "--", "sh", "-c", "exit 4"
    )
    assert result.returncode == 4
    assert "the command goes on" in result.stderr
    assert "could not be reported" in result.stderr


def test_run_of_what_does_not_exist_is_127(daemon: RunningDaemon) -> None:
    """Exit code 127 is what a shell gives for an unknown command."""
    result = ctl(daemon, "run", "--", "no-such-command")
    assert result.returncode == 127
    assert result.stderr == "taskdash-ctl: no-such-command: command not found\n"


def test_run_tells_the_end_of_standard_error_as_the_reason(daemon: RunningDaemon) -> None:
    """Standard error is passed on too; a success has no reason."""
    script = "echo first >&2; printf 'no such file: main.c' >&2; exit 2"
    result = ctl(daemon, "run", "--name", "tail", "--", "sh", "-c", script)
    assert (result.returncode, result.stderr) == (2, "first\nno such file: main.c")
    assert only_task(daemon, "tail")["reason"] == "exit code 2: first no such file: main.c"
    ctl(daemon, "run", "--name", "well", "--", "sh", "-c", "echo noise >&2")
    assert "reason" not in only_task(daemon, "well")


def test_run_ends_a_command_whose_time_is_up(daemon: RunningDaemon) -> None:
    """As with timeout(1): SIGTERM, exit code 124; the reason says so."""
    result = ctl(daemon, "run", "--name", "slow", "--timeout", "0.3", "--", "sleep", "60")
    assert result.returncode == 124
    task = only_task(daemon, "slow")
    assert (task["status"], task["reason"]) == ("failed", "timed out after 0.3 s")


def test_run_reads_the_progress_from_standard_output(daemon: RunningDaemon) -> None:
    """`n/m` and `n%`, each on a line of its own; everything is passed on as it was."""
    script = r"echo begin; echo ' 3/7 '; printf '12.5%%\r'; echo '40%'; echo done 9/9"
    words = ("run", "--name", "progress", "--progress-from-stdout", "--", "sh", "-c", script)
    with taskdash.connect(daemon.url) as dash:
        watch = dash.watch({"name": "progress"})
        result = ctl(daemon, *words)
        assert result.stdout == "begin\n 3/7 \n12.5%\n40%\ndone 9/9\n"
        last = next(event for event in watch if event.task["status"] == "finish")
    assert last.task["progress"] == "40/100"


def test_run_gives_the_command_the_tasks_id(daemon: RunningDaemon) -> None:
    """TASKDASH_TASK_ID lets the command say more of its task."""
    result = ctl(daemon, "run", "--id", "env-1", "--", "sh", "-c", "echo $TASKDASH_TASK_ID")
    assert result.stdout == "env-1\n"


def test_run_with_a_lock_runs_one_at_a_time(daemon: RunningDaemon) -> None:
    """A second run is refused while the first lives, and told who holds the lock; then it may."""
    command = [sys.executable, "-m", "taskdash_ctl", "run", "--id", "only-one", "--lock", "--"]
    first = subprocess.Popen(
        [*command, "sh", "-c", "echo in; read -r _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(daemon.url),
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "in\n"
    second = ctl(daemon, "run", "--id", "only-one", "--lock", "--", "echo", "never")
    assert (second.returncode, second.stdout) == (4, "")
    assert "held by taskdash-ctl/" in second.stderr
    first.communicate("\n", timeout=10)
    assert first.returncode == 0
    third = ctl(daemon, "run", "--id", "only-one", "--lock", "--", "echo", "now")
    assert (third.returncode, third.stdout) == (0, "now\n")


def test_a_lock_that_cannot_be_asked_for_is_not_had(daemon: RunningDaemon) -> None:
    """Without the daemon nobody knows whether another runs: nothing is run. A lock needs a name."""
    nowhere = "taskdash://127.0.0.1:1"
    result = ctl(nowhere, "run", "--id", "x", "--lock", "--", "echo", "never")
    assert (result.returncode, result.stdout) == (5, "")
    assert ctl(daemon, "run", "--lock", "--", "echo").returncode == 2
