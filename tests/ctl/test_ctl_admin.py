"""taskdash-ctl in a new administrator's hands: what it says where something is not as meant."""

from pathlib import Path

import pytest
from processes import taskdashd
from terminal import ctl

from taskdash.testing import RunningDaemon, running_daemon


@pytest.mark.parametrize("command", ["list", "doctor"])
def test_the_boards_port_is_not_taken_for_a_damaged_daemon(tmp_path: Path, command: str) -> None:
    with running_daemon(tmp_path, web="127.0.0.1:0") as daemon:
        board = daemon.wait_for("the board is at")["address"]
        done = ctl(f"taskdash://{board}", command)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "this is an HTTP server: is it the board's port? (is --server or" in said


def test_where_no_tls_is_spoken_it_is_said_so(daemon: RunningDaemon) -> None:
    done = ctl(daemon.url.replace("taskdash://", "taskdashs://"), "list")
    assert done.returncode == 5
    assert "no TLS is spoken there" in done.stderr
    assert "_ssl.c" not in done.stderr


def test_who_has_no_token_reads_where_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = taskdashd("token", "create", "one", "--role", "operator", "--data", tmp_path)
    assert made.returncode == 0, made.stderr
    with running_daemon(tmp_path, auth="tokens") as daemon:
        monkeypatch.delenv("TASKDASH_TOKEN", raising=False)
        done = ctl(daemon, "list")
        assert done.returncode == 4
        assert "asks for a token; set TASKDASH_TOKEN or TASKDASH_TOKEN_FILE" in done.stderr
        assert "Hello" not in done.stderr
        monkeypatch.setenv("TASKDASH_TOKEN", "td_one_wrong")
        assert "wrong, was revoked or has expired; is TASKDASH" in ctl(daemon, "list").stderr
        monkeypatch.setenv("TASKDASH_TOKEN", made.stdout.strip())
        assert ctl(daemon, "list").returncode == 0


def test_a_mistyped_group_is_not_said_to_be_merged(daemon: RunningDaemon) -> None:
    done = ctl(daemon, "group", "merge", "Schnit", "cut")
    assert done.stdout == ""
    assert done.stderr == "nobody and nothing is in Schnit: nothing was changed\n"
    assert ctl(daemon, "group", "merge", "cut", "cut").stdout == "cut is called so already\n"


def test_an_administrator_without_a_password_is_told_of_it(daemon: RunningDaemon) -> None:
    """Without one they sign in nowhere, and would learn it at the board."""
    word = "without a password: --password"
    assert word in ctl(daemon, "person", "1", "--name", "Root", "--role", "admin").stderr
    assert word not in ctl(daemon, "person", "1", "--name", "Root Li").stderr
    assert word not in ctl(daemon, "person", "2", "--name", "Ann", "--role", "lead").stderr
