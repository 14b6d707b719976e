"""PROTOCOL.md, 8. "Liveness": who owns what, and coming back."""

import time
from contextlib import suppress
from datetime import datetime

import pytest
from lives import TIMEOUT, dies, live, next_of


@pytest.mark.parametrize("operation", ["Update", "Register"])
def test_recovery(daemon, wire, watcher, group, task_id, operation):
    """A task comes back when its owner reconnects, Finds it and writes a live status: `recovered`,
    shutdown_at and status_before_shutdown emptied; and it is supervised again."""
    live(wire, task_id, group)
    shut = next_of(watcher, "shutdown")
    again = daemon.connect()
    assert again.find(task_id)["status_before_shutdown"] == "running"
    again.call(
        operation,
        {
            "id": task_id,
            "name": "n",
            "group_id": group,
            "status": "working",
            "heartbeat_timeout": TIMEOUT,
        },
    )
    low, high = again.sent_at, time.monotonic()
    event = next_of(watcher, "recovered")
    assert event.rev > shut.rev
    assert event.task["status"] == "working"
    assert event.task["shutdown_at"] == event.task["status_before_shutdown"] == ""
    assert event.task["epoch"] == 2
    second = dies(watcher, task_id, low + TIMEOUT, high + TIMEOUT + 1)
    assert second.task["status_before_shutdown"] == "working"


def test_update_without_a_status_leaves_it_shutdown(daemon, wire, watcher, group, task_id):
    """An Update that names no status leaves the task shutdown, whoever sends it."""
    live(wire, task_id, group)
    shut = next_of(watcher, "shutdown")
    again = daemon.connect()
    for own in ({}, {"own": False}):
        again.update(task_id, user="u", **own)
        event = watcher.event()
        assert event.kind == "updated"
        for name in ("status", "shutdown_at", "status_before_shutdown"):
            assert event.task[name] == shut.task[name]
    again.update(task_id, status="running")
    assert watcher.event().kind == "recovered"


def test_takeover_by_another_connection(daemon, wire, watcher, group, task_id):
    """The newest owner wins: from then on its silence counts, and the old owner's beats do not."""
    live(wire, task_id, group)
    other = daemon.connect()
    other.update(task_id)
    low, high = other.sent_at, time.monotonic()
    while True:
        wire.beat()
        try:
            event = watcher.event(0.1)
        except TimeoutError:
            assert time.monotonic() < high + TIMEOUT + 1
            continue
        if event.kind == "shutdown":
            break
    assert low + TIMEOUT <= event.at <= high + TIMEOUT + 1
    assert event.task["epoch"] == 2
    wire.ping()


def test_new_owner_keeps_it_alive(daemon, wire, watcher, group, task_id):
    """The old owner's silence, and the end of its connection, harm nobody."""
    live(wire, task_id, group)
    other = daemon.connect()
    other.register(task_id, group_id=group, status="running", heartbeat_timeout=TIMEOUT)
    assert next_of(watcher, "registered")
    assert next_of(watcher, "updated")
    for n in range(12):
        other.beat()
        watcher.silent(0.1)
        if n == 5:
            wire.close()
    other.find(task_id)


def test_own_false_is_no_takeover_and_no_sign_of_life(daemon, wire, watcher, group, task_id):
    """An Update with "own": false leaves the task to the service that runs it."""
    low, high = live(wire, task_id, group)
    operator = daemon.connect()
    seen = datetime.fromisoformat(operator.find(task_id)["last_seen"])
    count = 0
    while True:
        operator.update(task_id, own=False, user=f"{count}")
        count += 1
        moved = datetime.fromisoformat(operator.find(task_id)["last_seen"]) - seen
        assert abs(moved.total_seconds()) < 0.01
        with suppress(TimeoutError):
            event = watcher.event(0.05)
            if event.kind == "shutdown":
                break
        assert time.monotonic() < high + TIMEOUT + 1
    assert low + TIMEOUT <= event.at <= high + TIMEOUT + 1
    watcher.events.clear()


def test_own_false_owner_keeps_it_alive(daemon, wire, watcher, group, task_id):
    """The service keeps the task alive as before, when the operator's connection is gone too."""
    live(wire, task_id, group)
    operator = daemon.connect()
    operator.update(task_id, own=False, user="op")
    operator.close()
    assert next_of(watcher, "updated")
    for _ in range(10):
        wire.beat()
        watcher.silent(0.1)


def test_a_connection_that_closes_is_not_a_death(daemon, wire, watcher, group, task_id):
    """A closed connection's tasks have until the same deadline, neither less nor more."""
    low, high = live(wire, task_id, group, 1.0)
    assert next_of(watcher, "registered")
    watcher.silent(0.3)
    wire.close()
    dies(watcher, task_id, low + 1.0, high + 2.0)


def test_taken_up_after_a_disconnect(daemon, watcher, group):
    """Register or Update of the id by another connection before the deadline takes it up,
    however the first one ended."""
    for end in ("close", "reset", "half_close"):
        wire = daemon.connect()
        live(wire, f"{group}-{end}", group, 0.6)
        getattr(wire, end)()
        assert next_of(watcher, "registered")
    watcher.silent(0.2)
    other = daemon.connect()
    for end in ("close", "reset", "half_close"):
        other.update(f"{group}-{end}")
        assert next_of(watcher, "updated").task["epoch"] == 2
    for _ in range(8):
        other.beat()
        watcher.silent(0.15)
    other.ping()


def test_find_does_not_take_up(daemon, wire, watcher, group, task_id):
    """A connection owns what it registered or updated, not what it asks for or watches."""
    low, high = live(wire, task_id, group)
    wire.close()
    other = daemon.connect()
    event = None
    while event is None or event.kind != "shutdown":
        other.find(task_id)
        assert time.monotonic() < high + TIMEOUT + 1
        event = None
        with suppress(TimeoutError):
            event = watcher.event(0.05)
    assert low + TIMEOUT <= event.at <= high + TIMEOUT + 1
