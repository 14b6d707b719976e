"""What died can be answered: acknowledged, hidden, retired; the figures count what nobody has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_people import OK, admin, found, office, task
from test_people_attacks import BOSS, http

from taskdash_protocol import strictjson
from taskdashd.domain.access import LOCAL_OPERATOR
from taskdashd.families.services.section import ServiceSection
from taskdashd.testing import Peer, World

URL = "http://10.0.0.7:8080"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere", with_board=True)
    yield world
    world.close()


def died(world: World, task_id: str = "t", **fields: Any) -> None:
    """Have a task be shut down for its owner's silence."""
    owner = world.connect("10.0.0.7:1")
    body = {"id": task_id, "name": "Render", "status": "running", "group_id": "cut", **fields}
    assert owner.ask("Register", **body)["errid"] == OK
    owner.cut_off()
    owner.close()
    world.advance(60)
    assert found(world, task_id)["status"] == "shutdown"


def again(world: World, user: str) -> Peer:
    """Sign somebody in whose connection was closed for its silence."""
    peer = world.connect("10.0.0.1:9")
    assert peer.ask("Login", user=user)["errid"] == OK
    return peer


def states(world: World) -> dict[str, int]:
    told = world.connect().ask("Figures")
    assert told["errid"] == OK, told
    return dict(told["states"])


def asked(world: World, operation: str, **body: Any) -> dict[str, Any]:
    """Ask over HTTP, as a service without a connection does."""
    told = http(world, BOSS, operation, **body)
    assert type(told) is dict, told
    return told


# Acknowledge


def test_what_died_is_acknowledged_by_whoever_sees_it(world: World) -> None:
    """With name, time, word; the audit says it, watches are told, and the task stays who it was."""
    office(world)
    died(world)
    before, ann = found(world), again(world, "ann")
    watcher = world.connect()
    watcher.ask("Watch")
    told = ann.ask("Acknowledge", id="t", word="the disk is being changed")
    assert told["errid"] == OK, told
    answer = told["acknowledged"]
    assert answer == {
        "by": "ann",
        "at": answer["at"],
        "word": "the disk is being changed",
        "hide": False,
    }
    after = found(world)
    assert after["acknowledged"] == answer
    assert (told["rev"], told["epoch"]) == (after["rev"], before["epoch"])
    moved = {"rev", "updated_at", "acknowledged"}
    assert {name: after[name] for name in before.keys() - moved} == {
        name: before[name] for name in before.keys() - moved
    }
    assert watcher.events[-1]["task"]["acknowledged"] == answer
    entry = admin(world).ask("Audit", task="t", limit=1)["entries"][0]
    assert entry["who"].startswith("Ann (ann)")
    assert list(entry["changes"]) == ["acknowledged"]


def test_who_does_not_see_it_is_told_that_there_is_none(world: World) -> None:
    office(world)
    died(world)
    eve = again(world, "eve")
    assert eve.ask("Acknowledge", id="t")["errid"] == 1002
    assert "acknowledged" not in found(world)
    # A service asks for somebody, who must see it; and nobody asks for another.
    boss = admin(world)
    assert boss.ask("Acknowledge", id="t", user="bob")["acknowledged"]["by"] == "bob"
    assert again(world, "ann").ask("Acknowledge", id="t", user="bob")["errid"] == 1003


def test_the_next_change_of_status_empties_it_whoever_makes_it(world: World) -> None:
    office(world)
    for number, change in enumerate(
        (
            lambda owner, one: owner.ask("Update", id=one, status="running"),
            lambda owner, one: owner.ask("Register", id=one, name="n", status="running"),
            lambda owner, one: owner.ask("Update", id=one, status="failed", own=False),
        )
    ):
        one = f"t{number}"
        died(world, one)
        boss = admin(world)
        assert boss.ask("Acknowledge", id=one)["errid"] == OK
        owner = world.connect("10.0.0.7:2")
        # Another field, and the same status again, leave the answer as it is.
        assert owner.ask("Update", id=one, description="d", own=False)["errid"] == OK
        assert owner.ask("Update", id=one, status="shutdown", own=False)["errid"] == OK
        body = {"id": one, "name": "Render", "status": "shutdown", "group_id": "cut"}
        assert owner.ask("Register", **body)["errid"] == OK
        assert "acknowledged" in found(world, one)
        assert change(owner, one)["errid"] == OK
        assert "acknowledged" not in found(world, one)
        owner.ask("Update", id=one, status="finish")


