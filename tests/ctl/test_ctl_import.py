"""taskdash-ctl import: files of offices and of other tools, and a daemon that takes its time."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import pytest
from terminal import ctl, environment, terminal

import taskdash
from taskdash.testing import RunningDaemon, running_daemon

PLAN = "id,name,status,user\r\ncut-1,剪辑第一卷,待领取,\r\ncut-2,配音,待领取,李\r\n"


def tasks(daemon: RunningDaemon) -> dict[str, dict[str, Any]]:
    with taskdash.connect(daemon.url) as dash:
        return {task["id"]: task for task in dash.query()}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk", "utf-16"])
@pytest.mark.parametrize("piped", [False, True])
def test_a_sheet_of_an_office_is_imported(
    daemon: RunningDaemon, tmp_path: Path, encoding: str, piped: bool
) -> None:
    file = tmp_path / "plan.csv"
    file.write_bytes(PLAN.replace("cut", f"{encoding}-{piped}").encode(encoding))
    line = f"{sys.executable} -m taskdash_ctl import --format csv"
    line = f"cat {file} | {line}" if piped else f"{line} {file}"
    told = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, env=environment(daemon.url)
    )
    assert told.returncode == 0
    assert ("read as GB 18030" in told.stderr) is (encoding == "gbk")
    assert tasks(daemon)[f"{encoding}-{piped}-1"]["name"] == "剪辑第一卷"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--format", "csv"), "id,name\none-1,x\none-2,x,lost\n"),
        (("--format", "csv"), 'id,name\none-1,x\none-2,"x\none-3,y\n'),
        (("--format", "csv"), "id,name,tag,tag\none-1,x,a,b\n"),
        (("--format", "csv"), "id,name\none-1,x\n1.2E+11,y\n"),
        (("--from", "kanboard"), "id,Was\none-1,x\n"),
        (("--from", "taskwarrior"), '{"uuid":"one-1","description":"x"}\n{'),
        ((), "id,name\none-1,x\n"),
        ((), '[{"uuid":"one-1","description":"x"}]'),
        (("--from", "csv", "--map", "user=Wer"), "id,name\none-1,x\n"),
    ],
)
def test_a_fault_is_all_that_is_said_and_nothing_is_done(
    daemon: RunningDaemon, words: tuple[str, ...], text: str
) -> None:
    told = ctl(daemon, "import", *words, input=text)
    assert told.returncode == 1
    assert told.stderr.startswith("taskdash-ctl: <stdin>: ")
    assert told.stderr.count("\n") == 1
    assert not [one for one in tasks(daemon) if one.startswith("one-")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", "zentao", "--format", "jsonl"), "--from zentao reads no jsonl"),
        (("--from", "taskwarrior", "--format", "csv"), "--from taskwarrior reads no csv"),
        (("--map", "a=b"), "--map and --status-map go with"),
        (("--status-map", "a=b", "--format", "jsonl"), "--map and --status-map go with"),
        (("--from", "csv", "--map", "a"), "'a' is not FIELD=VALUE"),
        (("--from", "csv", "--map", "id=a", "--map", "id=b"), "id is mapped twice"),
        (("--from", "csv", "--map", "rev=a"), "rev is not for a file to say"),
        (("nowhere.csv",), "nowhere.csv"),
        (("--from", "excel"), "'excel' is not one of"),
    ],
)
def test_options_that_do_not_go_together_are_a_fault_of_usage(
    daemon: RunningDaemon, words: tuple[str, ...], told: str
) -> None:
    result = ctl(daemon, "import", *words, input="")
    assert result.returncode == 2
    assert told in result.stderr


@pytest.mark.parametrize("name", ["plan.csv", "PLAN.CSV", "plan.tsv"])
def test_a_file_that_is_called_a_sheet_is_read_as_one(
    daemon: RunningDaemon, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    text = PLAN.replace("cut", name)
    file.write_bytes((text.replace(",", "\t") if name.endswith("tsv") else text).encode())
    assert ctl(daemon, "import", str(file)).returncode == 0
    assert tasks(daemon)[f"{name}-2"]["user"] == "李"
    assert ctl(daemon, "import", "--format", "jsonl", str(file)).returncode == 1


def test_a_row_that_was_cut_in_two_overwrites_nothing(daemon: RunningDaemon) -> None:
    """A text that a program without quotes has split at CR makes no tasks of its pieces."""
    ctl(daemon, "register", "a-pay", "--name", "Salaries")
    text = "id,name,description\nn2,progress,10%\r20%\ra-pay\n"
    told = ctl(daemon, "import", "--format", "csv", input=text)
    assert told.returncode == 1
    assert "task 2 of <stdin> (line 3) is refused: field name is required" in told.stderr
    assert tasks(daemon)["a-pay"]["name"] == "Salaries"
    assert "20%" not in tasks(daemon)


def test_texts_of_programs_come_back_from_csv_to_the_byte(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """Through files and pipes, into the same daemon and a fresh one."""
    texts = ["10%\r20%\ra-pay", "a\r\nb", "'=x", "", "\ufeff=x", 'say "x', "=1\t-2;'@y", "1.2E+11"]
    with taskdash.connect(daemon.url) as dash:
        for number, text in enumerate(texts):
            dash.register(f"t-{number}", text, group_id="texts", status="finish", edit_info=text)
    exported = ctl(daemon, "export", "--group", "texts", "--format", "csv", encoding="utf-8")
    file = tmp_path / "e.csv"
    words = ("export", "--group", "texts", "--format", "csv", "-o", str(file))
    assert ctl(daemon, *words).returncode == 0
    with running_daemon(tmp_path / "fresh") as fresh:
        assert ctl(fresh, "import", "--format", "csv", str(file)).stderr == ""
        there = tasks(fresh)
    assert [there[f"t-{n}"]["name"] for n in range(len(texts))] == texts
    assert [there[f"t-{n}"]["edit_info"] for n in range(len(texts))] == texts
    assert "'1.2E+11" not in exported.stdout
    assert ctl(daemon, "import", "--format", "csv", str(file)).returncode == 0
    assert [tasks(daemon)[f"t-{n}"]["name"] for n in range(len(texts))] == texts


def test_an_export_in_another_encoding_says_what_it_could_not_write(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """As JSON it is whole, and as CSV in a file."""
    with taskdash.connect(daemon.url) as dash:
        dash.register("odd", "备份 😀", group_id="odd", status="finish")

    def export(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "taskdash_ctl", "export", "--group", "odd", *words]
        env = {**environment(daemon.url), "PYTHONIOENCODING": "gbk"}
        return subprocess.run(command, capture_output=True, env=env, check=True)

    told = export("--format", "csv")
    assert "备份 \\ud83d\\ude00" in told.stdout.decode("gbk")
    assert b"gbk does not have 1 of the characters" in told.stderr
    assert json.loads(export().stdout)["name"] == "备份 😀"
    file = tmp_path / "e.csv"
    assert export("--format", "csv", "-o", str(file)).stderr == b""
    (row,) = csv.DictReader(file.read_text("utf-8").splitlines())
    assert row["name"] == "备份 😀"


def test_live_tasks_are_counted_as_a_warning(daemon: RunningDaemon) -> None:
    """The command for one task warns, and so does the one for many."""
    rows = "id,name,status\nl-1,x,Open\nl-2,x,Closed\nl-3,x,待领取\nl-4,x,Open\n"
    told = ctl(daemon, "import", "--format", "csv", input=rows)
    assert "live tasks: 3 ('Open', 'Closed'); as nobody beats for them, they will be" in told.stderr
    assert "--status-map" in told.stderr
    words = ("--status-map", "Open=pending", "--status-map", "closed=finish")
    told = ctl(daemon, "import", "--format", "csv", *words, input=rows)
    assert (told.returncode, told.stderr) == (0, "")
    assert tasks(daemon)["l-2"]["status"] == "finish"
    told = ctl(daemon, "import", input='{"id":"l-1","name":"x","status":"running"}\n')
    assert "live tasks: 1 ('running')" in told.stderr


def test_what_was_done_elsewhere_neither_lives_nor_dies(daemon: RunningDaemon) -> None:
    rows = "Task Id,Status,Title\nk-1,Open,x\nk-2,Closed,y\nk-3,Someday,z\n"
    told = ctl(daemon, "import", "--from", "kanboard", input=rows)
    assert (told.returncode, told.stderr.count("\n")) == (0, 1)
    assert "Someday (1)" in told.stderr
    statuses = {one: tasks(daemon)[one]["status"] for one in ("k-1", "k-2", "k-3")}
    assert statuses == {"k-1": "pending", "k-2": "finish", "k-3": "pending"}
    told = ctl(daemon, "import", "--from", "kanboard", "--status-map", "Open=running", input=rows)
    assert "live tasks: 1 ('running')" in told.stderr


def test_a_slow_commit_does_not_end_an_import(daemon: RunningDaemon) -> None:
    """However short the time that one request may take: a card that is worn takes seconds."""
    command = [sys.executable, "-m", "taskdash_ctl", "--server", f"{daemon.url}?timeout=1"]
    process = subprocess.Popen(
        [*command, "import"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    row = {"name": "n", "status": "finish", "description": "x" * 1000}
    lines = [json.dumps({"id": f"slow-{number}", **row}) + "\n" for number in range(4000)]
    process.stdin.writelines(lines[:2000])
    process.stdin.flush()
    while "slow-0" not in tasks(daemon):
        assert process.poll() is None
    os.kill(daemon.pid, signal.SIGSTOP)
    rest = threading.Thread(target=feed, args=(process.stdin, lines[2000:]))
    rest.start()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=3)
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    rest.join()
    assert process.stderr is not None
    with process.stderr as told:
        assert (process.wait(timeout=60), told.read()) == (0, "")
    assert "slow-3999" in tasks(daemon)


def feed(stdin: IO[str], lines: list[str]) -> None:
    with stdin:
        stdin.writelines(lines)


def test_an_import_that_waits_for_a_person_says_so(daemon: RunningDaemon) -> None:
    with terminal(daemon, f"{sys.executable} -m taskdash_ctl import", columns=80, lines=5) as shown:
        shown.until(lambda lines: "taskdash-ctl: reading what is typed; Ctrl-D ends it" in lines)


@pytest.mark.parametrize("there", [True, False])
def test_an_export_that_fails_leaves_the_file_of_yesterday(
    daemon: RunningDaemon, tmp_path: Path, there: bool
) -> None:
    """Not half of what is there now; and a link, a mode and a device stay what they are."""
    file = tmp_path / "nightly.jsonl"
    with running_daemon(tmp_path / "data") as away, taskdash.connect(away.url) as dash:
        for number in range(300):
            dash.register(f"e-{number}", "n" * 1000, status="finish")
        if there:
            assert ctl(away, "export", "-o", str(file)).returncode == 0
            file.chmod(0o640)
        before = file.read_bytes() if there else b""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command = [sys.executable, "-m", "taskdash_ctl", "--server", away.url, "export", "-o"]
        with subprocess.Popen([*command, str(pipe)], stderr=subprocess.PIPE) as through:
            with pipe.open() as reader:
                assert reader.readline().startswith('{"id":"e-0"')
            assert through.wait(10) != 0, "its reader has gone"
        full = f"ulimit -f 100; {shlex.join(command)} {file}"
        result = subprocess.run(["bash", "-c", full], capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (
            1,
            "taskdash-ctl: cannot write: File too large\n",
        )
        assert (file.read_bytes() if there else b"") == before
        link = tmp_path / "link"
        link.symlink_to(file)
        assert ctl(away, "export", "-o", str(link)).returncode == 0
        assert (link.is_symlink(), len(file.read_text().splitlines())) == (True, 300)
        assert not there or file.stat().st_mode & 0o777 == 0o640
        assert ctl(away, "export", "-o", str(tmp_path / "no" / "x")).returncode == 1
        assert "cannot write" in ctl(away, "export", "-o", "/dev/full").stderr
    assert {one.name for one in tmp_path.iterdir()} == {"nightly.jsonl", "data", "pipe", "link"}
