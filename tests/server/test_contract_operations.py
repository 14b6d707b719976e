"""PROTOCOL.md, 7. "Operations": Hello, Register, Update, Find; every field, type and bound."""

import json
from datetime import UTC, datetime

import pytest
from wire_client import STAMP, STRINGS, ask, unique

DAEMON_FIELDS = [
    "rev",
    "epoch",
    "created_at",
    "updated_at",
    "last_seen",
    "shutdown_at",
    "status_before_shutdown",
]
OPTIONAL = [name for name in STRINGS if name not in ("id", "name")]
WRONG = [5, 1.5, True, False, None, [], ["x"], {}, {"x": "y"}]


# Hello


def test_hello(wire):
    """The reply tells what the daemon expects: protocol, server, timeouts, the frame limit."""
    answer = wire.hello()
    assert answer["protocol"] == 1
    assert answer["server"].startswith("taskdashd/")
    assert answer["heartbeat_timeout"] == 30
    assert answer["heartbeat_interval"] == pytest.approx(10)
    assert answer["max_frame"] == 1 << 20


def test_hello_tells_settings(start):
    """heartbeat_timeout is the daemon's; the interval to beat at is a third of it."""
    answer = start(heartbeat_timeout=1.5).connect().hello()
    assert answer["heartbeat_timeout"] == 1.5
    assert answer["heartbeat_interval"] == pytest.approx(0.5)


def test_hello_is_optional_and_may_come_late(wire, task_id):
    """Optional, may come first; it may come later and again too."""
    wire.register(task_id)
    wire.hello()
    wire.hello()
    wire.call("Hello", {"protocol": 1, "client": "名/1", "token": "a token"})


@pytest.mark.parametrize("protocol", [0, 2, 99, -1, 2**63 - 1])
def test_hello_of_a_protocol_not_spoken(wire, protocol):
    """A protocol that the daemon does not speak gets 1000 and names those it does."""
    answer = wire.call("Hello", {"protocol": protocol, "client": "c"}, errid=1000)
    assert "1" in answer["detail"].replace(str(protocol), "")
    wire.hello()


@pytest.mark.parametrize("protocol", ["1", 1.0, True, None, [1], {}])
def test_hello_protocol_of_a_wrong_type(wire, protocol):
    """protocol is an integer."""
    answer = wire.call("Hello", {"protocol": protocol, "client": "c"}, errid=1000)
    assert "protocol" in answer["detail"]


def test_hello_without_protocol(wire):
    """protocol is required."""
    assert "protocol" in wire.call("Hello", {"client": "c"}, errid=1000)["detail"]
    wire.call("Hello", {}, errid=1000)
    wire.call("Hello", None, errid=1000)


@pytest.mark.parametrize("name", ["client", "token"])
@pytest.mark.parametrize("value", [5, True, [], {}])
def test_hello_fields_of_a_wrong_type(wire, name, value):
    """client and token are strings."""
    body = {"protocol": 1, "client": "c", name: value}
    assert name in wire.call("Hello", body, errid=1000)["detail"]


# id and name


@pytest.mark.fault(40)
@pytest.mark.parametrize(
    "good", ["x", "名" * 128, "a" * 128, "😀", " ", "../../etc/passwd", "'; DROP TABLE task; --"]
)
def test_ids(wire, good):
    """1-128 characters (not bytes), no control characters, anything else goes."""
    wire.register(good, user="me")
    assert wire.find(good)["id"] == good
    assert wire.update(good, user="you")["id"] == good
    assert [one["user"] for one in wire.query(where={"id": good})["tasks"]] == ["you"]


@pytest.mark.fault(40)
@pytest.mark.parametrize("operation", ["Register", "Update", "Find"])
@pytest.mark.parametrize(
    "bad",
    ["", "a" * 129, "名" * 129, "a\n", "\t", "\x1b[31m", "\x7f", "\x80", "\x9f", "a\0b", *WRONG],
    ids=lambda bad: repr(bad)[:12],
)
def test_bad_ids(wire, operation, bad):
    """id is a string of 1-128 characters without control characters, in every operation."""
    answer = wire.call(operation, {"id": bad, "name": "n"}, errid=1000)
    assert "id" in answer["detail"].split()


