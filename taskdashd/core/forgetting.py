"""Forgetting: old tasks of services go, tree by tree, and the file gives their room back.

Candidates are found in the fold, on the thread of slow reads, a page at a time. Whether they still
may go is decided on the event loop, like a write: since the look nothing of them may have changed,
nothing may have become a part of them, and they must not have become parts of what came: a task may
name a parent that is registered later.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import structlog

from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.steps import Steps, drive, wait_for
from taskdashd.core.storing import write
from taskdashd.domain.tasks import Change, Task
from taskdashd.domain.times import stamp
from taskdashd.store import forgetting
from taskdashd.store.forgetting import Place, Tree
from taskdashd.store.reader import Reader
from taskdashd.store.removal import Removal
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

_PASS_EVERY_S: Final = 1800.0
_AGAIN_S: Final = 60.0
"""The pause after a fault, and between two looks for room to give back."""
_TOUCHED_MAX: Final = 200_000
"""Ids; where more are written while trees are looked at, these are left for the next pass."""
_IDS_AT_ONCE: Final = 2_000
_STEP_S: Final = 0.01
"""What a commit that forgets, and a step of giving room back, are to take."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ForgettingLimits(Protocol):
    """The setting that is read here; it may change while the daemon runs."""

    keep_runs: float | None


