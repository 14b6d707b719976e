"""PROTOCOL.md, 7. "Operations", Watch: order, none missing, none twice; since, where, Unwatch; the
slow watcher."""

from itertools import pairwise
from threading import Thread

import pytest
from wire_client import ask, native, revs, unique


def test_kinds(daemon, wire, group, task_id):
    """An event is {"rev","kind","task"}: registered, updated; the task as Find gives it."""
    writer = daemon.connect()
    number, rev = wire.watch(where={"group_id": group})
    writer.register(task_id, group_id=group, status="running", extra={"a": [1]})
    event = wire.event()
    assert (event.watch, event.kind) == (number, "registered")
    assert event.rev > rev
    found = writer.find(task_id)
    del found["errid"], found["errmsg"]
    assert event.task | {"last_seen": ""} == found | {"last_seen": ""}
    writer.update(task_id, user="u")
    assert (wire.event().kind, writer.find(task_id)["user"]) == ("updated", "u")
    writer.register(task_id, group_id=group)
    assert wire.event().kind == "updated"
    writer.update(task_id, own=False, status="finished")
    assert wire.event().task["status"] == "finished"


def test_rev_of_the_watch(daemon, wire, group, task_id):
    """The reply's rev is where the watch begins: changes before it are not told."""
    writer = daemon.connect()
    writer.register(task_id, group_id=group)
    before = writer.find(task_id)["rev"]
    _, rev = wire.watch(where={"group_id": group})
    assert rev >= before
    writer.update(task_id, user="later")
    event = wire.event()
    assert event.task["user"] == "later"
    assert event.rev == writer.find(task_id)["rev"] > rev


def test_nothing_is_told_of_refusals_and_reads(daemon, wire, group, task_id):
    """An event is a change: refusals, reads and beats are none."""
    writer = daemon.connect()
    writer.register(task_id, group_id=group)
    wire.watch(where={"group_id": group})
    writer.update(task_id, status=5, errid=1000)
    writer.update(task_id, epoch=99, errid=1004)
    writer.update(unique(), group_id=group, errid=1002)
    writer.find(task_id)
    writer.query(where={"group_id": group})
    writer.beat()
    writer.ping()
    writer.update(task_id, user="the one change")
    assert wire.event().task["user"] == "the one change"


def test_order_under_load(daemon, wire, group):
    """Events come in rev order, none missing, none twice, whoever writes."""
    writers = [daemon.connect() for _ in range(4)]
    wire.watch(where={"group_id": group})
    everything = daemon.connect()
    everything.watch()
    per_writer, rounds = 50, 3
    for turn in range(rounds):
        for number, writer in enumerate(writers):
            writer.send(
                b"".join(
                    ask(
                        "Register",
                        {
                            "id": f"{group}-{number}-{n}",
                            "name": "n",
                            "group_id": group,
                            "user": str(turn),
                        },
                    )
                    for n in range(per_writer)
                )
            )
    count = per_writer * rounds * len(writers)
    for writer in writers:
        for _ in range(per_writer * rounds):
            writer.check(writer.reply())
    for watcher in (wire, everything):
        events = [watcher.event() for _ in range(count)]
        assert all(a < b for a, b in pairwise(revs(events)))
        told = sorted((event.task["id"], event.task["user"]) for event in events)
        assert told == sorted(
            (f"{group}-{number}-{n}", str(turn))
            for number in range(len(writers))
            for n in range(per_writer)
            for turn in range(rounds)
        )
        watcher.ping()
        assert not watcher.events


@pytest.mark.parametrize("back", [0, 1, 150, 399])
def test_since(daemon, wire, group, back):
    """since resumes after that rev without a gap, while changes go on."""
    writer = daemon.connect()
    tasks = [f"{group}-{n}" for n in range(400)]
    for task in tasks:
        writer.send(ask("Register", {"id": task, "name": "n", "group_id": group}))
    for _ in tasks:
        writer.check(writer.reply())
    found = []
    for task in tasks:
        found.append(writer.find(task)["rev"])
    since = found[-1 - back]
    # More changes are under way when the watch is asked for.
    writer.send(b"".join(ask("Update", {"id": task, "user": "u"}) for task in tasks))
    number, _ = wire.watch(where={"group_id": group}, since=since)
    events = [wire.event() for _ in range(back + 400)]
    assert all(a < b for a, b in pairwise([since, *revs(events)]))
    assert [event.task["id"] for event in events] == tasks[len(tasks) - back :] + tasks
    assert {event.watch for event in events} == {number}
    wire.ping()
    assert not wire.events


