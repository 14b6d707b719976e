"""Single rules that random interleavings seldom meet, on the daemon without sockets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskdash_protocol.frames import TASKDASH, TCPX
from taskdashd.server.inbox import REQUESTS_MAX
from taskdashd.testing import Peer, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, heartbeat_timeout=4.0, task_cache=1)
    yield world
    world.close()


def status(peer: Peer, task_id: str) -> Any:
    return peer.ask("Find", id=task_id)["status"]


def test_a_hand_from_outside_does_not_move_the_deadline_of_an_orphan(world: World) -> None:
    """own:false is no sign of life, also where the owner has disconnected."""
    service, operator = world.connect(), world.connect()
    service.ask("Register", id="a", name="n", status="running", heartbeat_timeout=2)
    service.close()
    world.advance(1.5)
    operator.ask("Update", id="a", description="looked at", own=False)
    world.advance(0.25)
    assert status(operator, "a") == "running"
    world.advance(0.25)
    assert status(operator, "a") == "shutdown"


def test_a_hand_from_outside_after_a_restart_does_not_move_the_deadline(world: World) -> None:
    """One full timeout from the start, whoever touches the task meanwhile."""
    world.connect().ask("Register", id="a", name="n", status="running", heartbeat_timeout=2)
    world.restart()
    operator = world.connect()
    world.advance(1.5)
    operator.ask("Update", id="a", description="looked at", own=False)
    world.advance(0.5)
    assert status(operator, "a") == "shutdown"


def test_a_task_that_an_operator_brings_back_has_one_full_timeout(world: World) -> None:
    """The owner is gone: nothing but the write itself can be measured from."""
    service = world.connect()
    service.ask("Register", id="a", name="n", status="running", heartbeat_timeout=1)
    world.advance(1)
    operator = world.connect()
    operator.ask("Update", id="a", status="running", own=False)
    world.advance(0.75)
    assert status(operator, "a") == "running"
    world.advance(0.25)
    assert status(operator, "a") == "shutdown"


def test_what_waits_in_the_socket_is_read_before_anyone_is_judged(world: World) -> None:
    """A beat that arrived in time counts, however late the daemon reads it."""
    service, other = world.connect(), world.connect()
    service.ask("Register", id="a", name="n", heartbeat_timeout=1)
    service.unread = TASKDASH.heartbeat
    world.advance(1.5)
    assert service.open
    assert status(other, "a") == ""
    beat, service.unread = service.unread, b""
    service.send_bytes(beat)
    world.advance(0.75)
    assert status(other, "a") == ""
    world.advance(0.25)
    assert status(other, "a") == "shutdown"
    assert not service.open


def test_half_a_frame_in_the_socket_is_no_sign_of_life(world: World) -> None:
    """Once the bytes are read and no frame came of them, the judgement stands."""
    service, other = world.connect(), world.connect()
    service.ask("Register", id="a", name="n", heartbeat_timeout=1)
    service.unread = TASKDASH.heartbeat[:5]
    world.advance(1)
    assert status(other, "a") == ""
    half, service.unread = service.unread, b""
    service.send_bytes(half)
    world.advance(0.25)
    assert status(other, "a") == "shutdown"


def test_a_shutdown_that_the_disk_refuses_is_made_when_it_can_be(world: World) -> None:
    """A shutdown is told only once it is on disk, and never forgotten."""
    service, watcher = world.connect(), world.connect()
    watcher.ask("Watch")
    service.ask("Register", id="a", name="n", heartbeat_timeout=1)
    watcher.events.clear()
    world.database.full = True
    world.advance(2.5)
    assert not watcher.events
    assert status(watcher, "a") == ""
    world.database.full = False
    watcher.beat()
    world.advance(1)
    assert [event["kind"] for event in watcher.events] == ["shutdown"]


def test_everything_decided_after_a_commit_that_fails_fails_too(world: World) -> None:
    """Refusals and reads fail too: neither may rest on a change that never came to be."""
    one, two = world.connect(), world.connect()
    world.database.full = True
    one.send("Register", {"id": "a", "name": "n"})
    one.send("Find", {"id": "a"})
    two.send("Update", {"id": "a", "status": "running"})
    world.drain()
    assert [reply["errid"] for reply in one.replies] == [1001, 1002]
    assert [reply["errid"] for reply in two.replies] in ([1001], [1002])
    world.database.full = False
    assert two.ask("Find", id="a")["errid"] == 1002


def test_a_later_request_is_not_seen_by_an_earlier_one(world: World) -> None:
    """Requests of one connection take effect in their order, whatever shares their commit."""
    peer = world.connect()
    for body in ({"user": "1"}, None, {"user": "2"}, None):
        if body is None:
            peer.send("Find", {"id": "a"})
        else:
            peer.send("Register", {"id": "a", "name": "n", **body})
    world.drain()
    assert [reply.get("user") for reply in peer.replies] == [None, "1", None, "2"]


def test_nobody_reads_what_is_not_on_disk_yet(world: World) -> None:
    """Another connection's Find waits for the commit of what it would show."""
    writer, reader = world.connect(), world.connect()
    writer.ask("Register", id="a", name="n", user="old")
    writer.send("Update", {"id": "a", "user": "new"})
    while not world.writing.jobs:
        world.sweep()
        if world.reading.jobs:
            world.reading.step()
    reader.send("Find", {"id": "a"})
    world.sweep()
    assert not reader.replies
    world.drain()
    assert reader.replies[0]["user"] == "new"


