"""Programs that tests run and look at from outside, but for the daemon that serves: that one is
`taskdash.testing`'s."""

import os
import subprocess
import sys
from pathlib import Path


def taskdashd(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of the daemon's that comes to an end by itself."""
    command = [sys.executable, "-m", "taskdashd", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


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
