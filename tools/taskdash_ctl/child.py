"""The command of `run`: its process, the signals that go on to it, and its output.

The command finds what it would find without the wrapper: signals, their mask and the environment
are those that the wrapper was started with, not what Python has made of them.
"""

from __future__ import annotations

import errno
import math
import os
import signal
import threading
import time
from collections import deque
from contextlib import closing, suppress
from functools import partial

from taskdash_ctl.foreground import ASKS, Foreground
from taskdash_ctl.wishes import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Final

    from taskdash_ctl.guardian import Guardian

    Mask = set[int | signal.Signals]
    Take = Callable[[bytes], None]

PASSED_ON: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
_STOPS: Final = (signal.SIGTSTP, signal.SIGCONT)
"""Passed on to a command that leads a group of its own, which no terminal stops."""
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
_FROM_TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)
_SI_KERNEL: Final = 128
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_FAITHFUL: Final = frozenset((b"systemd", b"sh", b"bash", b"dash", b"zsh", b"ksh", b"busybox"))
"""Programs whose children ignore the signals that they ignore themselves."""

KILL_AFTER_S: Final = 10.0
"""After SIGTERM the command has so long before SIGKILL."""
_SHELL: Final = "/bin/sh"
_PUMP_BYTES: Final = 64 << 10
_LINE_BYTES_MAX: Final = 4096
_TAIL_BYTES: Final = 400
_SHEBANG_BYTES: Final = 256


def watched() -> set[signal.Signals]:
    """Give the signals that `Child.wait` takes, which the caller must have blocked."""
    return {*PASSED_ON, signal.SIGCHLD, *(() if os.isatty(0) else _STOPS)}


class Output:
    """The pipes that a command's output is read from, where it is, and the threads that read it."""

    def __init__(self, take_line: Take | None) -> None:
        """`take_line` gets the lines of its standard output."""
        self._tail: deque[bytes] = deque(maxlen=3)
        self._threads: list[threading.Thread] = []
        self._pipes: list[tuple[int, int, int, Take]] = []
        if take_line is not None:
            self._pipes.append((*os.pipe(), 1, take_line))
        if not os.isatty(2):
            # Read standard error only where it is no terminal: the command must find the terminal.
            self._pipes.append((*os.pipe(), 2, self._tail.append))

    @property
    def sources(self) -> list[tuple[int, int]]:
        """The ends that are read, each with the stream that it goes on to."""
        return [(source, fd) for source, _, fd, _ in self._pipes]

    @property
    def left(self) -> bool:
        """Whether somebody may still write, such as a child in the background."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def streams(self) -> list[tuple[int, int, int]]:
        """The file actions that give a command the other ends."""
        return [(os.POSIX_SPAWN_DUP2, end, fd) for _, end, fd, _ in self._pipes]

    def read(self) -> None:
        """Begin to read; from here on only the command can write."""
        for source, end, fd, take in self._pipes:
            os.close(end)
            thread = threading.Thread(target=_pump, args=(source, fd, take), daemon=True)
            thread.start()
            self._threads.append(thread)

    def last_words(self) -> str:
        """Give the end of the command's standard error, as one line; bytes of no text escaped."""
        for thread in self._threads:
            # A background child of the command may hold the pipe open for ever: wait no longer.
            thread.join(1.0)
        text = " ".join(line.decode(errors="backslashreplace").strip() for line in self._tail)
        return text[-_TAIL_BYTES:]