@pytest.mark.parametrize("operation", ["Register", "Update", "Find"])
def test_id_is_required(wire, operation):
    """id is required."""
    assert "id" in wire.call(operation, {"name": "n"}, errid=1000)["detail"].split()
    wire.call(operation, {}, errid=1000)
    wire.call(operation, None, errid=1000)


def test_name_is_required_on_register(wire, task_id):
    """name is required on Register, and only there."""
    answer = wire.call("Register", {"id": task_id}, errid=1000)
    assert "name" in answer["detail"]
    assert answer["id"] == task_id
    wire.find(task_id, errid=1002)
    wire.register(task_id)
    wire.update(task_id, user="u")


# Fields


@pytest.mark.parametrize("name", OPTIONAL)
def test_each_field(wire, name):
    """Each field is a string, optional, and defaults to "". Update changes it alone."""
    first = unique()
    wire.register(first)
    assert wire.find(first)[name] == ""
    second = unique()
    value = f"值 of {name} \t\n'\"\\ <b>"
    wire.register(second, **{name: value})
    before = wire.find(second)
    assert before[name] == value
    wire.update(second, **{name: "other"})
    after = wire.find(second)
    assert after[name] == "other"
    changed = {key for key in after if after[key] != before[key]}
    assert changed <= {name, "rev", "updated_at", "last_seen"}
    wire.update(second, **{name: ""})
    assert wire.find(second)[name] == ""


@pytest.mark.parametrize("name", STRINGS[1:])
def test_each_field_of_a_wrong_type(wire, name, task_id):
    """Fields are strings: any other type is 1000, names the field, and changes nothing."""
    wire.register(task_id, name="before")
    before = wire.find(task_id)
    for value in WRONG:
        assert (
            name
            in wire.call("Register", {"id": task_id, "name": "n", name: value}, errid=1000)[
                "detail"
            ].split()
        )
        assert name in wire.update(task_id, errid=1000, **{name: value})["detail"].split()
    after = wire.find(task_id)
    assert {**after, "last_seen": ""} == {**before, "last_seen": ""}


def test_find_is_flat(wire, task_id):
    """Find gives the task's fields, flat, beside errid and errmsg."""
    wire.register(task_id, status="running", extra="e")
    found = wire.find(task_id)
    assert set(STRINGS) | set(DAEMON_FIELDS) | {"errid", "errmsg", "extra"} <= set(found)
    assert type(found["rev"]) is int
    assert type(found["epoch"]) is int
    for name in ("created_at", "updated_at", "last_seen"):
        assert STAMP.fullmatch(found[name]), name
    assert found["shutdown_at"] == found["status_before_shutdown"] == ""


def test_stamps_are_of_now(wire, task_id):
    """RFC 3339, UTC, milliseconds, Z: the same clock that this test reads."""

    def now() -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds")[:23] + "Z"

    before = now()
    wire.register(task_id)
    after = now()
    found = wire.find(task_id)
    assert before <= found["created_at"] == found["updated_at"] <= after
    assert before <= found["last_seen"] <= now()


def test_client_times_come_back_unchanged(wire, task_id):
    """start_time and stop_time are the client's own strings."""
    wire.register(task_id, start_time="昨天 3pm", stop_time="0000-99-99")
    found = wire.find(task_id)
    assert (found["start_time"], found["stop_time"]) == ("昨天 3pm", "0000-99-99")


