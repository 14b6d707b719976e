"""SetLabels: people mark tasks with words, and find them by these."""

from collections.abc import Mapping
from typing import Any

from taskdash_protocol.families.people import SetLabels
from taskdash_protocol.fields import LABELS
from taskdashd.core.access import check_write
from taskdashd.core.actors import Actor, find, itself, put
from taskdashd.core.table import Caller, Result, writes
from taskdashd.domain import labels
from taskdashd.domain.tasks import Task
from taskdashd.families.people import rules
from taskdashd.store.transaction import Transaction


@writes(SetLabels)
def set_labels(request: SetLabels, caller: Caller, transaction: Transaction) -> Result:
    """Add labels to a task, and take others away."""
    actor = itself(caller, transaction)
    task, fields = find(caller, actor, request.id, transaction)
    _check(task, fields, caller, actor)
    before = labels.labels_of(fields)
    after = labels.changed(before, request.add, request.remove)
    if after != before:
        overrides = bool(actor.person)
        changes = {LABELS: after}
        task = put(caller, actor.author, task, changes, transaction, overrides=overrides)
    return {"id": task.id, "epoch": task.epoch, "rev": task.rev, LABELS: after}


def _check(task: Task, fields: Mapping[str, Any], caller: Caller, actor: Actor) -> None:
    """Raise `AuthError` or `Conflict` unless an actor may claim the task, or has it, or leads."""
    if not actor.person:
        check_write(caller.identity, task, None)
        return
    standing = rules.standing(actor.identity, actor.person, fields)
    if not (standing.lead or rules.is_with(task.status, task.user, actor.person)):
        rules.step("claim", fields, standing)