class Child:
    """The command's process."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        mask: Mask,
        output: Output,
        guardian: Guardian | None,
    ) -> None:
        """Start the command. Raises `OSError`."""
        self._guardian = guardian
        self._ends_at = math.inf
        self.timed_out = False
        self.exit_code = 0
        """The exit code, negative for the signal that killed it; once `wait` gave True."""
        self._must_end = False
        self._is_ending = False
        # Off a terminal the command has a process group, so that signals end its children too. On a
        # terminal it must stay in the foreground group, to read from the keyboard.
        has_group = not os.isatty(0)
        own = guardian.group if guardian is not None else 0
        try:
            self.pid = _spawn(
                command,
                environment,
                guardian.child if guardian is not None and not has_group else None,
                setpgroup=own if has_group else os.getpgrp(),
                file_actions=output.streams,
                setsigmask=mask,
                setsigdef=_changed_signals(),
            )
        finally:
            output.read()
        self._group = (own or self.pid) if has_group else None
        self._foreground = None if self._group is None else Foreground(self._group)

    def ends_in(self, timeout_s: float) -> None:
        """Let the command run so long at most."""
        self._ends_at = time.monotonic() + timeout_s

    def end_soon(self) -> None:
        """Have the command ended; for another thread than that which waits."""
        self._must_end = True
        os.kill(os.getpid(), signal.SIGCHLD)

    def wait(self, watched: set[signal.Signals], for_s: float = math.inf) -> bool:
        """Pass signals on until the command has ended; False if it runs on after so long."""
        until = time.monotonic() + for_s
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                self._stopped(os.WSTOPSIG(status))
            elif pid:
                if self._foreground is not None:
                    self._foreground.take_back()
                self.exit_code = os.waitstatus_to_exitcode(status)
                return True
            if self._must_end and not self._is_ending:
                self._end()
            due = min(until, self._ends_at)
            if due == math.inf:
                info: signal.struct_siginfo | None = signal.sigwaitinfo(watched)
            else:
                info = signal.sigtimedwait(watched, max(0.0, due - time.monotonic()))
            # Once this process stood still for longer than it would wait, Python gives a record of
            # no signal instead of None.
            if info is not None and info.si_signo in watched:
                self._pass_on(info)
            elif time.monotonic() >= self._ends_at:
                self.timed_out = self.timed_out or not self._must_end
                self._end()
            elif time.monotonic() >= until:
                return False

    def _end(self) -> None:
        """Ask the command to end, and if that was done before, kill it."""
        self._send(signal.SIGKILL if self._is_ending else signal.SIGTERM)
        self._is_ending, self._ends_at = True, time.monotonic() + KILL_AFTER_S

    def _pass_on(self, info: signal.struct_siginfo) -> None:
        number = info.si_signo
        if number == signal.SIGCHLD:
            return
        if number in _ENDS and self._guardian is not None:
            self._guardian.asked()
        from_terminal = number in _FROM_TERMINAL and info.si_code == _SI_KERNEL
        if self._group is None and from_terminal:
            # The terminal signals the whole foreground group: passed on, its signal would reach the
            # command in it twice.
            return
        if number == signal.SIGCONT and self._foreground is not None:
            self._foreground.give_again()
        self._send(number)

    def _stopped(self, number: int) -> None:
        """Give a stopped command the terminal that it asks for, or stop too, as its shell's job."""
        if self._foreground is None:
            return
        if number in ASKS and self._foreground.give():
            self._send(signal.SIGCONT)
        elif number in (*ASKS, signal.SIGTSTP):
            self._foreground.take_back()
            os.kill(os.getpid(), signal.SIGSTOP)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self._group is not None:
                os.killpg(self._group, number)
            else:
                os.kill(self.pid, number)


def environment() -> dict[str, str]:
    """Give the environment that this program was started with."""
    # Python sets LC_CTYPE where the locale is C (PEP 538): the command, as from cron, had none.
    known = dict(os.environ)
    with suppress(OSError), open("/proc/self/environ", "rb") as file:  # noqa: PTH123  # pathlib is dear
        if not any(one.startswith(b"LC_CTYPE=") for one in file.read().split(b"\0")):
            known.pop("LC_CTYPE", None)
    return known


