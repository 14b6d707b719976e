"""Attacks by people: to be somebody else, to see what is not theirs, at the worst moment."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres import standing
from test_people import CLAIMED, FREE, OK, REVIEW, URL, admin, found, office, state, task

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, Busy, Conflict
from taskdash_protocol.statuses import status_class
from taskdashd.domain.access import Identity
from taskdashd.families.figures.rules.day import state_of
from taskdashd.store import backup
from taskdashd.testing import World

BOSS = Identity("boss", "operator", key="k")
CUTTERS = Identity("s", "service", frozenset({"cut"}), key="s")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def begin(world: World, identity: Identity, operation: str, /, **body: Any) -> list[Any]:
    """Ask as over HTTP; the result is put into the list once it is there."""
    visitor, got = world.core.sessions.visit("10.0.0.50:1", identity), []
    if identity.person:
        # As if the request had brought what proves it.
        visitor = world.core.sessions.visit("10.0.0.50:1")
        person = world.core.identities.person(identity.person)
        assert person is not None
        assert world.core.identities.sign_request(visitor, person)
    world.runner.visit(world.runner.parse(operation, body), visitor, got.append)
    return got


def http(world: World, identity: Identity, operation: str, /, **body: Any) -> Any:
    got = begin(world, identity, operation, **body)
    world.drain()
    return got[0]


def person_of(world: World, user: str) -> Identity:
    person = world.core.identities.person(user)
    assert person is not None
    return person.identity


def signed_in_as(peer: Any) -> str:
    identity = peer.connection.session.identity
    return "" if identity is None else identity.person


# To be somebody


def test_of_two_who_ask_about_a_services_task_each_is_who_they_are(world: World) -> None:
    """Identities stay apart also where the task must be read first, and the other asks then."""
    office(world)
    http(world, BOSS, "RegisterService", url=URL)
    http(world, BOSS, "Register", id="t", name="n", status="running", url=URL)
    world.restart()
    http(world, BOSS, "ServiceBeat", url=URL)
    world.core.view._cache.clear()
    first = begin(world, person_of(world, "ann"), "Update", id="t", url=URL, status="failed")
    second = begin(world, BOSS, "Update", id="t", url=URL, description="x")
    world.drain()
    assert isinstance(first[0], AuthError)
    assert second[0]["id"] == "t"


def test_a_task_of_another_groups_service_is_not_kept_alive_by_it(world: World) -> None:
    http(world, BOSS, "RegisterService", url=URL, group_id="secret")
    http(world, CUTTERS, "Register", id="x", name="n", status="running", url=URL, group_id="cut")
    for _ in range(3):
        http(world, BOSS, "ServiceBeat", url=URL)
        world.advance(20)
    assert found(world, "x")["status"] == "shutdown"
    told = http(world, CUTTERS, "RegisterService", url=URL, group_id="cut")
    assert isinstance(told, Conflict)
    assert "secret" not in told.detail


def test_nobody_signs_in_to_an_account_that_is_being_closed(world: World) -> None:
    office(world)
    boss, late = admin(world), world.connect("10.0.0.1:50")
    boss.send("SetPerson", {"user": "ann", "active": False})
    late.send("Login", {"user": "ann"})
    world.drain()
    assert late.replies[-1]["errid"] == 1003
    assert signed_in_as(late) == ""


def test_a_new_password_puts_out_who_came_in_with_the_old_one(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", passwords=True)
    boss, thief = admin(world), world.connect("10.0.0.1:1")
    boss.ask("SetPerson", user="ann", name="Ann", password="old horse 1")
    assert thief.ask("Login", user="ann", password="old horse 1")["errid"] == OK
    assert boss.ask("SetPerson", user="ann", password="new horse 1")["errid"] == OK
    assert signed_in_as(thief) == ""
    world.close()


def test_a_password_that_is_set_is_asked_for(world: World) -> None:
    """A password once set is asked for, also where none is demanded."""
    admin(world).ask("SetPerson", user="root", name="Root", role="admin", password="correct horse")
    peer = world.connect("10.0.0.1:1")
    assert peer.ask("Login", user="root", name="Root")["errid"] == 1003
    assert peer.ask("Login", user="root", password="correct horse")["errid"] == OK


def test_many_guesses_at_once_are_no_more_than_many(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", passwords=True)
    admin(world).ask("SetPerson", user="ann", name="Ann", password="correct horse")
    peers = [world.connect(f"10.0.0.66:{port}") for port in range(12)]
    for peer in peers:
        peer.send("Login", {"user": "ann", "password": "wrong horses"})
    world.drain()
    said = Counter(peer.replies.pop()["errid"] for peer in peers)
    assert said == {1003: 5, 1005: 7}
    world.close()


def guesses(world: World, user: str, address: str, count: int) -> list[int]:
    """Try wrong names for an account, and give what was said to each."""
    peers = [world.connect(f"{address}:{port}") for port in range(count)]
    return [peer.ask("Login", user=user, name="wrong")["errid"] for peer in peers]


def test_whoever_mistypes_waits_alone(world: World) -> None:
    """Two people of one address who mistype keep no third one out, nor themselves elsewhere."""
    office(world)
    for user in ("ann", "bob"):
        assert guesses(world, user, "10.0.0.1", 7) == [1003] * 5 + [1005] * 2
        right = world.connect("10.0.0.1:99").ask("Login", user=user, name=user)
        assert (right["errid"], right["cause"]) == (1005, "too-many-tries")
    assert world.connect("10.0.0.1:99").ask("Login", user="eve", name="eve")["errid"] == OK
    assert world.connect("10.0.0.2:1").ask("Login", user="ann", name="ann")["errid"] == OK
    world.time += 61
    assert world.connect("10.0.0.1:99").ask("Login", user="bob", name="bob")["errid"] == OK


def test_an_address_that_tries_many_accounts_is_stopped(world: World) -> None:
    """One wrong name for each of many accounts is what a guesser does, not an office."""
    boss = admin(world)
    for number in range(40):
        boss.ask("SetPerson", user=f"p{number}", name="Somebody")
    said = [guesses(world, f"p{number}", "10.0.0.66", 1)[0] for number in range(40)]
    assert said == [1003] * 30 + [1005] * 10
    assert guesses(world, "p39", "10.0.0.67", 1) == [1003]


def test_many_addresses_that_try_one_account_are_stopped_and_its_owner_is_not(
    world: World,
) -> None:
    """Who was last signed in here gets in here, whatever others try elsewhere."""
    office(world)
    said = [guesses(world, "ann", f"10.6.6.{host}", 1)[0] for host in range(40)]
    assert said == [1003] * 30 + [1005] * 10
    assert world.connect("10.0.0.1:99").ask("Login", user="ann", name="ann")["errid"] == OK
    # At home the owner may mistype as often as ever, and no more often.
    assert guesses(world, "ann", "10.0.0.1", 6) == [1003] * 5 + [1005]


def test_wrong_old_passwords_are_counted_by_account_and_address(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", passwords=True)
    boss, peers = admin(world), {}
    for user in ("ann", "bob"):
        boss.ask("SetPerson", user=user, name=user, password="correct horse")
        peers[user] = world.connect("10.0.0.1:1")
        assert peers[user].ask("Login", user=user, password="correct horse")["errid"] == OK
    change = {"password": "another horse", "old_password": "wrong horses"}
    said = [peers["ann"].ask("SetPerson", user="ann", **change)["errid"] for _ in range(6)]
    assert said == [1003] * 5 + [1005]
    change["old_password"] = "correct horse"
    assert peers["bob"].ask("SetPerson", user="bob", **change)["errid"] == OK
    world.close()


def test_an_account_that_is_not_there_looks_like_any_other(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", passwords=True, sign_up=False)
    admin(world).ask("SetPerson", user="ann", name="Ann", password="correct horse")
    peer = world.connect("10.0.0.1:1")
    one, other = (peer.ask("Login", user=user, password="x" * 9) for user in ("ann", "who"))
    assert one == other
    world.close()


def test_a_warning_is_not_made_up_by_who_calls_himself_somebody(world: World) -> None:
    office(world)
    liar = world.connect("10.0.0.66:1")
    for name in ("Ann (ann)", "web (Ann (ann), 10.0.0.1:5)"):
        liar.ask("Hello", protocol=1, client=name)
        liar.ask("Register", id=f"forged {name}", name="x", status=FREE, group_id="cut")
    assert world.connect("10.7.7.7:1").ask("Login", user="ann")["last"]["did"] == []
    for user in ("Ann (ann)", "ann, 1", "a" * 65):
        assert liar.ask("Login", user=user, name="x")["errid"] == 1000
    assert liar.ask("Login", user=" ann ", name="x")["errid"] == 1003, "it is ann, and not her name"


def test_who_is_signed_out_meanwhile_is_answered(tmp_path: Path) -> None:
    """The request is answered, and the connection ends: it must not go on as the token's."""
    world = World(tmp_path, passwordless="everywhere", asks_for_tokens=True)
    world.identities = {"boss": BOSS, "cutter": CUTTERS}
    boss = world.connect("10.0.0.9:1")
    boss.ask("Hello", protocol=1, token="boss")
    boss.ask("SetPerson", user="ann", name="Ann", role="lead", groups=["cut"])
    for request, body in (("Audit", {"task": "t"}), ("Handover", {"of": "x", "to": ["ann"]})):
        peer = world.connect("10.0.0.1:1")
        peer.ask("Hello", protocol=1, token="cutter")
        assert peer.ask("Login", user="ann")["errid"] == OK
        peer.send(request, body)
        peer.send("Register", {"id": "new", "name": "n", "group_id": "cut"})
        boss.send("SetPerson", {"user": "ann", "active": False})
        world.drain()
        assert peer.replies[0]["errid"] in (1002, 1003, 1004)
        assert [bye["errid"] for bye in peer.byes] == [1003]
        assert not peer.open
        assert boss.ask("Find", id="new")["errid"] == 1002, "ann asked it, not the service"
        boss.ask("SetPerson", user="ann", active=True)
    world.close()


