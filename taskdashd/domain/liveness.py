"""The owners of live tasks, and all deadlines of silence in one heap. Rules only.

The theory. A connection's sign of life counts for everything it owns, so nothing is kept per task
but the lease it belongs to: all live tasks of one owner that share a timeout. A beat writes one
number, `Owner.last_seen`, whatever the number of tasks. Each lease, and each open connection, has
one valid entry in the heap (`queued_at`; older ones are skipped). The entry is only ever too early:
when it comes up, the true deadline is computed from `last_seen`, and it goes back if that is ahead.

Nobody is declared dead here. `due` names candidates; the caller first reads the unread input of
their sockets and then judges, see `server/supervisor.py`.

Time is a float in seconds that only grows while the daemon runs (`Clock` in `core/clock.py`): it is
not the wall clock, and the daemon's own stalls are not in it.
"""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Final


class Owner:
    """A connection, as far as liveness is concerned. It may outlive its socket.

    `last_seen` may be assigned directly: that is all a beat costs.
    """

    __slots__ = ("__weakref__", "is_open", "last_seen", "leases", "queued_at", "serial", "timeouts")

    def __init__(self, serial: int, now: float, *, is_open: bool = True) -> None:
        self.serial = serial
        self.last_seen = now
        self.is_open = is_open
        self.queued_at: float | None = None
        self.leases: dict[float | None, Lease] = {}
        self.timeouts: dict[float | None, int] = {}
        """By timeout: how many tasks the owner has, live or not."""


class Lease:
    """The live tasks of one owner that share a timeout; they are due together."""

    __slots__ = ("__weakref__", "owner", "queued_at", "tasks", "timeout_s")

    def __init__(self, owner: Owner, timeout_s: float | None) -> None:
        self.owner = owner
        self.timeout_s = timeout_s
        self.queued_at: float | None = None
        self.tasks: set[str] = set()


_VOID_MAX: Final = 1000

Due = Lease | Owner
"""A lease whose tasks are overdue, or an open connection that has been silent for too long."""


