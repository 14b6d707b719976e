"""What a ping makes of a task: the table of `domain/pings`, row by row."""

from typing import Any

import pytest

from taskdash_protocol.errors import Conflict
from taskdash_protocol.requests import Register, Update
from taskdashd.domain import pings, tasks
from taskdashd.domain.pings import Ping
from taskdashd.domain.tasks import Author, Moment, Task

AT, BEFORE, LATER = (
    "2026-01-01T10:00:00.000Z",
    "2026-01-01T09:50:00.000Z",
    "2026-01-01T10:11:00.000Z",
)
BARE, START = Ping("a", "", None, None, ""), Ping("a", "start", None, None, "")
FAIL, ZERO, TWO = (
    START._replace(signal="fail"),
    BARE._replace(exit_code=0),
    BARE._replace(exit_code=2),
)
PINGER = Author(1, "ping (a)")


def done(*asked: Ping, task: Task | None = None, at: str = AT) -> Task | None:
    """Ping a task, again and again."""
    for ping in asked:
        if task is None:
            write: Any = pings.first(ping, "g", at)
        else:
            takes_over = task.owner != PINGER.serial
            before = BEFORE if at == AT else AT.replace("00.000", "01.000")
            write = pings.next_(task, ping, at, lambda before=before: before, takes_over=takes_over)
        if isinstance(write, Register):
            task = tasks.register(None, write, PINGER, Moment(1, at)).task
        elif isinstance(write, Update):
            assert task is not None
            task = tasks.update(task, write, PINGER, Moment(task.rev + 1, at)).task
    return task


def fields(task: Task | None) -> dict[str, Any]:
    assert task is not None
    from taskdash_protocol import strictjson

    return dict(strictjson.reload(task.body))


def dead(task: Task | None) -> Task:
    assert task is not None
    return tasks.shut_down(task, Moment(task.rev + 1, AT), "taskdashd").task


ROWS: list[tuple[Task | None, str]] = [
    (None, "up"),
    (done(START), "finish"),
    (dead(done(START)), "finish"),
    (done(BARE), "up"),
    (dead(done(BARE)), "up"),
    (done(FAIL), "up"),
    (done(START, FAIL), "up"),
    (done(ZERO), "up"),
    (done(START, BARE), "finish"),
    (done(START, ZERO), "finish"),
]


@pytest.mark.parametrize(("before", "after"), ROWS)
def test_each_row_of_the_table(before: Task | None, after: str) -> None:
    for ping, status in ((BARE, after), (START, "started"), (ZERO, "finish"), (TWO, "failed")):
        assert fields(done(ping, task=before))["status"] == status
    assert fields(done(FAIL, task=before))["status"] == "failed"


def test_a_beat_writes_nothing_but_what_is_new() -> None:
    up = done(BARE)
    assert done(BARE, task=up) is up
    assert done(BARE._replace(timeout_s=86_400.0), task=up) is up
    longer = done(BARE._replace(timeout_s=90_000.0), task=up)
    assert (fields(longer)["status"], fields(longer)["heartbeat_timeout"]) == ("up", 90_000.0)
    assert done(BARE, task=longer) is longer
    assert fields(done(BARE._replace(reason="slow"), task=longer))["reason"] == "slow"


def test_the_end_of_a_run_sent_twice_is_one_end_and_later_it_is_a_beat() -> None:
    """curl --retry; and who takes `/start` out of the crontab must be watched again."""
    ended = done(START, BARE)
    assert done(BARE, task=ended) is ended
    assert fields(done(BARE, task=ended, at=LATER))["status"] == "up"


def test_nothing_of_an_earlier_run_stands_beside_a_later_one() -> None:
    failed = done(START, TWO._replace(reason="no space"))
    told = fields(failed)
    assert (told["exit_code"], told["reason"], told["stop_time"]) == (2, "no space", AT)
    again = fields(done(START, task=failed))
    assert (again["exit_code"], again["reason"], again["stop_time"]) == (None, "", "")
    assert fields(done(ZERO, task=failed))["exit_code"] == 0
    assert "exit_code" not in fields(done(START, FAIL))
    assert fields(done(BARE, task=failed))["start_time"] == ""


def test_the_first_timeout_is_a_day_and_stays() -> None:
    assert fields(done(START))["heartbeat_timeout"] == 86_400
    told = fields(done(START._replace(timeout_s=60.0), ZERO, START))
    assert told["heartbeat_timeout"] == 60


def service_s(**more: Any) -> Task:
    request = Register.parse({"id": "a", "name": "n", "status": "uploading", **more})
    return tasks.register(None, request, Author(7 << 32, "service"), Moment(1, AT)).task


def test_a_task_of_a_service_is_taken_over_and_keeps_its_words() -> None:
    told = done(BARE, task=service_s())
    assert told is not None
    assert (told.owner, told.epoch, told.status, told.timeout_s) == (1, 2, "uploading", 86_400)
    kept = done(BARE, task=service_s(heartbeat_timeout=5))
    assert kept is not None
    assert (kept.timeout_s, done(BARE, task=kept)) == (5, kept)


@pytest.mark.parametrize("more", [{"fenced": True}, {"status": "待领取"}, {"status": "review"}])
@pytest.mark.parametrize("ping", [BARE, START, ZERO, FAIL])
def test_what_is_fenced_or_people_s_is_not_moved(ping: Ping, more: dict[str, Any]) -> None:
    with pytest.raises(Conflict):
        done(ping, task=service_s(**more))