def test_tasks_are_found_by_whether_somebody_has_answered(world: World) -> None:
    """In lists and watches, of what died as of what runs; until the next change of status."""
    boss = admin(world)
    task(world, "free")
    for one in ("open", "seen", "gone"):
        task(world, one, status="failed")
    watcher = world.connect()
    assert watcher.ask("Watch", where={"acknowledged": "hidden"})["errid"] == OK

    def ids(*answers: str, **more: Any) -> list[str]:
        told = boss.ask("Query", where={"acknowledged": list(answers), **more}, order="rev")
        assert told["errid"] == OK, told
        return [one["id"] for one in told["tasks"]]

    for one, hide in (("seen", False), ("gone", True)):
        assert boss.ask("Acknowledge", id=one, hide=hide)["errid"] == OK
    assert ids("no") == ["free", "open"]
    assert ids("no", status=["failed"]) == ["open"]
    assert ids("no", "seen", status=["failed"]) == ["open", "seen"]
    assert ids("hidden") == ["gone"]
    assert ids() == []
    assert [event["task"]["id"] for event in watcher.events] == ["gone"]
    assert boss.ask("Query", where={"acknowledged": "yes"})["errid"] == 1000
    assert boss.ask("Query", order="acknowledged")["errid"] == 1000
    boss.ask("Acknowledge", id="gone")
    boss.ask("Update", id="seen", status="running")
    assert (ids("no"), ids("seen"), ids("hidden")) == (["free", "open", "seen"], ["gone"], [])
    world.restart()
    boss = admin(world)
    assert (ids("no"), ids("seen"), ids("hidden")) == (["free", "open", "seen"], ["gone"], [])


def test_only_what_died_or_failed_is_acknowledged(world: World) -> None:
    boss = admin(world)
    for status in ("running", "待领取", "finish", "cancelled"):
        task(world, "t", status=status)
        told = boss.ask("Acknowledge", id="t")
        assert (told["errid"], told["cause"]) == (1004, "wrong-state")
        assert told["values"] == {"status": status}
    task(world, "t", status="failed")
    assert boss.ask("Acknowledge", id="t")["errid"] == OK
    for body in ({}, {"id": "t", "url": URL}):
        told = boss.ask("Acknowledge", **body)
        assert (told["errid"], told["detail"][:8]) == (1004, "field id")


def test_a_repeated_one_changes_nothing_and_a_later_one_counts(world: World) -> None:
    """A client whose reply was lost may ask again; whoever hides it after another is named."""
    office(world)
    died(world)
    first = again(world, "ann").ask("Acknowledge", id="t", word="w")
    world.advance(1)
    ann = again(world, "ann")
    told = ann.ask("Acknowledge", id="t", word="w")
    assert (told["rev"], told["acknowledged"]) == (first["rev"], first["acknowledged"])
    later = again(world, "bob").ask("Acknowledge", id="t", hide=True)["acknowledged"]
    assert (later["by"], later["word"], later["hide"]) == ("bob", "", True)
    assert found(world)["acknowledged"] == later


def test_an_id_that_was_typed_is_acknowledged_as_it_is_meant(world: World) -> None:
    died(world, "desk-7")
    told = admin(world).ask("Acknowledge", id=" ｄｅｓｋ-７ ")
    assert (told["errid"], told["id"]) == (OK, "desk-7")


def test_what_a_client_writes_there_is_no_answer(world: World) -> None:
    """Nor is a member of the same name inside one of a client's own, in the figures either."""
    body = {"name": "n", "status": "failed", "group_id": "cut"}
    boss = admin(world)
    forged = {"by": "ann", "at": "", "word": "", "hide": True}
    assert boss.ask("Register", id="t", acknowledged=forged, **body)["errid"] == OK
    assert "acknowledged" not in found(world)
    nested = {"acknowledged": forged}
    assert boss.ask("Register", id="u", log=nested, text='"acknowledged":', **body)["errid"] == OK
    assert boss.ask("Register", id="v", **{**body, "status": "acknowledged"})["errid"] == OK
    assert states(world) == {"failed": 2, "live": 1}


# Figures


def test_the_figures_count_what_nobody_has_answered(world: World, tmp_path: Path) -> None:
    """Also after a restart, for a sight, for a newcomer, and once it runs again or is forgotten."""
    office(world)
    died(world)
    task(world, "f", status="failed")
    task(world, "g", status="failed")
    assert states(world) == {"shutdown": 1, "failed": 2}
    boss = admin(world)
    assert boss.ask("Acknowledge", id="t")["errid"] == OK
    assert boss.ask("Acknowledge", id="f", hide=True)["errid"] == OK
    counted = {"failed": 1, "acknowledged": 2}
    assert states(world) == counted
    assert dict(again(world, "ann").ask("Figures")["states"]) == counted
    assert dict(again(world, "eve").ask("Figures")["states"]) == {}
    # Who is new is counted from the file.
    assert admin(world).ask("SetPerson", user="new", name="New", groups=["cut"])["errid"] == OK
    assert dict(again(world, "new").ask("Figures")["states"]) == counted
    boss = admin(world)
    assert boss.ask("Update", id="t", status="running")["errid"] == OK
    assert states(world) == {"failed": 1, "acknowledged": 1, "live": 1}
    world.restart()
    assert states(world) == {"failed": 1, "acknowledged": 1, "live": 1}
    assert dict(again(world, "ann").ask("Figures")["states"]) == states(world)


