"""Everything that can be asked, by everybody, on every door, of every kind of task: who may?

What must hold is a table, `rights.txt`, derived from the model in `rights.py`; the daemon is asked
all of it. Nothing that is asked changes anything: every commit fails, and so a write that is
allowed is told 1001. After a change of the model, write the table anew and read its difference:

    RECORD=1 .venv/bin/python -m pytest tests/families/test_authorization.py
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import doors
import pytest
import rights
from argon2 import PasswordHasher

from taskdash_protocol.errors import StorageError
from taskdash_protocol.requests import REQUESTS
from taskdashd.domain.access import ROLES, Identity
from taskdashd.families.people import passwords
from taskdashd.testing import World

TABLE = Path(__file__).with_name("rights.txt")
HORSE = "correct horse"
SERVICE = "http://10.0.0.7:8080"
FREE, CLAIMED, EDITING, REVIEW = "待领取", "已领取", "编辑中", "待审核"
TOKENS = {
    name: Identity(name, who.role, who.groups or frozenset(), key=f"k-{name}")  # type: ignore[arg-type]
    for name, who in rights.TOKENS.items()
}
SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("request_rate", "identity_rate", "person_rate")),
    "with_board": True,
    "passwordless": "board",
    "fetch": lambda _url, _id, done: done([]),
}


@pytest.fixture(scope="module", autouse=True)
def _quick_hashes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(passwords, "_HASHER", cheap)
        yield


class House:
    """A daemon with people and tasks, of which nothing changes any more once it is closed."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.world = world = World(directory, **(SETTINGS | settings))
        world.identities = dict(TOKENS)
        boss = doors.Local(world).peer
        # All ask for new accounts from one address; how many it may make is no matter of rights.
        world.core.identities.sign_ups._most = len(rights.ROWS) ** 2
        self.app = doors.site(world)
        by_http = doors.Http(world, self.app, "boss")
        self.epochs: dict[str, int] = {}
        for user, about in {
            "ann": {"groups": ["cut"]},
            "bob": {"groups": ["cut"]},
            "pat": {"groups": ["cut"], "password": HORSE},
            "lea": {"groups": ["cut"], "role": "lead", "password": HORSE},
            "eve": {"groups": ["paint"]},
            "bare": {"role": "admin"},
            "root": {"role": "admin", "password": HORSE},
        }.items():
            assert boss.ask("SetPerson", user=user, name=user, **about)["errid"] == 0
        assert boss.ask("RegisterService", url=SERVICE, group_id="cut")["errid"] == 0
        statuses = {"free": FREE, "live": "running", "held": EDITING, "review": REVIEW}
        statuses["died"] = "failed"
        for name, target in rights.TARGETS.items():
            for user in rights.PEOPLE if target.user == "me" else (target.user,):
                if target.exists:
                    fields = {"group_id": target.group, "user": user, "fenced": target.fenced}
                    task = name_of(name, user if target.user == "me" else "")
                    body = {"id": task, "name": "n", "status": statuses[target.status], **fields}
                    if target.of_service:
                        told = by_http.tell("Register", body | {"url": SERVICE})
                    else:
                        told = boss.ask("Register", **body)
                    self.epochs[task] = told["epoch"]

    def close(self) -> None:
        """Have every commit fail from now on."""

        def refuse(*_: object) -> None:
            raise StorageError("nothing is kept")

        self.world.database.append = refuse  # type: ignore[method-assign]

    def __enter__(self) -> "House":
        return self

    def __exit__(self, *_: object) -> None:
        self.world.close()


def name_of(target: str, user: str) -> str:
    return f"{target} of {user}" if user else target


def target_of(task: str, person: str) -> rights.Target:
    """Give a task as it is for a person, who may be another than the one whose own it is."""
    target, _, user = task.partition(" of ")
    about = rights.TARGETS[target]
    return about if user in ("", person) else about._replace(user=user)


Make = Callable[[House], doors.Door]


