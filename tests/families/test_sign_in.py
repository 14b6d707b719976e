"""Signing in by what one comes with, and being signed out: at once, and on every door."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from taskdash_protocol.errors import AuthError, ServerError
from taskdash_protocol.requests import Query
from taskdashd.core.session import Session
from taskdashd.domain.access import ANYONE, Identity
from taskdashd.families.people import passwords
from taskdashd.testing import Peer, World

OK = 0
HORSE = "correct horse"
TOKENS = {
    "boss": Identity("boss", "operator", key="k-boss"),
    "reader": Identity("reader", "reader", key="k-reader"),
    "kiosk": Identity("kiosk", "reader", frozenset({"cut"}), key="k-kiosk"),
    "service": Identity("service", "service", key="k-service"),
    "cutter": Identity("cutter", "service", frozenset({"cut", "sound"}), key="k-cutter"),
}


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords as cheaply as can be: each test has some, and none is about their cost."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", cheap)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A daemon that asks for tokens, and a worker, a lead and two admins."""
    world = World(tmp_path, asks_for_tokens=True)
    world.identities = dict(TOKENS)
    people(world)
    yield world
    world.close()


def people(world: World, boss: Peer | None = None) -> None:
    boss = boss or connect(world, "boss")
    for user, about in {
        "ann": {"groups": ["cut", "paint"]},
        "pat": {"groups": ["cut"], "password": HORSE},
        "lea": {"groups": ["cut", "paint"], "role": "lead"},
        "bare": {"role": "admin"},
        "root": {"role": "admin", "password": HORSE},
    }.items():
        assert boss.ask("SetPerson", user=user, name=user.title(), **about)["errid"] == OK
    for task, fields in {
        "cut": {"group_id": "cut"},
        "paint": {"group_id": "paint"},
        "sound": {"group_id": "sound"},
        "own sound": {"group_id": "sound", "user": "ann"},
        "own paint": {"group_id": "paint", "user": "ann"},
        "nobodys": {"group_id": ""},
    }.items():
        body = {"id": task, "name": task, "status": "待领取", **fields}
        assert boss.ask("Register", **body)["errid"] == OK


def connect(world: World, token: str = "", address: str = "10.0.0.1:1") -> Peer:
    peer = world.connect(address)
    if token:
        assert peer.ask("Hello", protocol=1, token=token)["errid"] == OK
    return peer


def browse(
    world: World,
    operation: str,
    /,
    token: str = "",
    secret: tuple[str, str] = ("", ""),
    **body: Any,
) -> tuple[Any, Session]:
    """Ask over HTTP, by a token or by a cookie's person and secret."""
    session = world.core.sessions.visit("10.0.0.1:2", world.identities.get(token))
    if secret[0]:
        world.core.identities.come_back(session, *secret)
    got: list[Any] = []
    world.runner.visit(world.runner.parse(operation, body), session, got.append)
    world.drain()
    return got[0], session


def seen(peer: Peer) -> set[str]:
    return {task["id"] for task in peer.ask("Query", limit=1000)["tasks"]}


# By what one comes with


@pytest.mark.parametrize("token", ["reader", "kiosk"])
@pytest.mark.parametrize("user", ["ann", "pat", "bare", "root", "nobody"])
def test_over_a_readers_token_nobody_signs_in(world: World, token: str, user: str) -> None:
    """Row 5: a reader of one group became administrator, by the number of one."""
    peer = connect(world, token)
    for _ in range(7):
        assert peer.ask("Login", user=user, name="X", password=HORSE)["errid"] == 1003
    assert peer.connection.session.identity == TOKENS[token]
    refused, session = browse(world, "Login", token=token, user=user, name="X", password=HORSE)
    assert isinstance(refused, AuthError)
    assert not session.secret
    assert world.core.identities.person("nobody") is None
    # None of that was a wrong sign-in: the address is not made to wait.
    assert connect(world, "boss").ask("Login", user="pat", password=HORSE)["name"] == "Pat"


