"""The SQL that only SQLite understands: here, in `plans`, `texts` and `backup`, alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final, get_args
from zlib import crc32

import orjson
from peewee import DatabaseError
from playhouse.apsw_ext import APSWDatabase

from taskdash_protocol.errors import StorageError
from taskdash_protocol.fields import ACKNOWLEDGED, PRIORITIES, PRIORITY, PRIORITY_DEFAULT
from taskdash_protocol.statuses import OF_PEOPLE
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Change, Task, TaskKind, restore
from taskdashd.settings import files
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

SQLITE_MIN: Final = (3, 51, 3)
"""The first release without the WAL-reset corruption bug."""

PRAGMAS: Final = {
    "journal_mode": "wal",
    # A Pi gets unplugged: a commit is on the card before it is acknowledged.
    "synchronous": "full",
    "cache_size": -8 * 1024,
    "temp_store": "memory",
    # Shrink the WAL at a checkpoint: one that readers held up would keep its size for good.
    "journal_size_limit": 16 << 20,
    "foreign_keys": 1,
}

_COLUMNS: Final = (
    "rev, previous_rev, kind, at, actor, task_id, owner, holder, held_since, task, crc, task_kind"
)
_ROW_MARKS: Final = f"({', '.join('?' * len(_COLUMNS.split(',')))})"
# Insert many rows with a statement, but in five sizes only, so that all five stay prepared.
_APPEND: Final = {
    rows: f"INSERT INTO change ({_COLUMNS}) VALUES {', '.join([_ROW_MARKS] * rows)}"  # noqa: S608
    for rows in (256, 64, 16, 4, 1)
}

TASK_KINDS: Final = get_args(TaskKind)
"""The kinds of tasks, each stored as its place in this list."""
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(TASK_KINDS)}

STATES: Final = (
    *("", "finish", "finished", "failed", "cancelled", "shutdown", "待领取", "pending", "已领取"),
    *("编辑中", "待审核", "review", "草稿", "待批准", "待触发", "待执行"),
)
"""The statuses that are not live, each stored as its place in this list; 0 is any live one. Another
place or word needs a migration."""
STATE: Final = "CASE c.task->>'status' {} ELSE 0 END".format(
    " ".join(f"WHEN '{status}' THEN {place}" for place, status in enumerate(STATES) if place)
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
"""  # noqa: S608  # the only text put in is a constant of ours

_ROW: Final = """
c.rev, c.task_id, c.owner, c.holder,
CASE c.held_since WHEN '' THEN c.at ELSE c.held_since END,
coalesce(c.task_kind, (SELECT kind FROM task WHERE id = c.task_id), 0),
c.rev > (SELECT own_since FROM state), c.task, c.crc
"""

LOAD_BY_ID: Final = f"""
SELECT {_ROW} FROM json_each(?) AS wanted
JOIN task AS t ON t.id = wanted.value JOIN change AS c ON c.rev = t.rev
"""  # noqa: S608

LOAD_BY_REV: Final = f"""
SELECT {_ROW} FROM json_each(?) AS wanted JOIN change AS c ON c.rev = wanted.value
"""  # noqa: S608

BODIES: Final = """
SELECT c.task, c.crc FROM json_each(?) AS wanted CROSS JOIN change AS c ON c.rev = wanted.value
"""

ACTS: Final = "act"
ADD_ACT: Final = "INSERT INTO act (rev, at, kind, who, detail, count) VALUES (?, ?, ?, ?, ?, ?)"

