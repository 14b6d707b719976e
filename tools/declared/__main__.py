"""The command `tools/declare`."""

import sys
from pathlib import Path

from declared import Incomplete, stale, write

ROOT = Path(__file__).parents[2]


def main(words: list[str]) -> int:
    """Do what the command line says; give the exit code."""
    if words not in ([], ["--check"]):
        print("usage: tools/declare [--check]", file=sys.stderr)
        return 2
    try:
        paths = stale(ROOT) if words else write(ROOT)
    except Incomplete as missing:
        print(missing, file=sys.stderr)
        return 1
    for path in paths:
        print(f"{path} is stale: run tools/declare" if words else f"wrote {path}")
    return 1 if words and paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
