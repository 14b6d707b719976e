"""The tally: what is counted, who is told of what, and that nothing is counted for nobody."""

import json
from collections import Counter, deque
from collections.abc import Generator, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskdash_protocol.statuses import status_class
from taskdashd.domain.access import Sight
from taskdashd.domain.tasks import Change, Kind, Task
from taskdashd.families.figures.rules import day as days
from taskdashd.families.figures.rules.day import (
    BUCKET_S,
    DAY_S,
    PLACE_OF_STATUS,
    Durations,
    Took,
    state_of,
)
from taskdashd.families.figures.rules.tally import Row, Tally

FREE, CLAIMED, EDITING, REVIEW = "待领取", "已领取", "编辑中", "待审核"
NOON = 1_800_000_000.0 // BUCKET_S * BUCKET_S
LOAD = {FREE, CLAIMED, EDITING, REVIEW}

TASK = Task(
    id="t",
    rev=1,
    epoch=1,
    status="",
    timeout_s=None,
    fenced=False,
    created_at=datetime.fromtimestamp(NOON, UTC).isoformat(),
    shutdown_at="",
    owner=1,
    user="",
    group_id="",
    checker="",
    parent_id="",
    task_type="",
    kind="service",
    holder="h",
    held_since="",
    body=b"{}",
)


def task(status: str, group: str = "cut", user: str = "", checker: str = "", **body: Any) -> Task:
    text = json.dumps(body).encode()
    return TASK._replace(status=status, group_id=group, user=user, checker=checker, body=text)


def change(old: Task | None, new: Task, kind: Kind = "updated") -> Change:
    return Change(kind, new, old, "", "")


def tally(
    groups: Iterable[str] = ("cut", "paint"), people: Iterable[str] = ("ann", "bob")
) -> Tally:
    accounts = list(people)
    one = Tally({}, NOON, lambda: accounts)
    one.follow(dict.fromkeys(groups).keys(), set(accounts))
    return one


def whole(walk: Generator[None, None, dict[str, Any]]) -> dict[str, Any]:
    """Let figures be put together to the end."""
    while True:
        try:
            next(walk)
        except StopIteration as done:
            told: dict[str, Any] = done.value
            return told


def report(one: Tally, sight: Sight | None, at: float = NOON, **more: Any) -> dict[str, Any]:
    return whole(one.walk(sight, at, **more))


def sight(*groups: str, person: str = "") -> Sight:
    return Sight(frozenset(groups), person)


def events(told: dict[str, Any]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for quarter in told["day"]:
        total.update(quarter["events"])
    return dict(total)


# States


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", FREE),
        ("review", REVIEW),
        ("finished", "finish"),
        ("", "live"),
        ("anything", "live"),
        *((name, name) for name in (FREE, CLAIMED, EDITING, REVIEW, "finish", "shutdown")),
        *((name, name) for name in ("failed", "cancelled", "草稿", "待批准", "待触发", "待执行")),
    ],
)
def test_a_status_is_counted_as_a_state(status: str, state: str) -> None:
    """English words count as the Chinese ones that they mean, and all that run are live."""
    one = tally()
    one.take([change(None, task(status))], NOON)
    assert state_of(status) == state
    assert report(one, None)["states"] == report(one, sight("cut"))["states"] == {state: 1}


def test_the_states_are_of_the_groups_that_one_sees() -> None:
    one = tally()
    one.take([change(None, task("running", group)) for group in ("cut", "cut", "paint", "")], NOON)
    assert report(one, None)["states"] == {"live": 4}
    assert report(one, sight("cut"))["states"] == {"live": 2}
    assert report(one, sight("cut", "paint"))["states"] == {"live": 3}
    assert report(one, sight("unknown"))["states"] == {}


def test_a_task_that_moves_is_counted_where_it_is() -> None:
    one = tally()
    before, after = task("running", "cut"), task(FREE, "paint")
    one.take([change(None, before), change(before, after)], NOON)
    assert report(one, sight("cut"))["states"] == {}
    assert report(one, sight("paint"))["states"] == report(one, None)["states"] == {FREE: 1}


