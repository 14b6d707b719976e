"""What comes due: when, how much at a time, and what becomes of it after a fault or a start."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from taskdash_protocol.errors import Busy
from taskdashd.core.agenda import AGAIN_S, GRACE_S
from taskdashd.domain.agenda import Entry
from taskdashd.domain.times import seconds, stamp
from taskdashd.store.transaction import Transaction
from taskdashd.testing import Peer, World

FREE, CLAIMED, EDITING = "待领取", "已领取", "编辑中"
HOURS_S = 3600.0
MANY = 10_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, heartbeat_timeout=1e9, request_rate=None, identity_rate=None)
    yield world
    world.close()


@pytest.fixture
def boss(world: World) -> Peer:
    boss = world.connect("10.0.0.9:1")
    for user in ("ann", "bob"):
        boss.ask("SetPerson", user=user, name=user.title())
    return boss


def claim(boss: Peer, task_id: str = "t", **how: Any) -> str:
    """Have Ann claim a new task; gives until when she has it."""
    boss.ask("Register", id=task_id, name="Film", status=FREE)
    reply = boss.ask("Claim", id=task_id, user="ann", **how)
    assert reply["errid"] == 0, reply
    return str(reply["claim_until"])


def status(boss: Peer, task_id: str = "t") -> str:
    return str(boss.ask("Find", id=task_id)["status"])


def statuses(boss: Peer, count: int, begin: int = 0) -> set[str]:
    return {status(boss, f"t{number:03}") for number in range(begin, count)}


def claim_some(boss: Peer, count: int) -> None:
    """Have Ann claim new tasks for ten seconds, all in a few commits."""
    for number in range(count):
        boss.send("Register", {"id": f"t{number:03}", "name": "Film", "status": FREE})
        boss.send("Claim", {"id": f"t{number:03}", "user": "ann", "limit": 10})
    boss.world.drain()
    assert {reply["errid"] for reply in boss.replies} == {0}
    boss.replies.clear()


def go_on(world: World, seconds_: float) -> None:
    """Let a long time pass, with the ticks of its last second."""
    world.time += seconds_ - 1
    world.advance(1)


# Many at once


def claim_many(world: World, boss: Peer) -> dict[str, float]:
    """Have claims made that run out evenly over one second; gives when each does."""
    begin = world.time + 60.0
    for number in range(MANY):
        boss.send("Register", {"id": f"t{number}", "name": "Film", "status": FREE})
    world.drain()
    boss.replies.clear()
    for number in range(MANY):
        limit = round(begin + number / MANY - world.time, 3)
        boss.send("Claim", {"id": f"t{number}", "user": "ann", "limit": limit})
    world.drain()
    until = {reply["id"]: seconds(reply["claim_until"]) for reply in boss.replies}
    boss.replies.clear()
    assert len(until) == MANY
    assert max(until.values()) - min(until.values()) <= 1.0
    return until


@pytest.mark.parametrize("cold", [False, True], ids=["in memory", "on disk"])
def test_ten_thousand_claims_of_one_second(world: World, boss: Peer, cold: bool) -> None:
    """None is freed early, each within a second; no step of the loop decides more than a slice."""
    until = claim_many(world, boss)
    watcher = world.connect("10.0.0.9:2")
    watcher.ask("Watch")
    decided: list[int] = []
    tick = world.supervisor.tick

    def counted(slept_s: float) -> float:
        before = len(world.core.view.pending)
        wait_s = tick(slept_s)
        decided.append(len(world.core.view.pending) - before)
        return wait_s

    world.supervisor.tick = counted  # type: ignore[method-assign]
    if cold:
        world.core.view._cache.clear()
    world.advance(62.5)
    freed = {event["task"]["id"]: seconds(event["task"]["updated_at"]) for event in watcher.events}
    assert set(freed) == set(until)
    late = [freed[task_id] - until[task_id] for task_id in until]
    assert min(late) >= 0
    assert max(late) <= 1.0
    assert max(decided) <= 100


def waiting_after(world: World, late_s: float) -> int:
    """Give how many decisions wait for a disk that stands still, so long after they were due."""
    world.time += late_s
    for _ in range(20):
        world.time += 0.001
        world.supervisor.tick(0.001)
    return len(world.core.view.pending)


def test_a_slow_disk_makes_steps_long_before_people_wait(world: World, boss: Peer) -> None:
    """At first few share a commit; what is half a second late is decided without waiting."""
    claim_some(boss, 1_000)
    assert 200 <= waiting_after(world, 10.0) < 300
    assert waiting_after(world, 0.5) == 1_000
    before = world.core.writer.commits
    while world.writing.jobs:
        world.writing.step()
    assert world.core.writer.commits - before == 2
    world.drain()
    assert statuses(boss, 1_000) == {FREE}


def test_the_smallest_cache_frees_as_well(tmp_path: Path) -> None:
    """Of what is loaded together it keeps a single task: the others are loaded anew at once."""
    world = World(tmp_path, task_cache=1)
    boss = world.connect("10.0.0.9:1")
    boss.ask("SetPerson", user="ann", name="Ann")
    claim_some(boss, 50)
    world.advance(11)
    assert statuses(boss, 50) == {FREE}
    world.close()


# Durations and the wall clock


@pytest.mark.parametrize("step_h", [-10, 10, 24 * 400])
def test_setting_the_clock_neither_ends_nor_prolongs_a_claim(
    world: World, boss: Peer, step_h: int
) -> None:
    """Two hours are two hours, whatever the clock on the wall is set to; also what it is set to."""
    until = claim(boss, limit=2 * HOURS_S)
    go_on(world, HOURS_S)
    world.wall_ahead_s += step_h * HOURS_S
    boss.ask("Update", id="t", description="changed meanwhile", own=False)
    boss.ask("Begin", id="t", user="ann")
    go_on(world, HOURS_S - 1)
    task = boss.ask("Find", id="t")
    assert (task["status"], task["claim_until"]) == (EDITING, until)
    world.wall_ahead_s -= step_h * HOURS_S
    world.advance(1.1)
    assert status(boss) == FREE


@pytest.mark.parametrize("step_h", [-10, 10])
def test_who_is_given_a_task_anew_has_the_whole_time(world: World, boss: Peer, step_h: int) -> None:
    """Also where the clock was set between the claim and the handover."""
    world.live.claim_limit = HOURS_S
    claim(boss)
    go_on(world, 0.9 * HOURS_S)
    world.wall_ahead_s += step_h * HOURS_S
    assert boss.ask("Handover", of="ann", to=["bob"])["moved"]
    go_on(world, 0.9 * HOURS_S)
    assert boss.ask("Find", id="t")["user"] == "bob"
    go_on(world, 0.1 * HOURS_S + 1)
    assert status(boss) == FREE


def test_who_is_given_a_task_at_the_last_moment_keeps_it(world: World, boss: Peer) -> None:
    """The old claim comes up while the new one waits for its commit."""
    claim(boss, limit=10)
    world.time += 10.0
    boss.send("Assign", {"id": "t", "to": "bob", "limit": HOURS_S})
    world.sweep()
    assert world.writing.jobs
    world.supervisor.tick(10.0)
    world.drain()
    assert boss.replies.pop()["user"] == "bob"
    world.advance(1)
    assert boss.ask("Find", id="t")["user"] == "bob"


def test_a_claim_that_has_ended_is_expected_no_more(world: World, boss: Peer) -> None:
    """Whoever claims and gives back all day fills no memory."""
    (line,) = world.agenda._lines
    for act in ("Release", "Submit"):
        claim(boss, act, limit=HOURS_S)
        assert act in line
        assert boss.ask(act, id=act, user="ann")["errid"] == 0
        assert act not in line


def test_a_claim_runs_on_while_the_daemon_stands_still(world: World, boss: Peer) -> None:
    """A stall is no silence of a service, but the time of people goes on."""
    claim(boss, limit=HOURS_S)
    world.time += HOURS_S
    world.advance(0.5)
    assert status(boss) == FREE


# After a start


def test_nothing_is_taken_away_in_the_first_minute(world: World, boss: Peer) -> None:
    """What ran out while the daemon was away ends a minute after the start, and not before."""
    claim(boss, limit=10)
    world.time += 3600.0
    world.restart()
    boss = world.connect("10.0.0.9:1")
    world.advance(GRACE_S - 1)
    assert status(boss) == CLAIMED
    world.advance(1.5)
    assert status(boss) == FREE


def test_a_claim_made_after_the_start_has_its_own_time(world: World, boss: Peer) -> None:
    world.restart()
    boss = world.connect("10.0.0.9:1")
    claim(boss, limit=10)
    world.advance(10.5)
    assert status(boss) == FREE


@pytest.mark.parametrize("step_h", [-10, 10])
def test_a_clock_that_is_put_right_after_the_start_ends_no_claim(
    world: World, boss: Peer, step_h: int
) -> None:
    """Of a claim of two hours one is left. The clock is wrong at the start, for twenty seconds."""
    claim(boss, limit=2 * HOURS_S)
    world.time += HOURS_S
    world.wall_ahead_s = step_h * HOURS_S
    world.restart()
    boss = world.connect("10.0.0.9:1")
    world.advance(20)
    boss.ask("Update", id="t", description="changed meanwhile", own=False)
    world.wall_ahead_s = 0.0
    world.advance(70)
    go_on(world, HOURS_S - 100)
    assert status(boss) == CLAIMED
    world.advance(11)
    assert status(boss) == FREE


def test_after_the_first_minute_setting_the_clock_changes_nothing(world: World, boss: Peer) -> None:
    """A claim of before the start is kept by elapsed time too, once its rest is known."""
    claim(boss, limit=2 * HOURS_S)
    world.restart()
    boss = world.connect("10.0.0.9:1")
    go_on(world, HOURS_S)
    world.wall_ahead_s = -10 * HOURS_S
    go_on(world, HOURS_S - 1)
    assert status(boss) == CLAIMED
    world.advance(2)
    assert status(boss) == FREE


def test_a_clock_behind_the_log_prolongs_a_claim_by_no_more_than_its_time(
    world: World, boss: Peer
) -> None:
    """A Pi without a battery starts in 1970: by its clock the claim would have decades."""
    claim(boss, limit=2 * HOURS_S)
    world.time += HOURS_S
    world.wall_ahead_s = -50 * 365 * 24 * HOURS_S
    world.restart()
    boss = world.connect("10.0.0.9:1")
    world.advance(GRACE_S + 1)
    go_on(world, 2 * HOURS_S - 2)
    assert status(boss) == CLAIMED
    world.advance(2)
    assert status(boss) == FREE


def test_claims_of_before_a_start_are_read_page_by_page_and_again_after_a_fault(
    world: World, boss: Peer
) -> None:
    claim_some(boss, 450)
    claim(boss, "u")
    world.restart()
    boss = world.connect("10.0.0.9:1")
    query, pages = world.database.query, 0

    def fail_at_the_second(*words: Any, **names: Any) -> Any:
        nonlocal pages
        pages += 1
        if pages == 2:
            raise Busy("no")
        return query(*words, **names)

    world.database.query = fail_at_the_second  # type: ignore[method-assign]
    world.advance(GRACE_S + 1)
    assert pages == 2
    assert statuses(boss, 200) == {FREE}
    assert statuses(boss, 450, 200) == {CLAIMED}
    world.advance(AGAIN_S)
    assert pages == 4
    assert statuses(boss, 450) == {FREE}
    assert status(boss, "u") == CLAIMED


def test_a_page_that_was_read_before_a_change_takes_nothing_back(world: World, boss: Peer) -> None:
    """The task is given to somebody else while the page with its old claim is on its way."""
    claim(boss, limit=HOURS_S)
    world.restart()
    boss = world.connect("10.0.0.9:1")
    query = world.database.query

    def read_and_change(*words: Any, **names: Any) -> Any:
        page = query(*words, **names)
        assert boss.ask("Assign", id="t", to="bob", limit=2 * HOURS_S)["errid"] == 0
        return page

    world.database.query = read_and_change  # type: ignore[method-assign]
    world.advance(GRACE_S + 1)
    world.database.query = query  # type: ignore[method-assign]
    go_on(world, 2 * HOURS_S - 2)
    assert status(boss) == CLAIMED
    world.advance(2)
    assert status(boss) == FREE


# Moments, and a family of its own


@dataclass
class Recorder:
    """A family that notes what it is given; `faulty` keys are refused."""

    is_duration: bool = False
    takes_away: bool = True
    name: str = "recorder"
    came: list[tuple[str, float]] = field(default_factory=list)
    faulty: set[str] = field(default_factory=set)
    now: float = 0.0

    def decide(self, entry: Entry, transaction: Transaction) -> None:
        if entry.key in self.faulty:
            raise ZeroDivisionError
        self.came.append((entry.key, seconds(transaction.at)))


def in_s(world: World, seconds_: float) -> str:
    return stamp(world.core.clock.wall() + seconds_)


@pytest.mark.parametrize("takes_away", [False, True])
def test_a_moment_is_the_wall_clock_s(world: World, takes_away: bool) -> None:
    """After a jump what starts work is due at once; what takes away a minute later."""
    family = Recorder(takes_away=takes_away)
    line = world.agenda.add(family)
    world.advance(GRACE_S)
    line.expect("near", in_s(world, 30), 0.0)
    line.expect("far", in_s(world, 10 * HOURS_S), 0.0)
    world.advance(29.5)
    assert not family.came
    world.advance(0.6)
    assert [key for key, _ in family.came] == ["near"]
    world.wall_ahead_s += 10 * HOURS_S
    if takes_away:
        world.advance(GRACE_S - 0.5)
        assert len(family.came) == 1
    world.advance(1)
    assert [key for key, _ in family.came] == ["near", "far"]


def test_a_moment_follows_the_clock_back(world: World) -> None:
    family = Recorder(takes_away=False)
    line = world.agenda.add(family)
    line.expect("a", in_s(world, 60), 0.0)
    world.wall_ahead_s -= HOURS_S
    go_on(world, HOURS_S)
    assert not family.came
    world.advance(61)
    assert len(family.came) == 1


def test_a_moment_that_could_not_be_kept_follows_the_clock_back_as_well(
    world: World, boss: Peer
) -> None:
    """The clock is set back while a task is read from the disk, and that fails."""
    family = Recorder(takes_away=False)
    line = world.agenda.add(family)
    boss.ask("Register", id="t", name="n", status=FREE)
    world.core.view._cache.clear()
    load = world.database.load

    def fail(*_: Any) -> Any:
        raise Busy("no")

    world.database.load = fail  # type: ignore[method-assign]
    line.expect("t", in_s(world, 10), 0.0)
    world.advance(9.9)
    world.time += 0.1
    world.supervisor.tick(0.1)
    assert world.reading.jobs
    world.wall_ahead_s -= HOURS_S
    world.drain()
    world.database.load = load  # type: ignore[method-assign]
    go_on(world, HOURS_S - 1)
    assert not family.came
    world.advance(2)
    assert [key for key, _ in family.came] == ["t"]


def test_a_long_backlog_of_one_family_keeps_no_other_waiting(world: World) -> None:
    crowd, other = Recorder(takes_away=False), Recorder(takes_away=False)
    lines = [world.agenda.add(family) for family in (crowd, other)]
    for number in range(1_000):
        lines[0].expect(f"{number}", in_s(world, -60), 0.0)
    lines[1].expect("a", in_s(world, 0), 0.0)
    for _ in range(3):
        world.supervisor.tick(0.001)
    assert len(other.came) == 1
    assert 0 < len(crowd.came) < 1_000


def test_what_starts_work_is_due_at_once_after_a_start(world: World) -> None:
    """Moments and durations; what takes away waits. A clock put right by a minute is no jump."""
    work, loss = Recorder(takes_away=False), Recorder()
    spent = Recorder(is_duration=True, takes_away=False)
    for family in (work, loss, spent):
        line = world.agenda.add(family)
        assert line.read_in_s() == 0
        line.expect("a", in_s(world, -1), -1.0)
    world.advance(1)
    assert (len(work.came), len(loss.came), len(spent.came)) == (1, 0, 1)
    world.advance(30)
    world.wall_ahead_s += 59
    world.advance(GRACE_S - 30)
    assert len(loss.came) == 1


def test_one_that_always_fails_holds_up_nobody(world: World) -> None:
    """Such a one is tried again after seconds; others of its family, and other families, go on."""
    family, other = Recorder(takes_away=False, faulty={"bad"}), Recorder(takes_away=False)
    line = world.agenda.add(family)
    other_line = world.agenda.add(other)
    line.expect("bad", in_s(world, -5), 0.0)
    for number in range(250):
        line.expect(f"{number}", in_s(world, -1), 0.0)
    other_line.expect("a", in_s(world, -1), 0.0)
    world.advance(1)
    assert len(family.came) == 250
    assert len(other.came) == 1
    world.advance(AGAIN_S - 2)
    family.faulty.clear()
    world.advance(0.5)
    assert len(family.came) == 250
    world.advance(2)
    assert family.came[-1][0] == "bad"


def test_on_a_full_disk_nothing_is_lost_and_nothing_is_tried_all_the_time(
    world: World, boss: Peer
) -> None:
    claim_some(boss, 300)
    world.database.full = True
    tries, append = 0, world.database.append

    def counted(*words: Any) -> None:
        nonlocal tries
        tries += bool(words[0])
        append(*words)

    world.database.append = counted  # type: ignore[method-assign]
    world.advance(10 + 3 * AGAIN_S)
    assert 2 <= tries <= 12
    world.database.full = False
    world.advance(AGAIN_S + 1)
    assert statuses(boss, 300) == {FREE}


def test_a_crowd_of_writers_delays_but_loses_nothing(tmp_path: Path) -> None:
    """Where too many writes wait for the disk, the daemon's own are refused as well."""
    world = World(tmp_path, writes_waiting=1)
    boss = world.connect("10.0.0.9:1")
    boss.ask("SetPerson", user="ann", name="Ann")
    claim(boss, limit=10)
    world.time += 10.0
    boss.send("Register", {"id": "x", "name": "n"})
    world.sweep()
    world.supervisor.tick(10.0)
    world.drain()
    assert status(boss) == CLAIMED
    world.advance(0.5)
    assert status(boss) == FREE
    world.close()


