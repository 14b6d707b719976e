"""The commands of `taskdash-ctl`. Data goes to standard output, words to standard error."""

import sys
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, NoReturn, TypeVar

import click

import taskdash
from taskdash import address
from taskdash_ctl import run as runner
from taskdash_ctl import show
from taskdash_protocol import PROTOCOL_VERSION
from taskdash_protocol.requests import ORDER_FIELDS, TASK_FIELDS, WHERE_FIELDS
from taskdash_protocol.statuses import is_live

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_FOUND: Final = 3
EXIT_NOT_ALLOWED: Final = 4
EXIT_UNREACHABLE: Final = 5
EXIT_TIMED_OUT: Final = 6
EXIT_INTERRUPTED: Final = 130

T = TypeVar("T")

_FILTERS: Final = {
    "--user": "user",
    "--group": "group_id",
    "--status": "status",
    "--project": "project_id",
}


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--server",
    metavar="URL",
    envvar="TASKDASH_URL",
    help="The daemon: taskdash://HOST:PORT?timeout=SECONDS. [env: TASKDASH_URL]"
    f"  [default: {address.DEFAULT_URL}]",
)
@click.version_option(
    taskdash.__version__, message=f"taskdash-ctl %(version)s (protocol {PROTOCOL_VERSION})"
)
@click.pass_context
def main(context: click.Context, server: str | None) -> None:
    """See and steer the tasks of TaskDash.

    Exit codes: 0 done, 1 failure, 2 usage, 3 not found, 4 not allowed or a conflict,
    5 daemon not reachable, 6 timed out, 130 interrupted.
    """
    try:
        context.obj = address.parse(server)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--server") from None


def _filters(command: Callable[..., None]) -> Callable[..., None]:
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


_output = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "jsonl", "name"]),
    default="table",
    help="A table (tab-separated in a pipe), JSON, JSON lines, or ids only.",
)


@main.command("list")
@_filters
@click.option("--order", default="id", metavar="FIELD", help="A field, or -FIELD for descending.")
@click.option("--limit", type=click.IntRange(1), help="At most so many tasks.")
@click.option("--columns", metavar="A,B,…", help=f"Default: {','.join(show.COLUMNS)}.")
@_output
@click.pass_obj
def list_(
    where: address.Address,
    /,
    order: str,
    limit: int | None,
    columns: str | None,
    output: str,
    **filters: Any,
) -> None:
    """List tasks.

    \b
    taskdash-ctl list --status running --user wsg
    taskdash-ctl list --where parent_id=42 --order -updated_at -o jsonl
    """
    if order.removeprefix("-") not in ORDER_FIELDS:
        raise click.BadParameter(f"tasks cannot be ordered by {order!r}", param_hint="--order")
    wanted = _where(filters)
    shown = tuple(columns.split(",")) if columns else show.COLUMNS
    with _connect(where) as dash:
        rows = dash.query(wanted, order=order, page=min(limit or 1000, 1000))
        _try(lambda: show.tasks(islice(rows, limit), output, shown))


@main.command("show")
@click.argument("id")
@click.option("--output", "-o", type=click.Choice(["fields", "json"]), default="fields")
@click.pass_obj
def show_(where: address.Address, /, id: str, output: str) -> None:
    """Show every field of a task.

    \b
    taskdash-ctl show backup-42
    """
    with _connect(where) as dash:
        task = _try(lambda: dash.find(id))
    if output == "json":
        show.tasks([task], "jsonl", ())
    else:
        show.task(task)


