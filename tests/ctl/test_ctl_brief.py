"""taskdash-ctl run, in its first moments: what it costs, and what it reads without click."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from unittest.mock import patch

import click
import pytest
from terminal import ctl, environment

import taskdash
from taskdash.testing import RunningDaemon
from taskdash_ctl import cli, run, wishes
from taskdash_ctl.wishes import Plain, Wishes

RUN = [sys.executable, "-m", "taskdash_ctl", "run"]


def imported(daemon: RunningDaemon, *words: str) -> set[str]:
    """Give the modules that a run imports."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *RUN[1:], *words],
        capture_output=True,
        text=True,
        check=True,
        env=environment(daemon.url),
    )
    return {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}


def test_a_short_command_waits_for_nothing_that_only_a_long_one_needs(
    daemon: RunningDaemon,
) -> None:
    """No click and no whole client is imported, and the daemon has the task all the same."""
    dear = {"click", "logging", "dataclasses", "orjson", "taskdash_ctl.reporter", "taskdash.held"}
    assert not imported(daemon, "--id", "short", "--", "true") & dear
    with taskdash.connect(daemon.url) as dash:
        assert dash.find("short")["status"] == "finish"
    assert "taskdash_ctl.reporter" in imported(daemon, "--", "sleep", "0.5")


def processor_s(*words: str, env: dict[str, str]) -> float:
    """Give the least processor time, of several runs, of a process and its children."""
    spent = []
    for _ in range(10):
        pid = os.posix_spawn(words[0], words, env)
        _, status, used = os.wait4(pid, 0)
        assert status == 0
        spent.append(used.ru_utime + used.ru_stime)
    return min(spent)


@pytest.mark.alone
def test_a_run_costs_little_more_than_python_itself(daemon: RunningDaemon) -> None:
    """A whole run takes about twice as long as a bare interpreter; once it was eight times."""
    env = environment(daemon.url)
    bare = processor_s(sys.executable, "-c", "pass", env=env)
    assert processor_s(*RUN, "--id", "cheap", "--", "true", env=env) < 3 * bare


def of_click(words: Sequence[str]) -> Plain | None:
    """Read the words by click; None where it refuses them."""
    given: list[Plain] = []

    def ran(command: tuple[str, ...], server: str | None, wanted: Wishes) -> int:
        given.append(Plain(server, command, wanted))
        return 0

    with patch.object(run.runner, "run", ran), suppress(click.ClickException, SystemExit):
        cli.main(list(words), "taskdash-ctl", standalone_mode=False)
    return given[0] if given else None


def told(plain: Plain | None) -> dict[str, object] | None:
    if plain is None:
        return None
    return {"server": plain.server, "command": list(plain.command), **vars(plain.wishes)}


@pytest.mark.parametrize(
    "line",
    [
        "run true",
        "run -- true",
        "run - x",
        "run -q -- echo -q --name x",
        "run echo -- x",
        "run --quiet --id x --name=y --user= -- true",
        "run --id a --id b -- true",
        "run --name -x -- true",
        "run --description d --url u --project p --group g --status s -- true",
        "run --timeout 3 --report-timeout 0.5 --heartbeat-timeout=9 --progress-from-stdout x",
        "--server taskdash://x run true",
        "--server=taskdash://x run -- true",
    ],
)
def test_a_plain_run_is_read_as_click_reads_it(line: str) -> None:
    """What is read without click means the same."""
    plain = wishes.read(line.split())
    assert plain is not None
    assert told(plain) == told(of_click(line.split()))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "list",
        "run",
        "run --",
        "run --help",
        "run -h true",
        "run --id",
        "run --nme x true",
        "run --quiet=1 true",
        "run --timeout 0 true",
        "run --timeout x true",
        "run --timeout nan true",
        "run -f a=b true",
        "run -qf a=b true",
        "run --id x --lock -- true",
        "--server",
        "--version run true",
        "--server x --server y run true",
    ],
)
def test_all_else_is_left_to_click(line: str) -> None:
    """Help, mistakes, and what the daemon must be asked for first."""
    assert wishes.read(line.split()) is None


def test_every_option_of_run_is_known() -> None:
    """A new option is read here too, or is one of those that are left to click."""
    known = {*wishes.TEXTS, *wishes.NUMBERS, *wishes.FLAGS}
    options = {name for one in run.run.params for name in one.opts if name.startswith("-")}
    assert options - known == {"--field", "-f", "--lock"}
    assert known <= options


def test_a_command_that_runs_on_is_taken_over_once(daemon: RunningDaemon) -> None:
    """The whole client takes up what the first moments have registered: one epoch more."""
    with taskdash.connect(daemon.url) as dash, dash.watch({"id": "longer"}) as events:
        assert ctl(daemon, "run", "--id", "longer", "--", "sleep", "0.6").returncode == 0
        seen = []
        for event in events:
            seen.append((event.kind, event.task["status"]))
            if event.task["status"] == "finish":
                break
        assert seen[0] == ("registered", "running")
        assert [kind for kind, _ in seen].count("registered") == 1
        assert event.task["epoch"] == 2
