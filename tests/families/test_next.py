"""Next: what waits for a person, and what others did with their tasks until it was seen."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskdashd.core.waiting import LOOKED_MAX, SHOWN_MAX
from taskdashd.families.people import told
from taskdashd.testing import Peer, World

FREE, CLAIMED, EDITING, REVIEW = "待领取", "已领取", "编辑中", "待审核"
QUIET: dict[str, Any] = {
    "passwordless": "everywhere",
    "person_rate": None,
    "request_rate": None,
    "identity_rate": None,
}
SECTIONS = ("now", "queue", "to_answer", "returned")
OFFICE: dict[str, dict[str, Any]] = {
    "ann": {"groups": ["cut"]},
    "bob": {"groups": ["cut"]},
    "lea": {"groups": ["cut"], "role": "lead"},
    "eve": {"groups": ["paint"]},
}


def office(world: World) -> dict[str, Peer]:
    """Make accounts, and sign each in on a connection of their own; "boss" is the operator."""
    peers = {"boss": world.connect("10.0.0.9:1")}
    for user, about in OFFICE.items():
        peers["boss"].ask("SetPerson", user=user, name=user.title(), **about)
    return peers | enter(world)


def enter(world: World) -> dict[str, Peer]:
    peers = {user: world.connect("10.0.0.1:1") for user in OFFICE}
    for user, peer in peers.items():
        assert peer.ask("Login", user=user)["errid"] == 0
    return peers


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, **QUIET)
    yield world
    world.close()


def task(peers: dict[str, Peer], task_id: str = "t", **fields: Any) -> None:
    body = {"id": task_id, "name": f"Film {task_id}", "status": FREE, "group_id": "cut", **fields}
    assert peers["boss"].ask("Register", **body)["errid"] == 0


def do(peer: Peer, *acts: tuple[str, dict[str, Any]]) -> None:
    for name, body in acts:
        reply = peer.ask(name, **{"id": "t", **body})
        assert reply["errid"] == 0, reply


def waiting(peer: Peer, user: str = "") -> dict[str, list[str]]:
    """Give what is in each section, as ID:WHY, where there is anything."""
    reply = peer.ask("Next", user=user)
    assert reply["errid"] == 0, reply
    told = {name: [":".join([one["id"], *one["why"]]) for one in reply[name]] for name in SECTIONS}
    assert reply["counts"] == {
        **{name: len(reply[name]) for name in SECTIONS},
        "all": len({one["id"] for name in SECTIONS for one in reply[name]}),
        "more": False,
    }
    return {name: ids for name, ids in told.items() if ids}


def seen(peer: Peer, user: str) -> None:
    """Say that one has seen all that came to one."""
    returned = peer.ask("Next")["returned"]
    if returned:
        reply = peer.ask("SetPerson", user=user, read_to=returned[-1]["rev"])
        assert reply["errid"] == 0, reply


def test_what_one_has_and_what_is_meant_for_one(world: World) -> None:
    """In work is `now`; claimed, or free and meant for one, is `queue`; of others there is none."""
    peers = office(world)
    task(peers, "a")
    task(peers, "b")
    task(peers, "c", user="ann")
    task(peers, "d", user="bob", status="pending")
    do(peers["ann"], ("Claim", {"id": "a"}), ("Claim", {"id": "b"}), ("Begin", {"id": "b"}))
    assert waiting(peers["ann"]) == {"now": ["b"], "queue": ["c:meant", "a"]}
    assert waiting(peers["bob"]) == {"queue": ["d:meant"]}
    assert waiting(peers["eve"]) == {}
    entry = peers["ann"].ask("Next")["now"][0]
    assert (entry["name"], entry["status"], entry["user"]) == ("Film b", EDITING, "ann")
    assert entry["since"] == peers["boss"].ask("Find", id="b")["claimed_at"]


def test_what_one_is_to_check_by_name_or_as_a_lead_but_never_ones_own(world: World) -> None:
    """Where somebody is named, the lead has nothing to check; nobody checks their own work."""
    peers = office(world)
    for task_id, who, checker in (("a", "ann", ""), ("b", "ann", "bob"), ("c", "lea", "")):
        task(peers, task_id)
        do(peers[who], ("Claim", {"id": task_id}))
        do(peers[who], ("Submit", {"id": task_id, "checker": checker}))
    assert waiting(peers["lea"]) == {"to_answer": ["a:lead"]}
    assert waiting(peers["bob"]) == {"to_answer": ["b:named"]}
    # The lead's own work stays theirs, also where another has it by now.
    do(peers["boss"], ("Handover", {"of": "lea", "to": ["ann"]}))
    assert waiting(peers["lea"]).get("to_answer") == ["a:lead"]
    assert waiting(peers["ann"]) == {"returned": ["c:given"]}


def test_a_task_given_without_a_word_is_told_until_it_was_seen(world: World) -> None:
    """The entry says by whom and what, after a restart too, and goes once it was seen."""
    peers = office(world)
    task(peers)
    do(peers["lea"], ("Assign", {"to": "ann"}))
    assert waiting(peers["ann"]) == {"queue": ["t"], "returned": ["t:given"]}
    entry = peers["ann"].ask("Next")["returned"][0]
    assert (entry["by"], entry["word"], entry["status"]) == ("lea", "", CLAIMED)
    assert waiting(peers["lea"]) == {}
    world.restart()
    peers = enter(world)
    assert waiting(peers["ann"]) == {"queue": ["t"], "returned": ["t:given"]}
    seen(peers["ann"], "ann")
    assert waiting(peers["ann"]) == {"queue": ["t"]}
    world.restart()
    assert waiting(enter(world)["ann"]) == {"queue": ["t"]}


@pytest.mark.parametrize(
    ("acts", "of_ann", "of_bob"),
    [
        ([("lea", "Release", {})], ["t:freed"], []),
        ([("boss", "Release", {})], ["t:freed"], []),
        ([("ann", "Release", {})], [], []),
        ([("lea", "Assign", {"to": "bob"})], ["t:passed-on"], ["t:given"]),
        ([("lea", "Assign", {"to": "ann", "word": "again"})], ["t:given"], []),
        ([("lea", "Handover", {"of": "ann", "to": ["bob"]})], ["t:passed-on"], ["t:given"]),
        ([("ann", "Handover", {"of": "ann", "to": ["bob"]})], [], ["t:given"]),
        ([("ann", "Submit", {}), ("lea", "Reject", {"reason": "dark"})], ["t:sent-back"], []),
        ([("ann", "Submit", {}), ("lea", "Approve", {})], [], []),
        ([("ann", "Submit", {"checker": "bob"})], [], []),
        (
            [
                ("ann", "Submit", {"checker": "lea"}),
                ("lea", "Handover", {"of": "lea", "to": ["bob"]}),
            ],
            [],
            ["t:given"],
        ),
        ([("lea", "Release", {}), ("ann", "Claim", {})], [], []),
        ([("lea", "Assign", {"to": "bob"}), ("bob", "Begin", {})], ["t:passed-on"], []),
    ],
)
def test_what_others_do_is_told_and_ones_own_acts_are_not(
    world: World, acts: list[Any], of_ann: list[str], of_bob: list[str]
) -> None:
    """Whoever gets or loses a task by another's act is told; acting on a task is having seen it."""
    peers = office(world)
    task(peers)
    do(peers["ann"], ("Claim", {}))
    for who, name, body in acts:
        do(peers[who], (name, body))
    assert waiting(peers["ann"]).get("returned", []) == of_ann
    assert waiting(peers["bob"]).get("returned", []) == of_bob
    assert "returned" not in waiting(peers["lea"])


