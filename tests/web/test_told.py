"""What boards are told, without sockets: a board in a world that is driven step by step."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from taskdashd.domain.access import ANYONE, Identity
from taskdashd.domain.times import stamp
from taskdashd.testing import WALL_START, World
from taskdashd.web.boards import Boards, Place, tag_of


class Wall:
    """A board of somebody who sees everything."""

    identity: Identity = ANYONE

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.reads = True

    def become(self, identity: Identity) -> None:
        """Take it for somebody else's from now on."""
        self.identity = identity

    def put(self, frame: bytes) -> None:
        """Take a message out of its frame (RFC 6455), whose header is as long as its length."""
        self.told.append(json.loads(frame[{126: 4, 127: 10}.get(frame[1], 2) :]))

    def has_room(self) -> bool:
        """Tell whether it reads: then at once."""
        return self.reads


def boards(world: World) -> Boards:
    assert world.web is not None
    return world.web.boards


def tell(world: World) -> None:
    """Let the daemon do all it has to do, and tell the boards of it."""
    world.drain()

    async def turn() -> None:
        with trio.move_on_after(1):
            await boards(world).run()

    trio.run(turn, clock=trio.testing.MockClock(autojump_threshold=0))


def test_nobody_is_told_twice_of_what_a_start_has_found(tmp_path: Path) -> None:
    """People and services of before the start are in the greeting, and are no news after it."""
    world = World(tmp_path, with_board=True)
    boss = world.connect()
    assert boss.ask("SetPerson", user="1001", name="Ann")["errid"] == 0
    assert boss.ask("RegisterService", url="http://cut", name="Cut")["errid"] == 0
    world.restart()
    wall = Wall()
    boards(world).join(wall, None)
    assert [one["user"] for one in wall.told[0]["people"]] == ["1001"]
    assert [one["url"] for one in wall.told[0]["services"]] == ["http://cut"]
    boss = world.connect()
    boss.ask("Register", id="a", name="n", status="running")
    tell(world)
    assert [one["task"]["id"] for one in wall.told[1]["events"]] == ["a"]
    assert not wall.told[1].keys() & {"people", "services"}
    boss.ask("SetPerson", user="1001", name="Anna")
    tell(world)
    assert [one["name"] for one in wall.told[2]["people"]] == ["Anna"]
    world.close()


@pytest.mark.parametrize(("count", "is_told"), [(3, True), (4, False)])
def test_more_than_a_message_holds_is_read_afresh(
    tmp_path: Path, count: int, is_told: bool
) -> None:
    """Large changes that come at once are not kept for every board."""
    world = World(tmp_path, with_board=True)
    boss, wall = world.connect(), Wall()
    boards(world).join(wall, None)
    for number in range(count):
        boss.ask("Register", id=f"{number}", name="n", status="finish", description="x" * 300_000)
    tell(world)
    (told,) = wall.told[1:]
    assert (told["rev"], told.get("afresh", False)) == (count, not is_told)
    assert len(told["events"]) == (count if is_told else 0)
    boss.ask("Register", id="small", name="n", status="finish")
    tell(world)
    assert [one["task"]["id"] for one in wall.told[2]["events"]] == ["small"], "it goes on"
    world.close()


def test_what_was_forgotten_while_a_board_came_back_is_read_afresh(tmp_path: Path) -> None:
    """The board is greeted anew too: it was not told how the services fared meanwhile."""
    world = World(tmp_path, with_board=True)
    boss, wall = world.connect(), Wall()
    for number in range(3):
        boss.ask("Register", id="a", name=f"{number}", status="running")
    world.advance(1)
    boards(world).join(wall, Place(1, tag_of(ANYONE)))
    (page,) = world.reading.jobs
    world.reading.jobs.clear()
    boss.ask("RegisterService", url="http://cut", name="Cut")
    tell(world)
    world.core.writer.forget(stamp(WALL_START + 1e6), stamp(WALL_START + 1e6))
    world.drain()
    assert len(wall.told) == 1
    world.reading.jobs.append(page)
    world.drain()
    assert wall.told[-1] == {"rev": 3, "afresh": True}
    assert [one["url"] for one in wall.told[-2]["services"]] == ["http://cut"]
    world.close()


def with_history(directory: Path) -> World:
    """Give a world whose log has more than two pages."""
    world = World(directory, with_board=True)
    boss = world.connect()
    for number in range(450):
        boss.send("Register", {"id": "a", "name": f"{number}", "status": "running"})
    world.drain()
    return world


def come_back(world: World) -> Wall:
    """Give a board that has missed all of the log."""
    wall = Wall()
    boards(world).join(wall, Place(0, tag_of(ANYONE)))
    return wall


def test_a_board_that_does_not_read_holds_one_page_and_is_told_the_rest_in_order(
    tmp_path: Path,
) -> None:
    world = with_history(tmp_path)
    wall = come_back(world)
    wall.reads = False
    world.drain()
    assert [one.get("events") for one in wall.told] == [None], "only the greeting"
    boards(world).resume(wall)
    assert not world.reading.jobs, "the next page is not read before this one is taken"
    wall.reads = True
    boards(world).resume(wall)
    world.drain()
    assert [one["rev"] for message in wall.told[1:] for one in message["events"]] == [
        *range(1, 451)
    ]
    assert [len(message["events"]) for message in wall.told[1:]] == [200, 200, 50, 0]
    world.close()


def test_a_board_that_leaves_or_changes_while_it_catches_up_is_told_nothing_old(
    tmp_path: Path,
) -> None:
    world = with_history(tmp_path)
    gone, changed = come_back(world), come_back(world)
    assert world.reading.jobs
    boards(world).leave(gone)
    boards(world).identity_changed(changed, Identity("r", "reader", frozenset({"g"})))
    world.drain()
    assert len(gone.told) == 1
    assert [[*one] for one in changed.told[2:]] == [["rev", "afresh"]]
    assert changed.told[1]["me"]["groups"] == ["g"]
    world.close()
