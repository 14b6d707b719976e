"""A backup in a process of its own: to read a copy back takes CPython's lock for every row.

In the daemon's process, the threads that serve and that commit would wait for that lock, row after
row, for as long as the backup takes.
"""

import json
import os
import sys
from pathlib import Path
from typing import Final

import trio

from taskdashd.store.backup import BackupError, Copy

_PROGRAM: Final = "from taskdashd.store.copying import main; main()"


async def copy(data: Path, directory: Path, keep: int, store: str = "") -> Copy:
    """Make a copy as `backup.scheduled` does. Raises `BackupError`, and `OSError`."""
    command = [sys.executable, "-c", _PROGRAM, str(data), str(directory), str(keep), store]
    # Have the program find what this one has found, wherever the packages are installed.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = await trio.run_process(
        command, capture_stdout=True, capture_stderr=True, check=False, env=environment
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise BackupError(told[-1] if told else f"it ended with {done.returncode}")
    made = Copy(*json.loads(done.stdout))
    return made._replace(path=Path(made.path))
