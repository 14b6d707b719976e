"""Options and profiles of the suite.

`HYPOTHESIS_PROFILE=hunt` finds a failure and does not shrink it. `--fault N` runs what covers row N
of the table in docs/reliability.md; `--seconds S` says how long the tests last that can last any
time. `--shuffle` runs the tests in random order, `--shuffle SEED` in that order again. `--cold`
starts each program anew, where else it is forked (warm.py). `--store postgres` has every daemon and
database stand on PostgreSQL, but in the tests of SQLite's file itself, and of the page in a
browser, which speaks to no store: these are left out, and the summary says how many and why.
`--no-runs` has every write take the general path, also where it is plain (`families.tasks.plain`).
"""

import os
import random
from collections import Counter
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import postgres
import pytest
import warm
from hypothesis import Phase, settings

from taskdashd.families.tasks.plain import PlainWrites

CLUSTER = pytest.StashKey[postgres.Cluster]()
LEFT_OUT = pytest.StashKey[Counter[str]]()
"""The tests that are left out, by what they are about."""
STRAYED = pytest.StashKey[set[Path]]()
"""The files of SQLite that were made all the same."""
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
    parser.addoption("--no-runs", action="store_true", help="Decide each write by itself.")


def pytest_configure(config: pytest.Config) -> None:
    """Start programs warm, and the server of the databases where one was asked for."""
    if config.getoption("--store") == "postgres":
        if postgres.PORT_VARIABLE not in os.environ:
            config.stash[CLUSTER] = postgres.begin()
        postgres.stand_on_it()
    if config.getoption("--no-runs"):
        # Programs that are forked have it so as well.
        assert not config.getoption("--cold"), "--no-runs needs programs that are forked"
        PlainWrites.most = 0
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
    """Leave only the tests of the faults and the engine that were asked for, in the order that was
    asked for."""
    if config.getoption("--store") == "postgres":
        leave_out(config, items)
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


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are about SQLite's file, or the page."""
    about = {item: what for item in items if (what := out_of_scope(item))}
    config.stash[LEFT_OUT] = Counter(about.values())
    config.hook.pytest_deselected(items=list(about))
    items[:] = [item for item in items if item not in about]


def out_of_scope(item: pytest.Item) -> str:
    """Say what a test is about that no other engine changes; empty where there is none."""
    if mark := item.get_closest_marker("sqlite"):
        return f"SQLite: {mark.args[0]}"
    in_browser = {"browser", "firefox"} & set(getattr(item, "fixturenames", ()))
    return "the page in a browser" if in_browser else ""


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear of a worker what it has left out: each leaves out the same."""
    if told := node.workeroutput.get("left_out"):
        node.config.stash[LEFT_OUT] = Counter(told)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that has started this worker what was left out."""
    if hasattr(session.config, "workeroutput"):
        left_out = session.config.stash.get(LEFT_OUT, Counter())
        session.config.workeroutput["left_out"] = dict(left_out)


def base_of(config: pytest.Config) -> Path:
    """Give the directory below which this process makes its tests' directories."""
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
    return factory.getbasetemp()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """Remove the databases of a test, and those of a module behind its last test.

    No daemon and no database of a test may have stood on SQLite: its file would be there, but
    where a test has made one on purpose, in a folder of this name.
    """
    yield
    if postgres.PORT_VARIABLE not in os.environ:
        return
    own = getattr(item, "funcargs", {}).get("tmp_path")
    is_last = nextitem is None or nextitem.path != item.path
    if is_last or own is not None:
        postgres.drop(None if is_last else own)
    if is_last and item.config.getoption("--store") == "postgres":
        made = set(base_of(item.config).glob("**/taskdash.db"))
        strayed = item.config.stash.setdefault(STRAYED, set())
        new = {path for path in made - strayed if "sqlite" not in path.parts}
        strayed |= new
        assert not new, f"tests of {item.path.name} stood on SQLite: {sorted(map(str, new))}"


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
    """Say what was left out, and in which files the time went after a run of many."""
    for about, many in sorted(terminalreporter.config.stash.get(LEFT_OUT, Counter()).items()):
        terminalreporter.write_line(f"left out: {many} about {about}")
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


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL that the tests of a module may stop and start."""
    cluster = postgres.Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def server() -> Iterator[None]:
    """Have a PostgreSQL whose databases `postgres.store_of` names, whatever the suite stands on."""
    if postgres.PORT_VARIABLE in os.environ:
        yield
        return
    cluster = postgres.begin()
    yield
    del os.environ[postgres.PORT_VARIABLE]
    cluster.remove()