def test_many_pipelined_requests_to_tasks_on_disk_are_answered_with_the_smallest_cache(
    world: World,
) -> None:
    """A cache that holds one task slows the daemon, and stops nothing."""
    peer, count = world.connect(), REQUESTS_MAX + 40
    for number in range(count):
        peer.send("Register", {"id": f"t{number}", "name": "n" * 50})
    world.drain()
    peer.replies.clear()
    for number in range(count):
        peer.send("Find", {"id": f"t{number}"})
    world.drain()
    assert [reply["id"] for reply in peer.replies] == [f"t{number}" for number in range(count)]


def test_a_task_grows_no_further_than_a_frame(world: World) -> None:
    """Unknown fields add up over Updates; a task that could not be sent is refused."""
    peer = world.connect()
    peer.ask("Register", id="a", name="n", big="x" * 900_000)
    refused = peer.ask("Update", id="a", more="y" * 200_000)
    assert refused["errid"] == 1000
    assert "more than" in refused["detail"]
    assert "more" not in peer.ask("Find", id="a")


def test_live_tasks_are_limited_and_the_others_are_not(tmp_path: Path) -> None:
    """1005 for one live task too many; ended ones and updates of live ones are no burden."""
    world = World(tmp_path, max_live_tasks=2)
    peer = world.connect()
    for task_id in ("a", "b"):
        assert peer.ask("Register", id=task_id, name="n")["errid"] == 0
    assert peer.ask("Register", id="c", name="n")["errid"] == 1005
    assert peer.ask("Register", id="d", name="n", status="finish")["errid"] == 0
    assert peer.ask("Update", id="a", description="x")["errid"] == 0
    assert peer.ask("Update", id="d", status="running")["errid"] == 1005
    peer.ask("Update", id="a", status="finish")
    assert peer.ask("Register", id="c", name="n")["errid"] == 0
    world.close()


