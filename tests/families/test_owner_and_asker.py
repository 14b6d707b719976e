"""Who owns a task and who asks are two: liveness goes by the one, fence and audit by the other."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskdash_protocol.errors import AuthError, Conflict, ServerError
from taskdash_protocol.statuses import OF_PEOPLE
from taskdashd.core.session import Session
from taskdashd.domain.access import Identity
from taskdashd.testing import Peer, World

OK, URL = 0, "http://10.0.0.7:8080"
CUTTER = Identity("cutter", "service", frozenset({"cut"}), key="k-cutter")
OTHER = Identity("other", "service", frozenset({"cut"}), key="k-other")
BOSS = Identity("boss", "operator", key="k-boss")
FREE, CLAIMED, EDITING, REVIEW = "待领取", "已领取", "编辑中", "待审核"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def ask(world: World, identity: Identity, operation: str, /, **body: Any) -> Any:
    """Ask over HTTP: with a session of its own, as each request there has."""
    session = world.core.sessions.visit("10.0.0.50:1", identity)
    return ask_in(world, session, operation, **body)


def ask_in(world: World, session: Session, operation: str, /, **body: Any) -> Any:
    got: list[Any] = []
    world.runner.visit(world.runner.parse(operation, body), session, got.append)
    world.drain()
    return got[0]


def registered(world: World, **fields: Any) -> int:
    """Register a fenced task over HTTP, as a service that beats; gives its epoch."""
    assert ask(world, CUTTER, "RegisterService", url=URL, group_id="cut", name="Cutter")["url"]
    body = {"name": "n", "status": "running", "url": URL, "group_id": "cut", **fields}
    told = ask(world, CUTTER, "Register", id="t", **body, fenced=True)
    epoch: int = told["epoch"]
    return epoch


WRITES = {
    "Register": {"name": "n", "status": "running", "url": URL, "group_id": "cut"},
    "Update": {"status": "failed"},
    "Update of the URL": {"status": "failed", "url": URL},
    "Update from outside": {"status": "failed", "own": False},
}


@pytest.mark.parametrize("who", [OTHER, CUTTER], ids=lambda one: one.name)
@pytest.mark.parametrize("write", WRITES)
def test_over_http_a_fenced_task_is_written_with_its_epoch_only(
    world: World, write: str, who: Identity
) -> None:
    """Row 6: another service wrote it, as the owner; there the owner too brings its epoch."""
    epoch = registered(world)
    operation, body = write.partition(" ")[0], WRITES[write]
    for wrong in ({}, {"epoch": epoch + 1}):
        refused = ask(world, who, operation, id="t", **body, **wrong)
        assert isinstance(refused, Conflict), refused
        assert "Cutter" in str(refused.holder)
    assert ask(world, BOSS, "Find", id="t").count(b'"status":"running"') == 1
    assert ask(world, who, operation, id="t", **body, epoch=epoch)["epoch"] == epoch


def test_the_owner_stays_the_service_and_the_audit_names_both(world: World) -> None:
    epoch = registered(world)
    assert ask(world, OTHER, "Update", id="t", description="x", epoch=epoch)["epoch"] == epoch
    # The task lives by the beats of its service, whoever wrote it last.
    for _ in range(3):
        assert ask(world, CUTTER, "ServiceBeat", url=URL)
        world.advance(20)
    assert b'"status":"running"' in ask(world, BOSS, "Find", id="t")
    entry = world.connect().ask("Audit", task="t")["entries"][0]
    assert entry["who"] == "Cutter (other, 10.0.0.50:1)"
    world.advance(31)
    assert b'"status":"shutdown"' in ask(world, BOSS, "Find", id="t")


def test_a_service_on_a_connection_is_fenced_from_who_asks_for_it(world: World) -> None:
    """Row 6 again, where the service has a connection, whose serial the asker was given."""
    owner = world.connect("10.0.0.7:1")
    owner.ask("RegisterService", url=URL, group_id="cut")
    body = {"name": "n", "status": "running", "url": URL, "group_id": "cut"}
    assert owner.ask("Register", id="t", **body, fenced=True)["epoch"] == 1
    assert isinstance(ask(world, OTHER, "Update", id="t", status="failed"), Conflict)
    assert ask(world, OTHER, "Update", id="t", description="x", epoch=1)["epoch"] == 1
    # The connection itself proves by being there what others prove by the epoch.
    assert owner.ask("Update", id="t", description="y")["epoch"] == 1


def test_what_a_service_answers_does_not_pass_the_fence(tmp_path: Path) -> None:
    """Who has it fetched asks; the answer may bring the epoch."""
    answer: list[dict[str, Any]] = []
    world = World(tmp_path, fetch=lambda _url, _id, done: done(list(answer)))
    epoch = registered(world)
    answer[:] = [{"id": "t", "name": "n", "status": "failed", "group_id": "cut"}]
    assert isinstance(ask(world, OTHER, "FetchTasks", url=URL), Conflict)
    answer[0]["epoch"] = epoch
    assert ask(world, OTHER, "FetchTasks", url=URL) == {"tasks": ["t"]}
    world.close()


def test_rights_are_the_askers_whoever_owns(world: World) -> None:
    registered(world)
    reader = Identity("reader", "reader", frozenset({"cut"}), key="k-reader")
    for write, body in WRITES.items():
        refused = ask(world, reader, write.partition(" ")[0], id="t", **body, epoch=1)
        assert isinstance(refused, AuthError), write


# What people have


def people(world: World) -> Peer:
    boss = world.connect()
    for user in ("ann", "bob"):
        boss.ask("SetPerson", user=user, name=user.title(), groups=["cut"])
    return boss


def had(boss: Peer, status: str) -> dict[str, Any]:
    """Bring a new task to a status by what people do, and give its fields."""
    service = {"name": "n", "status": FREE, "group_id": "cut", "edit_info": "as it was"}
    boss.ask("Register", id="t", **service)
    boss.ask("Claim", id="t", user="ann", limit=3600)
    if status == EDITING:
        boss.ask("Begin", id="t", user="ann")
    if status in (REVIEW, "review"):
        boss.ask("Submit", id="t", user="ann", checker="bob", word="please look")
    if status == "review":
        boss.ask("Update", id="t", status="review", own=False)
    fields = boss.ask("Find", id="t")
    assert (fields["status"], fields["user"]) == (status, "ann")
    return fields


WORK = ("status", "user", "checker", "reason", "claimed_at", "claim_until", "submitted_by")


@pytest.mark.parametrize("status", [CLAIMED, EDITING, REVIEW, "review"])
def test_a_register_keeps_what_people_have(world: World, status: str) -> None:
    """A service that starts anew registers its tasks again: nobody's work is undone by that."""
    boss = people(world)
    before = had(boss, status)
    again = {"id": "t", "name": "New", "status": FREE, "group_id": "cut", "project_id": "p"}
    of_work = {"reason": "x", "claim_until": "2099", "submitted_by": "bob", "checked_at": "now"}
    for more in ({}, {"user": "bob", "checker": "ann"}, of_work, {"status": "running"}):
        told = boss.ask("Register", **again | more)
        assert (told["errid"], told["status"]) == (OK, status), more
        after = boss.ask("Find", id="t")
        assert {name: after.get(name) for name in WORK} == {name: before.get(name) for name in WORK}
        assert "checked_at" not in after
        assert (after["name"], after["project_id"], after["edit_info"]) == ("New", "p", "")
    # The claim still ends when it was to end.
    if status != REVIEW and status != "review":
        world.advance(3601)
        assert world.connect().ask("Find", id="t")["status"] == FREE


