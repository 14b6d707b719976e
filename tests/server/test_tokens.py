"""`taskdashd token` and a daemon that asks for one."""

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import taskdashd
from wire_client import Wire

import taskdash
from taskdash.testing import RunningDaemon, running_daemon
from taskdashd.settings.tokens import FILE_NAME, TokenError, TokenFile


def made(data: Path, name: str, *words: str) -> str:
    done = taskdashd("token", "create", name, "--data", data, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def secret_of(token: str) -> str:
    """The part that nobody else may see. It may hold underscores itself (`token_urlsafe`)."""
    return token.split("_", 2)[2]


def connect(daemon: RunningDaemon, token: str, monkeypatch: pytest.MonkeyPatch) -> taskdash.Client:
    monkeypatch.setenv("TASKDASH_TOKEN", token)
    return taskdash.connect(daemon.url)


@pytest.mark.fault(35)
def test_a_token_works_until_it_is_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are made and revoked while the daemon runs; a revoked one's holder is cut off."""
    operator = made(tmp_path, "boss", "--role", "operator")
    # Start it anew: the command line of a fork (warm.py) is that of the process that forked.
    command = (sys.executable, "-u", "-m", "taskdashd")
    with running_daemon(tmp_path, auth="tokens", command=command) as daemon:
        with connect(daemon, operator, monkeypatch) as dash:
            dash.register("t", name="n", status="finish")
        backup = made(tmp_path, "backup", "--group", "a", "--expires", "90d")
        daemon.wait_for("tokens reread")
        with connect(daemon, backup, monkeypatch) as dash:
            dash.register("a/t", name="n", status="finish", group_id="a")
            with pytest.raises(taskdash.NotFound):
                dash.find("t")
            assert taskdashd("token", "revoke", "backup", "--data", tmp_path).returncode == 0
            daemon.wait_for("tokens reread", count=2)
            with pytest.raises(taskdash.TaskDashError):
                # A new connection would need a token too.
                dash.find("a/t")
        text = json.dumps(daemon.log) + (tmp_path / FILE_NAME).read_text()
        limits = Path(f"/proc/{daemon.pid}/limits").read_text()
        command_line = Path(f"/proc/{daemon.pid}/cmdline").read_text()
        assert "taskdashd" in command_line
        text += command_line
    for token in (operator, backup):
        assert secret_of(token) not in text
    # No core dump is left that would hold the tokens.
    assert re.search(r"Max core file size +0 +0 ", limits)


def test_tokens_are_listed_without_their_secrets(tmp_path: Path) -> None:
    """The list shows whom tokens are for, and until when."""
    secret = made(tmp_path, "one", "--group", "a", "--group", "b", "--expires", "12h")
    made(tmp_path, "two", "--role", "reader")
    told = taskdashd("token", "list", "--data", tmp_path).stdout
    assert "one " in told
    assert "a, b" in told
    assert "expires 20" in told
    assert "never expires" in told
    assert secret_of(secret) not in told
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["create", "one"], "exists already"),
        (["create", "no spaces"], "will not do"),
        (["create", "x", "--expires", "soon"], "must be a time"),
        (["create", "x", "--role", "king"], "is not one of"),
        (["create", "x", "--role", "operator", "--group", "a"], "not confined"),
        (["revoke", "nobody"], "no token 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, words: list[str], told: str) -> None:
    """The refusal says why, and nothing changes."""
    made(tmp_path, "one")
    before = (tmp_path / FILE_NAME).read_text()
    refused = taskdashd("token", *words, "--data", tmp_path)
    assert refused.returncode != 0
    assert told in refused.stderr
    assert (tmp_path / FILE_NAME).read_text() == before


GOOD = {"name": "x", "role": "service", "hash": "0" * 64, "created_at": 0}


def file_with(**change: object) -> str:
    return json.dumps({"tokens": [GOOD | change]})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"tokens":1}',
        '{"tokens":[{"name":"x"}]}',
        "[" * 100_000,
        "\udcff",
        file_with(hash=None),
        file_with(hash="é"),
        file_with(groups=None),
        file_with(groups="mx"),
        file_with(expires_at="2026-12-31"),
        file_with(role="king"),
        file_with(name="a b"),
    ],
)
def test_a_damaged_file_keeps_the_tokens_that_are_known(tmp_path: Path, content: str) -> None:
    """The damage is logged; a daemon does not start with such a file."""
    tokens = TokenFile.read(tmp_path, lambda: 0.0)
    _, text = tokens.create("one", "service", [], None)
    (tmp_path / FILE_NAME).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(TokenError, match="is damaged"):
        tokens.changed()
    assert tokens.identify(text) is not None
    refused = taskdashd("run", "--auth", "tokens", "--listen", "127.0.0.1:0", "--data", tmp_path)
    assert refused.returncode == 1
    assert "is damaged" in refused.stderr