def test_since_after_a_lost_connection(daemon, group):
    """Changes made while a watcher was away are told once, when it comes back."""
    writer, wire = daemon.connect(), daemon.connect()
    wire.watch(where={"group_id": group})
    writer.register(f"{group}-0", group_id=group)
    last = wire.event().rev
    wire.reset()
    for n in range(1, 4):
        writer.register(f"{group}-{n}", group_id=group)
    wire = daemon.connect()
    wire.watch(where={"group_id": group}, since=last)
    writer.register(f"{group}-4", group_id=group)
    assert [wire.event().task["id"] for _ in range(4)] == [f"{group}-{n}" for n in range(1, 5)]
    wire.ping()
    assert not wire.events


def test_since_over_a_restart(start, group):
    """The daemon's restart makes no gap in a watch that resumes, and rev goes on growing."""
    first = start()
    writer = first.connect()
    for n in range(300):
        body = {"id": f"{group}-{n}", "name": "n", "group_id": group, "status": "pending"}
        writer.send(ask("Register", body))
    for _ in range(300):
        writer.check(writer.reply())
    since = writer.find(f"{group}-99")["rev"]
    writer.close()
    assert first.stop() == 0
    second = start()
    wire, writer = second.connect(), second.connect()
    wire.watch(where={"group_id": group}, since=since)
    writer.register(f"{group}-300", group_id=group, status="pending")
    events = [wire.event() for _ in range(201)]
    assert [event.task["id"] for event in events] == [f"{group}-{n}" for n in range(100, 301)]
    assert all(a < b for a, b in pairwise([since, *revs(events)]))
    wire.ping()
    assert not wire.events


def test_since_that_cannot_be_served(daemon, wire, group, task_id):
    """Where the daemon cannot resume without a gap, 1004 says so; Query and Watch go on."""
    writer = daemon.connect()
    writer.register(task_id, group_id=group)
    rev = writer.find(task_id)["rev"]
    answer = wire.call("Watch", {"since": rev + 1_000_000}, errid=1004)
    assert "since" in answer["detail"]
    assert len(wire.query(where={"group_id": group})["tasks"]) == 1
    wire.watch(where={"group_id": group}, since=rev)
    writer.update(task_id)
    assert wire.event().rev > rev


@pytest.mark.parametrize("since", [-1, "5", 1.0, True, [], {}])
def test_bad_since(wire, since):
    """since is a rev."""
    assert "since" in wire.call("Watch", {"since": since}, errid=1000)["detail"]


@pytest.mark.parametrize("where", [{"nonsense": "x"}, {"user": 5}, {"user": [None]}, [], "user"])
def test_bad_where(wire, where):
    """where is as in Query."""
    assert "where" in wire.call("Watch", {"where": where}, errid=1000)["detail"]


def test_where(daemon, wire, group):
    """Only tasks that match are told of: every field, by value or by list."""
    writer = daemon.connect()
    wire.watch(where={"group_id": group, "user": ["a", "b"], "status": "running"})
    for n, (user, status) in enumerate(
        [("a", "running"), ("c", "running"), ("a", "finished"), ("b", "running"), ("", "")]
    ):
        writer.register(f"{group}-{n}", group_id=group, user=user, status=status)
    writer.register(f"{group}-end", group_id=group, user="a", status="running")
    told = [wire.event().task["id"] for _ in range(3)]
    assert told == [f"{group}-0", f"{group}-3", f"{group}-end"]


def test_where_empty_string(daemon, wire, group):
    """A field that was never given is ""."""
    writer = daemon.connect()
    wire.watch(where={"group_id": group, "checker": ""})
    writer.register(f"{group}-0", group_id=group, checker="c")
    writer.register(f"{group}-1", group_id=group)
    assert wire.event().task["id"] == f"{group}-1"


def test_several_watches(daemon, wire, group, task_id):
    """Each watch has its own number, and each is told in order, none missing, none twice."""
    writer = daemon.connect()
    first, _ = wire.watch(where={"group_id": group})
    second, _ = wire.watch(where={"id": task_id})
    third, _ = wire.watch(where={"group_id": unique()})
    assert len({first, second, third}) == 3
    writer.register(task_id, group_id=group)
    writer.register(f"{group}-other", group_id=group)
    writer.update(task_id)
    events = [wire.event() for _ in range(5)]
    by_watch = {n: [e.task["id"] for e in events if e.watch == n] for n in (first, second, third)}
    assert by_watch == {
        first: [task_id, f"{group}-other", task_id],
        second: [task_id, task_id],
        third: [],
    }
    wire.ping()
    assert not wire.events


