"""People: accounts, what they see, claims and their end, handover, services."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskdash_protocol import strictjson
from taskdashd.core.replies import reply_body
from taskdashd.domain.access import ANYONE
from taskdashd.families.people.operations.warning import BACK_OUT_S
from taskdashd.testing import Peer, World


def recognised(user: str, secret: str, world: World) -> bool:
    person = world.core.identities.person(user)
    return person is not None and person.knows(secret)


FREE, CLAIMED, EDITING, REVIEW = "待领取", "已领取", "编辑中", "待审核"
OK = 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def admin(world: World) -> Peer:
    return world.connect("10.0.0.9:1")


def known(world: World, **people: dict[str, Any]) -> dict[str, Peer]:
    """Make accounts, and sign each of them in on a connection of their own."""
    boss, peers = admin(world), {}
    for port, (user, about) in enumerate(people.items()):
        reply = boss.ask("SetPerson", user=user, name=user.title(), **about)
        assert reply["errid"] == OK, reply
        peers[user] = world.connect(f"10.0.0.1:{port}")
        assert peers[user].ask("Login", user=user)["errid"] == OK
    return peers


def office(world: World) -> dict[str, Peer]:
    """Two workers of a group, its lead, and one of another group."""
    return known(
        world,
        ann={"groups": ["cut"]},
        bob={"groups": ["cut"]},
        lea={"groups": ["cut"], "role": "lead"},
        eve={"groups": ["paint"]},
    )


def browser(world: World, user: str) -> str:
    """Sign a person in as a browser does, and give the secret of its cookie."""
    session, got = world.core.sessions.visit("10.0.0.1:1"), []
    world.runner.visit(world.runner.parse("Login", {"user": user}), session, got.append)
    world.drain()
    assert got[0]["user"] == user
    return session.secret


def task(world: World, task_id: str = "t", **fields: Any) -> None:
    body = {"id": task_id, "name": "Film", "status": FREE, "group_id": "cut", **fields}
    assert admin(world).ask("Register", **body)["errid"] == OK


def found(world: World, task_id: str = "t") -> dict[str, Any]:
    return admin(world).ask("Find", id=task_id)


# Accounts


def test_the_first_sign_in_makes_the_account_and_welcomes(world: World) -> None:
    """A person signs in by number and name, as it always was."""
    peer = world.connect("10.0.0.1:1")
    assert peer.ask("Login", user="1001")["detail"].startswith("field name is required")
    first = peer.ask("Login", user="1001", name="Ann")
    assert (first["welcome"], first["role"], first["groups"]) == (True, "worker", [])
    again = world.connect("10.0.0.1:2").ask("Login", user="1001", name="ann")
    assert (again["welcome"], again["name"]) == (False, "Ann")
    assert world.connect("10.0.0.1:3").ask("Login", user="1001", name="Bob")["errid"] == 1003


def test_from_another_address_one_is_warned_and_may_back_out_without_a_trace(world: World) -> None:
    """The warning shows what was done last; only the confirmation signs in."""
    peers = office(world)
    task(world)
    assert peers["ann"].ask("Claim", id="t")["errid"] == OK
    before = world.core.identities.person("ann")
    stranger = world.connect("10.9.9.9:1")
    warned = stranger.ask("Login", user="ann")
    assert warned["wait"] == BACK_OUT_S
    assert warned["last"]["address"] == "10.0.0.1"
    assert [did["task"] for did in warned["last"]["did"]] == ["t"]
    assert "role" not in warned
    assert world.core.identities.person("ann") == before
    assert stranger.ask("Find", id="t")["errid"] == OK, "it is still whoever it was"
    # A confirmation for another address, or a made-up one, does not count.
    other = world.connect("10.9.9.8:1")
    for confirm in (warned["confirm"], "5.ab", "x"):
        assert "confirm" in other.ask("Login", user="ann", confirm=confirm)
    assert stranger.ask("Login", user="ann", confirm=warned["confirm"])["name"] == "Ann"
    assert world.connect("10.9.9.9:2").ask("Login", user="ann")["errid"] == OK
    late = world.connect("10.1.1.1:1")
    warned = late.ask("Login", user="ann")
    world.advance(61)
    late = world.connect("10.1.1.1:1")
    assert "confirm" in late.ask("Login", user="ann", confirm=warned["confirm"])


def test_accounts_may_be_the_administrators_to_make(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", sign_up=False)
    assert world.connect().ask("Login", user="1", name="A")["errid"] == 1003
    assert admin(world).ask("SetPerson", user="1", name="A")["errid"] == OK
    assert world.connect().ask("Login", user="1", name="A")["errid"] == OK
    assert admin(world).ask("SetPerson", user="1", active=False)["active"] is False
    assert world.connect().ask("Login", user="1", name="A")["errid"] == 1003
    world.close()


def test_passwords_may_be_demanded(tmp_path: Path) -> None:
    """Passwords are kept by Argon2id; a wrong one is slowed, and does not tell who exists."""
    world = World(tmp_path, passwordless="everywhere", passwords=True)
    peer = world.connect("10.0.0.1:1")
    assert peer.ask("Login", user="1", name="A")["errid"] == 1000
    assert peer.ask("Login", user="1", name="A", password="correct horse")["welcome"]
    person = world.core.identities.person("1")
    assert person is not None
    assert person.password.startswith("$argon2id$")
    again = world.connect("10.0.0.2:1")
    assert again.ask("Login", user="1", password="wrong horses")["errid"] == 1003
    assert "confirm" in again.ask("Login", user="1", password="correct horse")
    for _ in range(4):
        assert again.ask("Login", user="1", password="wrong horses")["errid"] == 1003
    assert again.ask("Login", user="1", password="correct horse")["errid"] == 1005
    assert world.connect("10.0.0.1:2").ask("Login", user="1", password="correct horse")["name"]
    # One's own password is changed with the old one, which signs every other browser out.
    wrong = peer.ask("SetPerson", user="1", password="another horse", old_password="x")
    assert wrong["errid"] == 1003
    done = peer.ask("SetPerson", user="1", password="another horse", old_password="correct horse")
    assert done["errid"] == OK
    assert peer.ask("SetPerson", user="1", name="Al")["name"] == "Al", "their own goes on"
    assert world.connect("10.0.0.1:3").ask("Login", user="1", password="another horse")["name"]
    # Without a password nobody is let in, until an administrator sets the first.
    assert admin(world).ask("SetPerson", user="2", name="B")["errid"] == OK
    assert world.connect("10.0.0.3:1").ask("Login", user="2", password="")["errid"] == 1003
    assert admin(world).ask("SetPerson", user="2", password="12345678")["errid"] == OK
    assert world.connect("10.0.0.3:1").ask("Login", user="2", password="12345678")["name"] == "B"
    world.close()


def test_a_sign_in_ends_when_it_is_ended(world: World) -> None:
    peers = office(world)
    ann, secret = peers["ann"], browser(world, "ann")
    assert recognised("ann", secret, world)
    assert not recognised("ann", secret + "x", world)
    assert not recognised("bob", secret, world)
    other = world.connect("10.0.0.1:77")
    assert other.ask("Login", user="ann")["errid"] == OK
    assert peers["bob"].ask("Logout", user="ann")["errid"] == 1003
    assert ann.ask("Logout")["errid"] == OK
    assert recognised("ann", secret, world)
    assert ann.connection.session.identity is ANYONE
    assert other.ask("SetPerson", user="ann", name="Anna")["name"] == "Anna"
    assert admin(world).ask("Logout", user="ann")["errid"] == OK
    assert not recognised("ann", secret, world)
    assert not other.open


def test_what_signs_in_over_tcp_leaves_nothing_behind(world: World) -> None:
    """A sign-in over TCP ends with its connection; twenty must not put the browsers out."""
    office(world)
    secret = browser(world, "ann")
    for port in range(25):
        assert world.connect(f"10.0.0.1:{port}").ask("Login", user="ann")["errid"] == OK
    assert recognised("ann", secret, world)
    person = world.core.identities.person("ann")
    assert person is not None
    assert len(person.signed_in) == 1


def test_only_an_admin_changes_roles_and_others(world: World) -> None:
    peers = office(world)
    assert peers["ann"].ask("SetPerson", user="ann", role="admin")["errid"] == 1003
    assert peers["ann"].ask("SetPerson", user="bob", name="Robert")["errid"] == 1003
    assert peers["ann"].ask("SetPerson", user="ann", name="Anna")["name"] == "Anna"
    own = {"user": "ann", "password": "correct horse"}
    assert peers["ann"].ask("SetPerson", **own)["errid"] == OK
    assert admin(world).ask("SetPerson", user="ann", role="admin")["role"] == "admin"
    # Ann is an admin at once, also where she is connected already: she has a password.
    assert peers["ann"].ask("SetPerson", user="bob", name="Robert")["name"] == "Robert"
    assert {one["user"] for one in peers["eve"].ask("People")["people"]} == {"eve"}
    assert {one["user"] for one in peers["bob"].ask("People")["people"]} >= {"ann", "bob", "lea"}


def test_accounts_are_there_after_a_restart(world: World) -> None:
    office(world)
    world.restart()
    assert world.connect("10.0.0.1:1").ask("Login", user="ann", name="Ann")["welcome"] is False
    assert world.core.identities.person("lea") is not None


# Sight


def test_what_somebody_may_not_see_does_not_exist_for_them(world: World) -> None:
    """So it is for Find, Query, Watch, Audit and Claim; one's own is there in whatever group."""
    peers = office(world)
    task(world, "cut")
    task(world, "painted", group_id="paint")
    task(world, "everybodys", group_id="")
    task(world, "anns", group_id="paint", user="ann")
    task(world, "to-check", group_id="paint", checker="ann")
    ann, eve = peers["ann"], peers["eve"]
    seen = {"cut", "everybodys", "anns", "to-check"}
    assert {one["id"] for one in ann.ask("Query")["tasks"]} == seen
    for request in ("Find", "Claim", "Audit"):
        body = {"task": "painted"} if request == "Audit" else {"id": "painted"}
        assert ann.ask(request, **body)["errid"] == 1002, request
    assert ann.ask("Query", where={"group_id": "paint"})["tasks"][0]["id"] == "anns"
    assert ann.ask("Audit")["errid"] == 1003
    assert ann.ask("Watch")["errid"] == OK
    assert eve.ask("Claim", id="painted")["errid"] == OK
    assert peers["bob"].ask("Claim", id="cut")["errid"] == OK
    assert [event["task"]["id"] for event in ann.events] == ["cut"]
    # Pages hold visible tasks only, in every order.
    for order in ("id", "-id", "updated_at", "user"):
        got, after = [], None
        while True:
            page = ann.ask("Query", order=order, limit=1, **({"after": after} if after else {}))
            got += [one["id"] for one in page["tasks"]]
            after = page["next"]
            if after is None:
                break
        assert sorted(got) == sorted(seen)


