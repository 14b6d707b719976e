"""Signing in, and what each role and group may do; hidden tasks look as if there were none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskdash_protocol.frames import TASKDASH
from taskdashd.domain.access import Identity
from taskdashd.store import cursors
from taskdashd.testing import Peer, World

WHO = {
    "alpha": Identity("alpha", "service", frozenset({"a"})),
    "beta": Identity("beta", "service", frozenset({"b"})),
    "reader": Identity("reader", "reader", frozenset({"a"})),
    "any": Identity("any", "service"),
    "boss": Identity("boss", "operator"),
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, asks_for_tokens=True)
    world.identities = dict(WHO)
    yield world
    world.close()


def signed_in(world: World, name: str, address: str = "10.0.0.1:1") -> Peer:
    peer = world.connect(address)
    assert peer.ask("Hello", protocol=1, client=f"{name}/1", token=name)["errid"] == 0
    return peer


def task(number: int = 1, group: str = "a", **more: Any) -> dict[str, Any]:
    return {"id": f"t{number}", "name": "n", "group_id": group, "status": "pending", **more}


@pytest.mark.fault(35)
@pytest.mark.parametrize("operation", ["Register", "Update", "Find", "Query", "Watch", "Status"])
def test_nothing_is_done_for_whoever_has_not_signed_in(world: World, operation: str) -> None:
    """Each request gets 1003, and the connection stays open for a sign-in."""
    signed_in(world, "boss").ask("Register", **task())
    peer = world.connect()
    assert peer.ask(operation, **task())["errid"] == 1003
    assert peer.ask("Hello", protocol=1, client="x")["errid"] == 1003
    assert peer.ask("Hello", protocol=1, token="wrong")["errid"] == 1003
    assert peer.ask("Hello", protocol=1, token="boss")["errid"] == 0
    assert peer.ask("Find", id="t1")["errid"] == 0


def test_a_token_may_stand_in_a_header(world: World) -> None:
    """A token in the header serves clients that cannot say Hello."""
    peer = world.connect()
    for token, errid in ((7, 1003), ("wrong", 1003), ("alpha", 0)):
        header = {"RequestID": "Register", "Token": token}
        peer.send_bytes(TASKDASH.request(header, b'{"id":"h","name":"n","group_id":"a"}'))
        world.drain()
        assert peer.replies.pop()["errid"] == errid
    assert peer.ask("Find", id="h")["errid"] == 0


def test_a_ready_reply_is_not_for_those_who_may_not_see_it(world: World) -> None:
    """A cached reply must not answer the same bytes from somebody who may not see the task."""
    boss = signed_in(world, "boss")
    boss.ask("Register", **task(group="a"))
    assert [boss.ask("Find", id="t1")["errid"] for _ in range(3)] == [0, 0, 0]
    assert signed_in(world, "beta").ask("Find", id="t1")["errid"] == 1002
    assert world.connect().ask("Find", id="t1")["errid"] == 1003
    assert signed_in(world, "alpha").ask("Find", id="t1")["errid"] == 0


def test_a_refusal_is_never_kept_for_others(world: World) -> None:
    """One who may not see the task asks first: the refusal must not answer others' same bytes."""
    signed_in(world, "beta").ask("Register", **task(group="b"))
    assert signed_in(world, "alpha").ask("Find", id="t1")["errid"] == 1002
    boss = signed_in(world, "boss")
    assert [boss.ask("Find", id="t1")["errid"] for _ in range(2)] == [0, 0]


def test_each_request_may_bring_a_token_of_its_own(world: World) -> None:
    """A token counts for its request alone, also among others under way; a wrong one is refused."""
    signed_in(world, "boss").ask("Register", **task(group="b"))
    shared = world.connect()
    find = b'{"id":"t1"}'
    update = b'{"id":"t1","description":"d","own":false}'
    for token in ("boss", "alpha", "beta", "wrong", "alpha"):
        for operation, body in (("Update", update), ("Find", find)):
            header = {"RequestID": operation, "Token": token}
            shared.send_bytes(TASKDASH.request(header, body))
    world.drain()
    errids = [reply["errid"] for reply in shared.replies]
    assert errids == [0, 0, 1002, 1002, 0, 0, 1003, 1003, 1002, 1002]


