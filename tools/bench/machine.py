"""What a benchmark ran on: the head of its report, without which its figures say little."""

import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

import apsw


def told() -> str:
    """Name the interpreter, the libraries in C that the daemon's time goes to, and the machine."""
    where = os.path.realpath(sys.executable)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("msgspec", "orjson", "msgpack"))
    return (
        f"Python {platform.python_version()} ({where}, {platform.python_compiler()}),"
        f" SQLite {apsw.sqlite_lib_version()} (APSW {apsw.apsw_version()}), {libraries};"
        f" {_processor()} × {os.cpu_count()}, Linux {platform.release()}"
    )


def _processor() -> str:
    """Give the processor's name; on a Pi, where it has none, the board's."""
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"^(?:model name|Model)\s*: (.*)$", text, re.MULTILINE)
    return name[1] if name else platform.machine()


if __name__ == "__main__":
    print(f"measured with {told()}", flush=True)