def why_not(command: str, error: OSError) -> str:
    """Say why a command could not be started."""
    if not isinstance(error, FileNotFoundError):
        path = _found(command)
        return "is a directory" if os.path.isdir(path or command) else str(error.strerror)  # noqa: PTH112
    path = _found(command)
    if path is None:
        return "command not found"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            first = file.read(_SHEBANG_BYTES).partition(b"\n")[0]
    except OSError:
        return str(error.strerror)
    if not first.startswith(b"#!"):
        return "the loader or interpreter that it names is not there"
    name = first[2:].strip(b" \t").decode(errors="backslashreplace")
    if name.endswith("\r"):
        return f"its lines end in CR LF, so that it asks for the interpreter {name!r}"
    return f"its interpreter {name!r} is not there"


def _spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    tell: Callable[[int], None] | None,
    **how: Any,
) -> int:
    """Start a command as execvp(3) does, once `tell` knows its process. Raises `OSError`."""
    start: Callable[..., int] = os.posix_spawnp
    ignored = []
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        # While we ignore SIGCHLD the system keeps no exit code; the command goes on ignoring it.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ignored.append(signal.SIGCHLD)
    if ignored or tell is not None:
        start = partial(_fork, tell=tell, ignored=ignored)
    try:
        return start(command[0], list(command), environment, **how)
    except OSError as error:
        path = _found(command[0])
        if error.errno != errno.ENOEXEC or path is None:
            raise
        # A script without `#!`, which every shell runs, and execvp(3) too.
        return start(_SHELL, [_SHELL, path, *command[1:]], environment, **how)


def _fork(
    file: str,
    words: list[str],
    environment: Mapping[str, str],
    *,
    setpgroup: int,
    file_actions: list[tuple[int, int, int]],
    setsigmask: Mask,
    setsigdef: list[signal.Signals],
    tell: Callable[[int], None] | None,
    ignored: list[signal.Signals],
) -> int:
    """Start a command with what posix_spawn, which is quicker, can give to none."""
    told_at, tells = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tells)
        with os.fdopen(told_at, "rb") as told:
            number = int(told.read() or 0)
        if not number:
            return pid
        os.waitpid(pid, 0)
        raise OSError(number, os.strerror(number)) from None
    try:
        if tell is not None:
            tell(os.getpid())
        for one in ignored:
            signal.signal(one, signal.SIG_IGN)
        for one in setsigdef:
            signal.signal(one, signal.SIG_DFL)
        os.setpgid(0, setpgroup)
        for _, end, fd in file_actions:
            os.dup2(end, fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, setsigmask)
        os.execvpe(file, words, environment)  # noqa: S606
    except OSError as error:
        os.write(tells, b"%d" % (error.errno or 0))
    finally:
        os._exit(127)


def _changed_signals() -> list[signal.Signals]:
    """Give the signals to be set to their default again, because Python ignores them by itself."""
    # What they were when Python began cannot be asked. A parent that ignores them itself passes
    # that on if it is systemd or a shell; programs in Python, Rust or Node reset them.
    inherited = 0
    with suppress(OSError), open(f"/proc/{os.getppid()}/status", "rb") as file:  # noqa: PTH123
        status = dict(line.split(b":\t", 1) for line in file if b":\t" in line)
        if status[b"Name"].strip().lstrip(b"-") in _FAITHFUL:
            inherited = int(status[b"SigIgn"], 16)
    return [one for one in _IGNORED_BY_PYTHON if not inherited >> (one - 1) & 1]


def _found(command: str) -> str | None:
    """Give the file of a command, as PATH has it; None where there is none."""
    folders = [""] if "/" in command else os.get_exec_path()
    for folder in folders:
        path = os.path.join(folder, command)  # noqa: PTH118
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return path
    return None


def _pump(source: int, target: int, take: Take) -> None:
    """Copy output to `target` as it comes, and give each line to `take`."""
    line = b""
    with closing(os.fdopen(source, "rb", buffering=0)) as pipe:
        while piece := pipe.read(_PUMP_BYTES):
            with suppress(OSError):
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