def test_a_claim_that_runs_out_is_told(world: World) -> None:
    """The daemon takes it, with its reason."""
    peers = office(world)
    task(peers)
    do(peers["ann"], ("Claim", {"limit": 10}))
    world.advance(12)
    assert waiting(peers["ann"]) == {"returned": ["t:freed"]}
    entry = peers["ann"].ask("Next")["returned"][0]
    assert (entry["by"], entry["word"]) == ("taskdashd", "the time for it ran out")


def test_of_a_task_that_one_sees_no_more_the_name_is_told_that_it_had(world: World) -> None:
    """Who had it knew its name; how it goes on is not theirs to see."""
    peers = office(world)
    task(peers, group_id="secret", user="ann", status=CLAIMED)
    do(peers["boss"], ("Release", {"word": "not yours"}))
    peers["boss"].ask("Update", id="t", name="Renamed")
    (entry,) = peers["ann"].ask("Next")["returned"]
    assert entry.keys() == {"id", "name", "by", "word", "rev", "why", "since"}
    assert (entry["name"], entry["why"], entry["word"]) == ("Film t", ["freed"], "not yours")


def test_what_comes_while_one_looks_is_not_taken_for_seen(world: World) -> None:
    """`read_to` is the rev of the last entry that was shown: later ones stay."""
    peers = office(world)
    for task_id in ("a", "b"):
        task(peers, task_id)
        do(peers["lea"], ("Assign", {"id": task_id, "to": "ann"}))
    first = peers["ann"].ask("Next")["returned"][0]
    # The same task is given once more, after it was looked at.
    do(peers["lea"], ("Assign", {"id": "a", "to": "ann", "word": "please"}))
    assert peers["ann"].ask("SetPerson", user="ann", read_to=first["rev"])["errid"] == 0
    assert waiting(peers["ann"])["returned"] == ["b:given", "a:given"]
    # A write that waits for its commit while the other is read is not lost either.
    boss, ann = peers["lea"], peers["ann"]
    last = ann.ask("Next")["returned"][-1]["rev"]
    boss.send("Assign", {"id": "b", "to": "ann"})
    ann.send("SetPerson", {"user": "ann", "read_to": last})
    world.drain()
    assert waiting(ann)["returned"] == ["b:given"]


