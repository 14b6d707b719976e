"""The session against the daemon: writes arrive once and in order, whatever breaks."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from simulated import TIMEOUT_S, SimulatedClient, back, found

from taskdash.errors import BadRequest, Conflict
from taskdash_protocol.families.services import RegisterService
from taskdash_protocol.families.tasks import Find
from taskdashd.testing import World


def test_a_day_of_beats_and_none_is_missed(world: World, client: SimulatedClient) -> None:
    """For 24 hours, looking no more often than `wait_s` says, the task never dies."""
    client.say("day", replaces=True, name="n", status="running")
    client.pump()
    watcher = world.connect("watcher")
    watcher.send("Watch", {})
    world.drain()
    end, beats_before = world.time + 86_400, client.session.timeout_s
    assert beats_before == TIMEOUT_S
    while world.time < end:
        wait_s = client.session.wait_s(world.time)
        assert 0 < wait_s <= 1
        # Tick once for each look of the client: a day has enough of them.
        world.time += wait_s
        world.supervisor.tick(wait_s)
        watcher.beat()
        client.pump()
    assert found(world, "day")["status"] == "running"
    assert watcher.events == []
    assert client.hooked == []


def test_a_task_with_a_short_timeout_of_its_own_is_beaten_for_more_often(
    world: World, client: SimulatedClient
) -> None:
    """The interval follows the shortest timeout of what is held, and goes back at its end."""
    client.say("quick", replaces=True, name="n", status="running", heartbeat_timeout=0.6)
    client.pump()
    for _ in range(100):
        world.advance(client.session.wait_s(world.time))
        client.pump()
    assert found(world, "quick")["status"] == "running"
    client.say("quick", status="finish")
    client.pump()
    assert client.session.timeout_s == TIMEOUT_S


def test_a_service_registers_again_on_each_new_connection(
    world: World, client: SimulatedClient
) -> None:
    """A service lives by its connection, and would be dead after the first that breaks."""
    client.session.call(RegisterService("http://10.0.0.7", "Cutter"), lambda _reply: None)
    client.pump()
    other = world.connect("other")
    for cut in (True, False):
        if cut:
            client.cut()
        else:
            world.restart()
            client.cut()
            other = world.connect("other")
        for _ in range(80):
            world.advance(client.session.wait_s(world.time))
            client.pump()
            other.beat()
        (service,) = other.ask("Services")["services"]
        assert service["state"] == "alive"
        assert [state for _, state in service["changes"]] == ["alive"]


def test_what_was_done_and_not_heard_of_is_not_done_again(
    world: World, client: SimulatedClient
) -> None:
    """The reply to a write is lost: the daemon has it, and its caller is told so once."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    client.deaf = True
    outcome = client.say("a", description="once")
    client.pump()
    assert outcome == []
    client.cut()
    client.deaf = False
    log_before = world.core.view.committed_rev
    back(client)
    assert [type(one) for one in outcome] == [dict]
    # Only the take-up is a new change; the fields that it repeats were stored already.
    assert world.core.view.committed_rev == log_before + 1
    assert found(world, "a")["epoch"] == 2


def test_a_task_that_was_shut_down_meanwhile_comes_back(
    world: World, client: SimulatedClient
) -> None:
    """The task gets back its status, with what was said of it in the meantime."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    client.reachable = False
    client.cut()
    world.advance(TIMEOUT_S * 2)
    assert found(world, "a")["status"] == "shutdown"
    client.mention("a", description="still here")
    client.mention("a", progress="3/7")
    client.reachable = True
    back(client)
    task = found(world, "a")
    assert (task["status"], task["description"], task["progress"], task["shutdown_at"]) == (
        "running",
        "still here",
        "3/7",
        "",
    )
    assert [kind for kind, _ in client.hooked] == ["down", "up"]


def test_a_task_that_somebody_else_took_is_left_alone(
    world: World, client: SimulatedClient
) -> None:
    """The program is told, waiting callers get a Conflict, and the client writes no more of it."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    client.cut()
    thief = world.connect("thief")
    assert thief.ask("Update", id="a", user="thief")["errid"] == 0
    outcome = client.say("a", user="me")
    back(client)
    assert found(world, "a")["user"] == "thief"
    (kind, (task_id, error)) = client.hooked[-1]
    assert (kind, task_id, type(error)) == ("lost", "a", Conflict)
    assert [type(one) for one in outcome] == [Conflict]
    assert client.session.tasks.held == {}


def test_a_task_taken_while_the_connection_stands_is_told_at_the_next_write(
    world: World, client: SimulatedClient
) -> None:
    """The client's epoch is stale then: the write is refused, and the task is no longer held."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    assert world.connect("thief").ask("Update", id="a", user="thief")["errid"] == 0
    client.mention("a", user="me")
    client.pump()
    assert found(world, "a")["user"] == "thief"
    assert client.hooked[-1][0] == "lost"


def test_a_daemon_that_lost_the_task_gets_it_whole(
    world: World, client: SimulatedClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On another data directory the task is registered again, with all that was said of it."""
    client.say("a", replaces=True, name="n", status="running", user="me")
    client.say("a", description="late")
    client.pump()
    client.cut()
    with_nothing = World(tmp_path_factory.mktemp("empty"), heartbeat_timeout=TIMEOUT_S)
    client.world = with_nothing
    with_nothing.time = world.time
    back(client)
    task = found(with_nothing, "a")
    assert (task["user"], task["description"], task["status"]) == ("me", "late", "running")
    with_nothing.close()


