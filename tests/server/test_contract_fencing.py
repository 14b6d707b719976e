"""PROTOCOL.md, 9. "Epochs and fencing": the epoch, and who may write a fenced task."""

import pytest
from wire_client import unique


@pytest.fixture
def other(daemon):
    """Another connection."""
    return daemon.connect()


def state(wire, task_id: str) -> dict:
    """All of a task that a refused write must not move."""
    task = wire.find(task_id)
    del task["last_seen"]
    return task


def test_epoch_grows_with_each_change_of_owner(wire, other, task_id):
    """epoch grows by 1 each time the owner changes, by Register or Update, and only then."""
    assert wire.register(task_id)["epoch"] == 1
    assert wire.register(task_id)["epoch"] == 1
    assert wire.update(task_id, status="running")["epoch"] == 1
    assert other.update(task_id, status="running")["epoch"] == 2
    assert other.register(task_id)["epoch"] == 2
    assert wire.register(task_id)["epoch"] == 3
    assert other.find(task_id)["epoch"] == 3
    other.query(where={"id": task_id})
    other.watch(where={"id": task_id})
    other.beat()
    assert wire.update(task_id)["epoch"] == 3


def test_epoch_grows_for_statuses_that_are_not_supervised(wire, other, task_id):
    """Ownership is not a matter of status."""
    assert wire.register(task_id, status="pending")["epoch"] == 1
    assert other.update(task_id, status="finished")["epoch"] == 2
    assert wire.update(task_id, status="pending")["epoch"] == 3


def test_own_false_leaves_the_owner(wire, other, task_id):
    """ "own": false changes the task without becoming its owner: the epoch stays."""
    wire.register(task_id, status="running")
    assert other.update(task_id, own=False, user="operator")["epoch"] == 1
    assert wire.find(task_id)["user"] == "operator"
    assert wire.update(task_id, user="me")["epoch"] == 1
    assert other.update(task_id, own=True)["epoch"] == 2


def test_epoch_after_a_reconnect(daemon, wire, task_id):
    """Another connection of the same client is another owner."""
    wire.register(task_id)
    wire.close()
    assert daemon.connect().update(task_id)["epoch"] == 2


@pytest.mark.parametrize(
    ("operation", "own"), [("Register", {}), ("Update", {}), ("Update", {"own": False})]
)
def test_a_write_with_another_epoch_loses(daemon, wire, other, task_id, operation, own):
    """1004, nothing changed, and detail says who holds the task and since when."""
    wire.call("Hello", {"protocol": 1, "client": "holder-of-it/7"})
    wire.register(task_id, status="running")
    wire.update(task_id, user="u")
    other.update(task_id)
    wire.register(task_id, name="third", status="running")
    since = wire.find(task_id)["updated_at"]
    before = state(wire, task_id)
    assert before["epoch"] == 3
    for stale in (0, 1, 2, 4, 2**62):
        for writer in (wire, other):
            body = {"id": task_id, "name": "lost", "status": "lost", "epoch": stale, **own}
            answer = writer.call(operation, body, errid=1004)
            assert answer["id"] == task_id
            assert "holder-of-it/7" in answer["detail"]
            assert since in answer["detail"]
    assert state(wire, task_id) == before
    watcher = daemon.connect()
    watcher.watch(where={"id": task_id}, since=before["rev"])
    watcher.ping()
    assert not watcher.events


def test_a_refused_writer_is_no_sign_of_life_and_no_owner(daemon, wire, other, task_id):
    """A write that lost does not take the task over."""
    wire.register(task_id, status="running", heartbeat_timeout=0.5)
    watcher = daemon.connect()
    watcher.watch(where={"id": task_id})
    began = wire.sent_at
    while not watcher.events:
        other.update(task_id, epoch=77, errid=1004)
        try:
            watcher.events.append(watcher.event(0.1))
        except TimeoutError:
            # Finding the task is no sign of life either.
            other.find(task_id)
    assert watcher.events[0].kind == "shutdown"
    assert 0.5 <= watcher.events[0].at - began <= 1.5
    watcher.events.clear()


def test_a_write_with_the_current_epoch_wins(wire, other, task_id):
    """The current epoch is as good as none, on Register and Update."""
    epoch = wire.register(task_id)["epoch"]
    epoch = other.update(task_id, epoch=epoch)["epoch"]
    assert epoch == 2
    assert other.update(task_id, epoch=epoch)["epoch"] == 2
    assert wire.register(task_id, epoch=epoch)["epoch"] == 3
    wire.update(task_id, epoch=epoch, errid=1004)