@pytest.mark.parametrize("over", ["failed", "cancelled"])
@pytest.mark.parametrize("status", [CLAIMED, REVIEW])
def test_a_register_says_that_what_people_have_is_over(
    world: World, status: str, over: str
) -> None:
    boss = people(world)
    before = had(boss, status)
    body = {"id": "t", "name": "n", "status": over, "group_id": "cut", "reason": "disk full"}
    told = boss.ask("Register", **body)
    assert told["errid"] == OK
    assert "status" not in told
    after = boss.ask("Find", id="t")
    assert (after["status"], after["reason"]) == (over, "disk full")
    assert (after["user"], after["checker"]) == ("ann", before["checker"])


def test_a_register_replaces_what_nobody_has(world: World) -> None:
    """So it was: of a task that is free, runs or has ended, all fields are the service's."""
    boss = people(world)
    statuses = [FREE, "pending", "running", "finish", "failed", "shutdown", ""]
    assert set(statuses) & OF_PEOPLE == {FREE, "pending"}
    for old, new in itertools.product(statuses, statuses):
        boss.ask("Register", id="t", name="n", status=old, user="ann", checker="bob", x=1)
        told = boss.ask("Register", id="t", name="n", status=new)
        assert "status" not in told
        after = boss.ask("Find", id="t")
        assert (after["status"], after["user"], after["checker"]) == (new, "", "")
        assert "x" not in after


def test_over_http_too(world: World) -> None:
    boss = people(world)
    had(boss, EDITING)
    told = ask(world, BOSS, "Register", id="t", name="n", status=FREE, group_id="cut")
    assert not isinstance(told, ServerError)
    assert told["status"] == EDITING
