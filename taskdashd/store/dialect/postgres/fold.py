"""The fold on PostgreSQL: the daemon reads the last rows of a slice and writes what they select by.

PostgreSQL itself never parses a task: its JSON refuses what ours takes, such as a NUL. A text that
has not changed is not written again, or the index of texts would take it in once more.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.fields import ACKNOWLEDGED, PRIORITIES, PRIORITY, PRIORITY_DEFAULT
from taskdash_protocol.statuses import OF_PEOPLE
from taskdashd.domain.labels import compared, labels_of
from taskdashd.domain.search import searched
from taskdashd.store.dialect import rows
from taskdashd.store.dialect.postgres.session import Session

COLUMNS: Final = (
    *("id", "rev", "state", "heartbeat_timeout", "status", "user", "group_id", "project_id"),
    *("checker", "parent_id", "url", "rank", "queue", "made_by", "at", "kind", "acknowledged"),
    *("priority", "name"),
)
"""The columns of `task`, in the order of `task`."""
_QUOTED: Final = ", ".join(f'"{name}"' for name in COLUMNS)
_SET: Final = ", ".join(
    f'"{name}" = excluded."{name}"' for name in COLUMNS if name not in ("id", "kind")
)
_STATE_OF: Final = {status: place for place, status in enumerate(rows.STATES) if place}
_DIGITS: Final = str.maketrans("", "", "-:T.Z")
_NO_WORD: Final = "\n"
"""Stands for a NUL, which the server refuses in a text: no word that is looked for holds it."""
_BYTES_AT_ONCE: Final = 4 << 20

_LAST: Final = """
SELECT c.task_id, c.rev, c.at, c.task_kind, c.rev > (SELECT own_since FROM state), c.task, c.crc
FROM (SELECT max(rev) AS rev FROM change WHERE rev > ? AND rev <= ? GROUP BY task_id) AS last
JOIN change AS c ON c.rev = last.rev
"""
_STAGE: Final = (
    "CREATE TEMP TABLE IF NOT EXISTS folding (LIKE task) ON COMMIT DELETE ROWS",
    "CREATE TEMP TABLE IF NOT EXISTS folding_text (LIKE task_text) ON COMMIT DELETE ROWS",
)
_MERGE: Final = (
    f"INSERT INTO task ({_QUOTED}) SELECT {_QUOTED} FROM folding"
    f" ON CONFLICT (id) DO UPDATE SET {_SET}, kind = greatest(task.kind, excluded.kind)",
    "INSERT INTO task_text AS x SELECT * FROM folding_text"
    " ON CONFLICT (id) DO UPDATE SET text = excluded.text, rev = excluded.rev"
    " WHERE x.text <> excluded.text",
    "TRUNCATE folding, folding_text",
)


def fold(session: Session, after_rev: int, to_rev: int) -> None:
    """Bring the tables of tasks, labels and texts from one rev of the log to another."""
    wire = session.live()
    for statement in _STAGE:
        wire.execute(statement)
    for some in _pieces(session.stream(_LAST, (after_rev, to_rev))):
        parsed = [(row, fields_of(row[5])) for row in some]
        with wire.cursor().copy(f"COPY folding ({_QUOTED}) FROM STDIN") as copy:
            for row, fields in parsed:
                copy.write_row(task(row, fields))
        with wire.cursor().copy("COPY folding_text (id, rev, text) FROM STDIN") as copy:
            for row, fields in parsed:
                copy.write_row((row[0], row[1], searched(fields).replace("\0", _NO_WORD)))
        for statement in _MERGE:
            wire.execute(statement)
        wire.execute("DELETE FROM task_label WHERE id = ANY(%s)", ([row[0] for row in some],))
        with wire.cursor().copy("COPY task_label (id, label, state, rev) FROM STDIN") as copy:
            for row, fields in parsed:
                for label in sorted(_labels(fields)):
                    copy.write_row((row[0], label, _STATE_OF.get(fields["status"], 0), row[1]))


def _pieces(found: Iterator[Any]) -> Iterator[list[Any]]:
    """Give rows in pieces: a slice of large tasks would take a gigabyte."""
    some: list[Any] = []
    size = 0
    for row in found:
        some.append(row)
        size += len(row[5])
        if size > _BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def fields_of(body: str) -> Any:
    """Read a task as its row of `change` has it: no text of PostgreSQL's can hold a NUL."""
    fields = strictjson.reload(body.encode())
    return _without_nul(fields) if "\\u0000" in body else fields


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(one) for one in value]
    if isinstance(value, dict):
        return {name: _without_nul(one) for name, one in value.items()}
    return value


def task(row: Any, fields: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give the row of the table of tasks that a row of `_LAST` stands for."""
    task_id, rev, at, kind, has_own, _, _ = row
    status: str = fields["status"]
    own = fields if has_own else {}
    tree, job = _object(own, "tree"), _object(own, "job")
    if kind is None:
        kind = int(status in OF_PEOPLE)
    rank = tree.get("rank")
    if rank is None:
        rank = fields["created_at"].translate(_DIGITS)
    priority = fields.get(PRIORITY)
    if type(priority) is not int or priority not in PRIORITIES:
        priority = PRIORITY_DEFAULT
    answer = _object(own, ACKNOWLEDGED) if ACKNOWLEDGED in own else None
    acknowledged = 0 if answer is None else 2 if answer.get("hide") else 1
    return (
        *(task_id, rev, _STATE_OF.get(status, 0), fields.get("heartbeat_timeout"), status),
        *(fields[name] for name in ("user", "group_id", "project_id", "checker", "parent_id")),
        *(fields["url"], rank, job.get("queue", ""), tree.get("made_by", ""), at, kind),
        *(acknowledged, priority, fields["name"]),
    )


def _labels(fields: Mapping[str, Any]) -> set[str]:
    """Give the labels that a task can be found by: nobody may ask for one with a NUL."""
    return {label for label in map(compared, labels_of(fields)) if "\0" not in label}


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}
