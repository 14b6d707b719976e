"""Tasks that pings keep alive, each by an owner of its own: after restarts, stalls, disk faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from taskdash_protocol.errors import ServerError, StorageError
from taskdashd.core import pings
from taskdashd.core.ownership import PINGS
from taskdashd.core.steps import drive
from taskdashd.core.table import Caller
from taskdashd.domain.access import Identity
from taskdashd.domain.pings import Ping
from taskdashd.testing import World

BARE = Ping("", "", None, 10.0, "")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def ping(world: World, task_id: str, **more: object) -> ServerError | None:
    """Do a ping; give its refusal."""
    session = world.core.sessions.visit("10.0.0.9:1", Identity("a", "service"))
    caller = Caller(session, world.core, session.identity)
    said: list[ServerError | None] = []
    drive(pings.ping(BARE._replace(id=task_id)._replace(**more), caller), said.append)
    world.drain()
    return said.pop()


def status(world: World, task_id: str) -> str:
    peer = world.connect()
    told = str(peer.ask("Find", id=task_id)["status"])
    peer.close()
    return told


def test_each_task_lives_by_its_own_pings(world: World) -> None:
    for task_id in ("lives", "dies"):
        ping(world, task_id)
    for _ in range(3):
        world.advance(6)
        ping(world, "lives")
    assert (status(world, "lives"), status(world, "dies")) == ("up", "shutdown")
    peer = world.connect()
    assert peer.ask("Find", id="lives")["rev"] == 1


def test_a_beat_writes_nothing_and_moves_last_seen(world: World) -> None:
    ping(world, "t")
    before, commits = world.connect().ask("Find", id="t"), world.core.writer.commits
    world.advance(5)
    ping(world, "t")
    after = world.connect().ask("Find", id="t")
    assert world.core.writer.commits == commits
    assert after.pop("last_seen") > before.pop("last_seen")
    assert after == before


def test_after_a_restart_a_ping_counts_for_its_task_alone(world: World) -> None:
    for task_id in ("a", "b"):
        ping(world, task_id)
    world.restart()
    world.advance(6)
    ping(world, "a")
    world.advance(6)
    assert (status(world, "a"), status(world, "b")) == ("up", "shutdown")


def test_a_stall_that_is_found_late_prolongs_nothing(world: World) -> None:
    """A ping that came before the stall was found was stamped by a clock that ran on."""
    ping(world, "t")
    owner = world.core.liveness.owner_of("t")
    assert owner is not None
    assert owner.serial == PINGS
    owner.last_seen = world.core.clock.now() + 3600
    world.core.ownership.after_stall()
    assert owner.last_seen == world.core.clock.now()


def test_a_write_from_outside_is_no_ping(world: World) -> None:
    ping(world, "t")
    peer = world.connect()
    for _ in range(3):
        world.advance(4)
        peer.beat()
        peer.ask("Update", id="t", description="x", own=False)
    assert status(world, "t") == "shutdown"


def test_a_ping_that_the_disk_refuses_is_a_sign_of_life_all_the_same(world: World) -> None:
    ping(world, "t")
    world.advance(8)
    world.database.full = True
    assert isinstance(ping(world, "t", signal="start"), StorageError)
    world.database.full = False
    world.advance(8)
    assert status(world, "t") == "up"


def test_a_connection_takes_the_task_back(world: World) -> None:
    peer = world.connect()
    peer.ask("Register", id="t", name="n", status="busy", heartbeat_timeout=10)
    ping(world, "t", timeout_s=None)
    world.advance(6)
    peer.ask("Update", id="t", status="busy")
    peer.close()
    world.advance(6)
    ping(world, "other")
    assert status(world, "t") == "busy"
    world.advance(6)
    assert status(world, "t") == "shutdown"