def test_over_a_services_token_a_person_is_what_both_are(world: World) -> None:
    peer = connect(world, "cutter")
    before = seen(peer)
    assert before == {"cut", "sound", "own sound"}
    assert peer.ask("Login", user="ann")["errid"] == OK
    assert seen(peer) == {"cut", "own sound"}
    found = {task: peer.ask("Find", id=task)["errid"] for task in ("own paint", "sound", "nobodys")}
    assert set(found.values()) == {1002}
    assert peer.ask("Query", where={"group_id": "paint"})["tasks"] == []
    assert {one["user"] for one in peer.ask("People")["people"]} == {"ann", "lea", "pat"}
    assert peer.ask("Claim", id="own paint")["errid"] == 1002
    assert peer.ask("Claim", id="cut")["errid"] == OK
    assert peer.ask("Register", id="x", name="x", group_id="cut")["errid"] == 1003
    lead = connect(world, "cutter")
    assert lead.ask("Login", user="lea")["leads"] == ["cut", "paint"]
    assert lead.ask("Assign", id="own paint", to="lea")["errid"] == 1002
    assert lead.ask("Assign", id="cut", to="lea")["user"] == "lea"
    assert lead.ask("Audit", task="own paint")["errid"] == 1002
    # A service of all groups bounds nobody.
    free = connect(world, "service")
    assert free.ask("Login", user="ann")["errid"] == OK
    assert seen(free) == {"cut", "paint", "own sound", "own paint", "nobodys"}


def test_a_watch_over_a_services_token_is_bounded_too(world: World) -> None:
    peer, boss = connect(world, "cutter"), connect(world, "boss")
    assert peer.ask("Login", user="ann")["errid"] == OK
    assert peer.ask("Watch")["errid"] == OK
    for task in ("cut", "own paint", "sound", "own sound", "nobodys"):
        assert boss.ask("Update", id=task, description="x", own=False)["errid"] == OK
    assert [event["task"]["id"] for event in peer.events] == ["cut", "own sound"]


def test_over_a_services_token_nobody_is_an_admin(world: World) -> None:
    for token in ("cutter", "service"):
        for user, password in (("root", HORSE), ("bare", "")):
            refused = connect(world, token).ask("Login", user=user, password=password)
            assert (refused["errid"], refused["cause"]) == (1003, "admin")
    # Nor by becoming one while they are signed in.
    peer, boss = connect(world, "cutter"), connect(world, "boss")
    assert peer.ask("Login", user="pat", password=HORSE)["errid"] == OK
    assert boss.ask("SetPerson", user="pat", role="admin")["errid"] == OK
    assert not peer.open


def test_over_an_operators_token_anybody_signs_in_but_an_admin_without_a_password(
    world: World,
) -> None:
    for user, password in (("ann", ""), ("pat", HORSE), ("root", HORSE)):
        peer = connect(world, "boss")
        assert peer.ask("Login", user=user, password=password)["errid"] == OK
        assert (seen(peer) == seen(connect(world, "boss"))) is (user == "root")
    refused = connect(world, "boss").ask("Login", user="bare")
    assert (refused["errid"], refused["cause"]) == (1003, "password-required")
    assert "`taskdash-ctl person bare --password`" in refused["detail"]


@pytest.mark.parametrize("where", ["board", "everywhere", "off"])
def test_where_people_without_a_password_sign_in(tmp_path: Path, where: str) -> None:
    """On the board, unless a setting says otherwise; with a password, everywhere."""
    world = World(tmp_path, passwordless=where)
    people(world, connect(world))
    for user, password, by_tcp, by_web in (
        ("ann", "", where == "everywhere", where != "off"),
        ("newcomer", "", where == "everywhere", where != "off"),
        ("pat", HORSE, True, True),
        ("secure newcomer", HORSE, where != "board", True),
        ("bare", "", False, False),
        ("root", HORSE, True, True),
    ):
        number = user.replace(" ", "-")
        body = {"user": number, "name": number.title() if "new" in number else ""}
        for _ in range(6):
            told, session = browse(world, "Login", **body, password=password)
            assert (not isinstance(told, ServerError)) is by_web, (user, told)
            assert bool(session.secret) is by_web
            if not by_web:
                assert told.cause == "password-required"
        # Six refusals for want of a password are no wrong sign-in.
        reply = connect(world).ask("Login", **body, password=password)
        assert (reply["errid"] == OK) is by_tcp, (user, reply)
        if not by_tcp:
            assert (reply["cause"], reply["values"]) == ("password-required", {"user": number})
    world.close()


def test_who_may_sign_in_nowhere_any_more_does_not_come_back(tmp_path: Path) -> None:
    """A cookie from before counts no longer, once nobody signs in without a password."""
    world = World(tmp_path)
    people(world, connect(world))
    secrets = {
        user: browse(world, "Login", user=user, password=password)[1].secret
        for user, password in (("ann", ""), ("pat", HORSE))
    }

    def who(user: str) -> str:
        session = world.core.sessions.visit("10.0.0.1:3")
        world.core.identities.come_back(session, user, secrets[user])
        return "" if session.identity is None else session.identity.person

    assert {who(user) for user in secrets} == {"ann", "pat"}
    world.live.passwordless = "off"
    assert {who(user) for user in secrets} == {"", "pat"}
    world.live.passwordless = "board"
    assert connect(world).ask("SetPerson", user="ann", role="admin")["errid"] == OK
    assert who("ann") == "", "an admin has a password"
    world.close()


