"""`taskdash-ctl audit`: what has happened, for people and for programs."""

import json

import pytest
from terminal import ctl, in_terminal

import taskdash
from taskdash.testing import RunningDaemon


@pytest.fixture(scope="module", autouse=True)
def history(daemon: RunningDaemon) -> None:
    """A task that has been changed, and others."""
    with taskdash.connect(daemon.url) as dash:
        for number in range(5):
            dash.register(f"other-{number}", "n", status="finish")
    assert ctl(daemon, "register", "desk", "--user", "wsg").returncode == 0
    assert ctl(daemon, "fail", "desk", "--reason", "no power there").returncode == 0


def test_the_history_of_a_task(daemon: RunningDaemon) -> None:
    """Each change is a line with old and new values and the reason."""
    lines = ctl(daemon, "audit", "desk").stdout.splitlines()
    assert len(lines) == 2
    _, who, kind, what, why = lines[0].split("\t")
    assert "taskdash-ctl" in who
    assert (kind, what, why) == ("updated", "status: pending → failed", "no power there")
    shown = in_terminal(daemon, "audit", "desk", columns=160)
    assert "pending → failed" in shown


def test_filters_and_forms(daemon: RunningDaemon) -> None:
    """Filters and --limit hold; the output is JSON where a program reads."""
    rows = json.loads(
        ctl(daemon, "audit", "--kind", "registered", "--limit", "3", "-o", "json").stdout
    )
    assert [row["task"] for row in rows] == ["desk", "other-4", "other-3"]
    rows = ctl(daemon, "audit", "--who", "taskdash-python", "--since", "1h", "-o", "jsonl").stdout
    assert len(rows.splitlines()) == 5
    none = ctl(daemon, "audit", "--until", "1d")
    assert (none.returncode, none.stdout) == (0, "")
    assert "nothing" in none.stderr
    assert ctl(daemon, "audit", "--limit", "0", "-o", "csv").stdout.count("\n") >= 8


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("audit", "nobody"), 3, "nobody"),
        (("audit", "--since", "yesterday"), 2, "2h"),
        (("audit", "--since", "9" * 30 + "d"), 2, "2h"),
    ],
)
def test_what_cannot_be_told(
    daemon: RunningDaemon, words: tuple[str, ...], code: int, told: str
) -> None:
    """The error says what to write instead."""
    done = ctl(daemon, *words)
    assert done.returncode == code
    assert told in done.stderr
