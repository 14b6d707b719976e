"""What boards are told, without sockets: a board in a world that is driven step by step."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from taskdashd.domain.access import ANYONE, Identity
from taskdashd.domain.times import stamp
from taskdashd.store.slow import Place as Waits
from taskdashd.testing import WALL_START, World
from taskdashd.web.boards import Boards, Place, tag_of


class Wall:
    """A board of somebody who sees everything."""

    whose = "somebody"

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
    world.core.writer.chores.prune(stamp(WALL_START + 1e6), stamp(WALL_START + 1e6))
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


class InParts:
    """A section with news for five turns, which puts them off four times."""

    def __init__(self) -> None:
        self.turns = 0

    def whole(self, identity: Identity) -> bytes:
        """Greet with nothing."""
        return b""

    def news(self) -> Any:
        """Have news until they were told."""
        if self.turns == 5:
            return None
        self.turns += 1
        return lambda identity: b',"late":%d' % self.turns if self.turns == 5 else None


def test_news_that_are_put_off_come_soon_and_nothing_empty_before(tmp_path: Path) -> None:
    world = World(tmp_path, with_board=True)
    section = InParts()
    some = Boards(world.core.clock, world.core.feed, boards(world)._log, [section])
    wall = Wall()
    some.join(wall, None)
    some.kept([])

    async def turn() -> None:
        with trio.move_on_after(1):
            await some.run()

    trio.run(turn, clock=trio.testing.MockClock(autojump_threshold=0))
    assert [message.get("late") for message in wall.told] == [None, 5]
    world.close()


class OfOne:
    """A section with news for one person, once."""

    def __init__(self, person: str) -> None:
        self.person = person
        self.is_new = True

    def whole(self, identity: Identity) -> bytes:
        """Greet with nothing."""
        return b""

    def news(self) -> Any:
        """Have news of that person's."""
        is_new, self.is_new = self.is_new, False
        return (lambda one: b',"mine":1' if one.person == self.person else b"") if is_new else None


def test_of_those_who_see_all_each_is_told_their_own(tmp_path: Path) -> None:
    """An administrator was told what concerned another whose board was open before."""
    world = World(tmp_path, with_board=True)
    some = Boards(world.core.clock, world.core.feed, boards(world)._log, [OfOne("2")])
    walls = [Wall() for _ in range(3)]
    for number, wall in enumerate(walls):
        wall.become(Identity(f"{number}", "admin", person=f"{number}"))
        some.join(wall, None)
    some.kept([])
    assert list(some._tell()) == [None]
    assert [[one.get("mine") for one in wall.told] for wall in walls] == [[None], [None], [None, 1]]
    world.close()