def test_people_do_not_write_tasks_but_by_their_acts(world: World) -> None:
    peers = office(world)
    task(world)
    assert peers["ann"].ask("Update", id="t", status="finish")["errid"] == 1003
    assert peers["ann"].ask("Register", id="x", name="x")["errid"] == 1003


def test_a_class_of_statuses_can_be_asked_for(world: World) -> None:
    task(world, "waits")
    task(world, "runs", status="running")
    task(world, "ended", status="failed")
    peer = admin(world)

    def ids(*classes: str) -> list[str]:
        return [one["id"] for one in peer.ask("Query", where={"class": classes})["tasks"]]

    assert (ids("live"), ids("waiting"), ids("ended")) == (["runs"], ["waits"], ["ended"])
    assert ids("live", "ended") == ["ended", "runs"]
    assert ids() == []
    assert peer.ask("Query", where={"class": "odd"})["errid"] == 1000
    assert peer.ask("Watch", where={"class": "ended"})["errid"] == OK
    admin(world).ask("Update", id="runs", status="finish", own=False)
    admin(world).ask("Update", id="waits", description="still", own=False)
    assert [event["task"]["id"] for event in peer.events] == ["runs"]


# Claims


def test_a_task_goes_its_way(world: World) -> None:
    """Claimed, begun, submitted, rejected with a reason, submitted again, approved."""
    peers = office(world)
    ann, lea = peers["ann"], peers["lea"]
    task(world)
    assert ann.ask("Claim", id="t")["status"] == CLAIMED
    assert ann.ask("Claim", id="t")["errid"] == OK, "a retry is harmless"
    assert ann.ask("Begin", id="t")["status"] == EDITING
    assert ann.ask("Submit", id="t", word="done")["status"] == REVIEW
    assert ann.ask("Approve", id="t")["detail"] == "nobody checks their own work"
    assert peers["bob"].ask("Approve", id="t")["errid"] == 1003
    assert lea.ask("Reject", id="t")["errid"] == 1000, "a rejection has a reason"
    assert lea.ask("Reject", id="t", reason="too dark")["status"] == EDITING
    assert found(world)["reason"] == "too dark"
    assert found(world)["user"] == "ann"
    assert ann.ask("Submit", id="t", checker="bob")["status"] == REVIEW
    assert lea.ask("Approve", id="t")["errid"] == 1003, "bob was named"
    assert peers["bob"].ask("Approve", id="t", word="fine")["status"] == "finish"
    whys = [(e["who"].split(" (")[1], e["why"]) for e in ann.ask("Audit", task="t")["entries"][:2]]
    assert found(world)["status"] == "finish"
    assert whys[0][1] == "fine"


