"""Claims whose time runs out: their tasks become free again."""

from collections.abc import Mapping
from typing import Any, Final

from taskdash_protocol.requests import Update
from taskdashd.core.ownership import NOBODY, Ownership
from taskdashd.core.task_times import TaskTime
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Task
from taskdashd.domain.times import is_stamp
from taskdashd.families.people import rules as claims
from taskdashd.families.people.told import Told
from taskdashd.store.transaction import Transaction

ACTOR: Final = "taskdashd"
REASON: Final = "the time for it ran out"


def claim_times(ownership: Ownership, told: Told) -> TaskTime:
    """Give the times at which claims run out, for the agenda."""

    def free(task: Task, fields: Mapping[str, Any], transaction: Transaction) -> None:
        daemon = claims.Standing(daemon=True)
        changes = claims.freed("expire", fields, transaction.at, REASON, daemon)
        author = Author(NOBODY, ACTOR, overrides=True)
        moment = ownership.moment(transaction, task)
        update = Update(task.id, changes, own=False)
        change = tasks.update(task, update, author, moment)
        transaction.put(change)
        told.tell(transaction, change.task, fields, {**fields, **changes}, "", ACTOR)

    return TaskTime(
        "claims",
        takes_away=True,
        kinds=frozenset(("people",)),
        mark=b'"claim_until":"',
        where={"status": claims.HELD},
        time_of=_claim_until,
        come=free,
        since_of=_claimed_at,
    )


def _claim_until(fields: Mapping[str, Any]) -> str:
    until = fields.get("claim_until")
    held = claims.state_of(fields["status"]) in claims.HELD
    # A client may have written any text there before the daemon kept it: ignore what is no time.
    return until if held and type(until) is str and is_stamp(until) else ""


def _claimed_at(fields: Mapping[str, Any]) -> str:
    at = fields.get("claimed_at")
    return at if type(at) is str and is_stamp(at) else str(fields["updated_at"])
