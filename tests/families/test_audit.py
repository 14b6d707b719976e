"""The audit: who did what, when and why; told from the log to those who may know it, for a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import taskdashd

import taskdash
from taskdash.testing import running_daemon
from taskdash_protocol import strictjson
from taskdash_protocol.requests import Audit
from taskdashd.core.housekeeping import STEADY_S
from taskdashd.domain.access import Identity
from taskdashd.process.doors import CONTROL_NAME
from taskdashd.testing import World

Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Build worlds; each is closed at the end."""
    made: list[World] = []

    def build(**settings: Any) -> World:
        made.append(World(tmp_path / str(len(made)), **settings))
        return made[-1]

    yield build
    for world in made:
        world.close()


def entries(world: World, **asked: Any) -> list[dict[str, Any]]:
    """Give the entries of all pages."""
    peer, rows, after = world.connect("auditor"), [], None
    while True:
        page = peer.ask("Audit", **asked, **({"after": after} if after else {}))
        assert page["errid"] == 0, page
        rows += page["entries"]
        after = page["next"]
        if after is None:
            return rows


def test_the_history_of_a_task(make: Make) -> None:
    """Each change with who, what and why, the newest first; a death names its cause."""
    world = make()
    service = world.connect("10.0.0.7:5000")
    service.ask("Hello", protocol=1, client="reports")
    service.ask("Register", id="t", name="n", status="running", heartbeat_timeout=2)
    world.connect("other").ask("Register", id="x", name="n", status="finish")
    person = world.connect("10.0.0.9:6000")
    person.ask("Update", id="t", own=False, user="wsg", reason="asked for it")
    world.advance(4)
    told = entries(world, task="t")
    assert [(one["kind"], one["why"]) for one in told] == [
        ("shutdown", "no sign of life came in time"),
        ("updated", "asked for it"),
        ("registered", ""),
    ]
    assert [one["who"] for one in told] == [
        "taskdashd",
        "10.0.0.9:6000",
        "reports (10.0.0.7:5000)",
    ]
    assert told[0]["changes"]["status"] == ["running", "shutdown"]
    assert told[1]["changes"] == {"user": ["", "wsg"], "reason": [None, "asked for it"]}
    assert told[2]["changes"]["status"] == [None, "running"]
    assert told[0]["at"] > told[1]["at"]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 7), st.integers(0, 40))
def test_pages_are_the_whole(tmp_path_factory: Any, limit: int, writes: int) -> None:
    """Pages of any size give each entry once, in the order of what happened; of one task too."""
    world = World(tmp_path_factory.mktemp("pages"))
    peer = world.connect("p")
    for number in range(writes):
        peer.ask("Register", id=f"t{number % 3}", name=str(number), status="finish")
        if number % 4 == 0:
            world.core.acts.note("did", f"somebody-{number}", "something")
            world.advance(1.5)
    told = entries(world, limit=limit)
    revs = [one["rev"] for one in told if one["task"]]
    assert revs == list(range(writes, 0, -1))
    assert [one["who"] for one in told if not one["task"]] == [
        f"somebody-{number}" for number in reversed(range(0, writes, 4))
    ]
    assert [one["rev"] for one in told] == sorted((one["rev"] for one in told), reverse=True)
    ones = [one["rev"] for one in entries(world, task="t1", limit=limit)] if writes > 1 else []
    assert ones == [rev for rev in revs if rev % 3 == 2]
    world.close()


def test_what_is_asked_for(make: Make) -> None:
    """Entries are selected by who, kind and time."""
    world = make()
    first, second = world.connect("alice"), world.connect("bob")
    first.ask("Register", id="a", name="n", status="finish")
    world.advance(10)
    middle = first.ask("Find", id="a")["created_at"].replace("Z", "+00:00")
    second.ask("Update", id="a", own=False, name="m")
    assert [one["who"] for one in entries(world, who="ali")] == ["alice"]
    assert [one["kind"] for one in entries(world, kinds="updated")] == ["updated"]
    assert [one["who"] for one in entries(world, since="2027-01-15T08:16:45Z")] == ["bob"]
    assert [one["who"] for one in entries(world, until=middle)] == []
    assert len(entries(world, since=middle)) == 2
    peer = world.connect("x")
    for bad in ({"since": "yesterday"}, {"after": "x"}, {"limit": 0}, {"kinds": 5}, {"task": 1}):
        assert peer.ask("Audit", **bad)["errid"] == 1000
    assert peer.ask("Audit", task="none")["errid"] == 1002


