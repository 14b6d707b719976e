"""Options and profiles of the suite.

`HYPOTHESIS_PROFILE=hunt` finds a failure and does not shrink it. `--fault N` runs what covers row N
of the table in docs/reliability.md; `--seconds S` says how long the tests last that can last any
time.
"""

import os
from collections.abc import Generator

import pytest
from hypothesis import Phase, settings

LINES_MAX = 20
LINE_CHARACTERS_MAX = 300

settings.register_profile("default", deadline=None)
settings.register_profile("hunt", deadline=None, phases=[Phase.explicit, Phase.generate])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the suite's own options."""
    parser.addoption("--fault", type=int, action="append", metavar="N", help="Only this fault.")
    parser.addoption("--seconds", type=float, metavar="S", help="How long the long tests last.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only the tests of the faults that were asked for."""
    wanted = config.getoption("--fault")
    if wanted:
        chosen = [item for item in items if faults(item) & set(wanted)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def faults(item: pytest.Item) -> set[int]:
    """Say which rows of the table of faults a test covers."""
    return {number for mark in item.iter_markers("fault") for number in mark.args}


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
