"""Our own programs, forked from a process that has imported them already.

The suite starts hundreds of daemons and commands, and most of the processor time of a start is
imports. So `subprocess.Popen` asks a process that forks for `python -m taskdashd` and
`python -m taskdash_ctl`. What that gives is a process like any other: a child of the one who asked,
with a pid, an exit status, an environment and streams of its own. Only its memory is shared until
it is written to, and /proc shows the command line of the process that forked. Any other command is
started as ever, also these with whatever could change what an import does, or with `--cold`.
"""

import ctypes
import gc
import importlib
import inspect
import io
import json
import os
import platform
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

PROGRAMS = {
    "taskdashd": ("taskdashd.cli", "taskdashd.daemon"),
    "taskdash_ctl": ("taskdash_ctl.cli",),
}
"""What is started by `python -m`, and what it imports."""
EARLY = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "OPENSSL_", "COVERAGE_")
"""Beginnings of variables that are read before the first line of a program, or by an import."""
USUAL: dict[str, Any] = {
    "executable": None,
    "preexec_fn": None,
    "close_fds": True,
    "pass_fds": (),
    "shell": False,
    "restore_signals": True,
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
    "start_new_session": False,
    "process_group": -1,
}
"""Arguments of `Popen` with which a fork is what was asked for."""
MESSAGE_BYTES_MAX = 64 << 10
CLONE_NUMBERS = {"x86_64": 56, "aarch64": 220}
"""The number of clone(2) by machine."""
CLONE_PARENT = 0x8000

Cold = subprocess.Popen
ORDER = inspect.signature(Cold._execute_child)


def early(env: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that a process which has imported all cannot take on any more."""
    return {name: value for name, value in env.items() if name.startswith(EARLY)}


class Forge:
    """The process that forks, as those see it who ask; it is started with the first order."""

    def __init__(self) -> None:
        self._early = early(os.environ)
        self._one_asks = threading.Lock()
        self._socket, self._theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None

    def order(self, asked: Mapping[str, Any]) -> bytes | None:
        """Write down what is to be started; None where a fork would not be the same."""
        args, cwd = asked["args"], asked["cwd"]
        env = os.environ if asked["env"] is None else asked["env"]
        if (
            not isinstance(args, list | tuple)
            or list(args[:2]) != [sys.executable, "-m"]
            or args[2] not in PROGRAMS
            or any(asked[name] != usual for name, usual in USUAL.items())
            or early(env) != self._early
            or not Path(cwd or ".").is_dir()
        ):
            return None
        words = [os.fspath(word) for word in args[2:]]
        order = json.dumps([words, dict(env), os.fspath(cwd or Path.cwd())]).encode()
        return order if len(order) <= MESSAGE_BYTES_MAX else None

    def start(self, order: bytes, streams: list[int]) -> int:
        """Start a program; gives the pid."""
        with self._one_asks:
            if self._process is None:
                fd = self._theirs.fileno()
                command = [sys.executable, __file__, str(fd)]
                self._process = Cold(command, stdin=subprocess.DEVNULL, pass_fds=[fd])
                self._theirs.close()
            socket.send_fds(self._socket, [order], streams)
            return int(self._socket.recv(MESSAGE_BYTES_MAX))

    def close(self) -> None:
        """End the process; what it has forked goes on."""
        self._socket.close()
        self._theirs.close()
        if self._process:
            self._process.wait()


class Warm(Cold):
    """A `Popen` that forks where it may."""

    forge: Forge | None = None

    def _execute_child(self, *given: Any) -> None:
        asked = ORDER.bind(self, *given).arguments
        forge = Warm.forge
        order = forge.order(asked) if forge else None
        if forge is None or order is None:
            super()._execute_child(*given)
            return
        streams = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        own = [number if fd == -1 else fd for number, fd in enumerate(streams)]
        self.pid = forge.start(order, own)
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(asked[name] for name in pipes))


def begin() -> None:
    """Have `subprocess.Popen` fork from now on, if this machine's clone(2) is known."""
    is_traced = any(name.startswith("COVERAGE_") for name in os.environ)
    if platform.machine() in CLONE_NUMBERS and not is_traced:
        Warm.forge = Forge()
        subprocess.Popen = Warm


def end() -> None:
    """Start programs as ever."""
    if Warm.forge:
        subprocess.Popen = Cold
        Warm.forge.close()
        Warm.forge = None


# What follows runs in the process that forks.


def fork_sibling() -> int:
    """Fork, as `os.fork` does, a child not of this process but of its parent: that one can wait
    for it."""
    libc, python = ctypes.PyDLL(None), ctypes.pythonapi
    number = CLONE_NUMBERS[platform.machine()]
    # What the interpreter does around fork(2): its locks, its threads, and hooks such as random's.
    python.PyOS_BeforeFork()
    pid = libc.syscall(number, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid:
        python.PyOS_AfterFork_Parent()
    else:
        python.PyOS_AfterFork_Child()
    return int(pid)


def serve(asks: socket.socket) -> list[str]:
    """Fork for each order; returns only in a child, with the words of what it is to be."""
    while True:
        order, fds, _, _ = socket.recv_fds(asks, MESSAGE_BYTES_MAX, 3)
        if not order:
            os._exit(0)
        pid = fork_sibling()
        if not pid:
            break
        for fd in fds:
            os.close(fd)
        asks.send(str(pid).encode())
    asks.close()
    words, env, cwd = json.loads(order)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    return list(words)


def open_streams() -> None:
    """Make the streams that an interpreter makes at its start."""
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        early = getattr(sys, name)
        writes = number > 0
        file: Any = io.FileIO(number, "w" if writes else "r", closefd=False)
        if not writes:
            file = io.BufferedReader(file)
        elif not at_once:
            file = io.BufferedWriter(file)
        stream = io.TextIOWrapper(
            file,
            early.encoding,
            early.errors,
            line_buffering=name == "stderr" or (writes and os.isatty(number)),
            write_through=writes and at_once,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not the directory of this file: `python -m` puts the working directory there.
    sys.path[0] = str(Path.cwd())
    for module in chain(*PROGRAMS.values()):
        importlib.import_module(module)
    gc.freeze()
    words = serve(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    open_streams()
    sys.path[0] = str(Path.cwd())
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