def test_what_happened_beside_changes_hides_none_of_them(make: Make) -> None:
    """An act stored a second late, with a time before `since`, must not end the scan."""
    world = make()
    world.advance(2)
    world.core.acts.note("did", "somebody")
    world.advance(0.25)
    peer = world.connect("p")
    for number in range(10):
        peer.ask("Register", id=f"t{number}", name="n", status="finish")
    first = peer.ask("Find", id="t0")["created_at"]
    world.advance(3)
    told = entries(world, since=first)
    assert [one["task"] for one in told] == [f"t{number}" for number in reversed(range(10))]
    assert [one["kind"] for one in entries(world)] == ["registered"] * 10 + ["did"]


def test_a_damaged_change_hides_none_behind_it(make: Make) -> None:
    """Of a damaged change who and when are told; the changes behind it are whole."""
    world = make()
    peer = world.connect("p")
    for number in range(5):
        peer.ask("Register", id="t", name=f"n{number}", status="finish")
    peer.ask("Query")
    world.database._writer.execute_sql(
        "UPDATE change SET task = replace(task, 'n2', 'x2') WHERE rev = 3"
    )
    told = entries(world, task="t")
    assert [one["kind"] for one in told] == [
        "updated",
        "updated",
        "damaged",
        "updated",
        "registered",
    ]
    assert told[2]["who"] == "p"
    assert "x2" not in str(told)


def test_acts_outlive_a_full_disk(make: Make) -> None:
    """Acts are stored once the disk has room."""
    world = make()
    world.database.full = True
    world.core.acts.note("did", "somebody")
    world.advance(3)
    world.database.full = False
    world.connect("p").ask("Register", id="t", name="n", status="finish")
    assert [one["kind"] for one in entries(world)] == ["registered", "did"]


def test_a_page_fits_a_frame(make: Make) -> None:
    """A page fits even where everything in it has to be escaped."""
    world = make()
    peer = world.connect("p")
    peer.ask("Hello", protocol=1, client="c" * 250)
    for number in range(1000):
        fields = {"reason": '"' * 180 + str(number), "more": '\\"' * 400 + str(number)}
        peer.send("Register", {"id": "t", "name": "n", "status": "finish", **fields})
        if number % 50 == 0:
            world.drain()
            world.advance(1)
    world.drain()
    reply = world.connect("a").ask("Audit", limit=1000)
    assert len(strictjson.dumps(reply)) < world.live.max_frame
    assert reply["next"]


def test_changes_of_a_wrong_clock_do_not_stop_the_forgetting(make: Make) -> None:
    """A change stamped decades from now is forgotten with those around it."""
    world = make()
    peer = world.connect("p")
    for number in range(10):
        peer.ask("Register", id="t", name=f"n{number}", status="finish")
    peer.ask("Query")
    database = world.database
    database._writer.execute_sql("UPDATE change SET at = '2090' || substr(at, 5) WHERE rev <= 5")
    assert database.prune("2026-01-01", "2080-01-01", 100) == 5
    assert database.prune("2080-01-01", "2085-01-01", 100) == 10


def test_who_may_know(make: Make) -> None:
    """Operators know everything; others know of visible tasks, from while those were theirs."""
    world = make(asks_for_tokens=True)
    world.identities = {
        "boss": Identity("boss", "operator", key="1"),
        "a": Identity("a", "service", frozenset({"a"}), key="2"),
        "b": Identity("b", "reader", frozenset({"b"}), key="3"),
    }
    boss, a, b = (world.connect(name) for name in "xyz")
    for peer, token in ((boss, "boss"), (a, "a"), (b, "b")):
        assert peer.ask("Hello", protocol=1, token=token)["errid"] == 0
    boss.ask("Register", id="t", name="secret of b", group_id="b", status="finish")
    assert a.ask("Audit", task="t")["errid"] == 1002
    assert a.ask("Audit")["errid"] == 1003
    assert [one["rev"] for one in b.ask("Audit", task="t")["entries"]] == [1]
    boss.ask("Update", id="t", own=False, group_id="a")
    told = a.ask("Audit", task="t")["entries"]
    assert [one["rev"] for one in told] == [2]
    assert "secret" not in str(told[0]["changes"])
    world.advance(2)
    whole = boss.ask("Audit")["entries"]
    refused = [one for one in whole if one["kind"] == "refused"]
    assert [(one["who"], one["count"]) for one in refused] == [("a (y)", 1)]
    assert sorted(one["who"] for one in whole if one["kind"] == "signed in") == [
        "a (y)",
        "b (z)",
        "boss (x)",
    ]


