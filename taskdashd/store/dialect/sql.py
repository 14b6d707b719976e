"""The statements that every engine runs, put together from what each says in its own way."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

import orjson

from taskdashd.domain import times
from taskdashd.domain.search import Sought
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

History = tuple[int, int, int, int]
"""A row of the log: the place of its task among those asked for, its rev, the rev of the task's row
before it, and the bytes of its body."""

Parameters = Sequence[Any] | Mapping[str, Any]

_ROW: Final = """
c.rev, c.task_id, c.owner, c.holder,
CASE c.held_since WHEN '' THEN c.at ELSE c.held_since END,
coalesce(c.task_kind, (SELECT kind FROM task WHERE id = c.task_id), 0),
c.rev > (SELECT own_since FROM state), c.task, c.crc
"""

ADD_ACT: Final = "INSERT INTO act (rev, at, kind, who, detail, count) VALUES (?, ?, ?, ?, ?, ?)"
PUT_RECORD: Final = """
INSERT INTO record (kind, key, value, crc, rev, removed_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET
    value = excluded.value, crc = excluded.crc, rev = excluded.rev, removed_at = excluded.removed_at
"""
# A removed record's tombstone goes after a day, with the next record that is removed.
FORGET_TOMBSTONES: Final = "DELETE FROM record WHERE removed_at <> '' AND removed_at < ?"
RECORDS: Final = "SELECT kind, key, value, crc, rev FROM record WHERE removed_at = ''"

JOIN_CHANGES: Final = "UPDATE change SET previous_rev = ? WHERE rev = ?"
FORGOTTEN_REV: Final = "UPDATE state SET forgotten_rev = ? WHERE forgotten_rev < ?"

# The rev up to which all of the next rows are too old to keep, or stamped in the future by a wrong
# clock; the rows that those replaced may be deleted.
OLD: Final = """
WITH next AS (SELECT rev, at FROM change WHERE rev > ? AND rev <= ? ORDER BY rev LIMIT ?)
SELECT coalesce((SELECT min(rev) - 1 FROM next WHERE at >= ? AND at <= ?), max(rev)) FROM next
"""
PRUNE_CHANGES: Final = """
DELETE FROM change WHERE rev IN (
    SELECT previous_rev FROM change WHERE rev > ? AND rev <= ? AND previous_rev > 0
)
"""
PRUNE_ACTS: Final = """
DELETE FROM act WHERE id IN (
    SELECT id FROM (SELECT id, at FROM act ORDER BY id LIMIT ?) AS oldest WHERE at < ? OR at > ?
)
"""

COUNT_BY_STATUS: Final = "SELECT status, count(*) FROM task GROUP BY status ORDER BY status"
GAPS_REV: Final = """
SELECT CASE WHEN pruned_rev > forgotten_rev THEN pruned_rev ELSE forgotten_rev END FROM state
"""
"""The rev up to which the log may have gaps."""

# A row belongs to the page if the bodies before it are below the limit: so the first always does.
CHANGES: Final = """
SELECT rev, kind, task, crc FROM (
    SELECT rev, kind, task, crc, sum(length(task)) OVER (ORDER BY rev) - length(task) AS before
    FROM (SELECT rev, kind, task, crc FROM change WHERE rev > ? ORDER BY rev LIMIT ?) AS found
) AS summed WHERE before < ? ORDER BY rev
"""
# As CHANGES, each row with the same task's row before it.
STEPS: Final = """
SELECT rev, kind, task, crc, old, old_crc FROM (
    SELECT c.rev, c.kind, c.task, c.crc, coalesce(p.task, '') AS old, p.crc AS old_crc,
           sum(length(c.task)) OVER (ORDER BY c.rev) - length(c.task) AS before
    FROM (SELECT rev, previous_rev, kind, task, crc FROM change WHERE rev > ? ORDER BY rev LIMIT ?)
         AS c LEFT JOIN change AS p ON p.rev = c.previous_rev
) AS summed WHERE before < ? ORDER BY rev
"""


TOLD: Final = """
c.rev, c.kind, c.at, CASE c.actor WHEN '' THEN c.holder ELSE c.actor END, c.task, c.crc,
coalesce(p.task, ''), p.crc
"""
"""What the audit tells of a change, `c`, and of the same task's change before it, `p`."""
LOG: Final = f"""
SELECT {TOLD} FROM change AS c LEFT JOIN change AS p ON p.rev = c.previous_rev
WHERE c.rev <= ? ORDER BY c.rev DESC
"""  # the only text put in is a constant of ours
ACTS: Final = """
SELECT id, rev, at, kind, who, detail, count FROM act WHERE id <= ? ORDER BY id DESC
"""
# The revs of a task's history, from one on: a linked list.
HISTORY: Final = """
history (rev, previous_rev) AS (
    SELECT rev, previous_rev FROM change WHERE rev = ? AND task_id = ?
    UNION ALL
    SELECT c.rev, c.previous_rev FROM history JOIN change AS c ON c.rev = history.previous_rev
)
"""


_DAY_S: Final = 86_400.0


def keeping(records: Iterable[Record]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Give the statements that store records, each with its parameters."""
    for kind, key, value, rev, at in records:
        stored = b"" if value is None else orjson.dumps(value)
        removed_at = at if value is None else ""
        yield PUT_RECORD, (kind, key, stored.decode(), crc32(stored), rev, removed_at)
        if value is None:
            yield FORGET_TOMBSTONES, (times.stamp(times.seconds(at) - _DAY_S),)


class Hits(NamedTuple):
    """Where an index of texts is asked: all tasks that have the words, and some that have not."""

    source: str
    """What stands behind FROM, and its conditions."""
    joined: str
    """The same with the task, `t`."""
    rev: str
    """The expression of the rev by which the index gives them in order."""
    given: dict[str, Any]

    @property
    def counted(self) -> str:
        """Give what they are counted by."""
        return self.source


class Rows(Protocol):
    """Reads from one connection."""

    @property
    def sql(self) -> "Sql":
        """How its engine is spoken to."""

    def __call__(self, statement: str, parameters: Parameters, /) -> Iterator[Any]:
        """Run a statement with its parameters and give the rows."""

    def stream(self, statement: str, parameters: Parameters, /) -> Iterator[Any]:
        """Run a statement of which not all rows may be wanted; within a transaction."""


class Sql(ABC):
    """How an engine says what the engines say differently, and the statements of such parts.

    A statement names its parameters `?` or `:name`, and a list among them is what `listed` makes.
    """

    history: str
    """The statement that gives a task's changes as `LOG` does, from one on."""

    plans = False
    """Whether the engine finds the best way to few rows itself, by what it knows of the tables."""

    @abstractmethod
    def listed(self, values: Iterable[object]) -> Any:
        """Give the parameter of a statement that reads some texts or revs by `among` or `each`."""

    @abstractmethod
    def among(self, expression: str, parameter: str) -> str:
        """Write the condition that a value is one of a list."""

    def found_among(self, column: str, parameter: str) -> str:
        """Write the condition that a column with an index has one of a list."""
        return self.among(column, parameter)

    def roughly_among(self, _column: str, _parameter: str) -> str:
        """Write what an index tells by itself of `found_among`; empty where it tells all of it."""
        return ""

    def found_equal(self, column: str, parameter: str) -> str:
        """Write the condition that a column with an index has a value."""
        return f"{column} = {parameter}"

    def sorted_by(self, expression: str, direction: str) -> str:
        """Write by what an index gives its tasks in order."""
        return f"{expression} {direction}"

    def reached(self, _expression: str, _sign: str, _parameter: str) -> str:
        """Write what helps an index to begin behind a value; a condition before others, or none."""
        return ""

    @abstractmethod
    def each(self, parameter: str, kind: str) -> str:
        """Write the source of a row `wanted.value` for each of a list of `text` or `bigint`."""

    @abstractmethod
    def by(self, index: str) -> str:
        """Write, behind a table, that an index is to be used, where that is to be said."""

    @abstractmethod
    def unhelped(self, expression: str) -> str:
        """Write an expression that must not choose the index."""

    @abstractmethod
    def member(self, column: str, name: str) -> str:
        """Write the expression that takes a member out of a column of JSON."""

    @abstractmethod
    def has_words(self, sought: Sought) -> tuple[str, dict[str, Any]]:
        """Write the condition that a task, `t`, has what is sought; with its parameters."""

    @abstractmethod
    def hits(self, rows: Rows, sought: Sought) -> Hits | None:
        """Give what to ask the index of texts for; None where that is of no use."""

    @abstractmethod
    def unindexed(self, rows: Rows) -> str:
        """Give the condition of tasks that the index of texts has not yet; empty if it has all.

        The rev stands in it as `{rev}`.
        """

    @abstractmethod
    def histories(self, rows: Rows, ids: Sequence[str], rows_max: int) -> list[History]:
        """Give the rows of the log of some tasks: of each the newest first, one after another."""

    def __init__(self) -> None:
        among, each = self.among, self.each
        self.load_by_id = f"""
SELECT {_ROW} FROM {each("?", "text")}
JOIN task AS t ON t.id = wanted.value JOIN change AS c ON c.rev = t.rev
"""  # the only texts put in, here and below, are constants of ours
        self.load_by_rev = f"""
SELECT {_ROW} FROM {each("?", "bigint")} JOIN change AS c ON c.rev = wanted.value
"""
        self.bodies = f"""
SELECT c.task, c.crc FROM {each("?", "bigint")} CROSS JOIN change AS c WHERE c.rev = wanted.value
"""
        self.live = (
            f"SELECT id, heartbeat_timeout FROM task {self.by('task_state_rev')} WHERE state = 0"
        )
        # How many tasks of some statuses each of some people has: by the index over both, whatever
        # the number of all tasks.
        self.count_by_user = f"""
SELECT t.user, count(*) FROM task AS t
WHERE t.user <> '' AND {self.found_among("t.user", ":people")}
    AND {among("t.status", ":statuses")} GROUP BY t.user
"""
        counted_as = (
            "CASE WHEN t.acknowledged > 0 THEN 'acknowledged'"
            f" WHEN {among('t.status', '{}')} THEN t.status ELSE '' END"
        )
        told_apart = f"""
CASE WHEN {among("t.group_id", ":named_groups")} THEN t.group_id END AS group_id,
{counted_as.format(":named_statuses")} AS status,
CASE WHEN {among("t.user", ":named_people")} THEN t.user ELSE '' END AS who,
CASE WHEN {among("t.checker", ":named_people")} THEN t.checker ELSE '' END AS checker
FROM task AS t WHERE
"""
        of_group, of_user = among("t.group_id", ":groups"), among("t.user", ":people")
        found = self.found_among
        # How many tasks of some groups and people have the same group, status, user and checker.
        # Only the named ones are told apart, so the result is bounded by these, whatever services
        # write. Each part reads by an index, and no task is in two of them.
        self.tally = f"""
SELECT group_id, status, who, checker, count(*) FROM (
    SELECT {told_apart} {found("t.group_id", ":groups")}
    UNION ALL
    SELECT {told_apart} {found("t.user", ":people")} AND NOT {of_group}
    UNION ALL
    SELECT {told_apart} t.checker <> '' AND {found("t.checker", ":people")}
        AND NOT {of_user} AND NOT {of_group}
) AS told GROUP BY 1, 2, 3, 4
"""
        self.count_for_figures = (
            f"SELECT {counted_as.format('?')}, count(*) FROM task AS t GROUP BY 1"
        )
        self.forget_tasks = f"DELETE FROM task WHERE {among('id', '?')}"
        self.forget_revs = f"DELETE FROM change WHERE {among('rev', '?')}"

    def page(self, rows: Rows, revs: Iterable[int], _bytes_max: int) -> Iterator[Any]:
        """Give the bodies of changes in the order of their revs; not all where they are large.

        Read row by row: none is fetched behind the page's end.
        """
        return rows.stream(self.bodies, (self.listed(revs),))

    def removing(self, removal: Removal) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Give the statements that delete tasks, each with its parameters.

        The rest of a history that was cut is joined, so that no row names one that is not there.
        """
        if removal.cut is not None:
            yield JOIN_CHANGES, (removal.cut.previous_rev, removal.cut.rev)
        yield self.forget_tasks, (self.listed(one.task.id for one in removal.going),)
        yield self.forget_revs, (self.listed(removal.revs),)
        yield FORGOTTEN_REV, (removal.last_rev,) * 2

    def loaded(self, rows: Rows, ids: Iterable[str], revs: Iterable[int]) -> Iterator[Any]:
        """Give the rows of tasks by id, and of others by the rev of their last change."""
        for statement, wanted in ((self.load_by_id, list(ids)), (self.load_by_rev, list(revs))):
            if wanted:
                yield from rows(statement, (self.listed(wanted),))
