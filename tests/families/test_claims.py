"""The states of a task that people do: every act, in every state, by everybody."""

import runpy
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.errors import AuthError, Conflict, ServerError
from taskdash_protocol.statuses import WAITING
from taskdashd.domain.access import Identity
from taskdashd.families.people import rules as claims
from taskdashd.families.people.rules import Standing, standing, step

ROOT = Path(__file__).parents[2]
FREE, CLAIMED, EDITING, REVIEW, DONE = "待领取", "已领取", "编辑中", "待审核", "finish"
ALL = {"nobody", "lead", "checker", "daemon", "giver"}
# The rules as people would say them, not taken from the module's table: for each act, the status
# before and after, and who may do it, while somebody has the task or a free task is meant for one.
ALLOWED: dict[str, tuple[dict[str, str], set[str]]] = {
    "claim": ({FREE: CLAIMED}, {"holder"}),
    "begin": ({CLAIMED: EDITING}, {"holder"}),
    "release": ({CLAIMED: FREE, EDITING: FREE}, {"holder", "lead"}),
    "assign": ({FREE: CLAIMED, CLAIMED: CLAIMED, EDITING: CLAIMED}, {"lead"}),
    "submit": ({CLAIMED: REVIEW, EDITING: REVIEW}, {"holder"}),
    "approve": ({REVIEW: DONE}, {"checker"}),
    "reject": ({REVIEW: EDITING}, {"checker"}),
    "expire": ({CLAIMED: FREE, EDITING: FREE}, {"daemon"}),
    "hand over": ({CLAIMED: CLAIMED, EDITING: EDITING, REVIEW: REVIEW}, {"lead", "giver"}),
}
NOBODYS = {
    **ALLOWED,
    "claim": ({FREE: CLAIMED}, ALL),
    "reject": ({REVIEW: FREE}, {"checker"}),
}
STATUSES = [FREE, CLAIMED, EDITING, REVIEW, DONE, "pending", "review", "running", "shutdown", ""]
MEANS = {"pending": FREE, "review": REVIEW}
WHO = {
    "nobody": Standing(),
    "holder": Standing(holder=True),
    "lead": Standing(lead=True),
    "checker": Standing(checker=True),
    "daemon": Standing(daemon=True),
    "giver": Standing(giver=True),
}
EVERYTHING = [
    (act, status, user, who)
    for act, status, user, who in product(ALLOWED, STATUSES, ("u", ""), WHO)
    if user or who != "holder"
]


def fields(status: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "user": "u", "checker": "", "group_id": "g", **more}


@pytest.mark.parametrize(("act", "status", "user", "who"), EVERYTHING)
def test_every_act_in_every_state_by_everybody(act: Any, status: str, user: str, who: str) -> None:
    """An act that is not allowed is refused, with the reason."""
    leads, may = (ALLOWED if user else NOBODYS)[act]
    task, to = fields(status, user=user), leads.get(MEANS.get(status, status))
    if to is not None and who in may:
        assert step(act, task, WHO[who]) == to
    else:
        with pytest.raises((Conflict, AuthError)) as refusal:
            step(act, task, WHO[who])
        assert refusal.value.detail


def test_the_table_says_one_thing_of_each_act_in_each_state() -> None:
    """Of two rows that fit the same task the second would be a lie, in the drawing too."""
    seen = [
        (one.act, one.at, had)
        for one in claims.STEPS
        for had in (True, False)
        if one.had in (None, had)
    ]
    assert len(seen) == len(set(seen))
    assert {one.act for one in claims.STEPS} == set(get_args(claims.Deed)) == set(ALLOWED)


def test_the_drawing_and_the_page_s_tables_are_made_from_the_daemon_s() -> None:
    """With a stale table the page offers acts that are refused, or finds another task."""
    made = runpy.run_path(str(ROOT / "tools" / "declared" / "claims.py"))["files"](ROOT)
    assert len(made) == 3
    for path, whole in made.items():
        if path.read_text() != whole:
            pytest.fail(f"{path.relative_to(ROOT)} is stale: run tools/declare", pytrace=False)


def test_all_states_but_the_last_wait_for_a_person() -> None:
    """No program beats for a task in these states."""
    for one in claims.STEPS:
        assert one.at in WAITING
        assert one.to in WAITING or one.to == DONE


RULES: dict[str, Callable[[dict[str, Any], Standing], dict[str, Any]]] = {
    "claim": lambda task, stands: claims.claimed(task, "p", "at", "until", stands),
    "begin": lambda task, stands: claims.moved("begin", task, "", stands),
    "submit": lambda task, stands: claims.submitted(task, "c", "", stands),
    "approve": lambda task, stands: claims.approved(task, "at", "", stands),
    "reject": lambda task, stands: claims.rejected(task, "at", "until", "why", stands),
    "release": lambda task, stands: claims.freed("release", task, "at", "", stands),
    "expire": lambda task, stands: claims.freed("expire", task, "at", "", stands),
    "assign": lambda task, stands: claims.assigned("assign", task, "p", "at", "", "", stands),
    "hand over": lambda task, stands: claims.moved("hand over", task, "", stands),
}