PUT_RECORD: Final = """
INSERT INTO record (kind, key, value, crc, rev, removed_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET
    value = excluded.value, crc = excluded.crc, rev = excluded.rev, removed_at = excluded.removed_at
"""
# A removed record's tombstone goes after a day, with the next record that is removed.
FORGET_TOMBSTONES: Final = """
DELETE FROM record WHERE removed_at <> '' AND removed_at < strftime('%FT%T.000Z', ?, '-1 day')
"""
RECORDS: Final = "SELECT kind, key, value, crc, rev FROM record WHERE removed_at = ''"
LIVE: Final = "SELECT id, heartbeat_timeout FROM task INDEXED BY task_state_rev WHERE state = 0"
# How many tasks of some statuses each of some people has: by the index over both, whatever the
# number of all tasks.
COUNT_BY_USER: Final = """
SELECT user, count(*) FROM task
WHERE user <> '' AND user IN (SELECT value FROM json_each(?))
AND status IN (SELECT value FROM json_each(?))
GROUP BY user
"""
# As what the figures count a task: what somebody has acknowledged is no status any more.
_COUNTED_AS: Final = (
    "CASE WHEN acknowledged THEN 'acknowledged'"
    " WHEN status IN (SELECT value FROM json_each({})) THEN status ELSE '' END"
)
_TOLD_APART: Final = f"""
iif(group_id IN (SELECT value FROM json_each(?3)), group_id, NULL) AS group_id,
{_COUNTED_AS.format("?5")} AS status,
iif(user IN (SELECT value FROM json_each(?4)), user, '') AS user,
iif(checker IN (SELECT value FROM json_each(?4)), checker, '') AS checker
FROM task WHERE
"""  # noqa: S608  # the only text put in is a constant of ours
# How many tasks of some groups (?1) and people (?2) have the same group, status, user and checker.
# Only those of ?3 (groups), ?4 (people) and ?5 (statuses) are told apart, so the result is bounded
# by these, whatever services write. Each part reads by an index, and no task is in two of them.
TALLY: Final = f"""
SELECT group_id, status, user, checker, count(*) FROM (
    SELECT {_TOLD_APART} group_id IN (SELECT value FROM json_each(?1))
    UNION ALL
    SELECT {_TOLD_APART} user IN (SELECT value FROM json_each(?2))
        AND group_id NOT IN (SELECT value FROM json_each(?1))
    UNION ALL
    SELECT {_TOLD_APART} checker <> '' AND checker IN (SELECT value FROM json_each(?2))
        AND user NOT IN (SELECT value FROM json_each(?2))
        AND group_id NOT IN (SELECT value FROM json_each(?1))
) GROUP BY 1, 2, 3, 4
"""  # noqa: S608  # the only text put in is a constant of ours

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
    SELECT id FROM (SELECT id, at FROM act ORDER BY id LIMIT ?) WHERE at < ? OR at > ?
)
"""

FORGET_TASKS: Final = "DELETE FROM task WHERE id IN (SELECT value FROM json_each(?))"
FORGET_REVS: Final = "DELETE FROM change WHERE rev IN (SELECT value FROM json_each(?))"
# The index of texts may lag: its row of a task may be under any rev that goes.
FORGET_TEXTS: Final = "DELETE FROM task_text WHERE rowid IN (SELECT value FROM json_each(?))"
JOIN_CHANGES: Final = "UPDATE change SET previous_rev = ? WHERE rev = ?"
FORGOTTEN_REV: Final = "UPDATE state SET forgotten_rev = max(forgotten_rev, ?)"

COUNT_FOR_FIGURES: Final = f"SELECT {_COUNTED_AS.format('?')}, count(*) FROM task GROUP BY 1"  # noqa: S608
COUNT_BY_STATUS: Final = "SELECT status, count(*) FROM task GROUP BY status"

UNUSED: Final = """
SELECT freelist_count, page_size, auto_vacuum
FROM pragma_freelist_count, pragma_page_size, pragma_auto_vacuum
"""
VACUUMS_BIT_BY_BIT: Final = 2
"""`auto_vacuum` of a file that gives room back when it is asked to."""

GAPS_REV: Final = "max(pruned_rev, forgotten_rev) FROM state"
"""The rev up to which the log may have gaps."""

CHECK: Final = "PRAGMA quick_check(10)"

# A row belongs to the page if the bodies before it are below the limit: so the first always does.
CHANGES: Final = """
SELECT rev, kind, task, crc FROM (
    SELECT rev, kind, task, crc, sum(length(task)) OVER (ORDER BY rev) - length(task) AS before
    FROM (SELECT rev, kind, task, crc FROM change WHERE rev > ? ORDER BY rev LIMIT ?)
) WHERE before < ? ORDER BY rev
"""

# As CHANGES, each row with the same task's row before it.
STEPS: Final = """
SELECT rev, kind, task, crc, old, old_crc FROM (
    SELECT c.rev, c.kind, c.task, c.crc, coalesce(p.task, '') AS old, p.crc AS old_crc,
           sum(length(c.task)) OVER (ORDER BY c.rev) - length(c.task) AS before
    FROM (SELECT rev, previous_rev, kind, task, crc FROM change WHERE rev > ? ORDER BY rev LIMIT ?)
         AS c LEFT JOIN change AS p ON p.rev = c.previous_rev
) WHERE before < ? ORDER BY rev
"""


class Connection(APSWDatabase):  # type: ignore[misc]
    """peewee's database over APSW, taught to bind what `playhouse.migrations` stores."""

    def _add_conn_hooks(self, conn: Any) -> None:
        # APSW binds SQLite's own types only; the history of migrations holds a datetime.
        conn.convert_binding = lambda _cursor, _number, value: str(value)
        super()._add_conn_hooks(conn)


def connect(path: str, *, read_only: bool = False) -> Connection:
    """Open a database object that one thread at a time will use."""
    pragmas: dict[str, Any] = dict(PRAGMAS)
    if read_only:
        pragmas["query_only"] = 1
    elif not Path(path).exists() or not Path(path).stat().st_size:
        # Before all others: only a file without any page can be made one that gives room back. In
        # one with pages the statement would change a byte, also of a newer version's file.
        pragmas = {"auto_vacuum": "incremental", **pragmas}
    database = Connection(path, pragmas=pragmas, thread_safe=False, timeout=5)
    database.connect()
    return database