# Services


def dead_service(world: World, **fields: Any) -> None:
    body = {"url": URL, "name": "Renderer", "group_id": "cut", **fields}
    assert asked(world, "RegisterService", **body)
    world.advance(60)
    assert service(world)["state"] == "dead"


def service(world: World) -> dict[str, Any]:
    services = admin(world).ask("Services")["services"]
    return dict(services[0]) if services else {}


def shown(world: World) -> dict[str, Any]:
    told = ServiceSection(world.core.view.records).whole(LOCAL_OPERATOR)
    return dict(strictjson.loads(b"{%b}" % told[1:])["services"][0])


def test_a_dead_service_is_acknowledged_until_it_comes_back(world: World) -> None:
    office(world)
    dead_service(world)
    world.core.acts.take()
    told = again(world, "ann").ask("Acknowledge", url=f"{URL}", word="w", hide=True)
    assert told["errid"] == OK, told
    answer = told["acknowledged"]
    assert (answer["by"], answer["word"], answer["hide"]) == ("ann", "w", True)
    assert service(world)["acknowledged"] == shown(world)["acknowledged"] == answer
    (act,) = [one for one in world.core.acts.take() if one.kind == "service acknowledged"]
    assert act.who.startswith("Ann (ann), ")
    assert act.detail == f"Renderer ({URL})"
    # A restart keeps it; its next beat empties it.
    world.restart()
    assert service(world)["acknowledged"] == answer
    assert asked(world, "RegisterService", url=URL, group_id="cut")
    assert "acknowledged" not in service(world)
    assert "acknowledged" not in shown(world)
    refused = admin(world).ask("Acknowledge", url=URL)
    assert (refused["errid"], refused["cause"]) == (1004, "wrong-state")


def test_who_does_not_see_a_service_is_told_that_there_is_none(world: World) -> None:
    office(world)
    dead_service(world)
    eve = again(world, "eve")
    none = eve.ask("Acknowledge", url="http://nowhere")
    assert none["errid"] == 1004
    for operation in ("Acknowledge", "RetireService"):
        told = eve.ask(operation, url=URL)
        assert told["detail"] == none["detail"].replace("http://nowhere", URL)


def test_a_lead_retires_a_service_and_nobody_else(world: World) -> None:
    """The service is gone at once, also from boards; what beats for it is told to register."""
    office(world)
    dead_service(world)
    for user in ("ann", "eve"):
        assert again(world, user).ask("RetireService", url=URL)["errid"] in (1003, 1004)
    section = ServiceSection(world.core.view.records)
    section.whole(LOCAL_OPERATOR)
    assert again(world, "lea").ask("RetireService", url=URL)["url"] == URL
    assert service(world) == {}
    acts = [(one.kind, one.detail) for one in world.core.acts.take()]
    assert ("service retired", f"Renderer ({URL})") in acts
    beat = http(world, BOSS, "ServiceBeat", url=URL)
    assert (beat.errid, "RegisterService first" in beat.detail) == (1004, True)
    assert again(world, "lea").ask("RetireService", url=URL)["errid"] == 1004
    assert asked(world, "RegisterService", url=URL, group_id="cut")
    world.restart()
    assert service(world)["state"] == "alive"


def test_tasks_of_a_retired_service_have_until_their_deadline(world: World) -> None:
    """Nothing keeps them alive any more; nobody is owner of what nobody beats for."""
    assert asked(world, "RegisterService", url=URL, group_id="cut")
    body = {"id": "t", "name": "n", "status": "running", "url": URL, "group_id": "cut"}
    assert asked(world, "Register", **body)
    assert admin(world).ask("RetireService", url=URL)["errid"] == OK
    assert found(world)["status"] == "running"
    world.advance(60)
    assert found(world)["status"] == "shutdown"
    # Registered again, it is another service with another serial: it takes its tasks up anew.
    assert asked(world, "RegisterService", url=URL, group_id="cut")
    assert asked(world, "Register", **body)
    for _ in range(3):
        world.advance(20)
        assert asked(world, "ServiceBeat", url=URL)
    assert found(world)["status"] == "running"