@pytest.mark.parametrize("role", ["user", "checker"])
def test_ones_own_tasks_count_wherever_they_are_and_only_once(role: str) -> None:
    """Tasks outside of one's groups are added, to do as to check; those inside are there."""
    one = tally()
    for group in ("cut", "paint", "not followed"):
        one.take([change(None, task(REVIEW, group, **{role: "ann"}))], NOON)
    assert report(one, sight("cut", person="ann"))["states"] == {REVIEW: 3}
    assert report(one, sight("cut", "paint", person="ann"))["states"] == {REVIEW: 3}
    assert report(one, sight("cut", person="bob"))["states"] == {REVIEW: 1}
    assert report(one, sight("cut"))["states"] == {REVIEW: 1}


def test_who_does_and_checks_a_task_has_it_once() -> None:
    one = tally()
    mine = task(REVIEW, "paint", user="ann", checker="ann")
    one.take([change(None, mine)], NOON)
    assert report(one, sight("cut", person="ann"))["states"] == {REVIEW: 1}
    one.take([change(mine, task(REVIEW, "paint"))], NOON)
    assert report(one, sight("cut", person="ann"))["states"] == {}


def test_who_has_tasks_outside_of_their_groups_has_figures_of_their_own() -> None:
    """The same figures serve all who see the same groups, but for these people."""
    one = tally()
    mine = task(CLAIMED, "paint", user="ann")
    one.take([change(None, mine), change(None, task(CLAIMED, "cut", user="bob"))], NOON)
    assert one.has_own(sight("cut", person="ann"))
    assert not one.has_own(sight("cut", "paint", person="ann"))
    assert not one.has_own(sight("cut", person="bob"))
    assert not one.has_own(sight("cut"))
    one.take([change(mine, task(CLAIMED, "cut", user="ann"))], NOON)
    assert not one.has_own(sight("cut", person="ann"))


# Load


def test_the_load_is_what_waits_for_a_person_to_do_it() -> None:
    """What one is to check is no load, nor what runs or has ended."""
    one = tally()
    for status in (FREE, CLAIMED, EDITING, REVIEW, "草稿", "待执行", "running", "finish", "failed"):
        one.take([change(None, task(status, user="ann", checker="bob"))], NOON)
    assert report(one, None)["load"] == {"ann": dict.fromkeys((FREE, CLAIMED, EDITING, REVIEW), 1)}


def test_of_others_one_sees_the_load_in_ones_groups_and_ones_own_everywhere() -> None:
    one = tally()
    for group in ("cut", "paint", "not followed"):
        for person in ("ann", "bob"):
            one.take([change(None, task(CLAIMED, group, user=person))], NOON)
    assert report(one, None)["load"] == {"ann": {CLAIMED: 3}, "bob": {CLAIMED: 3}}
    assert report(one, sight("cut", person="ann"))["load"] == {
        "ann": {CLAIMED: 3},
        "bob": {CLAIMED: 1},
    }
    assert report(one, sight("cut", "paint"))["load"] == {"ann": {CLAIMED: 2}, "bob": {CLAIMED: 2}}
    assert report(one, sight())["load"] == {}


def test_the_load_lists_accounts_alone_in_their_order() -> None:
    accounts = ["bob", "ann"]
    one = Tally({}, NOON, lambda: accounts)
    one.follow({"cut"}, {"ann", "bob"})
    for person in ("ann", "bob", "stranger"):
        one.take([change(None, task(CLAIMED, user=person))], NOON)
    assert list(report(one, None)["load"]) == ["bob", "ann"]
    accounts.remove("bob")
    assert report(one, None)["load"] == report(one, sight("cut"))["load"] == {"ann": {CLAIMED: 1}}


