"""The daemon by a clock that stands still: `clocked.py FILE WORD…` runs `taskdashd WORD…`, to which
it is always the time at which a file was last written."""

import sys
import time
from pathlib import Path


def main() -> None:
    clock = Path(sys.argv.pop(1))
    time.time = lambda: clock.stat().st_mtime
    # Only now: a module may take the function for itself.
    from taskdashd.__main__ import main as daemon

    daemon()


if __name__ == "__main__":
    main()