def test_pipelined_writers_with_one_epoch(wire, other, task_id):
    """Of several that believe in the same epoch, one that takes over fences the rest."""
    epoch = wire.register(task_id)["epoch"]
    assert other.update(task_id, epoch=epoch, user="winner")["epoch"] == epoch + 1
    wire.update(task_id, epoch=epoch, user="loser", errid=1004)
    assert wire.find(task_id)["user"] == "winner"


def test_fenced_needs_the_epoch(wire, other, task_id):
    """A fenced task can be written by another connection only with the current epoch."""
    wire.register(task_id, fenced=True, status="running")
    before = state(wire, task_id)
    for body in ({}, {"own": False}):
        answer = other.update(task_id, user="x", errid=1004, **body)
        assert before["updated_at"] in answer["detail"]
    other.register(task_id, errid=1004)
    other.update(task_id, fenced=False, errid=1004)
    assert state(wire, task_id) == before
    wire.update(task_id, user="owner")
    wire.register(task_id, fenced=True, status="running")
    assert other.update(task_id, own=False, epoch=1, user="operator")["epoch"] == 1
    assert other.update(task_id, epoch=1, user="next")["epoch"] == 2
    wire.update(task_id, user="late", errid=1004)
    wire.update(task_id, user="late", epoch=1, errid=1004)
    assert wire.find(task_id)["user"] == "next"
    assert wire.register(task_id, epoch=2, fenced=True)["epoch"] == 3


def test_fenced_register_once_the_owner_has_left(daemon, wire, other, task_id):
    """Register, and only Register, needs no epoch once the owner is disconnected."""
    wire.register(task_id, fenced=True, status="running")
    watcher = daemon.connect()
    wire.close()
    other.update(task_id, user="x", errid=1004)
    other.update(task_id, user="x", own=False, errid=1004)
    other.register(task_id, epoch=7, errid=1004)
    watcher.ping()
    assert other.register(task_id, fenced=True)["epoch"] == 2
    assert watcher.register(task_id, errid=1004)["errid"] == 1004


@pytest.mark.fault(16)
def test_fenced_register_once_the_owner_is_silent(daemon, wire, other, task_id):
    """An owner that is silent past the timeout is gone too, though its connection is open."""
    wire.register(unique(), status="running", heartbeat_timeout=5)
    wire.register(task_id, fenced=True, status="running", heartbeat_timeout=0.5)
    watcher = daemon.connect()
    watcher.watch(where={"id": task_id})
    other.register(task_id, errid=1004)
    assert watcher.event(2).kind == "shutdown"
    other.update(task_id, status="running", errid=1004)
    assert other.register(task_id, status="running", fenced=True)["epoch"] == 2
    assert watcher.event().kind == "recovered"
    # The hung worker wakes up: it cannot undo its successor's work.
    wire.ping()
    wire.update(task_id, status="finished", errid=1004)
    wire.update(task_id, status="finished", epoch=1, errid=1004)
    wire.register(task_id, status="finished", errid=1004)
    found = other.find(task_id)
    assert (found["status"], found["epoch"]) == ("running", 2)


def test_fenced_owner_comes_back(wire, task_id, daemon):
    """The owner itself writes its fenced task without an epoch, shut down or not."""
    watcher = daemon.connect()
    watcher.watch(where={"id": task_id, "status": "shutdown"})
    wire.register(unique(), status="running", heartbeat_timeout=5)
    wire.register(task_id, fenced=True, status="running", heartbeat_timeout=0.5)
    assert watcher.event(2).kind == "shutdown"
    assert wire.update(task_id, status="running")["epoch"] == 1


def test_fence_survives_a_restart(start, task_id):
    """After a restart the fence and the epoch stand; the owner's connection is gone."""
    first = start()
    wire = first.connect()
    wire.register(task_id, fenced=True, status="running")
    first.kill()
    second = start().connect()
    second.update(task_id, user="x", errid=1004)
    second.update(task_id, user="x", epoch=2, errid=1004)
    assert second.register(task_id, fenced=True, status="running")["epoch"] == 2


def test_unfenced_tasks_go_to_the_newest(wire, other, task_id):
    """Without a fence, taking over from an open connection is allowed: the newest wins."""
    wire.register(task_id, user="a")
    other.register(task_id, user="b")
    assert wire.update(task_id, user="c")["epoch"] == 3