def ways_in() -> Iterator[tuple[str, str, Make]]:
    """Give each identity with each door that it has, and how it comes in there."""
    yield "nobody", "tcp", lambda house: doors.Tcp(house.world)
    yield "nobody", "http", lambda house: doors.Http(house.world, house.app)
    yield "local", "tcp", lambda house: doors.Local(house.world)
    yield "ping", "tls", lambda house: doors.Certificate(house.world, "ping")
    yield "ping", "tcp, header", lambda house: doors.Header(house.world, "ping")
    yield "ping", "http", lambda house: doors.Http(house.world, house.app, "ping")
    for token in (one for one in rights.TOKENS if one != "ping"):
        yield token, "tcp", lambda house, token=token: doors.Tcp(house.world, token)
        yield token, "tcp, header", lambda house, token=token: doors.Header(house.world, token)
        yield token, "tcpx", lambda house, token=token: doors.Tcpx(house.world, token)
        yield token, "tls", lambda house, token=token: doors.Certificate(house.world, token)
        for door, made in WEB.items():
            yield token, door, lambda house, t=token, made=made: made(house.world, house.app, t)
    for name, who in rights.WHO.items():
        person, _, token = name.partition("/")
        if who.person:
            login = {"user": person, "password": HORSE if who.has_password else ""}
            for door, made in WEB.items():
                yield (
                    name,
                    door,
                    lambda house, login=login, token=token, made=made: made(
                        house.world, house.app, token, login
                    ),
                )
            if token:
                yield (
                    name,
                    "tcp",
                    lambda house, login=login, token=token: doors.LoggedIn(
                        house.world, token, login
                    ),
                )


WEB = {"http": doors.Http, "websocket": doors.Websocket, "original": doors.Original}


def open_ways_in() -> Iterator[tuple[str, str, Make]]:
    """Give who comes in where no token is asked for, and people sign in without one."""
    yield "anyone", "tcp", lambda house: doors.Tcp(house.world)
    for name, who in rights.PEOPLE.items():
        login = {"user": name, "password": HORSE if who.has_password else ""}
        yield name, "tcp", lambda house, login=login: doors.LoggedIn(house.world, "", login)


def body_of(row: str, who: rights.Who, house: House) -> tuple[str, dict[str, Any]]:
    """Give the operation and the body of what a row of the table asks."""
    operation, _, rest = row.partition(" ")
    target = next((name for name in rights.TARGETS if row.endswith(f" {name}")), "")
    if not target:
        return operation, beside(row, who)
    person = who.person or rights.FOR
    task = name_of(target, person if rights.TARGETS[target].user == "me" else "")
    if operation == "Audit":
        return operation, {"task": task}
    if operation == "Cancel":
        return operation, {"ids": [task]}
    body: dict[str, Any] = {"id": task}
    if operation == "Register":
        body |= {"name": "n", "status": "running", "group_id": rights.TARGETS[target].group}
    if operation == "Update":
        body["description"] = "x"
    if rest.startswith("aside"):
        body["own"] = False
    if rest.startswith("by epoch"):
        body["epoch"] = house.epochs.get(task, 1)
    if operation in rights.ACTS and not who.person:
        body["user"] = rights.FOR
    more = {"Assign": {"to": "ann"}, "Reject": {"reason": "r"}, "SetLabels": {"add": ["urgent"]}}
    return operation, body | more.get(operation, {})


def beside(row: str, who: rights.Who) -> dict[str, Any]:
    person = who.person or rights.FOR
    named = {} if who.person else {"user": rights.FOR}
    if row.startswith("Login "):
        name = row.removeprefix("Login ")
        password = HORSE if name in ("pat", "root") else ""
        return {"user": name, "name": name, "password": password}
    bodies: dict[str, dict[str, Any]] = {
        "Hello": {"protocol": 1},
        "Unwatch": {"watch": 999},
        "SetCalendar": {"name": "office", "hours": "Mon 09:00-12:00"},
        "Names": {"ids": ["cut"]},
        "SetView of a group": {"name": "V", "of": {"group": "cut"}, "query": "list"},
        "SetView oneself": {"name": "V", "query": "list"},
        "MergeGroups": {"from": "mix", "into": "mix"},
        "Handover": {"of": "bob", "to": ["ann"], **named},
        "RegisterService": {"url": SERVICE, "group_id": "cut"},
        "ServiceBeat": {"url": SERVICE},
        "FetchTasks": {"url": SERVICE},
        "Acknowledge service": {"url": SERVICE, **named},
        "RetireService": {"url": SERVICE},
        "SetPerson another": {"user": "bob", "name": "Robert"},
        "SetPerson oneself": {"user": person, "name": "N"},
        "SetPerson calendar": {"user": "bob", "calendar": ""},
        "Logout another": {"user": "bob"},
    }
    return bodies.get(row, {})


