"""The one thing that the daemon writes of its own accord: `shutdown` for tasks gone silent."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

from taskdash_protocol.errors import ServerError
from taskdash_protocol.statuses import is_live
from taskdashd.domain import tasks
from taskdashd.domain.liveness import Lease
from taskdashd.domain.tasks import Moment
from taskdashd.operations.engine import NOBODY, Engine
from taskdashd.store.transaction import Transaction

ACTOR: Final = "taskdashd"
REASON: Final = "no sign of life came in time"
_TASKS_AT_ONCE: Final = 500
RETRY_S: Final = 1.0
"""After a fault of the disk."""
_LOOK_AGAIN_S: Final = 0.05
"""Where a write of the task was on its way when the lease was due."""

Doomed = tuple[Lease, str]
"""A task, and the lease by which it was judged."""


def shut_down(engine: Engine, leases: Sequence[Lease]) -> None:
    """Set every task of the leases that were judged dead to `shutdown`, in a few commits.

    What could not be done (the disk, a write on its way) is looked at again: a lease goes back to
    `Liveness` as long as it holds tasks.
    """
    _next_slice(engine, iter([(lease, task_id) for lease in leases for task_id in lease.tasks]))


def _next_slice(engine: Engine, doomed: Iterator[Doomed]) -> None:
    some = list(islice(doomed, _TASKS_AT_ONCE))
    if not some:
        return

    def loaded(fault: Exception | None) -> None:
        if fault is not None:
            _again(engine, [*some, *doomed], RETRY_S)
            return
        known: list[Doomed] = []
        dropped: list[Doomed] = []
        for one in some:
            (known if engine.view.knows(one[1]) else dropped).append(one)
        # A cache too small for the slice keeps the last that came in, so this comes to an end.
        left = chain(dropped, doomed)
        try:
            engine.writer.write(
                lambda transaction: _decide(engine, known, transaction),
                lambda outcome: written(known, left, outcome),
            )
        except Exception:
            _again(engine, [*some, *doomed], RETRY_S)
            raise
        engine.writer.flush()

    def written(known: list[Doomed], left: Iterator[Doomed], outcome: Any) -> None:
        _next_slice(engine, left)
        _again(engine, known, RETRY_S if isinstance(outcome, ServerError) else _LOOK_AGAIN_S)

    engine.reader.load([task_id for _, task_id in some], loaded)


def _again(engine: Engine, doomed: Sequence[Doomed], pause_s: float) -> None:
    at = engine.clock.now() + pause_s
    for lease in {lease for lease, _ in doomed}:
        if lease.tasks:
            engine.liveness.again(lease, at)


def _decide(engine: Engine, doomed: Sequence[Doomed], transaction: Transaction) -> None:
    view, now = engine.view, engine.clock.now()
    lease: Lease | None = None
    for its_lease, task_id in doomed:
        if its_lease is not lease:
            lease = its_lease
            # Its owner may have spoken while the tasks were read from the disk.
            spoke = engine.liveness.deadline(lease) > now
            owner = lease.owner
            seen = "" if owner.serial == NOBODY else engine.clock.stamp_of(owner.last_seen)
        # A write on its way may take the task over or give it more time: that is known once it is
        # committed, and the task comes up again with its lease. A hand from outside does neither;
        # however many follow one another, the task dies beneath them.
        if spoke or task_id not in lease.tasks or not view.keeps_owner(task_id):
            continue
        task = transaction.task(task_id)
        if task is not None and is_live(task.status):
            moment = Moment(transaction.rev, transaction.at, False, seen)
            transaction.put(tasks.shut_down(task, moment, ACTOR))
