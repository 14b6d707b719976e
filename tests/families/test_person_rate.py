"""Who changes how much in a second: a person has a rate of its own, and boards are told once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from taskdash_protocol import strictjson
from taskdash_protocol.families.people import Login, SetPerson
from taskdash_protocol.families.tasks import Find
from taskdashd.core.session import Session
from taskdashd.domain.access import Identity
from taskdashd.testing import World

pytestmark = pytest.mark.fault(53)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere", with_board=True, person_rate=20)
    boss = world.connect()
    for user, groups in (("1001", ["cut"]), ("1002", ["cut"]), ("1003", ["paint"])):
        boss.ask("SetPerson", user=user, name=f"Name {user}", groups=groups)
    boss.ask("Register", id="a", name="n", status="待领取", group_id="cut")
    yield world
    world.close()


def visit(world: World, user: str, secret: str = "") -> Session:
    """Begin a session as a request over HTTP does, by a cookie with a secret."""
    person = world.core.identities.person(user)
    assert person is not None
    session = world.core.sessions.visit("10.0.0.1:5000")
    if secret:
        world.core.identities.come_back(session, user, secret)
    else:
        assert world.core.identities.sign_request(session, person)
    return session


def sign_in(world: World, user: str) -> str:
    """Sign a person in, and give the secret of the cookie."""
    session = world.core.sessions.visit("10.0.0.1:5000")
    assert ask(world, session, Login(user)) == 0
    return session.secret


def ask(world: World, session: Session, request: Any) -> int:
    outcomes: list[Any] = []
    world.runner.visit(request, session, outcomes.append)
    world.drain()
    (outcome,) = outcomes
    return getattr(outcome, "errid", 0)


def test_a_person_changes_so_much_in_a_second(world: World) -> None:
    """Over any number of sessions, of any door; reads are not counted, nor what others do."""
    secret, other = sign_in(world, "1001"), sign_in(world, "1002")
    done = [
        ask(world, visit(world, "1001", secret), SetPerson("1001", name=f"Ann {number}"))
        for number in range(150)
    ]
    assert done == [0] * 99 + [1005] * 51, "the sign-in was a change too"
    person = world.core.identities.person("1001")
    assert person is not None
    assert person.name == "Ann 98"
    assert ask(world, visit(world, "1001"), Find("a")) == 0
    assert ask(world, visit(world, "1002", other), SetPerson("1002", name="Eve")) == 0
    world.advance(1.0)
    done = [
        ask(world, visit(world, "1001", secret), SetPerson("1001", name=f"{number}"))
        for number in range(25)
    ]
    assert done == [0] * 20 + [1005] * 5


def test_on_a_connection_of_services_too(world: World) -> None:
    peer, service = world.connect(), world.connect()
    assert peer.ask("Login", user="1001", name="Name 1001")["errid"] == 0
    errids = [peer.ask(("Claim", "Release")[number % 2], id="a")["errid"] for number in range(130)]
    assert errids.count(0) == 99, "a sign-in is a change too"
    assert errids.count(1005) == 31
    for number in range(200):
        assert service.ask("Register", id=f"s{number}", name="n")["errid"] == 0


def test_signing_in_again_and_again_is_counted(world: World) -> None:
    """Each sign-in is a write to the log, whoever's cookie comes with it."""
    errids = []
    for _ in range(120):
        session = world.core.sessions.visit("10.0.0.9:1")
        errids.append(ask(world, session, Login("1003", name="Name 1003")))
    assert errids == [0] * 100 + [1005] * 20


def test_a_rate_that_is_off_is_off(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", person_rate=None)
    world.connect().ask("SetPerson", user="1001", name="Ann")
    secret = sign_in(world, "1001")
    done = {
        ask(world, visit(world, "1001", secret), SetPerson("1001", name=f"{n}")) for n in range(300)
    }
    assert done == {0}
    world.close()


class Wall:
    """An open board."""

    whose = "wall"

    def __init__(self, world: World, identity: Identity) -> None:
        self.identity = identity
        self.told: list[dict[str, Any]] = []
        assert world.web is not None
        world.web.boards.join(self, None)
        tell(world)
        self.told.clear()

    def become(self, identity: Identity) -> None:
        raise AssertionError

    def put(self, frame: bytes) -> None:
        size = frame[1]
        at = {126: 4, 127: 10}.get(size, 2)
        self.told.append(strictjson.loads(frame[at:], depth_max=strictjson.REPLY_DEPTH_MAX))

    def has_room(self) -> bool:
        return True


def tell(world: World) -> None:
    assert world.web is not None
    run = world.web.boards.run

    async def turn() -> None:
        with trio.move_on_after(1):
            await run()

    trio.run(turn, clock=trio.testing.MockClock(autojump_threshold=0))


def test_boards_are_told_of_the_person_who_changed_once(world: World) -> None:
    """However often it was, and of nobody else; who may not see them is told nothing."""
    secret = sign_in(world, "1001")
    cut, paint = (Wall(world, visit(world, user).identity) for user in ("1002", "1003"))
    for number in range(30):
        ask(world, visit(world, "1001", secret), SetPerson("1001", name=f"Ann {number}"))
    tell(world)
    (told,) = cut.told
    assert [(one["user"], one["name"]) for one in told["people"]] == [("1001", "Ann 29")]
    assert paint.told == []


def test_who_leaves_a_group_is_gone_for_those_who_see_no_other_of_theirs(world: World) -> None:
    cut, paint = (Wall(world, visit(world, user).identity) for user in ("1002", "1003"))
    everybody = Wall(world, Identity("boss", "operator"))
    world.connect().ask("SetPerson", user="1001", groups=["paint"])
    tell(world)
    assert cut.told[0]["people"] == [{"user": "1001", "name": None}]
    for wall in (paint, everybody):
        (one,) = wall.told[0]["people"]
        assert (one["user"], one["groups"]) == ("1001", ["paint"])


def test_who_is_as_before_is_no_news(world: World) -> None:
    wall = Wall(world, Identity("boss", "operator"))
    world.connect().ask("SetPerson", user="1001", name="Name 1001")
    tell(world)
    assert wall.told == []
