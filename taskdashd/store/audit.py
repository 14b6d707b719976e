"""Reads the change log backwards, for the audit.

The history of one task is a linked list through the log (`previous_rev`), so it needs no index. The
log as a whole is in the order of `rev`, and so is `act` beside it.

`Database.prune` deletes a row only once the change that replaced it is older than `audit_keep`: so
each younger change is shown with the task before it, and a task's last row stays for ever.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from typing import Any, Final, NamedTuple

from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.operators import Audit
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Task
from taskdashd.domain.times import stamp
from taskdashd.store.dialect.rows import Damaged, restored, text
from taskdashd.store.dialect.sql import ACTS, LOG, Rows

_CURSOR: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")
_NEWEST: Final = 10**18 - 1
_SCANNED_MAX: Final = 20_000
"""Rows examined for one page. Then the page ends, even empty: a rare filter could read the log."""
_ACT_BYTES: Final = 4_000
"""Size of an act in a reply, at most."""
_ENTRY_BYTES: Final = 300
"""Size of a change in a reply beside the task, the task before and the actor."""
_OUT_OF_ORDER_S: Final = 600.0
"""How far a clock may have been set back: then `at` falls while `rev` rises, and older entries than
`since` stand before wanted ones."""
DAMAGED: Final = "damaged"
"""The kind told of a change whose body fails its checksum: only who and when can be read."""

By = re.Pattern[str] | None
"""Matches `who` of those whose doings are wanted; None: everybody's."""

Place = tuple[int, int]
"""Order of an entry: (rev, 0) for a change, (rev, id) for an act, so acts follow their change."""


class Entry(NamedTuple):
    """A change of a task, as the log has it."""

    rev: int
    kind: str
    at: str
    who: str
    task: bytes
    previous: bytes
    """The task before the change; empty where the task was new, or the row before was deleted."""


class History(NamedTuple):
    """A page of the audit."""

    entries: list[Entry | Act]
    next: str | None
    task: Task | None
    """The task whose history was asked for, as it is now; None for the whole log."""


def read(request: Audit, bytes_max: int, rows: Rows, by: By = None) -> History:
    """Read a page; with `by` only what those did whom it matches. Raises `BadRequest`."""
    rev, act_id = _position(request.after)
    task: Task | None = None
    if request.task:
        wanted = (rows.sql.listed([request.task]),)
        for row in rows(rows.sql.load_by_id, wanted):
            task = restored(row)
        if task is None:
            return History([], None, None)
        entries = _changes(rows.stream(rows.sql.history, (min(rev, task.rev), request.task)))
    else:
        acts = _acts(rows.stream(ACTS, (act_id,)))
        entries = merge(_changes(rows.stream(LOG, (rev,))), acts, key=_place, reverse=True)
    oldest = _earlier(request.since)
    found: list[Entry | Act] = []
    size = 0
    for scanned, ((its_rev, its_act), entry) in enumerate(entries):
        if oldest and entry.at < oldest:
            break
        size += _size(entry) if (taken := _is_wanted(request, entry, by)) else 0
        if scanned == _SCANNED_MAX or (
            taken and found and (len(found) == request.limit or size > bytes_max)
        ):
            place = (rev, its_act) if its_act else (its_rev, act_id)
            return History(found, f"{place[0]}.{place[1]}", task)
        if taken:
            found.append(entry)
        if its_act:
            act_id = its_act - 1
        else:
            rev = its_rev - 1
    return History(found, None, task)


def _position(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return _NEWEST, _NEWEST
    read = _CURSOR.fullmatch(cursor)
    if read is None:
        raise BadRequest("field after must be a cursor that a reply gave as next")
    return int(read[1]), int(read[2])


def _changes(rows: Iterator[Any]) -> Iterator[tuple[Place, Entry | Act]]:
    for rev, kind, at, who, task, crc, before, before_crc in rows:
        body, previous = _whole(task, crc), _whole(before, before_crc)
        yield (rev, 0), Entry(rev, kind if body else DAMAGED, at, who, body, previous)


def _whole(task: str, crc: int | None) -> bytes:
    try:
        return text(task, crc)
    except Damaged:
        # Show the entry without its body: who, when and all older entries are still readable.
        return b""


def _earlier(since: str) -> str:
    """Give the time below which the scan may stop: entries are in the order of revs, not times."""
    if not since:
        return ""
    return stamp(datetime.fromisoformat(since).timestamp() - _OUT_OF_ORDER_S)


def _acts(rows: Iterator[Any]) -> Iterator[tuple[Place, Entry | Act]]:
    for number, *columns in rows:
        act = Act(*columns)
        yield (act.rev, number), act


def _place(placed: tuple[Place, Entry | Act]) -> Place:
    return placed[0]


def _size(entry: Entry | Act) -> int:
    if not isinstance(entry, Entry):
        return _ACT_BYTES
    # Count texts at a multiple of their length: the reply's encoding may escape characters.
    return 2 * (len(entry.task) + len(entry.previous)) + 4 * len(entry.who) + _ENTRY_BYTES


def _is_wanted(request: Audit, entry: Entry | Act, by: By) -> bool:
    return (
        (not request.kinds or entry.kind in request.kinds)
        and request.who in entry.who
        and (by is None or by.search(entry.who) is not None)
        and (not request.until or entry.at < request.until)
        and entry.at >= request.since
    )