def test_a_load_that_is_done_is_gone() -> None:
    one = tally()
    mine = task(CLAIMED, user="ann")
    one.take([change(None, mine), change(mine, task("finish", user="ann"))], NOON)
    assert report(one, None)["load"] == report(one, sight("cut", person="ann"))["load"] == {}
    assert not one._loads["cut"], "nothing is kept of it"


# Durations


def took(old: Task, new: Task, at: float) -> Tally:
    one = tally()
    one.take([change(None, old)], NOON)
    one.take([change(old, new)], at)
    return one


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_a_claim_took_since_the_task_was_free_or_made() -> None:
    told = report(took(task(FREE), task(CLAIMED), NOON + 30), None)
    assert (told["claim_s"], told["finish_s"]) == (30, None)
    told = report(took(task(FREE), task(CLAIMED, free_since=iso(NOON + 20)), NOON + 30), None)
    assert (told["claim_s"], told["finish_s"]) == (10, None)


def test_work_took_since_it_was_claimed_or_the_task_made() -> None:
    told = report(took(task(CLAIMED), task("finish"), NOON + 30), None)
    assert (told["claim_s"], told["finish_s"]) == (None, 30)
    told = report(took(task(CLAIMED), task("finish", claimed_at=iso(NOON + 20)), NOON + 30), None)
    assert (told["claim_s"], told["finish_s"]) == (None, 10)
    nested = {"deep": {"claimed_at": iso(NOON + 20)}}
    told = report(took(task(CLAIMED), task("finish", **nested), NOON + 30), None)
    assert told["finish_s"] == 30, "a member of a member is not the task's"


@pytest.mark.parametrize("since", ["yesterday", 5, iso(NOON + 31), "9999-12-31T23:59:59-23:59"])
def test_a_time_that_is_none_or_lies_ahead_tells_no_duration(since: Any) -> None:
    told = report(took(task(CLAIMED), task("finish", claimed_at=since), NOON + 30), None)
    assert told["finish_s"] is None
    assert events(told)["finished"] == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (CLAIMED, CLAIMED),
        (EDITING, CLAIMED),
        (None, CLAIMED),
        (FREE, EDITING),
        ("finish", "finished"),
    ],
)
def test_only_a_free_task_is_claimed_and_only_once_it_is_finished(
    old: str | None, new: str
) -> None:
    one = tally()
    one.take([change(None if old is None else task(old), task(new))], NOON + 1)
    told = report(one, None)
    assert (told["claim_s"], told["finish_s"], events(told)) == (None, None, {})


def test_one_sees_the_durations_of_ones_groups_and_of_no_own_task_elsewhere() -> None:
    """An own task in a group of others tells nothing of how fast that group is."""
    one = tally()
    for group, seconds in (("cut", 10), ("paint", 20), ("not followed", 90)):
        free = task(FREE, group, user="ann")
        begun = task(CLAIMED, group, user="ann")
        one.take([change(free, begun)], NOON + seconds)
        one.take([change(begun, task("finish", group, user="ann"))], NOON + 2 * seconds)
    for who, claim_s in (
        (None, 20),
        (sight("cut"), 10),
        (sight("paint", person="ann"), 20),
        (sight("cut", "paint"), 20),
        (sight("not followed"), 90),
        (sight(person="ann"), None),
    ):
        told = report(one, who)
        assert told["claim_s"] == claim_s
        assert told["finish_s"] == (None if claim_s is None else 2 * claim_s)