def test_an_admin_who_is_one_no_more_changes_nobody(tmp_path: Path) -> None:
    """Rights are looked at again after a password was hashed, which takes a while."""
    world = World(tmp_path, passwordless="everywhere")
    office(world)
    admin(world).ask("SetPerson", user="lea", role="admin", password="correct horse")
    peer = world.connect("10.0.0.1:44")
    assert peer.ask("Login", user="lea", password="correct horse")["errid"] == OK
    admin(world).send("SetPerson", {"user": "lea", "role": "worker"})
    peer.send("SetPerson", {"user": "ann", "role": "admin", "password": "correct horse"})
    world.drain()
    assert peer.replies.pop()["errid"] == 1003
    assert (person_of(world, "ann").role, person_of(world, "lea").role) == ("worker", "worker")
    world.close()


def test_an_admin_who_is_one_no_more_changes_nobody_over_http_either(world: World) -> None:
    """No event reaches a session over HTTP: the account itself is looked at again."""
    office(world)
    admin(world).ask("SetPerson", user="lea", role="admin", password="correct horse")
    visitor, got = world.core.sessions.visit("10.0.0.50:1"), []
    lea = world.core.identities.person("lea")
    assert lea is not None
    assert world.core.identities.sign_request(visitor, lea)
    body = {"user": "ann", "role": "admin", "password": "correct horse"}
    admin(world).send("SetPerson", {"user": "lea", "role": "worker"})
    world.runner.visit(world.runner.parse("SetPerson", body), visitor, got.append)
    world.drain()
    assert isinstance(got[0], AuthError)
    assert person_of(world, "ann").role == "worker"


