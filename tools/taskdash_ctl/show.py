"""How tasks look on a terminal, in a pipe, and as JSON.

Everything from the network is escaped: no control character of a task reaches the terminal.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from taskdash_ctl import table
from taskdash_ctl.cells import Lines
from taskdash_protocol.escapes import encodable
from taskdash_protocol.statuses import SHUTDOWN, status_class

COLUMNS: Final = (
    "id",
    "name",
    "status",
    "progress",
    "user",
    "group_id",
    "last_seen",
    "description",
    "reason",
)
ROW_FORMATS: Final = ("table", "json", "jsonl", "csv")
FORMATS: Final = (*ROW_FORMATS, "name")
_HEADINGS: Final = {"group_id": "GROUP", "last_seen": "SEEN"}
_TIMES: Final = frozenset(("created_at", "updated_at", "last_seen", "shutdown_at"))
_COLOURS: Final = {"live": "green", "waiting": "yellow", "ended": "bright_black"}
_AGES: Final = _TIMES | {"since"}
"""Columns of times that a terminal shows as how long ago they were."""
PEOPLE: Final = frozenset(("user", "checker", "submitted_by", "freed_from", "by"))
"""Columns that hold somebody's number."""
_OF_EVENT: Final = ("at", "kind", "id", "name", "status", "user", "description")
"""The columns of an event."""

Called = Callable[[Any], str]
"""Writes somebody's number for people."""


def text(value: Any) -> str:
    """Write a value as it is: a string, or anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def clean(value: Any) -> str:
    """Write a value as one line without control characters, in what the output can encode."""
    plain = text(value)
    if not plain.isprintable():
        plain = "".join(one if one.isprintable() else _escaped(one) for one in plain)
    return encodable(plain, sys.stdout)


def as_json(value: Any, indent: int | None = None) -> str:
    """Write JSON in which nothing acts on a terminal: what is not printable is escaped."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    # Only strings of JSON hold such characters, and there an escape means the same; the line
    # breaks of an indented text stay.
    return (
        "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
        if not text.isprintable()
        else text
    )


def ago(stamp: str, now: datetime | None = None) -> str:
    """Write an RFC 3339 time as how long ago it was; a time to come as it is."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return clean(stamp)
    seconds = int(((now or datetime.now(UTC)) - moment).total_seconds())
    if seconds < 0:
        return clean(stamp)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


def clock(stamp: str) -> str:
    """Write an RFC 3339 time as the clock here shows it, with the day where it is not today."""
    try:
        moment = datetime.fromisoformat(stamp).astimezone()
    except ValueError:
        return clean(stamp)
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def styled(status: str, text: str | None = None) -> str:
    """Colour a text by the class of a status."""
    colour = "red" if status in (SHUTDOWN, "failed") else _COLOURS[status_class(status)]
    return click.style(clean(status) if text is None else text, fg=colour)


def use_colour() -> bool:
    """Tell whether standard output wants colours (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def tasks(
    rows: Iterable[Mapping[str, Any]],
    output: str,
    columns: Sequence[str],
    called: Called = clean,
) -> None:
    """Print tasks in the form that was asked for, one of `FORMATS`.

    `called` writes people's numbers in a table on a terminal; any other form has them as they are.
    """
    if output == "json":
        click.echo(as_json(list(rows), indent=2))
    elif output == "jsonl":
        for row in rows:
            click.echo(as_json(row))
    elif output == "csv":
        lines = Lines(sys.stdout)
        lines.write(columns)
        told = clean if sys.stdout.isatty() else text
        for row in rows:
            lines.write(told(row.get(column, "")) for column in columns)
    elif output == "name":
        for row in rows:
            click.echo(clean(row["id"]))
    elif not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(clean(row.get(column, "")) for column in columns))
    else:
        _table(list(rows), columns, called)


def pairs(told: Iterable[tuple[str, str]]) -> None:
    """Print what is known of something, a word before each line."""
    rows = list(told)
    widest = max(len(name) for name, _ in rows)
    for name, text in rows:
        head = click.style(name.ljust(widest), dim=True) if use_colour() else name.ljust(widest)
        click.echo(f"{head}  {clean(text)}", color=use_colour())


