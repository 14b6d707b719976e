"""The command `tools/declare`."""

import sys
from pathlib import Path

from declared import stale, write

ROOT = Path(__file__).parents[2]


def main(words: list[str]) -> int:
    """Do what the command line says; give the exit code."""
    if words == ["--check"]:
        paths = stale(ROOT)
        for path in paths:
            print(f"{path} is stale: run tools/declare")
        return 1 if paths else 0
    if words:
        print("usage: tools/declare [--check]", file=sys.stderr)
        return 2
    for path in write(ROOT):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