class Amount:
    """How much to do in a step, so that it takes about as long as it is meant to."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self.now = least

    def took(self, seconds: float) -> None:
        """Note how long the last step took."""
        change = 0.5 if seconds > 2 * _STEP_S else 0.8 if seconds > _STEP_S else 1.25
        self.now = min(max(int(self.now * change), self._least), self._most)


class Touched(Following):
    """Ids of the tasks that were written, and of those above them, since a look has begun."""

    def __init__(self) -> None:
        self._is_on = False
        self._written: set[str] = set()
        self._above: set[str] = set()

    def begin(self) -> None:
        """Begin to note ids."""
        self.end()
        self._is_on = True

    def end(self) -> None:
        """Note no more."""
        self._is_on = False
        self._written, self._above = set(), set()

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        if self._is_on and not self._is_full:
            self._written.update(change.task.id for change in changes)
            self._above.update(change.task.parent_id for change in changes)

    def among(self, ids: set[str], waiting: Iterable[Task]) -> set[str]:
        """Give those that were written or got a part, or will by what waits for its commit."""
        parents = (task.parent_id for task in waiting)
        return self.written(ids, waiting) | ids & self._above | ids.intersection(parents)

    def written(self, ids: set[str], waiting: Iterable[Task]) -> set[str]:
        """Give those that were written, or will be by what waits for its commit."""
        assert self._is_on
        if self._is_full:
            return ids
        return ids & self._written | ids.intersection(task.id for task in waiting)

    @property
    def _is_full(self) -> bool:
        return len(self._written) + len(self._above) >= _TOUCHED_MAX


class Forgetting:
    """Forgets what is old, gives room back, and keeps the filter of known ids small.

    `tick` is called a few times a second, once the wall clock can be trusted.
    """

    def __init__(
        self,
        limits: ForgettingLimits,
        clock: Clock,
        touched: Touched,
        view: View,
        reader: Reader,
        writer: Writer,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._touched = touched
        self.view = view
        self.reader = reader
        self.writer = writer
        self._keep_s: float | None = None
        self._before = ""
        """What was last changed before may go, in this pass."""
        self._place: Place | None = None
        """How far the pass has come; None between two passes."""
        self._next = self._room_at = self._known_at = 0.0
        self._runs = False
        self._rows = Amount(50, 3_000)
        self._pages = Amount(16, 2_000)
        self._id: str | None = None
        """How far the ids on disk are read, for the filter of known ids; None where none are."""

    def tick(self) -> None:
        """Do the next bit of what is due."""
        if self._runs:
            return
        now, keep_s = self._clock.now(), self._limits.keep_runs
        if keep_s != self._keep_s:
            # Shorter, so that what is too old now makes room at once.
            self._keep_s, self._place, self._next = keep_s, None, now
        self._runs = True
        drive(self._do_due(now), self._ended)

    def _do_due(self, now: float) -> Steps[None]:
        if self._keep_s is not None and now >= self._next:
            yield from self._forget_some(self._keep_s)
        if now >= self._room_at:
            yield from self._give_back()
        if self._id is not None or (self.view.known.is_stale and now >= self._known_at):
            yield from self._renew_known()

    def _ended(self, outcome: Outcome[None]) -> None:
        self._runs = False
        self._touched.end()
        if isinstance(outcome, ServerError):
            log.warning("what is old could not be forgotten", error=str(outcome))
            self._id = None
            self._next = self._room_at = self._known_at = self._clock.now() + _AGAIN_S

    def _forget_some(self, keep_s: float) -> Steps[None]:
        """Look at a page of what is old, and forget what may go of it."""
        if self._place is None:
            self._place, self._before = Place(), stamp(self._clock.wall() - keep_s)
        self._touched.begin()
        yield from wait_for(self.writer.catch_up)
        look = partial(forgetting.page, self._before, self._place, forgetting.TASKS_MAX)
        page = yield from wait_for(partial(self.reader.look, look))
        yield from self._forget(list(page.alone), page.alone, whole=False)
        for root, above in page.trees.items():
            yield from self._forget_tree(root, above)
        self._place = page.next
        if page.next is None:
            self._next = self._clock.now() + _PASS_EVERY_S

    def _forget_tree(self, root: str, above: str) -> Steps[None]:
        tree = Tree(root)
        while not tree.is_whole:
            look = partial(tree.look_on, self._before)
            yield from wait_for(partial(self.reader.look, look))
        if tree.may_go:
            # The last of a tree to go is its root: what is left after a fault is a tree again.
            yield from self._forget(tree.ids[::-1], {root: above}, whole=True)

    def _forget(self, ids: Sequence[str], above: Mapping[str, str], *, whole: bool) -> Steps[None]:
        """Forget tasks, a slice in a commit; a whole tree only as long as nothing of it changes.

        `above` gives what tasks name as their parents, where that is to stay as it is, too.
        """
        tree = set(ids) if whole else None
        done = 0
        while done < len(ids):
            some = ids[done : done + forgetting.TASKS_MAX]
            look = partial(forgetting.removal, some, self._rows.now)
            removal = yield from wait_for(partial(self.reader.look, look))
            if whole and len(removal.going) < removal.seen:
                log.debug("a tree stays, since a task of it cannot be read", root=ids[-1])
                return
            decide = partial(self._decide, removal, tree or set(some), above, whole=whole)
            if (yield from write(self, decide)):
                self._rows.took(self.writer.commit_s[-1])
            elif whole:
                log.debug("a tree stays, since it has changed", root=ids[-1])
                return
            elif removal.cut is not None:
                # The task has changed, and keeps its long history.
                done += 1
            done += removal.seen

    def _decide(
        self,
        removal: Removal,
        ids: set[str],
        above: Mapping[str, str],
        transaction: Transaction,
        *,
        whole: bool,
    ) -> bool:
        """Remove what has not changed since the look; tell whether anything is removed."""
        waiting = self.view.pending.values()
        changed = self._touched.among(ids, waiting)
        # A write to another part of a parent that is not there must not count: under a load of such
        # parts, none of them would ever go.
        came = self._touched.written(set(above.values()), waiting)
        changed |= {task_id for task_id, parent_id in above.items() if parent_id in came}
        going = [one for one in removal.going if one.task.id not in changed]
        cut = removal.cut if removal.cut and removal.cut.task_id not in changed else None
        if (whole and changed) or not (going or cut):
            return False
        transaction.forget(removal._replace(going=going, cut=cut))
        return True

    def _give_back(self) -> Steps[None]:
        pages = yield from wait_for(partial(self.writer.chores.give_back, self._pages.now))
        if pages:
            self._pages.took(self.writer.chores.last_s)
        else:
            self._room_at = self._clock.now() + _AGAIN_S

    def _renew_known(self) -> Steps[None]:
        """Read the next ids on disk, for a filter without those that are forgotten."""
        known = self.view.known
        if self._id is None:
            yield from wait_for(self.writer.catch_up)
            known.begin_anew(self.view.unfolded)
            self._id = ""
        look = partial(forgetting.ids, self._id, _IDS_AT_ONCE)
        ids = yield from wait_for(partial(self.reader.look, look))
        known.refill(ids)
        self._id = ids[-1] if ids else None
