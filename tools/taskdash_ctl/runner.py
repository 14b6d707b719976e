"""Run any command as a task.

Signals to this program go on to the command; its exit code is the command's. The command runs
also while the daemon is away, except with a lock, which only the daemon can give. So it begins
before anything is imported that only the report needs.
"""

from __future__ import annotations

import gc
import os
import re
import signal
import threading
import time
from contextlib import contextmanager, suppress

from taskdash_ctl import child as children
from taskdash_ctl.child import Child, Output
from taskdash_ctl.guardian import GRACE_S, Guardian
from taskdash_ctl.wishes import TYPE_CHECKING
from taskdash_protocol import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final

    from taskdash_ctl.brief import Brief
    from taskdash_ctl.child import Mask
    from taskdash_ctl.reporter import Reporter
    from taskdash_ctl.wishes import Say, Wishes

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
TIMED_OUT: Final = 124
"""The exit code of timeout(1) for a command whose time was up."""
BRIEFLY_S: Final = 0.2
"""A command that runs for longer is reported by the whole client."""
_CLIENT: Final = f"taskdash-ctl/{__version__} run"
_ID_CHARACTERS_MAX: Final = 128
_DESCRIPTION_CHARACTERS_MAX: Final = 200
_PROGRESS: Final = rb"^\s*(\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?)|(%))\s*$"


def run(command: Sequence[str], server: str | None, wishes: Wishes) -> int:
    """Run a command as a task until it ends; returns its exit code, as a shell would give it.

    `server` is the daemon's address, as people write it. With a lock, raises `TaskDashError` where
    the daemon refuses or cannot be reached, and `ValueError` for a bad address: then nothing was
    run. Without, the command runs whatever the address is.
    """
    _claim_streams()
    watched = children.watched()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        report = _Report(server, _task(command, wishes), wishes)
        if wishes.lock:
            _lock(report, watched, before)
        try:
            return _run(command, report, wishes, watched, before)
        finally:
            report.close()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _lock(report: _Report, watched: set[signal.Signals], before: Mask) -> None:
    """Have the task for this run alone; a signal meanwhile ends this program, for nothing runs."""
    faults: list[Exception] = []

    def lock() -> None:
        try:
            report.lock()
        except Exception as error:  # raised again below, where the caller is
            faults.append(error)
        os.kill(os.getpid(), signal.SIGCHLD)

    # In a thread: it and the client's threads keep these signals blocked, as they must be later.
    thread = threading.Thread(target=lock, daemon=True)
    thread.start()
    while (number := signal.sigwait(watched)) != signal.SIGCHLD:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    thread.join()
    if faults:
        raise faults[0]


def _run(
    command: Sequence[str],
    report: _Report,
    wishes: Wishes,
    watched: set[signal.Signals],
    before: Mask,
) -> int:
    take = (lambda line: _report_progress(line, report)) if wishes.progress else None
    output = Output(take)
    with _guarded(report.grace_s, output) as guardian:
        try:
            child = Child(command, report.environment(), before, output, guardian)
        except OSError as error:
            reason = children.why_not(command[0], error)
            _say(f"{_shown(command[0])}: {reason}")
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            report.begin()
            report.end({**_ending(code), "reason": reason}, watched, before)
            return code
        if wishes.timeout_s is not None:
            child.ends_in(wishes.timeout_s)
        report.begin(child)
        while not child.wait(watched, BRIEFLY_S):
            if report.runs_on():
                child.wait(watched)
                break
        word = _ending(child.exit_code, output.last_words())
    if child.timed_out:
        word["reason"] = f"timed out after {wishes.timeout_s:g} s"
    report.end(word, watched, before)
    return TIMED_OUT if child.timed_out else int(word["exit_code"])