class Liveness:
    """The leases of one daemon and their deadlines."""

    def __init__(self, default_timeout_s: float) -> None:
        self.default_timeout_s = default_timeout_s
        self._leases: dict[str, Lease] = {}
        self.lease_of: Final = self._leases.get
        """Gives the lease of a supervised task by its id, else None. Called for each Find."""
        self._heap: list[tuple[float, int, Due]] = []
        self._pushed = 0
        self._void = 0
        """About how many entries of the heap are void: of closed connections and empty leases."""
        self.spared_at = 0.0
        """Nobody's silence before this moment counts."""

    def __len__(self) -> int:
        """How many tasks are supervised."""
        return len(self._leases)

    def adopt(self, default_timeout_s: float) -> None:
        """Take another default timeout, for tasks that name none."""
        self.default_timeout_s = default_timeout_s
        self.refresh()

    def connect(self, owner: Owner) -> None:
        """Begin to watch an open connection for silence."""
        self._schedule(owner, self.deadline(owner))

    def disconnect(self, owner: Owner) -> None:
        """Note that a connection was closed. Its tasks keep their deadline."""
        owner.is_open = False
        self._voided()

    def count(self, owner: Owner, timeout_s: float | None, by: int) -> None:
        """Note that an owner gained (`by=1`), or lost (`by=-1`), tasks of this timeout."""
        had = owner.timeouts.get(timeout_s, 0)
        has = had + by
        if has > 0:
            owner.timeouts[timeout_s] = has
            if had:
                return
        else:
            # A service that beats without a connection keeps its tasks over a restart, and those of
            # before it were not counted: there may be nothing to take away.
            owner.timeouts.pop(timeout_s, None)
        if owner.is_open:
            # Schedule anew: the set of timeouts has changed, and its longest is the deadline.
            self._schedule(owner, self.deadline(owner))

    def supervises(self, task_id: str, owner: Owner, timeout_s: float | None) -> bool:
        """Tell whether a task depends on this owner's signs of life, with this timeout."""
        lease = self._leases.get(task_id)
        return lease is not None and lease.owner is owner and lease.timeout_s == timeout_s

    def supervise(self, task_id: str, owner: Owner, timeout_s: float | None) -> None:
        """Make a live task depend on this owner's signs of life, and on no other's."""
        lease = self._leases.get(task_id)
        if lease is not None:
            if self.supervises(task_id, owner, timeout_s):
                return
            self.release(task_id)
        lease = owner.leases.get(timeout_s)
        if lease is None:
            lease = owner.leases[timeout_s] = Lease(owner, timeout_s)
            self._schedule(lease, self.deadline(lease))
        lease.tasks.add(task_id)
        self._leases[task_id] = lease

    def supervise_new(self, task_ids: Sequence[str], owner: Owner) -> None:
        """Supervise live tasks that are new, and have no timeout of their own."""
        self.supervise(task_ids[0], owner, None)
        lease = owner.leases[None]
        lease.tasks.update(task_ids)
        self._leases.update(dict.fromkeys(task_ids, lease))

    def release(self, task_id: str) -> None:
        """Stop supervising a task, because it ended or waits for a person."""
        lease = self._leases.pop(task_id, None)
        if lease is not None:
            lease.tasks.discard(task_id)
            if not lease.tasks:
                # The lease's entry stays in the heap, void: it is dropped when it comes up, or by
                # `_voided` before.
                del lease.owner.leases[lease.timeout_s]
                self._voided()

    def owner_of(self, task_id: str) -> Owner | None:
        """Give the owner on whose signs of life a supervised task depends."""
        lease = self._leases.get(task_id)
        return None if lease is None else lease.owner

    def owners(self) -> Iterator[Owner]:
        """Give the owners on whose signs of life supervised tasks depend."""
        return (lease.owner for lease in set(self._leases.values()))

    def silence_s(self, owner: Owner) -> float:
        """How long an open connection may be silent before it is closed."""
        default = self.default_timeout_s
        return max(
            (default if timeout is None else timeout for timeout in owner.timeouts), default=default
        )

    def is_silent(self, owner: Owner, timeout_s: float | None, now: float) -> bool:
        """Tell whether an owner is closed, or silent past this timeout."""
        allowed = self.default_timeout_s if timeout_s is None else timeout_s
        return not owner.is_open or now - max(owner.last_seen, self.spared_at) >= allowed

    def due(self, now: float) -> Iterator[Due]:
        """Take out everything whose deadline has passed.

        The caller must put every entry back with `again` that it does not end: a lease that holds
        tasks, or an owner still open, would otherwise never come up again.
        """
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, entry = heappop(heap)
            if at != entry.queued_at:
                continue
            entry.queued_at = None
            if not _stands(entry):
                continue
            deadline = self.deadline(entry)
            if deadline > now:
                self._schedule(entry, deadline)
            else:
                yield entry

    def again(self, entry: Due, at: float) -> None:
        """Look at a due entry again, not before this time."""
        self._schedule(entry, at)

    def next_look(self) -> float | None:
        """Say when `due` will next have something to look at."""
        return self._heap[0][0] if self._heap else None

    def spare(self, now: float) -> None:
        """Give everybody one full timeout from now: nobody's silence so far counts."""
        self.spared_at = now
        self.refresh()

    def refresh(self) -> None:
        """Compute every deadline anew, after the default timeout or the clock was changed."""
        entries = [entry for at, _, entry in self._heap if at == entry.queued_at and _stands(entry)]
        self._heap.clear()
        self._void = 0
        for entry in entries:
            entry.queued_at = None
            self._schedule(entry, self.deadline(entry))

    def deadline(self, entry: Due) -> float:
        """Give the time from which a lease or an open connection is silent for too long."""
        if isinstance(entry, Owner):
            return max(entry.last_seen, self.spared_at) + self.silence_s(entry)
        timeout = self.default_timeout_s if entry.timeout_s is None else entry.timeout_s
        return max(entry.owner.last_seen, self.spared_at) + timeout

    def _voided(self) -> None:
        # Rebuild the heap once half of it is void: a timeout can be a day, and void entries that
        # stayed until then would fill the memory.
        self._void += 1
        if self._void > _VOID_MAX and self._void * 2 > len(self._heap):
            self.refresh()

    def _schedule(self, entry: Due, at: float) -> None:
        if entry.queued_at is not None and entry.queued_at <= at:
            return
        entry.queued_at = at
        self._pushed += 1
        heappush(self._heap, (at, self._pushed, entry))


def _stands(entry: Due) -> bool:
    if isinstance(entry, Owner):
        return entry.is_open
    return entry.owner.leases.get(entry.timeout_s) is entry
