"""taskdash-ctl run is not there: what it runs finds what it would find without it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import ctl, environment

from taskdash.testing import RunningDaemon

# By env(1), for a process that is no fork of another and has the signals of a real start.
RUN = f"env {sys.executable} -m taskdash_ctl run -q --report-timeout 0.1"
GBK = os.fsdecode(b"\xb1\xa8\xb1\xed.txt")
LIBC = 3 << 31
"""Signals 32 and 33, which posix_spawn of the C library leaves ignored."""


def shell(daemon: RunningDaemon, script: str) -> str:
    """Run a script by bash, with nothing to read, and give its output."""
    done = subprocess.run(
        ["bash", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(daemon.url),
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("trapped", ["", "PIPE XFSZ", "HUP INT USR1", "CHLD", "CHLD PIPE TERM"])
@pytest.mark.parametrize("field", ["SigIgn", "SigBlk"])
def test_a_command_has_the_signals_that_it_has_without(
    daemon: RunningDaemon, trapped: str, field: str
) -> None:
    """Python ignores SIGPIPE and SIGXFSZ by itself, and would leave no exit codes of SIGCHLD's."""
    look = f"grep {field} /proc/self/status"
    script = f"trap '' {trapped or 'WINCH'}; {look}; {RUN} -- {look}; {RUN} -- sh -c 'exit 5'"
    without, within = (int(line.split()[1], 16) for line in shell(daemon, script).splitlines())
    assert within & ~LIBC == without & ~LIBC
    assert shell(daemon, f"{script}; echo $?").splitlines()[-1] == "5"


def test_a_command_ends_by_sigpipe_in_silence(daemon: RunningDaemon) -> None:
    """`yes | head -1` is as quiet and has the exit code that the shell gives without us."""
    script = "set -o pipefail; yes | head -1; echo $?"
    assert shell(daemon, script) == "y\n141\n"
    assert shell(daemon, f"{RUN} -- bash -c '{script}'") == "y\n141\n"


@pytest.mark.parametrize(("number", "said"), [(9, "SIGKILL"), (35, "signal 35"), (64, "SIGRTMAX")])
def test_a_command_is_killed_by_any_signal(daemon: RunningDaemon, number: int, said: str) -> None:
    """Most of the real-time signals have no name in Python."""
    script = f"env {sys.executable} -m taskdash_ctl run -q --id killed-{number}"
    assert shell(daemon, f"{script} -- bash -c 'kill -{number} $$'; echo $?") == f"{128 + number}\n"
    told = json.loads(ctl(daemon, "show", f"killed-{number}", "-o", "json").stdout)
    assert told["reason"] == f"killed by {said}"


def test_a_command_has_the_environment_that_it_has_without(daemon: RunningDaemon) -> None:
    """Python sets LC_CTYPE where a locale is missing, as in cron."""
    script = "unset LC_ALL LANG LC_CTYPE; env | sort; echo; {} env | sort"
    without, within = shell(daemon, script.format(f"{RUN} --")).split("\n\n")
    changed = set(without.splitlines()) ^ set(within.splitlines())
    assert {line.partition("=")[0] for line in changed if line} - {"_"} == {"TASKDASH_TASK_ID"}


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_ones(daemon: RunningDaemon, tmp_path: Path, closed: str) -> None:
    """The numbers of closed streams are not given to pipes and sockets of ours."""
    file = tmp_path / "told"
    command = f"sh -c 'echo out > {file}; echo err >&2; exit 6'"
    script = f"{RUN} --report-timeout 5 --id closed -- {command} {closed}; echo $?"
    assert "6\n" in shell(daemon, script)
    assert file.read_text() == "out\n"
    task = json.loads(ctl(daemon, "show", "closed", "-o", "json").stdout)
    assert (task["status"], task["reason"]) == ("failed", "exit code 6: err")


