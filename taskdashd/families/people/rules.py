"""How people take tasks, do them, hand them in, and have them checked. A pure state machine.

    待领取 ──claim──► 已领取 ──begin──► 编辑中 ──submit──► 待审核 ──approve──► finish
      ▲                 │                  │ ▲                 │
      └─release, expire─┴──────────────────┘ └─────reject──────┘

`submit` may come at once after `claim`; `assign` leads to 已领取 from any of the first three.
docs/people.md draws it for people. Nothing here knows who is who: what somebody is to a task comes
in as `Standing`.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from taskdash_protocol.errors import AuthError, Cause, Conflict
from taskdash_protocol.statuses import CLAIMED, EDITING, FINISHED, IN_REVIEW, UNCLAIMED
from taskdashd.domain.access import Identity

Act = Literal[
    "claim", "begin", "release", "assign", "submit", "approve", "reject", "expire", "hand over"
]
Who = Literal["anybody", "holder", "holder or lead", "lead", "checker", "daemon"]

_STATES: Final = {
    UNCLAIMED: UNCLAIMED,
    "pending": UNCLAIMED,
    CLAIMED: CLAIMED,
    EDITING: EDITING,
    IN_REVIEW: IN_REVIEW,
    "review": IN_REVIEW,
}

HELD: Final = (CLAIMED, EDITING)
"""The states in which somebody works on a task."""


class Step(NamedTuple):
    """Where an act leads, and who may do it."""

    to: str
    who: Who


STEPS: Final[dict[tuple[Act, str], Step]] = {
    ("claim", UNCLAIMED): Step(CLAIMED, "anybody"),
    ("begin", CLAIMED): Step(EDITING, "holder"),
    ("release", CLAIMED): Step(UNCLAIMED, "holder or lead"),
    ("release", EDITING): Step(UNCLAIMED, "holder or lead"),
    ("assign", UNCLAIMED): Step(CLAIMED, "lead"),
    ("assign", CLAIMED): Step(CLAIMED, "lead"),
    ("assign", EDITING): Step(CLAIMED, "lead"),
    ("submit", CLAIMED): Step(IN_REVIEW, "holder"),
    ("submit", EDITING): Step(IN_REVIEW, "holder"),
    ("approve", IN_REVIEW): Step(FINISHED, "checker"),
    ("reject", IN_REVIEW): Step(EDITING, "checker"),
    ("expire", CLAIMED): Step(UNCLAIMED, "daemon"),
    ("expire", EDITING): Step(UNCLAIMED, "daemon"),
    ("hand over", CLAIMED): Step(CLAIMED, "lead"),
    ("hand over", EDITING): Step(EDITING, "lead"),
    ("hand over", IN_REVIEW): Step(IN_REVIEW, "lead"),
}
"""All that can happen; whatever is not here is refused."""


class Standing(NamedTuple):
    """What somebody is to a task."""

    holder: bool = False
    lead: bool = False
    """Of its group; or an admin."""
    checker: bool = False
    daemon: bool = False
    own: bool = False
    """It is their own work that waits to be checked."""


def state_of(status: str) -> str | None:
    """Give the state that a status stands for; None for a task that people do not take."""
    return _STATES.get(status)


def standing(identity: Identity, person: str, fields: Mapping[str, Any]) -> Standing:
    """Say what somebody is to a task; `person` is in whose name they act."""
    holder = bool(person) and fields["user"] == person
    lead = identity.is_operator or fields["group_id"] in identity.leads
    named = fields["checker"]
    checks = (bool(person) and person == named if named else lead) or identity.is_operator
    # Also where it was given to somebody else after it was handed in.
    own = bool(person) and person in (fields["user"], fields.get("submitted_by"))
    return Standing(holder, lead, checks and not own, own=own)


def step(act: Act, fields: Mapping[str, Any], standing: Standing) -> str:
    """Give the status that an act leads to. Raises `Conflict`, `AuthError`."""
    state = state_of(fields["status"])
    if state is None:
        shown = fields["status"][:64]
        raise Conflict(f"people do not take this task: its status is {shown!r}").because(
            "not-for-people", status=shown
        )
    found = STEPS.get((act, state))
    if found is None:
        raise _refused(f"a task that is {state} cannot be {_DONE[act]}", fields, "wrong-state")
    _check(found.who, fields, standing)
    return found.to


def _check(who: Who, fields: Mapping[str, Any], standing: Standing) -> None:
    allowed = {
        "anybody": True,
        "holder": standing.holder,
        "holder or lead": standing.holder or standing.lead,
        "lead": standing.lead,
        "checker": standing.checker,
        "daemon": standing.daemon,
    }[who]
    if allowed:
        return
    if who == "checker":
        if standing.own:
            raise AuthError("nobody checks their own work").because("own-work")
        if named := fields["checker"]:
            raise AuthError(f"only {named} may check this task").because("checker", user=named)
        raise AuthError("only a lead of its group may check this task").because("lead")
    if who == "lead":
        raise AuthError("only a lead of the task's group may do that").because("lead")
    raise _refused("the task is not yours", fields, "not-yours")


def claimed(
    fields: Mapping[str, Any], person: str, at: str, until: str, standing: Standing
) -> dict[str, Any]:
    """Give what a claim changes. Raises `Conflict`, which says who has the task."""
    meant_for = fields["user"]
    if state_of(fields["status"]) == UNCLAIMED and meant_for not in ("", person):
        raise Conflict(f"the task is meant for {meant_for}").because("meant", user=meant_for)
    status = step("claim", fields, standing)
    return _held(status, person, at, until, "")


def assigned(
    act: Act,
    fields: Mapping[str, Any],
    to: str,
    at: str,
    until: str,
    word: str,
    standing: Standing,
) -> dict[str, Any]:
    """Give what giving the task to somebody changes. Raises `Conflict`, `AuthError`."""
    return _held(step(act, fields, standing), to, at, until, word)


def freed(
    act: Act, fields: Mapping[str, Any], at: str, word: str, standing: Standing
) -> dict[str, Any]:
    """Give what the end of a claim changes. Raises `Conflict`."""
    status = step(act, fields, standing)
    freed = {"claim_until": "", "claimed_at": "", "free_since": at, "freed_from": fields["user"]}
    return {"status": status, "user": "", "reason": word, **freed}


def moved(act: Act, fields: Mapping[str, Any], word: str, standing: Standing) -> dict[str, Any]:
    """Give what an act changes after which its holder is the same. Raises as `step` does."""
    return {"status": step(act, fields, standing), "reason": word}


def submitted(
    fields: Mapping[str, Any], checker: str, word: str, standing: Standing
) -> dict[str, Any]:
    """Give what handing the work in changes. Raises `Conflict`."""
    change = moved("submit", fields, word, standing)
    if (checker or fields["checker"]) == fields["user"]:
        raise Conflict("nobody checks their own work: name another checker").because("own-work")
    # Whoever waits for a checker does not run out of time.
    change |= {"claim_until": "", "submitted_by": fields["user"]}
    return {**change, "checker": checker} if checker else change


def approved(fields: Mapping[str, Any], at: str, word: str, standing: Standing) -> dict[str, Any]:
    """Give what an approval changes. Raises `Conflict`, `AuthError`."""
    return {**moved("approve", fields, word, standing), "checked_at": at}


def rejected(
    fields: Mapping[str, Any], at: str, until: str, reason: str, standing: Standing
) -> dict[str, Any]:
    """Give what a rejection changes. Raises `Conflict`, `AuthError`."""
    change = {**moved("reject", fields, reason, standing), "checked_at": at}
    if not fields["user"]:
        # Nobody has it who could go on with it.
        change["status"] = UNCLAIMED
    return {**change, "claim_until": until if fields["user"] else ""}


def _held(status: str, person: str, at: str, until: str, word: str) -> dict[str, Any]:
    held = {"claimed_at": at, "claim_until": until}
    return {"status": status, "user": person, "reason": word, **held}


def _refused(what: str, fields: Mapping[str, Any], otherwise: Cause) -> Conflict:
    """Say who has the task, if somebody has; otherwise what else is the cause."""
    user, since = fields["user"], fields.get("claimed_at")
    if not user:
        return Conflict(what).because(otherwise, status=fields["status"][:64])
    since = since if type(since) is str else ""
    told = f" since {since}" if since else ""
    return Conflict(f"{what}: {user} has it{told}").because("taken", user=user, since=since)


_DONE: Final[dict[Act, str]] = {
    "claim": "claimed",
    "begin": "begun",
    "release": "released",
    "assign": "assigned",
    "submit": "submitted",
    "approve": "approved",
    "reject": "rejected",
    "expire": "freed",
    "hand over": "handed over",
}