def test_a_service_makes_itself_nobodys_equal_by_a_password(world: World) -> None:
    """A service vouches for people who prove nothing: it must not set what they would prove."""
    peer = connect(world, "service")
    assert peer.ask("Login", user="ann")["errid"] == OK
    for operation, body in (
        ("SetPerson", {"user": "ann", "password": "another horse"}),
        ("SetPerson", {"user": "ann", "name": "Anna"}),
        ("Logout", {"everywhere": True}),
    ):
        assert peer.ask(operation, **body)["cause"] == "password-required", operation
    proved = connect(world, "service")
    assert proved.ask("Login", user="pat", password=HORSE)["errid"] == OK
    own = {"user": "pat", "password": "another horse", "old_password": HORSE}
    assert proved.ask("SetPerson", **own)["errid"] == OK
    assert proved.ask("Logout")["errid"] == OK
    assert proved.connection.session.identity == TOKENS["service"]


def test_a_cookie_that_a_token_vouched_for_is_bounded_by_it_and_ends_with_it(world: World) -> None:
    told, session = browse(world, "Login", token="cutter", user="ann")
    assert told["user"] == "ann"
    cookie = ("ann", session.secret)
    page, _ = browse(world, "Query", secret=cookie, limit=1000)
    assert b'"paint"' not in page
    assert b'"own sound"' in page
    # A token of the same name that is made anew is another one.
    world.identities["cutter"] = Identity("cutter", "service", TOKENS["cutter"].groups, key="new")
    assert isinstance(browse(world, "Query", secret=cookie)[0], AuthError)
    world.identities["cutter"] = TOKENS["cutter"]
    assert browse(world, "Query", secret=cookie)[1].identity is not None
    world.revoked.add("k-cutter")
    assert isinstance(browse(world, "Query", secret=cookie)[0], AuthError)


def test_a_warning_tells_nothing_beyond_the_token(world: World) -> None:
    """What one did last is told, of the tasks that the token sees."""
    near = connect(world, "boss")
    assert near.ask("Login", user="ann")["errid"] == OK
    assert near.ask("Claim", id="own paint")["errid"] == OK
    assert near.ask("Claim", id="own sound")["errid"] == OK
    warned = connect(world, "cutter", "10.9.9.9:1").ask("Login", user="ann")
    assert [did["task"] for did in warned["last"]["did"]] == ["own sound"]


# Signed out


def put_out(world: World, how: str) -> None:
    boss = connect(world, "boss")
    if how == "revoked":
        world.revoked.add("k-service")
        world.core.identities.check_tokens(lambda token: token.key not in world.revoked)
        return
    change: dict[str, Any] = {
        "password": {"password": "another horse"},
        "inactive": {"active": False},
        "admin": {"role": "admin"},
        "out of the group": {"groups": ["paint"]},
    }[how]
    assert boss.ask("SetPerson", user="pat", **change)["errid"] == OK


def begun(world: World) -> list[Any]:
    """Go on until a look at the disk has begun, and give it: it lasts until it is put back."""
    world.sweep()
    while not world.reading.jobs:
        world.writing.step()
        world.sweep()
    looks = list(world.reading.jobs)
    world.reading.jobs.clear()
    return looks


@pytest.mark.parametrize("how", ["revoked", "password", "inactive", "admin", "out of the group"])
def test_a_watch_ends_at_once(world: World, how: str) -> None:
    peer = connect(world, "service")
    assert peer.ask("Login", user="pat", password=HORSE)["errid"] == OK
    assert peer.ask("Watch")["errid"] == OK
    put_out(world, how)
    connect(world, "boss").ask("Update", id="cut", description="x", own=False)
    assert peer.events == []
    assert not peer.open
    assert peer.byes[0]["errid"] == (1004 if how == "out of the group" else 1003)


@pytest.mark.parametrize("how", ["revoked", "password", "inactive", "admin"])
def test_what_waits_behind_a_long_look_is_not_done_any_more(world: World, how: str) -> None:
    """What was asked is done as nobody, neither person nor token; what was read is not told."""
    peer = connect(world, "service")
    assert peer.ask("Login", user="pat", password=HORSE)["errid"] == OK
    peer.send("Query", {"limit": 1000})
    peer.send("Claim", {"id": "cut"})
    peer.send("Register", {"id": "new", "name": "n"})
    looks = begun(world)
    put_out(world, how)
    world.reading.jobs.extend(looks)
    world.drain()
    assert [reply["errid"] for reply in peer.replies] == [1003]
    assert "tasks" not in peer.replies[0]
    boss = connect(world, "boss")
    assert boss.ask("Find", id="cut")["user"] == ""
    assert boss.ask("Find", id="new")["errid"] == 1002


