"""taskdash-ctl as its user meets it: a process, its output, its exit code."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from terminal import ctl, environment, in_terminal

import taskdash
from taskdash.testing import RunningDaemon
from taskdash_ctl import cli, reach, table


def test_register_update_show_list(daemon: RunningDaemon) -> None:
    """A person's task from its beginning to its end; data on stdout, nothing on stderr."""
    made = ctl(daemon, "register", "desk-7", "--name", "Set up desk 7", "--user", "王小明")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert ctl(daemon, "update", "desk-7", "--status", "finish", "-f", "floor=3").returncode == 0
    shown = ctl(daemon, "show", "desk-7", "-o", "json")
    task = json.loads(shown.stdout)
    assert (task["status"], task["user"], task["floor"]) == ("finish", "王小明", "3")
    assert "status " in ctl(daemon, "show", "desk-7").stdout
    listed = ctl(daemon, "list", "--user", "王小明")
    assert listed.stdout.split("\t")[:3] == ["desk-7", "Set up desk 7", "finish"]


def test_list_filters_orders_and_limits(daemon: RunningDaemon) -> None:
    """In a pipe each task is one tab-separated line, or JSON, or an id."""
    with taskdash.connect(daemon.url) as dash:
        for number in range(5):
            dash.register(f"l-{number}", "n", project_id="lists", status=f"s{number % 2}")
    rows = ctl(daemon, "list", "--project", "lists", "--order", "-id", "--limit", "3", "-o", "name")
    assert rows.stdout.split() == ["l-4", "l-3", "l-2"]
    both = ctl(daemon, "list", "--project", "lists", "--status", "s1", "-o", "jsonl")
    assert [json.loads(line)["id"] for line in both.stdout.splitlines()] == ["l-1", "l-3"]
    either = ctl(daemon, "list", "-f", "project_id=lists", "--status", "s0", "--status", "s1")
    assert len(either.stdout.splitlines()) == 5
    some = ctl(daemon, "list", "--project", "lists", "--limit", "1", "--columns", "id,rev")
    assert some.stdout.startswith("l-0\t")


def test_a_table_fits_the_terminal_and_keeps_ids_whole(daemon: RunningDaemon) -> None:
    """Wide characters take two columns; colours are there and no column is empty."""
    with taskdash.connect(daemon.url) as dash:
        dash.register(
            "an-id-of-some-length-1", "名字很长的任务", project_id="tty", description="x" * 99
        )
    shown = in_terminal(daemon, "list", "--project", "tty", columns=75)
    plain = click_unstyle(shown)
    lines = plain.splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATUS", "SEEN", "DESCRIPTION"]
    assert "an-id-of-some-length-1" in lines[1]
    assert all(table.width(line) <= 75 for line in lines)
    assert plain != shown


def click_unstyle(text: str) -> str:
    import click

    return click.unstyle(text)


@pytest.mark.fault(40)
def test_nothing_from_the_network_reaches_the_terminal_raw(daemon: RunningDaemon) -> None:
    """No escape sequence, newline or tab of a task's name gets through, in any form of output."""
    with taskdash.connect(daemon.url) as dash:
        dash.register("evil", "a\x1b[2Jb\nc\td\u202e", project_id="evil", **{"x\x1b[31m": "\x07"})
    for words in (
        ("list", "--project", "evil"),
        ("show", "evil"),
        ("audit", "evil"),
        ("watch", "--since", "0", "--count", "1", "-f", "id=evil"),
    ):
        for shown in (ctl(daemon, *words).stdout, click_unstyle(in_terminal(daemon, *words))):
            assert "evil" in shown or "registered" in shown
            assert not set(shown) & {"\x1b", "\x07", "\u202e"}, words


def test_watch_prints_what_happens(daemon: RunningDaemon) -> None:
    """Each event is a line, flushed at once."""
    command = [sys.executable, "-m", "taskdash_ctl", "watch", "-f", "id=watched", "-o", "jsonl"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(daemon.url)
    )
    assert process.stdout is not None
    with process, taskdash.connect(daemon.url) as dash:
        # Register until the watch prints: changes before it began are not told.
        dash.register("watched", "n", status="finish")
        while not select_readable(process.stdout):
            dash.register("watched", "n", status="finish")
        event = json.loads(process.stdout.readline())
        assert event["task"]["id"] == "watched"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == reach.EXIT_INTERRUPTED


def select_readable(stream: Any) -> bool:
    import select

    return bool(select.select([stream], [], [], 0.05)[0])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show", "nobody"), 3, "taskdash-ctl list"),
        (("update", "nobody", "--status", "x"), 3, "nobody"),
        (("update", "x"), 2, "--status finish"),
        (("list", "--where", "colour=red"), 2, "colour"),
        (("list", "--where", "colour"), 2, "FIELD=VALUE"),
        (("list", "--order", "colour"), 2, "colour"),
        (("watch", "--since", "999999999"), 4, "since"),
        (("register", "x" * 200), 2, "128"),
        (("--server", "http://x", "list"), 2, "taskdash://"),
        (("frobnicate",), 2, "frobnicate"),
    ],
)
def test_each_error_is_one_line_and_an_exit_code(
    daemon: RunningDaemon, words: tuple[str, ...], code: int, says: str
) -> None:
    """Exit code 0 done, 2 usage, 3 not found, 4 conflict, 5 unreachable; no traceback."""
    result = ctl(daemon, *words)
    assert result.returncode == code, result
    assert says in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_daemon_that_is_away_is_exit_code_5(daemon: RunningDaemon) -> None:
    """The error names the address, and what to look at."""
    result = ctl("taskdash://127.0.0.1:1", "list")
    assert result.returncode == 5
    assert "127.0.0.1:1" in result.stderr
    assert "TASKDASH_URL" in result.stderr


@pytest.mark.parametrize("words", [(), *((name,) for name in cli.main.commands)])
def test_help_has_an_example_for_each_command(words: tuple[str, ...]) -> None:
    """Each command's help shows a call of it, and click's marks are not shown."""
    shown = ctl("taskdash://127.0.0.1:1", *words, "--help")
    assert shown.returncode == 0
    if words:
        assert f"\n  taskdash-ctl {words[0]}" in shown.stdout
    assert "\\b" not in shown.stdout