def test_whoever_becomes_another_no_longer_watches_as_the_one_before(world: World) -> None:
    """A second Hello ends what the first one's identity watched."""
    peer = signed_in(world, "boss")
    peer.ask("Watch")
    assert peer.ask("Hello", protocol=1, token="alpha")["errid"] == 0
    signed_in(world, "beta").ask("Register", **task(group="b"))
    signed_in(world, "alpha").ask("Register", **task(2, group="a"))
    assert not peer.events


@pytest.mark.fault(35)
def test_a_cursor_that_was_made_up_tells_nothing(world: World) -> None:
    """A forged cursor shows neither whether a task is there, nor how its fields compare."""
    boss = signed_in(world, "boss")
    hidden = boss.ask("Register", **task(1, "b", description="secret"))
    assert hidden["errid"] == 0
    rev = boss.ask("Find", id="t1")["rev"]
    alpha = signed_in(world, "alpha")
    for number in range(2, 5):
        alpha.ask("Register", **task(number, "a", description="x" * 3_000))
    page = alpha.ask("Query", order="description", limit=2)
    rest = alpha.ask("Query", order="description", limit=2, after=page["next"])
    assert [one["id"] for one in rest["tasks"]] == ["t4"]
    told = []
    for guess in (rev, rev + 1000):
        cursor = cursors.write("description", "t1", guess, "y" * 100_000)
        told.append(alpha.ask("Query", order="description", after=cursor))
    assert told[0]["errid"] == 1000
    assert told[0] == told[1]


@pytest.mark.fault(35)
def test_register_does_not_tell_whether_a_task_is_there(world: World) -> None:
    """A taken id has to be refused, but the refusal is the same whatever group the task is in."""
    signed_in(world, "boss").ask("Register", **task(1, "b"))
    alpha = signed_in(world, "alpha")
    for more in ({"group_id": "b"}, {"epoch": 99}):
        hidden = alpha.ask("Register", **task(1) | more)
        absent = alpha.ask("Register", **task(2) | more)
        assert hidden == {**absent, "id": "t1", "detail": absent["detail"].replace("t2", "t1")}


@pytest.mark.fault(35)
def test_what_it_may_not_see_is_not_there(world: World) -> None:
    """Find and Update of another group's task are answered like those of no task at all."""
    signed_in(world, "alpha").ask("Register", **task())
    beta = signed_in(world, "beta")
    for operation in ("Find", "Update"):
        hidden = beta.ask(operation, id="t1", description="x")
        absent = beta.ask(operation, id="t2", description="x")
        assert hidden["errid"] == 1002
        assert hidden == {**absent, "id": "t1", "detail": absent["detail"].replace("t2", "t1")}
    # A write of an id that is taken cannot be answered as if it were free.
    assert beta.ask("Register", **task(group="b"))["errid"] == 1003
    assert signed_in(world, "alpha").ask("Find", id="t1")["name"] == "n"


def test_a_service_writes_in_its_groups(world: World) -> None:
    """A service may not write into another group, nor move a task of its own there."""
    alpha = signed_in(world, "alpha")
    assert alpha.ask("Register", **task())["errid"] == 0
    assert alpha.ask("Update", id="t1", description="d")["errid"] == 0
    for change in ({"group_id": "b"}, {"group_id": ""}):
        refused = alpha.ask("Update", id="t1", **change)
        assert refused["errid"] == 1003
        assert "group_id" in refused["detail"]
        assert alpha.ask("Register", **task(2) | change)["errid"] == 1003
    anyone = signed_in(world, "any")
    assert anyone.ask("Update", id="t1", group_id="b")["errid"] == 0
    assert alpha.ask("Find", id="t1")["errid"] == 1002


def test_a_reader_reads(world: World) -> None:
    """A reader writes nothing, not even to tasks that it sees."""
    signed_in(world, "alpha").ask("Register", **task())
    reader = signed_in(world, "reader")
    assert reader.ask("Find", id="t1")["errid"] == 0
    assert reader.ask("Register", **task())["errid"] == 1003
    assert reader.ask("Update", id="t1", own=False, description="d")["errid"] == 1003
    assert reader.ask("Status")["errid"] == 1003
    assert signed_in(world, "boss").ask("Status")["errid"] == 0