@pytest.mark.fault(40)
def test_unknown_fields_are_kept(wire, task_id):
    """Fields that the daemon does not know are kept and given back unchanged, names and all."""
    extra = {
        "extra": {"a": [1, 2.5, None, True, "x"]},
        "名": "值",
        "detail": "mine",
        "Name": "upper",
        "watch": 5,
        "tasks": [],
        "": "empty",
        "x'; DROP TABLE change; --": 1,
        "$.name": 2,
        "__proto__": {},
        "live": True,
        "owner": "me",
        "holder": "me",
        "task": {"id": "other"},
    }
    wire.call("Register", {"id": task_id, "name": "n", **extra})
    found = wire.find(task_id)
    assert {name: found.get(name) for name in extra} == extra
    wire.update(task_id, 名="neu", more=1)
    extra |= {"名": "neu", "more": 1}
    for task in (wire.find(task_id), wire.query(where={"id": task_id})["tasks"][0]):
        assert {name: task.get(name) for name in extra} == extra


def test_register_again_replaces(wire, task_id):
    """The same id again replaces the client's fields; those left out are empty again."""
    wire.register(task_id, name="one", user="u", extra=1)
    first = wire.find(task_id)
    wire.register(task_id, name="two", url="http://x")
    second = wire.find(task_id)
    assert (second["name"], second["user"], second["url"]) == ("two", "", "http://x")
    assert "extra" not in second
    assert second["created_at"] == first["created_at"]
    assert second["rev"] > first["rev"]
    assert second["epoch"] == first["epoch"] == 1


def test_register_retried_is_harmless(wire, task_id):
    """Idempotent: a retry gives the same answer and the same task."""
    frame = ask("Register", {"id": task_id, "name": "n", "status": "running", "x": 1}, Seq=1)
    answers, tasks = [], []
    for _ in range(3):
        wire.send(frame)
        answers.append(wire.check(wire.reply()))
        tasks.append(wire.find(task_id))
    assert answers[0] == answers[1] == answers[2]
    moving = dict.fromkeys(("rev", "updated_at", "last_seen"))
    assert tasks[0] | moving == tasks[1] | moving == tasks[2] | moving


def test_update_of_an_unknown_id(wire, task_id):
    """An Update of an unknown id gets 1002 with the id, and creates nothing."""
    assert wire.update(task_id, name="n", errid=1002)["id"] == task_id
    assert wire.find(task_id, errid=1002)["id"] == task_id


def test_update_of_nothing(wire, task_id):
    """An Update with the id alone changes no field of the client's."""
    wire.register(task_id, name="n", user="u", extra=[1])
    before = wire.find(task_id)
    wire.update(task_id)
    moving = dict.fromkeys(("rev", "updated_at", "last_seen"))
    assert wire.find(task_id) | moving == before | moving


def test_replies_of_writes(wire, task_id):
    """Register and Update answer with id, errid, errmsg, epoch."""
    assert set(wire.register(task_id)) == {"id", "errid", "errmsg", "epoch"}
    assert set(wire.update(task_id)) == {"id", "errid", "errmsg", "epoch"}


def test_rev_grows_with_each_change_of_any_task(daemon, wire):
    """rev: one counter for the whole daemon, growing by at least 1 with each change."""
    other = daemon.connect()
    tasks = [unique() for _ in range(3)]
    last = 0
    for _ in range(3):
        for writer in (wire, other):
            for task in tasks:
                writer.register(task)
                rev = wire.find(task)["rev"]
                assert rev > last
                last = rev
                writer.update(task, user="u")
                rev = wire.find(task)["rev"]
                assert rev > last
                last = rev
    wire.find(tasks[0])
    assert wire.find(tasks[2])["rev"] == last, "reading changes nothing"


@pytest.mark.parametrize("name", [n for n in DAEMON_FIELDS if n != "epoch"])
@pytest.mark.parametrize("value", ["2000-01-01T00:00:00.000Z", 2**62, None, {"x": 1}, -1.5])
def test_daemon_fields_are_ignored(wire, name, value, task_id):
    """Fields that the daemon alone writes are no error in a request, and are ignored."""
    wire.register(task_id, **{name: value})
    assert wire.find(task_id)[name] != value
    wire.update(task_id, **{name: value})
    assert wire.find(task_id)[name] != value