def test_having_looked_is_ones_own_to_say_and_no_change_of_the_account(world: World) -> None:
    """Nobody else's entries are made to vanish, and the audit is not filled with looking."""
    peers = office(world)
    for who in ("bob", "lea", "boss"):
        assert peers[who].ask("SetPerson", user="ann", read_to=99)["errid"] == 1003
    before = world.core.identities.person("ann")
    done = peers["boss"].ask("Audit", kinds=["person set"])["entries"]
    assert peers["ann"].ask("SetPerson", user="ann", read_to=99)["name"] == "Ann"
    assert world.core.identities.person("ann") == before
    assert peers["boss"].ask("Audit", kinds=["person set"])["entries"] == done


def test_a_lead_sees_what_waits_for_theirs_and_nobody_else_does(world: World) -> None:
    """With the lead's own sight: what is in other groups is not shown."""
    peers = office(world)
    task(peers)
    task(peers, "s", group_id="secret", user="ann", status=EDITING)
    do(peers["lea"], ("Assign", {"to": "ann"}))
    mine = {"now": ["s"], "queue": ["t"], "returned": ["t:given"]}
    assert waiting(peers["ann"]) == waiting(peers["boss"], "ann") == mine
    assert waiting(peers["lea"], "ann") == {"queue": ["t"], "returned": ["t:given"]}
    assert peers["bob"].ask("Next", user="ann")["cause"] == "lead"
    assert peers["eve"].ask("Next", user="ann")["cause"] == "no-person"
    assert peers["boss"].ask("Next", user="nobody")["cause"] == "no-person"
    assert peers["boss"].ask("Next")["errid"] == 1004


def test_of_many_the_first_are_shown_and_all_are_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 are shown and 1,000 counted; of what is told there are no more, and none goes unseen."""
    monkeypatch.setattr(told, "UNSEEN_MAX", 3)
    peers = office(world)
    for number in range(LOOKED_MAX + 1):
        peers["boss"].send(
            "Register", {"id": f"m{number}", "name": "n", "status": EDITING, "user": "ann"}
        )
    for number in range(5):
        task(peers, f"t{number}")
        do(peers["lea"], ("Assign", {"id": f"t{number}", "to": "ann"}))
    reply = peers["ann"].ask("Next")
    assert len(reply["now"]) == SHOWN_MAX
    assert reply["counts"] == {
        "now": LOOKED_MAX,
        "queue": 5,
        "to_answer": 0,
        "returned": 3,
        "all": LOOKED_MAX + 5,
        "more": True,
    }
    assert [one["id"] for one in reply["returned"]] == ["t0", "t1", "t2"]


@pytest.mark.sqlite("the steps of its statements")
def test_next_reads_by_the_indexes_and_not_all_tasks(world: World) -> None:
    """Ten thousand tasks of others make it read no rows more: SQLite's steps are counted."""
    peers = office(world)
    task(peers)
    do(peers["ann"], ("Claim", {}), ("Submit", {}))

    def steps() -> int:
        counted = [0]

        def step() -> bool:
            counted[0] += 1
            return False

        querier = world.database.engine.querier.connection()
        querier.set_progress_handler(step, 100)
        try:
            assert waiting(peers["lea"]) == {"to_answer": ["t:lead"]}
        finally:
            querier.set_progress_handler(None, 1)
        return counted[0]

    steps()
    few = steps()
    for number in range(10_000):
        body = {"id": f"m{number}", "name": "n", "status": FREE, "group_id": "cut", "user": "bob"}
        peers["boss"].send("Register", body)
    world.drain()
    steps()
    assert steps() <= few + 5