def test_old_passwords_are_counted_before_they_are_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", passwords=True)
    admin(world).ask("SetPerson", user="ann", name="Ann", password="correct horse")
    peers = []
    for port in range(12):
        peers.append(world.connect(f"10.0.0.66:{port}"))
        assert peers[-1].ask("Login", user="ann", password="correct horse")["errid"] == OK
    for peer in peers:
        body = {"user": "ann", "password": "another horse", "old_password": "x"}
        peer.send("SetPerson", body)
    world.drain()
    assert Counter(peer.replies.pop()["errid"] for peer in peers) == {1003: 5, 1005: 7}
    world.close()


def test_a_service_that_is_dead_for_long_is_forgotten(world: World) -> None:
    """Otherwise somebody who registered many would keep all others out for good."""
    http(world, BOSS, "RegisterService", url=URL)
    world.advance(40)
    assert state(world) == "dead"
    world.time += 8 * 86400
    world.advance(2)
    assert admin(world).ask("Services")["services"] == []
    assert not [one for one in world.core.sessions if one.stands_in]
    # A service that comes back begins anew, and its tasks live by its beats.
    http(world, BOSS, "RegisterService", url=URL)
    http(world, BOSS, "Register", id="t", name="n", status="running", url=URL)
    assert beaten(world) == "running"
    world.restart()
    assert beaten(world) == "running"


