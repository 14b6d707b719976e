"""PROTOCOL.md, 8. "Liveness": the deadline, signs of life."""

import time
from contextlib import suppress
from itertools import pairwise

import pytest
from lives import ENDED, TIMEOUT, WAITING, dies, live, next_of
from wire_client import STAMP, Closed, ask, native, unique


def test_shutdown_at_the_deadline(daemon, wire, watcher, group, task_id):
    """No sign of life for heartbeat_timeout: shutdown, with status_before_shutdown; never sooner,
    at most 1 s later. A task that never got a beat is judged by the same rule."""
    low, high = live(wire, task_id, group)
    event = dies(watcher, task_id, low + TIMEOUT, high + TIMEOUT + 1)
    assert event.task["status"] == "shutdown"
    assert event.task["status_before_shutdown"] == "running"
    assert STAMP.fullmatch(event.task["shutdown_at"])
    assert event.task["last_seen"] < event.task["shutdown_at"]
    assert event.task["epoch"] == 1
    found = daemon.connect().find(task_id)
    assert {k: found[k] for k in event.task} == event.task


def test_everything_else_is_live(wire, watcher, group):
    """Statuses outside the two lists are live and supervised, the empty one too."""
    statuses = ["", "running", "Shutdown", "FINISHED", "审核中", "shutdown ", "done", "已领取 "]
    for n, status in enumerate(statuses):
        wire.register(f"{group}-{n}", group_id=group, status=status, heartbeat_timeout=TIMEOUT)
    low, high = wire.sent_at + TIMEOUT, time.monotonic() + TIMEOUT + 1
    told = {}
    for _ in statuses:
        event = next_of(watcher, "shutdown")
        assert low <= event.at <= high
        told[event.task["id"]] = event.task["status_before_shutdown"]
    assert told == {f"{group}-{n}": status for n, status in enumerate(statuses)}


def test_waiting_and_ended_are_not_supervised(daemon, wire, watcher, group):
    """Only live tasks are supervised; a status may take a task out of it and put it back in."""
    for status in ENDED + WAITING:
        wire.register(f"{group}-{status}", group_id=group, status=status, heartbeat_timeout=TIMEOUT)
        live(wire, f"{group}-was-{status}", group)
        wire.update(f"{group}-was-{status}", status=status)
    back = f"{group}-back"
    wire.register(back, group_id=group, status="pending", heartbeat_timeout=TIMEOUT)
    wire.update(back, status="running")
    dies(watcher, back, wire.sent_at + TIMEOUT, time.monotonic() + TIMEOUT + 1)
    watcher.silent(0.5)
    tasks = daemon.connect().query(where={"group_id": group}, limit=1000)["tasks"]
    assert len(tasks) == 21
    for task in tasks:
        if task["id"] != back:
            assert task["id"].endswith(task["status"])
            assert task["shutdown_at"] == task["status_before_shutdown"] == ""


SIGNS = {
    "heartbeat": native(1392, None),
    "heartbeat with Seq": native(1392, {"Seq": 1}),
    "Find": ask("Find", {"id": "no"}),
    "Query": ask("Query", {"limit": 1}),
    "unknown RequestID": ask("Nonsense"),
    "unknown MessageID": native(77, None),
    "bad JSON": ask("Find", b"{"),
    "bad msgpack": b"\0\0\0\x01\xc1",
}


def test_any_whole_frame_is_a_sign_of_life(daemon, watcher, group):
    """Any whole frame is a sign of life of all that the connection owns: 1.2 s of each kind."""
    wires = {}
    for sign in SIGNS:
        wires[sign] = daemon.connect()
        for n in range(3):
            live(wires[sign], f"{group}-{sign}-{n}", group)
        for other, wire in wires.items():
            wire.send(SIGNS[other])
    for _ in range(24):
        assert next_of(watcher, "registered")
    for _ in range(12):
        for sign, wire in wires.items():
            wire.send(SIGNS[sign])
        watcher.silent(0.1)
    lows = {sign: wire.sent_at for sign, wire in wires.items()}
    for _ in range(24):
        event = next_of(watcher, "shutdown")
        sign = event.task["id"].split("-")[2]
        assert lows[sign] + TIMEOUT <= event.at <= lows[sign] + TIMEOUT + 1.05


def test_bytes_of_an_unfinished_frame_are_no_sign(wire, watcher, group, task_id):
    """A frame that trickles in keeps nobody alive (frame_timeout is 10 s here)."""
    low, high = live(wire, task_id, group)
    frame = ask("Find", {"id": "x" * 100})
    assert next_of(watcher, "registered")
    for at in range(len(frame) - 1):
        with suppress(OSError):
            wire.send(frame[at : at + 1])
        try:
            event = watcher.event(0.05)
        except TimeoutError:
            assert time.monotonic() < high + TIMEOUT + 1
            continue
        assert event.kind == "shutdown"
        assert low + TIMEOUT <= event.at <= high + TIMEOUT + 1
        return
    pytest.fail("still alive")


