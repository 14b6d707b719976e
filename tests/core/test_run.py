"""The one runner: the same request comes to the same by every door."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskdash_protocol import strictjson
from taskdashd.core.replies import reply_body
from taskdashd.domain.access import ANYONE
from taskdashd.testing import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def visit(world: World, operation: str, **body: Any) -> list[dict[str, Any]]:
    """Ask as HTTP does, without a connection; the reply is in the list once it is known."""
    replies: list[dict[str, Any]] = []
    session = world.core.sessions.visit("10.0.0.7:9", ANYONE)
    request = world.runner.parse(operation, body)
    world.runner.visit(
        request,
        session,
        lambda outcome: replies.append(
            strictjson.loads(reply_body(request, outcome), depth_max=strictjson.REPLY_DEPTH_MAX)
        ),
    )
    return replies


def by_every_door(world: World, operation: str, **body: Any) -> list[dict[str, Any]]:
    visited = visit(world, operation, **body)
    world.drain()
    return [world.connect().ask(operation, **body), *visited]


@pytest.mark.parametrize(
    ("operation", "body", "part", "method"),
    [
        ("Register", {"id": "a", "name": "n"}, "room", "check_live"),
        ("Find", {"id": "a"}, "clock", "stamp_of"),
        ("Query", {}, "liveness", "owner_of"),
        ("ServiceBeat", {"url": "http://10.0.0.7"}, "view", "records"),
    ],
)
def test_an_unexpected_fault_is_1001_by_every_door(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    body: dict[str, Any],
    part: str,
    method: str,
) -> None:
    """Whether the operation writes, reads or waits; the connection lives on."""
    peer = world.connect()
    peer.ask("Register", id="a", name="n", status="running")

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(getattr(world.core, part), method, broken)
    assert [reply["errid"] for reply in by_every_door(world, operation, **body)] == [1001, 1001]
    monkeypatch.undo()
    assert peer.ask("Find", id="a")["errid"] == 0


def test_a_read_waits_for_its_commit_however_many_writes_wait(tmp_path: Path) -> None:
    """A read is not refused because too many writes wait."""
    world = World(tmp_path, writes_waiting=1)
    service, reader = world.connect("service"), world.connect("reader")
    service.send("Register", {"id": "a", "name": "n"})
    assert not world.core.writer.idle
    reader.send("Find", {"id": "a"})
    visited = visit(world, "Find", id="a")
    refused = visit(world, "Register", id="b", name="n")
    world.drain()
    assert [reader.replies[0]["errid"], visited[0]["errid"]] == [0, 0]
    assert refused[0]["errid"] == 1005
    world.close()


@pytest.mark.parametrize("door", ["connection", "visit"])
def test_a_read_whose_commit_failed_gives_what_is_there(world: World, door: str) -> None:
    """The write is answered 1001; a read that waited for it shows the task as it was before."""
    peer, reader = world.connect(), world.connect()
    peer.ask("Register", id="a", name="n", description="old")
    world.database.full = True
    peer.send("Update", {"id": "a", "description": "new"})
    visited: list[dict[str, Any]] = []
    if door == "visit":
        visited = visit(world, "Find", id="a")
    else:
        reader.send("Find", {"id": "a"})
    world.drain()
    assert peer.replies[-1]["errid"] == 1001
    (found,) = [*visited, *reader.replies]
    assert (found["errid"], found["description"]) == (0, "old")


def test_what_is_about_a_connection_needs_one(world: World) -> None:
    assert not world.runner.offered.keys() & {"Hello", "Watch", "Unwatch"}
    assert world.runner.offered.keys() >= {"Register", "Find", "Login", "Claim"}