def test_of_an_even_number_the_upper_one_is_the_middle() -> None:
    one = Durations()
    for seconds in (4.0, 1.0, 3.0, 2.0):
        one.add(Took(NOON, "cut", seconds))
    assert one.middle(None) == one.middle({"cut", "other"}) == 3
    assert one.middle(set()) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans()), min_size=1, max_size=60
    )
)
def test_the_middle_is_that_of_what_is_kept(steps: list[tuple[str, int, bool]]) -> None:
    """Durations are bounded by number and by age, and their order follows."""
    one, model = Durations(), []
    one._kept = deque(maxlen=10)
    for at, (group, seconds, forgets) in enumerate(steps):
        one.add(Took(at, group, seconds))
        model = [*model, Took(at, group, seconds)][-10:]
        if forgets:
            one.forget(at - 4)
            model = [took for took in model if took.at >= at - 4]
        assert list(one) == model
        for groups in (None, {"a"}, {"a", "b"}, {"x"}):
            left = sorted(t.seconds for t in model if groups is None or t.group in groups)
            assert one.middle(groups) == (left[len(left) // 2] if left else None)


# The day


def test_events_stand_in_their_quarter_for_those_who_see_the_group() -> None:
    one = tally()
    live, dead = task("running"), task("shutdown")
    one.take([change(live, dead, "shutdown")], NOON)
    one.take([change(dead, live, "recovered")], NOON + BUCKET_S)
    one.take([change(live, task("failed"))], NOON + BUCKET_S)
    one.take([change(task("running", "elsewhere"), task("failed", "elsewhere"))], NOON)
    late = NOON + BUCKET_S + 5
    for who, first in (
        (None, {"died": 1, "failed": 1}),
        (sight("cut"), {"died": 1}),
        (sight("paint"), {}),
    ):
        two = report(one, who, late, quarters=2)["day"]
        assert [quarter["at"] for quarter in two] == [NOON, NOON + BUCKET_S]
        assert two[0]["events"] == first
        assert two[1]["events"] == ({} if first == {} else {"recovered": 1, "failed": 1})


def test_a_shutdown_by_its_service_is_no_death() -> None:
    one = tally()
    one.take([change(task("running"), task("shutdown"))], NOON)
    assert events(report(one, None)) == {}


def test_a_quarter_tells_how_many_tasks_there_were_at_its_end() -> None:
    one = tally()
    free, done = task(FREE), task("finish")
    one.take([change(None, free), change(None, task(FREE, "elsewhere"))], NOON)
    one.tick(NOON + 5)
    one.take([change(free, done)], NOON + 6)
    assert report(one, sight("cut"))["day"][-1]["tasks"] == {FREE: 1}, "as of the last look"
    one.tick(NOON + BUCKET_S - 1)
    one.take([change(done, task("running"))], NOON + BUCKET_S)
    one.tick(NOON + BUCKET_S)
    told = report(one, sight("cut"), NOON + BUCKET_S)["day"]
    assert len(told) == 96
    assert [one["tasks"] for one in told[-3:]] == [None, {"finish": 1}, {"live": 1}]
    assert report(one, None, NOON + BUCKET_S)["day"][-2]["tasks"] == {"finish": 1, FREE: 1}
    assert report(one, sight("paint"), NOON + BUCKET_S)["day"][-1]["tasks"] == {}


@pytest.mark.parametrize("moved_s", [DAY_S + BUCKET_S, -BUCKET_S])
def test_quarters_of_yesterday_and_of_a_wrong_clock_are_forgotten(moved_s: float) -> None:
    one = tally()
    one.take([change(task(FREE), task(CLAIMED))], NOON + 1)
    one.tick(NOON + 1)
    assert events(report(one, None)) == {"claimed": 1}
    one.tick(NOON + moved_s + 2)
    assert events(report(one, None)) == {}
    assert (report(one, None)["claim_s"] is None) == (moved_s > 0)
    assert one.unsaved()[int(NOON // BUCKET_S)] is None, "its record is removed too"


# Bounds


def test_what_services_write_takes_no_room() -> None:
    """A service with a new group, person and status for each task adds to one total."""
    one = tally()
    for number in range(3000):
        name = f"n{number}"
        new = task(name, name, user=name, checker=name)
        one.take([change(None, new), change(new, task("finish", name, user=name))], NOON)
    one.tick(NOON)
    assert report(one, None)["states"] == {"finish": 3000}
    assert (one.groups, one.people) == ({"cut", "paint"}, {"ann", "bob"})
    (record,) = [value for value in one.unsaved().values() if value]
    assert len(record["groups"]) == days._GROUPS_MAX + 2
    assert events(report(one, None)) == {"finished": 3000}


def test_a_person_with_tasks_in_many_groups_takes_no_room_for_them() -> None:
    one = tally()
    one.take([change(None, task(CLAIMED, f"g{n}", user="ann")) for n in range(10_000)], NOON)
    assert report(one, sight("cut", person="ann"))["load"] == {"ann": {CLAIMED: 10_000}}
    assert one._within["ann"] == {}


def test_what_takes_long_is_put_together_in_parts() -> None:
    """The event loop has its turn between the parts; the whole is the same."""
    groups = [f"g{number}" for number in range(64)]
    people = [f"p{number}" for number in range(500)]
    one = tally(groups, people)
    for group in groups:
        one.take([change(None, task(CLAIMED, group, user=person)) for person in people], NOON)
    one.tick(NOON)
    walk, parts = one.walk(sight(*groups, person="p7"), NOON), 0
    for _ in walk:
        parts += 1
    assert parts >= 64 * 500 // 2500 + 96 * 64 // 2500
    assert report(one, sight(*groups))["load"] == {one: {CLAIMED: 64} for one in people}


def test_groups_of_a_quarter_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Followed groups have room of their own, which no service can fill."""
    monkeypatch.setattr(days, "_GROUPS_MAX", 2)
    one = tally(["a", "b", "c"])
    groups = ["x", "y", "z", "a", "b", "c"]
    for group in groups:
        one.take([change(task("running", group), task("failed", group))], NOON)
    one.tick(NOON)
    one.follow(frozenset("xyz"), frozenset())
    seen = [group for group in groups if events(report(one, sight(group)))]
    assert seen == ["x", "y", "a", "b"]
    assert events(report(one, None)) == {"failed": 6}, "the whole counts them all"
    assert report(one, sight("c"))["states"] == report(one, sight("a"))["states"]
    one = tally(["a", "b", "c"])
    one.tick(NOON)
    known = [report(one, sight(group))["day"][-1]["tasks"] for group in "abc"]
    assert known == [{}, {}, {}]
    (record,) = one.unsaved().values()
    assert record is not None
    assert list(record["groups"]) == ["a", "b"]


# Records


def stored(one: Tally) -> list[dict[str, Any]]:
    records = [*one.unsaved().values(), one.durations()]
    return [json.loads(json.dumps(record)) for record in records if record is not None]


def test_a_quarter_is_stored_again_only_when_it_has_changed() -> None:
    """An office where nobody works writes a record each quarter of an hour, and no more."""
    one = tally()
    one.tick(NOON)
    assert list(one.unsaved()) == [NOON // BUCKET_S]
    assert one.unsaved() == {}
    one.tick(NOON + 5)
    assert one.unsaved() == {}
    one.take([change(task("running"), task("running", "elsewhere"))], NOON + 5)
    one.tick(NOON + 10)
    assert list(one.unsaved()) == [NOON // BUCKET_S]
    one.take([change(task("running"), task("failed"))], NOON)
    one.tick(NOON + BUCKET_S)
    assert list(one.unsaved()) == [NOON // BUCKET_S, NOON // BUCKET_S + 1]
    one.not_saved([int(NOON // BUCKET_S)])
    assert list(one.unsaved()) == [NOON // BUCKET_S]


def test_a_record_stays_as_it_was_while_counting_goes_on() -> None:
    """Another thread encodes it."""
    one = tally()
    one.take([change(task("running"), task("failed"))], NOON)
    one.tick(NOON)
    (record,) = one.unsaved().values()
    before = json.dumps(record)
    one.take([change(task("running"), task("failed"))], NOON)
    one.tick(NOON)
    assert json.dumps(record) == before


def test_the_day_is_as_it_was_after_a_restart() -> None:
    one = tally()
    one.take([change(None, task(FREE)), change(task(FREE), task(CLAIMED, user="ann"))], NOON + 9)
    one.tick(NOON + 9)
    again = Tally({CLAIMED: 1}, NOON + 60, lambda: ["ann"], stored(one))
    again.follow({"cut"}, {"ann"})
    again.add([("cut", CLAIMED, "ann", "", 1)], {"cut"}, {"ann"})
    for who in (None, sight("cut"), sight("paint")):
        assert {**report(again, who), "since": NOON} == report(one, who)


def test_a_record_of_before_a_state_was_known_is_read() -> None:
    record = {
        "at": NOON,
        "tasks": "1",
        "events": "2",
        "groups": {"cut": ["1", "0"], "x": [None, "1"]},
    }
    one = Tally({}, NOON, lambda: (), [record])
    one.follow({"cut"}, set())
    one.take([change(task("running"), task("failed"))], NOON)
    assert report(one, None)["day"][-1] == {
        "at": NOON,
        "tasks": {"live": 1},
        "events": {"claimed": 2, "failed": 1},
    }
    assert report(one, sight("cut"))["day"][-1]["events"] == {"failed": 1}


# Any history

GROUPS, USERS = ["", "cut", "paint", "far"], ["", "ann", "bob", "eve"]
STATUSES = [FREE, CLAIMED, EDITING, REVIEW, "running", "odd", "finish", "failed", "shutdown"]
WRITES = st.tuples(
    st.just("write"),
    st.sampled_from("abcd"),
    st.sampled_from(STATUSES),
    st.sampled_from(GROUPS),
    st.sampled_from(USERS),
    st.sampled_from(USERS),
)
BEGIN = st.tuples(st.just("follow"), st.sampled_from([*GROUPS, *USERS[1:]]))
HISTORY = st.lists(
    st.one_of(WRITES, WRITES, BEGIN, st.tuples(st.sampled_from(["tick", "later", "add"]))),
    max_size=40,
)


class Model:
    """What the tally must tell: counted anew each time, from all tasks and all that happened."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.groups: set[str] = set()
        self.people: set[str] = set()
        self.events: list[tuple[int, str, str]] = []
        self.looks: dict[int, dict[str | None, Counter[str]]] = {}

    def count(self, tasks: Iterable[Task]) -> Counter[str]:
        return Counter(state_of(one.status) for one in tasks)

    def look(self, number: int) -> None:
        known = self.looks.setdefault(number, {})
        known[None] = self.count(self.tasks.values())
        for group in self.groups:
            known[group] = self.count(t for t in self.tasks.values() if t.group_id == group)

    def rows(self, groups: set[str], people: set[str]) -> list[Row]:
        counts: Counter[tuple[str | None, str, str, str]] = Counter()
        for one in self.tasks.values():
            if one.group_id in groups or {one.user, one.checker} & people:
                counts[
                    one.group_id if one.group_id in self.groups else None,
                    one.status if one.status in PLACE_OF_STATUS else "",
                    one.user if one.user in self.people else "",
                    one.checker if one.checker in self.people else "",
                ] += 1
        return [(*key, count) for key, count in counts.items()]

    def told(self, who: Sight | None, last: int) -> dict[str, Any]:
        tasks = self.tasks.values()
        seen = [t for t in tasks if who is None or who.covers(t.group_id, t.user, t.checker)]
        load: dict[str, Counter[str]] = {}
        for one in tasks:
            mine = who is None or one.user == who.person or one.group_id in who.groups
            if state_of(one.status) in LOAD and one.user in self.people and mine:
                load.setdefault(one.user, Counter())[state_of(one.status)] += 1
        day = []
        for number in (last - 1, last):
            known = self.looks.get(number)
            happened = Counter(
                what
                for at, what, group in self.events
                if at == number and (who is None or group in who.groups)
            )
            levels: Counter[str] = Counter()
            for group in (None,) if who is None else who.groups:
                levels.update((known or {}).get(group, Counter()))
            day.append((None if known is None else dict(levels), dict(happened)))
        return {"states": dict(self.count(seen)), "load": load, "day": day}


@settings(max_examples=300)
@given(history=HISTORY)
def test_after_any_history_the_figures_are_what_a_count_would_find(history: list[Any]) -> None:
    """Whoever is followed, from whenever on, and however late the rows come of what was before."""
    model = Model()
    one, at = Tally({}, NOON, lambda: sorted(model.people)), NOON
    owed: list[tuple[list[Row], set[str], set[str]]] = []
    for step, *words in [*history, ("add",), ("tick",)]:
        if step == "write":
            task_id, status, *fields = words
            old, new = model.tasks.get(task_id), task(status, *fields)
            model.tasks[task_id] = new
            kind: Kind = "updated"
            if old is not None and old.status == "shutdown" != status:
                kind = "recovered"
            if status == "shutdown" and old is not None:
                kind = "shutdown" if status_class(old.status) == "live" else "updated"
            one.take([change(old, new, kind)], at)
            was, now = None if old is None else state_of(old.status), state_of(status)
            what = {"failed": "failed", "finish": "finished"}.get(now)
            what = "claimed" if (was, now) == (FREE, CLAIMED) else what
            what = "died" if kind == "shutdown" else what
            number, group = int(at // BUCKET_S), new.group_id
            if kind == "recovered":
                model.events.append((number, "recovered", group))
            if what is not None and was != now:
                model.events.append((number, what, group))
        elif step == "follow":
            groups = {words[0]} & set(GROUPS) - model.groups
            people = {words[0]} & set(USERS[1:]) - model.people
            model.groups |= groups
            model.people |= people
            one.follow(groups, people)
            owed.append((model.rows(groups, people), groups, people))
        elif step == "tick" and not owed:
            one.tick(at)
            model.look(int(at // BUCKET_S))
        elif step == "later":
            at += 400
        elif step == "add":
            for rows, groups, people in owed:
                one.add(rows, groups, people)
            owed.clear()
    sights = [None, sight(*model.groups), sight(*(model.groups & {"cut", ""}))]
    sights += [sight(*(model.groups & {"cut"}), person=person) for person in model.people]
    for who in sights:
        told = report(one, who, at, quarters=2)
        wanted = model.told(who, int(at // BUCKET_S))
        told["day"] = [(quarter["tasks"], quarter["events"]) for quarter in told["day"]]
        assert {name: told[name] for name in wanted} == wanted, who


@given(history=st.lists(WRITES, max_size=20), after=st.lists(WRITES, max_size=10))
def test_who_is_no_longer_followed_leaves_nothing(history: list[Any], after: list[Any]) -> None:
    """A count that failed is begun anew, with what has changed since."""
    model, one = Model(), Tally({}, NOON, lambda: sorted(model.people))

    def write(steps: list[Any]) -> None:
        for _, task_id, status, *fields in steps:
            old, new = model.tasks.get(task_id), task(status, *fields)
            model.tasks[task_id] = new
            one.take([change(old, new)], NOON)

    model.groups, model.people = {"cut"}, {"ann", "cut"}
    one.follow(model.groups, model.people)
    write(history)
    model.groups, model.people = {"cut", "paint", "ann"}, {"ann", "cut", "bob"}
    for writes in (after, []):
        one.follow({"paint", "ann"}, {"bob"})
        rows = model.rows({"paint", "ann"}, {"bob"})
        write(writes)
        if writes:
            one.unfollow({"paint", "ann"}, {"bob"})
    if not after:
        one.unfollow({"paint", "ann"}, {"bob"})
        one.follow({"paint", "ann"}, {"bob"})
        rows = model.rows({"paint", "ann"}, {"bob"})
    one.add(rows, {"paint", "ann"}, {"bob"})
    for who in (None, sight("cut", "paint", person="bob"), sight("paint"), sight(person="ann")):
        told, wanted = report(one, who), model.told(who, 0)
        assert (told["states"], told["load"]) == (wanted["states"], wanted["load"])
