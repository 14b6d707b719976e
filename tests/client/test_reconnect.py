"""The client and real daemons that die: nothing lost, nothing twice, nothing out of order."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from postgres import rows_of

import taskdash
from taskdash.testing import running_daemon


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # Cap the backoff, which rightly grows while connections live for a moment only.
    monkeypatch.setattr("taskdash.waiting.BACKOFF_MAX_S", 0.3)


def _killed_again_and_again(data: Path, kills: int) -> None:
    """A task counts upwards while the daemon is killed under it; then its history is read."""
    acknowledged: list[int] = []
    with (
        running_daemon(data, heartbeat_timeout=5) as daemon,
        taskdash.connect(daemon.url) as dash,
        dash.task("counter") as task,
    ):
        watch = dash.watch({"id": "counter"})
        number = 0
        for _ in range(kills):
            for _ in range(5):
                number += 1
                task.update(number=number)
            number += 1
            dash.update("counter", number=number, timeout_s=30)
            acknowledged.append(number)
            number += 1
            task.update(number=number)
            daemon.kill()
            number += 1
            task.update(number=number)
            daemon.restart()
        assert dash.drain(30)
        assert dash.find("counter")["number"] == number
        told = []
        while not told or told[-1].task["number"] != number:
            event = watch.next(20)
            assert event is not None, told[-1]
            told.append(event)
        watch.close()
    history = _history(data)
    numbers = [fields.get("number", 0) for _, fields in history]
    assert set(acknowledged) <= set(numbers), "an acknowledged update is not in the history"
    assert numbers == sorted(numbers), "an older state was written over a newer one"
    # A write that was done is not done again: what follows it is at most the write that takes the
    # task up on the new connection, and that raises the epoch.
    for (_, before), (_, after) in pairwise(history):
        if before.get("number") == after.get("number") and after["status"] == "running":
            assert after["epoch"] == before["epoch"] + 1
    revs = [event.rev for event in told]
    since = told[0].rev
    assert revs == [rev for rev, _ in history if since <= rev <= revs[-1]], "a gap or a double"


def _history(data: Path) -> list[tuple[int, dict[str, object]]]:
    rows = rows_of(data, "SELECT rev, task FROM change WHERE task_id = 'counter' ORDER BY rev")
    return [(rev, json.loads(text)) for rev, text in rows]


@pytest.mark.fault(1)
def test_a_daemon_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Four kills, in every run of the suite."""
    _killed_again_and_again(tmp_path, 4)


@pytest.mark.fault(1)
@pytest.mark.soak
def test_a_daemon_that_is_killed_fifty_times_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Fifty kills, among the slow tests."""
    _killed_again_and_again(tmp_path, 50)