def test_of_two_who_press_at_once_one_wins_and_the_other_is_told_who(world: World) -> None:
    peers = office(world)
    task(world)
    for name in ("ann", "bob"):
        peers[name].send("Claim", {"id": "t"})
    world.drain()
    first, second = peers["ann"].replies.pop(), peers["bob"].replies.pop()
    assert first["errid"] == OK
    assert second["errid"] == 1004
    assert "ann has it since" in second["detail"]
    since = peers["ann"].ask("Find", id="t")["claimed_at"]
    assert (second["cause"], second["values"]) == ("taken", {"user": "ann", "since": since})


def test_a_lead_assigns_with_a_word_and_takes_back(world: World) -> None:
    peers = office(world)
    task(world)
    assert peers["bob"].ask("Assign", id="t", to="ann")["errid"] == 1003
    assert peers["lea"].ask("Assign", id="t", to="eve")["errid"] == 1004, "she sees no eve"
    assert admin(world).ask("Assign", id="t", to="eve")["errid"] == 1004, "not of the group"
    assert peers["lea"].ask("Assign", id="t", to="nobody")["errid"] == 1004
    assert peers["lea"].ask("Assign", id="t", to="ann", word="please")["user"] == "ann"
    assert found(world)["reason"] == "please"
    assert peers["bob"].ask("Release", id="t")["errid"] == 1004
    assert peers["lea"].ask("Assign", id="t", to="bob")["user"] == "bob"
    assert peers["lea"].ask("Release", id="t", word="wait")["status"] == FREE
    assert found(world)["user"] == ""


