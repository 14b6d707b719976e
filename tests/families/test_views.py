"""Views: what a person or a group wants to see again; each sees their own and their groups'."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_groups_merged import BOSS, merge
from test_people import admin, office

from taskdash_protocol.families.views import VIEWS_MAX
from taskdashd.domain.access import Identity
from taskdashd.testing import Peer, World

CUT, PAINT = {"group": "cut"}, {"group": "paint"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def seen(peer: Peer, **asked: Any) -> list[tuple[str, str, str]]:
    reply = peer.ask("Views", **asked)
    assert (reply["errid"], reply["more"]) == (0, False), reply
    return [(*one["of"].values(), one["name"], one["query"]) for one in reply["views"]]


def test_everybody_keeps_their_own_and_a_lead_those_of_the_group(world: World) -> None:
    peers = office(world)
    ann, bob, lea, eve = (peers[name] for name in ("ann", "bob", "lea", "eve"))
    told = ann.ask("SetView", name=" My  films ", query="list?user=me")
    assert (told["name"], told["of"], told["query"]) == (
        "My films",
        {"person": "ann"},
        "list?user=me",
    )
    assert lea.ask("SetView", name="All", of=CUT, query="board?group=cut")["errid"] == 0
    assert ann.ask("SetView", name="Mine", of=CUT, query="x")["cause"] == "lead"
    assert ann.ask("SetView", name="Mine", of={"person": "bob"}, query="x")["errid"] == 1003
    assert lea.ask("SetView", name="All", of=PAINT, query="x")["errid"] == 1003
    assert seen(ann) == [("ann", "My films", "list?user=me"), ("cut", "All", "board?group=cut")]
    assert seen(bob) == [("cut", "All", "board?group=cut")]
    assert (
        lea.ask("SetView", name="All", of={"group": "ｃｕｔ "}, query="board?group=cut")["of"]
        == CUT
    )
    assert (
        "more than one group"
        in lea.ask("SetView", name="A", of={"group": "a、b"}, query="x")["detail"]
    )
    assert seen(eve) == []
    assert seen(bob, of=CUT) == seen(bob)
    assert (
        eve.ask("Views", of=CUT)["errid"] == eve.ask("Views", of={"group": "no"})["errid"] == 1003
    )
    assert eve.ask("Views", of={"person": "ann"})["errid"] == 1003


def test_an_operator_sets_everybodys(world: World) -> None:
    office(world)
    boss = admin(world)
    assert boss.ask("SetView", name="A", of={"person": "ｅｖｅ"}, query="x")["of"] == {
        "person": "eve"
    }
    assert boss.ask("SetView", name="A", of=CUT, query="y")["errid"] == 0
    assert boss.ask("SetView", name="A", of={"person": "no"}, query="x")["cause"] == "no-person"
    assert boss.ask("SetView", name="A", query="x")["errid"] == 1004, "an operator is no person"
    assert seen(boss) == [("cut", "A", "y")]
    assert seen(boss, of={"person": "eve"}) == [("eve", "A", "x")]


def test_a_token_reads_those_of_its_groups_and_sets_none(world: World) -> None:
    office(world)
    admin(world).ask("SetView", name="A", of=CUT, query="y")
    world.identities = {"s": Identity("s", "service", frozenset({"cut"}), key="s")}
    world.asks_for_tokens = True
    world.restart()
    service = world.connect("10.0.0.7:1")
    assert service.ask("Hello", protocol=1, token="s")["errid"] == 0
    assert seen(service) == [("cut", "A", "y")]
    assert service.ask("SetView", name="B", of=CUT, query="y")["errid"] == 1003
    assert service.ask("SetView", name="B", query="y")["errid"] == 1004


def test_a_view_is_changed_and_removed_by_its_name(world: World) -> None:
    ann = office(world)["ann"]
    ann.ask("SetView", name="A", query="x")
    ann.ask("SetView", name="A", query="y")
    assert seen(ann) == [("ann", "A", "y")]
    assert ann.ask("SetView", name="A", remove=True)["query"] == "y"
    assert seen(ann) == []
    gone = ann.ask("SetView", name="A", remove=True)
    assert (gone["errid"], gone["cause"]) == (1004, "no-view")
    assert ann.ask("SetView", name="A")["errid"] == 1000, "a view shows something"
    world.restart()
    assert seen(admin(world), of={"person": "ann"}) == []


def test_there_are_so_many_of_each_and_no_more(world: World) -> None:
    peers = office(world)
    ann, lea = peers["ann"], peers["lea"]
    for number in range(VIEWS_MAX):
        assert ann.ask("SetView", name=f"{number:02}", query="x")["errid"] == 0
    refused = ann.ask("SetView", name="more", query="x")
    assert (refused["errid"], refused["values"]) == (1005, {"most": f"{VIEWS_MAX}"})
    assert ann.ask("SetView", name="00", query="y")["errid"] == 0, "one that is there is changed"
    assert lea.ask("SetView", name="more", of=CUT, query="x")["errid"] == 0, "others have theirs"


def test_a_reply_fits_a_frame(world: World) -> None:
    """In 64 groups there may be more than a frame holds."""
    boss = admin(world)
    boss.ask("SetPerson", user="ann", name="Ann", groups=[f"g{n}" for n in range(64)])
    ann = world.connect("10.0.0.1:1")
    ann.ask("Login", user="ann")
    for group in range(64):
        for number in range(20):
            told = world.connect("10.0.0.9:1").ask(
                "SetView", name=f"{number}", of={"group": f"g{group}"}, query="x" * 1000
            )
            assert told["errid"] == 0
    reply = ann.ask("Views")
    assert reply["more"] is True
    assert 900 < len(reply["views"]) < 1280
    assert len(seen(ann, of={"group": "g63"})) == 20


def test_who_is_in_a_group_that_is_merged_keeps_its_views(world: World) -> None:
    """Also where both groups have one of a name, or all that there may be."""
    peers = office(world)
    boss = admin(world)
    for of, name, query in (
        (CUT, "same", "x"),
        (PAINT, "same", "x"),
        (CUT, "other", "x"),
        (PAINT, "other", "y"),
        (CUT, "own", "z"),
    ):
        assert boss.ask("SetView", name=name, of=of, query=query)["errid"] == 0
    merge(world, "cut", "paint", BOSS)
    assert [one[1:] for one in seen(peers["eve"])] == [
        ("other", "y"),
        ("other (2)", "x"),
        ("own", "z"),
        ("same", "x"),
    ]
    assert seen(boss, of=CUT) == []


def test_what_is_done_to_a_groups_views_is_in_the_audit(world: World) -> None:
    peers = office(world)
    peers["lea"].ask("SetView", name="A", of=CUT, query="x")
    peers["lea"].ask("SetView", name="A", of=CUT, remove=True)
    peers["ann"].ask("SetView", name="A", query="x")
    world.advance(2)
    told = admin(world).ask("Audit", kinds=["view set", "view removed"])["entries"]
    assert [(one["kind"], one["why"]) for one in told] == [
        ("view removed", "A of cut"),
        ("view set", "A of cut"),
    ]
