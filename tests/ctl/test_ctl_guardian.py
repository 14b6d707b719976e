"""taskdash-ctl run, killed: its command ends with it, whoever kills it and how."""

import os
import pty
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from terminal import ctl, environment

import taskdash
from taskdash.testing import RunningDaemon, running_daemon

# By env(1), for a process that is no fork of another: these have its command line and its signals.
RUN = ["env", sys.executable, "-m", "taskdash_ctl", "run"]
STUBBORN = "trap '' TERM; sleep 600 & echo ready; wait; sleep 600"
"""A shell that heeds no SIGTERM, nor does its child, which outlives it."""

Process = subprocess.Popen[str]


class Writers:
    """A FIFO that a command has open to write, so that the end of its last process is seen."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.script = f"exec 9> {path}; {STUBBORN}"

    def gone(self, within_s: float = 10) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    made = Writers(tmp_path / "writers")
    yield made
    made.close()


@contextmanager
def running(daemon: RunningDaemon, *words: str, **kwargs: Any) -> Iterator[Process]:
    """Run a command that says when it is ready, and whose end is the test's to bring about."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **kwargs}
    process = subprocess.Popen(words, text=True, env=environment(daemon.url), **streams)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "ready"
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate(timeout=20)


def by_hand(process: Process) -> None:
    process.kill()


def with_its_group(process: Process) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def by_its_words(process: Process) -> None:
    subprocess.run(["pkill", "-9", "-f", "taskdash_ctl run --id guarded"], check=True)


@pytest.mark.parametrize("kill", [by_hand, with_its_group, by_its_words])
def test_a_command_does_not_outlive_its_wrapper(
    daemon: RunningDaemon, writers: Writers, kill: Callable[[Process], None]
) -> None:
    """The whole process group goes, by SIGKILL where it does not heed SIGTERM."""
    words = (*RUN, "--id", "guarded", "--", "sh", "-c", writers.script)
    with running(daemon, *words, start_new_session=True) as process:
        kill(process)
        assert writers.gone()


def test_a_command_is_asked_before_it_is_killed(daemon: RunningDaemon) -> None:
    """A wrapper that was killed at once leaves its command a moment to put things away."""
    script = "trap 'echo put away; exit' TERM; echo ready; while :; do sleep 0.01; done"
    with running(daemon, *RUN, "--", "sh", "-c", script) as process:
        process.kill()
        assert process.communicate(timeout=10)[0] == "put away\n"


