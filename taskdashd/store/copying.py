"""The program that makes a backup for the daemon, see `process/copier.py`."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from taskdashd.store import backup

_NICE: Final = 10


def main() -> None:
    """Make a copy: data directory, directory of copies, how many are kept, the store or nothing.

    What was made is told as JSON.
    """
    data, directory, keep, store = sys.argv[1:]
    os.umask(0o077)
    # A sandbox may forbid it; the backup is only less polite then.
    with suppress(OSError):
        os.nice(_NICE)
    try:
        made = backup.scheduled(Path(data), Path(directory), int(keep), store=store)
    except (backup.BackupError, OSError) as error:
        sys.exit(str(error))
    print(json.dumps([str(made.path), *made[1:]]))
