"""Requests are done and answered, and signs of life seen, however slow either side is."""

import time
from contextlib import suppress

import pytest
from processes import Pulse
from wire_client import ask

from taskdashd.settings.config import ConfigError, load


def test_a_watcher_that_reads_slowly_keeps_its_own_tasks_alive(start, group, task_id):
    """Events that wait to be read do not keep the daemon from hearing beats."""
    daemon = start(reply_buffer=4096, task_cache=1 << 20, event_cache=1 << 16)
    slow, writer = daemon.connect(rcvbuf=4096), daemon.connect()
    slow.register(task_id, status="running", heartbeat_timeout=1)
    slow.watch(where={"group_id": group})
    with Pulse(slow):
        for n in range(60):
            writer.register(group, group_id=group, user=str(n), description="x" * 50_000)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            with suppress(TimeoutError):
                writer.frame(0.1)
            assert writer.find(task_id)["status"] == "running"


def test_a_peer_that_reads_its_replies_slowly_keeps_its_tasks_alive(start, group, task_id):
    """The peer's requests wait until it has read, but its whole frames are signs of life."""
    daemon = start(reply_buffer=65_536)
    slow, other = daemon.connect(rcvbuf=4096), daemon.connect()
    other.register(group, description="x" * 900_000, status="pending")
    slow.register(task_id, status="running", heartbeat_timeout=1)
    slow.send(ask("Find", {"id": group}) * 20)
    with Pulse(slow):
        until = time.monotonic() + 2
        while time.monotonic() < until:
            with suppress(TimeoutError):
                other.frame(0.1)
            assert other.find(task_id)["status"] == "running"
    for _ in range(20):
        slow.check(slow.reply())


def test_what_came_whole_before_a_frame_that_stalled_is_done(start, task_id):
    """The refusal of the stalled frame comes in its turn, behind the replies to all before it."""
    daemon = start(frame_timeout=0.3)
    wire = daemon.connect()
    queries = b"".join(ask("Query", {}, Seq=n) for n in range(100))
    wire.send(queries + ask("Register", {"id": task_id, "name": "n"}, Seq="last") + b"\0\0")
    for n in range(100):
        assert wire.reply().header["Seq"] == n
    assert wire.reply().header["Seq"] == "last"
    wire.check(wire.reply(), 1000)
    wire.eof()
    daemon.connect().find(task_id)


def test_a_cursor_fits_into_a_frame_whatever_it_stands_behind(start, group):
    """Paging by a field with long values comes to its end."""
    daemon = start()
    wire = daemon.connect()
    for name in "abc":
        wire.register(group + name, group_id=group, description=name * 700_000, status="pending")
    found, after = [], None
    while True:
        more = {} if after is None else {"after": after}
        page = wire.query(where={"group_id": group}, order="description", limit=1, **more)
        found += [task["id"] for task in page["tasks"]]
        after = page["next"]
        if after is None:
            break
        assert len(after) < 2000
    assert found == [group + name for name in "abc"]


def test_timeouts_of_tasks_that_have_ended_count_too(start, group):
    """One connection's tasks have a bounded number of different timeouts, whatever their status."""
    wire = start().connect()

    def ended(n):
        body = {"id": f"{group}{n}", "name": "n", "status": "finish", "heartbeat_timeout": 1 + n}
        return ask("Register", body)

    wire.send(b"".join(ended(n) for n in range(1000)))
    for _ in range(1000):
        wire.check(wire.reply())
    wire.send(ended(1000))
    wire.check(wire.reply(), 1005)


def test_who_is_turned_away_takes_nobody_s_place(start):
    """As soon as one of the admitted connections leaves, another may come."""
    daemon = start(max_connections=2)
    first, second = daemon.connect(), daemon.connect()
    first.ping()
    second.ping()
    away = [daemon.connect() for _ in range(5)]
    for wire in away:
        wire.check(wire.reply(), 1005)
    first.close()
    second.ping()
    daemon.connect().ping()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data", "~nobody-of-that-name/x"),
        ("data", "a\0b"),
        ("heartbeat_timeout", 10**400),
        ("listen", "a..b:1"),
        ("listen", "x" * 70 + ":1"),
    ],
)
def test_a_bad_value_is_named(name, value):
    """A bad value is a ConfigError that names the setting, and no other exception."""
    with pytest.raises(ConfigError, match=name):
        load({name: value}, {}, None)


def test_a_daemon_that_answers_queries_stops_in_good_order(start, group):
    """Queries whose answers nobody will read do not hold the stop up: exit 0."""
    daemon = start(shutdown_timeout=0.5)
    writer = daemon.connect()
    writer.send(b"".join(ask("Register", {"id": f"{group}{n}", "name": "n"}) for n in range(2000)))
    for _ in range(2000):
        writer.check(writer.reply())
    for _ in range(100):
        daemon.connect().send(ask("Query", {"order": "description", "limit": 1000}))
    assert daemon.stop() == 0
