"""Forgetting in a whole daemon: old runs go as if they had never been, and nothing else does."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from postgres import emptied, standing

from taskdashd.core import forgetting
from taskdashd.core.housekeeping import STEADY_S
from taskdashd.server.supervisor import TICK_S
from taskdashd.store import backup, known
from taskdashd.testing import Peer, World

HOUR_S = 3600.0
KEEP_S = 2 * HOUR_S
NOT_FOUND, CONFLICT, STORAGE = 1002, 1004, 1001


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def world(**more: Any) -> World:
        worlds.append(World(tmp_path, **{"keep_runs": KEEP_S, "audit_keep": None, **more}))
        return worlds[-1]

    yield world
    for one in worlds:
        one.close()


def pass_time(world: World, seconds: float) -> None:
    """Let time pass in one long tick: nothing is due in most of it."""
    world.time += seconds
    world.supervisor.tick(seconds)
    world.drain()


def jump(world: World, seconds: float) -> None:
    """Let time pass without a tick: what is due then is not done yet."""
    world.time += seconds
    world.core.clock.tick(seconds)


def decide(world: World) -> None:
    """Have the daemon decide to forget; the commit waits for the writer's thread."""
    for _ in range(100):
        world.supervisor.tick()
        world.sweep()
        while not world.core.view.leaving and (world.reading.jobs or world.writing.jobs):
            (world.reading if world.reading.jobs else world.writing).step()
            world.core.writer.flush()
        if world.core.view.leaving:
            return
    raise AssertionError("nothing is to be forgotten")


def run(peer: Peer, task_id: str, **more: Any) -> None:
    peer.ask("Register", id=task_id, name="n", status="running", **more)
    assert peer.ask("Update", id=task_id, status="finish")["errid"] == 0


def settled(world: World) -> None:
    """Give the daemon the ticks that a pass takes."""
    world.advance(20 * TICK_S)


def there(world: World) -> set[str]:
    return {task["id"] for task in world.connect().ask("Query", limit=1000)["tasks"]}


def test_an_old_run_is_as_if_it_had_never_been(make: Callable[..., World]) -> None:
    """Nobody finds it, its history is gone, and its id is a new task's; a Watch is told nothing."""
    world = make(with_board=True)
    run(world.connect(), "old", group_id="g")
    world.connect().ask("Register", id="theirs", name="n", status="待领取")
    jump(world, STEADY_S + KEEP_S)
    run(world.connect(), "young")
    watcher = world.connect()
    watcher.ask("Watch")
    settled(world)
    assert there(world) == {"theirs", "young"}
    peer = world.connect()
    assert peer.ask("Find", id="old")["errid"] == NOT_FOUND
    assert peer.ask("Audit", task="old")["errid"] == NOT_FOUND
    assert {one["task"] for one in peer.ask("Audit")["entries"]} <= {"theirs", "young", ""}
    assert peer.ask("Update", id="old", name="x")["errid"] == NOT_FOUND
    assert peer.ask("Watch", since=1)["errid"] == CONFLICT
    assert peer.ask("Watch", since=3)["errid"] == 0
    assert peer.ask("Figures")["states"] == {"待领取": 1, "finish": 1}
    assert watcher.events == []
    reply = peer.ask("Register", id="old", name="new", epoch=0)
    assert (reply["errid"], reply["epoch"]) == (0, 1)
    assert [one["task"]["name"] for one in watcher.events] == ["new"]
    world.restart()
    peer = world.connect()
    assert peer.ask("Find", id="old")["created_at"] > peer.ask("Find", id="theirs")["created_at"]
    assert not backup.check(world.directory, *standing(world.directory))


def test_nothing_goes_before_the_clock_can_be_believed_or_where_it_is_off(
    make: Callable[..., World],
) -> None:
    """An hour of a steady clock comes first; shortened on a reload, it counts at once."""
    world = make(keep_runs=None)
    run(world.connect(), "old")
    pass_time(world, KEEP_S + 10)
    settled(world)
    assert there(world) == {"old"}
    world.live.adopt(replace(world.live.settings, keep_runs=KEEP_S))
    wall = world.core.clock._wall
    world.core.clock._wall = lambda: wall() + 1e6
    settled(world)
    assert there(world) == {"old"}, "the clock has just jumped"
    pass_time(world, STEADY_S)
    settled(world)
    assert there(world) == set()


def test_new_runs_go_in_time_too(make: Callable[..., World]) -> None:
    """Passes follow one another, at least one an hour."""
    world = make()
    for number in range(6):
        run(world.connect(), f"t{number}")
        pass_time(world, HOUR_S / 2)
    for _ in range(2):
        pass_time(world, HOUR_S / 2)
        settled(world)
    assert {"t5"} <= there(world) <= {"t3", "t4", "t5"}
    for _ in range(2):
        pass_time(world, HOUR_S / 2)
        settled(world)
    assert there(world) == set()


