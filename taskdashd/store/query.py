"""Query: from a request to SQL, and from rows to a page."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.tasks import Query
from taskdashd.domain.access import Sight
from taskdashd.domain.search import Sought
from taskdashd.domain.selecting import matches
from taskdashd.store import cursors, finding, plans
from taskdashd.store.dialect.rows import text
from taskdashd.store.dialect.sql import Rows


class StoredTask(NamedTuple):
    """A row of a Query's page."""

    id: str
    body: bytes


class Page(NamedTuple):
    """The answer to a Query."""

    rows: list[StoredTask]
    next: str | None


def read(
    request: Query,
    sight: Sight | None,
    sought: Sought | None,
    bytes_max: int,
    unfolded: Mapping[str, int] | None,
    rows: Rows,
) -> Page:
    """Read a page. Raises `BadRequest` for a malformed cursor."""
    field, descending = request.order.removeprefix("-"), request.order.startswith("-")
    request = _within(request, sight)
    selection = Selection(request, sight, sought)
    after = None
    if request.after is not None:
        after = _place(cursors.read(request.after, request.order), field, selection, rows)
    place = finding.Place(field, descending, after, request.limit + 1, tuple(unfolded or ()))
    found = finding.Finder(plans.wanted(request, sight, rows.sql), place, sought, rows).find()
    if unfolded:
        found += _unfolded(selection, place, unfolded, rows)
        found.sort(key=lambda row: (row[2], row[0]), reverse=descending)
        del found[request.limit + 1 :]
    revs = (rev for _, rev, _ in found[: request.limit])
    return _page(found, rows.sql.page(rows, revs, bytes_max), request.order, bytes_max)


def _within(request: Query, sight: Sight | None) -> Query:
    """Give a request with the bound of the sight's groups, if it has one, as a condition."""
    if sight is None or sight.within is None:
        return request
    bound = sight.within.intersection(request.where.get("group_id", sight.within))
    return replace(request, where={**request.where, "group_id": tuple(sorted(bound))})


class Selection(NamedTuple):
    """What selects a task: a Query, what may be seen, and what is looked for."""

    request: Query
    sight: Sight | None
    sought: Sought | None

    def selects(self, fields: Mapping[str, Any]) -> bool:
        """Tell whether a task is selected."""
        wanted = {name: frozenset(values) for name, values in self.request.where.items()}
        return (
            matches(wanted, fields)
            and (self.sight is None or self.sight.sees(fields))
            and (self.sought is None or self.sought.finds(fields))
        )


def _place(cursor: cursors.Cursor, field: str, selection: Selection, rows: Rows) -> tuple[Any, str]:
    key, task_id, rev = cursor
    if key is None:
        found = rows(rows.sql.bodies, (rows.sql.listed([rev]),))
        held = [strictjson.reload(text(*row)) for row in found]
        fields: dict[str, Any] = held[0] if held else {}
        # Accept only a cursor to a row that this Query selects: a forged one would reveal a hidden
        # task's field by where the page begins.
        if fields.get("id") != task_id or not selection.selects(fields):
            raise BadRequest("field after is a cursor to a change that is no longer held")
        key = plans.value_in(fields, field)
    return key, task_id


def _unfolded(
    selection: Selection, place: finding.Place, unfolded: Mapping[str, int], rows: Rows
) -> Iterator[tuple[str, int, Any]]:
    revs = rows.sql.listed(unfolded.values())
    for rev, task_id, *_, body, crc in rows(rows.sql.load_by_rev, (revs,)):
        fields = strictjson.reload(text(body, crc))
        value = plans.value_in(fields, place.field)
        here = (value, task_id)
        after = place.after
        passed = after is not None and (here >= after if place.descending else here <= after)
        if not passed and selection.selects(fields):
            yield task_id, rev, value


def _page(
    found: list[tuple[str, int, Any]], bodies: Iterator[Any], order: str, bytes_max: int
) -> Page:
    taken: list[StoredTask] = []
    size = 0
    with closing(bodies):  # type: ignore[type-var]
        for (task_id, _, _), stored in zip(found, bodies, strict=False):
            body = text(*stored)
            size += len(body)
            if taken and size > bytes_max:
                break
            taken.append(StoredTask(task_id, body))
    if len(taken) == len(found):
        return Page(taken, None)
    return Page(taken, cursors.write(order, *found[len(taken) - 1]))
