"""Cancel: tasks that nobody needs any more are ended, whoever has them."""

from typing import Any

from taskdash_protocol import typed
from taskdash_protocol.errors import AuthError, ServerError
from taskdash_protocol.families.people import Cancel
from taskdashd.core.access import check_write
from taskdashd.core.actors import Actor, find_typed, itself
from taskdashd.core.steps import Steps
from taskdashd.core.storing import load, write
from taskdashd.core.table import Caller, Core, Result, alone
from taskdashd.domain.tasks import Task
from taskdashd.families.people import rules
from taskdashd.families.people.operations.claims import put_and_tell
from taskdashd.store.transaction import Transaction


@alone(Cancel, changes=True)
def cancel(request: Cancel, caller: Caller) -> Steps[Result]:
    """Cancel the tasks that can be, in one commit; say of each other one why it is left."""
    core = caller.core
    ids = {one: typed.name(one) or one for one in request.ids}
    wanted = {*ids, *ids.values()}
    while True:
        yield from load(core, wanted)
        parents = _parents(core, {*ids, *ids.values()}) - wanted
        if not parents:
            break
        wanted |= parents

    def decide(transaction: Transaction) -> dict[str, Any]:
        core.identities.check_still(caller.session, caller.identity, transaction)
        actor = itself(caller, transaction)
        cancelled: list[str] = []
        left: list[dict[str, Any]] = []
        for given, meant in ids.items():
            try:
                cancelled.append(
                    _cancel_one(given, meant, request.word, caller, actor, transaction)
                )
            except ServerError as refusal:
                why = {"why": refusal.detail, "cause": refusal.cause, "values": refusal.values}
                left.append({"id": given, **why})
        return {"cancelled": cancelled, "left": left}

    return (yield from write(core, decide))


def _parents(core: Core, ids: set[str]) -> set[str]:
    """Give what some tasks, which are in memory, are parts of."""
    found = (core.view.task(one) for one in ids)
    return {task.parent_id for task in found if task is not None and task.parent_id}


def _cancel_one(
    given: str, meant: str, word: str, caller: Caller, actor: Actor, transaction: Transaction
) -> str:
    """Cancel a task, and give its id. Raises `ServerError`."""
    task, fields = find_typed(caller, actor, given, meant, transaction)
    _check(task, caller, actor, transaction)
    changes = rules.cancelled(fields, word)
    # A fence keeps out other workers' processes, and a service's is one.
    overrides = bool(actor.person)
    put_and_tell(caller, actor, task, fields, changes, transaction, overrides=overrides)
    return task.id


def _check(task: Task, caller: Caller, actor: Actor, transaction: Transaction) -> None:
    """Raise `AuthError` unless the actor may cancel a task that they see."""
    identity, person = actor.identity, actor.person
    if not person:
        check_write(caller.identity, task, None)
        return
    if identity.is_operator or task.group_id in identity.leads:
        return
    parent = transaction.task(task.parent_id) if task.parent_id else None
    if parent is None or not rules.is_with(parent.status, parent.user, person):
        whole = "only a lead of its group cancels it, or who has the task that it is part of"
        raise AuthError(whole).because("lead")