def test_a_service_acts_for_a_person_with_that_persons_rights(world: World) -> None:
    """An operator acts for whom they like, or in their own name."""
    office(world)
    task(world)
    boss = admin(world)
    assert boss.ask("Claim", id="t")["errid"] == 1004
    assert boss.ask("Claim", id="t", user="who")["errid"] == 1004
    assert boss.ask("Claim", id="t", user="ann")["user"] == "ann"
    assert boss.ask("Submit", id="t", user="ann")["status"] == REVIEW
    assert boss.ask("Approve", id="t")["status"] == "finish"
    entry = boss.ask("Audit", task="t")["entries"][1]
    assert "Ann (ann) by" in entry["who"]


def test_claims_that_run_out_together_are_freed_together(world: World) -> None:
    """However many there are: a bound on what one commit frees is none on how fast they go."""
    ann, boss = office(world)["ann"], admin(world)
    world.live.person_rate = None
    ids = [f"t{number}" for number in range(700)]
    for one in ids:
        boss.send("Register", {"id": one, "name": "Film", "status": FREE, "group_id": "cut"})
        ann.send("Claim", {"id": one, "limit": 60})
        world.drain()
    world.advance(59.5)
    watcher = world.connect("10.0.0.9:2")
    watcher.ask("Watch")
    assert found(world, ids[-1])["status"] == CLAIMED
    world.advance(1)
    freed = [event["task"]["id"] for event in watcher.events]
    assert sorted(freed) == sorted(ids)
    assert {event["task"]["status"] for event in watcher.events} == {FREE}


