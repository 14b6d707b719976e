"""Which tasks may be forgotten, and what goes with each: a task's row and its rows of the log.

Only whole trees go: a task that has no task above it, and all below that. Every task of it must be
a service's, ended, and unchanged for long enough. What is found here is as the fold has it;
`core/forgetting.py` takes care of what has changed since.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from taskdash_protocol.statuses import ENDED
from taskdashd.domain.tasks import Task
from taskdashd.store.dialect.rows import Damaged, restored
from taskdashd.store.dialect.sql import Rows
from taskdashd.store.removal import Cut, Going, Removal

TASKS_MAX: Final = 500
"""Tasks that are forgotten at a time."""
TREE_MAX: Final = 100_000
"""Tasks of a tree, whose ids are in memory while it goes; a larger tree stays."""
_SEEN_MAX: Final = 1_000
"""Tasks of a tree that are looked at in one go: queries wait meanwhile."""
_PAGE_BYTES: Final = 4096
_WHOLE_ROWS: Final = 3
"""A history of so few rows goes at once, however large they are."""

_ENDED: Final = ", ".join(f"'{status}'" for status in sorted(ENDED))
_MAY_GO: Final = f"kind = 0 AND state > 0 AND status IN ({_ENDED}) AND at < ?"
"""A service's task that has ended and was last changed before a time."""

# A task is only looked at from above: one with a task above it goes with that, or not at all. The
# index `task_forgettable` is for this statement.
_OLD: Final = f"""
SELECT c.at, c.id, c.parent_id, c.status IN ({_ENDED}),
       c.parent_id NOT IN ('', c.id) AND EXISTS (SELECT 1 FROM task WHERE id = c.parent_id),
       EXISTS (SELECT 1 FROM task AS p
               WHERE p.parent_id = c.id AND p.parent_id <> '' AND p.id <> c.id)
FROM (SELECT at, id, status, parent_id FROM task
      WHERE kind = 0 AND state > 0 AND at < ? AND (at, id) > (?, ?) ORDER BY at, id LIMIT ?) AS c
"""  # noqa: S608  # the only texts put in are constants of ours

# The parents above a task, up to itself again if they go in a circle.
_CIRCLE_MAX: Final = 100
_CIRCLE: Final = f"""
WITH RECURSIVE above (id, parent_id, steps) AS (
    SELECT id, parent_id, 0 FROM task WHERE id = ?
    UNION ALL
    SELECT t.id, t.parent_id, steps + 1 FROM above JOIN task AS t ON t.id = above.parent_id
    WHERE above.parent_id <> ? AND steps < {_CIRCLE_MAX}
)
SELECT count(CASE WHEN parent_id = ? THEN 1 END), min(id) FROM above
"""  # noqa: S608

_PARTS: Final = f"""
SELECT id, rank, {_MAY_GO},
       EXISTS (SELECT 1 FROM task AS p WHERE p.parent_id = task.id AND p.parent_id <> '')
FROM task WHERE parent_id = ? AND parent_id <> '' AND (rank, id) > (?, ?)
ORDER BY rank, id LIMIT ?
"""  # noqa: S608

_IDS: Final = "SELECT id FROM task WHERE id > ? ORDER BY id LIMIT ?"


class Place(NamedTuple):
    """How far the search has come."""

    at: str = ""
    task_id: str = ""


class Page(NamedTuple):
    """A page of tasks that have none above them and are old enough."""

    alone: dict[str, str]
    """Tasks without parts; each with what it names as its parent, and which is no task."""
    trees: dict[str, str]
    """Tasks with parts, likewise; the parent of one that stands for a circle is of this."""
    next: Place | None
    """Where the next page begins; None at the end."""


