"""Claim, Begin, Release, Assign, Submit, Approve, Reject: people take tasks and do them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, Conflict, NotFound
from taskdash_protocol.families.people import (
    Approve,
    Assign,
    Begin,
    Claim,
    Reject,
    Release,
    Submit,
)
from taskdash_protocol.requests import Update
from taskdashd.core.identities import changed_meanwhile, no_person, person_of
from taskdashd.core.table import Caller, Result, writes
from taskdashd.domain import tasks
from taskdashd.domain.access import Identity
from taskdashd.domain.people import Person, called, sees_person
from taskdashd.domain.tasks import Author, Task
from taskdashd.domain.times import seconds, stamp
from taskdashd.families.people import rules as claims
from taskdashd.families.people.rules import Standing
from taskdashd.families.people.told import Told
from taskdashd.store.transaction import Transaction

Rule = Callable[[Mapping[str, Any], Standing], dict[str, Any]]
"""Gives the fields that an act changes. Raises `Conflict`, `AuthError`."""


class Actor(NamedTuple):
    """The actor of an act, and the person in whose name it is done."""

    identity: Identity
    """The identity whose rights count."""
    person: str
    """Employee number; empty where an operator acts for nobody in particular."""
    author: Author


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


def actor_of(
    caller: Caller, user: str, transaction: Transaction, *, needs_person: bool = False
) -> Actor:
    """Give the actor. A person acts for themselves; a service or an operator for a person it names.

    A service has that person's rights, an operator all rights. Raises `AuthError`, `Conflict`.
    """
    identity, author = caller.identity, caller.author
    user = caller.core.identities.numbers.meant(user)
    if identity.person:
        if user not in ("", identity.person):
            raise AuthError("field user: people act for themselves alone")
        # Read the account through the transaction: a pending write may have taken rights away.
        person = _active(identity.person, transaction)
        now = person.identity.within_token(caller.session.token)
        if now is None or not person.may_be_in:
            raise changed_meanwhile()
        return Actor(now, identity.person, author)
    if not identity.may_write:
        raise AuthError("this token may only read")
    if not user:
        if needs_person or not identity.is_operator:
            raise Conflict("field user is required: who does it?")
        return Actor(identity, "", author)
    named = person_of(user, transaction)
    if named is not None and not named.active and not sees_person(identity, named):
        # The refusal of who is not active would tell the name.
        raise no_person("user", user)
    person = _active(user, transaction)
    whose = identity if identity.is_operator else person.identity
    name = f"{called(person.id, person.name)} by {author.name}"
    return Actor(whose, user, author._replace(name=name))


def find(
    caller: Caller, actor: Actor, task_id: str, transaction: Transaction
) -> tuple[Task, dict[str, Any]]:
    """Give a task and its fields. Raises `NotFound` where caller or actor do not see it."""
    task = transaction.task(task_id)
    fields: dict[str, Any] = {} if task is None else strictjson.reload(task.body)
    if task is None or not (caller.identity.sees_task(fields) and actor.identity.sees_task(fields)):
        check_known(caller, actor, transaction)
        raise NotFound(f"no task has the id {task_id!r}").because("no-task", id=task_id)
    return task, fields


def check_known(caller: Caller, actor: Actor, transaction: Transaction) -> None:
    """Raise `Conflict` where the asker acts for somebody whom it does not see.

    Call it where the act fails: another refusal than for a number that nobody has would tell who
    has an account. Somebody unseen may still have a task that the asker sees, and do it.
    """
    person = person_of(actor.person, transaction) if actor.person else None
    if person is not None and not sees_person(caller.identity, person):
        raise no_person("user", actor.person)


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
    # Override a fence: it keeps out other workers' processes, not the people whose work it is.
    author = actor.author._replace(overrides=True)
    update = Update(task.id, changes, own=False)
    core = caller.core
    change = tasks.update(task, update, author, core.ownership.moment(transaction, task))
    core.room.put(change, caller.identity, transaction)
    after, by = {**fields, **changes}, actor.person or caller.identity.name
    core.part(Told).tell(transaction, change.task, fields, after, actor.person, by)
    return _told(change.task, after)


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


def _active(number: str, transaction: Transaction) -> Person:
    person = person_of(number, transaction)
    if person is None:
        raise no_person("user", number)
    if not person.active:
        raise AuthError(f"{called(person.id, person.name)} is not active").because(
            "not-active", user=number
        )
    return person


def _told(task: Task, fields: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: fields.get(name, "") for name in ("status", "user", "claim_until")}
    return {"id": task.id, "epoch": task.epoch, "rev": task.rev, **told}
