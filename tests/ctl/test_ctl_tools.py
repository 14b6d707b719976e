"""taskdash-ctl: ending and waiting for tasks, moving many, asking after the daemon."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from terminal import ctl, environment, in_terminal

import taskdash
from taskdash.testing import RunningDaemon, running_daemon
from taskdashd.store.compact import compact


def show(daemon: RunningDaemon, task_id: str) -> dict[str, Any]:
    return dict(json.loads(ctl(daemon, "show", task_id, "-o", "json").stdout))


@pytest.mark.parametrize(
    ("command", "status"), [("finish", "finish"), ("fail", "failed"), ("cancel", "cancelled")]
)
def test_finish_fail_and_cancel_end_tasks(daemon: RunningDaemon, command: str, status: str) -> None:
    """Several tasks end at once, with a reason; an unknown task is exit code 3."""
    for number in (1, 2):
        ctl(daemon, "register", f"{command}-{number}")
    result = ctl(daemon, command, f"{command}-1", f"{command}-2", "--reason", "as agreed")
    assert (result.returncode, result.stdout) == (0, "")
    for number in (1, 2):
        task = show(daemon, f"{command}-{number}")
        assert (task["status"], task["reason"]) == (status, "as agreed")
    assert ctl(daemon, command, "nobody").returncode == 3


def test_wait_returns_when_all_have_ended(daemon: RunningDaemon) -> None:
    """Tasks that had ended before count too; each end is told as it comes."""
    for name in ("w1", "w2"):
        ctl(daemon, "register", name, "--status", "pending")
    ctl(daemon, "finish", "w1")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "taskdash_ctl", "wait", "w1", "w2"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(daemon.url),
    )
    assert waiting.stdout is not None
    assert "\tw1\t" in waiting.stdout.readline()
    ctl(daemon, "cancel", "w2")
    assert "\tw2\tcancelled\t" in waiting.stdout.readline()
    assert waiting.wait(10) == 0
    waiting.stdout.close()


def test_wait_knows_what_will_never_be(daemon: RunningDaemon) -> None:
    """Another end than the one waited for is 1, time that is up 6, an unknown task 3."""
    ctl(daemon, "register", "w3")
    late = ctl(daemon, "wait", "w3", "--for", "status=finish", "--timeout", "0.2")
    assert (late.returncode, "still waiting for w3" in late.stderr) == (6, True)
    ctl(daemon, "fail", "w3", "--reason", "no paper")
    other = ctl(daemon, "wait", "w3", "--for", "status=finish")
    assert (other.returncode, "failed: no paper" in other.stderr) == (1, True)
    assert ctl(daemon, "wait", "w3", "--for", "status=failed", "-q").stdout == ""
    assert ctl(daemon, "wait", "nobody").returncode == 3
    assert ctl(daemon, "wait", "w3", "--for", "colour=red").returncode == 2


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_is_exported_can_be_imported(daemon: RunningDaemon, tmp_path: Path, form: str) -> None:
    """Another daemon then has the same tasks, unknown fields and odd characters too."""
    odd = "=a,\"b\"\r\n-1\r+\t\\ 审核;=1+1 '=\n'@x"
    with taskdash.connect(daemon.url) as dash:
        for number in range(3):
            dash.register(
                f"{form}-{number}", odd, group_id=form, status="finish", reels=[number, None]
            )
    path = tmp_path / f"tasks.{form}"
    words = ("export", "--group", form, "--format", form, "-o", str(path))
    assert ctl(daemon, *words).returncode == 0
    with running_daemon(tmp_path / "other") as other:
        result = ctl(other, "import", str(path), "--format", form)
        assert (result.returncode, result.stderr) == (0, "")
        with taskdash.connect(other.url) as dash:
            tasks = list(dash.query())
    assert [task["id"] for task in tasks] == [f"{form}-{number}" for number in range(3)]
    assert [(task["name"], task["reels"]) for task in tasks] == [
        (odd, [number, None]) for number in range(3)
    ]


def test_an_import_says_where_it_stopped_and_goes_on_from_there(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """The error names the bad line; --skip leaves out lines that are done."""
    rows = [
        json.dumps({"id": f"im-{number}", "name": "n", "status": "finish"}) for number in range(5)
    ]
    path = tmp_path / "tasks.jsonl"
    path.write_text("\n".join([*rows[:3], "{bad", *rows[3:]]))
    result = ctl(daemon, "import", str(path))
    assert result.returncode == 1
    assert "line 4 is no JSON" in result.stderr
    assert "--skip 3" in result.stderr
    path.write_text("\n".join(rows))
    assert ctl(daemon, "import", "--skip", "3", str(path)).returncode == 0
    listed = ctl(daemon, "list", "-f", "status=finish", "-o", "name").stdout.split()
    assert [name for name in listed if name.startswith("im-")] == [f"im-{n}" for n in range(5)]


def test_an_import_reads_a_pipe(daemon: RunningDaemon, tmp_path: Path) -> None:
    """export | import, from one daemon to another."""
    ctl(daemon, "register", "piped")
    exported = ctl(daemon, "export", "-f", "id=piped").stdout
    with running_daemon(tmp_path / "other") as other:
        assert ctl(other, "import", input=exported).returncode == 0
        assert show(other, "piped")["status"] == "pending"


@pytest.mark.fault(40)
def test_a_list_as_csv_is_safe_in_a_spreadsheet(daemon: RunningDaemon) -> None:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    ctl(daemon, "register", "formula", "--name", "=HYPERLINK(1)", "--group", "sheet")
    text = ctl(daemon, "list", "--group", "sheet", "-o", "csv", "--columns", "id,name").stdout
    assert text == '"id","name"\n"formula","\'=HYPERLINK(1)"\n'
    for words in (("export", "--format", "csv"), ("list", "-o", "csv")):
        ctl(daemon, "register", "split", "--name", "x;=HYPERLINK(1)\n＝1+1", "--group", "split")
        text = ctl(daemon, *words, "--group", "split").stdout
        assert "\"x;'=HYPERLINK(1)\n'＝1+1\"" in text


@pytest.mark.fault(40)
def test_people_and_audit_as_csv_are_safe_in_a_spreadsheet(daemon: RunningDaemon) -> None:
    ctl(daemon, "person", "7001", "--name", "x;=HYPERLINK(1)", "--group", "＝1+1")
    people = ctl(daemon, "people", "-o", "csv").stdout
    assert '"x;\'=HYPERLINK(1)"' in people
    assert '"\'=1+1"' in people, "a group is kept as it is meant, in half width"
    said = ctl(daemon, "audit", "-o", "csv").stdout
    assert "x;'=HYPERLINK(1)" in said
    assert "x;=HYPERLINK(1)" not in said


def test_list_goes_on_with_what_changes(daemon: RunningDaemon) -> None:
    """-w: the list, then each change, nothing lost between the two."""
    ctl(daemon, "register", "lw-1", "--group", "lw")
    process = subprocess.Popen(
        [sys.executable, "-m", "taskdash_ctl", "list", "--group", "lw", "-w", "-o", "name"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(daemon.url),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "lw-1\n"
    ctl(daemon, "register", "lw-2", "--group", "lw")
    assert process.stdout.readline() == "lw-2\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert ctl(daemon, "list", "-w", "-o", "json").returncode == 2


def test_status_tells_how_the_daemon_fares(
    daemon: RunningDaemon, pytestconfig: pytest.Config
) -> None:
    """status speaks in words, and as JSON for programs."""
    ctl(daemon, "register", "counted", "--status", "review")
    told = in_terminal(daemon, "status", columns=100)
    on_server = pytestconfig.getoption("--store") == "postgres"
    for word in ("daemon", "taskdashd/", "review", "commits"):
        assert word in told
    assert ("PostgreSQL 1" if on_server else "SQLite 3.") in told
    assert (" free" in told) is not on_server
    report = json.loads(ctl(daemon, "status", "-o", "json").stdout)
    assert report["tasks"]["review"] >= 1
    assert report["commits"]["count"] >= 1
    assert report["database"]["bytes"] > 0
    assert report["database"].get("wal_bytes", 0) > 0 or on_server
    assert report["connections"] == 1


def test_doctor_finds_a_well_daemon_well_and_an_absent_one_absent(
    daemon: RunningDaemon, pytestconfig: pytest.Config
) -> None:
    """Each finding is a line; exit code 0 where all is well, 5 and advice where no daemon is."""
    well = ctl(daemon, "doctor")
    found = {name: how for how, name in (line.split()[:2] for line in well.stdout.splitlines())}
    # A server's disk is not to be seen from here.
    disk = [] if pytestconfig.getoption("--store") == "postgres" else ["disk"]
    assert list(found) == [
        *("daemon", "versions", "clock", *disk, "database", "commits", "tasks", "calendar")
    ]
    # Of this machine's disk and load it says what is so.
    assert (found.pop("commits") == "ok") is (well.returncode == 0)
    assert set(found.values()) == {"ok"}
    absent = ctl("taskdash://127.0.0.1:1", "doctor")
    assert absent.returncode == 5
    assert absent.stdout.startswith("FAIL")
    assert "start taskdashd" in absent.stdout


def test_ping_measures_round_trips(daemon: RunningDaemon) -> None:
    """Each round trip is a line; a summary follows."""
    result = ctl(daemon, "ping", "-c", "3", "-i", "0")
    assert result.returncode == 0
    *replies, summary = result.stdout.splitlines()
    assert [line.partition("seq=")[2][0] for line in replies] == ["1", "2", "3"]
    assert summary.startswith("3 round trips: min ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_for_a_shell(shell: str) -> None:
    """The lines name the program; bash can read its own."""
    text = ctl("taskdash://127.0.0.1:1", "completion", shell).stdout
    assert "taskdash-ctl" in text
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_completion_completes() -> None:
    """The program answers what the shell's lines ask for."""
    env = {
        **os.environ,
        "_TASKDASH_CTL_COMPLETE": "bash_complete",
        "COMP_WORDS": "taskdash-ctl fin",
        "COMP_CWORD": "1",
    }
    command = "from taskdash_ctl.cli import main; main(prog_name='taskdash-ctl')"
    result = subprocess.run(
        [sys.executable, "-c", command], env=env, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "plain,finish"


def test_the_version_names_protocol_and_sqlite() -> None:
    """The version is one line."""
    text = ctl("taskdash://127.0.0.1:1", "--version").stdout
    assert text.startswith("taskdash-ctl ")
    assert "protocol 1" in text
    assert "SQLite 3." in text


def test_doctor_tells_of_a_file_that_gives_no_room_back(tmp_path: Path) -> None:
    """A database of an older version is well as long as little of it is unused."""
    with closing(apsw.Connection(str(tmp_path / "taskdash.db"))) as database:
        database.execute("PRAGMA auto_vacuum = NONE; CREATE TABLE filler (x)")
        database.execute("INSERT INTO filler VALUES (zeroblob(8 << 20)); DELETE FROM filler")
    with running_daemon(tmp_path) as daemon:
        told = ctl(daemon, "doctor")
    assert told.returncode == 1
    (line,) = [line for line in told.stdout.splitlines() if "room" in line.split()[:2]]
    assert line.startswith("FAIL")
    assert "taskdashd compact" in line
    compact(tmp_path, lambda _: None)
    with running_daemon(tmp_path) as daemon:
        told = ctl(daemon, "doctor")
    assert told.returncode == 0
    assert "room " not in told.stdout