def test_a_command_that_has_ended_takes_nothing_with_it(
    daemon: RunningDaemon, writers: Writers
) -> None:
    """What a command leaves in the background goes on, as without the wrapper."""
    script = writers.script.removesuffix("; wait; sleep 600") + "; echo $!"
    with running(daemon, *RUN, "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        left = int(process.stdout.readline())
        assert process.wait(20) == 0
        assert not writers.gone(within_s=0.5)
        os.kill(left, signal.SIGKILL)
        assert writers.gone()


def test_a_killed_wrapper_gives_its_lock_to_none_before_its_command_has_ended(
    tmp_path: Path,
) -> None:
    """The second copy is refused until the first has ended: a lock of the kernel shows it."""
    file = str(tmp_path / "alone")
    with running_daemon(tmp_path / "data", heartbeat_timeout=1) as daemon:
        locked = (*RUN, "--id", "one", "--lock", "--")
        with running(daemon, *locked, "flock", file, "sh", "-c", STUBBORN) as process:
            process.kill()
            second = ctl(daemon, *locked[4:], "flock", "-n", file, "echo", "alone")
            assert (second.returncode, second.stdout) == (4, ""), second.stderr
            while second.returncode == 4:
                second = ctl(daemon, *locked[4:], "flock", "-n", file, "echo", "alone")
            assert (second.returncode, second.stdout) == (0, "alone\n")


def test_a_command_ends_that_has_lost_its_lock(tmp_path: Path, writers: Writers) -> None:
    """A wrapper that stood still for longer than its lock holds makes way, once it wakes."""
    with (
        running_daemon(tmp_path / "data", heartbeat_timeout=0.5) as daemon,
        taskdash.connect(daemon.url) as dash,
    ):
        watch = dash.watch({"id": "slept"})
        words = (*RUN, "--id", "slept", "--lock", "--", "sh", "-c", writers.script)
        with running(daemon, *words, stderr=subprocess.PIPE) as process:
            process.send_signal(signal.SIGSTOP)
            assert next(event for event in watch if event.kind == "shutdown")
            dash.register("slept", "another's", fenced=True)
            process.send_signal(signal.SIGCONT)
            assert process.stderr is not None
            assert any("no longer ours" in line for line in process.stderr)
            assert writers.gone(within_s=20)
            assert process.wait(20) == 128 + signal.SIGKILL


def test_a_lock_is_refused_in_words_for_people(daemon: RunningDaemon) -> None:
    """Who runs it, where and since when; and that nothing was run."""
    words = (*RUN, "--id", "nightly", "--lock", "--", "sh", "-c")
    with running(daemon, *words, "echo ready; sleep 600") as process:
        second = ctl(daemon, *words[4:], "echo never")
        assert (second.returncode, second.stdout) == (4, "")
        told = second.stderr.removeprefix("taskdash-ctl: ")
        assert told.startswith("nightly is running already, so nothing was run: held by taskdash-")
        assert f" on {os.uname().nodename} as process {process.pid}, since 20" in told
        assert "fenced" not in told


def test_on_a_terminal_only_the_command_and_its_children_go(
    daemon: RunningDaemon, writers: Writers
) -> None:
    """There it is in the group of a script that called it, which goes on."""
    ours, theirs = pty.openpty()
    words = (*RUN[1:], "--", "sh", "-c", f"echo wrapper $PPID; {writers.script}")
    script = 'echo ready; "$@"; echo went on $?'
    with running(
        daemon, "sh", "-c", script, "sh", *words, stdin=theirs, start_new_session=True
    ) as process:
        assert process.stdout is not None
        wrapper = int(process.stdout.readline().removeprefix("wrapper "))
        assert process.stdout.readline() == "ready\n"
        os.kill(wrapper, signal.SIGKILL)
        assert process.stdout.readline() == "went on 137\n"
        assert writers.gone()
    os.close(ours)
    os.close(theirs)


def test_a_command_off_the_terminal_stops_with_its_wrapper(daemon: RunningDaemon) -> None:
    """Ctrl-Z reaches only the wrapper where the command has a group of its own."""
    # One that begins no other: of a shell that is about to (vfork), the new process alone would
    # stop, and the shell when that goes on.
    script = "echo ready; echo $$; exec sleep 600"
    with running(daemon, *RUN, "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        stat = Path(f"/proc/{int(process.stdout.readline())}/stat")

        def is_stopped() -> bool:
            return stat.read_text().rpartition(")")[2].split()[0] == "T"

        process.send_signal(signal.SIGTSTP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        while not is_stopped():
            pass
        process.send_signal(signal.SIGCONT)
        while is_stopped():
            pass
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM


SUPERVISED = """
[supervisord]
logfile={folder}/log
pidfile={folder}/pid
nodaemon=true
[unix_http_server]
file={folder}/socket
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/socket
[program:job]
command={command}
stdout_logfile={folder}/out
environment=TASKDASH_URL="{url}"
stopwaitsecs=1
stopasgroup=true
killasgroup=true
startsecs=0
"""


def test_a_supervisors_stop_leaves_nothing_running(
    daemon: RunningDaemon, writers: Writers, tmp_path: Path
) -> None:
    """supervisord's last means is SIGKILL to the wrapper's group; the command goes with it."""
    if shutil.which("supervisord") is None:
        pytest.skip("supervisor is not installed")
    job = tmp_path / "job"
    job.write_text(writers.script.replace("echo ready", f"touch {tmp_path}/ready"))
    command = " ".join((*RUN, "--id", "supervised", "--lock", "--", "sh", str(job)))
    config = tmp_path / "conf"
    config.write_text(SUPERVISED.format(folder=tmp_path, command=command, url=daemon.url))
    ask = ("supervisorctl", "-c", str(config))
    with subprocess.Popen(("supervisord", "-c", str(config)), stdout=subprocess.DEVNULL) as process:
        try:
            while not (tmp_path / "ready").exists():
                assert process.poll() is None
            subprocess.run((*ask, "stop", "job"), check=True, stdout=subprocess.DEVNULL)
            assert writers.gone(within_s=1)
        finally:
            process.terminate()


def test_whoever_waits_for_a_lock_can_be_stopped(tmp_path: Path) -> None:
    """While the daemon does not answer, Ctrl-C ends the program, and nothing is run."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"taskdash://127.0.0.1:{silent.getsockname()[1]}?timeout=600"
        ran = tmp_path / "ran"
        process = subprocess.Popen(
            [*RUN, "--id", "x", "--lock", "--", "touch", str(ran)], env=environment(url)
        )
        with silent.accept()[0] as asked:
            assert asked.recv(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(6) == 130
        assert not ran.exists()


def test_what_is_left_in_the_background_can_still_write(daemon: RunningDaemon) -> None:
    """Output goes on though nobody waits for its writer: no broken pipe ends that."""
    script = "echo ready; { read -r go; echo late >&2; echo done; } <&3 3<&- & exit 3"
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        ["bash", "-c", f'exec 3<&{ours}; exec "$@" 3<&3', "bash", *RUN, "--", "bash", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[ours],
        env=environment(daemon.url),
    )
    os.close(ours)
    assert process.wait(20) == 3
    os.write(theirs, b"go\n")
    os.close(theirs)
    assert process.communicate(timeout=20) == ("ready\ndone\n", "late\n")


def test_a_command_may_ask_at_the_terminal(daemon: RunningDaemon) -> None:
    """Also where standard input is none: ssh and sudo ask for a password at /dev/tty."""
    command = "read -r word < /dev/tty; echo got $word; exit 3"
    script = f"{shlex.join(RUN)} -- sh -c '{command}' < /dev/null; echo $?; stty -a | head -1"
    # A program with a terminal of its own, into which it copies what it is given.
    spawn = (sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", "sh", "-c", script)
    done = subprocess.run(
        spawn,
        input="secret\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=environment(daemon.url),
    )
    *_, got, code, speed = done.stdout.splitlines()
    assert (got, code) == ("got secret", "3")
    assert "speed" in speed, "the terminal is its caller's again"