def test_boards_that_change_while_others_are_told_are_told_nothing_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of boards are told in parts: meanwhile one is closed, one comes, one sees less."""
    monkeypatch.setattr("taskdashd.web.boards._AT_ONCE_S", -1.0)
    world = World(tmp_path, with_board=True)
    some = boards(world)
    stays, closed, changed, comes = (Wall() for _ in range(4))
    for wall in (stays, closed, changed):
        some.join(wall, None)
    boss = world.connect()
    boss.ask("Register", id="t", name="n", status="finish", group_id="g")
    telling = some._tell()
    next(telling)
    next(telling)
    some.leave(closed)
    some.identity_changed(changed, Identity("r", "reader", frozenset({"h"})))
    some.join(comes, None)
    boss.ask("Register", id="u", name="n", status="finish", group_id="g")
    assert len(list(telling)) > 1, "others have a turn before each board"
    list(some._tell())

    def ids(wall: Wall) -> list[str]:
        return [one["task"]["id"] for told in wall.told for one in told.get("events", ())]

    assert [ids(wall) for wall in (stays, closed, changed, comes)] == [["t", "u"], [], [], ["u"]]
    assert [one.get("afresh") for one in changed.told][:3] == [None, None, True]
    world.close()


class Page(Wall):
    """A board that shows all tasks: it reads them when it is told to, and takes in events."""

    whose = "somebody"

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.shown: dict[str, str] = {}
        self.afresh = 0
        self.rev = 0

    def look(self) -> None:
        """Take in what the page was told since the last look, as `feed.js` does."""
        told, self.told = self.told, []
        for message in told:
            for event in message.get("events", ()):
                assert event["rev"] > self.rev, "told twice, or out of order"
                self.rev = event["rev"]
                self.shown[event["task"]["id"]] = event["task"]["description"]
            assert message.get("rev", self.rev) >= self.rev, "it would come back from too far"
            if message.get("afresh"):
                self.afresh += 1
                self.rev = message["rev"]
                self.shown = stored(self.world)


def stored(world: World) -> dict[str, str]:
    page = world.connect().ask("Query", limit=1000)
    tasks = page["tasks"]
    while page["next"] is not None:
        page = world.connect().ask("Query", limit=1000, after=page["next"])
        tasks += page["tasks"]
    return {one["id"]: one["description"] for one in tasks}


def burst(world: World, tasks: int, size: int, mark: str) -> None:
    """Register many tasks at once; where they are too many for one commit, in several."""
    peers = [world.connect() for _ in range(4)]
    for number in range(tasks):
        body = {"id": f"t{number}", "name": "n", "status": "finish", "description": mark * size}
        peers[number % 4].send("Register", body)
        if number % 100 == 99:
            world.drain()


def test_an_open_page_is_told_of_every_task_or_to_read_afresh_and_then_of_what_comes_after(
    tmp_path: Path,
) -> None:
    """However much comes at once: whoever looks sees every task that there is, as it is."""
    world = World(tmp_path, with_board=True)
    page, late = Page(world), Page(world)
    boards(world).join(page, None)
    for tasks, size, mark, afresh in (
        (300, 10, "a", 0),
        (300, 5_000, "b", 1),
        (5, 10, "c", 1),
        (250, 5_000, "d", 2),
        (250, 10, "e", 2),
    ):
        burst(world, tasks, size, mark)
        tell(world)
        page.look()
        assert page.afresh == afresh
        assert page.shown == stored(world)
    # Somebody who was away while half of it came, and reads slowly, is told from the log.
    late.shown, late.rev = dict(page.shown), page.rev
    burst(world, 300, 2_000, "f")
    tell(world)
    boards(world).join(late, Place(late.rev, tag_of(ANYONE)))
    burst(world, 40, 10, "g")
    tell(world)
    late.look()
    page.look()
    assert late.shown == page.shown == stored(world)
    burst(world, 3, 10, "h")
    tell(world)
    late.look()
    assert late.shown == stored(world)
    world.close()


def test_of_a_burst_that_nobody_can_be_told_of_only_the_rev_is_kept(tmp_path: Path) -> None:
    """Bodies of changes are not held in memory for boards that will read afresh."""
    world = World(tmp_path, with_board=True)
    boards(world).join(Wall(), None)
    burst(world, 900, 5_000, "b")
    assert len(boards(world)._news) == 1
    world.close()


def test_a_board_that_comes_back_across_a_forgetting_reads_afresh(tmp_path: Path) -> None:
    """What it has missed may be of a task that is gone, whenever the page is read."""
    for read_before in (True, False):
        world = World(tmp_path / f"{read_before}", with_board=True, keep_runs=3600)
        boss, wall = world.connect(), Wall()
        boss.ask("Register", id="old", name="n", status="finish")
        boss.ask("Register", id="runs", name="n", status="待领取")
        boards(world).join(wall, Place(0, tag_of(ANYONE)))
        slow, anybody = world.core.reader._slow_reads, lambda _whose: True
        if read_before:
            job, then = world.reading.jobs.popleft()
            page = job()
        else:
            # What the daemon reads for itself comes before the page.
            slow._may[Waits.LOG] = lambda _whose: False
        world.time += 2 * 3600
        world.supervisor.tick(2 * 3600)
        world.drain()
        world.advance(2)
        assert world.connect().ask("Find", id="old")["errid"] == 1002
        if read_before:
            then(page)
        slow._may[Waits.LOG] = anybody
        slow.tick()
        world.drain()
        assert wall.told[-1] == {"rev": 2, "afresh": True}
        assert boards(world)._viewers[wall].live
        world.close()