@pytest.mark.parametrize("how", ["revoked", "password", "inactive", "admin"])
def test_a_long_look_over_http_is_not_told_either(world: World, how: str) -> None:
    _, session = browse(world, "Login", token="service", user="pat", password=HORSE)
    cookie = "pat", session.secret
    by_cookie, by_token = world.core.sessions.visit("10.0.0.1:4"), TOKENS["service"]
    world.core.identities.come_back(by_cookie, *cookie)
    sessions = [by_cookie, world.core.sessions.visit("10.0.0.1:5", by_token)]
    got: list[Any] = []
    for one in sessions:
        world.runner.visit(Query({}, "id", 10, None), one, got.append)
    looks = begun(world)
    put_out(world, how)
    world.reading.jobs.extend(looks)
    world.drain()
    refused = [isinstance(one, AuthError) for one in got]
    assert refused == [True, how == "revoked"]
    # A body that comes after the sign-out is not done: the head alone was looked at before.
    got.clear()
    for one in sessions:
        world.runner.visit(
            world.runner.parse("Claim", {"id": "cut", "user": "pat"}), one, got.append
        )
    world.drain()
    assert isinstance(got[0], AuthError)


def test_ones_own_new_password_keeps_the_connection_that_gave_it(world: World) -> None:
    own, other, cookie = connect(world, "boss"), connect(world, "boss"), connect(world, "boss")
    for peer in (own, other):
        assert peer.ask("Login", user="pat", password=HORSE)["errid"] == OK
    _, session = browse(world, "Login", user="pat", password=HORSE)
    change = {"user": "pat", "password": "another horse", "old_password": HORSE}
    assert own.ask("SetPerson", **change)["errid"] == OK
    assert own.ask("SetPerson", user="pat", name="Patty")["name"] == "Patty"
    assert not other.open
    assert cookie.open, "it is signed in as nobody but its token"
    assert isinstance(browse(world, "People", secret=("pat", session.secret))[0], AuthError)
    # The next sign-out puts it out as any other.
    assert connect(world, "boss").ask("Logout", user="pat")["errid"] == OK
    assert not own.open


def test_ones_own_new_password_that_is_not_stored_changes_nothing(world: World) -> None:
    own = connect(world, "boss")
    assert own.ask("Login", user="pat", password=HORSE)["errid"] == OK
    world.database.full = True
    change = {"user": "pat", "password": "another horse", "old_password": HORSE}
    assert own.ask("SetPerson", **change)["errid"] == 1001
    world.database.full = False
    assert own.ask("SetPerson", user="pat", name="Patty")["name"] == "Patty"
    assert connect(world, "boss").ask("Logout", user="pat")["errid"] == OK
    assert not own.open


def test_who_is_put_out_while_giving_a_new_password_is_out(world: World) -> None:
    """The own change does not put a connection out, but another's does, also in the same commit."""
    own, boss = connect(world, "boss"), connect(world, "boss")
    assert own.ask("Login", user="pat", password=HORSE)["errid"] == OK
    own.send("SetPerson", {"user": "pat", "password": "another horse", "old_password": HORSE})
    boss.send("SetPerson", {"user": "pat", "active": False})
    world.drain()
    assert boss.replies.pop()["errid"] == OK
    assert not own.open
    person = world.core.identities.person("pat")
    assert person is not None
    assert not person.active


def test_signing_out_everywhere_keeps_ones_own_connection_as_its_token(world: World) -> None:
    own, other = connect(world, "boss"), connect(world, "boss")
    for peer in (own, other):
        assert peer.ask("Login", user="pat", password=HORSE)["errid"] == OK
    assert own.ask("Logout", everywhere=True)["errid"] == OK
    assert own.connection.session.identity == TOKENS["boss"]
    assert not other.open


def test_an_admin_whose_password_is_taken_is_out(tmp_path: Path) -> None:
    """SetPerson removes it as before; nobody signs in as that account until it has another."""
    world = World(tmp_path)
    people(world, connect(world))
    root = connect(world)
    assert root.ask("Login", user="root", password=HORSE)["errid"] == OK
    assert connect(world).ask("SetPerson", user="root", password="")["errid"] == OK
    assert not root.open
    assert connect(world).ask("Login", user="root")["cause"] == "password-required"
    assert connect(world).connection.session.identity is ANYONE
    world.close()
