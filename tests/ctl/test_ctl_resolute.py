"""taskdash-ctl in bad company: odd words, a daemon that comes and goes, a full disk."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import ctl, environment, in_terminal

import taskdash
from taskdash.testing import RunningDaemon, running_daemon


def test_the_options_of_the_command_are_its_own(daemon: RunningDaemon) -> None:
    """As with env(1): what follows the first word that is no option belongs to the command."""
    words = ("echo", "--user", "root", "-f", "a=b", "-q", "hello")
    assert ctl(daemon, "run", *words).stdout == "--user root -f a=b -q hello\n"
    assert ctl(daemon, "run", "--tiemout", "5", "--", "sleep", "1").returncode == 2


def test_what_a_locked_command_says_of_itself_is_taken(daemon: RunningDaemon) -> None:
    """A locked command knows its epoch; anybody else needs --epoch to write its fenced task."""
    update = f"{sys.executable} -m taskdash_ctl update"
    script = f'{update} "$TASKDASH_TASK_ID" --description mine; {update} locked --epoch 9 --url x'
    result = ctl(daemon, "run", "--id", "locked", "--lock", "--", "sh", "-c", script)
    assert result.returncode == 4, "the epoch of the second update is not the task's"
    found = json.loads(ctl(daemon, "show", "locked", "-o", "json").stdout)
    assert (found["description"], found["url"]) == ("mine", "")


def test_what_a_command_has_started_ends_with_it(daemon: RunningDaemon, tmp_path: Path) -> None:
    """After the time is up no process of the command goes on, or the lock is free too early."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"sleep 600 > {fifo} & wait"
    command = [sys.executable, "-m", "taskdash_ctl", "run", "--timeout", "0.5", "--"]
    process = subprocess.Popen(
        [*command, "sh", "-c", script], stdin=subprocess.DEVNULL, env=environment(daemon.url)
    )
    # Reading the FIFO ends only when the last process that may write to it has gone.
    assert fifo.read_bytes() == b""
    assert process.wait(15) == 124


@pytest.mark.parametrize(
    "pair", ["id=x", "name=x", "own=false", "fenced=false", "epoch=1", "rev=5", "timeout_s=1"]
)
def test_what_is_no_field_is_refused(daemon: RunningDaemon, pair: str) -> None:
    """A usage error names the bad pair: no traceback, and no silent success."""
    for words in (("register", "x"), ("update", "x"), ("run",)):
        after = ("--", "true") if words == ("run",) else ()
        result = ctl(daemon, *words, "-f", pair, *after)
        assert result.returncode == 2
        assert pair.partition("=")[0] in result.stderr
        assert "Traceback" not in result.stderr


def test_one_that_fails_does_not_keep_the_others_from_being_ended(daemon: RunningDaemon) -> None:
    """Each failure has its line; the exit code is the first failure's."""
    ctl(daemon, "register", "end-1")
    ctl(daemon, "register", "end-2")
    result = ctl(daemon, "finish", "end-1", "end-nobody", "end-2")
    assert result.returncode == 3
    assert "end-nobody" in result.stderr
    for name in ("end-1", "end-2"):
        assert json.loads(ctl(daemon, "show", name, "-o", "json").stdout)["status"] == "finish"


def test_import_passes_over_what_is_refused(daemon: RunningDaemon, tmp_path: Path) -> None:
    """Refused locally, by the daemon, or because of a holder: all other lines are imported."""
    with taskdash.connect(daemon.url) as dash:
        dash.register("im-held", "n", fenced=True)
        rows = [{"id": "im-1", "name": "n"}, {"id": ""}, {"id": "im-held", "name": "n"}]
        rows.append({"id": "im-2", "name": "n"})
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        result = ctl(daemon, "import", str(file))
        assert result.returncode == 1
        assert "task 2 of" in result.stderr
        assert "task 3 of" in result.stderr
        assert "2 tasks were refused" in result.stderr
    for name in ("im-1", "im-2"):
        assert ctl(daemon, "show", name).returncode == 0


