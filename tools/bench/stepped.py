"""taskdashd, with a note of each long step of its event loop: `stepped.py FILE ARGUMENT …`.

A step is what trio does for one task until that waits again: nobody else has a turn meanwhile.
"""

import json
import runpy
import sys
import time
from functools import partial
from pathlib import Path

import trio

NOTED_S = 0.001


class Steps(trio.abc.Instrument):
    """Notes when each long step ended, the seconds that it took, and those of processor time."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, float, float, float]] = []
        self._began = self._worked = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note when a step begins."""
        self._began, self._worked = time.monotonic(), time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note the step, if it was long."""
        now = time.monotonic()
        if now - self._began > NOTED_S:
            worked_s = time.thread_time() - self._worked
            self.noted.append((task.name, now, now - self._began, worked_s))


def main() -> None:
    file, sys.argv = Path(sys.argv[1]), ["taskdashd", *sys.argv[2:]]
    steps = Steps()
    trio.run = partial(trio.run, instruments=[steps])
    try:
        runpy.run_module("taskdashd", run_name="__main__")
    finally:
        file.write_text(json.dumps(steps.noted))


if __name__ == "__main__":
    main()
