"""Pings: what `/ping/TOKEN/ID` makes of a task. Rules only.

The status of a task before a ping, and after each kind of it:

before                 (no suffix)            /start     /0        /fail, /1 to /255
---------------------  ---------------------  ---------  --------  -----------------
no task                up                     started    finish    failed
started, also if it    finish                 started    finish    failed
  was shut down
live otherwise         as it is: a beat       started    finish    failed
ended otherwise        up                     started    finish    failed
finish, of a run that  finish: it was sent    started    finish    failed
  has just ended       twice
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Conflict
from taskdash_protocol.requests import Register, Update
from taskdash_protocol.statuses import FINISHED, WAITING, is_live
from taskdashd.domain.tasks import Task

Signal = Literal["", "start", "fail"]

STARTED: Final = "started"
"""The status of a run between its `/start` and its end."""
UP: Final = "up"
"""The status of what is pinged each time that it has run, and never started."""
FAILED: Final = "failed"
FIRST_TIMEOUT_S: Final = 86_400.0
"""The heartbeat timeout of what is pinged first without one."""
REPEATED_S: Final = 600.0
"""For so long after the end of a run another ping without a suffix is that end, sent again.

curl repeats a request whose answer was lost, and waits up to 10 minutes before; taken for a beat,
the repetition would have the daemon wait for a sign of life of what has ended.
"""


class Ping(NamedTuple):
    """A ping, as its path, query and body say."""

    id: str
    signal: Signal
    exit_code: int | None
    timeout_s: float | None
    """The task's heartbeat timeout from now on; None where the ping does not say."""
    reason: str
    """The end of the body's text."""


Write = Register | Update | None
"""What a ping writes; None where it is a sign of life and no more."""


def first(ping: Ping, home: str, at: str) -> Register:
    """Make the task that a ping of an unknown id begins; it gets the group `home`."""
    fields = {"id": ping.id, "name": ping.id, "group_id": home, **_told({}, ping, UP, at)}
    timeout_s = FIRST_TIMEOUT_S if ping.timeout_s is None else ping.timeout_s
    return Register.parse({**fields, "heartbeat_timeout": timeout_s})


def next_(
    old: Task, ping: Ping, at: str, just_before: Callable[[], str], *, takes_over: bool
) -> Write:
    """Give what a ping writes to a task. Raises `Conflict`.

    `just_before` gives the moment `REPEATED_S` before `at`. `takes_over` says that something else
    than pings keeps the task alive so far.
    """
    if old.fenced:
        said = "the task is fenced, and a ping names no epoch"
        raise Conflict.held(said, old.holder, old.held_since, old.epoch)
    if old.kind != "service" or old.status in WAITING:
        raise Conflict("the task is people's, or waits for its turn: a ping does not move it")
    status = old.status
    has_suffix = ping.signal != "" or ping.exit_code is not None
    if is_live(status) and status != STARTED and not has_suffix:
        fields: dict[str, Any] = {"reason": ping.reason} if ping.reason else {}
    else:
        known = strictjson.reload(old.body)
        if not has_suffix and not takes_over and _has_just_ended(old, known, just_before()):
            return None
        was_started = STARTED in (status, known["status_before_shutdown"])
        fields = _told(known, ping, FINISHED if was_started else UP, at)
        status = fields["status"]
    timeout_s = ping.timeout_s
    if timeout_s is None and old.timeout_s is None and is_live(status):
        timeout_s = FIRST_TIMEOUT_S
    if not fields and not takes_over and timeout_s in (None, old.timeout_s):
        return None
    return Update(old.id, fields, timeout_s)


def _has_just_ended(old: Task, known: Mapping[str, Any], just_before: str) -> bool:
    was_started = old.status == FINISHED and known["start_time"] != ""
    # The repetition itself must write nothing: each would prolong the time for the next, and what
    # is pinged every few minutes would stay ended for ever.
    return was_started and bool(known["updated_at"] >= just_before)


def _told(known: Mapping[str, Any], ping: Ping, otherwise: str, at: str) -> dict[str, Any]:
    """Give the members that a ping writes; `otherwise` is the status where no suffix says it."""
    status = otherwise
    if ping.signal == "start":
        status = STARTED
    elif ping.signal == "fail" or ping.exit_code:
        status = FAILED
    elif ping.exit_code == 0:
        status = FINISHED
    fields: dict[str, Any] = {"status": status}
    if status == STARTED:
        fields |= {"start_time": at, "stop_time": ""}
    else:
        fields["stop_time"] = "" if status == UP else at
        if status == UP and known.get("start_time"):
            fields["start_time"] = ""
    # A member that stood for the end of an earlier run must not stand beside this one.
    for name, value, none in (("exit_code", ping.exit_code, None), ("reason", ping.reason, "")):
        if value != none or known.get(name, none) != none:
            fields[name] = value
    return fields
