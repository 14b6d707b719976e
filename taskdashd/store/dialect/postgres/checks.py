"""What can be wrong with a database of PostgreSQL; its pages it looks after itself."""

from collections.abc import Callable, Iterator
from typing import Any, Final
from zlib import crc32

from taskdash_protocol import strictjson
from taskdashd.domain.labels import compared, labels_of
from taskdashd.domain.search import searched
from taskdashd.store.dialect.carrying import Read, Row
from taskdashd.store.dialect.checking import LINKS, REBUILD, RESTORE, Fault
from taskdashd.store.dialect.postgres.fold import COLUMNS, fields_of, task
from taskdashd.store.dialect.postgres.log import TAKE
from taskdashd.store.dialect.postgres.session import Session
from taskdashd.store.dialect.postgres.texts import grams
from taskdashd.store.dialect.sql import ADD_ACT

Checks = tuple[tuple[str, str, str], ...]

# Run by the server, a second for a hundred thousand tasks: the daemon's own check is these alone.
SHAPE: Final[Checks] = (
    (
        "SELECT count(*) FROM (SELECT count(*) AS rows FROM state) AS s WHERE rows <> 1",
        "the row about the database itself is missing",
        RESTORE,
    ),
    LINKS,
    (
        """SELECT count(*) FROM task AS t LEFT JOIN change AS c ON c.rev = t.rev
           WHERE c.task_id IS DISTINCT FROM t.id
           AND NOT EXISTS (SELECT 1 FROM change AS o WHERE o.task_id = t.id)""",
        "{count} tasks have no change in the log",
        RESTORE,
    ),
    (
        """SELECT count(*) FROM (
               SELECT c.task_id AS id, max(c.rev) AS rev FROM change AS c CROSS JOIN state
               WHERE c.rev <= state.folded_rev GROUP BY c.task_id
           ) AS last LEFT JOIN task AS t ON t.id = last.id WHERE t.rev IS DISTINCT FROM last.rev""",
        "{count} tasks are not as the log says",
        REBUILD,
    ),
    (
        """SELECT count(*) FROM state WHERE folded_rev > greatest(
               forgotten_rev, (SELECT coalesce(max(rev), 0) FROM change))""",
        "the task table is ahead of the log",
        REBUILD,
    ),
    (
        """SELECT count(*) FROM state WHERE rev < (SELECT coalesce(max(rev), 0) FROM change)
           OR rev < (SELECT coalesce(max(rev), 0) FROM record)""",
        "the row about the database itself is behind the log",
        RESTORE,
    ),
)
_KIND: Final = COLUMNS.index("kind")
_FOLDED: Final = """
SELECT c.task_id, c.rev, c.at, c.task_kind, c.rev > (SELECT own_since FROM state), c.task, c.crc,
    {columns}, x.text,
    ARRAY(SELECT l.label FROM task_label AS l
          WHERE l.id = t.id AND l.rev = t.rev AND l.state = t.state ORDER BY l.label),
    (SELECT count(*) FROM task_label AS l WHERE l.id = t.id)
FROM task AS t JOIN change AS c ON c.rev = t.rev AND c.task_id = t.id
LEFT JOIN task_text AS x ON x.id = t.id
""".format(columns=", ".join(f't."{name}"' for name in COLUMNS))
_GRAMS: Final = """
SELECT x.text, g.grams FROM task_text AS x LEFT JOIN task_gram AS g ON g.id = x.id
WHERE x.rev <= (SELECT text_rev FROM state)
"""
_SELECTED: Final = "{count} tasks are found by what they are not"
_LABELS: Final = "{count} tasks are not found by their labels"
_TEXTS: Final = "{count} tasks are not found by their texts"
_PARTS: Final = "{count} texts are not found by all that they hold"


def faults(read: Read) -> Iterator[Fault]:
    """Read a database from end to end, and say what is wrong with it."""
    for found in (shape(read), stored(read)):
        for fault in found:
            yield fault
            if fault.cure == RESTORE:
                # The checks after this one assume that it passed: they would report consequences.
                return
    yield from _folded(read)


def shape(read: Read) -> Iterator[Fault]:
    """Say what is wrong with how rows belong together."""
    for statement, what, cure in SHAPE:
        ((count,),) = read(statement)
        if count:
            yield Fault(what.format(count=count), cure)
            if cure == RESTORE:
                return


def stored(read: Read) -> Iterator[Fault]:
    """Say which rows are not as they were written."""
    changes = _damaged(read("SELECT task, crc FROM change"))
    if changes:
        yield Fault(f"{changes} changes are not as they were written", RESTORE)
    records = _damaged(read("SELECT value, crc FROM record"), may_be_empty=True)
    if records:
        what = "records of people or services are not as they were written"
        yield Fault(f"{records} {what}", RESTORE)


def _damaged(rows: Iterator[Any], *, may_be_empty: bool = False) -> int:
    return sum(not _is_whole(text, crc, may_be_empty=may_be_empty) for text, crc in rows)


def _is_whole(text: str, crc: int | None, *, may_be_empty: bool) -> bool:
    body = text.encode()
    if crc is not None and crc32(body) != crc:
        return False
    if may_be_empty and not body:
        return True
    try:
        strictjson.reload(body)
    except ValueError:
        return False
    return True


def _folded(read: Read) -> Iterator[Fault]:
    wrong = dict.fromkeys((_SELECTED, _LABELS, _TEXTS, _PARTS), 0)
    begin = len(COLUMNS) + 7
    for row in read(_FOLDED):
        fields = fields_of(row[5])
        is_, text, labels, all_labels = row[7:begin], *row[begin:]
        should = list(task(row[:7], fields))
        # Who once was people's stays so, whatever the last change says.
        should[_KIND] = max(should[_KIND], is_[_KIND])
        wanted = sorted(set(map(compared, labels_of(fields))))
        wrong[_SELECTED] += tuple(should) != tuple(is_)
        wrong[_LABELS] += labels != wanted or all_labels != len(wanted)
        wrong[_TEXTS] += text != searched(fields)
    for text, held in read(_GRAMS):
        wrong[_PARTS] += held != sorted(grams(text))
    for what, count in wrong.items():
        if count:
            yield Fault(what.format(count=count), REBUILD)


def repair(session: Session, noted: Callable[[int], Row]) -> None:
    """Make the next start build the task table anew from the log; within a transaction.

    `noted` makes the act that tells of it, from the newest rev.
    """
    run = session.execute_sql
    # Whoever writes to it meanwhile finds itself fenced.
    (rev,) = run(f"{TAKE} RETURNING rev").fetchone()
    run(
        "UPDATE change SET task_kind = task.kind FROM task"
        " WHERE task.rev = change.rev AND change.task_kind IS NULL"
    )
    run("TRUNCATE task CASCADE")
    run("UPDATE state SET folded_rev = 0, text_rev = 0")
    run(ADD_ACT, noted(rev))
