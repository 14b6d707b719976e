"""The one thing that the daemon writes of its own accord: `shutdown` for tasks gone silent."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from taskdash_protocol.errors import ServerError
from taskdash_protocol.statuses import is_live
from taskdashd.domain import tasks
from taskdashd.domain.liveness import Lease
from taskdashd.domain.tasks import Moment
from taskdashd.operations.engine import NOBODY, Engine
from taskdashd.store.transaction import Transaction

ACTOR: Final = "taskdashd: no sign of life"
_TASKS_AT_ONCE: Final = 500
RETRY_S: Final = 1.0
"""After a fault of the disk."""
_LOOK_AGAIN_S: Final = 0.05
"""Where a write of the task was on its way when the lease was due."""


def shut_down(engine: Engine, lease: Lease) -> None:
    """Set every task of a lease that was judged dead to `shutdown`, in a few commits.

    What could not be done (the disk, a write on its way) is looked at again: the lease goes back
    to `Liveness` as long as it holds tasks.
    """
    _next_slice(engine, lease, iter(list(lease.tasks)))


def _next_slice(engine: Engine, lease: Lease, ids: Iterator[str]) -> None:
    some = list(islice(ids, _TASKS_AT_ONCE))
    if not some:
        return

    def loaded(fault: Exception | None) -> None:
        if fault is not None:
            engine.liveness.again(lease, engine.clock.now() + RETRY_S)
            return
        try:
            engine.writer.write(
                lambda transaction: _decide(engine, lease, some, transaction), written
            )
        except Exception:
            engine.liveness.again(lease, engine.clock.now() + RETRY_S)
            raise
        engine.writer.flush()

    def written(outcome: Any) -> None:
        _next_slice(engine, lease, ids)
        if lease.tasks:
            pause = RETRY_S if isinstance(outcome, ServerError) else _LOOK_AGAIN_S
            engine.liveness.again(lease, engine.clock.now() + pause)

    engine.reader.load(some, loaded)


def _decide(engine: Engine, lease: Lease, ids: list[str], transaction: Transaction) -> None:
    if engine.liveness.deadline(lease) > engine.clock.now():
        # Its owner has spoken while the tasks were read from the disk.
        return
    view, owner = engine.view, lease.owner
    seen = "" if owner.serial == NOBODY else engine.clock.stamp_of(owner.last_seen)
    for task_id in ids:
        # A write on its way is a sign of life, or changes who owns the task, or asks for another
        # look: all of that is known once it is committed. And a cache too small for the slice may
        # have dropped a task. What is passed over comes up again with its lease.
        if task_id in view.pending or task_id not in lease.tasks or not view.knows(task_id):
            continue
        task = view.committed(task_id)
        if task is not None and is_live(task.status):
            moment = Moment(transaction.rev, transaction.at, False, seen)
            transaction.put(tasks.shut_down(task, moment, ACTOR))
