"""taskdash-ctl as a process, and on a terminal."""

import os
import pty
import subprocess
import sys
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
