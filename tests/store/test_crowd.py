"""More writes than the disk takes: they wait with their connections, and nobody else does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskdash_protocol.families.tasks import Register
from taskdashd.testing import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    # Two commits of two rows are a crowd.
    world = World(tmp_path, commit_rows=2)
    yield world
    world.close()


def register_many(world: World, count: int) -> list[dict[str, object]]:
    peer = world.connect("many")
    for number in range(count):
        peer.send("Register", {"id": f"many-{number}", "name": "n"})
    return peer.replies


def test_writes_wait_with_their_connection_and_finds_of_others_do_not(world: World) -> None:
    """The queue stays short, and everything is answered in its order."""
    other = world.connect("other")
    other.ask("Register", id="known", name="n", status="finish")
    replies = register_many(world, 50)
    more = register_many(world, 50)
    assert world.core.writer.waiting_rows == 4
    other.send("Find", {"id": "known"})
    other.beat()
    world.sweep()
    assert [reply["id"] for reply in other.replies] == ["known"]
    assert not replies
    while world.writing.jobs or world.reading.jobs:
        assert world.core.writer.waiting_rows <= 4
        (world.writing if world.writing.jobs else world.reading).step()
        world.sweep()
    for some in (replies, more):
        assert [reply["id"] for reply in some] == [f"many-{number}" for number in range(50)]
        assert {reply["errid"] for reply in some} == {0}


def test_a_full_disk_leaves_nobody_waiting(world: World) -> None:
    """Each waiting write is tried, and answered with its outcome."""
    world.database.full = True
    replies = register_many(world, 20)
    world.drain()
    assert [reply["errid"] for reply in replies] == [1001] * 20
    world.database.full = False
    again = register_many(world, 20)
    world.drain()
    assert [reply["errid"] for reply in again] == [0] * 20


def test_a_connection_that_is_lost_while_it_waits_is_let_go(world: World) -> None:
    """Writes that the writer had not let in are not done."""
    peer = world.connect("lost")
    for number in range(20):
        peer.send("Register", {"id": f"lost-{number}", "name": "n"})
    peer.close()
    world.drain()
    other = world.connect("other")
    found = [other.ask("Find", id=f"lost-{number}")["errid"] for number in range(20)]
    assert found == [0] * 4 + [1002] * 16


def test_a_closed_connection_is_not_called_when_there_is_room(world: World) -> None:
    """The descriptor may be another connection's by then."""
    peer = world.connect("lost")
    for number in range(20):
        peer.send("Register", {"id": f"lost-{number}", "name": "n"})
    peer.close()
    called: list[object] = []
    peer.connection._touched = called.append
    world.drain()
    assert not called


def test_who_writes_much_keeps_no_other_waiting(world: World) -> None:
    """Room is given in rounds: an address that fills it again at once has its turn like others."""
    many = [world.connect(f"10.0.0.1:{number}") for number in range(3)]
    other, visit = world.connect("10.0.0.2:1"), world.core.sessions.visit("10.0.0.3:1")
    world.core.identities.take_for(visit, world.core.sessions.connect("10.0.0.3:2").identity)

    def flood() -> None:
        for peer in many:
            for _ in range(4):
                peer.send("Update", {"id": "big", "description": "x"})

    many[0].ask("Register", id="big", name="n", status="finish")
    flood()
    other.send("Register", {"id": "other", "name": "n"})
    told: list[object] = []
    register = Register.parse({"id": "visit", "name": "n"})
    world.runner.visit(register, visit, told.append)
    for _ in range(4):
        flood()
        world.sweep()
        while world.reading.jobs:
            world.reading.step()
        world.writing.step()
        world.sweep()
        assert world.core.writer.waiting_rows <= 4
    assert [reply["id"] for reply in other.replies] == ["other"]
    assert told
    world.drain()
    assert {len(peer.replies) for peer in many} == {20}


def test_since_when_a_task_is_held_is_told_after_a_restart(tmp_path: Path) -> None:
    """The log stores no held_since where it is the time of the change itself."""
    world = World(tmp_path)
    holder = world.connect("holder")
    holder.ask("Register", id="a", name="n", status="running", fenced=True)
    since = holder.ask("Find", id="a")["updated_at"]
    world.time += 5
    holder.ask("Update", id="a", description="later")
    before = world.connect("other").ask("Register", id="a", name="n", epoch=7)
    world.restart()
    after = world.connect("other").ask("Register", id="a", name="n", epoch=7)
    assert since in before["detail"]
    assert after["detail"] == before["detail"]
    world.restart()
    world.close()