def size(count: float) -> str:
    """Write a number of bytes for people, in binary units (IEC 80000-13)."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def duration(seconds: float) -> str:
    """Write a length of time for people: its two largest units."""
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m")]
    parts.append((whole % 60, "s"))
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count}{unit}" for count, unit in parts[:2])


def task(fields: Mapping[str, Any], called: Called = clean) -> None:
    """Print one task, a field a line; empty ones are left out."""
    widest = max(table.width(clean(name)) for name in fields)
    for name, value in fields.items():
        if value in ("", None):
            continue
        text = styled(value) if name == "status" and use_colour() else clean(value)
        if name in _TIMES and sys.stdout.isatty():
            text += click.style(f"  ({ago(str(value))})", dim=use_colour())
        if name in PEOPLE and sys.stdout.isatty():
            text = called(value)
        click.echo(f"{table.padded(clean(name), widest)}  {text}", color=use_colour())


class Events:
    """Prints the events of a watch, each on a line, its columns under those of the lines before.

    A column grows with what comes, within the width of the terminal, which may change at any time.
    """

    def __init__(self, called: Called = clean) -> None:
        self._called = called
        self._wanted = dict.fromkeys(_OF_EVENT, 0)

    def show(self, events: Iterable[tuple[str, int, Mapping[str, Any]]]) -> None:
        """Print events: of each its kind, its rev and the task."""
        if not sys.stdout.isatty():
            for kind, rev, fields in events:
                at, status = fields.get("updated_at", ""), fields.get("status", "")
                cells = (at, str(rev), kind, fields["id"], status, fields.get("name", ""))
                click.echo("\t".join(map(clean, cells)))
            return
        lines = [self._line(kind, fields) for kind, _, fields in events]
        room = shutil.get_terminal_size().columns
        found = dict(table.natural(_OF_EVENT, [tuple(one.values()) for one in lines], room))
        # One long id must not take the room from all lines to come.
        ids = (table.width(one["id"]) for one in lines)
        found["id"] = max((size for size in ids if size <= room // 4), default=1)
        for name, size in found.items():
            self._wanted[name] = max(self._wanted[name], size)
        widths = table.layout({name: size for name, size in self._wanted.items() if size}, room)
        for line in lines:
            _row(line, widths, "id", line["status"])

    def _line(self, kind: str, fields: Mapping[str, Any]) -> dict[str, str]:
        status = clean(fields.get("status", ""))
        # The reason of a failed task tells people more than its description.
        about = (fields.get("reason") if status == "failed" else None) or fields.get("description")
        told = clock(str(fields.get("updated_at", ""))), kind, clean(fields["id"])
        name, user = clean(fields.get("name", "")), self._called(fields.get("user", ""))
        cells = (*told, name, status, user, clean(about or ""))
        return dict(zip(_OF_EVENT, cells, strict=True))


def _table(rows: list[Mapping[str, Any]], columns: Sequence[str], called: Called) -> None:
    if not rows:
        click.echo("no tasks match", err=True)
        return
    now = datetime.now(UTC)
    # Columns that are empty in every row only take room.
    columns = [one for one in columns if one in ("id", "status") or any(r.get(one) for r in rows)]
    heads = [_HEADINGS.get(column, column.upper().replace("_", " ")) for column in columns]
    lines = [
        [_cell(column, row.get(column, ""), now, called) for column in columns] for row in rows
    ]
    room = shutil.get_terminal_size().columns
    widths = table.layout(dict(table.natural(columns, [heads, *lines], room)), room)
    key = table.key_of(columns)
    _row(dict(zip(columns, heads, strict=True)), widths, key, None)
    for row, line in zip(rows, lines, strict=True):
        _row(dict(zip(columns, line, strict=True)), widths, key, str(row.get("status", "")))


def _row(cells: Mapping[str, str], widths: Mapping[str, int], key: str, status: str | None) -> None:
    """Print a line of a table; the headings have no status."""
    parts = []
    for column, size in widths.items():
        text = cells[column]
        if column == key and table.width(text) > size:
            # A key that is longer than its column stands above its line, whole.
            click.echo(text)
            text = ""
        short = table.cut_person(text, size) if column in PEOPLE else table.cut(text, size)
        shown = short
        if status is None:
            shown = click.style(short, bold=True)
        elif column in ("status", "kind"):
            shown = styled(status, short)
        parts.append(table.padded(short, size, shown))
    click.echo((" " * table.GAP).join(parts).rstrip(), color=use_colour())


def _cell(column: str, value: Any, now: datetime, called: Called) -> str:
    if column in _AGES:
        return ago(str(value), now)
    if column == "at":
        return clock(str(value))
    return called(value) if column in PEOPLE else clean(value)


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()
