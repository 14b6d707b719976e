"""People, the tasks that they do, and services, from a shell."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner
from terminal import ctl, in_terminal

import taskdash
import taskdash_ctl.groups
from taskdash.testing import RunningDaemon
from taskdash_ctl.cli import main


def did(daemon: RunningDaemon, *words: str) -> str:
    done = ctl(daemon, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_task_from_hand_to_hand(daemon: RunningDaemon) -> None:
    """Accounts, a claim with its limit, a rejection, a handover."""
    assert "nobody has an account yet" in ctl(daemon, "people").stderr
    for number, name in (("1001", "Ann"), ("1002", "王小明")):
        did(daemon, "person", number, "--name", name, "--group", "cut")
    told = did(daemon, "person", "1002", "--role", "lead", "--lead", "cut")
    assert "lead" in told
    did(daemon, "register", "desk", "--status", "待领取", "--group", "cut")
    assert did(daemon, "claim", "desk", "--user", "1001", "--limit", "3600") == (
        "desk is 已领取, 1001's\n"
    )
    assert did(daemon, "names", "desk") == "1001\tAnn\n"
    lost = ctl(daemon, "claim", "desk", "--user", "1002")
    assert lost.returncode != 0
    assert "1001 has it since" in lost.stderr
    assert did(daemon, "begin", "desk", "--user", "1001") == "desk is 编辑中, 1001's\n"
    assert did(daemon, "submit", "desk", "--user", "1001", "--checker", "1002")
    waits = did(daemon, "next", "--user", "1002").splitlines()
    assert [line.split("\t")[:2] for line in waits] == [["to_answer", "desk"]]
    did(daemon, "reject", "desk", "--user", "1002", "--reason", "too dark")
    waits = did(daemon, "next", "--user", "1001").splitlines()
    assert [line.split("\t")[0] for line in waits] == ["now", "returned"]
    assert waits[1].split("\t")[4:7] == ["sent-back", "1002", "too dark"]
    assert "nothing waits for them" in ctl(daemon, "next", "--user", "1002").stderr
    handed = ctl(daemon, "handover", "1001", "--to", "1002", "--word", "leave")
    assert handed.stdout == ""
    assert "cannot take it" not in handed.stdout
    assert "0 moved" in handed.stderr or "none of them can take it" in handed.stderr
    did(daemon, "person", "1003", "--name", "Eve", "--group", "cut")
    assert did(daemon, "handover", "1001", "--to", "1003") == "desk: user is 1003 now\n"
    did(daemon, "submit", "desk", "--user", "1003")
    assert did(daemon, "approve", "desk", "--user", "1002", "--word", "fine").startswith("desk is")
    rows = json.loads(did(daemon, "people", "-o", "json"))
    assert [row["user"] for row in rows] == ["1001", "1002", "1003"]
    assert "王小明" in in_terminal(daemon, "people", columns=120)
    again = ctl(daemon, "person", "1003", "--new", "--name", "Kim")
    assert "Eve (1003) has this number" in again.stderr
    (base,) = (f"{row['rev']}" for row in rows if row["user"] == "1003")
    did(daemon, "person", "1003", "--name", "Eva", "--base", base)
    assert "has changed since" in ctl(daemon, "person", "1003", "--active", "--base", base).stderr
    told = did(daemon, "person", "1003", "--group", "剪辑、美术", "--group", "Team A")
    assert "剪辑, 美术, Team A" in told
    assert did(daemon, "list", "--group", "paint，cut", "--output", "name") == "desk\n"
    did(daemon, "person", "1003", "--inactive")
    assert did(daemon, "people").splitlines()[2].split("\t")[-1] == "no"


def test_a_group_comes_into_another(daemon: RunningDaemon) -> None:
    did(daemon, "person", "2001", "--name", "Kim", "--group", "Schnitt")
    did(daemon, "register", "reel", "--status", "待领取", "--group", "Schnitt")
    told = did(daemon, "group", "merge", "Schnitt", "montage")
    assert told == "Schnitt is montage now: people 1, services 0, tasks 1\n"
    assert did(daemon, "list", "--group", "montage", "--output", "name") == "reel\n"
    assert "more than one" in ctl(daemon, "group", "merge", "montage", "a、b").stderr


class Stuck:
    """Replies as of a group whose first tasks, more than are looked at in a time, stay."""

    def __init__(self) -> None:
        self.moved = [64, 3, 0, 0]

    def ask(self, _operation: str, **asked: str) -> dict[str, Any]:
        left = [{"id": "huge", "why": "the task would take 1048577 bytes"}]
        counts = {"people": 0, "services": 0, "tasks": self.moved.pop(0)}
        return {"errid": 0, **asked, **counts, "left": left, "more": True, "tokens": []}


def test_a_merge_that_comes_no_further_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck()

    @contextmanager
    def connect(_where: object) -> Iterator[Stuck]:
        yield stuck

    monkeypatch.setattr(taskdash_ctl.groups, "connect", connect)
    done = CliRunner().invoke(main, ["group", "merge", "a", "b"])
    assert done.exit_code == 0
    assert stuck.moved == [0]
    assert "a is b now: people 0, services 0, tasks 67" in done.output
    assert "huge stays" in done.output
    assert "there are more" in done.output


def test_views_are_kept_under_a_name(daemon: RunningDaemon) -> None:
    did(daemon, "person", "3001", "--name", "Lou", "--group", "print")
    said = did(daemon, "view", "set", "Films", "list?q=film", "--group", "print")
    assert said == "Films is list?q=film\n"
    did(daemon, "view", "set", "Own", "mine", "--person", "3001")
    assert did(daemon, "view", "list", "--group", "print") == "Films\tgroup print\tlist?q=film\n"
    assert did(daemon, "view", "list", "--person", "3001").split("\t")[0] == "Own"
    assert did(daemon, "view", "remove", "Films", "--group", "print") == "Films is gone\n"
    assert "no view" in ctl(daemon, "view", "remove", "Films", "--group", "print").stderr
    assert "not both" in ctl(daemon, "view", "list", "--group", "a", "--person", "b").stderr


def test_how_services_fare(daemon: RunningDaemon) -> None:
    assert "no service has registered" in ctl(daemon, "services").stderr
    with taskdash.connect(daemon.url) as dash:
        dash.ask("RegisterService", url="http://10.0.0.7:8080", name="Cutter")
        assert did(daemon, "services").split("\t")[:3] == [
            "alive",
            "Cutter",
            "http://10.0.0.7:8080",
        ]


def test_tasks_are_found_by_their_labels(daemon: RunningDaemon) -> None:
    for one in ("desk-1", "desk-2"):
        did(daemon, "register", one)
    assert did(daemon, "label", "desk-1", "--add", "Urgent", "--add", "later") == (
        "desk-1: Urgent, later\n"
    )
    found = did(daemon, "list", "--where", "labels=URGENT", "-o", "name")
    assert found == "desk-1\n"
    assert did(daemon, "label", "desk-1", "--remove", "urgent", "--remove", "later") == (
        "desk-1: no labels\n"
    )
    assert did(daemon, "list", "--where", "labels=URGENT", "-o", "name") == ""
    assert ctl(daemon, "list", "--where", "colour=red").returncode == 2


def test_what_is_cancelled_and_what_is_left(daemon: RunningDaemon) -> None:
    """Each that is left has a line, and the first says with which code it ends."""
    did(daemon, "register", "desk", "--status", "待领取", "--group", "cut")
    did(daemon, "register", "old", "--status", "finish")
    some = ctl(daemon, "cancel", "old", "desk", "nobody", "--reason", "not needed any more")
    assert (some.returncode, some.stdout) == (4, "")
    assert some.stderr.splitlines() == [
        "taskdash-ctl: old is left: the task is finish already",
        "taskdash-ctl: nobody is left: no task has the id 'nobody'",
    ]
    with taskdash.connect(daemon.url) as dash:
        desk = dash.find("desk")
        assert (desk["status"], desk["reason"]) == ("cancelled", "not needed any more")
    # By its epoch a task is cancelled as it is finished: by an Update.
    did(daemon, "cancel", "old", "--epoch", "1")


def test_what_died_is_acknowledged_and_a_service_retired(daemon: RunningDaemon) -> None:
    did(daemon, "register", "backup", "--status", "failed")
    told = did(daemon, "acknowledge", "backup", "--word", "the disk is being changed", "--hide")
    assert told.startswith("backup: acknowledged by ")
    with taskdash.connect(daemon.url) as dash:
        answer = dash.find("backup")["acknowledged"]
        assert (answer["word"], answer["hide"]) == ("the disk is being changed", True)
        dash.ask("RegisterService", url="http://10.0.0.7:8080", name="Cutter")
    alive = ctl(daemon, "acknowledge", "--service", "http://10.0.0.7:8080")
    assert (alive.returncode, "this one is alive" in alive.stderr) == (4, True)
    assert ctl(daemon, "acknowledge").returncode == 2
    assert did(daemon, "retire", "http://10.0.0.7:8080") == "http://10.0.0.7:8080 is retired\n"
    assert "no service has registered" in ctl(daemon, "services").stderr
