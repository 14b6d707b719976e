"""What can be wrong with a database, each with what to do about it; looked for from end to end."""

from collections.abc import Iterator
from typing import Any, Final
from zlib import crc32

import apsw

from taskdashd.settings import files
from taskdashd.store.dialect.checking import LINKS, REBUILD, RESTORE, Fault
from taskdashd.store.dialect.sqlite import labels, texts
from taskdashd.store.dialect.sqlite.sql import ANSWER_OF, PRIORITY_OF
from taskdashd.store.migrating import migrations

_TABLES: Final = frozenset({"change", "task", "state", "schema_migration"})


def faults(database: apsw.Connection) -> Iterator[Fault]:
    """Read a database from end to end, and say what is wrong with it."""
    try:
        told = [text for (text,) in database.execute("PRAGMA integrity_check(10)")]
    except apsw.Error as error:
        told = [plain(error)]
    if told != ["ok"]:
        yield Fault(f"SQLite says: {'; '.join(told)}", RESTORE)
        return
    names = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
    if not names >= _TABLES:
        yield Fault("it is not a database of taskdashd", RESTORE)
        return
    known = {path.stem for path in migrations()}
    applied = {name for (name,) in database.execute("SELECT name FROM schema_migration")}
    if not applied:
        yield Fault("it is not known which schema it has", RESTORE)
        return
    if newer := sorted(applied - known):
        yield Fault(
            f"it was written by a newer taskdashd (schema {newer[-1]})",
            "install that version or later",
        )
        return
    database.create_scalar_function("crc32", _crc32)
    database.create_scalar_function("labels", labels.sorted_labels)
    ahead = _AHEAD if "0005_mechanisms" in applied else _AHEAD_BEFORE_FORGETTING
    checks = (*CHECKS, ahead, *(() if applied < known else CHECKS_OF_NEW))
    for statement, what, cure in checks:
        if count := database.execute(statement).get:
            yield Fault(what.format(count=count), cure)
            if cure == RESTORE:
                # The checks after this one assume that it passed: they would report consequences.
                return


def _crc32(*values: Any) -> int:
    return crc32(str(values[0]).encode())


# Only for the newest schema: a database of an older version lacks these columns and tables.
CHECKS_OF_NEW: Final = (
    (
        "SELECT count(*) FROM change WHERE crc != crc32(task)",
        "{count} changes are not as they were written",
        RESTORE,
    ),
    (
        "SELECT count(*) FROM record WHERE crc != crc32(value) OR NOT json_valid(value)",
        "{count} records of people or services are not as they were written",
        RESTORE,
    ),
    (
        f"""SELECT count(*) FROM task AS t JOIN change AS c ON c.rev = t.rev
           WHERE c.task_id = t.id AND (t.checker, t.parent_id, t.url, t.at, t.acknowledged,
                                       t.priority, t.name)
               IS NOT (c.task->>'checker', c.task->>'parent_id', c.task->>'url', c.at,
                       {ANSWER_OF}, {PRIORITY_OF}, c.task->>'name')""",
        "{count} tasks are found by another checker, parent, service, time, answer, priority or"
        " name than theirs",
        REBUILD,
    ),
    (labels.LEFT, "{count} labels are of no task, or of one that is another by now", REBUILD),
    (labels.MISSING, "{count} tasks are not found by their labels", REBUILD),
    (texts.MISSING, "{count} tasks are not found by their texts", REBUILD),
    (texts.LEFT, "{count} texts are of no task", REBUILD),
)
_NEWEST: Final = "coalesce((SELECT max(rev) FROM change), 0)"
_IS_AHEAD: Final = "the task table is ahead of the log"
_AHEAD_BEFORE_FORGETTING: Final = (
    f"SELECT folded_rev > {_NEWEST} FROM state",
    _IS_AHEAD,
    REBUILD,
)
# The newest change of all may have been forgotten with its task.
_AHEAD: Final = (
    f"SELECT folded_rev > max(forgotten_rev, {_NEWEST}) FROM state",
    _IS_AHEAD,
    REBUILD,
)
CHECKS: Final = (
    (
        "SELECT count(*) FROM change WHERE NOT json_valid(task)",
        "{count} changes hold no JSON",
        RESTORE,
    ),
    (
        "SELECT (SELECT count(*) FROM state) != 1",
        "the row about the file itself is missing",
        RESTORE,
    ),
    LINKS,
    (
        """SELECT count(*) FROM task AS t LEFT JOIN change AS c ON c.rev = t.rev
           WHERE c.task_id IS NOT t.id AND t.id NOT IN (SELECT task_id FROM change)""",
        "{count} tasks have no change in the log",
        RESTORE,
    ),
    (
        """SELECT count(*) FROM task AS t JOIN change AS c ON c.rev = t.rev
           WHERE c.task_id = t.id AND (t.status, t.user, t.group_id, t.project_id)
               IS NOT (c.task->>'status', c.task->>'user', c.task->>'group_id',
                       c.task->>'project_id')""",
        "{count} tasks are found by what they are not",
        REBUILD,
    ),
    (
        """SELECT count(*) FROM (SELECT c.task_id AS id, max(c.rev) AS rev FROM change AS c, state
           WHERE c.rev <= state.folded_rev GROUP BY c.task_id) AS last
           LEFT JOIN task AS t ON t.id = last.id WHERE t.rev IS NOT last.rev""",
        "{count} tasks are not as the log says",
        REBUILD,
    ),
)


def plain(error: Exception) -> str:
    """Say in one line what went wrong."""
    if isinstance(error, OSError):
        return files.plain(error)
    return str(error).splitlines()[0] if str(error) else type(error).__name__
