"""The options that several commands share, and how their values are read."""

import os
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, Final

import click

from taskdash_ctl import completing, show
from taskdash_protocol import typed
from taskdash_protocol.fields import CONTROL_FIELDS, DAEMON_FIELDS, SELECTABLE, TASK_FIELDS

_FILTERS: Final = {
    "--user": "user",
    "--group": "group_id",
    "--status": "status",
    "--project": "project_id",
    "--parent": "parent_id",
}

_MEANT: Final[dict[str, Callable[[str], Iterable[str]]]] = {
    "user": lambda text: (typed.number(text),),
    "group_id": lambda text: (typed.name(text), *typed.names(text)),
}

_NOT_BY_FIELD: Final = {"id", "name", "timeout_s", *CONTROL_FIELDS, *DAEMON_FIELDS}


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select tasks."""
    command = click.option(
        "--where",
        "-f",
        multiple=True,
        metavar="FIELD=VALUE",
        help="Any other field; given twice, either value will do.",
    )(command)
    for flag, field in reversed(_FILTERS.items()):
        command = click.option(
            flag, field, multiple=True, metavar="VALUE", help=f"Only this {field}; repeatable."
        )(command)
    return command


def task_fields(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a task's fields."""
    command = click.option(
        "--field", "-f", multiple=True, metavar="FIELD=VALUE", help="Any other field; repeatable."
    )(command)
    for name in ("description", "url", "project", "group", "user", "status"):
        field = {"group": "group_id", "project": "project_id"}.get(name, name)
        command = click.option(f"--{name}", field, metavar="TEXT", help=TASK_FIELDS[field])(command)
    return command


output = click.option(
    "--output",
    "-o",
    type=click.Choice(show.FORMATS),
    default="table",
    help="A table (tab-separated in a pipe), JSON, JSON lines, CSV, or ids only.",
)

output_of_rows = click.option(
    "--output",
    "-o",
    type=click.Choice(show.ROW_FORMATS),
    default="table",
    help="How to print.",
)
"""The same for rows that are no tasks."""


def task_id(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument that names a task."""
    return click.argument("id", shell_complete=completing.ids())(command)


def where(given: dict[str, Any]) -> dict[str, list[str]]:
    """Read the options of `filters`. Raises `BadParameter`."""
    wanted = {field: list(given[field]) for field in _FILTERS.values() if given[field]}
    for field, meant in _MEANT.items():
        if field in wanted:
            # Programs write these to the byte, people type them: either will do.
            told = wanted[field]
            wanted[field] = list(dict.fromkeys((*told, *chain.from_iterable(map(meant, told)))))
    for name, value in map(pair, given["where"]):
        if name not in SELECTABLE:
            raise click.BadParameter(
                f"tasks cannot be selected by {name!r}, only by {', '.join(sorted(SELECTABLE))}",
                param_hint="--where",
            )
        wanted.setdefault(name, []).append(value)
    return wanted


heartbeat_timeout = click.option(
    "--heartbeat-timeout", type=float, metavar="SECONDS", help=CONTROL_FIELDS["heartbeat_timeout"]
)

epoch = click.option(
    "--epoch",
    type=click.IntRange(0),
    help="Write the task only if this is its epoch; a fenced one wants it."
    "  [default: TASKDASH_TASK_EPOCH, for the task that TASKDASH_TASK_ID names]",
)


def epoch_of(task_id: str, given: int | None) -> int | None:
    """Give the epoch to write a task with: `run --lock` puts it into its command's environment."""
    known = os.environ.get("TASKDASH_TASK_EPOCH", "")
    if given is None and os.environ.get("TASKDASH_TASK_ID") == task_id and known.isdecimal():
        return int(known)
    return given


def fields(given: dict[str, Any]) -> dict[str, Any]:
    """Read the options of `task_fields`. Raises `BadParameter`."""
    pairs = dict(map(pair, given.pop("field")))
    for name in pairs:
        if name in _NOT_BY_FIELD:
            raise click.BadParameter(
                f"{name} is set by an option or by the daemon", param_hint="--field"
            )
    return {**{name: value for name, value in given.items() if value is not None}, **pairs}


def pair(text: str) -> tuple[str, str]:
    """Read FIELD=VALUE. Raises `BadParameter`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not FIELD=VALUE")
    return name, value