def append(
    database: Connection,
    changes: Sequence[Change],
    acts: Sequence[Act] = (),
    records: Sequence[Record] = (),
    removals: Sequence[Removal] = (),
) -> None:
    """Commit changes to the log, and acts and records beside it, all or none.

    What is to be forgotten goes first: a task may be registered anew in the same commit.

    CPython gives its interpreter lock up, and fights for it again, at each statement: so a batch
    is a few statements of many rows. (One statement over `json_each` would give it up once, but
    takes five times the processor for its rows.)
    """
    with database.atomic():
        for removal in removals:
            _remove(database, removal)
        start = 0
        for rows, statement in _APPEND.items():
            while len(changes) - start >= rows:
                some = changes[start : start + rows]
                database.execute_sql(statement, [value for one in some for value in _row(one)])
                start += rows
        for act in acts:
            database.execute_sql(ADD_ACT, act)
        for kind, key, value, rev, at in records:
            stored = b"" if value is None else orjson.dumps(value)
            removed_at = at if value is None else ""
            row = (kind, key, stored.decode(), crc32(stored), rev, removed_at)
            database.execute_sql(PUT_RECORD, row)
            if value is None:
                database.execute_sql(FORGET_TOMBSTONES, (at,))


def _remove(database: Connection, removal: Removal) -> None:
    """Delete tasks: the one place where rows of a task go, in the log and in all that it folds to.

    The rest of a history that was cut is joined, so that no row names one that is not there.
    """
    ids = json_list(one.task.id for one in removal.going)
    revs = [rev for one in removal.going for rev in one.revs]
    if removal.cut is not None:
        database.execute_sql(JOIN_CHANGES, (removal.cut.previous_rev, removal.cut.rev))
        revs += removal.cut.revs
    database.execute_sql(FORGET_TASKS, (ids,))
    database.execute_sql(FORGET_REVS, (json_list(revs),))
    database.execute_sql(FORGET_TEXTS, (json_list(revs),))
    database.execute_sql(FORGOTTEN_REV, (removal.last_rev,))


def _row(change: Change) -> tuple[Any, ...]:
    task, at, actor = change.task, change.at, change.actor
    # Actor and holder, `at` and `held_since` are mostly equal: then store one of them as empty,
    # since each byte goes to the card twice (WAL, file).
    return (
        task.rev,
        change.previous.rev if change.previous is not None else 0,
        change.kind,
        at,
        "" if actor == task.holder else actor,
        task.id,
        task.owner,
        task.holder,
        "" if task.held_since == at else task.held_since,
        task.body.decode(),
        crc32(task.body),
        _KIND_NUMBERS[task.kind],
    )


def restored(row: Sequence[Any]) -> Task:
    """Build a task from a row of a `LOAD` statement. Raises `Damaged`."""
    *columns, kind, has_own, body, crc = row
    return restore(tuple(columns), text(body, crc), TASK_KINDS[kind], has_own=bool(has_own))


def text(stored: Any, crc: Any) -> bytes:
    """Give a stored text in UTF-8. Raises `Damaged` where it does not match its CRC-32."""
    body = stored.encode() if type(stored) is str else b""
    if type(stored) is not str or (crc is not None and crc32(body) != crc):
        raise Damaged("a record in the database is damaged: taskdashd check says what to do")
    return body


class Damaged(StorageError):
    """A stored text does not match its checksum: it has changed on the disk."""


def json_list(values: Iterable[object]) -> str:
    """Encode ids, revs or rows as the parameter of a statement that reads them by `json_each`."""
    return orjson.dumps(list(values)).decode()


def loaded(
    rows: Callable[[str, tuple[str]], Iterator[Any]], ids: Iterable[str], revs: Iterable[int]
) -> Iterator[Any]:
    """Give the rows of tasks by id, and of others by the rev of their last change."""
    for statement, wanted in ((LOAD_BY_ID, json_list(ids)), (LOAD_BY_REV, json_list(revs))):
        if wanted != "[]":
            yield from rows(statement, (wanted,))


def member(column: str, name: str) -> str:
    """Write the expression that takes a member out of a JSON column."""
    return f"json_extract({column}, '$.{name}')"


def durable(database: Connection, *, durable: bool) -> None:
    """Choose whether the next commits are synced at once.

    The fold is committed without: if power fails, it is made again from the log. The fold cannot
    overtake the log either, since the WAL is one file and is synced up to the next durable commit.
    """
    database.execute_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")


def plain(error: Exception) -> str:
    """Say in one line what went wrong, and what to do where that is known."""
    if isinstance(error, OSError):
        return files.plain(error)
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, DatabaseError) and "not a database" in text:
        text += "; it is damaged or belongs to another program"
    elif "malformed" in text:
        text += (
            "; taskdashd check tells more, taskdashd restore --newest --force puts a backup there"
        )
    return text