class _Report:
    """What the daemon is told: of a short command by `Brief`, of any other by `Reporter`.

    Both are imported only once the command has begun, and the dear one only where it is needed.
    """

    def __init__(self, server: str | None, task: dict[str, Any], wishes: Wishes) -> None:
        self._server, self._task, self._wishes = server, task, wishes
        self._say: Say = (lambda _: None) if wishes.quiet else _say
        self._brief: Brief | None = None
        self._whole: Reporter | None = None
        self._progress: dict[str, str] = {}
        self.grace_s = GRACE_S
        """How long a command whose wrapper was killed may take to end."""

    def lock(self) -> None:
        """Register the task for this run alone. Raises `TaskDashError`, `ValueError`."""
        self._whole = self._client()
        self._whole.lock()
        # The daemon frees the lock so long after the last heartbeat, of which a third may have gone
        # by: by then the command of a wrapper that was killed has ended.
        self.grace_s = min(GRACE_S, self._whole.heartbeat_timeout_s / 3)

    def environment(self) -> dict[str, str]:
        """Give the command's environment."""
        # In UTF-8 also where Python takes the locale for one that has less.
        added = {"TASKDASH_TASK_ID": os.fsdecode(self._task["id"].encode())}
        if self._whole is not None and self._whole.epoch is not None:
            added["TASKDASH_TASK_EPOCH"] = str(self._whole.epoch)
        known = {**children.environment(), **added}
        if "TASKDASH_TASK_EPOCH" not in added:
            known.pop("TASKDASH_TASK_EPOCH", None)
        return known

    def begin(self, child: Child | None = None) -> None:
        """Tell that the command has begun; with a lock, the command ends when that is lost."""
        if self._whole is None:
            from taskdash_ctl.brief import Brief

            self._brief = Brief(self._server, _CLIENT, self._task)
        elif child is not None:
            self._whole.on_lost = child.end_soon

    def runs_on(self) -> bool:
        """Keep the task of a command alive that runs on; False where that must be asked again."""
        if self._brief is None:
            return True
        if self._brief.busy:
            return False
        self._brief.beat()
        self._begin_whole(self._brief.epoch)
        self._brief.close()
        return True

    def progress(self, text: str) -> None:
        """Say how far the command is; a thread that reads its output calls this."""
        self._progress["progress"] = text
        if self._whole is not None:
            self._whole.progress(text)

    def end(self, word: dict[str, Any], watched: set[signal.Signals], before: Mask) -> None:
        """Report how the command ended; signals end this program again, so Ctrl-C ends waiting."""
        while signal.sigtimedwait(watched, 0) is not None:
            # A signal that still waits was meant for the command: unblocked, it would end the
            # report.
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        ends_at = time.monotonic() + self._wishes.report_timeout_s
        word |= self._progress
        try:
            if self._whole is None:
                assert self._brief is not None
                if self._brief.end(word, self._wishes.report_timeout_s):
                    return
                self._begin_whole()
            if self._whole is not None:
                self._whole.last_word(word, max(0.0, ends_at - time.monotonic()))
        except KeyboardInterrupt:
            if self._whole is not None:
                self._whole.give_up()

    def close(self) -> None:
        """Disconnect."""
        for one in (self._brief, self._whole):
            if one is not None:
                one.close()

    def _begin_whole(self, epoch: int | None = None) -> None:
        try:
            whole = self._client()
        except ValueError as error:
            self._say(f"the task is not shown: {error}")
            return
        whole.begin(epoch)
        self._whole = whole
        if self._progress:
            whole.progress(self._progress["progress"])

    def _client(self) -> Reporter:
        gc.enable()
        from taskdash.address import parse
        from taskdash_ctl.reporter import Reporter

        return Reporter(parse(self._server), _CLIENT, self._task, self._say)


@contextmanager
def _guarded(grace_s: float, output: Output) -> Iterator[Guardian | None]:
    """Have a guardian while a command runs; without a shell to be it there is none."""
    try:
        guardian = Guardian(grace_s, output.sources)
    except OSError as error:
        _say(f"if this program is killed, the command runs on: no guardian: {error.strerror}")
        yield None
        return
    yield guardian
    # Not where this program fails, which is one of the ends that the guardian is there for.
    guardian.over(left=output.left)


def _claim_streams() -> None:
    # A closed standard stream would be the number of the next pipe or socket, and the command's
    # output be written there. What is opened here is not inherited: the command finds it closed.
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _say(message: str) -> None:
    from taskdash_ctl import reach, streams

    streams.prepare()
    reach.say(message)


def _report_progress(line: bytes, report: _Report) -> None:
    match = re.match(_PROGRESS, line)
    if match is not None:
        done, total, _percent = match.groups()
        report.progress(f"{done.decode()}/{total.decode() if total else '100'}")


def _task(command: Sequence[str], wishes: Wishes) -> dict[str, Any]:
    """Give what is registered: what can be found out, and over it what the person has said."""
    import getpass
    import shlex

    name = command[0].rstrip("/").rpartition("/")[2] or command[0]
    host = os.uname().nodename
    user = ""
    with suppress(KeyError, OSError, ImportError):
        user = getpass.getuser()
    task = {
        "id": f"{name}-{host}-{os.getpid()}-{time.time_ns() // 1_000_000:x}"[-_ID_CHARACTERS_MAX:],
        "name": name,
        "user": user,
        "status": "running",
        "description": shlex.join(map(_shown, command))[:_DESCRIPTION_CHARACTERS_MAX],
        "task_type": "command",
        "start_time": _now(),
        "host": host,
        "pid": os.getpid(),
        **wishes.fields,
    }
    return {key: _shown(one) if isinstance(one, str) else one for key, one in task.items()}


def _shown(text: str) -> str:
    """Write bytes that are no text, which arguments may hold, as escapes."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _now() -> str:
    # As `taskdash.task.now` does, without what that imports.
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _ending(code: int, last_words: str = "") -> dict[str, Any]:
    word: dict[str, Any] = {
        "status": "finish" if code == 0 else "failed",
        "stop_time": _now(),
        "exit_code": code if code >= 0 else 128 - code,
    }
    if code:
        how = f"killed by {_signal(-code)}" if code < 0 else f"exit code {code}"
        word["reason"] = f"{how}: {last_words}" if last_words else how
    return word


def _signal(number: int) -> str:
    """Name a signal; of the real-time ones only the first and the last have names."""
    named = {one.value: one.name for one in signal.Signals}
    return named.get(number, f"signal {number}")
