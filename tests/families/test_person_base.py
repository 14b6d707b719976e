"""Two who change accounts at once: nobody is overwritten unseen, and no change is lost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_people import admin, known, office
from test_people_attacks import begin, http, person_of

from taskdash_protocol.errors import AuthError, BadRequest, Conflict
from taskdashd.domain.access import Identity
from taskdashd.testing import World

BOSS = Identity("boss", "operator", key="b")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def set_person(world: World, user: str, identity: Identity = BOSS, **about: Any) -> Any:
    return http(world, identity, "SetPerson", user=user, **about)


def rev_of(world: World, user: str) -> int:
    (one,) = (one for one in admin(world).ask("People")["people"] if one["user"] == user)
    rev: int = one["rev"]
    return rev


def test_a_new_account_is_never_one_that_there_is(world: World) -> None:
    """The account was overwritten: a lead became a worker without groups, and nobody was told."""
    office(world)
    for typed in ("lea", "ｌｅａ", " lea "):
        refused = set_person(world, typed, name="Leo", role="worker", groups=[], new=True)
        assert (type(refused), refused.cause) == (Conflict, "exists"), typed
        assert refused.values == {"user": "lea", "name": "Lea"}
        assert "Lea (lea)" in refused.detail
    assert person_of(world, "lea").leads == {"cut"}
    made = set_person(world, "kim", name="Kim", groups=["cut"], new=True)
    assert (made["name"], made["groups"]) == ("Kim", ["cut"])
    assert set_person(world, "kim", name="Kim", new=True).cause == "exists"
    assert set_person(world, "kim", new=False, role="lead")["role"] == "lead"


def test_of_two_new_accounts_of_one_number_at_once_the_first_is_made(world: World) -> None:
    """The first waits for its commit when the second is decided."""
    first = begin(world, BOSS, "SetPerson", user="kim", name="Kim", new=True)
    second = begin(world, BOSS, "SetPerson", user="kim", name="Tom", new=True)
    world.drain()
    assert first[0]["name"] == "Kim"
    assert (second[0].cause, second[0].values["name"]) == ("exists", "Kim")


def test_who_knows_an_account_as_it_was_does_not_change_it(world: World) -> None:
    """The second of two admins is told what it is now, and may say so to change it all the same."""
    office(world)
    base = rev_of(world, "ann")
    one = begin(world, BOSS, "SetPerson", user="ann", groups=["cut", "paint"], base=base)
    other = begin(world, BOSS, "SetPerson", user="ann", role="lead", base=base)
    world.drain()
    assert one[0]["groups"] == ["cut", "paint"]
    assert (type(other[0]), other[0].cause) == (Conflict, "stale")
    assert other[0].values == {
        "user": "ann",
        "name": "Ann",
        "role": "worker",
        "groups": "cut, paint",
        "leads": "",
        "active": "true",
        "calendar": "",
        "rev": f"{one[0]['rev']}",
    }
    assert "groups cut, paint" in other[0].detail
    again = set_person(world, "ann", role="lead", base=int(other[0].values["rev"]))
    assert (again["role"], again["groups"]) == ("lead", ["cut", "paint"])
    assert again["rev"] > one[0]["rev"]


def test_a_password_is_a_change_and_a_sign_in_is_none(world: World) -> None:
    """Somebody who signs in while an admin edits must not have the edit refused."""
    peers = office(world)
    base = rev_of(world, "ann")
    assert world.connect("10.0.0.1:9").ask("Login", user="ann")["errid"] == 0
    peers["ann"].ask("Logout", everywhere=True)
    assert rev_of(world, "ann") == base
    assert set_person(world, "ann", name="Ann", base=base)["rev"] == base, "nothing has changed"
    set_person(world, "ann", password="correct horse")
    assert set_person(world, "ann", password="other horses", base=base).cause == "stale"


def test_what_an_account_is_is_told_to_nobody_who_may_not_change_it(world: World) -> None:
    """A refusal that says who it is comes after the look at who asks."""
    office(world)
    ann, lea = person_of(world, "ann"), person_of(world, "lea")
    for body in ({"new": True}, {"base": 0}, {"base": 0, "calendar": "office"}):
        assert isinstance(set_person(world, "eve", ann, name="E", **body), AuthError), body
        assert isinstance(set_person(world, "nobody", ann, name="E", **body), AuthError), body
    assert isinstance(set_person(world, "eve", lea, calendar="office", base=0), AuthError)
    assert set_person(world, "ann", ann, new=True).values["name"] == "Ann"
    base = rev_of(world, "bob")
    assert set_person(world, "bob", lea, calendar="office", base=base)["calendar"] == "office"
    assert set_person(world, "bob", lea, calendar="", base=base).cause == "stale"


def test_a_base_is_of_an_account_that_there_is(world: World) -> None:
    refused = set_person(world, "kim", name="Kim", base=5)
    assert (type(refused), refused.cause) == (Conflict, "no-person")
    assert isinstance(set_person(world, "kim", name="Kim", base=5, new=True), BadRequest)


def test_accounts_from_before_have_no_rev_yet(world: World, tmp_path: Path) -> None:
    """A record of an older daemon counts as unchanged since whatever one has read."""
    office(world)
    record = dict(world.core.view.records.committed("person", "ann") or {})
    del record["rev"]
    world.core.writer.write(lambda tx: tx.keep("person", "ann", record), lambda _: None)
    world.core.writer.flush()
    world.drain()
    assert rev_of(world, "ann") == 0
    assert set_person(world, "ann", role="lead", base=0)["role"] == "lead"
    assert set_person(world, "ann", role="worker", base=0).cause == "stale"


def test_who_says_neither_makes_or_changes_as_before(world: World) -> None:
    known(world, ann={})
    reply = admin(world).ask("SetPerson", user="ann", name="Anna")
    assert (reply["errid"], reply["name"]) == (0, "Anna")


def test_the_audit_says_what_was_set_in_words(world: World) -> None:
    known(world, ann={})
    boss = admin(world)
    boss.ask("SetPerson", user="ann", groups=["cut", "paint"], role="lead", leads=["cut"])
    boss.ask("SetPerson", user="ann", groups=[], active=False)
    world.advance(2)
    told = [one["why"] for one in boss.ask("Audit", kinds=["person set"])["entries"]]
    assert told[:2] == [
        "ann: groups none, active false",
        "ann: role lead, groups cut, paint, leads cut",
    ]


def test_a_look_with_a_base_is_no_act_of_the_audit(world: World) -> None:
    office(world)
    set_person(world, "ann", base=rev_of(world, "ann"))
    set_person(world, "ann", base=rev_of(world, "ann"), name="Anna")
    world.advance(2)
    told = admin(world).ask("Audit", kind=["person set"])["entries"]
    assert [one["why"] for one in told if one["who"] == "boss"] == ["ann: name Anna"]
