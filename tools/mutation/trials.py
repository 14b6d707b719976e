"""One trial: a copy of the repository with one mutant in it, and a child that runs tests there.

The parent has imported pytest and every library of others, and nothing of ours; a forked child
begins with them, which takes a second less than a process of its own.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Final, Literal

import pytest

from mutation.mutants import Mutant

_LIBRARIES: Final = (
    *("msgpack", "msgspec", "orjson", "apsw", "peewee", "playhouse.migrations", "trio"),
    *("trio.testing", "h11", "wsproto", "structlog", "click", "argon2"),
    *("hypothesis", "hypothesis.strategies"),
)
_ROOMS: Final = ("tests", "tools", "clients/python", "protocol", ".")
_MEMORY_BYTES_MAX: Final = 3 << 30
_OUTPUT: Final = ".mutation.txt"

Verdict = Literal["survived", "killed", "timeout"]


def preload() -> None:
    """Import what every trial needs, before any is begun."""
    for name in _LIBRARIES:
        import_module(name)


class Tree:
    """A copy of the repository in which one mutant at a time is tried."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path
        self._limits: dict[tuple[str, ...], tuple[float, float]] = {}
        """For each selection of tests: seconds of CPU and of time after which a mutant hangs."""
        listed = ["git", "ls-files", "-co", "--exclude-standard"]
        for name in subprocess.check_output(listed, cwd=root, text=True).splitlines():
            if (root / name).exists():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, path / name)
        (path / ".venv").symlink_to(root / ".venv")

    def measure(self, tests: Sequence[str]) -> Generator[None, None, None]:
        """Run tests without a mutant: they must pass, and their time bounds that of a mutant."""
        began = time.monotonic()
        verdict, cpu_s = yield from self._run(tests)
        if verdict != "survived":
            said = (self.path / _OUTPUT).read_text(errors="replace")
            sys.exit(f"{' '.join(tests)} failed without any mutant:\n{said}")
        self._limits[tuple(tests)] = (3 + 4 * cpu_s, 20 + 10 * (time.monotonic() - began))

    def judge(self, mutant: Mutant, tests: Sequence[str]) -> Generator[None, None, Verdict]:
        """Run tests with a mutant in the tree, until the first fails."""
        path = self.path / mutant.path
        kept = path.with_name(f"{path.name}.kept")
        path.rename(kept)
        try:
            path.write_bytes(mutant.applied(kept.read_bytes()))
            verdict, _ = yield from self._run(tests)
            return verdict
        finally:
            kept.replace(path)

    def _run(self, tests: Sequence[str]) -> Generator[None, None, tuple[Verdict, float]]:
        cpu_s, wall_s = self._limits.get(tuple(tests), (600.0, 900.0))
        # What an earlier mutant failed on must not be tried first on this one.
        shutil.rmtree(self.path / ".hypothesis/examples", ignore_errors=True)
        ends_at, is_late = time.monotonic() + wall_s, False
        child = os.fork()
        if child == 0:
            self._become_pytest(tests, ceil(cpu_s), is_mutant=tuple(tests) in self._limits)
        try:
            # Leave the child unreaped, or its number could be that of another process by then.
            while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                is_late = time.monotonic() > ends_at
                if is_late:
                    break
                yield
        finally:
            os.kill(child, signal.SIGKILL)
            # The child leads a group of its own: end with it what its tests have started.
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
        used_s = usage.ru_utime + usage.ru_stime
        if is_late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
            return "timeout", used_s
        return ("survived" if status == 0 else "killed"), used_s

    def _become_pytest(self, tests: Sequence[str], cpu_s: int, *, is_mutant: bool) -> None:
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            output = os.open(self.path / _OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(output, stream)
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES_MAX, _MEMORY_BYTES_MAX))
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.chdir(self.path)
            rooms = [str(self.path / room) for room in _ROOMS]
            sys.path[:0] = rooms
            os.environ["PYTHONPATH"] = os.pathsep.join(rooms)
            # A mutant may be as long and as old as the module that was compiled last.
            sys.dont_write_bytecode = is_mutant
            options = ["-x", "-q", "--tb=line", "--hypothesis-seed=0", "-p", "no:cacheprovider"]
            # pytest would rewrite the asserts of libraries, and warns of those imported already.
            options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
            code = int(pytest.main([*options, *tests]))
            sys.stdout.flush()
            os._exit(code)
        finally:
            os._exit(70)
