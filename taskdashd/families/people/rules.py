"""How people take tasks, do them, hand them in, and have them checked. A pure state machine.

`STEPS` is the table of all that can happen; the functions below it say which fields change with the
status. `tools/declare` makes the drawing in docs/people.md and the page's `claims.js` from the
table. A step asks for no identity: the actor's relation to the task comes in as `Standing`.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from taskdash_protocol.errors import AuthError, Cause, Conflict
from taskdash_protocol.statuses import (
    CANCELLED,
    CLAIMED,
    EDITING,
    FINISHED,
    HAD,
    IN_REVIEW,
    UNCLAIMED,
)
from taskdashd.domain.access import Identity

Deed = Literal[
    "claim", "begin", "submit", "approve", "reject", "release", "expire", "assign", "hand over"
]
Who = Literal[
    "anybody it is meant for",
    "holder",
    "holder or lead",
    "lead",
    "lead or giver",
    "checker",
    "daemon",
]
"""A task without a user is meant for anybody; a giver hands over tasks that they hold or check."""

STATES: Final = {
    UNCLAIMED: UNCLAIMED,
    "pending": UNCLAIMED,
    CLAIMED: CLAIMED,
    EDITING: EDITING,
    IN_REVIEW: IN_REVIEW,
    "review": IN_REVIEW,
}
"""The state for each status of people's tasks: older services write two of them in English."""

HELD: Final = (CLAIMED, EDITING)
"""The states in which somebody works on a task."""


class Step(NamedTuple):
    """An act, the states that it leads from and to, and who may do it."""

    act: Deed
    at: str
    to: str
    who: Who
    had: bool | None = None
    """True: only where somebody has the task; False: only where nobody has it; None: always."""


STEPS: Final = (
    Step("claim", UNCLAIMED, CLAIMED, "anybody it is meant for"),
    Step("begin", CLAIMED, EDITING, "holder"),
    Step("submit", CLAIMED, IN_REVIEW, "holder"),
    Step("submit", EDITING, IN_REVIEW, "holder"),
    Step("approve", IN_REVIEW, FINISHED, "checker"),
    Step("reject", IN_REVIEW, EDITING, "checker", had=True),
    Step("reject", IN_REVIEW, UNCLAIMED, "checker", had=False),
    Step("release", CLAIMED, UNCLAIMED, "holder or lead"),
    Step("release", EDITING, UNCLAIMED, "holder or lead"),
    Step("expire", CLAIMED, UNCLAIMED, "daemon"),
    Step("expire", EDITING, UNCLAIMED, "daemon"),
    Step("assign", UNCLAIMED, CLAIMED, "lead"),
    Step("assign", CLAIMED, CLAIMED, "lead"),
    Step("assign", EDITING, CLAIMED, "lead"),
    Step("hand over", CLAIMED, CLAIMED, "lead or giver"),
    Step("hand over", EDITING, EDITING, "lead or giver"),
    Step("hand over", IN_REVIEW, IN_REVIEW, "lead or giver"),
)
"""All steps that can happen; any other is refused. The page shows acts in this order."""


class Standing(NamedTuple):
    """The actor's relation to a task."""

    holder: bool = False
    lead: bool = False
    """A lead of the task's group, or an admin."""
    checker: bool = False
    daemon: bool = False
    own: bool = False
    """Whether the work to be checked is the actor's own."""
    giver: bool = False
    """Whether the task to hand over is the actor's, to do or to check."""


Why = Literal["given", "sent-back", "freed", "passed-on", "cancelled"]
"""What an act of somebody else did with a person: it gave them a task, or sent one back to them;
it took one from them, for anybody to claim, for another, or for good."""

_DONE_WITH: Final = (FINISHED, "finished", CANCELLED)
"""The statuses of a task that cannot be cancelled: one that failed or died can."""


def spelled(state: str) -> tuple[str, ...]:
    """Give how a state may be spelled in a task's status."""
    return tuple(status for status, of in STATES.items() if of == state)


def state_of(status: str) -> str | None:
    """Give the state that a status stands for; None for a task that people do not take."""
    return STATES.get(status)


def standing(identity: Identity, person: str, fields: Mapping[str, Any]) -> Standing:
    """Give an actor's relation to a task; `person` is the employee number they act for."""
    holder = bool(person) and fields["user"] == person
    lead = identity.is_operator or fields["group_id"] in identity.leads
    named = fields["checker"]
    checks = (bool(person) and person == named if named else lead) or identity.is_operator
    # Work stays the submitter's own also where the task was given to somebody else meanwhile.
    own = bool(person) and person in (fields["user"], fields.get("submitted_by"))
    return Standing(holder, lead, checks and not own, own=own)


def step(act: Deed, fields: Mapping[str, Any], standing: Standing) -> str:
    """Give the status that an act leads to. Raises `Conflict`, `AuthError`."""
    state = state_of(fields["status"])
    if state is None:
        shown = fields["status"][:64]
        raise Conflict(f"people do not take this task: its status is {shown!r}").because(
            "not-for-people", status=shown
        )
    had = bool(fields["user"])
    for found in STEPS:
        if (found.act, found.at) == (act, state) and found.had in (None, had):
            _check(found.who, fields, standing)
            return found.to
    raise _refused(f"a task that is {state} cannot be {_DONE[act]}", fields, "wrong-state")