def offers(door: doors.Door, way: str, row: str, who: rights.Who) -> str | None:
    """Give the outcome where a door does not offer what a row asks; None where it does.

    The empty outcome: there is nothing that could be asked.
    """
    operation = row.partition(" ")[0]
    if who.role == "ping":
        return None if operation != "SignIn" else ""
    if operation == "SignIn":
        return None if way == "tcpx" else ""
    if way == "original":
        return None if operation == "Query" or row.startswith("Claim ") else ""
    if not door.offers_frames and not REQUESTS[operation].over_http:
        return rights.FORMAT
    if not door.sets_cookie and REQUESTS[operation].sets_cookie:
        return rights.FORMAT
    if not who.role and way == "tcp":
        # Who has yet to bring a token is asked for it before anything else.
        return rights.REFUSED
    return None


CAUSES = {"no-task": rights.ABSENT, "lead": rights.REFUSED, "": rights.CONFLICT}
"""What becomes of a task that a Cancel has left, by the cause."""


def outcome(errid: int) -> str:
    return rights.DONE if errid in (0, StorageError.errid) else str(errid)[-1]


def walk(house: House, name: str, way: str, door: doors.Door) -> Iterator[str]:
    """Ask all rows; give those that came out otherwise than they must."""
    who = rights.WHO[name]
    for row in rights.ROWS:
        wanted = offers(door, way, row, who)
        wanted = rights.may(row, who) if wanted is None else wanted
        if not wanted:
            continue
        operation, body = body_of(row, who, house)
        told = door.tell(operation, body)
        causes = [CAUSES[one["cause"]] for one in told.get("left", ())]
        got = causes[0] if causes else outcome(told["errid"])
        if got != wanted:
            yield f"{name} by {way}: {row}: {got}, and not {wanted}"


def test_the_table_is_what_the_model_says() -> None:
    text = "".join(f"{line}\n" for line in rights.table())
    if "RECORD" in os.environ:
        TABLE.write_text(text)
    assert TABLE.read_text() == text


def test_every_operation_and_every_role_is_in_the_table() -> None:
    """A new operation, or a new role of tokens, must say who may what."""
    asked = {row.partition(" ")[0] for row in rights.ROWS}
    assert asked == {*REQUESTS, "SignIn"}
    assert {who.role for who in rights.TOKENS.values()} == set(ROLES)
    assert {name for name, _, _ in (*ways_in(), *open_ways_in())} == set(rights.WHO)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Give a directory in memory: nothing here is about the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as one:
        yield Path(one)


def test_nobody_may_more_or_less_than_the_table_says(directory: Path) -> None:
    """Every identity, on every door that it has, asks for everything."""
    with House(directory / "tokens", asks_for_tokens=True) as house:
        inside = [(name, way, make(house)) for name, way, make in ways_in()]
        house.close()
        wrong = [one for name, way, door in inside for one in walk(house, name, way, door)]
    assert not wrong, "\n".join(wrong)


def test_so_it_is_where_no_token_is_asked_for(directory: Path) -> None:
    with House(directory / "open", passwordless="everywhere") as house:
        inside = [(name, way, make(house)) for name, way, make in open_ways_in()]
        house.close()
        wrong = [one for name, way, door in inside for one in walk(house, name, way, door)]
    assert not wrong, "\n".join(wrong)


def test_lists_hold_what_is_seen_and_nothing_else(directory: Path) -> None:
    """Query answers everybody; what it tells is what Find would."""
    with House(directory / "lists", asks_for_tokens=True) as house:
        for name, way, make in ways_in():
            if way not in ("tcp", "http") or name in ("nobody", "ping"):
                continue
            who, door = rights.WHO[name], make(house)
            seen = {task for task in house.epochs if rights.sees(who, target_of(task, who.person))}
            told = door.tell("Query", {"limit": 1000})["tasks"]
            assert {task["id"] for task in told} == seen, (name, way)
