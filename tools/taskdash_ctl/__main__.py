"""The program `taskdash-ctl`; a plain `run` begins its command before anything dear is imported."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from taskdash_ctl import wishes
from taskdash_ctl.wishes import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn


def main() -> None:
    """Run the program."""
    completes = "_TASKDASH_CTL_COMPLETE" in os.environ
    plain = None if completes else wishes.read(sys.argv[1:])
    if plain is None:
        from taskdash_ctl.cli import main as commands

        commands()
        return
    # What is imported stays: looking through it for garbage is for nothing.
    gc.disable()
    from taskdash_ctl.runner import run

    try:
        code = run(plain.command, plain.server, plain.wishes)
    except KeyboardInterrupt:
        code = 130
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End as `sys.exit` does, without taking the interpreter apart: a tenth of a short run."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
