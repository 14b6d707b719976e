"""Run any command as a task.

Signals to this program go on to the command; its exit code is the command's. The command runs
also while the daemon is away, except with a lock, which only the daemon can give.
"""

import contextlib
import getpass
import os
import re
import shlex
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

import taskdash
from taskdash.address import Address
from taskdash.calls import Hooks
from taskdash.task import now
from taskdash_protocol.errors import TaskDashError

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
TIMED_OUT: Final = 124
"""The exit code of timeout(1) for a command whose time was up."""
KILL_AFTER_S: Final = 10.0
"""After SIGTERM the command has so long before SIGKILL."""
_PUMP_BYTES: Final = 64 << 10
_LINE_BYTES_MAX: Final = 4096
_TAIL_BYTES: Final = 400
_PROGRESS: Final = re.compile(rb"^\s*(\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?)|(%))\s*$")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a command is to be run."""

    fields: Mapping[str, Any]
    """The task's fields; they take the place of those that `_found_out` gives."""
    report_timeout_s: float
    timeout_s: float | None = None
    lock: bool = False
    progress: bool = False


def run(command: Sequence[str], where: Address, wishes: Wishes, say: Say) -> int:
    """Run a command as a task until it ends; returns its exit code, as a shell would give it.

    `say` is for words to a person. With a lock, raises `TaskDashError` where the daemon refuses or
    cannot be reached: then nothing was run.
    """
    watched = {*PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        fields = {**_found_out(command), **wishes.fields}
        task_id = str(fields.pop("id"))
        reporter = _Reporter(where, task_id, fields, say, lock=wishes.lock)
        with contextlib.closing(reporter):
            try:
                environment = {**os.environ, "TASKDASH_TASK_ID": task_id}
                environment.pop("TASKDASH_TASK_EPOCH", None)
                if reporter.epoch is not None:
                    environment["TASKDASH_TASK_EPOCH"] = str(reporter.epoch)
                progress_to = reporter if wishes.progress else None
                child = _Child(command, environment, before, progress_to)
            except OSError as error:
                missing = isinstance(error, FileNotFoundError)
                reason = "command not found" if missing else str(error.strerror)
                say(f"{command[0]}: {reason}")
                code = NOT_FOUND if missing else NOT_EXECUTABLE
                word = {**_ending(code), "reason": reason}
                _report(reporter, word, wishes.report_timeout_s, watched, before)
                return code
            code, timed_out = child.wait(watched, wishes.timeout_s)
            word = _ending(code, child.last_words())
            if timed_out:
                word["reason"] = f"timed out after {wishes.timeout_s:g} s"
            _report(reporter, word, wishes.report_timeout_s, watched, before)
            return TIMED_OUT if timed_out else int(word["exit_code"])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _report(
    reporter: "_Reporter",
    word: dict[str, Any],
    timeout_s: float,
    watched: set[signal.Signals],
    before: set[int | signal.Signals],
) -> None:
    """Report how the command ended; signals end this program again, so Ctrl-C ends the waiting."""
    while signal.sigtimedwait(watched, 0) is not None:
        # A signal that still waits was meant for the command: unblocked, it would end the report.
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        reporter.last_word(word, timeout_s)
    except KeyboardInterrupt:
        reporter.give_up()


class _Reporter:
    """Keeps the task alive at the daemon, and reports it again when the daemon was away."""

    def __init__(
        self, where: Address, task_id: str, fields: dict[str, Any], say: Say, *, lock: bool
    ) -> None:
        self._where = where
        self._id = task_id
        self._say = say
        self._registered = threading.Event()
        self.lost = False
        self.epoch: int | None = None
        """The task's epoch; None without a lock, where nothing waits for the daemon's reply."""
        hooks = Hooks(on_disconnect=self._away, on_reconnect=self._back, on_lost=self._taken)
        name = f"taskdash-ctl/{taskdash.__version__} run"
        if lock:
            self._client = taskdash.Client(where, name, hooks)
            try:
                self.epoch = self._client.register(task_id, fenced=True, **fields)
            except TaskDashError:
                self._client.close()
                raise
            self._registered.set()
        else:
            self._client = taskdash.Client(where, name, hooks, background=True)
            self._client.hold(task_id, fields, lambda _: self._registered.set(), replaces=True)

    def progress(self, text: str) -> None:
        """Say how far the command is."""
        self._client.say(self._id, progress=text)

    def last_word(self, word: dict[str, Any], timeout_s: float) -> None:
        """Report how the command ended; waits so long for a daemon that is away."""
        ends_at = time.monotonic() + timeout_s
        # Wait for the Register, so that also a command quicker than the network has a beginning.
        self._registered.wait(timeout_s)
        if self.lost:
            return
        self._client.say(self._id, **word)
        if not self._client.drain(max(0.0, ends_at - time.monotonic())) or self.lost:
            self.give_up()

    def give_up(self) -> None:
        """Tell the person that the daemon will not learn of the end."""
        away = self._client.fault
        reason = f": {away}" if away is not None else ""
        self._say(f"the end of task {self._id} could not be reported{reason}")

    def close(self) -> None:
        self._client.close(0)

    def _away(self, error: TaskDashError) -> None:
        self._say(f"{error}; the command goes on, and is reported once it is back")

    def _back(self) -> None:
        self._say(f"taskdashd at {self._where} is back")

    def _taken(self, _task_id: str, error: TaskDashError) -> None:
        self.lost = True
        self._say(f"the task is no longer ours: {error}")


class _Child:
    """The command's process, and the threads that read its output."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        signals: set[int | signal.Signals],
        reporter: _Reporter | None,
    ) -> None:
        self._tail: deque[bytes] = deque(maxlen=3)
        self._pumps: list[threading.Thread] = []
        pipes: list[tuple[int, int, int, Callable[[bytes], None]]] = []
        if reporter is not None:
            pipes.append((*os.pipe(), 1, lambda line: _report_progress(line, reporter)))
        if not os.isatty(2):
            # Read standard error only where it is no terminal: the command must find the terminal.
            pipes.append((*os.pipe(), 2, self._tail.append))
        # Off a terminal the command leads a process group, so that signals end its children too. On
        # a terminal it must stay in the foreground group, to read from the keyboard.
        self._leads_group = not os.isatty(0)
        try:
            self.pid = os.posix_spawnp(
                command[0],
                list(command),
                environment,
                setpgroup=0 if self._leads_group else os.getpgrp(),
                file_actions=[(os.POSIX_SPAWN_DUP2, end, fd) for _, end, fd, _ in pipes],
                setsigmask=signals,
            )
        finally:
            for _, end, _, _ in pipes:
                os.close(end)
        for source, _, fd, take in pipes:
            pump = threading.Thread(target=_pump, args=(source, fd, take), daemon=True)
            pump.start()
            self._pumps.append(pump)

    def wait(self, watched: set[signal.Signals], timeout_s: float | None) -> tuple[int, bool]:
        """Pass signals on until the command has ended.

        Gives its exit code (negative: the signal that killed it), and whether its time was up.
        """
        ends_at = None if timeout_s is None else time.monotonic() + timeout_s
        timed_out = False
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status), timed_out
            if ends_at is None:
                info: signal.struct_siginfo | None = signal.sigwaitinfo(watched)
            else:
                info = signal.sigtimedwait(watched, max(0.0, ends_at - time.monotonic()))
            if info is None:
                self._send(signal.SIGKILL if timed_out else signal.SIGTERM)
                timed_out, ends_at = True, time.monotonic() + KILL_AFTER_S
            elif info.si_signo == signal.SIGCHLD:
                continue
            elif (
                self._leads_group
                or info.si_signo not in _FROM_TERMINAL
                or info.si_code != _SI_KERNEL
            ):
                # The terminal signals the whole foreground group: passed on, its signal would reach
                # the command in it twice.
                self._send(info.si_signo)

    def last_words(self) -> str:
        """Give the end of the command's standard error, as one line."""
        for pump in self._pumps:
            # A background child of the command may hold the pipe open for ever: wait no longer.
            pump.join(1.0)
        text = " ".join(line.decode(errors="replace").strip() for line in self._tail)
        return text[-_TAIL_BYTES:]

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if self._leads_group else os.kill)(self.pid, number)