def test_bytes_that_stay_unread_are_no_sign(start, group):
    """A client that hangs, with requests behind it whose replies it does not take, is silent:
    its tasks are shut down at the deadline, not when its connection has been given up."""
    daemon = start()
    watcher, wire = daemon.connect(), daemon.connect(rcvbuf=4096)
    wire.register(unique(), description="x" * 100_000, status="pending")
    big = wire.query()["tasks"][0]["id"]
    watcher.watch(where={"group_id": group})
    live(wire, f"{group}-1", group)
    assert next_of(watcher, "registered")
    wire.sock.setblocking(False)
    sent = time.monotonic()
    wire.sock.send(ask("Find", {"id": big}, padding="x" * 1000) * 200)
    watcher.ping()
    stop = time.monotonic()
    try:
        event = next_of(watcher, "shutdown", TIMEOUT + 1.5)
    except TimeoutError:
        pytest.fail("still alive")
    assert sent + TIMEOUT <= event.at <= stop + TIMEOUT + 1


def test_longer_and_shorter_timeouts_of_one_owner(daemon, wire, watcher, group):
    """Each task has its own timeout; the connection lives as long as the longest."""
    wire.hello()
    low, _ = live(wire, f"{group}-long", group, 1.5)
    live(wire, f"{group}-short", group, 0.5)
    _, high = live(wire, f"{group}-middle", group, 1.0)
    dies(watcher, f"{group}-short", low + 0.5, high + 1.5)
    dies(watcher, f"{group}-middle", low + 1.0, high + 2.0)
    dies(watcher, f"{group}-long", low + 1.5, high + 2.5)
    wire.bye(1.5)
    assert low + 1.5 <= time.monotonic() <= high + 2.5


def test_a_late_beat_brings_nothing_back(wire, watcher, group, task_id):
    """A shut-down task never comes back by a late heartbeat: only by an Update or Register."""
    live(wire, unique(), group, 5)
    live(wire, task_id, group)
    next_of(watcher, "shutdown")
    for _ in range(5):
        wire.beat()
        wire.ping()
        assert wire.find(task_id)["status"] == "shutdown"
    assert wire.update(task_id, status="running")["epoch"] == 1
    assert next_of(watcher, "recovered").task["status"] == "running"


def test_last_seen_moves_without_a_write(daemon, wire, watcher, group, task_id):
    """Beats move last_seen in Find and Query; they write nothing: rev and updated_at stay."""
    live(wire, task_id, group, 5)
    assert next_of(watcher, "registered")
    reader = daemon.connect()
    seen = []
    for _ in range(4):
        watcher.silent(0.02)
        wire.ping()
        (listed,) = reader.query(where={"id": task_id})["tasks"]
        found = reader.find(task_id)
        assert listed["last_seen"] == found["last_seen"]
        assert (listed["rev"], listed["updated_at"]) == (found["rev"], found["updated_at"])
        assert STAMP.fullmatch(found["last_seen"])
        seen.append((found["last_seen"], found["rev"], found["updated_at"]))
    assert all(a[0] < b[0] for a, b in pairwise(seen))
    assert len({one[1:] for one in seen}) == 1
    watcher.ping()
    assert not watcher.events


def test_last_seen_stands_still_without_a_sign(daemon, wire, group, task_id):
    """last_seen is a moment in the past: without another sign of life it is always the same."""
    live(wire, task_id, group, 60)
    reader = daemon.connect()
    seen = {reader.find(task_id)["last_seen"] for _ in range(300)}
    assert len(seen) == 1


def test_tasks_due_together(daemon, wire, watcher, group):
    """One event per task, each within 1 s, and one commit: the same shutdown_at."""
    tasks = {f"{group}-{n}" for n in range(300)}
    wire.send(
        b"".join(
            ask(
                "Register",
                {
                    "id": task,
                    "name": "n",
                    "group_id": group,
                    "status": "running",
                    "heartbeat_timeout": TIMEOUT,
                },
            )
            for task in tasks
        )
    )
    for _ in tasks:
        wire.check(wire.reply())
    high = time.monotonic()
    shut = [next_of(watcher, "shutdown") for _ in tasks]
    assert {event.task["id"] for event in shut} == tasks
    assert all(a.rev < b.rev for a, b in pairwise(shut))
    assert wire.sent_at + TIMEOUT <= shut[0].at
    assert shut[-1].at <= high + TIMEOUT + 1
    watcher.ping()
    assert not watcher.events


