"""Many go silent at once: each is told of once, none too early, none much too late."""

import time

import pytest

from .conftest import Start
from .wire import BEAT, Client, frame, request

_LATE_MAX_S = 1.0


def _die_together(start: Start, connections: int, tasks_each: int, timeout_s: float) -> None:
    daemon = start(heartbeat_timeout=timeout_s, max_connections_per_address=connections + 1)
    silent: list[Client] = []
    watcher = daemon.connect()
    try:
        watcher.good("Watch", where={"status": "shutdown"})
        began = time.monotonic()
        for number in range(connections):
            client = daemon.connect()
            silent.append(client)
            client.send(
                b"".join(
                    request("Register", {"id": f"{number}/{task}", "name": "n"})
                    for task in range(tasks_each)
                )
            )
        watcher.send(BEAT)
        for client in silent:
            for _ in range(tasks_each):
                assert client.reply()["errid"] == 0
        registered_s = time.monotonic() - began
        assert registered_s < timeout_s, "this machine is too slow for the test"
        # Beat once more on each connection, so that all are due together.
        earliest: list[float] = []
        latest: list[float] = []
        for client in silent:
            earliest.append(time.monotonic() + timeout_s)
            client.send(frame(1392, {"Seq": 1}, None))
        for client in silent:
            while not client.replies:
                client.receive()
            latest.append(time.monotonic() + timeout_s)
        watcher.send(BEAT)
        _see_them_die(watcher, earliest, latest, connections * tasks_each, registered_s)
    finally:
        for client in [*silent, watcher]:
            client.close()
    daemon.no_traceback()


def _see_them_die(
    watcher: Client, earliest: list[float], latest: list[float], total: int, registered_s: float
) -> None:
    seen: set[str] = set()
    sooner, later = 1e9, -1e9
    end = max(latest) + 15
    quiet_until = end
    beat_at = time.monotonic() + 1
    while (now := time.monotonic()) < min(end, quiet_until):
        if now >= beat_at:
            watcher.send(BEAT)
            beat_at = now + 1
        try:
            watcher.receive(0.2)
        except TimeoutError:
            continue
        for at, _, body in watcher.events:
            task_id = body["task"]["id"]
            assert body["kind"] == "shutdown", body
            assert task_id not in seen, f"{task_id} is told twice"
            seen.add(task_id)
            number = int(task_id.partition("/")[0])
            sooner = min(sooner, at - earliest[number])
            later = max(later, at - latest[number])
        watcher.events.clear()
        if len(seen) == total and quiet_until == end:
            # Wait a little longer: an event told twice would follow soon.
            quiet_until = time.monotonic() + 1
    print(
        f"\n{total} tasks on {len(earliest)} connections (registered in {registered_s:.2f} s):"
        f" first event {sooner:+.3f} s, last {later:+.3f} s after its deadline"
    )
    assert len(seen) == total
    assert sooner >= 0, f"a task was shut down {-sooner:.3f} s before its deadline"
    assert later <= _LATE_MAX_S, f"a task was shut down {later:.3f} s after its deadline"


@pytest.mark.alone
def test_1000_tasks_that_die_at_once_are_shut_down_in_time(start: Start) -> None:
    """1,000 tasks on 100 connections: one event each, not before the deadline, 1 s after it."""
    _die_together(start, 100, 10, 1.5)


@pytest.mark.soak
def test_10000_tasks_that_die_at_once_are_shut_down_in_time(start: Start) -> None:
    """10,000 tasks on 1,000 connections: as above."""
    _die_together(start, 1000, 10, 5.0)