def _check(who: Who, fields: Mapping[str, Any], standing: Standing) -> None:
    allowed = {
        "anybody it is meant for": standing.holder or not fields["user"],
        "holder": standing.holder,
        "holder or lead": standing.holder or standing.lead,
        "lead": standing.lead,
        "lead or giver": standing.lead or standing.giver,
        "checker": standing.checker,
        "daemon": standing.daemon,
    }[who]
    if allowed:
        return
    if who == "anybody it is meant for":
        meant_for = fields["user"]
        raise Conflict(f"the task is meant for {meant_for}").because("meant", user=meant_for)
    if who == "checker":
        if standing.own:
            raise AuthError("nobody checks their own work").because("own-work")
        if named := fields["checker"]:
            raise AuthError(f"only {named} may check this task").because("checker", user=named)
        raise AuthError("only a lead of its group may check this task").because("lead")
    if who in ("lead", "lead or giver"):
        raise AuthError("only a lead of the task's group may do that").because("lead")
    raise _refused("the task is not yours", fields, "not-yours")


def claimed(
    fields: Mapping[str, Any], person: str, at: str, until: str, standing: Standing
) -> dict[str, Any]:
    """Give the fields that a claim changes. Raises `Conflict`, which says who has the task."""
    return _held(step("claim", fields, standing), person, at, until, "")


def assigned(
    act: Deed,
    fields: Mapping[str, Any],
    to: str,
    at: str,
    until: str,
    word: str,
    standing: Standing,
) -> dict[str, Any]:
    """Give the fields that giving the task to a person changes. Raises `Conflict`, `AuthError`."""
    return _held(step(act, fields, standing), to, at, until, word)


def freed(
    act: Deed, fields: Mapping[str, Any], at: str, word: str, standing: Standing
) -> dict[str, Any]:
    """Give the fields that the end of a claim changes. Raises `Conflict`."""
    status = step(act, fields, standing)
    freed = {"claim_until": "", "claimed_at": "", "free_since": at, "freed_from": fields["user"]}
    return {"status": status, "user": "", "reason": word, **freed}


def moved(act: Deed, fields: Mapping[str, Any], word: str, standing: Standing) -> dict[str, Any]:
    """Give the fields that an act changes where the holder stays. Raises as `step` does."""
    return {"status": step(act, fields, standing), "reason": word}


def submitted(
    fields: Mapping[str, Any], checker: str, word: str, standing: Standing
) -> dict[str, Any]:
    """Give the fields that handing the work in changes. Raises `Conflict`."""
    change = moved("submit", fields, word, standing)
    if (checker or fields["checker"]) == fields["user"]:
        raise Conflict("nobody checks their own work: name another checker").because("own-work")
    # The time limit is for the work: it must not run out while the work waits for a checker.
    change |= {"claim_until": "", "submitted_by": fields["user"]}
    return {**change, "checker": checker} if checker else change


def approved(fields: Mapping[str, Any], at: str, word: str, standing: Standing) -> dict[str, Any]:
    """Give the fields that an approval changes. Raises `Conflict`, `AuthError`."""
    return {**moved("approve", fields, word, standing), "checked_at": at}


def rejected(
    fields: Mapping[str, Any], at: str, until: str, reason: str, standing: Standing
) -> dict[str, Any]:
    """Give the fields that a rejection changes. Raises `Conflict`, `AuthError`."""
    change = {**moved("reject", fields, reason, standing), "checked_at": at}
    return {**change, "claim_until": until if change["status"] in HELD else ""}


def cancelled(fields: Mapping[str, Any], word: str) -> dict[str, Any]:
    """Give the fields that cancelling any task changes. Raises `Conflict`."""
    status = fields["status"]
    if status in _DONE_WITH:
        raise Conflict(f"the task is {status} already").because("wrong-state", status=status)
    change = {"status": CANCELLED, "reason": word}
    # The time of a claim is over with it.
    return {**change, "claim_until": ""} if fields.get("claim_until") else change


def is_with(status: str, user: str, person: str) -> bool:
    """Tell whether a person has the task of this status and user."""
    return status in HAD and user == person != ""


def told(before: Mapping[str, Any], after: Mapping[str, Any], actor: str) -> dict[str, Why]:
    """Give who must be told of an act, by employee number; nobody is told of their own acts."""
    was, now = state_of(before["status"]), state_of(after["status"])
    told: dict[str, Why] = {}
    if after["status"] == CANCELLED and was is not None:
        told[before["user"]] = "cancelled"
        if was == IN_REVIEW:
            told[before["checker"]] = "cancelled"
    for role in ("user", "checker"):
        had, has = before[role], after[role]
        # Whoever is to check a task finds it among those that wait for it: only a change of hands
        # while it waits would be silent.
        if role == "checker" and not (was == now == IN_REVIEW and had != has):
            continue
        if now in HELD or (now == IN_REVIEW and had != has):
            told[has] = "sent-back" if was == IN_REVIEW != now else "given"
        if had != has:
            told[had] = "passed-on" if has else "freed"
    return {person: why for person, why in told.items() if person not in ("", actor)}


def _held(status: str, person: str, at: str, until: str, word: str) -> dict[str, Any]:
    held = {"claimed_at": at, "claim_until": until}
    return {"status": status, "user": person, "reason": word, **held}


def _refused(what: str, fields: Mapping[str, Any], otherwise: Cause) -> Conflict:
    """Make the refusal of a step: "taken" where somebody has the task, else cause `otherwise`."""
    user, since = fields["user"], fields.get("claimed_at")
    if not user:
        return Conflict(what).because(otherwise, status=fields["status"][:64])
    since = since if type(since) is str else ""
    told = f" since {since}" if since else ""
    return Conflict(f"{what}: {user} has it{told}").because("taken", user=user, since=since)


_DONE: Final[dict[Deed, str]] = {
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
