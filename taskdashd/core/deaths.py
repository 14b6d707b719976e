"""The daemon's own write of `shutdown`, to tasks whose owner was judged silent for too long."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Final

from taskdash_protocol.errors import ServerError
from taskdash_protocol.statuses import is_live
from taskdashd.core.clock import Clock
from taskdashd.core.leading import Leading
from taskdashd.core.ownership import NOBODY
from taskdashd.core.steps import Steps, drive, wait_for
from taskdashd.core.storing import write
from taskdashd.domain import tasks
from taskdashd.domain.liveness import Lease, Liveness
from taskdashd.domain.tasks import Moment
from taskdashd.store.reader import Reader
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

ACTOR: Final = "taskdashd"
REASON: Final = "no sign of life came in time"
_TASKS_AT_ONCE: Final = 500
RETRY_S: Final = 1.0
"""The pause before another try, after a fault of the disk."""
_LOOK_AGAIN_S: Final = 0.05
"""The pause before another look, where a write of the task waited for its commit."""

Doomed = tuple[Lease, str]
"""A lease that was judged dead, and the id of one of its tasks."""


class Deaths:
    """Sets the tasks of leases that were judged dead to `shutdown`, many in one commit."""

    def __init__(
        self,
        clock: Clock,
        leading: Leading,
        liveness: Liveness,
        view: View,
        reader: Reader,
        writer: Writer,
    ) -> None:
        self._clock = clock
        self._leading = leading
        self._liveness = liveness
        self.view = view
        self.reader = reader
        self.writer = writer

    def shut_down(self, leases: Sequence[Lease]) -> None:
        """Shut down every task of some leases.

        Tasks that cannot be shut down yet (a fault of the disk, a write on its way) are not lost:
        a lease goes back to `Liveness` as long as it holds tasks.
        """
        doomed = [(lease, task_id) for lease in leases for task_id in lease.tasks]
        if not doomed:
            return

        def ended(outcome: ServerError | None) -> None:
            if isinstance(outcome, ServerError):
                # Tasks shut down before the fault have left their lease; the rest is tried again.
                self._again(doomed, RETRY_S)

        drive(self._shut_down(doomed), ended)

    def _shut_down(self, doomed: Sequence[Doomed]) -> Steps[None]:
        left = iter(doomed)
        while some := list(islice(left, _TASKS_AT_ONCE)):
            while some:
                some = yield from self._slice(some)

    def _slice(self, some: Sequence[Doomed]) -> Steps[list[Doomed]]:
        """Shut a slice down; returns the tasks that a small cache dropped before the write."""
        yield from wait_for(partial(self.reader.load, [task_id for _, task_id in some]))
        known: list[Doomed] = []
        dropped: list[Doomed] = []
        for one in some:
            (known if self.view.knows(one[1]) else dropped).append(one)
        try:
            yield from write(self, lambda transaction: self._decide(known, transaction))
        except ServerError:
            self._again(known, RETRY_S)
        else:
            self._again(known, _LOOK_AGAIN_S)
        # Even the smallest cache keeps the task loaded last, so each round leaves fewer.
        return dropped

    def _again(self, doomed: Iterable[Doomed], pause_s: float) -> None:
        at = self._clock.now() + pause_s
        for lease in {lease for lease, _ in doomed}:
            if lease.tasks:
                self._liveness.again(lease, at)

    def _decide(self, doomed: Sequence[Doomed], transaction: Transaction) -> None:
        if not self._leading.leads:
            # The daemon led when the leases were judged; they come up again.
            return
        now = self._clock.now()
        lease: Lease | None = None
        for its_lease, task_id in doomed:
            if its_lease is not lease:
                lease = its_lease
                # Judge again: the owner may have spoken while its tasks were read from the disk.
                spoke = self._liveness.deadline(lease) > now
                owner = lease.owner
                seen = "" if owner.serial == NOBODY else self._clock.stamp_of(owner.last_seen)
            # Spare a task while a write that changes its owner or timeout waits for its commit: the
            # outcome decides, and the lease comes up again. Writes from outside change neither, so
            # an endless row of them keeps no task alive.
            if spoke or task_id not in lease.tasks or not self.view.keeps_owner(task_id):
                continue
            task = transaction.task(task_id)
            if task is not None and is_live(task.status):
                moment = Moment(transaction.rev, transaction.at, False, seen)
                transaction.put(tasks.shut_down(task, moment, ACTOR))
