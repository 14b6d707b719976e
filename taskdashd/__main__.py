"""The program `taskdashd`, also as `python -m taskdashd`: at first with the standard library alone.

`pip install taskdash` installs this program with the client, but not what the daemon stands on.
"""

import sys
from typing import Final

OURS: Final = ("taskdashd", "taskdash_protocol")


def main() -> None:
    """Run the command line; where a package of the extra is missing, say what to install."""
    try:
        from taskdashd.cli import main as command_line

        command_line()
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in OURS:
            raise
        sys.exit('taskdashd needs the daemon\'s parts: pip install "taskdash[daemon]"')


if __name__ == "__main__":
    main()