def test_a_fault_in_a_handler_is_answered_and_the_connection_lives(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected fault is logged whole and tells the peer nothing of the code."""
    peer = world.connect()

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(world.core.room, "check_live", broken)
    reply = peer.ask("Register", id="a", name="n")
    assert reply["errid"] == 1001
    assert "secret" not in str(reply)
    assert "ZeroDivisionError" in capsys.readouterr().out
    monkeypatch.undo()
    assert peer.ask("Register", id="a", name="n")["errid"] == 0


def test_hands_from_outside_in_a_row_do_not_keep_a_task_alive(world: World) -> None:
    """A task whose service is silent dies, though an own:false write always waits for the disk."""
    service, operator = world.connect(), world.connect()
    service.ask("Register", id="a", name="n", status="running", heartbeat_timeout=1)
    service.close()
    for count in range(6):
        operator.send("Update", {"id": "a", "description": f"{count}", "own": False})
        world.sweep()
        world.time += 0.25
        world.supervisor.tick()
        while world.reading.jobs:
            world.reading.step()
        world.writing.step()
    world.drain()
    assert status(operator, "a") == "shutdown"
    assert operator.ask("Find", id="a")["description"] == "5"


def test_a_taking_over_that_waits_for_the_disk_saves_a_task(world: World) -> None:
    """A write of a new owner is a sign of life from when it was read, however slow the disk."""
    service, heir = world.connect(), world.connect()
    service.ask("Register", id="a", name="n", status="running", heartbeat_timeout=1)
    service.close()
    world.time += 0.9
    heir.send("Update", {"id": "a"})
    world.sweep()
    world.time += 0.2
    world.supervisor.tick()
    world.drain()
    assert status(heir, "a") == "running"


def test_a_reply_that_is_ready_is_for_our_framing_alone(world: World) -> None:
    """A connection that speaks the original framing never gets bytes of the other."""
    peer, old = world.connect(), world.connect()
    peer.ask("Register", id="a", name="n")
    for _ in range(2):
        assert peer.ask("Find", id="a")["errid"] == 0
    sent: list[bytes] = []
    old.take = sent.append  # type: ignore[method-assign]
    old.send_bytes(TCPX.heartbeat + TASKDASH.request({"RequestID": "Find"}, b'{"id":"a"}'))
    world.drain()
    assert b"".join(sent)[4:8] == (4).to_bytes(4, "big"), "a reply has MessageID 4 there"


def test_a_find_behind_a_query_is_not_older_than_the_page(world: World) -> None:
    """Nothing that a connection asks after a session operation is done before that has ended."""
    peer, other = world.connect(), world.connect()
    other.ask("Register", id="a", name="n", status="pending")
    assert peer.ask("Find", id="a")["rev"] == peer.ask("Find", id="a")["rev"] == 1
    other.send("Update", {"id": "a", "user": "u"})
    world.sweep()
    peer.send("Query", {})
    peer.send("Find", {"id": "a"})
    world.drain()
    page, found = peer.replies[-2:]
    assert found["rev"] >= page["tasks"][0]["rev"]


def test_a_peer_that_waits_for_us_is_not_silent(world: World) -> None:
    """While all its pending requests wait for the disk, the peer's beats are heard all the same."""
    world.live.max_pending = 1
    service, other = world.connect(), world.connect()
    service.ask("Register", id="a", name="n", status="running", heartbeat_timeout=1)
    for count in range(5):
        service.send("Update", {"id": "a", "description": f"{count}"})
    world.sweep()
    for _ in range(8):
        world.time += 0.25
        service.beat()
        world.supervisor.tick()
        assert service.connection.wants_input
    world.drain()
    assert status(other, "a") == "running"
    assert service.open


def test_a_batch_ends_and_nothing_of_it_is_lost(world: World) -> None:
    """Far more frames than a batch, then the end of input: each is done and answered, in order."""
    peer = world.connect()
    count = 5 * REQUESTS_MAX
    frames = [
        TASKDASH.request({"RequestID": "Find", "Seq": n}, b'{"id":"x"}') for n in range(count)
    ]
    peer.connection.receive(b"".join(frames))
    assert peer.connection.wants_turn
    peer.connection.end_of_input()
    assert not peer.connection.finished
    assert not peer.connection.idle
    world.touched(peer.connection)
    world.drain()
    assert len(peer.replies) == count
    assert peer.connection.finished
