"""Labels: people mark tasks, and find them by their marks, whoever writes the task meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_people import EDITING, FREE, OK, REVIEW, admin, found, office, task
from test_people_attacks import CUTTERS, http

from taskdashd.testing import Peer, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def labelled(peer: Peer, task_id: str = "t", **changes: list[str]) -> list[str]:
    told = peer.ask("SetLabels", id=task_id, **changes)
    assert told["errid"] == OK, told
    return list(told["labels"])


def ids(peer: Peer, *labels: str, **more: Any) -> list[str]:
    told = peer.ask("Query", where={"labels": list(labels)}, **more)
    assert told["errid"] == OK, told
    return [one["id"] for one in told["tasks"]]


def test_labels_come_and_go_and_two_that_look_the_same_are_one(world: World) -> None:
    """Labels stay as they were written first; to take one away, case and width do not matter."""
    office(world)
    task(world)
    boss = admin(world)
    assert labelled(boss, add=["Urgent", "ＶＩＰ", "ｕｒｇｅｎｔ", " to  do "]) == [
        "Urgent",
        "VIP",
        "to do",
    ]
    assert labelled(boss, add=["vip", "later"], remove=["URGENT", "nothing"]) == [
        "VIP",
        "to do",
        "later",
    ]
    assert found(world)["labels"] == ["VIP", "to do", "later"]
    # One that is taken away and added again is there, as it was written last.
    assert labelled(boss, add=["Vip"], remove=["vip"]) == ["to do", "later", "Vip"]
    rev = found(world)["rev"]
    told = boss.ask("SetLabels", id="t", add=["TO DO"], remove=["x"])
    assert (told["rev"], found(world)["rev"]) == (rev, rev), "nothing has changed"
    assert labelled(boss, remove=["to do", "later", "vip"]) == []
    entry = boss.ask("Audit", task="t", limit=1)["entries"][0]
    assert list(entry["changes"]) == ["labels"]


def test_a_task_has_sixteen_labels_of_thirty_two_characters(world: World) -> None:
    task(world)
    boss = admin(world)
    many = [f"l{number}" for number in range(16)]
    assert labelled(boss, add=many) == many
    told = boss.ask("SetLabels", id="t", add=["one more"])
    assert (told["errid"], told["cause"], told["values"]) == (
        1004,
        "too-many-labels",
        {"most": "16"},
    )
    assert labelled(boss, add=["one more"], remove=["L3"])[-1] == "one more"
    assert labelled(boss, remove=["one more"], add=["x" * 32])[-1] == "x" * 32
    # NFKC makes eighteen characters of one: what is kept is what counts.
    for bad in (["x" * 33], ["ﷺ" * 2], [""], [" "], ["a\x07b"], [5], "urgent", ["x"] * 17):
        assert boss.ask("SetLabels", id="t", add=bad)["errid"] == 1000, bad


def test_what_is_no_label_is_refused_with_its_cause(world: World) -> None:
    task(world)
    boss = admin(world)
    for bad, cause in (
        (["\u200b"], "blank"),
        (["x" * 33], "too-long"),
        (["x"] * 17, "too-many-labels"),
    ):
        assert boss.ask("SetLabels", id="t", add=bad)["cause"] == cause
        assert boss.ask("SetLabels", id="t", remove=bad)["cause"] == cause


def test_who_may_claim_it_has_it_or_leads_labels_it(world: World) -> None:
    peers = office(world)
    task(world)
    assert labelled(peers["ann"], add=["a"]) == ["a"]
    assert peers["eve"].ask("SetLabels", id="t", add=["e"])["errid"] == 1002
    peers["ann"].ask("Claim", id="t")
    assert labelled(peers["ann"], add=["b"]) == ["a", "b"]
    told = peers["bob"].ask("SetLabels", id="t", add=["c"])
    assert (told["errid"], told["cause"], told["values"]["user"]) == (1004, "taken", "ann")
    assert labelled(peers["lea"], add=["c"]) == ["a", "b", "c"]
    assert peers["ann"].ask("Submit", id="t")["status"] == REVIEW
    assert labelled(peers["ann"], remove=["c"]) == ["a", "b"]
    task(world, "meant", user="bob")
    told = peers["ann"].ask("SetLabels", id="meant", add=["x"])
    assert (told["errid"], told["cause"]) == (1004, "meant")
    task(world, "live", status="running")
    told = peers["ann"].ask("SetLabels", id="live", add=["x"])
    assert (told["errid"], told["cause"]) == (1004, "not-for-people")
    assert labelled(peers["lea"], "live", add=["x"]) == ["x"]
    assert http(world, CUTTERS, "SetLabels", id="live", add=["y"])["labels"] == ["x", "y"]
    # The task stays alive by its service, and is nobody else's by it.
    assert found(world, "live")["epoch"] == 1


def test_labels_stay_whatever_a_service_writes_unless_it_names_them(world: World) -> None:
    office(world)
    boss = admin(world)
    for status in (FREE, EDITING, "running"):
        task(world, "t", status=status, user="ann")
        labelled(boss, add=["urgent"])
        assert boss.ask("Update", id="t", description="d")["errid"] == OK
        task(world, "t", status=status, user="ann")
        assert found(world)["labels"] == ["urgent"]
        assert boss.ask("Register", id="t", name="n", status="finish")["errid"] == OK
        assert found(world)["labels"] == ["urgent"]
    task(world, "t", labels=["own", "Own", "other"])
    assert found(world)["labels"] == ["own", "Own", "other"], "as it was sent"
    assert ids(boss, "OWN") == ["t"]
    # Taken together with what a service has written: the two are one.
    assert labelled(boss, add=["more"]) == ["own", "other", "more"]


def test_what_is_no_list_of_labels_counts_as_none_and_stays(world: World) -> None:
    boss = admin(world)
    for odd in ("urgent", {"urgent": 1}, ["urgent", 5], ["urgent"] * 17, ["urgent", "x" * 33]):
        task(world, "t", labels=odd)
        assert boss.ask("Update", id="t", description="d")["errid"] == OK
        assert found(world)["labels"] == odd
        assert ids(boss, "urgent") == []
        # A Register that does not name it drops it, as any member of a client's own.
        task(world, "t")
        assert "labels" not in found(world)
    task(world, "t", labels="urgent")
    assert labelled(boss, add=["later"]) == ["later"]


def test_tasks_are_found_by_labels_in_lists_and_watches(world: World) -> None:
    """By one of several, folded; beside other fields; each once, newest first and page by page."""
    peers = office(world)
    boss = admin(world)
    watcher = world.connect()
    assert watcher.ask("Watch", where={"labels": "URGENT"})["errid"] == OK
    for number in range(6):
        task(world, f"t{number}", group_id="cut" if number % 2 else "paint")
        labelled(boss, f"t{number}", add=["Urgent", "later"] if number < 4 else ["later"])
    assert [event["task"]["id"] for event in watcher.events] == ["t0", "t1", "t2", "t3"]
    assert ids(boss, "urgent", order="-rev") == ["t3", "t2", "t1", "t0"]
    assert ids(boss, "ｕｒｇｅｎｔ", "LATER", order="-rev") == ["t5", "t4", "t3", "t2", "t1", "t0"]
    assert ids(boss, "nothing") == ids(boss) == []
    assert ids(peers["ann"], "urgent") == ["t1", "t3"], "what one does not see is not found"
    first = boss.ask("Query", where={"labels": ["urgent", "later"]}, order="-rev", limit=4)
    rest = boss.ask(
        "Query",
        where={"labels": ["urgent", "later"]},
        order="-rev",
        limit=4,
        after=first["next"],
    )
    assert [one["id"] for one in (*first["tasks"], *rest["tasks"])] == [
        f"t{number}" for number in (5, 4, 3, 2, 1, 0)
    ]
    labelled(boss, "t3", remove=["urgent"])
    assert len(watcher.events) == 4, "it has left what is watched"
    boss.ask("Cancel", ids=["t1"])
    told = boss.ask("Query", where={"labels": "urgent", "class": "ended"})
    assert [one["id"] for one in told["tasks"]] == ["t1"]
    world.restart()
    assert ids(admin(world), "urgent", order="-rev") == ["t1", "t2", "t0"]
    assert admin(world).ask("Query", order="labels")["errid"] == 1000
