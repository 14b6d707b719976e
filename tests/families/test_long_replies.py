"""Replies with many rows are made in slices: others are served between two of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskdashd.testing import Peer, World

MANY = 400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, with_board=True, request_rate=None)
    yield world
    world.close()


def asked(world: World, peer: Peer, operation: str) -> tuple[dict[str, object], int]:
    """Ask; give the reply, and how often a bystander's Find was answered before it."""
    bystander, answered = world.connect("bystander"), 0
    bystander.ask("Find", id="x")
    before = len(peer.replies)
    peer.send(operation, {})
    world.sweep()
    while len(peer.replies) == before:
        bystander.send("Find", {"id": "x"})
        world.sweep()
        answered += len(bystander.replies)
        bystander.replies.clear()
        (world.writing if world.writing.jobs else world.reading).step()
        world.sweep()
    return peer.replies.pop(), answered


def test_people_and_services_are_made_in_slices(world: World) -> None:
    """After a start everything is made anew, and nobody waits for all of it."""
    peer = world.connect("operator")
    for number in range(MANY):
        peer.send("RegisterService", {"url": f"http://10.0.0.1:{number + 1}", "name": "s"})
        peer.send("SetPerson", {"user": str(1000 + number), "name": "p"})
    world.drain()
    world.restart()
    peer = world.connect("operator")
    for operation, name in (("People", "people"), ("Services", "services")):
        reply, answered = asked(world, peer, operation)
        rows = reply[name]
        assert isinstance(rows, list)
        assert len(rows) >= MANY
        assert answered >= 2, operation
    people, _ = asked(world, peer, "People")
    users = [one["user"] for one in people["people"]]  # type: ignore[attr-defined]
    assert users == sorted(users)
