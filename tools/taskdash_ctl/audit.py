"""The command about what has happened: audit."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import click

import taskdash
from taskdash import address
from taskdash_ctl import completing, options, show
from taskdash_ctl.reach import attempt, connect
from taskdash_protocol.families.operators import Audit
from taskdash_protocol.readers import PAGE_MAX

_COLUMNS: Final = ("at", "who", "kind", "task", "what", "why")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NOT_TOLD: Final = ("id", "epoch", "created_at", "reason")
"""Left out of the column "what": every new task has the first three, "why" tells the last."""
_LIMIT: Final = 50


class _Moment(click.ParamType):  # type: ignore[type-arg]
    """An option's time: RFC 3339, or how long ago, such as 2h."""

    name = "TIME"

    def convert(self, value: Any, parameter: Any, context: Any) -> str:
        """Give the time as RFC 3339 in UTC."""
        try:
            if ago := re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smhd])", value):
                seconds = float(ago[1]) * _UNITS_S[ago[2]]
                return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
            # A time without a zone is this machine's local time: astimezone takes it so.
            return datetime.fromisoformat(value).astimezone(UTC).isoformat()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: write 2h, 7d or 2026-01-31T12:00", parameter, context)


@click.command()
@click.argument("id", default="", shell_complete=completing.ids())
@click.option("--who", metavar="TEXT", default="", help="Only by somebody whose name contains it.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind; repeatable.")
@click.option("--since", type=_Moment(), help="Not before; 2h ago, or a time.")
@click.option("--until", type=_Moment(), help="Before; 2h ago, or a time.")
@click.option(
    "--limit", type=click.IntRange(0), default=_LIMIT, show_default=True, help="0 gives all."
)
@options.output_of_rows
@click.pass_obj
def audit(
    where: address.Address,
    /,
    id: str,
    who: str,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
    output: str,
) -> None:
    """Tell who did what, when and why; the newest first.

    With an ID, the history of that task. Without, everything, for operators: changes of tasks,
    sign-ins, refusals, and what was done to the daemon itself.

    \b
    taskdash-ctl audit backup-42
    taskdash-ctl audit --since 24h --kind shutdown
    taskdash-ctl audit --kind refused --kind "signed in" -o jsonl
    """
    page = min(limit or PAGE_MAX, PAGE_MAX)
    request = Audit(id, who, kinds, since or "", until or "", page)
    with connect(where) as dash:
        rows = islice(_entries(dash, request), limit or None)
        if output in ("json", "jsonl"):
            attempt(lambda: show.tasks(rows, output, ()))
            return
        told = attempt(lambda: [{**row, "what": _what(row)} for row in rows])
    if not told:
        click.echo("nothing of that kind is known", err=True)
    else:
        show.tasks(told, output, tuple(one for one in _COLUMNS if one != "task" or not id))


def _entries(dash: taskdash.Client, request: Audit) -> Iterator[dict[str, Any]]:
    after: str | None = None
    while True:
        fields = {**request.to_body(), "after": after}
        reply = dash.call(Audit.parse(fields))
        yield from reply["entries"]
        after = reply["next"]
        if after is None:
            return


def _what(row: Mapping[str, Any]) -> str:
    """Write the fields that a change has changed as one line."""
    if row["count"] > 1:
        return f"{row['count']} times"
    return ", ".join(
        f"{name}: {_value(new)}" if _is_empty(old) else f"{name}: {_value(old)} → {_value(new)}"
        for name, (old, new) in sorted(row["changes"].items(), key=_status_first)
        if name not in _NOT_TOLD and not (_is_empty(old) and _is_empty(new))
    )


def _status_first(change: tuple[str, Any]) -> bool:
    # A narrow terminal cuts the end of the line: people look for the status, so it comes first.
    return change[0] != "status"


def _is_empty(value: Any) -> bool:
    return value in (None, "")


def _value(value: Any) -> str:
    if _is_empty(value):
        return "(empty)"
    return value if isinstance(value, str) else show.as_json(value)


COMMANDS: Final = (audit,)
