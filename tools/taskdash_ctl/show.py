"""How tasks look on a terminal, in a pipe, and as JSON.

Everything from the network is escaped: no control character of a task reaches the terminal.
"""

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from taskdash_ctl.cells import Lines
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
_GAP: Final = 2
_CELL_MIN: Final = 8


def text(value: Any) -> str:
    """Write a value as it is: a string, or anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def clean(value: Any) -> str:
    """Write a value as one line without control characters."""
    plain = text(value)
    if plain.isprintable():
        return plain
    return "".join(one if one.isprintable() else _escaped(one) for one in plain)


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


def width(text: str) -> int:
    """Count the columns that a text takes on a terminal (East Asian wide characters take two)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
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


def styled(status: str, text: str | None = None) -> str:
    """Colour a text by the class of a status."""
    colour = "red" if status in (SHUTDOWN, "failed") else _COLOURS[status_class(status)]
    return click.style(clean(status) if text is None else text, fg=colour)


def use_colour() -> bool:
    """Tell whether standard output wants colours (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def tasks(rows: Iterable[Mapping[str, Any]], output: str, columns: Sequence[str]) -> None:
    """Print tasks in the form that was asked for, one of `FORMATS`."""
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
        _table(list(rows), columns)


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


def task(fields: Mapping[str, Any]) -> None:
    """Print one task, a field a line; empty ones are left out."""
    widest = max(width(clean(name)) for name in fields)
    for name, value in fields.items():
        if value in ("", None):
            continue
        text = styled(value) if name == "status" and use_colour() else clean(value)
        if name in _TIMES and sys.stdout.isatty():
            text += click.style(f"  ({ago(str(value))})", dim=use_colour())
        shown = clean(name)
        click.echo(f"{_pad(shown, None, widest)}  {text}", color=use_colour())


def event(kind: str, rev: int, fields: Mapping[str, Any]) -> None:
    """Print an event of a watch as one line."""
    at = str(fields.get("updated_at", ""))
    status = str(fields.get("status", ""))
    if not sys.stdout.isatty():
        cells = (at, str(rev), kind, clean(fields["id"]), clean(status), clean(fields["name"]))
        click.echo("\t".join(cells))
        return
    try:
        at = datetime.fromisoformat(at).astimezone().strftime("%H:%M:%S")
    except ValueError:
        at = clean(at)
    line = f"{at}  {_pad(styled(status, kind), kind, 10)}  {clean(fields['id'])}"
    line += f"  {styled(status)}" if status else ""
    # The reason of a failed task tells people more than its description.
    about = (fields.get("reason") if status == "failed" else None) or fields.get("description")
    if about:
        line += f"  {clean(about)}"
    click.echo(line, color=use_colour())


def _table(rows: list[Mapping[str, Any]], columns: Sequence[str]) -> None:
    if not rows:
        click.echo("no tasks match", err=True)
        return
    now = datetime.now(UTC)
    # Columns that are empty in every row only take room.
    columns = [one for one in columns if one in ("id", "status") or any(r.get(one) for r in rows)]
    heads = [_HEADINGS.get(column, column.upper().replace("_", " ")) for column in columns]
    cells = [
        [
            ago(str(row.get(column, "")), now) if column in _TIMES else clean(row.get(column, ""))
            for column in columns
        ]
        for row in rows
    ]
    natural = [max(width(line[index]) for line in [heads, *cells]) for index in range(len(columns))]
    room = shutil.get_terminal_size().columns
    while True:
        widths, keep = list(natural), columns.index("id") if "id" in columns else None
        if _fit(widths, room, keep) <= room:
            break
        if len(widths) == 1:
            widths[0] = min(widths[0], room)
            break
        # Drop the last column, which matters least; never the id, which people copy.
        dropped = len(widths) - (2 if keep == len(widths) - 1 else 1)
        del columns[dropped], natural[dropped]
        for line in (heads, *cells):
            del line[dropped]
    head = "  ".join(
        _pad(_cut(text, size), None, size) for text, size in zip(heads, widths, strict=True)
    )
    click.echo(click.style(head.rstrip(), bold=True), color=use_colour())
    for row, line in zip(rows, cells, strict=True):
        shown = []
        for column, text, size in zip(columns, line, widths, strict=True):
            short = _cut(text, size)
            colour = styled(str(row["status"]), short) if column == "status" else short
            shown.append(_pad(colour, short, size))
        click.echo("  ".join(shown).rstrip(), color=use_colour())


def _fit(widths: list[int], room: int, keep: int | None) -> int:
    """Narrow the widest columns until all fit; never below `_CELL_MIN`, nor the column `keep`.

    Returns the room that the columns then take, which may still be too much.
    """
    choice = [index for index in range(len(widths)) if index != keep]
    while (taken := sum(widths) + _GAP * (len(widths) - 1)) > room:
        widest = max(choice, key=lambda index: widths[index], default=None)
        if widest is None or widths[widest] <= _CELL_MIN:
            break
        widths[widest] -= 1
    return taken


def _cut(text: str, room: int) -> str:
    if width(text) <= room:
        return text
    kept = ""
    for one in text:
        if width(kept) + width(one) > room - 1:
            break
        kept += one
    return kept + "…"


def _pad(text: str, plain: str | None, room: int) -> str:
    return text + " " * (room - width(text if plain is None else plain))


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()