def test_a_process_that_stood_still_asks_for_its_tasks_fate(
    world: World, client: SimulatedClient
) -> None:
    """A process that wakes after its task was shut down takes it up before anything else."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    world.advance(TIMEOUT_S * 3)
    assert found(world, "a")["status"] == "shutdown"
    client.pump()
    back(client)
    assert found(world, "a")["status"] == "running"


def test_what_is_said_after_a_stall_waits_until_the_task_is_taken_up(
    world: World, client: SimulatedClient
) -> None:
    """A caller that is quicker than the client's own look writes nothing to a task that is down."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    world.advance(TIMEOUT_S + 5)
    outcome = client.say("a", user="late")
    assert not client.session.output
    client.pump()
    back(client)
    task = found(world, "a")
    assert (len(outcome), task["status"], task["user"]) == (1, "running", "late")


def test_reads_are_asked_again_and_watches_go_on(world: World, client: SimulatedClient) -> None:
    """After a break a read gets the same reply, and a watch every event once."""
    from taskdash.calls import Watching

    told: list[Any] = []
    client.session.watch(Watching({}, None, told.append, lambda _: None))
    client.pump()
    other = world.connect("other")
    other.ask("Register", id="x", name="1", status="finish")
    client.deaf = True
    replies: list[Any] = []
    client.session.call(Find("x"), replies.append)
    client.pump()
    other.ask("Register", id="x", name="2", status="finish")
    client.cut()
    other.ask("Register", id="x", name="3", status="finish")
    client.deaf = False
    back(client)
    other.ask("Register", id="x", name="4", status="finish")
    client.pump()
    assert [one["name"] for one in replies] == ["3"]
    assert [event.task["name"] for event in told] == ["1", "2", "3", "4"]


def test_a_full_disk_keeps_what_nobody_waits_for(world: World, client: SimulatedClient) -> None:
    """Waiting callers are told at once; the newest state is written once there is room."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    world.database.full = True
    waited = client.say("a", user="waited")
    client.pump()
    client.mention("a", description="kept")
    client.pump()
    assert [type(one).__name__ for one in waited] == ["StorageError"]
    world.database.full = False
    world.advance(1.1)
    client.pump()
    task = found(world, "a")
    assert (task["user"], task["description"]) == ("", "kept")


def test_writes_that_are_too_large_together_are_sent_one_by_one(
    world: World, client: SimulatedClient
) -> None:
    """Each fits a frame, and both do not: the first is stored, and the daemon judges the second."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    said = ({"number": 1}, {"first": "x" * 600_000}, {"second": "x" * 600_000})
    outcomes = [client.say("a", **fields) for fields in said]
    client.pump()
    kinds = [[type(one) for one in outcome] for outcome in outcomes]
    assert kinds == [[dict], [dict], [BadRequest]]


class Storm(RuleBasedStateMachine):
    """Two tasks, a client that says ever higher numbers, and everything that can break."""

    ids = st.sampled_from(("a", "b"))

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.world = World(Path(self._directory.name), heartbeat_timeout=TIMEOUT_S)
        self.client = SimulatedClient(self.world)
        self.number = 0
        self.newest: dict[str, int] = {}
        self.outcomes: list[tuple[str, int, list[Any]]] = []

    def teardown(self) -> None:
        try:
            self._settle()
            for task_id, number in self.newest.items():
                task = found(self.world, task_id)
                assert (task["status"], task["number"]) == ("running", number)
            for _, _, outcome in self.outcomes:
                assert [type(one) for one in outcome] == [dict]
            self._log_never_goes_back()
        finally:
            self.world.close()
            self._directory.cleanup()

    def _settle(self) -> None:
        self.client.deaf, self.client.reachable = False, True
        if self.client.peer is not None:
            self.client.cut()
        for _ in range(3):
            back(self.client)
            self.world.advance(0.25)

    def _log_never_goes_back(self) -> None:
        observer = self.world.connect("observer")
        observer.send("Watch", {"since": 0})
        self.world.drain()
        last: dict[str, int] = {}
        for event in observer.events:
            task = event["task"]
            assert task["number"] >= last.get(task["id"], 0)
            last[task["id"]] = task["number"]

    @rule(task_id=ids, waits=st.booleans())
    def says(self, task_id: str, waits: bool) -> None:
        self.number += 1
        if task_id not in self.newest:
            outcome = self.client.say(
                task_id, replaces=True, name="n", status="running", number=self.number
            )
            self.outcomes.append((task_id, self.number, outcome))
        elif waits:
            outcome = self.client.say(task_id, number=self.number)
            self.outcomes.append((task_id, self.number, outcome))
        else:
            self.client.mention(task_id, number=self.number)
        self.newest[task_id] = self.number

    @rule()
    def works(self) -> None:
        self.client.pump()

    @rule()
    def loses_the_connection(self) -> None:
        self.client.cut()

    @rule()
    def hears_nothing(self) -> None:
        self.client.deaf = True

    @rule(reachable=st.booleans())
    def network(self, reachable: bool) -> None:
        self.client.reachable = reachable
        if reachable and self.client.deaf:
            self.client.deaf = False
            if self.client.peer is not None:
                self.client.cut()

    @rule()
    def daemon_is_killed(self) -> None:
        self.world.restart()
        self.client.cut()

    @rule(seconds=st.sampled_from((0.1, 2.0, 45.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @invariant()
    def an_acknowledged_number_is_there(self) -> None:
        acknowledged: dict[str, int] = {}
        for task_id, number, outcome in self.outcomes:
            if outcome:
                acknowledged[task_id] = max(acknowledged.get(task_id, 0), number)
        for task_id, number in acknowledged.items():
            assert found(self.world, task_id)["number"] >= number


TestStorm = Storm.TestCase
TestStorm.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