def test_a_clock_that_jumps_forgets_no_dead_service(world: World) -> None:
    """A clock counts once it has gone steadily for an hour: a wrong one would forget them all."""
    http(world, BOSS, "RegisterService", url=URL)
    world.advance(40)
    world.wall_ahead_s += 400 * 86400
    world.advance(2)
    assert state(world) == "dead"
    world.time += 3600
    world.advance(2)
    assert admin(world).ask("Services")["services"] == []


def test_accounts_stay_within_their_bound(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", passwords=True, max_people=2)
    for number in range(6):
        body = {"user": f"u{number}", "name": "n", "password": "correct horse"}
        world.connect(f"10.0.1.{number}:1").send("Login", body)
    world.drain()
    assert world.core.view.records.count("person") == 2
    world.close()


def test_a_lead_is_led_out_of_a_group(world: World) -> None:
    office(world)
    assert admin(world).ask("SetPerson", user="lea", groups=["paint"])["leads"] == ["paint"]
    assert admin(world).ask("SetPerson", user="lea", leads=["cut"])["groups"] == ["paint", "cut"]
    for turn in range(5):
        leads = [f"g{turn}-{number}" for number in range(30)]
        reply = admin(world).ask("SetPerson", user="lea", leads=leads)
    assert reply["errid"] == 1000


# To check one's own work, or to hold it for ever


def test_nobody_checks_their_own_work_by_a_detour(world: World) -> None:
    peers = office(world)
    task(world)
    peers["lea"].ask("Claim", id="t")
    peers["lea"].ask("Submit", id="t")
    assert peers["lea"].ask("Handover", of="lea", to=["bob"])["errid"] == OK
    assert peers["lea"].ask("Approve", id="t")["detail"] == "nobody checks their own work"
    admin(world).ask("SetPerson", user="ann", role="admin", password="correct horse")
    peers["ann"] = world.connect("10.0.0.1:71")
    assert peers["ann"].ask("Login", user="ann", password="correct horse")["errid"] == OK
    task(world, "u")
    peers["ann"].ask("Claim", id="u")
    peers["ann"].ask("Submit", id="u")
    assert peers["ann"].ask("Approve", id="u")["errid"] == 1003


def test_the_daemons_limit_of_a_claim_is_a_bound(tmp_path: Path) -> None:
    """A worker cannot have longer, nor after a rejection; a handover gives the whole limit."""
    world = World(tmp_path, passwordless="everywhere", claim_limit=60.0)
    peers = office(world)
    task(world)
    peers["ann"].ask("Claim", id="t", limit=9999)
    world.advance(55)
    assert admin(world).ask("Handover", of="ann", to=["bob"])["errid"] == OK
    world.advance(10)
    assert found(world)["user"] == "bob"
    again = world.connect("10.0.0.1:70")
    again.ask("Login", user="bob")
    again.ask("Submit", id="t")
    admin(world).ask("Reject", id="t", reason="again")
    world.advance(62)
    assert found(world)["status"] == FREE
    world.close()


def test_a_task_that_nobody_had_is_free_when_it_is_rejected(world: World) -> None:
    task(world, status=REVIEW)
    assert admin(world).ask("Reject", id="t", reason="whose?")["status"] == FREE


def test_a_new_claim_keeps_its_own_time_though_the_old_could_not_be_freed(world: World) -> None:
    peers = office(world)
    task(world)
    peers["ann"].ask("Claim", id="t", limit=10)
    load = world.database.load

    def fail(*_: Any) -> Any:
        raise Busy("no")

    world.database.load = fail  # type: ignore[method-assign]
    world.core.view._cache.clear()
    world.advance(11)
    world.database.load = load  # type: ignore[method-assign]
    assert admin(world).ask("Assign", id="t", to="bob", limit=20)["errid"] == OK
    world.advance(15)
    assert found(world)["user"] == "bob"
    world.advance(10)
    assert found(world)["status"] == FREE


# To see what is not theirs


def test_who_is_out_of_sight_is_not_named(world: World) -> None:
    peers = office(world)
    admin(world).ask("SetPerson", user="zed", name="Zed Secret", groups=["paint"], active=False)
    task(world)
    peers["ann"].ask("Claim", id="t")
    for reply in (
        peers["ann"].ask("Submit", id="t", checker="zed"),
        peers["ann"].ask("Submit", id="t", checker="eve"),
        peers["lea"].ask("Handover", of="ann", to=["zed"]),
    ):
        assert reply["errid"] == 1004
        assert "Zed" not in reply["detail"]


def test_a_watch_does_not_end_without_a_word(world: World) -> None:
    """A watch goes on where its sight stays; otherwise the connection says why it ends."""
    peers = office(world)
    task(world)
    ann, bob = peers["ann"], peers["bob"]
    bob.ask("Hello", protocol=1, client="b")
    for peer in (ann, bob):
        assert peer.ask("Watch")["errid"] == OK
    ann.ask("SetPerson", user="ann", name="Anna")
    admin(world).ask("Update", id="t", description="x", own=False)
    assert len(ann.events) == 1
    admin(world).ask("SetPerson", user="bob", groups=["paint"])
    assert bob.byes[0]["errid"] == 1004
    assert not bob.open


def test_figures_are_of_what_one_sees(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", with_board=True)
    office(world)
    task(world, group_id="paint", user="eve", checker="ann", status=REVIEW)
    task(world, "u", group_id="paint")
    assert http(world, person_of(world, "ann"), "Figures")["states"] == {REVIEW: 1}
    world.close()


def test_the_day_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Figures from before the restart are neither lost nor counted twice."""
    world = World(tmp_path, passwordless="everywhere", with_board=True)
    office(world)
    task(world)
    world.advance(10)
    assert admin(world).ask("Claim", id="t", user="ann")["errid"] == OK
    assert world.web is not None
    world.web.figures.tick()
    world.web.figures.store()
    world.drain()
    world.restart()
    world.web.figures.tick()
    told = http(world, BOSS, "Figures")
    assert told["states"] == {CLAIMED: 1}
    assert sum(one["events"].get("claimed", 0) for one in told["day"]) == 1
    assert told["claim_s"] == pytest.approx(10)
    world.close()


# The worst moment


def test_a_service_that_was_dead_before_a_restart_is_not_announced_again(world: World) -> None:
    peer = world.connect("10.0.0.7:1")
    peer.ask("RegisterService", url=URL, name="Cutter")
    world.advance(37)
    world.restart()
    world.advance(40)
    assert state(world) == "dead"
    assert len(admin(world).ask("Audit", kinds=["service died"])["entries"]) == 1
    peer = world.connect("10.0.0.7:2")
    peer.ask("RegisterService", url=URL, name="Cutter")
    world.advance(2)
    assert len(admin(world).ask("Audit", kinds=["service came"])["entries"]) == 2


def beaten(world: World, times: int = 5) -> str:
    for _ in range(times):
        http(world, BOSS, "ServiceBeat", url=URL)
        world.advance(20)
    status: str = found(world)["status"]
    return status


def test_a_service_that_beats_keeps_its_tasks_whatever_it_says_of_them(world: World) -> None:
    http(world, BOSS, "RegisterService", url=URL)
    http(world, BOSS, "Register", id="t", name="n", status="running", url=URL)
    http(world, BOSS, "Update", id="t", status="half done")
    assert beaten(world) == "half done"
    world.connect("10.0.0.7:1").ask("RegisterService", url=URL)
    http(world, BOSS, "RegisterService", url=URL)
    world.restart()
    assert beaten(world) == "half done"
    world.restart()
    http(world, BOSS, "Register", id="t", name="n", status="anew", url=URL)
    assert beaten(world) == "anew"


def test_the_tasks_of_before_a_restart_are_looked_for_until_they_are_found(world: World) -> None:
    http(world, BOSS, "RegisterService", url=URL)
    http(world, BOSS, "Register", id="t", name="n", status="running", url=URL)
    world.restart()
    world.drain()
    query = world.database.query

    def fail(*_: Any, **__: Any) -> Any:
        raise Busy("no")

    world.database.query = fail  # type: ignore[method-assign]
    http(world, BOSS, "ServiceBeat", url=URL)
    world.database.query = query  # type: ignore[method-assign]
    assert beaten(world) == "running"


@pytest.mark.parametrize("status", ["running", "finish"])
def test_a_services_task_of_before_a_restart_may_become_anothers(world: World, status: str) -> None:
    """The commit that takes it away must come to its end: others wait for it too."""
    http(world, BOSS, "RegisterService", url=URL)
    http(world, BOSS, "Register", id="t", name="n", url=URL, status=status)
    world.restart()
    http(world, BOSS, "ServiceBeat", url=URL)
    watcher, peer = world.connect("10.0.0.8:1"), world.connect("10.0.0.8:2")
    watcher.ask("Watch")
    assert peer.ask("Register", id="t", name="n", status="running")["errid"] == OK
    assert len(watcher.events) == 1


def test_a_beat_from_elsewhere_keeps_no_connection_alive(world: World) -> None:
    peer = world.connect("10.0.0.7:1")
    peer.ask("RegisterService", url=URL)
    peer.ask("Register", id="t", name="n", status="running")
    assert beaten(world, 3) == "shutdown"
    assert state(world) == "alive"


def test_what_a_service_is_asked_for_is_its_own_and_leaves_people_theirs(tmp_path: Path) -> None:
    said = [{"ID": "t", "TaskType": "cut", "Status": "running"}, {"ID": "u", "Status": FREE}]
    world = World(tmp_path, passwordless="everywhere", fetch=lambda _url, _id, then: then(said))
    office(world)
    assert http(world, BOSS, "RegisterService", url=URL, fetch=True)["tasks"] == ["t", "u"]
    assert admin(world).ask("Claim", id="u", user="ann")["errid"] == OK
    assert http(world, BOSS, "FetchTasks", url=URL)["tasks"] == ["t", "u"]
    assert (found(world, "u")["status"], found(world, "u")["user"]) == (CLAIMED, "ann")
    # A finished task stays finished, and fields that the service does not give stay too.
    admin(world).ask("Submit", id="u", user="ann", word="look")
    admin(world).ask("Approve", id="u", word="fine")
    admin(world).ask("Update", id="t", progress="3/7", description="d", own=False)
    assert http(world, BOSS, "FetchTasks", url=URL)["tasks"] == ["t", "u"]
    assert (found(world, "u")["status"], found(world, "u")["reason"]) == ("finish", "fine")
    assert (found(world, "t")["progress"], found(world, "t")["description"]) == ("3/7", "d")
    assert beaten(world) == "running"
    said.append({"ID": ""})
    assert "the service's answer" in http(world, BOSS, "FetchTasks", url=URL).detail
    world.close()


def test_a_damaged_record_is_found_before_the_daemon_starts(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere")
    office(world)
    task(world, checker="ann")
    admin(world).ask("Query")
    assert backup.check(tmp_path, *standing(tmp_path)) == []
    world.database._writer.execute_sql("UPDATE task SET checker = 'eve'")
    (fault,) = backup.check(tmp_path, *standing(tmp_path))
    assert "found by" in fault.what
    world.database._writer.execute_sql("UPDATE record SET value = replace(value, 'Ann', 'Bob')")
    assert "records" in backup.check(tmp_path, *standing(tmp_path))[0].what
    world.close()


IDS, GROUPS = st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "cut", "paint"])
USERS = st.sampled_from(["", "ann", "bob"])
STATUSES = st.sampled_from([FREE, CLAIMED, REVIEW, "running", "finish", "failed", "odd"])
OPERATIONS = ["Register", "Update", "Claim", "Submit", "Reject", "Approve", "Release", "time"]
STEPS = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), IDS, STATUSES, GROUPS, USERS, USERS, st.booleans()),
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=STEPS)
def test_the_figures_are_what_a_count_would_find(history: list[Any]) -> None:
    """The figures hold after any history, with failed writes in it."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory), passwordless="everywhere", with_board=True)
        office(world)
        for operation, task_id, status, group, user, checker, full in history:
            if operation == "time":
                world.advance(31)
                continue
            world.database.full = full
            write = {"name": "n", "status": status, "group_id": group, "checker": checker}
            body = write if operation in ("Register", "Update") else {"reason": "r"}
            admin(world).ask(operation, id=task_id, user=user, **body)
        world.database.full = False
        told = admin(world).ask("Query", limit=1000)["tasks"]
        for user in ("ann", "bob", "lea", None):
            identity = BOSS if user is None else person_of(world, user)
            sight = identity.sight
            seen = [task for task in told if sight is None or sight.sees(task)]
            report = http(world, identity, "Figures")
            assert report["states"] == Counter(state_of(task["status"]) for task in seen)
            for person, load in report["load"].items():
                # What others have is told by group: a task that one only checks, outside of one's
                # groups, is not in it.
                theirs = [
                    task
                    for task in seen
                    if task["user"] == person
                    and (sight is None or person == user or task["group_id"] in sight.groups)
                ]
                held = [state_of(task["status"]) for task in theirs]
                waiting = Counter(state for state in held if status_class(state) == "waiting")
                assert load == waiting, (user, person)
        world.close()


def test_what_is_asked_by_http_counts_for_who_asks(tmp_path: Path) -> None:
    """Each request has a session of its own, and all share the rate of their identity."""
    world = World(tmp_path, passwordless="everywhere", identity_rate=5)
    office(world)
    core, runner, got = world.core, world.runner, []
    for _ in range(50):
        visitor = core.sessions.visit("10.0.0.50:1")
        core.identities.take_for(visitor, person_of(world, "ann"))
        runner.visit(runner.parse("People", {}), visitor, got.append)
        visitor.give_back()
    assert any(isinstance(one, Busy) for one in got)
    world.close()


def test_replies_are_json_whatever_is_asked(world: World) -> None:
    office(world)
    for operation in ("People", "Services", "Figures", "Status", "Query"):
        result = http(world, BOSS, operation)
        assert isinstance(result, (bytes, dict, Conflict))
        assert strictjson.dumps(result if isinstance(result, dict) else "")