# Leading


def test_who_does_not_lead_declares_nobody_dead_and_frees_nothing(world: World, boss: Peer) -> None:
    """Of several daemons over the same tasks one decides; it does so once it leads."""
    claim(boss, limit=10)
    service = world.connect("10.0.0.7:1")
    service.ask("RegisterService", url="http://10.0.0.7:80", heartbeat_timeout=5)
    service.ask("Register", id="live", name="n", status="running", heartbeat_timeout=5)
    service.close()
    world.core.leading.end()
    world.advance(20)
    assert (status(boss), status(boss, "live")) == (CLAIMED, "running")
    assert boss.ask("Services")["services"][0]["state"] == "alive"
    world.core.leading.begin()
    world.advance(1)
    assert (status(boss), status(boss, "live")) == (FREE, "shutdown")
    assert boss.ask("Services")["services"][0]["state"] == "dead"


def test_who_loses_the_lead_between_judgement_and_deed_does_nothing(
    world: World, boss: Peer
) -> None:
    """The tasks of a lease are read from the disk in between, and so are those that come due."""
    claim(boss, limit=10)
    service = world.connect("10.0.0.7:1")
    service.ask("Register", id="live", name="n", status="running", heartbeat_timeout=10)
    service.close()
    world.advance(9)
    world.core.view._cache.clear()
    world.time += 1.1
    world.supervisor.tick(1.1)
    assert world.reading.jobs
    world.core.leading.end()
    world.drain()
    assert (status(boss), status(boss, "live")) == (CLAIMED, "running")
    world.core.leading.begin()
    world.advance(1)
    assert (status(boss), status(boss, "live")) == (FREE, "shutdown")