@given(
    st.sampled_from(list(RULES)),
    st.sampled_from(STATUSES),
    st.sampled_from(("", "u")),
    st.builds(Standing, *[st.booleans()] * len(Standing._fields)),
)
def test_no_rule_leads_where_the_table_does_not(
    act: str, status: str, user: str, stands: Standing
) -> None:
    """The rules say what else changes; only the table says the status."""
    rows = [
        one
        for one in claims.STEPS
        if (one.act, one.at) == (act, MEANS.get(status, status)) and one.had in (None, bool(user))
    ]
    try:
        change = RULES[act](fields(status, user=user), stands)
    except (Conflict, AuthError):
        return
    assert [change["status"]] == [one.to for one in rows]


def test_rejected_work_that_nobody_has_is_free() -> None:
    """Nobody could go on with such work, so no time limit runs for it."""
    why = ("at", "until", "why", Standing(checker=True))
    theirs = claims.rejected(fields(REVIEW), *why)
    assert (theirs["status"], theirs["claim_until"]) == (EDITING, "until")
    nobodys = claims.rejected(fields(REVIEW, user=""), *why)
    assert (nobodys["status"], nobodys["claim_until"]) == (FREE, "")


ANN, BOB, LEA = "ann", "bob", "lea"
PEOPLE = {
    ANN: Identity("Ann (ann)", "worker", frozenset(("", "g")), person=ANN),
    BOB: Identity("Bob (bob)", "worker", frozenset(("", "g")), person=BOB),
    LEA: Identity("Lea (lea)", "lead", frozenset(("", "g")), person=LEA, leads=frozenset("g")),
}


@given(st.lists(st.tuples(st.sampled_from([*ALLOWED, "claim"]), st.sampled_from(list(PEOPLE)))))
def test_whatever_is_tried_the_task_belongs_to_whom_it_says(tries: list[tuple[Any, str]]) -> None:
    """A task is free or somebody's; only its holder works on it; nobody checks their own."""
    task = fields(FREE, user="")
    for act, person in tries:
        before, identity = dict(task), PEOPLE[person]
        stands = standing(identity, person, task)
        try:
            if act == "claim":
                task |= claims.claimed(task, person, "at", "", stands)
            elif act == "assign":
                task |= claims.assigned("assign", task, ANN, "at", "", "", stands)
            elif act in ("release", "expire"):
                task |= claims.freed(act, task, "at", "", stands)
            elif act == "submit":
                task |= claims.submitted(task, "", "", stands)
            elif act == "approve":
                task |= claims.approved(task, "at", "", stands)
            elif act == "reject":
                task |= claims.rejected(task, "at", "", "why", stands)
            else:
                task |= claims.moved(act, task, "why", stands)
        except ServerError:
            assert task == before
            continue
        assert act != "expire", "only the daemon knows the time"
        assert bool(task["user"]) == (task["status"] != FREE)
        if act in ("begin", "submit"):
            assert before["user"] == person
        if act in ("approve", "reject"):
            assert before["user"] != person
        if before["user"] and task["user"] != before["user"]:
            assert person in (before["user"], LEA)


def test_who_is_what_to_a_task() -> None:
    """A named checker checks, or a lead where none is named; an admin may do everything."""
    task = fields(REVIEW, user=ANN)
    assert standing(PEOPLE[ANN], ANN, task) == Standing(holder=True, own=True)
    assert standing(PEOPLE[BOB], BOB, task) == Standing()
    assert standing(PEOPLE[LEA], LEA, task) == Standing(lead=True, checker=True)
    named = {**task, "checker": BOB}
    assert standing(PEOPLE[BOB], BOB, named) == Standing(checker=True)
    assert standing(PEOPLE[LEA], LEA, named) == Standing(lead=True)
    own = fields(REVIEW, user=LEA)
    assert standing(PEOPLE[LEA], LEA, own) == Standing(holder=True, lead=True, own=True)
    admin = Identity("Root (root)", "admin", frozenset(("",)), person="root")
    assert standing(admin, "root", fields(REVIEW, user=ANN)).checker
    assert not standing(admin, "root", fields(REVIEW, user="root")).checker
    assert not standing(PEOPLE[LEA], LEA, fields(REVIEW, user=BOB, submitted_by=LEA)).checker


def test_a_refusal_names_who_has_the_task() -> None:
    """Of two who claim, the loser is told who won."""
    with pytest.raises(Conflict, match="u has it since 2026"):
        step("claim", fields(CLAIMED, claimed_at="2026-01-01"), Standing())
    with pytest.raises(Conflict, match="meant for u"):
        claims.claimed(fields(FREE), "other", "at", "", Standing())