def test_an_argument_that_is_no_text_is_passed_on(daemon: RunningDaemon, tmp_path: Path) -> None:
    """A command's bytes are its own; the task shows them escaped."""
    (tmp_path / GBK).write_text("hello")
    copied = tmp_path / "copied"
    result = ctl(daemon, "run", "--id", "gbk", "--name", GBK, "--", "cp", tmp_path / GBK, copied)
    assert (result.returncode, result.stderr, copied.read_text()) == (0, "", "hello")
    task = json.loads(ctl(daemon, "show", "gbk", "-o", "json").stdout)
    assert task["status"] == "finish"
    assert task["name"] == r"\xb1\xa8\xb1\xed.txt"
    assert r"\xb1\xa8\xb1\xed.txt" in task["description"]


def test_a_poor_locale_is_no_reason_not_to_run(daemon: RunningDaemon) -> None:
    """Where Python takes everything for ASCII, names of ours are UTF-8 all the same."""
    poor = "LC_ALL=C PYTHONCOERCECLOCALE=0 PYTHONUTF8=0"
    script = f"{poor} {RUN} --id 夜间 -- sh -c 'echo $TASKDASH_TASK_ID 备份; exit 4'; echo $?"
    assert shell(daemon, script) == "夜间 备份\n4\n"


def test_words_that_are_no_text_are_the_reason_escaped(daemon: RunningDaemon) -> None:
    """Also for programs that write no UTF-8 the reason says what stood there."""
    command = r"""sh -c 'printf "\264\355\n" >&2; exit 3'"""
    shell(daemon, f"{RUN} --report-timeout 5 --id said -- {command} 2> /dev/null")
    task = json.loads(ctl(daemon, "show", "said", "-o", "json").stdout)
    assert task["reason"] == r"exit code 3: \xb4\xed"


@pytest.mark.parametrize(
    "words",
    [("--id", "x" * 129), ("--id", ""), ("--heartbeat-timeout", "0.1")],
)
def test_what_the_daemon_would_refuse_keeps_no_command_from_running(
    daemon: RunningDaemon, words: tuple[str, ...]
) -> None:
    """The person is told, and the exit code is the command's."""
    result = ctl(daemon, "run", *words, "--", "sh", "-c", "echo ran; exit 3")
    assert (result.returncode, result.stdout) == (3, "ran\n")
    assert "the task is not shown: field " in result.stderr


def test_a_bad_address_keeps_no_command_from_running(daemon: RunningDaemon) -> None:
    """With a lock it does: then nobody can be asked."""
    result = ctl("nonsense://x", "run", "--", "sh", "-c", "echo ran; exit 3")
    assert (result.returncode, result.stdout) == (3, "ran\n")
    assert "nonsense://x" in result.stderr
    locked = ctl("nonsense://x", "run", "--id", "x", "--lock", "--", "echo", "ran")
    assert (locked.returncode, locked.stdout) == (2, "")


@pytest.mark.parametrize("how", ["sh -c", "env", RUN + " --", f"trap '' CHLD; {RUN} --"])
def test_a_script_without_its_first_line_runs(
    daemon: RunningDaemon, tmp_path: Path, how: str
) -> None:
    """As execvp(3), and every shell, has it: by /bin/sh."""
    job = tmp_path / "job"
    job.write_text("echo ran $1\n")
    job.chmod(0o700)
    words = f"{how} '{job} well'" if how == "sh -c" else f"{how} {job} well"
    assert shell(daemon, words) == "ran well\n"


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (
            "#!/bin/sh\r\necho\r\n",
            127,
            r"its lines end in CR LF, so that it asks for the interpreter '/bin/sh\r'",
        ),
        ("#! /no/such -x\n", 127, "its interpreter '/no/such -x' is not there"),
        (None, 126, "is a directory"),
    ],
)
def test_a_script_that_cannot_run_is_told_why(
    daemon: RunningDaemon, tmp_path: Path, text: str | None, code: int, reason: str
) -> None:
    """Also with --quiet, which is about the daemon; and the task has it as its reason."""
    job = tmp_path / "job"
    if text is None:
        job.mkdir()
    else:
        job.write_bytes(text.encode())
        job.chmod(0o700)
    result = ctl(daemon, "run", "-q", "--id", "why", "--", str(job))
    assert (result.returncode, result.stderr) == (code, f"taskdash-ctl: {job}: {reason}\n")
    task = json.loads(ctl(daemon, "show", "why", "-o", "json").stdout)
    assert (task["status"], task["reason"]) == ("failed", reason)
