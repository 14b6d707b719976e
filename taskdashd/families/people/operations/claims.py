"""Claim, Begin, Release, Assign, Submit, Approve, Reject: people take tasks and do them."""

from collections.abc import Callable, Mapping
from typing import Any

from taskdash_protocol.errors import Conflict
from taskdash_protocol.families.people import (
    Approve,
    Assign,
    Begin,
    Claim,
    Reject,
    Release,
    Submit,
)
from taskdashd.core.actors import Actor, actor_of, find, put
from taskdashd.core.identities import no_person, person_of
from taskdashd.core.table import Caller, Result, writes
from taskdashd.domain.access import Identity
from taskdashd.domain.people import Person, called, sees_person
from taskdashd.domain.tasks import Task
from taskdashd.domain.times import seconds, stamp
from taskdashd.families.people import rules as claims
from taskdashd.families.people.rules import Standing
from taskdashd.families.people.told import Told
from taskdashd.store.transaction import Transaction

Rule = Callable[[Mapping[str, Any], Standing], dict[str, Any]]
"""Gives the fields that an act changes. Raises `Conflict`, `AuthError`."""


@writes(Claim)
def claim(request: Claim, caller: Caller, transaction: Transaction) -> Result:
    """Take a task that nobody has."""
    actor = actor_of(caller, request.user, transaction, needs_person=True)
    task, fields = find(caller, actor, request.id, transaction)
    if claims.state_of(fields["status"]) in claims.HELD and fields["user"] == actor.person:
        # A client whose reply was lost may claim again: give the same answer, change nothing.
        return _told(task, fields)
    until = until_(caller, transaction.at, request.limit, bounded=not actor.identity.is_operator)

    def rule(fields: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
        return claims.claimed(fields, actor.person, transaction.at, until, standing)

    return act(caller, actor, task, fields, transaction, rule)


@writes(Begin)
def begin(request: Begin, caller: Caller, transaction: Transaction) -> Result:
    """Note that the holder has begun the work."""
    return _do(
        request,
        caller,
        transaction,
        lambda fields, standing: claims.moved("begin", fields, "", standing),
    )


@writes(Release)
def release(request: Release, caller: Caller, transaction: Transaction) -> Result:
    """Give a task back."""
    return _do(
        request,
        caller,
        transaction,
        lambda fields, standing: claims.freed(
            "release", fields, transaction.at, request.word, standing
        ),
    )


@writes(Assign)
def assign(request: Assign, caller: Caller, transaction: Transaction) -> Result:
    """Give a task to a person, also where another has it."""
    to = caller.core.identities.numbers.meant(request.to)
    to_oneself = to == caller.identity.person and not caller.identity.is_operator
    until = until_(caller, transaction.at, request.limit, bounded=to_oneself)

    def rule(fields: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
        receiver(to, fields, transaction, "to", caller.identity)
        return claims.assigned("assign", fields, to, transaction.at, until, request.word, standing)

    return _do(request, caller, transaction, rule)


@writes(Submit)
def submit(request: Submit, caller: Caller, transaction: Transaction) -> Result:
    """Hand the work in, to be checked."""
    checker = caller.core.identities.numbers.meant(request.checker)

    def rule(fields: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
        if checker:
            receiver(checker, fields, transaction, "checker", caller.identity)
        return claims.submitted(fields, checker, request.word, standing)

    return _do(request, caller, transaction, rule)


@writes(Approve)
def approve(request: Approve, caller: Caller, transaction: Transaction) -> Result:
    """Find submitted work good."""
    return _do(
        request,
        caller,
        transaction,
        lambda fields, standing: claims.approved(fields, transaction.at, request.word, standing),
    )


@writes(Reject)
def reject(request: Reject, caller: Caller, transaction: Transaction) -> Result:
    """Give submitted work back to the task's user, with the reason; with no user, free the task."""
    return _do(
        request,
        caller,
        transaction,
        lambda fields, standing: claims.rejected(
            fields, transaction.at, until_(caller, transaction.at, None), request.reason, standing
        ),
    )


def _do(request: Any, caller: Caller, transaction: Transaction, rule: Rule) -> Result:
    actor = actor_of(caller, request.user, transaction)
    task, fields = find(caller, actor, request.id, transaction)
    return act(caller, actor, task, fields, transaction, rule)


def act(
    caller: Caller,
    actor: Actor,
    task: Task,
    fields: Mapping[str, Any],
    transaction: Transaction,
    rule: Rule,
) -> dict[str, Any]:
    """Change a task by a rule. Raises what the rule raises."""
    standing = claims.standing(actor.identity, actor.person, fields)
    changes = rule(fields, standing)
    return _told(*put_and_tell(caller, actor, task, fields, changes, transaction))


def put_and_tell(
    caller: Caller,
    actor: Actor,
    task: Task,
    fields: Mapping[str, Any],
    changes: Mapping[str, Any],
    transaction: Transaction,
    *,
    overrides: bool = True,
) -> tuple[Task, dict[str, Any]]:
    """Change members of a task as `put` does, and tell whom it concerns; give it and its fields."""
    now = put(caller, actor.author, task, changes, transaction, overrides=overrides)
    after, by = {**fields, **changes}, actor.person or caller.identity.name
    caller.core.part(Told).tell(transaction, now, fields, after, actor.person, by)
    return now, after


def receiver(
    number: str,
    fields: Mapping[str, Any] | None,
    transaction: Transaction,
    name: str,
    asker: Identity,
) -> Person:
    """Give the person who is to get a task. Raises `Conflict` where they cannot.

    A person whom the asker does not see is refused as one who does not exist.
    """
    person = person_of(number, transaction)
    if person is None or not sees_person(asker, person):
        raise no_person(name, number)
    if not person.active:
        raise Conflict(f"{called(person.id, person.name)} is not active").because(
            "not-active", user=number
        )
    if fields is not None and not person.identity.sees(fields["group_id"]):
        whose, group = called(person.id, person.name), fields["group_id"]
        raise Conflict(f"{whose} is not in the task's group {group!r}").because(
            "not-in-group", user=number, group=group
        )
    return person


def until_(caller: Caller, at: str, limit_s: float | None, *, bounded: bool = False) -> str:
    """Give the time at which a claim made `at` runs out, both RFC 3339; empty for never.

    The agenda takes the difference of the two as the time that the claim has. Where `bounded`, the
    daemon's `claim_limit` holds, even if `limit_s` is longer.
    """
    own_s = caller.core.limits.claim_limit
    if limit_s is None or (bounded and own_s is not None):
        limit_s = own_s if limit_s is None or own_s is None else min(limit_s, own_s)
    return "" if limit_s is None else stamp(seconds(at) + limit_s)


def _told(task: Task, fields: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: fields.get(name, "") for name in ("status", "user", "claim_until")}
    return {"id": task.id, "epoch": task.epoch, "rev": task.rev, **told}
