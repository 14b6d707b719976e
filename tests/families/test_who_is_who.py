"""Nobody is more than they are: revoked while it is under way, and who is taken for whom."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from test_sign_in import HORSE, OK, TOKENS, browse, connect, people

from taskdash_protocol.errors import AuthError
from taskdashd.core.session import Session
from taskdashd.families.people import passwords
from taskdashd.testing import World

URL = "http://10.0.0.7:8080"


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", cheap)


@pytest.fixture
def fetched() -> list[Callable[[Any], None]]:
    """What waits for the answers of services."""
    return []


@pytest.fixture
def world(tmp_path: Path, fetched: list[Any]) -> Iterator[World]:
    """A daemon that asks for tokens, with people; services answer when a test says so."""
    world = World(
        tmp_path,
        asks_for_tokens=True,
        fetch=lambda _url, _id, done: fetched.append(done),
    )
    world.identities = dict(TOKENS)
    people(world)
    yield world
    world.close()


# Revoked while it is under way


def by_token(world: World, name: str) -> Session:
    return world.core.sessions.visit("10.0.0.1:5", TOKENS[name])


def by_cookie_over(world: World, name: str) -> Session:
    """Give a session of an admin's cookie, for whose sign-in a token has vouched."""
    _, session = browse(world, "Login", token=name, user="root", password=HORSE)
    visitor = world.core.sessions.visit("10.0.0.1:6")
    world.core.identities.come_back(visitor, "root", session.secret)
    assert visitor.identity is not None
    return visitor


@pytest.mark.parametrize("come", [by_token, by_cookie_over])
@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("SetPerson", {"user": "eve", "name": "Eve", "role": "admin", "password": HORSE}),
        ("Handover", {"of": "ann", "to": ["lea"]}),
        ("FetchTasks", {"url": URL}),
        ("Assign", {"id": "ｃｕｔ", "to": "ann"}),
    ],
)
def test_what_is_under_way_over_http_is_not_done_once_its_token_is_revoked(
    world: World,
    fetched: list[Any],
    come: Callable[[World, str], Session],
    operation: str,
    body: dict[str, Any],
) -> None:
    """A password is hashed, a service asked, a task loaded: a second after the revocation it was
    written all the same, also an administrator who outlived the token."""
    assert connect(world, "boss").ask("RegisterService", url=URL)["errid"] == OK
    session, got = come(world, "boss"), []
    world.core.view._cache.clear()
    world.runner.visit(world.runner.parse(operation, body), session, got.append)
    world.revoked.add("k-boss")
    world.drain()
    for done in fetched:
        done([{"id": "fetched", "name": "n", "status": "running"}])
    world.drain()
    assert isinstance(got[0], AuthError), got
    world.revoked.clear()
    assert world.core.identities.person("eve") is None
    boss = connect(world, "boss")
    assert boss.ask("Find", id="fetched")["errid"] == 1002
    assert boss.ask("Find", id="cut")["user"] == ""
    assert boss.ask("Find", id="own sound")["user"] == "ann"


# Who has an account, and which


def test_who_is_an_admin_is_told_to_who_proves_to_be_one(world: World) -> None:
    """Over a service's token, and by the original's pages, the refusal told of any number whether
    it was an administrator's, and was counted nowhere."""
    world.live.sign_up = False
    told = [
        connect(world, "service", f"10.0.1.{n}:1").ask("Login", user=user, password="wrong horse")
        for n, user in enumerate(("root", "pat", "nobody"))
    ]
    assert {(one["errid"], one["cause"]) for one in told} == {(1003, "wrong-sign-in")}
    errids = [
        connect(world, "service").ask("Login", user="root", password="wrong horse")["errid"]
        for _ in range(7)
    ]
    assert errids == [1003] * 5 + [1005] * 2


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("Claim", {"id": "cut"}),
        ("Claim", {"id": "nothing"}),
        ("Release", {"id": "cut"}),
        ("Handover", {"of": "ann", "to": ["lea"]}),
        ("Handover", {"of": "nobody", "to": ["lea"]}),
    ],
)
def test_a_service_learns_nothing_of_people_out_of_sight(
    world: World, operation: str, body: dict[str, Any]
) -> None:
    """Whom it could name told it which numbers have an account, and what those are called."""
    boss = connect(world, "boss")
    for user, active in (("zed", True), ("zoe", False)):
        about = {"name": "Secret", "groups": ["paint"], "active": active}
        assert boss.ask("SetPerson", user=user, **about)["errid"] == OK
    told = []
    for user in ("zed", "zoe", "nobody-else"):
        reply = connect(world, "cutter").ask(operation, **body, user=user)
        told.append((reply["errid"], reply["detail"].replace(user, "…"), reply["cause"]))
    assert set(told) == {(1004, "field user: there is no person '…'", "no-person")}


