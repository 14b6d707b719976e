"""Options and profiles of the suite.

`HYPOTHESIS_PROFILE=hunt` finds a failure and does not shrink it. `--fault N` runs what covers row N
of the table in docs/reliability.md; `--seconds S` says how long the tests last that can last any
time. `--shuffle` runs the tests in random order, `--shuffle SEED` in that order again. `--cold`
starts each program anew, where else it is forked (warm.py).
"""

import os
import random
from collections import Counter
from collections.abc import Generator
from itertools import chain
from pathlib import Path

import postgres
import pytest
import warm
from hypothesis import Phase, settings

CLUSTER = pytest.StashKey[postgres.Cluster]()
SLOWEST = 8
"""Files that the summary names."""
LINES_MAX = 20
LINE_CHARACTERS_MAX = 300

settings.register_profile("default", deadline=None)
settings.register_profile("hunt", deadline=None, phases=[Phase.explicit, Phase.generate])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the suite's own options."""
    parser.addoption("--fault", type=int, action="append", metavar="N", help="Only this fault.")
    parser.addoption("--seconds", type=float, metavar="S", help="How long the long tests last.")
    parser.addoption(
        "--shuffle",
        type=int,
        nargs="?",
        # Drawn here, in the process that starts the workers: all must agree on the order.
        const=random.randrange(1_000_000),
        metavar="SEED",
        help="Random order; the header says the seed.",
    )
    parser.addoption(
        "--store",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="The engine under every daemon and database of the tests.",
    )
    parser.addoption("--cold", action="store_true", help="Fork no program: start each anew.")


def pytest_configure(config: pytest.Config) -> None:
    """Start programs warm, and the server of the databases where one was asked for."""
    if config.getoption("--store") == "postgres":
        if postgres.PORT_VARIABLE not in os.environ:
            config.stash[CLUSTER] = postgres.begin()
        postgres.stand_on_it()
    if not config.getoption("--cold"):
        warm.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Start no more of them."""
    warm.end()
    if (cluster := config.stash.get(CLUSTER, None)) is not None:
        cluster.remove()


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say how to run in this order again."""
    seed = config.getoption("--shuffle")
    return None if seed is None else f"order: --shuffle {seed}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only the tests of the faults that were asked for, in the order that was asked for."""
    wanted = config.getoption("--fault")
    if wanted:
        chosen = [item for item in items if faults(item) & set(wanted)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
    seed = config.getoption("--shuffle")
    if seed is not None:
        items[:] = shuffled(items, seed)
    else:
        # Begin the longest first, or the last of the workers ends long after the others.
        items.sort(key=lambda item: item.get_closest_marker("long") is None)


def shuffled(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """Mix the modules, and the tests of each; a module stays together, as do those who share its
    fixtures."""
    order = random.Random(seed)
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    mixed = list(modules.values())
    order.shuffle(mixed)
    for module in mixed:
        order.shuffle(module)
    return [item for module in mixed for item in module]


def faults(item: pytest.Item) -> set[int]:
    """Say which rows of the table of faults a test covers."""
    return {number for mark in item.iter_markers("fault") for number in mark.args}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in which files the time went, after a run of many."""
    took: Counter[str] = Counter()
    for report in chain(*terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            took[report.nodeid.partition("::")[0]] += report.duration
    if len(took) > SLOWEST:
        slowest = ", ".join(f"{path} {took_s:.0f} s" for path, took_s in took.most_common(SLOWEST))
        terminalreporter.write_line(f"{took.total():.0f} s of tests, the most in {slowest}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Bound what a failed assertion says, unless `-vv` wants all of it.

    Its first lines tell what is wrong. A page of the board, or a reply with a thousand tasks, would
    push them out of sight.
    """
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, AssertionError) and item.config.get_verbosity() < 2:
        error.args = (bounded(str(error)),)
    return (yield)


def bounded(text: str) -> str:
    """Cut a text after so many lines, and each line after so many characters."""
    lines = text.splitlines()
    left = len(lines) - LINES_MAX
    more = [f"({left} lines more: pytest -vv)"] if left > 0 else []
    return "\n".join([line[:LINE_CHARACTERS_MAX] for line in lines[:LINES_MAX]] + more)


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float | None:
    """The seconds for which a test of any length is to go on; None if nobody said."""
    given: float | None = request.config.getoption("--seconds")
    return given