def test_what_find_gave_can_be_sent_back(wire, task_id):
    """A client that sends back all that it was given, errid and errmsg too, is not in error."""
    wire.register(task_id, status="running", heartbeat_timeout=60, extra=1)
    found = wire.find(task_id)
    wire.call("Update", found)
    wire.call("Register", wire.find(task_id))
    again = wire.find(task_id)
    moving = dict.fromkeys(("rev", "updated_at", "last_seen"))
    assert again | moving == found | moving
    assert again["rev"] > found["rev"]


# Control fields


@pytest.mark.parametrize("operation", ["Register", "Update"])
@pytest.mark.parametrize("value", [0.5, 1, 30, 30.25, 86401, 2678400, 2678400.0])
def test_heartbeat_timeout(wire, operation, value, task_id):
    """A number of seconds, 0.5-2678400, on Register and Update."""
    wire.register(task_id, status="pending")
    wire.call(operation, {"id": task_id, "name": "n", "heartbeat_timeout": value})


@pytest.mark.parametrize("operation", ["Register", "Update"])
@pytest.mark.parametrize("value", [0, 0.49, -1, 2678400.001, 2678401, 2**62, "30", True, [], {}])
def test_bad_heartbeat_timeout(wire, operation, value, task_id):
    """Out of bounds or no number: 1000, names the field, changes nothing."""
    wire.register(task_id)
    rev = wire.find(task_id)["rev"]
    answer = wire.call(
        operation, {"id": task_id, "name": "n", "heartbeat_timeout": value}, errid=1000
    )
    assert "heartbeat_timeout" in answer["detail"]
    assert answer["id"] == task_id
    assert wire.find(task_id)["rev"] == rev


@pytest.mark.parametrize("operation", ["Register", "Update"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epoch", ["1", 1.0, True, [], {}]),
        ("fenced", ["true", 1, 0, [], {}]),
    ],
)
def test_bad_epoch_and_fenced(wire, operation, name, values, task_id):
    """epoch is an integer, fenced a boolean."""
    wire.register(task_id)
    for value in values:
        answer = wire.call(operation, {"id": task_id, "name": "n", name: value}, errid=1000)
        assert name in answer["detail"]


@pytest.mark.parametrize("value", ["false", 0, 1, [], {}])
def test_bad_own(wire, value, task_id):
    """own is a boolean."""
    wire.register(task_id)
    assert "own" in wire.update(task_id, own=value, errid=1000)["detail"]


@pytest.mark.parametrize("operation", ["Register", "Update"])
def test_null_in_a_control_field_is_the_same_as_leaving_it_out(wire, operation, task_id):
    """Null means "left out" in every optional field; in a field of the task it is a fault."""
    wire.register(task_id)
    before = wire.find(task_id)
    nothing = {"heartbeat_timeout": None, "epoch": None, "fenced": None, "own": None}
    wire.call(operation, {"id": task_id, "name": "n", **nothing})
    after = wire.find(task_id)
    for name in ("epoch", "heartbeat_timeout", "fenced"):
        assert after.get(name) == before.get(name)
    assert (
        "user"
        in wire.call(operation, {"id": task_id, "name": "n", "user": None}, errid=1000)["detail"]
    )


def test_none_of_the_control_fields_is_required(wire, task_id):
    """A client of the original API works unchanged."""
    wire.register(task_id)
    wire.update(task_id, status="finish")


# Errors


def test_refusals_name_the_id_where_there_is_one(wire, task_id):
    """A reply has id where the operation is about one task, refusals too."""
    assert wire.register(task_id, status=5, errid=1000)["id"] == task_id
    assert wire.find(task_id, errid=1002)["id"] == task_id


def test_body_key_order_does_not_matter(wire, task_id):
    """JSON objects have no order."""
    body = json.dumps({"x": 1, "name": "n", "status": "s", "id": task_id}).encode()
    wire.send(ask("Register", body))
    wire.check(wire.reply())
