"""PROTOCOL.md, 5. "Errors" and 10. "Limits": 1001 and 1005; what is acknowledged is on disk."""

import resource
import time

import pytest
from wire_client import REQUEST, ask, native, unique


def test_a_frame_too_large_as_a_task(start, task_id):
    """Fields count toward the frame limit: a task is never so large that Find cannot give it."""
    wire = start(max_frame=4096).connect()
    whole = 4096 - len(native(REQUEST, {"RequestID": "Register"}, {"id": task_id, "name": ""})) - 2
    wire.send(ask("Register", {"id": task_id, "name": "x" * whole}))
    frame = wire.reply()
    assert frame.body["errid"] in (0, 1000)
    if frame.body["errid"]:
        wire.find(task_id, errid=1002)
    wire.register(task_id, a="x" * 2000)
    wire.send(ask("Update", {"id": task_id, "b": "x" * 3000}))
    assert wire.reply().body["errid"] in (0, 1000)
    assert len(wire.find(task_id)["a"]) == 2000


def test_limits_on_live_tasks(start):
    """Over a limit: 1005, and nothing was done; it fits again once there is room."""
    wire = start(max_live_tasks=2).connect()
    for task in ("a", "b"):
        wire.register(task)
    wire.register("c", errid=1005)
    wire.find("c", errid=1002)
    wire.register("c", status="pending")
    wire.update("c", status="running", errid=1005)
    assert wire.find("c")["status"] == "pending"
    wire.update("a", status="finished")
    wire.update("c", status="running")


@pytest.mark.fault(30)
def test_limit_on_connections(start):
    """One connection too many is told 1005 and closed; the others are served."""
    daemon = start(max_connections=2)
    first, second = daemon.connect(), daemon.connect()
    first.ping()
    second.ping()
    for _ in range(3):
        third = daemon.connect()
        third.check(third.reply(), 1005)
        third.eof()
    first.ping()
    second.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        again = daemon.connect()
        again.send(ask("Find", {"id": "no"}, Seq=1))
        frame = again.reply()
        if frame.header.get("Seq") == 1:
            break
        again.close()
    again.check(frame, 1002)


@pytest.mark.sqlite("a disk that is full under the file")
@pytest.mark.fault(7)
def test_disk_fault(start, task_id):
    """1001: the write is not on disk, nothing of it is kept; reads go on, later writes work."""
    daemon = start()
    wire = daemon.connect()
    wire.register(task_id, name="before")
    pid = daemon.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    other = unique()
    wire.update(task_id, name="x" * 100_000, errid=1001)
    wire.register(other, name="x" * 100_000, errid=1001)
    assert wire.find(task_id)["name"] == "before"
    wire.find(other, errid=1002)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    wire.update(task_id, name="after")
    wire.register(other)
    assert wire.find(task_id)["name"] == "after"


@pytest.mark.fault(1)
def test_committed_before_the_reply(start):
    """errid 0 of a write: on disk before the reply is sent. kill -9 loses nothing acknowledged."""
    first = start()
    wire = first.connect()
    tasks = [unique() for _ in range(400)]
    wire.send(b"".join(ask("Register", {"id": task, "name": task}) for task in tasks))
    acknowledged = [wire.check(wire.reply())["id"] for _ in range(250)]
    first.kill()
    again = start().connect()
    for task in acknowledged:
        assert again.find(task)["name"] == task