def _task_options(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option(
        "--field", "-f", multiple=True, metavar="FIELD=VALUE", help="Any other field; repeatable."
    )(command)
    for name in ("description", "url", "group", "user", "status"):
        field = "group_id" if name == "group" else name
        command = click.option(f"--{name}", field, metavar="TEXT", help=TASK_FIELDS[field])(command)
    return command


@main.command()
@click.argument("id")
@click.option("--name", metavar="TEXT", help="What people call it.  [default: the id]")
@_task_options
@click.pass_obj
def register(where: address.Address, /, id: str, name: str | None, **fields: Any) -> None:
    """Register a task that waits for somebody; for one that runs, see `run`.

    \b
    taskdash-ctl register desk-7 --name "Set up desk 7" --user wsg
    """
    given = {"status": "pending", **_fields(fields)}
    with _connect(where) as dash:
        _try(lambda: dash.register(id, name or id, **given))
    if is_live(given["status"]):
        click.echo(
            f"registered as {given['status']!r}: as nobody beats for it, it will be shut down"
            " unless a service takes it up",
            err=True,
        )


@main.command()
@click.argument("id")
@click.option("--name", metavar="TEXT", help="What people call it.")
@_task_options
@click.pass_obj
def update(where: address.Address, /, id: str, **fields: Any) -> None:
    """Change fields of a task. It stays with the service that runs it.

    \b
    taskdash-ctl update desk-7 --status finish --description "done on Friday"
    """
    given = _fields(fields)
    if not given:
        raise click.UsageError("nothing to change: name a field, for example --status finish")
    with _connect(where) as dash:
        _try(lambda: dash.update(id, own=False, **given))


@main.command()
@_filters
@click.option("--since", type=click.IntRange(0), metavar="REV", help="First what came after it.")
@click.option("--count", type=click.IntRange(1), help="Stop after so many events.")
@click.option(
    "--output", "-o", type=click.Choice(["line", "jsonl"]), default="line", help="How to print."
)
@click.pass_obj
def watch(
    where: address.Address, /, since: int | None, count: int | None, output: str, **filters: Any
) -> None:
    """Print each change as it happens, until Ctrl-C.

    \b
    taskdash-ctl watch --status shutdown --status failed
    """
    wanted = _where(filters)
    with _connect(where) as dash:
        events = _try(lambda: dash.watch(wanted, since=since))
        if sys.stdout.isatty():
            click.echo("watching; Ctrl-C ends it", err=True)

        def follow() -> None:
            for event in islice(events, count):
                if output == "jsonl":
                    row = {"rev": event.rev, "kind": event.kind, "task": event.task}
                    show.tasks([row], "jsonl", ())
                else:
                    show.event(event.kind, event.rev, event.task)
                sys.stdout.flush()

        _try(follow)


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--name", metavar="TEXT", help="What people call it.  [default: the command's name]")
@click.option("--id", "id", metavar="ID", help="The task's key.  [default: made up, and unique]")
@_task_options
@click.option("--heartbeat-timeout", type=float, metavar="SECONDS", help="This task's own timeout.")
@click.option(
    "--report-timeout",
    type=float,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="At the end, wait so long for a daemon that cannot be reached.",
)
@click.option("--quiet", "-q", is_flag=True, help="No words about the daemon.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(
    where: address.Address,
    /,
    command: tuple[str, ...],
    report_timeout: float,
    quiet: bool,
    **fields: Any,
) -> None:
    """Run a command as a task.

    It is registered when it starts, kept alive while it runs, and ends as `finish` or `failed`.
    The exit code is the command's. If the daemon cannot be reached, the command runs all the same.

    \b
    taskdash-ctl run --name "Nightly backup" -- restic backup /srv
    taskdash-ctl run --id build-$GIT_COMMIT -- make -j4
    """

    def say(words: str) -> None:
        if not quiet:
            click.echo(f"taskdash-ctl: {show.clean(words)}", err=True)

    timeout = fields.pop("heartbeat_timeout")
    given = _fields(fields)
    if timeout is not None:
        given["heartbeat_timeout"] = timeout
    sys.exit(runner.run(command, where, given, say, report_timeout_s=report_timeout))


def _connect(where: address.Address) -> taskdash.Client:
    return _try(lambda: taskdash.Client(where, f"taskdash-ctl/{taskdash.__version__}"))


def _try(call: Callable[[], T]) -> T:
    """Turn what the client raises into one line and an exit code."""
    try:
        return call()
    except taskdash.NotFound as error:
        _fail(f"{error}; `taskdash-ctl list` shows what there is", EXIT_NOT_FOUND)
    except (taskdash.Unauthorized, taskdash.Conflict) as error:
        _fail(str(error), EXIT_NOT_ALLOWED)
    except taskdash.ConnectionError as error:
        _fail(f"{error}; is it running, and is --server or TASKDASH_URL right?", EXIT_UNREACHABLE)
    except taskdash.TimeoutError as error:
        _fail(str(error), EXIT_TIMED_OUT)
    except taskdash.BadRequest as error:
        _fail(str(error), EXIT_USAGE)
    except taskdash.TaskDashError as error:
        _fail(str(error), EXIT_FAILURE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"taskdash-ctl: {show.clean(message)}", err=True)
    sys.exit(code)


def _where(filters: dict[str, Any]) -> dict[str, list[str]]:
    wanted = {field: list(filters[field]) for field in _FILTERS.values() if filters[field]}
    for name, value in map(_pair, filters["where"]):
        if name not in WHERE_FIELDS:
            raise click.BadParameter(
                f"tasks cannot be selected by {name!r}, only by {', '.join(sorted(WHERE_FIELDS))}",
                param_hint="--where",
            )
        wanted.setdefault(name, []).append(value)
    return wanted


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    pairs = dict(map(_pair, given.pop("field")))
    return {**{name: value for name, value in given.items() if value is not None}, **pairs}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not FIELD=VALUE")
    return name, value
