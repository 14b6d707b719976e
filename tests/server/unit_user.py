"""taskdashd under other users: imports as root, and forks into a process of each user that asks.

Another user cannot read the interpreter and the packages everywhere, as in a home directory; a
process that has imported all needs no file any more. Started with a user's number and a command, it
becomes that user and runs it; without a command, it runs those that come on standard input.
"""

import ctypes
import json
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import taskdashd
from taskdashd.cli import main
from taskdashd.testing import World

PR_SET_DUMPABLE = 4
WAITS_MAX_S = 20

REHEARSED = (
    ("token", "create", "x"),
    ("token", "revoke", "x"),
    ("cert", "init", "pi.local"),
    ("backup", "copy.db"),
    ("restore", "copy.db", "--force"),
    ("compact",),
    ("check",),
)

for module in pkgutil.walk_packages(taskdashd.__path__, "taskdashd."):
    if "migrations" not in module.name and not module.name.endswith("__main__"):
        import_module(module.name)


def become(uid: int) -> None:
    """Become a user for good, with no file mode that the umask would mend."""
    os.umask(0)
    if uid:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        # /proc/self is root's in a process that was root, until it executes a program.
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)


def run(words: list[str]) -> tuple[int, str]:
    """Run a command; gives its exit code, and what it says."""
    said = StringIO()
    code = 0
    with redirect_stdout(said), redirect_stderr(said):
        try:
            main(words, prog_name="taskdashd")
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            code = 99
    return code, said.getvalue()


def rehearse() -> None:
    """Run the commands once as root: what they import late, another user might not read."""
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        World(Path(place) / "data").close()
        for words in REHEARSED:
            code, said = run([*words, "--data", "data"])
            assert code == 0, said
    os.chdir("/")


def obey() -> None:
    """Run each command of standard input in a process of its own, and tell how it went."""
    for line in sys.stdin:
        uid, words = json.loads(line)
        ours, theirs = os.pipe()
        if os.fork() == 0:
            # A pipe in the place of a file must hold nobody up.
            signal.alarm(WAITS_MAX_S)
            become(uid)
            os.write(theirs, json.dumps(run(words)).encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as told:
            print(told.read() or json.dumps([-1, "killed: it did not end"]), flush=True)
        os.wait()


# The codec is a module too.
"pi.local".encode("idna")
if len(sys.argv) == 1:
    rehearse()
    obey()
else:
    become(int(sys.argv[1]))
    main(sys.argv[2:], prog_name="taskdashd")
