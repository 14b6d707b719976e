"""A guard against slow decay: it counts instructions of a request, not seconds.

Instruction counts are the same on a busy machine. They are compared with a reference counted in the
same run, so that another build of Python or of a library moves both.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# How many times the instructions of the reference (`paths.reference`) each path takes. Lower these
# when a path becomes cheaper; raise one only with a reason in the commit.
KNOWN = {"register": 2.95, "update": 3.02, "find": 3.44, "find-again": 0.72}
TOO_MUCH = 1.2


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    directory = tmp_path_factory.mktemp("counts")
    library = directory / "counted.so"
    subprocess.run(["cc", "-O2", "-shared", "-o", library, HERE / "counted.c"], check=True)
    (directory / "data").mkdir()
    # Fix the hash seed: it decides how dicts of strings collide, and so the counts.
    env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(HERE.parent)}
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet"]
    command += [f"--callgrind-out-file={directory}/out"]
    command += [sys.executable, HERE / "paths.py", library, directory / "data"]
    subprocess.run(command, env=env, check=True, timeout=200)
    found: dict[str, int] = {}
    for path in directory.glob("out.*"):
        dump = path.read_text()
        (what,) = re.findall(r"^desc: Trigger: Client Request: (.+)$", dump, re.MULTILINE)
        (total,) = re.findall(r"^summary: (\d+)", dump, re.MULTILINE)
        found[what] = int(total)
    return found


@pytest.mark.long
@pytest.mark.parametrize("path", KNOWN)
def test_a_request_takes_no_more_instructions_than_it_did(
    counts: dict[str, int], path: str
) -> None:
    """A hot path that takes a fifth more instructions than recorded is a fault."""
    times = counts[path] / counts["reference"]
    print(f"{path}: {times:.3f} times the reference")
    assert times <= KNOWN[path] * TOO_MUCH, f"{times:.2f} times the reference, was {KNOWN[path]}"
