"""Programs that tests run and look at from outside, but for the daemon that serves: that one is
`taskdash.testing`'s."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from socket import MSG_DONTWAIT
from typing import Any, Self

_BEAT = bytes.fromhex("00000006 93cd0570c0c0")
_PIECE = bytes(1 << 20)
_SAMPLE_S = 0.02


def taskdashd(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of the daemon's that comes to an end by itself."""
    command = [sys.executable, "-m", "taskdashd", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


class Pulse:
    """Beats on connections in the contract's own framing, however long its block takes."""

    def __init__(self, *clients: Any, every_s: float = 0.1) -> None:
        self._clients, self._every_s = clients, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            for client in self._clients:
                # A connection that has ended is none of its business: the test itself sees it.
                with suppress(OSError):
                    client.sock.send(_BEAT, MSG_DONTWAIT)
            if all(client.sock.fileno() == -1 for client in self._clients):
                break

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def node(script: str, given: object) -> Any:
    """Give what a module of JavaScript prints as JSON, from a value that it reads as JSON."""
    told = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        cwd=Path(__file__).parents[1],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def stretch() -> float:
    """Measure how many times as long as on a machine with nothing else to do something takes here
    and now: the seconds that a piece of work takes over those of the processor."""
    began, cpu_began = time.monotonic(), time.thread_time()
    while (cpu := time.thread_time() - cpu_began) < _SAMPLE_S:
        sha256(_PIECE)
    return (time.monotonic() - began) / cpu


def last_lines(text: str, count: int = 8) -> str:
    """Give the end of a program's output, for the message of a test that fails."""
    return "\n".join(line[:300] for line in text.splitlines()[-count:])


def memory_kib(pid: int, what: str = "Pss") -> int:
    """Give the memory of a process, as proc_pid_smaps(5) counts it: `Pss`, `Rss`."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(f"{what}:"))


def peak_kib(pid: int) -> int:
    """Give the most memory of a process that was ever resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def cpu_s(pid: int) -> float:
    """Give the processor time that a process has taken, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    """Count the open files of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def sockets(pid: int) -> int:
    """Count the open sockets of a process."""
    held = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            held += str(one.readlink()).startswith("socket:")
    return held
