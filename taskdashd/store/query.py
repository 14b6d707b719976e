"""Query: from a request to SQL, and from rows to a page."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

from peewee import SQL, Tuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.tasks import Query
from taskdash_protocol.fields import CLASS
from taskdash_protocol.statuses import ENDED, WAITING
from taskdashd.domain import tasks
from taskdashd.domain.access import Sight
from taskdashd.store import cursors, dialect, schema
from taskdashd.store.audit import Rows

_SEARCHED: Final = ("id", "name", "description")


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
    bytes_max: int,
    unfolded: Mapping[str, int] | None,
    database: dialect.Connection,
    rows: Rows,
) -> Page:
    """Read a page. Raises `BadRequest` for a malformed cursor."""
    field, descending = request.order.removeprefix("-"), request.order.startswith("-")
    key = _expression(field)
    query = (
        schema.Task.select(schema.Task.id, schema.Task.rev, key)
        .join(schema.Change, on=(schema.Change.rev == schema.Task.rev))
        .limit(request.limit + 1)
    )
    for name, values in request.where.items():
        query = query.where(_is_in(name, values))
    if sight is not None:
        query = query.where(_seen(sight))
    if request.contains:
        query = query.where(_contains(request.contains))
    if unfolded:
        query = query.where(schema.Task.id.not_in(list(unfolded)))
    order: list[Any] = [key, schema.Task.id] if field != "id" else [schema.Task.id]
    after = None
    if request.after is not None:
        after = _place(cursors.read(request.after, request.order), field, request, sight, rows)
        position = Tuple(*order) if len(order) > 1 else order[0]
        bound = Tuple(*after) if len(order) > 1 else after[-1]
        query = query.where(position < bound if descending else position > bound)
    query = query.order_by(*(item.desc() if descending else item.asc() for item in order))
    sql, parameters = query.bind(database).sql()
    found = list(rows(sql, tuple(parameters)))
    if unfolded:
        found += _unfolded(request, sight, field, after, descending, unfolded, rows)
        found.sort(key=lambda row: (row[2], row[0]), reverse=descending)
        del found[request.limit + 1 :]
    revs = dialect.json_list(rev for _, rev, _ in found[: request.limit])
    # Fetch bodies row by row, and none behind the page's end: bodies can be large.
    return _page(found, rows(dialect.BODIES, (revs,)), request.order, bytes_max)


def _place(
    cursor: cursors.Cursor, field: str, request: Query, sight: Sight | None, rows: Rows
) -> tuple[Any, str]:
    key, task_id, rev = cursor
    if key is None:
        found = rows(dialect.BODIES, (dialect.json_list([rev]),))
        held = [strictjson.reload(dialect.text(*row)) for row in found]
        fields: dict[str, Any] = held[0] if held else {}
        # Accept only a cursor to a row that this Query selects: a forged one would reveal a hidden
        # task's field by where the page begins.
        if fields.get("id") != task_id or not _selects(request, sight, fields):
            raise BadRequest("field after is a cursor to a change that is no longer held")
        key = fields[field]
    return key, task_id


def _unfolded(
    request: Query,
    sight: Sight | None,
    field: str,
    after: tuple[Any, str] | None,
    descending: bool,
    unfolded: Mapping[str, int],
    rows: Rows,
) -> Iterator[tuple[str, int, Any]]:
    revs = dialect.json_list(unfolded.values())
    for rev, task_id, *_, body, crc in rows(dialect.LOAD_BY_REV, (revs,)):
        fields = strictjson.reload(dialect.text(body, crc))
        here = (fields[field], task_id)
        passed = after is not None and (here >= after if descending else here <= after)
        if not passed and _selects(request, sight, fields):
            yield task_id, rev, fields[field]


def _selects(request: Query, sight: Sight | None, fields: Mapping[str, Any]) -> bool:
    wanted = {name: frozenset(values) for name, values in request.where.items()}
    if not tasks.matches(wanted, fields) or (sight is not None and not sight.sees(fields)):
        return False
    text = dialect.folded(request.contains)
    return not text or any(text in dialect.folded(fields[name]) for name in _SEARCHED)


def _contains(text: str) -> Any:
    return reduce(or_, [dialect.has_text(_expression(name), text) for name in _SEARCHED])


def _seen(sight: Sight) -> Any:
    seen = schema.Task.group_id.in_(sorted(sight.groups))
    if sight.person:
        # SQLite uses the partial index of checkers only where its condition is repeated.
        checks = (schema.Task.checker != SQL("''")) & (schema.Task.checker == sight.person)
        seen = seen | (schema.Task.user == sight.person) | checks
    return seen


def _is_in(name: str, values: tuple[str, ...]) -> Any:
    if name != CLASS:
        found = _expression(name).in_(values)
        if name in ("checker", "parent_id") and all(values):
            # SQLite uses a partial index only where its condition is repeated.
            found = found & (_expression(name) != SQL("''"))
        return found
    conditions = [_of_class(value) for value in set(values)]
    return reduce(or_, conditions) if conditions else schema.Task.id.is_null()


def _of_class(name: str) -> Any:
    if name == "live":
        return schema.Task.live == SQL("1")
    return schema.Task.status.in_(sorted(WAITING if name == "waiting" else ENDED))


def _expression(name: str) -> Any:
    if name == "updated_at":
        return schema.Task.at
    if name in schema.Task._meta.fields:
        return getattr(schema.Task, name)
    return dialect.member(schema.Change.task, name)


def _page(
    found: list[tuple[str, int, Any]], bodies: Iterator[Any], order: str, bytes_max: int
) -> Page:
    taken: list[StoredTask] = []
    size = 0
    with closing(bodies):  # type: ignore[type-var]
        for (task_id, _, _), text in zip(found, bodies, strict=False):
            body = dialect.text(*text)
            size += len(body)
            if taken and size > bytes_max:
                break
            taken.append(StoredTask(task_id, body))
    if len(taken) == len(found):
        return Page(taken, None)
    return Page(taken, cursors.write(order, *found[len(taken) - 1]))