def test_who_registers_in_the_last_moment_decides(make: Callable[..., World]) -> None:
    """Whenever the write comes: the old task lives on, or a new one begins; never half of each."""
    seen = set()
    for jobs in range(12):
        world = make()
        run(world.connect(), f"a{jobs}")
        run(world.connect(), f"b{jobs}", parent_id=f"a{jobs}")
        jump(world, STEADY_S + KEEP_S + HOUR_S)
        peer = world.connect()
        world.supervisor.tick()
        for _ in range(jobs):
            executor = world.reading if world.reading.jobs else world.writing
            if executor.jobs:
                executor.step()
                world.core.writer.flush()
        peer.send("Register", {"id": f"b{jobs}", "name": "again", "parent_id": f"a{jobs}"})
        world.sweep()
        settled(world)
        (reply,) = peer.replies
        assert reply["errid"] == 0
        lives_on = reply["epoch"] == 2
        seen.add(lives_on)
        assert there(world) == ({f"a{jobs}", f"b{jobs}"} if lives_on else {f"b{jobs}"})
        assert not backup.check(world.directory, *standing(world.directory))
        world.close()
        emptied(world.directory)
    assert seen == {True, False}


@pytest.mark.parametrize("parts", [0, 1])
@pytest.mark.parametrize("name", ["late", "other part of late"])
def test_what_becomes_a_part_in_the_last_moment_stays(
    make: Callable[..., World], parts: int, name: str
) -> None:
    """A parent may come later than its parts; another part alone does not bring it."""
    seen = set()
    for jobs in range(12):
        world = make()
        run(world.connect(), "top", parent_id="late")
        for _ in range(parts):
            run(world.connect(), "leaf", parent_id="top")
        old = there(world)
        jump(world, STEADY_S + KEEP_S + HOUR_S)
        world.supervisor.tick()
        for _ in range(jobs):
            executor = world.reading if world.reading.jobs else world.writing
            if executor.jobs:
                executor.step()
                world.core.writer.flush()
        rows = world.database._writer.execute_sql("SELECT task_id FROM change")
        has_gone = not old <= {task_id for (task_id,) in rows} - world.core.view.leaving
        seen.add(has_gone)
        peer = world.connect()
        parent = "" if name == "late" else "late"
        peer.send("Register", {"id": name, "name": "n", "parent_id": parent})
        world.sweep()
        settled(world)
        stays = name == "late" and not has_gone
        assert there(world) == ({name} | old if stays else {name})
        assert not backup.check(world.directory, *standing(world.directory))
        world.close()
        emptied(world.directory)
    assert seen == {True, False}


def test_what_could_not_be_forgotten_is_there_as_it_was(make: Callable[..., World]) -> None:
    """A commit that fails takes back what was decided, and what was registered upon it."""
    world = make()
    run(world.connect(), "old")
    before = world.connect().ask("Find", id="old")
    jump(world, STEADY_S + KEEP_S)
    world.database.full = True
    decide(world)
    peer = world.connect()
    peer.send("Update", {"id": "old", "name": "not there any more"})
    peer.send("Register", {"id": "old", "name": "new"})
    peer.send("Update", {"id": "old", "name": "newer"})
    world.sweep()
    world.drain()
    assert [one["errid"] for one in peer.replies] == [STORAGE, STORAGE, STORAGE]
    assert world.connect().ask("Find", id="old") == before
    world.database.full = False
    pass_time(world, 120)
    settled(world)
    assert there(world) == set()


def test_a_look_up_that_began_before_is_not_believed(make: Callable[..., World]) -> None:
    """The reader brings the task as it was; it has gone since."""
    world = make(task_cache=1)
    run(world.connect(), "old")
    run(world.connect(), "other")
    jump(world, STEADY_S + KEEP_S)
    decide(world)
    peer = world.connect()
    peer.send("Find", {"id": "old"})
    world.sweep()
    job, then = world.reading.jobs.popleft()
    found = job()
    world.drain()
    then(found)
    world.drain()
    assert [one["errid"] for one in peer.replies] == [NOT_FOUND]


def test_an_owner_owns_less(make: Callable[..., World]) -> None:
    """The tasks of a connection that are forgotten count no more for how long it may be silent."""
    world = make(heartbeat_timeout=30.0)
    peer = world.connect()
    peer.ask("Register", id="t", name="n", status="finish", heartbeat_timeout=86400)
    (session,) = world.core.sessions
    assert session.owner.timeouts == {86400.0: 1}
    pass_time(world, STEADY_S + KEEP_S)
    settled(world)
    assert there(world) == set()
    assert session.owner.timeouts == {}


def test_the_filter_of_known_ids_is_made_anew(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once half of its ids are forgotten; what is there and what comes meanwhile stays known."""
    monkeypatch.setattr(known, "_LAYER_IDS_MIN", 64)
    monkeypatch.setattr(forgetting, "_IDS_AT_ONCE", 7)
    world = make()
    peer = world.connect()
    for number in range(300):
        peer.send("Register", {"id": f"old-{number}", "name": "n", "status": "finish"})
    world.drain()
    pass_time(world, KEEP_S)
    peer = world.connect()
    for number in range(40):
        peer.send("Register", {"id": f"young-{number}", "name": "n", "status": "finish"})
    world.drain()
    pass_time(world, STEADY_S)
    size = sum(len(bits) for bits, _ in world.core.view.known._layers)
    while not world.core.view.known.is_stale:
        world.advance(TICK_S)
    for number in range(40):
        world.connect().ask("Register", id=f"new-{number}", name="n", status="finish")
        world.advance(TICK_S)
    filtered = world.core.view.known
    assert not filtered.is_stale
    assert sum(len(bits) for bits, _ in filtered._layers) < size
    assert sum(f"old-{number}" in filtered for number in range(300)) < 100
    peer = world.connect()
    for number in range(40):
        assert peer.ask("Register", id=f"young-{number}", name="n")["epoch"] == 2
        assert peer.ask("Register", id=f"new-{number}", name="n")["epoch"] == 2
