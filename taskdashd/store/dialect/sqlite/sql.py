"""What only SQLite understands: statements over JSON, the fold, and how a list is read."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Final

import orjson

from taskdash_protocol.fields import ACKNOWLEDGED, PRIORITIES, PRIORITY, PRIORITY_DEFAULT
from taskdash_protocol.statuses import OF_PEOPLE
from taskdashd.domain.search import Sought
from taskdashd.store.dialect import rows
from taskdashd.store.dialect.sql import HISTORY, TOLD, History, Hits, Rows, Sql
from taskdashd.store.dialect.sqlite import texts

STATE: Final = "CASE c.task->>'status' {} ELSE 0 END".format(
    " ".join(f"WHEN '{status}' THEN {place}" for place, status in enumerate(rows.STATES) if place)
)
_OF_PEOPLE: Final = ", ".join(f"'{status}'" for status in sorted(OF_PEOPLE))

# Members of these names are the daemon's only in rows after `own_since`.
_OWN: Final = "CASE WHEN c.rev > (SELECT own_since FROM state) THEN"
_DIGITS: Final = reduce(
    lambda text, sign: f"replace({text}, '{sign}', '')", "-:T.Z", "c.task->>'created_at'"
)

_KIND_OF_PRIORITY: Final = f"json_type(c.task, '$.{PRIORITY}')"
# JSON's true is 1 to SQLite, and 1.0 no integer: its type tells.
PRIORITY_OF: Final = (
    f"CASE WHEN {_KIND_OF_PRIORITY} = 'integer'"
    f" AND c.task->>'{PRIORITY}' BETWEEN {PRIORITIES[0]} AND {PRIORITIES[-1]}"
    f" THEN c.task->>'{PRIORITY}' ELSE {PRIORITY_DEFAULT} END"
)
ANSWER_OF: Final = (
    f"{_OWN} CASE WHEN c.task->'{ACKNOWLEDGED}' IS NULL THEN 0"
    f" WHEN c.task->'{ACKNOWLEDGED}'->>'hide' THEN 2 ELSE 1 END ELSE 0 END"
)
"""The place in `ANSWERS` of what somebody has answered to the death of a task."""

# Group narrow rows (rev, task_id) first: sorting whole rows would move bodies, which can be large.
# "WHERE true" tells the parser that ON CONFLICT is not the join's (SQLite, lang_UPSERT.html, 2.2).
FOLD: Final = f"""
INSERT INTO task (id, rev, state, heartbeat_timeout, status, user, group_id, project_id, checker,
                  parent_id, url, rank, queue, made_by, at, kind, acknowledged,
                  priority, name)
SELECT c.task_id, c.rev, {STATE}, c.task->>'heartbeat_timeout', c.task->>'status',
       c.task->>'user', c.task->>'group_id', c.task->>'project_id', c.task->>'checker',
       c.task->>'parent_id', c.task->>'url',
       coalesce({_OWN} c.task->'tree'->>'rank' END, {_DIGITS}),
       coalesce({_OWN} c.task->'job'->>'queue' END, ''),
       coalesce({_OWN} c.task->'tree'->>'made_by' END, ''), c.at,
       coalesce(c.task_kind, c.task->>'status' IN ({_OF_PEOPLE})),
       {ANSWER_OF}, {PRIORITY_OF}, c.task->>'name'
FROM (SELECT max(rev) AS rev FROM change WHERE rev > ? AND rev <= ? GROUP BY task_id) AS last
CROSS JOIN change AS c ON c.rev = last.rev WHERE true
ON CONFLICT (id) DO UPDATE SET
    rev = excluded.rev, state = excluded.state, heartbeat_timeout = excluded.heartbeat_timeout,
    status = excluded.status, user = excluded.user, group_id = excluded.group_id,
    project_id = excluded.project_id, checker = excluded.checker,
    parent_id = excluded.parent_id, url = excluded.url, rank = excluded.rank,
    queue = excluded.queue, made_by = excluded.made_by, at = excluded.at,
    kind = max(kind, excluded.kind), acknowledged = excluded.acknowledged,
    priority = excluded.priority, name = excluded.name
"""  # the only text put in is a constant of ours

# The index of texts may lag: its row of a task may be under any rev that goes.
FORGET_TEXTS: Final = "DELETE FROM task_text WHERE rowid IN (SELECT value FROM json_each(?))"


# One row with all of it: rows read one by one would fight the event loop for the interpreter's
# lock. The queue of the recursion is in the order of `place`, so each task's rows come together.
_HISTORIES: Final = """
WITH RECURSIVE history (place, rev, previous_rev) AS (
    SELECT wanted.key, c.rev, c.previous_rev FROM json_each(?) AS wanted
    CROSS JOIN task AS t ON t.id = wanted.value CROSS JOIN change AS c ON c.rev = t.rev
    UNION ALL
    SELECT h.place, c.rev, c.previous_rev FROM history AS h
    CROSS JOIN change AS c ON c.rev = h.previous_rev
    ORDER BY 1 LIMIT ?
)
SELECT json_group_array(json_array(h.place, h.rev, h.previous_rev, octet_length(c.task)))
FROM history AS h CROSS JOIN change AS c ON c.rev = h.rev
"""


def json_list(values: Iterable[object]) -> str:
    """Encode ids, revs or rows as the parameter of a statement that reads them by `json_each`."""
    return orjson.dumps(list(values)).decode()


class SqliteSql(Sql):
    """SQLite's way: lists are JSON, and each statement names its index.

    Nothing is left to SQLite's planner, which without statistics takes an index that is of no use.
    """

    # Rows come in the order of the recursion.
    history = f"""
WITH RECURSIVE {HISTORY} SELECT {TOLD}
FROM history CROSS JOIN change AS c LEFT JOIN change AS p ON p.rev = c.previous_rev
WHERE c.rev = history.rev
"""

    def listed(self, values: Iterable[object]) -> str:
        """Encode them in JSON."""
        return json_list(values)

    def among(self, expression: str, parameter: str) -> str:
        """Write the condition that a value is one of a list."""
        return f"{expression} IN (SELECT value FROM json_each({parameter}))"

    def each(self, parameter: str, _kind: str) -> str:
        """Write the source of a row for each of a list."""
        return f"json_each({parameter}) AS wanted"

    def by(self, index: str) -> str:
        """Name the index that is to be used."""
        return f"INDEXED BY {index}"

    def unhelped(self, expression: str) -> str:
        """Write an expression that must not choose the index."""
        return f"+{expression}"

    def member(self, column: str, name: str) -> str:
        """Write the expression that takes a member out of a column of JSON."""
        return f"json_extract({column}, '$.{name}')"

    def has_words(self, _sought: Sought) -> tuple[str, dict[str, Any]]:
        """Test in Python: `SqliteEngine.test_by` has told the connection what is sought."""
        return texts.HAS_WORDS, {}

    def hits(self, rows: Rows, sought: Sought) -> Hits | None:
        """Give what to ask FTS5 for; None where all words are too frequent or too short for it."""
        return texts.hits(rows, sought)

    def unindexed(self, rows: Rows) -> str:
        """Give the condition of tasks that the index of texts has not yet."""
        ((text_rev, folded_rev),) = rows("SELECT text_rev, folded_rev FROM state", {})
        return f"{{rev}} > {text_rev}" if folded_rev > text_rev else ""

    def histories(self, rows: Rows, ids: Sequence[str], rows_max: int) -> list[History]:
        """Give the rows of the log of some tasks: of each the newest first, one after another."""
        ((told,),) = rows(_HISTORIES, (json_list(ids), rows_max))
        found: list[History] = orjson.loads(told)
        return found