def test_a_service_acts_for_who_has_its_task_though_out_of_sight(world: World) -> None:
    boss = connect(world, "boss")
    assert boss.ask("SetPerson", user="zed", name="Zed", groups=["paint"])["errid"] == OK
    service = connect(world, "cutter")
    body = {"name": "n", "group_id": "cut", "status": "已领取", "user": "zed"}
    assert service.ask("Register", id="his", **body)["errid"] == OK
    assert service.ask("Release", id="his", user="zed")["status"] == "待领取"


# Taken for somebody else


def test_an_account_is_not_taken_for_a_token_of_its_name(world: World) -> None:
    """Whoever called themselves like a service, or `operator`, stood in the audit as it did."""
    world.live.sign_up = True
    who = {}
    for name in ("boss", "operator"):
        assert browse(world, "Login", user=name, name=name)[0]["welcome"]
        person = world.core.identities.person(name)
        assert person is not None
        session = world.core.sessions.visit("10.0.0.9:1")
        assert world.core.identities.sign_request(session, person)
        session.introduce("web")
        who[name] = session.author.name
    as_token = world.core.sessions.visit("10.0.0.9:1", TOKENS["boss"])
    as_token.introduce("web")
    assert as_token.author.name == "web (boss, 10.0.0.9:1)"
    assert who == {name: f"web ({name} ({name}), 10.0.0.9:1)" for name in ("boss", "operator")}


@pytest.mark.parametrize("name", ["Ann", "ANN", "Аnn", "A n n"])
def test_a_number_and_a_name_that_look_like_anothers_get_no_account(
    world: World, name: str
) -> None:
    """A borrowed letter in the name was enough to be `аnn`, called Ann, beside `ann`."""
    refused, _ = browse(world, "Login", user="аnn", name=name)
    assert refused.cause == "looks-like"
    assert browse(world, "Login", user="аnn", name="Bob")[0]["welcome"]
    boss = connect(world, "boss")
    assert boss.ask("SetPerson", user="аnn", name=name)["cause"] == "looks-like"


def test_a_service_that_signs_in_again_and_again_ends_nobodys_browsers(world: World) -> None:
    """Without a password it may sign people in, but not out: twenty sign-ins ended all others."""
    _, own = browse(world, "Login", user="ann")
    for _ in range(25):
        done, _ = browse(world, "Login", token="service", user="ann")
        if "confirm" in done:
            browse(world, "Login", token="service", user="ann", confirm=done["confirm"])
        world.advance(1)
    back = world.core.sessions.visit("10.0.0.1:7")
    world.core.identities.come_back(back, "ann", own.secret)
    assert back.identity is not None


# Guessing


def test_tries_of_numbers_that_nobody_has_do_not_hide_those_of_an_account(world: World) -> None:
    """Somebody with many addresses tried ten thousand names, and had an account's count of thirty
    forgotten in as many requests."""
    world.live.sign_up = False
    attempts = world.core.identities.attempts

    def guess(n: int, user: str) -> int:
        peer = connect(world, "service", f"10.1.0.{n}:1")
        errid: int = peer.ask("Login", user=user, password="wrong horse")["errid"]
        peer.close()
        return errid

    assert {guess(n, "pat") for n in range(30)} == {1003}
    assert guess(99, "pat") == 1005
    for n in range(12_000):
        attempts.add(f"nobody{n}", f"10.2.{n // 200}.{n % 200}", is_there=False)
    assert guess(100, "pat") == 1005
    # One that is not there is told of alike.
    assert {guess(n, "nobody") for n in range(30)} == {1003}
    assert guess(101, "nobody") == 1005


@pytest.mark.parametrize("user", ["pat", "new"])
@pytest.mark.parametrize("is_hashed", [False, True])
def test_nobody_signs_in_over_a_token_that_is_revoked_meanwhile(
    world: World, user: str, is_hashed: bool
) -> None:
    """The password was right, so a connection whose token had gone was the person's, unbounded."""
    login = {"user": user, "name": user.title(), "password": HORSE}
    by_http = login if user == "pat" else {**login, "user": "another"}
    world.live.passwords = True
    peer = connect(world, "cutter")
    session, got = world.core.sessions.visit("10.0.0.1:5", TOKENS["cutter"]), []
    peer.send("Login", login)
    world.runner.visit(world.runner.parse("Login", by_http), session, got.append)
    while is_hashed and world.reading.jobs:
        # What remains is the commit.
        world.reading.step()
    assert not peer.replies
    world.revoked.add("k-cutter")
    world.core.identities.check_tokens(lambda token: token.key not in world.revoked)
    world.drain()
    assert [reply["errid"] for reply in peer.replies] == [1003]
    assert peer.connection.session.identity is None
    assert isinstance(got[0], AuthError)
    assert not session.secret