ACTS = ("Claim", "Begin", "Submit", "Approve", "Reject", "Release", "Assign", "Handover")
act = st.tuples(
    st.sampled_from([*ACTS, "seen", "restart"]),
    st.sampled_from([*OFFICE, "boss"]),
    st.sampled_from(["t0", "t1"]),
    st.sampled_from(list(OFFICE)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(act, max_size=25))
def test_nothing_that_others_do_vanishes_unseen(acts: list[tuple[str, str, str, str]]) -> None:
    """Whatever is done, `returned` is what others did with one's tasks since one looked or acted.

    The other sections are those of the tasks themselves, whatever was done before.
    """
    with TemporaryDirectory() as directory:
        world = World(Path(directory), **QUIET)
        peers = office(world)
        for task_id in ("t0", "t1"):
            task(peers, task_id)
        unseen: dict[str, dict[str, str]] = {user: {} for user in OFFICE}
        for name, who, task_id, to in acts:
            if name == "restart":
                world.restart()
                peers = {"boss": world.connect("10.0.0.9:1")} | enter(world)
            elif name == "seen" and who != "boss":
                seen(peers[who], who)
                unseen[who].clear()
            elif name != "seen":
                step(peers, unseen, name, who, task_id, to)
        for user in OFFICE:
            expect(peers, unseen[user], user)
        world.close()


def step(
    peers: dict[str, Peer],
    unseen: dict[str, dict[str, str]],
    name: str,
    who: str,
    task_id: str,
    to: str,
) -> None:
    """Do an act, and note by hand what each person must be told of it."""
    body = {
        "Assign": {"id": task_id, "to": to},
        "Reject": {"id": task_id, "reason": "r"},
        "Handover": {"of": to, "to": [one for one in OFFICE if one != to][:2]},
    }.get(name, {"id": task_id})
    before = {one: peers["boss"].ask("Find", id=one) for one in ("t0", "t1")}
    peers[who].ask(name, **body)
    for one, was in before.items():
        now = peers["boss"].ask("Find", id=one)
        if now["rev"] == was["rev"]:
            continue
        if who != "boss":
            unseen[who].pop(one, None)
        for role in ("user", "checker"):
            if was[role] != now[role]:
                if role == "user" or now["status"] == was["status"] == REVIEW:
                    note(unseen, was[role], who, one, "passed-on" if now[role] else "freed")
                    note(unseen, now[role], who, one, "given")
            elif role == "user" and name in ("Reject", "Assign"):
                note(unseen, now[role], who, one, "sent-back" if name == "Reject" else "given")


def note(unseen: dict[str, dict[str, str]], person: str, who: str, task_id: str, why: str) -> None:
    if person not in ("", who):
        unseen[person].pop(task_id, None)
        unseen[person][task_id] = why


def expect(peers: dict[str, Peer], unseen: dict[str, str], user: str) -> None:
    found = waiting(peers[user])
    assert found.get("returned", []) == [f"{one}:{why}" for one, why in unseen.items()]
    sections: dict[str, set[str]] = {"now": set(), "queue": set(), "to_answer": set()}
    for one in ("t0", "t1"):
        task = peers["boss"].ask("Find", id=one)
        own = user in (task["user"], task.get("submitted_by"))
        checks = task["checker"] == user if task["checker"] else user == "lea"
        if task["user"] == user and task["status"] in (FREE, CLAIMED, EDITING):
            sections["now" if task["status"] == EDITING else "queue"].add(one)
        if task["status"] == REVIEW and checks and not own:
            sections["to_answer"].add(one)
    for name, ids in sections.items():
        assert {one.partition(":")[0] for one in found.get(name, [])} == ids, (name, found)
