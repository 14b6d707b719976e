"""What the terminal cannot show, and streams that are shut: nothing ends in a traceback."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import ctl, environment

import taskdash
from taskdash.testing import RunningDaemon
from taskdash_protocol.escapes import encodable, escaping

CTL = shlex.join([sys.executable, "-m", "taskdash_ctl"])
NAME = "备份 😀 Zoë"
PRINTING = [
    "list",
    "list -o csv",
    "list -o json",
    "list -o jsonl",
    "show odd-1",
    "show odd-1 -o json",
    "export",
    "export --format csv",
    "audit",
    "audit -o csv",
    "watch --since 0 --count 1",
    "finish odd-1 nobody-备份😀Zoë",
    "register odd-2 --status läuft😀",
    "completion zsh",
    "--help",
]


@pytest.fixture(scope="module", autouse=True)
def odd(daemon: RunningDaemon) -> None:
    with taskdash.connect(daemon.url) as dash:
        dash.register("odd-1", NAME, status="pending", reels=[NAME])


def in_shell(daemon: RunningDaemon, line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which $C is taskdash-ctl."""
    env = {**environment(daemon.url), "C": CTL, **env}
    return subprocess.run(["bash", "-c", line], capture_output=True, env=env, timeout=60)


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        *((words, encoding) for words in PRINTING for encoding in ("gbk", "latin-1")),
        *(("list", "ascii"), ("list -o csv", "ascii"), ("audit -o csv", "ascii")),
    ],
)
def test_what_an_encoding_does_not_have_is_escaped(
    daemon: RunningDaemon, words: str, encoding: str
) -> None:
    """Every command ends as it does on a terminal of UTF-8, and says as much."""
    told = in_shell(daemon, f"$C {words}", PYTHONIOENCODING=encoding)
    assert told.returncode == (3 if "nobody" in words else 0)
    # Click takes ASCII for a locale that nobody has set, and writes UTF-8; so do we.
    shown = "utf-8" if encoding == "ascii" else encoding
    text = told.stdout.decode(shown) + told.stderr.decode(shown)
    assert text
    assert "Traceback" not in text
    if shown != "utf-8" and words in ("list", "show odd-1", "show odd-1 -o json", "list -o csv"):
        assert "\\ud83d\\ude00" in text
        assert ("Zoë" in text) is (encoding != "gbk")
        assert ("备份" in text) is (encoding == "gbk")


@pytest.mark.parametrize("env", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
@pytest.mark.parametrize("words", ["list", "list -o csv", "show odd-1", "export"])
def test_a_bare_locale_is_no_reason_to_fail(
    daemon: RunningDaemon, words: str, env: dict[str, str]
) -> None:
    told = in_shell(daemon, f"$C {words}", LC_ALL="C", **env)
    assert b"Traceback" not in told.stdout
    if words == "list":
        assert told.stdout.decode().startswith(f"odd-1\t{NAME}\t")


def test_json_that_was_escaped_means_the_same(daemon: RunningDaemon) -> None:
    told = in_shell(daemon, "$C list -o json", PYTHONIOENCODING="gbk").stdout.decode("gbk")
    (task,) = [one for one in json.loads(told) if one["id"] == "odd-1"]
    assert (task["name"], task["reels"]) == (NAME, [NAME])


@pytest.fixture(scope="module")
def many(daemon: RunningDaemon) -> None:
    """Give a list more than a pipe holds."""
    with taskdash.connect(daemon.url) as dash:
        for number in range(1000):
            dash.register(f"long-{number}", "x" * 200, status="finish")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("words", ["list", "list -o csv", "list -o jsonl", "export", "audit"])
def test_a_pipe_whose_reader_has_enough_is_no_fault(daemon: RunningDaemon, words: str) -> None:
    """A reader that takes standard error as well is none either."""
    line = f"$C {words} 2>&1 | true; $C {words} {'--limit 0' * (words == 'audit')}"
    told = in_shell(daemon, f"{line} | head -n 1 | wc -l")
    assert (told.stdout.split(), told.stderr) == ([b"1"], b"")


@pytest.mark.parametrize("shut", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["list", "list -o csv", "export --format csv", "import"])
def test_a_stream_that_is_shut_is_no_fault(daemon: RunningDaemon, words: str, shut: str) -> None:
    stdin = "" if "<" in shut else "</dev/null"
    told = in_shell(daemon, f"$C {words} {stdin} {shut}")
    assert told.returncode == 0
    assert b"Traceback" not in told.stderr


def test_a_command_finds_the_streams_shut_that_were_shut(daemon: RunningDaemon) -> None:
    """`run` hands on what it was given, and nothing in its place."""
    told = in_shell(daemon, "$C run -- sh -c 'test -e /proc/self/fd/1; echo $? >&2' >&-")
    assert told.stderr.split()[-1:] == [b"1"]


def test_columns_stand_under_one_another_in_any_encoding(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """An escape is measured as it will be shown."""
    ctl(daemon, "register", "row-1", "--name", "plain", "--user", "end", "--group", "rows")
    ctl(daemon, "register", "row-2", "--name", "é😀", "--user", "end", "--group", "rows")
    log = tmp_path / "terminal"
    command = f"env PYTHONIOENCODING=gbk COLUMNS=100 {CTL} list --group rows"
    env = environment(daemon.url)
    subprocess.run(["script", "-qec", command, log], capture_output=True, env=env, timeout=30)
    lines = log.read_bytes().decode("gbk").splitlines()
    columns = {line.index("end") for line in lines if line.startswith("row-")}
    assert len(columns) == 1, lines


def test_only_what_does_not_fit_is_escaped(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="latin-1") as stream:
        escaping(stream, None)
        stream.write("é€")
        assert encodable("é€", stream) == "é\\u20ac"
    assert (tmp_path / "out").read_bytes() == b"\xe9\\u20ac"
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        escaping(stream)
        assert encodable("é\udcff", stream) == "é\udcff"
        stream.write("é\udcff")
    assert (tmp_path / "out").read_bytes() == "é\\udcff".encode()


def test_taskdashd_escapes_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taskdashd", "config", "--data", str(tmp_path / NAME)]
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    told = subprocess.run(command, env=env, capture_output=True, timeout=30)
    assert b"Traceback" not in told.stderr
    assert b"\\u5907\\u4efd \\ud83d\\ude00 Zo\xeb" in told.stdout
