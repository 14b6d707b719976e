"""Rows as every engine stores them: what a change becomes, and what comes of a row."""

from collections.abc import Sequence
from struct import error
from typing import Any, Final, get_args
from zlib import crc32

from taskdash_protocol.errors import StorageError
from taskdashd.domain.tasks import Change, Task, TaskKind, restore
from taskdashd.store.kept import keep
from taskdashd.store.kept import of as of_task

COLUMNS: Final = (
    *("rev", "previous_rev", "kind", "at", "actor", "task_id", "owner", "holder", "held_since"),
    *("task", "crc", "task_kind"),
)
"""The columns of `change`, in the order of `of`."""

TASK_KINDS: Final = get_args(TaskKind)
"""The kinds of tasks, each stored as its place in this list."""
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(TASK_KINDS)}

STATES: Final = (
    *("", "finish", "finished", "failed", "cancelled", "shutdown", "待领取", "pending", "已领取"),
    *("编辑中", "待审核", "review", "草稿", "待批准", "待触发", "待执行"),
)
"""The statuses that are not live, each stored as its place in this list; 0 is any live one. Another
place or word needs a migration."""


_DAMAGED: Final = "a record in the database is damaged: taskdashd check says what to do"


class Damaged(StorageError):
    """A stored text does not match its checksum: it has changed on the disk."""


def of(change: Change) -> tuple[Any, ...]:
    """Give the row of `change` that a change is stored as."""
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
    """Build a task from a row of `Sql.load_by_id` or `load_by_rev`. Raises `Damaged`."""
    *columns, kind, has_own, body, crc = row
    return restore(tuple(columns), text(body, crc), TASK_KINDS[kind], has_own=bool(has_own))


def kept(row: Sequence[Any]) -> bytes:
    """Keep a task as bytes, from such a row. Raises `Damaged`."""
    rev, _, owner, holder, held_since, kind, has_own, body, crc = row
    if crc is None or not has_own:
        # In a row from before there was one or the other, look at the members themselves.
        return of_task(restored(row))
    try:
        columns = (rev, owner, holder, held_since)
        return keep(columns, TASK_KINDS[kind], text(body, crc))
    except error:
        # A number that is none, or is beyond what the daemon ever writes.
        raise Damaged(_DAMAGED) from None


def text(stored: Any, crc: Any) -> bytes:
    """Give a stored text in UTF-8. Raises `Damaged` where it does not match its CRC-32."""
    body = stored.encode() if type(stored) is str else b""
    if type(stored) is not str or (crc is not None and crc32(body) != crc):
        raise Damaged(_DAMAGED)
    return body
