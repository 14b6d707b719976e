"""Which tasks `taskdash-ctl list` shows, in which order, and how many there are in all."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, Final

import click

import taskdash
from taskdash_ctl import show, table
from taskdash_ctl.names import Names
from taskdash_protocol.families.operators import Status
from taskdash_protocol.readers import PAGE_MAX

_LEAST: Final = 10
"""Tasks that also the lowest terminal is shown."""
_OTHER_LINES: Final = 4
"""Lines of a terminal beside those of the tasks: the command, the headings, the sum, the prompt."""
_COUNTED_MAX: Final = 10_000
"""Tasks that are read only to say how many there are."""


@dataclass(frozen=True)
class Query:
    """What was asked for; `order` and `limit` are None where nobody said."""

    dash: taskdash.Client
    where: Mapping[str, list[str]]
    contains: str
    order: str | None
    limit: int | None

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give the tasks for a program: all, by id, unless somebody said otherwise."""
        return islice(self.pages(self.order or "id", self.limit or PAGE_MAX), self.limit or None)

    def pages(self, order: str, page: int) -> Iterator[dict[str, Any]]:
        """Read on for as long as the tasks are taken."""
        size = min(page, PAGE_MAX)
        return self.dash.query(self.where, order=order, page=size, contains=self.contains)


def screen(query: Query, columns: Sequence[str], *, newest_last: bool) -> None:
    """Print a table for people, and below it how many tasks there are."""
    limit = query.limit
    if limit is None:
        # What is newest would else be out of sight, above the screen.
        limit = max(shutil.get_terminal_size().lines - _OTHER_LINES, _LEAST)
    rows, total = _found(query, limit)
    if query.limit is None:
        rows = _fitting(rows, limit)
    if newest_last and query.order is None:
        # The lines of a watch follow, each newer than the one above.
        rows.reverse()
    names = Names(query.dash)
    names.learn(rows)
    show.tasks(rows, "table", columns, names.called)
    if rows:
        click.echo(_told(query, len(rows), total), err=True)


def _fitting(rows: list[dict[str, Any]], lines: int) -> list[dict[str, Any]]:
    """Leave out the last rows where long ids, which stand on lines of their own, take the room."""
    sizes = [table.width(show.clean(row["id"])) for row in rows]
    taken = accumulate(table.lines_of(sizes, shutil.get_terminal_size().columns))
    fit = sum(so_far <= lines for so_far in taken)
    return rows[: max(fit, 1)]


def _found(query: Query, limit: int) -> tuple[list[dict[str, Any]], int | None]:
    """Give the tasks to show and the number of all; None: more than is worth counting."""
    if query.order is None and not 0 < limit <= PAGE_MAX:
        # A task that changes while later pages are read moves before them, and would be missed:
        # read by id, which stays, and order here.
        rows = sorted(query.pages("id", PAGE_MAX), key=lambda row: -row["rev"])
        return rows[: limit or None], len(rows)
    there = query.pages(query.order or "-rev", limit or PAGE_MAX)
    rows = list(islice(there, limit or None))
    if not limit or len(rows) < limit:
        return rows, len(rows)
    return rows, _total(query)


def _total(query: Query) -> int | None:
    if not query.where and not query.contains:
        try:
            counts: dict[str, int] = query.dash.call(Status())["tasks"]
            return sum(counts.values())
        except taskdash.AuthError:
            # Only its groups are there for this token: count them.
            pass
    counted = sum(1 for _ in islice(query.pages("id", PAGE_MAX), _COUNTED_MAX + 1))
    return counted if counted <= _COUNTED_MAX else None


def _told(query: Query, shown: int, total: int | None) -> str:
    all_ = f"more than {_COUNTED_MAX}" if total is None else str(total)
    if total is not None and total <= shown:
        return "1 task" if shown == 1 else f"{shown} tasks"
    which = "newest" if query.order is None else "first"
    return f"the {which} {shown} of {all_} tasks; --limit 0 lists all, --contains WORDS finds"
