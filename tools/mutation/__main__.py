"""The command `tools/mutate`: it tries mutants, and says which no test has noticed."""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from mutation.mutants import Mutant, mutants
from mutation.trials import Tree, preload

ROOT: Final = Path(__file__).parents[2]
LISTED: Final = ROOT / "tools/mutants.txt"
_PROCESSES: Final = 2
_LOOK_S: Final = 0.02


class Room(NamedTuple):
    """Modules that are mutated, the tests of their own that run in seconds, and wider ones."""

    modules: tuple[str, ...]
    own: tuple[str, ...]
    wider: tuple[str, ...]


_WORLD: Final = ("tests/core", "tests/families", "tests/client/test_session.py")
_STORE: Final = ("transaction", "writer", "query", "cursors")
ROOMS: Final = {
    "domain": Room(("taskdashd/domain/**/*.py",), ("tests/domain",), _WORLD),
    "feed": Room(("taskdashd/feed/*.py",), ("tests/feed",), _WORLD),
    "protocol": Room(
        ("protocol/taskdash_protocol/**/*.py",),
        ("tests/protocol", "--ignore=tests/protocol/test_c_client.py"),
        _WORLD,
    ),
    "store": Room(
        tuple(
            f"taskdashd/store/{name}.py" for name in ("transaction", "writer", "query", "cursors")
        ),
        ("tests/store", "--ignore=tests/store/test_backup.py"),
        _WORLD,
    ),
}


class Job(NamedTuple):
    """A mutant, and the selections of tests that are asked about it, in turn."""

    mutant: Mutant
    own: list[tuple[str, ...]]
    wider: list[tuple[str, ...]]


class Tally:
    """The verdicts on all mutants tried."""

    def __init__(self) -> None:
        self.own: list[Mutant] = []
        self.wider: list[Mutant] = []
        self.timeouts = 0
        self.survived: list[Mutant] = []

    def note(self, job: Job, verdict: str, *, by_own: bool) -> None:
        """Count a mutant; name it at once if no test of its own room has noticed it."""
        self.timeouts += verdict == "timeout"
        if verdict == "survived":
            self.survived.append(job.mutant)
        else:
            (self.own if by_own else self.wider).append(job.mutant)
        if verdict == "survived" or not by_own:
            _show("SURVIVED" if verdict == "survived" else "killed by wider tests", job.mutant)

    def sum_up(self, seconds: float) -> None:
        """Print the score."""
        killed = len(self.own) + len(self.wider)
        count = killed + len(self.survived)
        print(
            f"{count} mutants: {killed} killed ({self.timeouts} by a timeout; {len(self.own)} by"
            f" their own room's tests), {len(self.survived)} survived; score"
            f" {100 * killed / max(count, 1):.1f} %,"
            f" own {100 * len(self.own) / max(count, 1):.1f} %"
            f" ({seconds:.0f} s)"
        )


def main(words: list[str]) -> int:
    """Do what the command line says; give the exit code."""
    options = _options(words)
    everything = {name: list(_jobs(name)) for name in ROOMS}
    reasons = _listed()
    names = {job.mutant.name for jobs in everything.values() for job in jobs}
    stale = [entry for entry in reasons if not any(_is_named(name, [entry]) for name in names)]
    jobs = [job for jobs in everything.values() for job in jobs if _is_wanted(job, options.what)]
    if not jobs:
        sys.exit(f"nothing to mutate in {' '.join(options.what)}: the rooms are {', '.join(ROOMS)}")
    is_listed = {job.mutant.name: _is_named(job.mutant.name, reasons) for job in jobs}
    if not options.listed:
        jobs = [job for job in jobs if not is_listed[job.mutant.name]]
    if options.sample is not None:
        jobs = random.Random(options.seed).sample(jobs, min(options.sample, len(jobs)))  # noqa: S311
    if options.own:
        jobs = [job._replace(wider=[]) for job in jobs]
    began = time.monotonic()
    tally = Tally()
    # Both signals end the trials that run, and what was found until then is told.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _try_all(jobs, tally)
    except KeyboardInterrupt:
        print(f"interrupted: {len(jobs)} mutants were to be tried")
    noticed = [mutant.name for mutant in (*tally.own, *tally.wider) if is_listed[mutant.name]]
    stale += [f"{name} (a test notices it)" for name in noticed]
    for entry in stale:
        print(f"STALE in {LISTED.relative_to(ROOT)}: {entry}")
    tally.sum_up(time.monotonic() - began)
    unnamed = [mutant for mutant in tally.survived if not is_listed[mutant.name]]
    return 1 if unnamed or stale else 0


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("tools/mutate")
    parser.add_argument("what", nargs="*", help="rooms, or modules as in store/writer")
    parser.add_argument("--all", action="store_true", help="every room")
    parser.add_argument("--sample", type=int, metavar="N", help="so many mutants only")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--own", action="store_true", help="ask the room's own tests alone")
    parser.add_argument("--listed", action="store_true", help="try what the list names, too")
    options = parser.parse_args(words)
    if bool(options.what) == options.all:
        parser.error("name rooms or modules, or say --all")
    return options


def _jobs(name: str) -> Iterator[Job]:
    room = ROOMS[name]
    for path in sorted(path for pattern in room.modules for path in ROOT.glob(pattern)):
        # A module's own tests come first and alone: to collect a whole room takes a second.
        named = (f"{room.own[0]}/test_{name}.py" for name in (path.stem, path.parent.name))
        own = [*[(first,) for first in named if (ROOT / first).exists()][:1], room.own]
        for mutant in mutants(str(path.relative_to(ROOT)), path.read_bytes()):
            yield Job(mutant, own, [room.wider])


def _is_wanted(job: Job, what: list[str]) -> bool:
    path = job.mutant.path.removesuffix(".py")
    return not what or any(f"/{one}/" in f"/{path}/" for one in what)


def _listed() -> list[str]:
    """Read the mutants that no test can tell from the code; a `#` begins a reason."""
    lines = LISTED.read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _is_named(name: str, entries: list[str]) -> bool:
    # `| *` at the end of an entry stands for any change of that line.
    return any(
        name.startswith(entry[:-1]) if entry.endswith("| *") else name == entry for entry in entries
    )


def _try_all(jobs: list[Job], tally: Tally) -> None:
    preload()
    queue = deque(jobs)
    with tempfile.TemporaryDirectory(prefix="mutate-") as scratch:
        # Resolve it: a test compares paths of its own with paths that the interpreter gives.
        trees = [Tree(ROOT, (Path(scratch) / str(n)).resolve()) for n in range(_PROCESSES)]
        workers = [_worker(tree, queue, tally) for tree in trees]
        try:
            while workers:
                workers = [one for one in workers if next(one, "done") != "done"]
                time.sleep(_LOOK_S)
        finally:
            for worker in workers:
                worker.close()


def _worker(tree: Tree, queue: deque[Job], tally: Tally) -> Generator[None, None, None]:
    measured: set[tuple[str, ...]] = set()
    while queue:
        job = queue.popleft()
        verdict, by_own = "survived", True
        for tests in (*job.own, *job.wider):
            if tests not in measured:
                measured.add(tests)
                yield from tree.measure(tests)
            by_own = tests in job.own
            verdict = yield from tree.judge(job.mutant, tests)
            if verdict != "survived":
                break
        tally.note(job, verdict, by_own=by_own)


def _show(verdict: str, mutant: Mutant) -> None:
    print(f"{verdict}  {mutant.path}:{mutant.line}\n    {mutant.name}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