def test_import_reads_what_spreadsheets_write_and_refuses_what_is_no_json(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """A byte order mark is no part of the first heading; NaN and bottomless nesting are no JSON."""
    table = tmp_path / "rows.csv"
    table.write_bytes(b"\xef\xbb\xbfid,name\nbom-1,n\n")
    assert ctl(daemon, "import", "--format", "csv", str(table)).returncode == 0
    assert ctl(daemon, "show", "bom-1").returncode == 0
    table.write_text("id,name,description\nlarge-1,n," + "x" * 200_000 + "\n")
    assert ctl(daemon, "import", "--format", "csv", str(table)).returncode == 0
    assert ctl(daemon, "show", "large-1").returncode == 0
    for text in ('{"id":"x","name":"n","a":NaN}', '{"id":"x","name":"n","a":' + "[" * 200_000):
        table.write_text(text + "\n")
        result = ctl(daemon, "import", "--format", "jsonl", str(table))
        assert result.returncode == 1
        assert "line 1" in result.stderr
        assert "Traceback" not in result.stderr
    for more in ("[" * 200_000, '{""a"":NaN}'):
        table.write_text(f'id,name,more\nx,n,"{more}"\n')
        result = ctl(daemon, "import", "--format", "csv", str(table))
        assert result.returncode == 1
        assert "line " in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.fault(40)
@pytest.mark.parametrize(
    "words",
    [
        ("list", "-o", "csv"),
        ("list", "-o", "json"),
        ("list", "-o", "jsonl"),
        ("export",),
        ("export", "--format", "csv"),
    ],
)
def test_no_format_lets_a_name_act_on_the_terminal(
    daemon: RunningDaemon, words: tuple[str, ...]
) -> None:
    """No ESC, no C1 control, and no sign that turns the direction of writing gets through."""
    with taskdash.connect(daemon.url) as dash:
        dash.register("evil", "a\x1b[31mRED\u009b2J\u2066\x7f", status="pending")
    shown = in_terminal(daemon, *words, columns=200)
    assert "evil" in shown
    lines = shown.replace("\r\n", "\n").replace("\r\x1b[K", "")
    assert not set(lines) & set("\x1b\u009b\u2066\x7f")


def test_top_wants_a_terminal(daemon: RunningDaemon) -> None:
    """In a pipe, top would write for ever what nobody can read."""
    result = ctl(daemon, "top", stdin=subprocess.DEVNULL)
    assert result.returncode == 2
    assert "terminal" in result.stderr


@pytest.mark.parametrize("words", [("list",), ("show", "full-1"), ("export",)])
def test_a_full_disk_is_told_in_one_line(daemon: RunningDaemon, words: tuple[str, ...]) -> None:
    """There is no traceback, neither at the write nor at exit."""
    ctl(daemon, "register", "full-1")
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "taskdash_ctl", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(daemon.url),
            timeout=30,
        )
    assert result.returncode == 1
    assert "cannot write" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr


def test_a_wait_outlives_the_daemon(tmp_path: Path) -> None:
    """A daemon that is started anew is found again, and what happened meanwhile is told."""
    with running_daemon(tmp_path / "data") as first:
        address = first.url.removeprefix("taskdash://")
        ctl(first, "register", "long")
        waiting = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "taskdash_ctl",
                "--server",
                f"{first.url}?timeout=1",
                "wait",
                "long",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not json.loads(ctl(first, "status", "-o", "json").stdout)["watches"]:
            pass
    assert waiting.stderr is not None
    assert "trying again" in waiting.stderr.readline()
    with running_daemon(tmp_path / "data", listen=address) as second:
        ctl(second, "finish", "long")
        out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert "finish" in out


def test_a_bad_address_is_blamed_on_where_it_stands() -> None:
    """The error names where the address stands; --help works all the same."""
    result = ctl("nonsense://x", "list")
    assert result.returncode == 2
    assert "TASKDASH_URL" in result.stderr
    assert "for --server" in ctl("taskdash://x", "--server", "nonsense://x", "list").stderr
    assert ctl("nonsense://x", "list", "--help").returncode == 0
    assert ctl("nonsense://x", "completion", "bash").returncode == 0


def test_a_table_that_does_not_fit_loses_its_last_columns(daemon: RunningDaemon) -> None:
    """A line is never wrapped: what matters least is left out."""
    with taskdash.connect(daemon.url) as dash:
        fields = {name: name * 5 for name in ("user", "group_id", "description", "reason")}
        dash.register("a-rather-long-identifier", "name " * 8, status="pending", **fields)
    shown = in_terminal(daemon, "list", columns=60).replace("\r", "")
    assert "a-rather-long-identifier" in shown
    assert "reason" not in shown


def test_ctrl_c_ends_the_waiting_for_a_daemon_that_is_away(tmp_path: Path) -> None:
    """The command has ended; its exit code stands."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    run = [sys.executable, "-m", "taskdash_ctl", "run", "--report-timeout", "600", "--"]
    with subprocess.Popen(
        [*run, "sh", "-c", f"exec 9> {fifo}; exit 3"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment("taskdash://127.0.0.1:1"),
    ) as process:
        assert process.stderr is not None
        # Read to the end of the command: a signal before it would be the command's.
        assert fifo.read_bytes() == b""
        told = b""
        # The program starts beside the command: one that has not come so far is just ended.
        while b"cannot reach" not in told and (piece := process.stderr.read(4096)):
            told += piece
        while process.poll() is None:
            # Send again after long: one that comes before the end is known is lost, but a second
            # one, while the first is obeyed, is the end of taskdash-ctl itself.
            process.send_signal(signal.SIGINT)
            while select.select([process.stderr], [], [], 3)[0]:
                piece = process.stderr.read(4096)
                if not piece:
                    process.wait(10)
                    break
                told += piece
        assert b"cannot reach" in told
        assert b"could not be reported" in told
        assert process.returncode == 3