def test_watch_of_ones_own_changes(wire, group, task_id):
    """A connection that watches is told of its own changes as well; events mix with replies."""
    wire.watch(where={"group_id": group})
    for n in range(50):
        wire.register(task_id, group_id=group, user=str(n))
    assert [wire.event().task["user"] for _ in range(50)] == [str(n) for n in range(50)]


def test_pipelined_watch(wire, group):
    """A Watch in a pipeline tells of writes behind it, and of none before it."""
    frames = [
        ask("Register", {"id": f"{group}-{n}", "name": "n", "group_id": group}) for n in (0, 1)
    ]
    watch = ask("Watch", {"where": {"group_id": group}})
    wire.send(frames[0] + watch + frames[1])
    for _ in range(3):
        wire.check(wire.reply())
    assert wire.event().task["id"] == f"{group}-1"
    wire.ping()
    assert not wire.events


def test_unwatch(daemon, wire, group, task_id):
    """After Unwatch nothing of that watch comes; the others go on."""
    writer = daemon.connect()
    first, _ = wire.watch(where={"group_id": group})
    second, _ = wire.watch(where={"group_id": group})
    assert set(wire.call("Unwatch", {"watch": first})) == {"errid", "errmsg"}
    writer.register(task_id, group_id=group)
    assert wire.event().watch == second
    wire.ping()
    assert not wire.events
    wire.call("Unwatch", {"watch": second})
    writer.update(task_id)
    wire.ping()
    assert not wire.events
    third, _ = wire.watch(where={"group_id": group})
    writer.update(task_id)
    assert wire.event().watch == third


@pytest.mark.parametrize("watch", ["1", 1.0, True, None, [1], {}])
def test_bad_unwatch(wire, watch):
    """watch is the number that Watch gave."""
    assert "watch" in wire.call("Unwatch", {"watch": watch}, errid=1000)["detail"]
    wire.call("Unwatch", {}, errid=1000)


def test_limit_on_watches(start):
    """Over a limit: 1005; one more fits after an Unwatch."""
    wire = start(max_watches=2).connect()
    first, _ = wire.watch()
    wire.watch()
    wire.call("Watch", {}, errid=1005)
    wire.call("Unwatch", {"watch": first})
    wire.watch()


def test_watch_framings_side_by_side(daemon, group, task_id):
    """The same change reaches watchers of either framing."""
    wires = [daemon.connect(), daemon.connect_tcpx(), daemon.connect(), daemon.connect_tcpx()]
    for wire in wires:
        wire.watch(where={"group_id": group})
    daemon.connect().register(task_id, group_id=group, name="名")
    events = [wire.event() for wire in wires]
    assert all(event.task == events[0].task for event in events)


def test_since_over_a_large_history(daemon, wire, group):
    """since resumes without a gap however much there is to tell: a watcher that reads all the
    time is not cut off, though the whole is larger than the buffer."""
    writer = daemon.connect()
    writer.register(group, group_id=group)
    since = writer.find(group)["rev"]
    count = 90
    for n in range(count):
        writer.update(group, user=str(n), description="x" * 100_000)
    wire.watch(where={"group_id": group}, since=since)
    for n in range(count):
        assert wire.event().task["user"] == str(n)
    wire.ping()


@pytest.mark.parametrize("size", [1000, 900_000])
def test_a_burst_does_not_cut_off_who_reads(daemon, wire, group, size):
    """Live changes do not cut off a watcher that reads either, in one commit or many."""
    writer = daemon.connect()
    wire.watch(where={"group_id": group})
    count = 8 if size > 1000 else 2000
    body = {"id": group, "name": "n", "group_id": group, "description": "x" * size}
    burst = b"".join(ask("Register", body | {"user": str(n)}) for n in range(count))
    # Send in another thread: this one reads from the first event on.
    sending = Thread(target=writer.send, args=(burst,))
    sending.start()
    for n in range(count):
        assert wire.event().task["user"] == str(n)
    for _ in range(count):
        writer.check(writer.reply())
    sending.join()


def test_watcher_is_fed_only_what_it_asked_for(daemon, wire, group, task_id):
    """A connection that does not watch gets no events."""
    idle = daemon.connect()
    idle.ping()
    wire.watch(where={"group_id": group})
    daemon.connect().register(task_id, group_id=group)
    wire.event()
    idle.send(native(1392, {"Seq": 1}))
    assert idle.frame().header == {"Seq": 1}
