"""Handover: all tasks that a person holds or is to check go to others, in one act."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

from taskdash_protocol.errors import AuthError, Cause, Conflict, ServerError
from taskdash_protocol.families.people import Handover
from taskdash_protocol.requests import Query
from taskdash_protocol.statuses import IN_REVIEW
from taskdashd.core.actors import Actor, actor_of, check_known, find
from taskdashd.core.steps import Steps, wait_for
from taskdashd.core.storing import load_and_write
from taskdashd.core.table import Caller, Result, alone
from taskdashd.domain.people import Person
from taskdashd.families.people import rules as claims
from taskdashd.families.people.operations.claims import act, receiver, until_
from taskdashd.families.people.rules import Standing
from taskdashd.store.slow import Asker
from taskdashd.store.transaction import Transaction

MOVED_MAX: Final = 1000
"""Tasks that one Handover may move."""
_STATUSES: Final = (*claims.HELD, *claims.spelled(IN_REVIEW))
_BYTES_MAX: Final = 8 << 20


@alone(Handover, changes=True)
def handover(request: Handover, caller: Caller) -> Steps[Result]:
    """Move the tasks that a person holds or is to check to others."""
    meant = caller.core.identities.numbers.meant
    to = tuple(dict.fromkeys(map(meant, request.to)))
    request = replace(request, of=meant(request.of), to=to)
    if request.of in request.to:
        raise Conflict("field to names the one whose tasks are to go")
    identity = caller.identity
    if identity.person != request.of and not (identity.may_write or identity.leads):
        raise AuthError("only a lead gives away what others hold").because("lead")
    ids = yield from _look(request, caller)
    load = yield from _count(request, caller)
    move = _Handover(request, caller, ids, load)
    return (yield from load_and_write(caller.core, ids, move.decide))


def _look(request: Handover, caller: Caller) -> Steps[list[str]]:
    """Find the ids of the tasks to move."""
    found: dict[str, None] = {}
    for role in ("user", "checker"):
        query = Query({role: (request.of,), "status": _STATUSES}, "id", MOVED_MAX, None)
        sight, asker = caller.identity.sight, _asker(caller)
        page = yield from wait_for(
            partial(caller.core.reader.query, query, sight, _BYTES_MAX, asker)
        )
        found |= dict.fromkeys(row.id for row in page.rows)
        if page.next is not None or len(found) > MOVED_MAX:
            of = request.of
            fault = Conflict(f"{of} has more than {MOVED_MAX} tasks: assign some first")
            raise fault.because("too-many-tasks", user=of, most=f"{MOVED_MAX}")
    return list(found)


def _asker(caller: Caller) -> Asker:
    """Give who waits for what is read: also one who does not read any more has its tasks moved."""
    return caller.asker._replace(is_there=caller.is_there)


def _count(request: Handover, caller: Caller) -> Steps[dict[str, int]]:
    """Count the tasks that each receiver holds now."""
    reader = caller.core.reader
    look = partial(reader.count_by_user, request.to, claims.HELD, _asker(caller))
    held: dict[str, int] = yield from wait_for(look)
    return dict.fromkeys(request.to, 0) | held


class _Handover:
    """Decides who gets which task: the receiver who has the fewest."""

    def __init__(
        self, request: Handover, caller: Caller, ids: list[str], load: dict[str, int]
    ) -> None:
        self._request = request
        self._caller = caller
        self._ids = ids
        self._load = load
        """By receiver: how many tasks they have, with those just moved."""

    def decide(self, transaction: Transaction) -> dict[str, Any]:
        """Move the tasks that can be moved. Raises the first refusal where none can."""
        caller = self._caller
        caller.core.identities.check_still(caller.session, caller.identity, transaction)
        actor = actor_of(caller, self._request.user, transaction)
        if not self._ids:
            check_known(caller, actor, transaction)
        people = {
            number: receiver(number, None, transaction, "to", self._caller.identity)
            for number in self._request.to
        }
        moved: list[dict[str, str]] = []
        left: list[dict[str, Any]] = []
        refusals: list[ServerError] = []
        for task_id in self._ids:
            try:
                moved.append(self._move_one(task_id, people, actor, transaction))
            except ServerError as refusal:
                why = {"why": refusal.detail, "cause": refusal.cause, "values": refusal.values}
                left.append({"id": task_id, **why})
                refusals.append(refusal.with_traceback(None))
        if refusals and not moved:
            first = refusals[0]
            fault = type(first)(f"nothing could be moved: {first.detail}")
            raise fault.because(cast(Cause, first.cause), **first.values)
        return {"moved": moved, "left": left}

    def _move_one(
        self, task_id: str, people: Mapping[str, Person], actor: Actor, transaction: Transaction
    ) -> dict[str, str]:
        of = self._request.of
        task, fields = find(self._caller, actor, task_id, transaction)
        holder = fields["user"]
        if of not in (holder, fields["checker"]):
            raise Conflict("somebody else has it by now").because("taken", user=holder, since="")
        role = "user" if holder == of else "checker"
        fit = [
            number
            for number, person in people.items()
            # Nobody may become the checker of their own work.
            if person.identity.sees(fields["group_id"])
            and number != fields["checker" if role == "user" else "user"]
            and (role == "user" or number != fields.get("submitted_by"))
        ]
        if not fit:
            group = fields["group_id"]
            fault = Conflict(f"none of them can take it in its group {group!r}")
            raise fault.because("nobody-fits", group=group)
        to = min(fit, key=self._load.__getitem__)

        def rule(fields: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
            standing = standing._replace(giver=of == actor.person)
            change = claims.moved("hand over", fields, self._request.word, standing)
            if fields.get("claim_until") and role == "user":
                # Give the receiver as much time as for a claim made now.
                change["claim_until"] = until_(self._caller, transaction.at, None)
            return {**change, role: to}

        told = act(self._caller, actor, task, fields, transaction, rule)
        self._load[to] += 1
        return {"id": task_id, "to": to, "as": role, "status": told["status"]}
