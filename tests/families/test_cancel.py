"""Cancel: whoever answers for a task may end it, also what died; the others say why they stay."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_people import CLAIMED, EDITING, FREE, OK, REVIEW, admin, found, office, task
from test_people_attacks import CUTTERS, http

from taskdashd.testing import Peer, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def why(peer: Peer, *ids: str) -> list[str]:
    """Cancel what may not be: give the causes."""
    told = peer.ask("Cancel", ids=list(ids))
    assert (told["errid"], told["cancelled"]) == (OK, [])
    assert [one["id"] for one in told["left"]] == list(ids)
    return [one["cause"] for one in told["left"]]


def test_all_that_is_neither_finished_nor_cancelled_can_be(world: World) -> None:
    """Also what died or failed, with the word as its reason; a time limit is over with it."""
    peers = office(world)
    alive = ("running", FREE, "pending", "failed", "shutdown", "草稿", "待执行")
    for number, status in enumerate((*alive, "finish", "finished", "cancelled")):
        task(world, f"t{number}", status=status)
    task(world, "c")
    peers["ann"].ask("Claim", id="c", limit=3600)
    ids = [f"t{number}" for number in range(10)] + ["c", "nothing"]
    told = peers["lea"].ask("Cancel", ids=ids, word="not needed any more")
    assert told["errid"] == OK
    assert told["cancelled"] == [*ids[:7], "c"]
    assert {one["id"]: one["cause"] for one in told["left"]} == {
        **dict.fromkeys(("t7", "t8", "t9"), "wrong-state"),
        "nothing": "no-task",
    }
    assert told["left"][0]["values"] == {"status": "finish"}
    for one in told["cancelled"]:
        after = found(world, one)
        assert (after["status"], after["reason"]) == ("cancelled", "not needed any more")
    assert (found(world, "c")["claim_until"], found(world, "c")["user"]) == ("", "ann")
    world.advance(4000)
    assert found(world, "c")["status"] == "cancelled", "its claim does not run out any more"
    assert found(world, "t7")["status"] == "finish"


def test_a_lead_cancels_what_is_in_their_groups_and_an_admin_everything(world: World) -> None:
    peers = office(world)
    task(world, "cut")
    task(world, "paint", group_id="paint")
    task(world, "nobodys", group_id="")
    task(world, "mine", group_id="paint", user="lea", status=EDITING)
    assert why(peers["lea"], "nobodys", "mine") == ["lead", "lead"]
    assert why(peers["lea"], "paint") == ["no-task"]
    assert why(peers["ann"], "cut") == ["lead"]
    # Whoever has a task does not end it: they release it, or hand it in.
    peers["ann"].ask("Claim", id="cut")
    assert why(peers["ann"], "cut") == ["lead"]
    told = admin(world).ask("Cancel", ids=["cut", "paint", "nobodys", "mine"])
    assert told["left"] == []


def test_whoever_has_a_task_cancels_its_parts(world: World) -> None:
    """The parts themselves, of whatever group they see; and no longer than they have it."""
    peers = office(world)
    task(world, "whole", user="ann", status=EDITING)
    task(world, "part", parent_id="whole")
    task(world, "deep", parent_id="part")
    task(world, "meant", user="ann")
    task(world, "of-meant", parent_id="meant")
    assert why(peers["bob"], "part") == ["lead"]
    assert why(peers["ann"], "deep", "of-meant", "whole") == ["lead", "lead", "lead"]
    assert peers["ann"].ask("Cancel", ids=["part"])["cancelled"] == ["part"]
    task(world, "late", parent_id="whole")
    assert peers["ann"].ask("Submit", id="whole")["status"] == REVIEW
    assert peers["ann"].ask("Cancel", ids=["late"])["cancelled"] == ["late"]
    task(world, "later", parent_id="whole")
    assert peers["lea"].ask("Approve", id="whole")["errid"] == OK
    assert why(peers["ann"], "later") == ["lead"]


def test_a_part_is_judged_by_its_whole_that_is_not_in_memory(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", task_cache=20_000)
    peers = office(world)
    task(world, "whole", user="ann", status=EDITING)
    for number in range(5):
        task(world, f"part{number}", parent_id="whole")
    world.core.view._cache.clear()
    told = peers["ann"].ask("Cancel", ids=[f"part{number}" for number in range(5)])
    assert told.get("cancelled") == [f"part{number}" for number in range(5)], told
    world.close()


def test_a_service_cancels_what_it_may_write_and_no_fence_falls(world: World) -> None:
    task(world, "t")
    owner = world.connect("10.0.0.7:1")
    body = {"name": "n", "status": "running", "group_id": "cut"}
    assert owner.ask("Register", id="fenced", fenced=True, **body)["errid"] == OK
    task(world, "paint", group_id="paint")
    told = http(world, CUTTERS, "Cancel", ids=["t", "fenced", "paint"])
    assert told["cancelled"] == ["t"]
    assert [(one["id"], one["cause"]) for one in told["left"]] == [
        ("fenced", ""),
        ("paint", "no-task"),
    ]
    assert "held by" in told["left"][0]["why"]
    peers = office(world)
    assert peers["lea"].ask("Cancel", ids=["fenced"])["cancelled"] == ["fenced"]
    # The task stays with its service, whose next word about it counts.
    assert found(world, "fenced")["epoch"] == 1
    assert owner.ask("Update", id="fenced", status="running")["errid"] == OK


def test_who_had_it_and_who_was_to_check_it_are_told(world: World) -> None:
    peers = office(world)
    task(world, "work")
    task(world, "check")
    peers["ann"].ask("Claim", id="work")
    peers["ann"].ask("Claim", id="check")
    peers["ann"].ask("Submit", id="check", checker="bob")
    told = peers["lea"].ask("Cancel", ids=["work", "check"], word="the client has left")
    assert told["cancelled"] == ["work", "check"]
    for user, ids in (("ann", ["work", "check"]), ("bob", ["check"]), ("lea", [])):
        came = peers[user].ask("Next")["returned"]
        assert [one["id"] for one in came] == ids
        assert all(
            (one["why"], one["by"], one["word"]) == (["cancelled"], "lea", "the client has left")
            for one in came
        )
    # Nobody is told of what they have done themselves, or of what was nobody's.
    task(world, "free", status=CLAIMED, user="lea")
    peers["lea"].ask("Cancel", ids=["free"])
    assert peers["lea"].ask("Next")["returned"] == []


def test_it_is_one_commit_and_an_id_is_taken_as_it_is_meant(world: World) -> None:
    task(world, "desk-7")
    task(world, "desk-8")
    commits = world.core.writer.commits
    told = admin(world).ask("Cancel", ids=["ｄｅｓｋ-７ ", "desk-8", "desk-8"])
    assert (told["cancelled"], told["left"]) == (["desk-7", "desk-8"], [])
    assert world.core.writer.commits == commits + 1
    for ids in ([], ["x"] * 1001, [""], "desk-7", None):
        assert admin(world).ask("Cancel", ids=ids)["errid"] == 1000


def test_what_was_acknowledged_is_cancelled_without_its_answer(world: World) -> None:
    task(world, "t", status="failed")
    assert admin(world).ask("Acknowledge", id="t")["errid"] == OK
    assert admin(world).ask("Cancel", ids=["t"])["cancelled"] == ["t"]
    assert "acknowledged" not in found(world)