def test_a_flood_of_refusals_is_one_row(make: Make) -> None:
    """Equal refusals share a row with a count; the rows that differ have a bound too."""
    world = make(asks_for_tokens=True)
    for number in range(300):
        world.connect(f"10.0.0.1:{number}").ask("Find", id="x")
    for number in range(6000):
        world.core.acts.note("refused", f"10.1.{number // 256}.{number % 256}", "no")
    world.advance(2)
    world.identities = {"boss": Identity("boss", "operator", key="1")}
    boss = world.connect("x")
    boss.ask("Hello", protocol=1, token="boss")
    rows, after = [], None
    while True:
        page = boss.ask("Audit", limit=1000, **({"after": after} if after else {}))
        rows += page["entries"]
        if (after := page["next"]) is None:
            break
    assert len(rows) <= 30
    assert [one["count"] for one in rows if one["who"] == "10.0.0.1"] == [300]
    assert sum(one["count"] for one in rows if one["kind"] == "refused") == 6300


def test_what_is_old_is_forgotten_and_what_is_there_stays(make: Make) -> None:
    """Every task stays as it is, with what each change of the kept time replaced, and no more."""
    world = make(audit_keep=100.0)
    peer = world.connect("p")
    for number in range(5):
        peer.ask("Register", id="busy", name=str(number), status="finish")
        peer.ask("Register", id=f"quiet-{number}", name="n", status="finish")
    world.core.acts.note("did", "somebody")
    world.advance(25)
    before = [peer.ask("Find", id=one) for one in ("busy", "quiet-0", "quiet-4")]
    world.advance(STEADY_S - 20)
    peer = world.connect("p")
    peer.ask("Update", id="busy", own=False, name="late")
    world.advance(90)
    left = entries(world)
    assert {one["task"] for one in left} == {"busy", *(f"quiet-{number}" for number in range(5))}
    assert not [one for one in left if one["who"] == "somebody"]
    busy = [one for one in left if one["task"] == "busy"]
    assert [one["changes"].get("name") for one in busy[:1]] == [["4", "late"]]
    peer = world.connect("p")
    after = [peer.ask("Find", id=one) for one in ("busy", "quiet-0", "quiet-4")]
    assert after[1:] == before[1:]
    assert after[0]["name"] == "late"
    assert peer.ask("Watch", since=1)["errid"] == 1004
    world.restart()
    peer = world.connect("p")
    assert peer.ask("Find", id="busy") == after[0]
    assert len(peer.ask("Query")["tasks"]) == 6


def test_a_clock_that_jumps_makes_nothing_old(make: Make) -> None:
    """Nothing is forgotten before the clock has gone steadily for an hour."""
    world = make(audit_keep=100.0)
    peer = world.connect("p")
    for number in range(3):
        peer.ask("Register", id="t", name=str(number), status="finish")
    world.advance(1)
    clock, wall = world.core.clock, world.core.clock._wall
    clock._wall = lambda: wall() + 400 * 86400
    world.advance(120)
    assert len(entries(world, task="t")) == 3


def test_acts_of_the_daemon_itself(tmp_path: Path) -> None:
    """Starts, tokens, reloads, backups and restores are noted by the tools that do them."""
    copy = tmp_path / "copy.db"
    data = tmp_path / "data"
    assert taskdashd("token", "create", "first", "--data", data).returncode == 0
    with running_daemon(data, auth="tokens") as daemon:
        assert taskdashd("token", "create", "new", "--data", data).returncode == 0
        daemon.wait_for("tokens reread")
        daemon.signal(1)
        daemon.wait_for("configuration reloaded")
        with taskdash.connect(f"unix://{data / CONTROL_NAME}") as dash:
            dash.register("t", name="n", status="finish")
        assert taskdashd("backup", copy, "--data", data).returncode == 0
        assert daemon.stop() == 0
    with running_daemon(data) as daemon, taskdash.connect(daemon.url) as dash:
        kinds = [one["kind"] for one in dash.call(Audit())["entries"]]
        assert daemon.stop() == 0
    assert kinds[0] == "stopped"
    assert {"started", "configuration reloaded", "token created", "signed in"} <= set(kinds)
    assert taskdashd("restore", copy, "--data", data, "--force").returncode == 0
    with running_daemon(data) as daemon, taskdash.connect(daemon.url) as dash:
        told = dash.call(Audit())["entries"]
    assert told[0]["kind"] == "restored"
    assert "registered" in [one["kind"] for one in told]


def test_entries_are_made_on_the_thread_that_reads(make: Make) -> None:
    """A page of a thousand, each compared with what was before, would be a step of tenths."""
    world = make()
    peer = world.connect("p")
    for number in range(3):
        peer.ask("Register", id="t", name=str(number), status="finish")
    peer.send("Audit", {"task": "t"})
    world.sweep()
    while world.writing.jobs:
        world.writing.step()
    job, _then = world.reading.jobs.popleft()
    _waiting, outcome = job()
    assert [entry["changes"]["name"][1] for entry in outcome["entries"]] == ["2", "1", "0"]
