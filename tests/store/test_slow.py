"""What takes long: turns by who asks, a place for the operator, a time that includes waiting."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskdash_protocol.errors import Busy, Conflict
from taskdashd.domain.access import LOCAL_OPERATOR, Identity
from taskdashd.store.slow import Asker, Place, SlowReads, for_itself
from taskdashd.testing import Peer, StepExecutor, World

pytestmark = pytest.mark.fault(50)


class Limits:
    query_timeout = 10.0


class Desk:
    """Slow reads with a thread that goes on when it is told to, and a clock likewise."""

    def __init__(self) -> None:
        self.executor = StepExecutor()
        self.now = 100.0
        self.barred: set[str] = set()
        self.slow = SlowReads(
            self.executor, Limits(), lambda: self.now, lambda whose: whose not in self.barred
        )
        self.done: list[str] = []
        self.told: dict[str, Any] = {}
        self.left: dict[str, float | None] = {}

    def ask(self, name: str, asker: Asker) -> None:
        def job(left_s: float | None) -> str:
            self.done.append(name)
            self.left[name] = left_s
            return name

        self.slow.run(job, asker, lambda outcome: self.told.__setitem__(name, outcome))

    def person(self, whose: str, name: str, is_there: Callable[[], bool] = lambda: True) -> None:
        self.ask(name, Asker(whose, is_there, Place.PEOPLE, self.now))

    def work(self) -> None:
        while self.executor.jobs:
            self.executor.step()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_turns_go_round_by_who_asks(desk: Desk) -> None:
    """Whose turn it is is decided when the thread is free: who comes late does not wait for all."""
    for number in range(5):
        desk.person("much", f"much-{number}")
    desk.executor.step()
    desk.person("late", "late-0")
    desk.person("late", "late-1")
    desk.work()
    assert desk.done[:4] == ["much-0", "much-1", "late-0", "much-2"]
    assert len(desk.done) == len(desk.told) == 7


def test_the_operator_is_first_and_the_daemon_has_its_own_place(desk: Desk) -> None:
    """Pages of the log and what the daemon reads for itself neither starve nor hold up people."""
    for number in range(3):
        desk.person("a", f"a-{number}")
        desk.ask(f"page-{number}", Asker("a", lambda: True, Place.LOG))
        desk.ask(f"own-{number}", for_itself("figures"))
    desk.ask("status", Asker("", lambda: True, Place.OPERATOR, desk.now))
    desk.work()
    assert desk.done == [
        "status",
        *("a-0", "page-0", "own-0"),
        *("a-1", "page-1", "own-1"),
        *("a-2", "page-2", "own-2"),
    ]


def test_the_time_in_the_queue_counts(desk: Desk) -> None:
    """The answer comes when the time is up, not when the turn comes; what is left bounds a run."""
    desk.person("a", "first")
    desk.now += 4
    desk.person("a", "second")
    desk.ask("own", for_itself("figures"))
    desk.slow.tick()
    assert desk.told == {}
    desk.now += 6
    desk.slow.tick()
    assert list(desk.told) == ["first"]
    assert isinstance(desk.told["first"], Busy)
    assert desk.told["first"].detail == (
        "the query waited longer than 10 s for its turn: try again later"
    )
    desk.now += 1
    desk.work()
    assert desk.done == ["second", "own"]
    assert desk.left == {"second": 3.0, "own": None}


def test_what_the_daemon_reads_for_itself_may_wait(desk: Desk) -> None:
    desk.ask("page", Asker("a", lambda: True, Place.LOG))
    desk.now += 1000
    desk.slow.tick()
    desk.work()
    assert desk.told == {"page": "page"}


def test_one_has_a_quarter_of_the_places(desk: Desk) -> None:
    for number in range(1024):
        desk.person("much", f"much-{number}")
    desk.person("much", "one more")
    assert isinstance(desk.told["one more"], Busy)
    assert "1024 queries of the same asker" in desk.told["one more"].detail
    for whose in "bcd":
        for number in range(1024):
            desk.person(whose, f"{whose}-{number}")
    assert len(desk.told) == 1
    desk.person("e", "one of all")
    assert "4096 queries wait" in desk.told["one of all"].detail
    desk.ask("page", Asker("e", lambda: True, Place.LOG))
    desk.ask("status", Asker("", lambda: True, Place.OPERATOR, desk.now))
    desk.executor.step()
    assert desk.done == ["status"]
    desk.person("e", "still one too many")
    assert "still one too many" in desk.told


def test_who_has_left_is_skipped(desk: Desk) -> None:
    desk.person("a", "gone", is_there=lambda: False)
    desk.person("a", "there")
    desk.work()
    assert desk.done == ["there"]
    assert isinstance(desk.told["gone"], Busy)


def test_who_leaves_much_unread_waits_until_they_read(desk: Desk) -> None:
    """Others go on meanwhile; the time that one does not read counts too."""
    desk.barred = {"a"}
    desk.person("a", "a-0")
    desk.person("a", "a-1")
    desk.person("b", "b-0")
    desk.work()
    assert desk.done == ["b-0"]
    desk.slow.tick()
    desk.work()
    assert desk.done == ["b-0"]
    desk.barred = set()
    desk.slow.tick()
    desk.executor.step()
    assert desk.done == ["b-0", "a-0"]
    desk.now += 10
    desk.slow.tick()
    assert isinstance(desk.told["a-1"], Busy)
    desk.work()
    assert len(desk.executor.jobs) == 0


def test_calls_that_wait_for_the_thread_do_not_pile_up(desk: Desk) -> None:
    """A thread that is busy for long finds no more calls than there were jobs at one time."""
    for _ in range(20):
        for number in range(10):
            desk.person("a", f"{number}")
        desk.now += 10
        desk.slow.tick()
    assert len(desk.executor.jobs) == 10
    desk.work()
    assert desk.done == []


def test_a_fault_of_a_job_is_its_own(desk: Desk) -> None:
    def fails(_left_s: float | None) -> str:
        raise Conflict("no")

    outcomes: list[Any] = []
    desk.slow.run(fails, Asker("a", lambda: True, Place.PEOPLE, desk.now), outcomes.append)
    desk.person("a", "next")
    desk.work()
    assert [type(one) for one in outcomes] == [Conflict]
    assert desk.done == ["next"]
    desk.now += 20
    desk.slow.tick()
    assert len(outcomes) == 1


# Through the daemon


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, asks_for_tokens=True, query_timeout=10.0)
    for name in "ab":
        world.identities[name] = Identity(name, "operator", key=f"key of {name}")
    yield world
    world.close()


def connect(world: World, token: str) -> Peer:
    peer = world.connect()
    assert peer.ask("Hello", protocol=1, token=token)["errid"] == 0
    return peer


def test_connections_of_one_token_take_turns_as_one(world: World) -> None:
    """Eight with one token: another's Query waits for one of theirs, and a Status for none."""
    many = [connect(world, "a") for _ in range(8)]
    one, operator = connect(world, "b"), world.connect()
    world.core.identities.become(operator.connection.session, LOCAL_OPERATOR)
    for peer in many:
        peer.send("Query", {})
    one.send("Query", {})
    operator.send("Status", {})
    world.sweep()
    steps = 0
    while not one.replies:
        world.reading.step()
        world.sweep()
        steps += 1
        assert len(operator.replies) == 1
    assert steps == 3
    assert sum(len(peer.replies) for peer in many) == 1
    world.drain()
    assert all(peer.replies[0]["errid"] == 0 for peer in many)


def test_what_a_peer_that_has_hung_up_asked_is_not_read(world: World) -> None:
    """What a peer that has gone wrote is done: a client may send its last write and exit."""
    peer = connect(world, "a")
    for number in range(3):
        peer.send("Query", {})
        peer.send("Register", {"id": f"{number}", "name": "n"})
    peer.connection.hang_up()
    world.drain()
    assert [reply["errid"] for reply in peer.replies] == [1005, 0] * 3
    assert connect(world, "b").ask("Find", id="2")["errid"] == 0


def test_a_query_that_waited_too_long_is_told_so_at_its_time(world: World) -> None:
    peer, other = connect(world, "a"), connect(world, "b")
    peer.send("Query", {})
    other.send("Audit", {})
    world.sweep()
    end = world.time + 9.9
    while world.time < end:
        world.time += 0.1
        world.supervisor.tick(0.1)
    assert not peer.replies
    world.time += 0.3
    world.supervisor.tick(0.3)
    world.sweep()
    for one in (peer, other):
        assert one.replies.pop()["errid"] == 1005
    world.drain()
    assert peer.ask("Query")["errid"] == 0