def _pump(source: int, target: int, take: Callable[[bytes], None]) -> None:
    """Copy output to `target` as it comes, and give each line to `take`."""
    line = b""
    with contextlib.closing(os.fdopen(source, "rb", buffering=0)) as pipe:
        while piece := pipe.read(_PUMP_BYTES):
            with contextlib.suppress(OSError):
                # Where our own output is closed, read on: a full pipe would block the command.
                _write_all(target, piece)
            *lines, line = (line + piece.replace(b"\r", b"\n")).split(b"\n")
            for one in filter(bytes.strip, lines):
                take(one[-_LINE_BYTES_MAX:])
            line = line[-_LINE_BYTES_MAX:]
    if line.strip():
        take(line)


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


def _report_progress(line: bytes, reporter: _Reporter) -> None:
    match = _PROGRESS.match(line)
    if match is not None:
        done, total, _percent = match.groups()
        reporter.progress(f"{done.decode()}/{total.decode() if total else '100'}")


def _found_out(command: Sequence[str]) -> dict[str, Any]:
    name = PurePath(command[0]).name or command[0]
    host = socket.gethostname()
    user = ""
    with contextlib.suppress(KeyError, OSError):
        user = getpass.getuser()
    return {
        "id": f"{name}-{host}-{os.getpid()}-{time.time_ns() // 1_000_000:x}"[-128:],
        "name": name,
        "user": user,
        "status": "running",
        "description": shlex.join(command)[:200],
        "task_type": "command",
        "start_time": now(),
        "host": host,
        "pid": os.getpid(),
    }


def _ending(code: int, last_words: str = "") -> dict[str, Any]:
    word: dict[str, Any] = {
        "status": "finish" if code == 0 else "failed",
        "stop_time": now(),
        "exit_code": code if code >= 0 else 128 - code,
    }
    if code:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        word["reason"] = f"{how}: {last_words}" if last_words else how
    return word
