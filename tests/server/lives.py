"""Helpers of the tests of liveness and ownership: a task that lives, and one that dies."""

import time

ENDED = ["finish", "finished", "failed", "cancelled", "shutdown"]
WAITING = ["待领取", "已领取", "编辑中", "pending", "review"]
TIMEOUT = 0.5


def live(wire, task, group, timeout=TIMEOUT, **more):
    """Register a live task. Returns the moment before the request, and that of the reply."""
    wire.register(task, group_id=group, status="running", heartbeat_timeout=timeout, **more)
    return wire.sent_at, time.monotonic()


def dies(watcher, task, earliest, latest):
    """Await the next shutdown event; check that it is this task's, and within these moments."""
    event = next_of(watcher, "shutdown", latest - time.monotonic() + 0.5)
    assert event.task["id"] == task
    assert event.at >= earliest, f"{earliest - event.at:.3f} s too soon"
    assert event.at <= latest, f"{event.at - latest:.3f} s too late"
    return event


def next_of(watcher, kind, within=3.0):
    deadline = time.monotonic() + within
    while (event := watcher.event(deadline - time.monotonic())).kind != kind:
        assert event.kind != "shutdown"
    return event
