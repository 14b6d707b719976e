"""`taskdash-ctl run`: any command as a task.

Signals that come to us go on to the command; our exit code is the command's. The daemon may be
there or not: the command runs all the same.
"""

import contextlib
import getpass
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from taskdash import Keeper, __version__
from taskdash.address import Address

PASSED_ON: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
_FROM_TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)
_SI_KERNEL: Final = 128

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127


def run(
    command: Sequence[str],
    where: Address,
    fields: dict[str, Any],
    say: Callable[[str], None],
    *,
    report_timeout_s: float,
) -> int:
    """Run a command as a task until it ends; returns its exit code, as a shell would give it.

    `fields` are the task's, over those that are found out here. `say` is for words to a person.
    """
    watched = {*PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        try:
            # Started before any thread is, so that the child can have our old signal mask back.
            process = subprocess.Popen(
                command,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before),
            )
        except FileNotFoundError:
            say(f"{command[0]}: command not found")
            return NOT_FOUND
        except OSError as error:
            say(f"{command[0]}: {error.strerror}")
            return NOT_EXECUTABLE
        task = {**_found_out(command, process.pid), **fields}
        keeper = Keeper(where, f"taskdash-ctl/{__version__} run", task, say)
        code = _wait(process, watched)
        # A command that was quicker than the network is still told of from its beginning.
        give_up_at = time.monotonic() + report_timeout_s
        keeper.registered.wait(report_timeout_s)
        left_s = max(0.0, give_up_at - time.monotonic())
        if not keeper.finish(left_s, **_last_word(code)):
            say(f"the end of task {task['id']} could not be reported to taskdashd at {where}")
        return code if code >= 0 else 128 - code
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _found_out(command: Sequence[str], pid: int) -> dict[str, Any]:
    name = os.path.basename(command[0])  # noqa: PTH119  # of a command, which need not be a path
    host = socket.gethostname()
    user = ""
    with contextlib.suppress(KeyError, OSError):
        user = getpass.getuser()
    return {
        "id": f"{name}-{host}-{pid}-{time.time_ns() // 1_000_000:x}"[-128:],
        "name": name,
        "user": user,
        "status": "running",
        "description": shlex.join(command)[:200],
        "task_type": "command",
        "start_time": _now(),
        "host": host,
        "pid": pid,
    }


def _wait(process: subprocess.Popen[bytes], watched: set[signal.Signals]) -> int:
    """Pass signals on until the command has ended."""
    while (code := process.poll()) is None:
        info = signal.sigwaitinfo(watched)
        if info.si_signo == signal.SIGCHLD:
            continue
        if info.si_signo in _FROM_TERMINAL and info.si_code == _SI_KERNEL:
            # The terminal has sent it to the whole foreground group: the command has it already.
            continue
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(info.si_signo)
    return code


def _last_word(code: int) -> dict[str, Any]:
    word: dict[str, Any] = {
        "status": "finish" if code == 0 else "failed",
        "stop_time": _now(),
        "exit_code": code if code >= 0 else 128 - code,
    }
    if code < 0:
        word["reason"] = f"killed by {signal.Signals(-code).name}"
    elif code:
        word["reason"] = f"exit code {code}"
    return word


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
