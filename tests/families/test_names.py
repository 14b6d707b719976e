"""Whoever sees a task is told what those are called whom it names, and nothing else of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_people import FREE, admin, office, task

from taskdashd.domain.access import Identity
from taskdashd.testing import Peer, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def names(peer: Peer, *ids: str, **more: Any) -> Any:
    reply = peer.ask("Names", ids=list(ids), **more)
    assert reply["errid"] == 0, reply
    return reply["names"]


def test_a_task_tells_who_has_it_checks_it_and_had_it(world: World) -> None:
    """People outside of one's groups were numbers."""
    peers = office(world)
    task(world, "t", user="eve", checker="ann")
    task(world, "u", user="eve")
    assert peers["eve"].ask("Claim", id="u")["errid"] == 0
    assert peers["eve"].ask("Release", id="u")["errid"] == 0
    assert "eve" not in {one["user"] for one in peers["ann"].ask("People")["people"]}
    assert names(peers["ann"], "t") == {"eve": "Eve", "ann": "Ann"}
    assert names(peers["ann"], "u") == {"eve": "Eve"}, "who had it"
    admin(world).ask("SetPerson", user="kim", name="Kim")
    task(world, "v", status="failed")
    assert admin(world).ask("Acknowledge", id="v", user="kim")["errid"] == 0
    assert names(peers["ann"], "v") == {"kim": "Kim"}, "who has said that they know"
    assert "eve" not in {one["user"] for one in peers["ann"].ask("People")["people"]}


def test_a_history_tells_whom_the_task_named_once(world: World) -> None:
    """The history on the task's page named them by their numbers."""
    peers = office(world)
    boss = admin(world)
    task(world, "t", user="eve", checker="bob")
    boss.ask("Update", id="t", user="ann", checker="", own=False)
    boss.ask("SetPerson", user="kim", name="Kim")
    boss.ask("Update", id="t", status="failed", own=False)
    boss.ask("Acknowledge", id="t", user="kim")
    boss.ask("Update", id="t", status="running", own=False)
    assert names(peers["ann"], "t") == {"ann": "Ann"}
    told = names(peers["ann"], "t", history=True)
    assert told == {"ann": "Ann", "eve": "Eve", "bob": "Bob", "kim": "Kim"}
    assert peers["ann"].ask("Names", ids=["t", "u"], history=True)["errid"] == 1000
    assert names(peers["ann"], "no-such-task", history=True) == {}


def test_a_history_tells_nobody_of_a_time_that_one_does_not_see(world: World) -> None:
    """What a task was in another group is not in the history that one is shown."""
    peers = office(world)
    boss = admin(world)
    task(world, "t", group_id="mix", user="eve")
    boss.ask("Update", id="t", user="", group_id="cut", own=False)
    task(world, "theirs", group_id="mix", user="eve")
    assert names(peers["ann"], "t", history=True) == {}
    assert names(peers["ann"], "theirs", history=True) == {}
    assert names(boss, "t", history=True) == {"eve": "Eve"}


def test_who_does_not_see_a_task_learns_nothing_of_it(world: World) -> None:
    peers = office(world)
    task(world, "t", group_id="mix", user="ann", status="running")
    task(world, "gone", user="nobody")
    assert names(peers["bob"], "t", "gone", "no-such-task") == {}
    assert names(peers["ann"], "t") == {"ann": "Ann"}, "it is theirs"


def test_a_service_learns_nobody_by_tasks_of_its_own_making(world: World) -> None:
    """A service could name each number there may be, and ask who that is."""
    office(world)
    world.identities = {
        "s": Identity("s", "service", frozenset({"cut"}), key="s"),
        "r": Identity("r", "reader", frozenset({"cut"}), key="r"),
    }
    task(world, "t", user="eve", checker="ann")
    world.asks_for_tokens = True
    world.restart()
    told = {}
    for token in ("s", "r"):
        peer = world.connect("10.0.0.7:1")
        assert peer.ask("Hello", protocol=1, token=token)["errid"] == 0
        told[token] = names(peer, "t")
        if token == "s":
            assert peer.ask("Login", user="bob")["errid"] == 0
            told["bob over s"] = names(peer, "t")
    ann = {"ann": "Ann"}
    assert told == {"s": ann, "bob over s": ann, "r": {"eve": "Eve", **ann}}


def test_what_may_never_come_to_be_is_told_to_nobody(world: World) -> None:
    """A write that waits for its commit has changed nothing yet."""
    peers = office(world)
    task(world, "t")
    world.database.full = True
    boss = admin(world)
    boss.send("Update", {"id": "t", "user": "eve"})
    assert names(peers["ann"], "t") == {}
    world.drain()
    world.database.full = False
    boss.ask("Update", id="t", user="eve")
    assert names(peers["ann"], "t") == {"eve": "Eve"}


def test_many_tasks_are_asked_about_at_once_and_no_more(world: World) -> None:
    peers = office(world)
    for number in range(30):
        body = {"id": f"t{number}", "name": "T", "status": FREE, "group_id": "cut", "user": "eve"}
        assert admin(world).ask("Register", **body)["errid"] == 0
    assert names(peers["ann"], *(f"t{n}" for n in range(500))) == {"eve": "Eve"}
    assert peers["ann"].ask("Names", ids=[f"t{n}" for n in range(501)])["errid"] == 1000
