"""The program `taskdashd`, also as `python -m taskdashd`: at first with the standard library alone.

`pip install taskdash` installs this program with the client, but not what the daemon stands on.
"""

import sys
from typing import Final

OURS: Final = ("taskdashd", "taskdash_protocol")
INSTALL: Final = 'pip install "taskdash[daemon]"'
WITH_POSTGRES: Final = 'pip install "taskdash[daemon,postgres]"'


def main() -> None:
    """Run the command line; where a package of the extra will not do, say what to install."""
    try:
        from taskdashd.cli import main as command_line

        command_line()
    except ModuleNotFoundError as error:
        if _is_ours(error):
            raise
        if str(error.name).startswith("psycopg"):
            sys.exit(f"taskdashd needs psycopg for a PostgreSQL: {WITH_POSTGRES}")
        sys.exit(f"taskdashd needs the daemon's parts: {INSTALL}")
    except ImportError as error:
        # Such as an older version, python-multipart in the place of multipart, or a module that was
        # compiled for another machine.
        if _is_ours(error):
            raise
        sys.exit(f"taskdashd cannot use {error.name or 'a package'} as it is: {error}\n{INSTALL}")


def _is_ours(error: ImportError) -> bool:
    return str(error.name).partition(".")[0] in OURS


if __name__ == "__main__":
    main()
