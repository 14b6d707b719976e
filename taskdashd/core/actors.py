"""Acts on tasks: in whose name somebody asks, with whose rights, and what the act changes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, Conflict, NotFound
from taskdash_protocol.requests import Update
from taskdashd.core.identities import changed_meanwhile, no_person, person_of
from taskdashd.core.table import Caller
from taskdashd.domain import tasks
from taskdashd.domain.access import Identity
from taskdashd.domain.people import Person, called, sees_person
from taskdashd.domain.tasks import Author, Task
from taskdashd.store.transaction import Transaction


class Actor(NamedTuple):
    """The actor of an act, and the person in whose name it is done."""

    identity: Identity
    """The identity whose rights count."""
    person: str
    """Employee number; empty where an operator acts for nobody in particular."""
    author: Author


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


def itself(caller: Caller, transaction: Transaction) -> Actor:
    """Give the actor of an act that nobody does for another: also a service does it as itself."""
    identity = caller.identity
    if identity.person or identity.is_operator or not identity.may_write:
        return actor_of(caller, "", transaction)
    return Actor(identity, "", caller.author)


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


def find_typed(
    caller: Caller, actor: Actor, given: str, meant: str, transaction: Transaction
) -> tuple[Task, dict[str, Any]]:
    """Give the task with an id as it was given; where there is none, as it is meant."""
    try:
        return find(caller, actor, given, transaction)
    except NotFound:
        if meant == given:
            raise
        return find(caller, actor, meant, transaction)


def check_known(caller: Caller, actor: Actor, transaction: Transaction) -> None:
    """Raise `Conflict` where the asker acts for somebody whom it does not see.

    Call it where the act fails: another refusal than for a number that nobody has would tell who
    has an account. Somebody unseen may still have a task that the asker sees, and do it.
    """
    person = person_of(actor.person, transaction) if actor.person else None
    if person is not None and not sees_person(caller.identity, person):
        raise no_person("user", actor.person)


def put(
    caller: Caller,
    author: Author,
    task: Task,
    changes: Mapping[str, Any],
    transaction: Transaction,
    *,
    overrides: bool = True,
) -> Task:
    """Change members of a task that stays with its owner; give the task as it is then.

    Unless `overrides` is false, no fence stands in the way: it keeps out other workers' processes,
    not the people whose work it is.
    """
    author = author._replace(overrides=overrides or author.overrides)
    update, core = Update(task.id, changes, own=False), caller.core
    change = tasks.update(task, update, author, core.ownership.moment(transaction, task))
    core.room.put(change, caller.identity, transaction)
    return change.task


def _active(number: str, transaction: Transaction) -> Person:
    person = person_of(number, transaction)
    if person is None:
        raise no_person("user", number)
    if not person.active:
        raise AuthError(f"{called(person.id, person.name)} is not active").because(
            "not-active", user=number
        )
    return person