def test_queries_give_what_is_seen(world: World) -> None:
    """Query gives visible tasks only, without a where and whatever groups the where names."""
    boss = signed_in(world, "boss")
    for number in range(10):
        boss.ask("Register", **task(number, group="ab"[number % 2]))
    alpha = signed_in(world, "alpha")
    for where, count in (
        ({}, 5),
        ({"group_id": "a"}, 5),
        ({"group_id": ["a", "b"]}, 5),
        ({"group_id": "b"}, 0),
    ):
        found = alpha.ask("Query", where=where)["tasks"]
        assert len(found) == count
        assert {one["group_id"] for one in found} <= {"a"}
    assert len(boss.ask("Query")["tasks"]) == 10


def test_watches_tell_what_is_seen(world: World) -> None:
    """Sight holds for past events too, and while a task moves from group to group."""
    boss, alpha = signed_in(world, "boss"), signed_in(world, "alpha")
    alpha.ask("Watch")
    past = signed_in(world, "alpha")
    for group in ("b", "a", "b", "a", "b"):
        boss.ask(
            "Update" if group != "b" or world.core.view.committed_rev else "Register",
            **task(group=group),
        )
    past.ask("Watch", since=0)
    for peer in (alpha, past):
        assert [event["task"]["group_id"] for event in peer.events] == ["a", "a"]
    narrow = signed_in(world, "alpha")
    narrow.ask("Watch", where={"group_id": "b"}, since=0)
    assert not narrow.events


def hello(world: World, address: str, token: str) -> Any:
    return world.connect(address).ask("Hello", protocol=1, token=token)["errid"]


@pytest.mark.fault(35)
def test_wrong_tokens_are_slowed_by_address(world: World) -> None:
    """After five different ones no further is answered, for a minute; elsewhere they are."""
    for guess in "12345":
        assert hello(world, "10.0.0.9:1", f"guess {guess}") == 1003
    told = world.connect("10.0.0.9:2").ask("Hello", protocol=1, token="guess 6")
    assert (told["errid"], told["cause"]) == (1005, "too-many-tries")
    assert "wait" in told["detail"]
    assert hello(world, "10.0.0.8:1", "guess 6") == 1003
    world.time += 61
    assert hello(world, "10.0.0.9:9", "guess 6") == 1003


@pytest.mark.fault(35)
def test_a_good_token_is_always_looked_at(world: World) -> None:
    """Whoever shares an address with a guesser gets in, by Hello and by a request's header."""
    for guess in range(20):
        hello(world, "10.0.0.9:1", f"guess {guess}")
    signed_in(world, "alpha", "10.0.0.9:2")
    peer = world.connect("10.0.0.9:3")
    peer.send_bytes(TASKDASH.request({"RequestID": "Query", "Token": "alpha"}, b"{}"))
    world.drain()
    assert peer.replies.pop()["errid"] == 0


@pytest.mark.fault(35)
def test_the_same_wrong_token_counts_once(world: World) -> None:
    """A service whose token was revoked is told so each time, and is in nobody's way."""
    for port in range(50):
        assert hello(world, f"10.0.0.9:{port}", "revoked") == 1003
    for guess in "1234":
        assert hello(world, "10.0.0.9:1", guess) == 1003
    assert hello(world, "10.0.0.9:1", "5") == 1005
    assert hello(world, "10.0.0.9:1", "revoked") == 1003


def test_an_operator_may_change_a_fenced_task_from_outside(world: World) -> None:
    """An operator needs no epoch, with own = false; a service does."""
    alpha = signed_in(world, "alpha")
    alpha.ask("Register", **task(status="running", fenced=True))
    for name, errid in (("any", 1004), ("boss", 0)):
        other = signed_in(world, name)
        assert other.ask("Update", id="t1", own=False, description=name)["errid"] == errid
        assert other.ask("Update", id="t1", description=name)["errid"] == 1004
    assert alpha.ask("Find", id="t1")["description"] == "boss"


def test_who_did_it_is_named(world: World) -> None:
    """A refusal tells the holder by the client's own name, the token's name and the address."""
    alpha = signed_in(world, "alpha")
    alpha.ask("Register", **task(fenced=True, status="running"))
    refused = signed_in(world, "any").ask("Update", id="t1", description="x")
    assert "alpha/1 (alpha, 10.0.0.1:1)" in refused["detail"]