def test_a_name_that_is_made_anew_is_another_token(tmp_path: Path) -> None:
    """Connections that signed in with the old token must do so again."""
    tokens = TokenFile.read(tmp_path, lambda: 0.0)
    _, text = tokens.create("one", "operator", [], None)
    identity = tokens.identify(text)
    assert identity is not None
    assert tokens.stands(identity)
    tokens.revoke("one")
    tokens.create("one", "operator", [], None)
    assert not tokens.stands(identity)


def test_tokens_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    """Each token is made by a process of its own."""
    command = [sys.executable, "-m", "taskdashd", "token", "create", "--data", str(tmp_path)]
    started = [
        subprocess.Popen([*command, f"t{number}"], stdout=subprocess.DEVNULL, stderr=-1)
        for number in range(8)
    ]
    said = [one.communicate()[1] for one in started]
    assert [one.returncode for one in started] == [0] * 8
    # None of them took another, which looked at the same time, for the daemon.
    assert all(b"no daemon runs" in text for text in said), said
    assert len(TokenFile.read(tmp_path, lambda: 0.0).tokens) == 8


@pytest.mark.fault(35)
def test_what_is_wrong_with_a_token_is_not_told(tmp_path: Path) -> None:
    """Revoked, expired, never made, or of another secret: 1003 in the same words."""
    good = made(tmp_path, "good")
    revoked, short = made(tmp_path, "revoked"), made(tmp_path, "short", "--expires", "1s")
    assert taskdashd("token", "revoke", "revoked", "--data", tmp_path).returncode == 0
    wrong = good[:-4] + ("aaaa" if good[-4:] != "aaaa" else "bbbb")
    expires = json.loads((tmp_path / FILE_NAME).read_text())["tokens"][-1]["expires_at"]
    with running_daemon(tmp_path, auth="tokens") as daemon:
        while time.time() < expires:
            pass
        said = []
        for token in (revoked, short, wrong, "td_nobody_" + "x" * 43):
            wire = Wire(("127.0.0.1", daemon.port))
            said.append(wire.call("Hello", {"protocol": 1, "token": token}, errid=1003)["detail"])
        assert len(set(said)) == 1


@pytest.mark.fault(35)
def test_a_token_is_over_when_it_is_over(tmp_path: Path) -> None:
    """A token expires by the wall clock, also for those who have signed in."""
    now = [1000.0]
    tokens = TokenFile.read(tmp_path, lambda: now[0])
    _, text = tokens.create("one", "service", ["a"], 60)
    identity = tokens.identify(text)
    assert identity is not None
    now[0] += 59
    assert tokens.stands(identity)
    now[0] += 1
    assert not tokens.stands(identity)
    assert tokens.identify(text) is None


@pytest.mark.fault(35)
@pytest.mark.parametrize(
    "wrong", ["", "td", "td_one", "td_one_", "td_two_x", "x" * 10_000, "td_one_\udcff", "td__"]
)
def test_what_is_no_token_is_nobody(tmp_path: Path, wrong: str) -> None:
    """A malformed token is refused, whatever is wrong with it."""
    tokens = TokenFile.read(tmp_path, lambda: 0.0)
    _, text = tokens.create("one", "service", [], None)
    assert tokens.identify(wrong) is None
    assert tokens.identify(text + "x") is None
    assert tokens.identify(text[:-1]) is None
    assert tokens.identify(text) is not None


def test_other_machines_are_not_let_in_without_tokens(tmp_path: Path) -> None:
    """A setting lets them in, and then the daemon warns."""
    refused = taskdashd("run", "--listen", "0.0.0.0:0", "--data", tmp_path)
    assert refused.returncode == 1
    assert "taskdashd token create" in refused.stderr
    with running_daemon(tmp_path, listen="0.0.0.0:0", auth="open") as daemon:
        assert any("auth is open" in line["event"] for line in daemon.log)
    made(tmp_path, "one")
    with running_daemon(tmp_path, listen="0.0.0.0:0") as daemon:
        assert not any("auth is open" in line["event"] for line in daemon.log)
        with pytest.raises(taskdash.TaskDashError):
            taskdash.connect(f"taskdash://127.0.0.1:{daemon.port}")


@pytest.mark.fault(27)
def test_whoever_does_not_sign_in_is_not_kept(tmp_path: Path) -> None:
    """A connection that never signs in is closed, however it beats."""
    made(tmp_path, "one")
    with (
        running_daemon(tmp_path, auth="tokens", sign_in_timeout=0.3) as daemon,
        socket.create_connection(("127.0.0.1", daemon.port), 10) as sock,
    ):
        assert sock.recv(1) == b""