@pytest.mark.parametrize("fault", ["the disk", "a fault of ours"])
def test_a_claim_whose_freeing_failed_is_freed_later(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """No claim is forgotten, whatever kept the daemon from freeing it in time."""
    ann = office(world)["ann"]
    task(world)
    assert ann.ask("Claim", id="t", limit=10)["errid"] == OK

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    if fault == "the disk":
        world.database.full = True
    else:
        monkeypatch.setattr("taskdashd.families.people.rules.freed", broken)
    world.advance(11)
    assert found(world)["status"] == CLAIMED
    world.database.full = False
    monkeypatch.undo()
    world.advance(6)
    assert found(world)["status"] == FREE


def test_a_claim_may_have_a_time_limit(world: World) -> None:
    """When it runs out the task is free, and both sides are told, also across a restart."""
    peers = office(world)
    task(world)
    task(world, "other")
    service = admin(world)
    service.ask("Watch", where={})
    assert peers["ann"].ask("Claim", id="t", limit=20)["claim_until"] > "2"
    assert peers["ann"].ask("Claim", id="other", limit=20)["errid"] == OK
    assert peers["ann"].ask("Submit", id="other")["errid"] == OK
    service.events.clear()
    world.advance(19)
    assert found(world)["status"] == CLAIMED
    world.advance(2)
    (event,) = service.events
    assert (event["task"]["status"], event["task"]["user"]) == (FREE, "")
    assert event["task"]["reason"] == "the time for it ran out"
    assert found(world, "other")["status"] == REVIEW, "who waits for a checker does not run out"
    bob = world.connect("10.0.0.1:5")
    assert bob.ask("Login", user="bob")["errid"] == OK
    assert bob.ask("Claim", id="t", limit=60)["errid"] == OK
    world.restart()
    world.advance(61)
    assert found(world)["status"] == FREE


def test_a_full_disk_frees_no_claim_and_it_is_tried_again(world: World) -> None:
    peers = office(world)
    task(world)
    peers["ann"].ask("Claim", id="t", limit=5)
    world.database.full = True
    world.advance(8)
    world.database.full = False
    assert found(world)["status"] == CLAIMED
    world.advance(8)
    assert found(world)["status"] == FREE


def test_a_field_of_that_name_that_a_client_writes_harms_nobody(world: World) -> None:
    for value in ("tomorrow", 7, None, "", "2026-99-99T00:00:00.000Z"):
        task(world, status=CLAIMED, claim_until=value)
    world.advance(5)
    assert found(world)["status"] == CLAIMED


def test_all_that_somebody_holds_goes_to_others_in_one_act(world: World) -> None:
    """The one with the fewest tasks gets the next; tasks that none of them may take are named."""
    peers = office(world)
    for number in range(5):
        task(world, f"t{number}")
        peers["ann"].ask("Claim", id=f"t{number}")
    peers["ann"].ask("Submit", id="t4")
    task(world, "bobs")
    peers["bob"].ask("Claim", id="bobs")
    peers["bob"].ask("Submit", id="bobs", checker="ann")
    task(world, "alien", group_id="paint", user="ann", status=CLAIMED)
    assert peers["bob"].ask("Handover", of="ann", to=["lea"])["errid"] == 1003
    revs = found(world, "t0")["rev"]
    done = admin(world).ask("Handover", of="ann", to=["bob", "lea"], word="leave")
    moved = {one["id"]: one["to"] for one in done["moved"]}
    assert set(moved) == {"t0", "t1", "t2", "t3", "t4", "bobs"}
    assert moved["bobs"] == "lea", "bob does not check his own"
    assert [one["id"] for one in done["left"]] == ["alien"]
    assert abs(list(moved.values()).count("bob") - list(moved.values()).count("lea")) <= 1
    assert found(world, "t4")["status"] == REVIEW
    assert found(world, "bobs")["checker"] == "lea"
    assert revs < found(world, "t0")["rev"]
    # Somebody who goes on leave may hand over themselves.
    own = world.connect("10.0.0.1:9")
    own.ask("Login", user="bob")
    assert own.ask("Handover", of="bob", to=["ann"])["errid"] == OK
    assert own.ask("Handover", of="bob", to=[])["errid"] == 1000


# Services


URL = "http://10.0.0.7:8080"


def over_http(world: World, operation: str, **body: Any) -> dict[str, Any]:
    """Ask as an operator over HTTP, without a connection."""
    got: list[Any] = []
    visitor = world.core.sessions.visit("10.0.0.7:9", ANYONE)
    world.runner.visit(world.runner.parse(operation, body), visitor, got.append)
    world.drain()
    result = strictjson.loads(reply_body(None, got.pop()))
    assert isinstance(result, dict)
    return result


def state(world: World, url: str = URL) -> str:
    services = admin(world).ask("Services")["services"]
    return {one["url"]: one["state"] for one in services}[url]


def test_a_service_lives_by_its_connection(world: World) -> None:
    """A silent service is late, then dead; its death is told once, not for each task."""
    peer = world.connect("10.0.0.7:1")
    assert peer.ask("RegisterService", url=URL, name="Cutter")["errid"] == OK
    for number in range(3):
        peer.ask("Register", id=f"t{number}", name="n", status="running", url=URL)
    assert state(world) == "alive"
    world.advance(21)
    assert state(world) == "late"
    peer.beat()
    world.advance(1)
    assert state(world) == "alive"
    world.advance(32)
    assert state(world) == "dead"
    assert {found(world, f"t{number}")["status"] for number in range(3)} == {"shutdown"}
    world.advance(2)
    kinds = ["service died"]
    (died,) = admin(world).ask("Audit", kinds=kinds)["entries"]
    assert died["who"] == f"Cutter ({URL})"
    changes = admin(world).ask("Services")["services"][0]["changes"]
    assert [change[1] for change in changes] == ["alive", "late", "alive", "late", "dead"]


def test_a_service_without_a_connection_beats_by_its_url(world: World) -> None:
    """A service's beats keep its tasks alive, also across a restart of the daemon."""

    def beat() -> None:
        assert over_http(world, "ServiceBeat", url=URL, time=5)["errid"] == OK

    assert over_http(world, "ServiceBeat", url=URL)["errid"] == 1004, "who is that?"
    assert over_http(world, "RegisterService", url=URL)["errid"] == OK
    beat()
    over_http(world, "Register", id="t", name="n", status="running", url=URL)
    for _ in range(10):
        world.advance(20)
        beat()
    assert found(world)["status"] == "running"
    world.restart()
    for _ in range(5):
        world.advance(20)
        beat()
    assert found(world)["status"] == "running"
    assert state(world) == "alive"
    world.advance(32)
    assert found(world)["status"] == "shutdown"
    assert state(world) == "dead"


def test_services_are_bounded_and_seen_by_their_group(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", max_services=2)
    peers = office(world)
    boss = admin(world)
    assert boss.ask("RegisterService", url=f"{URL}/1", group_id="cut")["errid"] == OK
    assert boss.ask("RegisterService", url=f"{URL}/2")["errid"] == OK
    assert boss.ask("RegisterService", url=f"{URL}/3")["errid"] == 1005
    assert boss.ask("RegisterService", url="ftp://x")["errid"] == 1000
    assert peers["ann"].ask("RegisterService", url=f"{URL}/1")["errid"] == 1003
    assert [one["url"][-1] for one in peers["eve"].ask("Services")["services"]] == ["2"]
    assert boss.ask("FetchTasks", url=f"{URL}/1")["errid"] == 1003, "no address is allowed"
    assert boss.ask("Figures")["errid"] == 1004, "there is no board"
    world.close()


def test_nothing_of_an_act_is_kept_that_did_not_reach_the_disk(world: World) -> None:
    world.database.full = True
    assert admin(world).ask("SetPerson", user="x", name="X")["errid"] == 1001
    assert admin(world).ask("RegisterService", url=URL)["errid"] == 1001
    world.database.full = False
    assert admin(world).ask("People")["people"] == []
    assert admin(world).ask("Services")["services"] == []
    assert admin(world).ask("SetPerson", user="x", name="X")["errid"] == OK
