"""taskdash-ctl as a process, and on a terminal."""

import os
import pty
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taskdash.testing import RunningDaemon


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "TASKDASH_URL": url}


def ctl(
    daemon: RunningDaemon | str, *words: str, **kwargs: Any
) -> subprocess.CompletedProcess[str]:
    url = daemon if isinstance(daemon, str) else daemon.url
    command = [sys.executable, "-m", "taskdash_ctl", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(url), timeout=30, **kwargs
    )


def in_terminal(daemon: RunningDaemon, *words: str, columns: int = 60) -> str:
    """Run taskdash-ctl on a pseudo-terminal, and give its output."""
    master, slave = pty.openpty()
    env = {**environment(daemon.url), "COLUMNS": str(columns)}
    command = [sys.executable, "-m", "taskdash_ctl", *words]
    process = subprocess.Popen(command, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait(10) == 0
    return shown.decode()


class Screen:
    """A terminal whose screen can be read, pressed and resized: a window of tmux."""

    def __init__(self, folder: Path, url: str, command: str, *, columns: int, lines: int) -> None:
        self._server = ("tmux", "-S", str(folder / "tmux"), "-f", os.devnull)
        env = {**environment(url), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        for name in ("COLUMNS", "LINES"):
            # The tests' runner may have set them, and what is a terminal's size would not be asked.
            env.pop(name, None)
        size = ("-x", str(columns), "-y", str(lines))
        subprocess.run([*self._server, "new-session", "-d", *size, command], check=True, env=env)

    def lines(self) -> list[str]:
        """Give the lines of the screen, without the blanks at their ends."""
        done = self._do("capture-pane", "-p")
        return [line.rstrip() for line in done.splitlines()]

    def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Give the lines once they are so."""
        for _ in range(200):
            lines = self.lines()
            if condition(lines):
                return lines
            time.sleep(0.1)
        raise AssertionError("it never came so:\n" + "\n".join(lines))

    def press(self, *keys: str) -> None:
        self._do("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self._do("resize-window", "-x", str(columns), "-y", str(lines))

    def close(self) -> None:
        self._do("kill-server")

    def _do(self, *words: str) -> str:
        done = subprocess.run(
            [*self._server, *words], check=True, capture_output=True, text=True, encoding="utf-8"
        )
        return done.stdout


@contextmanager
def screen(daemon: RunningDaemon | str, *words: str, columns: int, lines: int) -> Iterator[Screen]:
    """Run taskdash-ctl on a real terminal of that size."""
    command = shlex.join((sys.executable, "-m", "taskdash_ctl", *words))
    # The shell keeps the screen there once the command has ended.
    stays = f"stty -echo; {command}; echo ended; exec cat"
    with terminal(daemon, stays, columns=columns, lines=lines) as shown:
        yield shown


@contextmanager
def terminal(
    daemon: RunningDaemon | str, command: str, *, columns: int, lines: int
) -> Iterator[Screen]:
    """Run a command of the shell on a real terminal of that size."""
    url = daemon if isinstance(daemon, str) else daemon.url
    # A short path: sockets have 108 bytes.
    with tempfile.TemporaryDirectory(prefix="tmux-") as folder:
        shown = Screen(Path(folder), url, command, columns=columns, lines=lines)
        try:
            yield shown
        finally:
            shown.close()