@pytest.mark.soak
def test_ten_thousand_die_at_once(start, group):
    """Each shutdown is at most 1 s late, with 10,000 tasks dying at once."""
    daemon = start(request_rate="off")
    wire, watcher = daemon.connect(), daemon.connect()
    watcher.watch(where={"status": "shutdown"})
    total, step = 10_000, 500
    for first in range(0, total, step):
        wire.send(
            b"".join(
                ask("Register", {"id": f"{group}-{n}", "name": "n", "heartbeat_timeout": 1})
                for n in range(first, first + step)
            )
        )
        for _ in range(step):
            wire.reply()
    high = time.monotonic()
    first = watcher.event(3)
    # Only count the frames: to parse them would take processor time from the daemon.
    data, told, at, last_at = watcher.data, 1, 0, first.at
    while told < total:
        while len(data) - at >= 4:
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if end > len(data):
                break
            at, told = end, told + 1
        if told < total:
            watcher.sock.settimeout(5)
            data += watcher.sock.recv(1 << 18)
            last_at = time.monotonic()
    del data[:at]
    assert first.at >= wire.sent_at + 1
    assert last_at <= high + 1 + 1, f"the last event came {last_at - high - 1:.2f} s late"
    watcher.ping()
    assert not watcher.events


def test_changed_timeout_counts_at_once(wire, watcher, group, task_id):
    """heartbeat_timeout is the task's own and may be changed, to shorter and to longer."""
    live(wire, task_id, group, 60)
    wire.update(task_id, heartbeat_timeout=TIMEOUT)
    low, high = wire.sent_at, time.monotonic()
    dies(watcher, task_id, low + TIMEOUT, high + TIMEOUT + 1)


def test_longer_timeout_counts_at_once(wire, watcher, group, task_id):
    """A longer timeout counts at once too: no shutdown comes sooner than that."""
    live(wire, task_id, group)
    wire.update(task_id, heartbeat_timeout=1.2)
    low, high = wire.sent_at, time.monotonic()
    dies(watcher, task_id, low + 1.2, high + 2.2)


def test_silent_owner_is_closed(daemon, wire, watcher, group, task_id):
    """A connection silent for the longest timeout of its tasks is closed; no Hello, no Bye."""
    low, high = live(wire, task_id, group)
    with pytest.raises(Closed):
        wire.frame(3)
    assert low + TIMEOUT <= time.monotonic() <= high + TIMEOUT + 1


def test_owner_with_a_longer_timeout_than_the_daemons(start, group):
    """The longest timeout of the tasks it owns holds, also where it is above the daemon's."""
    daemon = start(heartbeat_timeout=0.5)
    wire, idle = daemon.connect(), daemon.connect()
    wire.register(group, heartbeat_timeout=1.5, status="pending")
    low, high = wire.sent_at, time.monotonic()
    idle.eof(2)
    assert time.monotonic() < high + 1.4
    wire.eof(3)
    assert low + 1.5 <= time.monotonic() <= high + 2.5


def test_silent_connections_are_closed(start, group):
    """A connection that only watches, asks or says nothing is closed after the daemon's timeout,
    with a Bye where it said Hello; one that beats stays, watch and all."""
    daemon = start(heartbeat_timeout=0.6)
    beats, watches, asks, mute = [daemon.connect() for _ in range(4)]
    for wire in (beats, watches):
        wire.hello()
        wire.watch(where={"group_id": group})
    asks.find("no", errid=1002)
    low, high = watches.sent_at, time.monotonic()
    for _ in range(8):
        beats.beat()
        beats.silent(0.2)
    watches.bye(0.1)
    asks.eof(0.1)
    mute.eof(0.1)
    assert high - low < 1
    beats.register(group, group_id=group)
    assert beats.event().task["id"] == group


def test_silence_is_not_judged_too_soon(start):
    """A silent connection is closed between 0.6 s and 1.6 s after its last frame."""
    daemon = start(heartbeat_timeout=0.6)
    wire, mute = daemon.connect(), daemon.connect()
    wire.hello()
    low, high = wire.sent_at, time.monotonic()
    wire.bye(3)
    assert low + 0.6 <= time.monotonic() <= high + 1.6
    mute.eof(1)


def test_daemons_default_timeout(start, group):
    """A task without its own timeout has the daemon's."""
    daemon = start(heartbeat_timeout=0.6)
    wire, watcher = daemon.connect(), daemon.connect()
    watcher.watch(where={"group_id": group})
    wire.register(group, group_id=group)
    low, high = wire.sent_at, time.monotonic()
    assert watcher.event().kind == "registered"
    watcher.beat()
    with pytest.raises(TimeoutError):
        watcher.frame(0.3)
    watcher.beat()
    event = watcher.event(2)
    assert event.kind == "shutdown"
    assert low + 0.6 <= event.at <= high + 1.6