class Tree:
    """A task with all below it, found bit by bit; the ids are in the order of levels."""

    def __init__(self, root: str) -> None:
        self.ids = [root]
        self.may_go = True
        """Whether every task that was found so far may be forgotten."""
        self._seen = {root}
        self._inner = deque([root])
        """Tasks with parts, in the order in which these are to be found."""
        self._after = ("", "")

    @property
    def is_whole(self) -> bool:
        """Whether no more is to be found, or nothing of it may go."""
        return not self.may_go or not self._inner

    def look_on(self, before: str, rows: Rows) -> None:
        """Find some more of it."""
        left = _SEEN_MAX
        while left > 0 and not self.is_whole:
            parameters = (before, self._inner[0], *self._after, left)
            found = list(rows(_PARTS, parameters))
            left -= len(found) + 1
            inner = [task_id for task_id, _, _, has_parts in found if has_parts]
            if len(found) < parameters[-1]:
                self._inner.popleft()
                self._after = ("", "")
            else:
                self._after = (found[-1][1], found[-1][0])
            self._take(found, inner)

    def _take(self, found: list[Any], inner: list[str]) -> None:
        # Parents that go in a circle would be found for ever: take each task once.
        self._inner.extend(task_id for task_id in inner if task_id not in self._seen)
        for task_id, _, may_go, _ in found:
            self.may_go = self.may_go and bool(may_go)
            if task_id not in self._seen:
                self._seen.add(task_id)
                self.ids.append(task_id)
        self.may_go = self.may_go and len(self.ids) <= TREE_MAX


def page(before: str, place: Place, rows_max: int, rows: Rows) -> Page:
    """Find tasks without one above them that were last changed before a time."""
    alone: dict[str, str] = {}
    trees: dict[str, str] = {}
    found = list(rows(_OLD, (before, *place, rows_max)))
    for _, task_id, parent_id, is_ended, is_part, has_parts in found:
        if not is_ended or (is_part and not (has_parts and _stands_for_circle(task_id, rows))):
            continue
        (trees if has_parts else alone)[task_id] = parent_id
    at_end = len(found) < rows_max
    return Page(alone, trees, None if at_end else Place(*found[-1][:2]))


def _stands_for_circle(task_id: str, rows: Rows) -> bool:
    """Tell whether the parents above a task go in a circle, and it is the first of them by id."""
    ((is_circle, first),) = rows(_CIRCLE, (task_id,) * 3)
    return bool(is_circle) and first == task_id


def removal(ids: Sequence[str], cost_max: int, rows: Rows) -> Removal:
    """Read what goes with the first of some tasks: as many as the cost allows, one at least.

    The cost is the number of rows of the log and of pages that their bodies take.
    """
    some = list(ids[:TASKS_MAX])
    read = rows.sql.histories(rows, some, cost_max + _WHOLE_ROWS)
    histories: list[list[int]] = [[] for _ in some]
    cost, taken = 0, len(some)
    for place, rev, previous_rev, size in read:
        cost += 1 + size // _PAGE_BYTES
        if cost > cost_max and (place > 0 or len(histories[0]) >= _WHOLE_ROWS):
            # Histories come one after another: those before this one are whole.
            taken = place
            break
        histories[place].append(rev)
        older = previous_rev
    if taken == 0:
        newest, *revs = histories[0]
        return Removal((), Cut(some[0], newest, older, revs))
    known = _readable(some[:taken], rows)
    going = [
        Going(known[task_id], revs)
        for task_id, revs in zip(some[:taken], histories, strict=False)
        if task_id in known
    ]
    return Removal(going, seen=taken)


def _readable(ids: list[str], rows: Rows) -> dict[str, Task]:
    found: dict[str, Task] = {}
    for row in rows(rows.sql.load_by_id, (rows.sql.listed(ids),)):
        try:
            task = restored(row)
        except Damaged:
            # What has changed on the disk stays: `check` tells of it, and a backup has it whole.
            continue
        found[task.id] = task
    return found


def ids(after: str, rows_max: int, rows: Rows) -> list[str]:
    """Read the ids of the tasks that the fold has, in their order."""
    return [task_id for (task_id,) in rows(_IDS, (after, rows_max))]
