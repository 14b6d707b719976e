"""What is too large, or bad, among things said of a task: the end of the task is never lost."""

from pathlib import Path
from typing import Any

import pytest
from simulated import TIMEOUT_S, SimulatedClient, back, found

import taskdash
from taskdash.testing import running_daemon
from taskdash.write import Write
from taskdashd.testing import World

# Text that fits a frame, but not with all that the daemon adds: only the daemon refuses it.
TOO_LARGE = "x" * ((1 << 20) - 700)


def test_a_write_that_is_too_large_is_refused_at_the_call(dash: taskdash.Client) -> None:
    """The program is told where it said too much, and the task ends as it should."""
    with dash.task("log", name="n") as task:
        for value in ("x" * 1_100_000, "\N{SNOWMAN}" * 400_000):
            with pytest.raises(taskdash.BadRequest, match="and the daemon takes at most"):
                task.update(log=value)
        with pytest.raises(taskdash.BadRequest, match="and the daemon takes at most"):
            dash.update("log", log="x" * 1_100_000)
        task.update(log="x" * 1_000_000)
    assert dash.find("log")["status"] == "finish"


def test_the_daemons_own_limit_counts_over_all_connections(tmp_path: Path) -> None:
    """A daemon that takes less, or more, is believed; and still while it is away."""
    with (
        running_daemon(tmp_path / "less", max_frame=100_000) as daemon,
        taskdash.connect(daemon.url) as dash,
    ):
        dash.register("a", "n")
        with pytest.raises(taskdash.BadRequest, match="at most 99872"):
            dash.say("a", log="x" * 100_000)
        daemon.kill()
        with pytest.raises(taskdash.BadRequest, match="at most 99872"):
            dash.say("a", log="x" * 100_000)
    with (
        running_daemon(tmp_path / "more", max_frame=4_000_000) as daemon,
        taskdash.connect(daemon.url) as dash,
    ):
        dash.register("a", "n")
        dash.say("a", log="x" * 2_000_000)
        assert dash.drain()
        assert len(dash.find("a")["log"]) == 2_000_000


def test_the_end_is_told_though_what_it_was_joined_with_is_refused(
    world: World, client: SimulatedClient
) -> None:
    """What waits together is said apart once the daemon refuses it together."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    client.reachable = False
    client.cut()
    client.mention("a", log=TOO_LARGE)
    client.mention("a", number=1)
    client.mention("a", number=2, status="finish")
    client.reachable = True
    back(client)
    task = found(world, "a")
    assert (task["status"], task["number"], task.get("log")) == ("finish", 2, None)
    assert client.session.tasks.held == {}


@pytest.mark.parametrize("begins", [True, False])
def test_fields_too_large_together_all_arrive(
    world: World, client: SimulatedClient, begins: bool
) -> None:
    """Each fits a frame, and their join does not: as many as the daemon takes are stored."""
    client.reachable = False
    client.cut()
    if begins:
        client.session.hold("a", Write({"name": "n", "status": "running"}, replaces=True), 0)
    else:
        observer = world.connect("observer")
        observer.ask("Register", id="a", name="n", status="running")
        observer.close()
    client.mention("a", first="x" * 600_000, status="working")
    client.mention("a", second="y" * 600_000)
    client.mention("a", status="finish", reason="")
    client.reachable = True
    back(client)
    task = found(world, "a")
    assert (task["name"], task["status"], len(task["first"])) == ("n", "finish", 600_000)


@pytest.mark.parametrize("values", [[1], [1, 2], [1, 2, 1, 3]])
def test_a_join_comes_apart_as_it_was_joined(values: list[int]) -> None:
    """No field is said twice or lost, and the newest value is in the part that said it."""
    whole = Write({"name": "n", "field": 0}, {"fenced": True}, replaces=True, number=1)
    said: list[dict[str, Any]] = []
    for number, value in enumerate(values, 2):
        fields = {f"field-{value}": value, "field": value}
        said.append(fields)
        assert whole.joins(Write(dict(fields), number=number))
    first, *later = whole.apart()
    assert (first.fields, first.control, first.replaces) == ({"name": "n"}, {"fenced": True}, True)
    together: dict[str, Any] = {}
    for part in later:
        assert together.keys().isdisjoint(part.fields)
        assert not part.replaces
        together |= part.fields
    assert together == {name: value for fields in said for name, value in fields.items()}
    assert later[-1].fields["field"] == values[-1]


def test_a_task_that_grew_beyond_a_frame_is_registered_again_in_parts(
    world: World, client: SimulatedClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A daemon that lost it gets name and status first, and does not refuse for ever."""
    client.say("a", replaces=True, name="n", status="running")
    client.pump()
    held = client.session.tasks.held["a"]
    held.fields |= {"first": "x" * 600_000, "second": "y" * 600_000}
    client.cut()
    client.world = World(tmp_path_factory.mktemp("empty"), heartbeat_timeout=TIMEOUT_S)
    client.world.time = world.time
    back(client)
    task = found(client.world, "a")
    assert (task["name"], task["status"], len(task["first"])) == ("n", "running", 600_000)
    client.world.close()
