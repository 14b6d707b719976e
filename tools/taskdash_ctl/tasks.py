"""The commands about tasks: list, show, register, update, finish, fail, cancel."""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import click

import taskdash
from taskdash import address
from taskdash.statuses import meant_by
from taskdash_ctl import completing, listing, options, show
from taskdash_ctl.events import follow as follow_events
from taskdash_ctl.names import Names
from taskdash_ctl.reach import EXIT_NOT_ALLOWED, EXIT_NOT_FOUND, attempt, connect, explain, say
from taskdash_protocol import typed
from taskdash_protocol.families.people import CANCELLED_MAX
from taskdash_protocol.fields import ORDER_FIELDS
from taskdash_protocol.statuses import CANCELLED, is_live

_NOT_ENDED: Final = {"class": ["live", "waiting"]}

T = TypeVar("T")


@click.command("list")
@options.filters
@click.option(
    "--order",
    metavar="FIELD",
    help="A field, or -FIELD for descending.  [default: -rev on a terminal, else id]",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    help="At most so many tasks; 0 gives all.  [default: what a terminal has room for, else 0]",
)
@click.option("--columns", metavar="A,B,…", help=f"Default: {','.join(show.COLUMNS)}.")
@click.option("--contains", default="", metavar="WORDS", help="Only tasks that have these words.")
@click.option("--watch", "-w", "follow", is_flag=True, help="Then each change as it happens.")
@options.output
@click.pass_obj
def list_(
    where: address.Address,
    /,
    order: str | None,
    limit: int | None,
    columns: str | None,
    contains: str,
    follow: bool,
    output: str,
    **filters: Any,
) -> None:
    """List tasks: on a terminal those that changed last, and how many there are in all.

    \b
    taskdash-ctl list --status running --user wsg
    taskdash-ctl list --where checker=li --order -updated_at -o jsonl
    taskdash-ctl list --contains "render 报告" --order -rev --limit 20
    taskdash-ctl list --status shutdown --status failed --where acknowledged=no
    taskdash-ctl list --group mx -w
    """
    if order is not None and order.removeprefix("-") not in ORDER_FIELDS:
        raise click.BadParameter(f"tasks cannot be ordered by {order!r}", param_hint="--order")
    if follow and output in ("json", "csv"):
        raise click.UsageError(f"what goes on for ever is no {output}: use -o jsonl with --watch")
    if follow and contains:
        raise click.UsageError("--contains looks at what is there: not with --watch")
    wanted = options.where(filters)
    shown = tuple(map(str.strip, columns.split(","))) if columns else show.COLUMNS
    with connect(where, for_ever=follow) as dash:
        # Begin to watch before reading the list: a change between the two would be lost otherwise.
        events = attempt(lambda: dash.watch(wanted)) if follow else None
        query = listing.Query(dash, wanted, contains, order, limit)
        if output == "table" and sys.stdout.isatty():
            attempt(lambda: listing.screen(query, shown, newest_last=follow))
        else:
            attempt(lambda: show.tasks(query.rows(), output, shown))
        if events is not None:
            sys.stdout.flush()
            attempt(lambda: _follow(dash, events, output, shown))


def _follow(
    dash: taskdash.Client, events: taskdash.Watch, output: str, columns: tuple[str, ...]
) -> None:
    if output == "table" and sys.stdout.isatty():
        follow_events(dash, events)
        return
    for event in events:
        show.tasks([event.task], output, columns)
        sys.stdout.flush()


@click.command("show")
@options.task_id
@click.option("--output", "-o", type=click.Choice(["fields", "json"]), default="fields")
@click.pass_obj
def show_(where: address.Address, /, id: str, output: str) -> None:
    """Show every field of a task.

    \b
    taskdash-ctl show backup-42
    """
    with connect(where) as dash:
        task = attempt(lambda: _as_meant(dash.find, id))
        names = Names(dash)
        if output == "fields" and sys.stdout.isatty():
            attempt(lambda: names.learn([task]))
    if output == "json":
        show.tasks([task], "jsonl", ())
    else:
        show.task(task, names.called)


@click.command()
@options.task_id
@click.option("--name", metavar="TEXT", help="What people call it.  [default: the id]")
@options.task_fields
@options.heartbeat_timeout
@click.pass_obj
def register(where: address.Address, /, id: str, name: str | None, **fields: Any) -> None:
    """Register a task that waits for somebody; for one that runs, see `run`.

    \b
    taskdash-ctl register desk-7 --name "Set up desk 7" --user wsg
    """
    given = {"status": "pending", **options.fields(fields)}
    with connect(where) as dash, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a program is warned of is said to people below
        attempt(lambda: dash.register(id, name or id, **given))
    if is_live(given["status"]):
        meant = meant_by(given["status"])
        click.echo(
            f"registered as {given['status']!r}: as nobody beats for it, it will be shut down"
            f" unless a service takes it up{f'. Is {meant!r} meant?' if meant else ''}",
            err=True,
        )


@click.command()
@options.task_id
@click.option("--name", metavar="TEXT", help="What people call it.")
@options.task_fields
@options.heartbeat_timeout
@options.epoch
@click.pass_obj
def update(where: address.Address, /, id: str, epoch: int | None, **fields: Any) -> None:
    """Change fields of a task. It stays with the service that runs it.

    \b
    taskdash-ctl update desk-7 --status review --description "done on Friday"
    """
    given = options.fields(fields)
    if not given:
        raise click.UsageError("nothing to change: name a field, for example --status finish")
    with connect(where) as dash:
        if code := _change(dash, id, epoch, given):
            sys.exit(code)


def _as_meant(ask: Callable[[str], T], task_id: str) -> T:
    """Ask about a task; where there is none of this id, about the one that is meant by it."""
    try:
        return ask(task_id)
    except taskdash.NotFound:
        meant = typed.name(task_id)
        if meant in ("", task_id):
            raise
        return ask(meant)


def _change(dash: taskdash.Client, task_id: str, epoch: int | None, fields: dict[str, Any]) -> int:
    """Change a task that stays with its service. Says a refusal; gives the exit code."""
    try:
        _as_meant(
            lambda one: dash.update(one, own=False, epoch=options.epoch_of(one, epoch), **fields),
            task_id,
        )
    except taskdash.Conflict as error:
        say(f"{error}; `taskdash-ctl show {task_id}` names the epoch to give as --epoch")
        return EXIT_NOT_ALLOWED
    except taskdash.TaskDashError as error:
        message, code = explain(error)
        say(message)
        return code
    return 0


def _cancelled(dash: taskdash.Client, ids: list[str], word: str) -> int:
    """Cancel tasks. Says why others are left; gives the exit code."""
    left: list[dict[str, Any]] = []
    for at in range(0, len(ids), CANCELLED_MAX):
        some = ids[at : at + CANCELLED_MAX]
        left += attempt(partial(dash.ask, "Cancel", ids=some, word=word))["left"]
    for one in left:
        say(f"{one['id']} is left: {one['why']}")
    codes = [EXIT_NOT_FOUND if one["cause"] == "no-task" else EXIT_NOT_ALLOWED for one in left]
    return next(iter(codes), 0)


def _ending(name: str, status: str, doing: str, example: str) -> click.Command:
    @click.command(name)
    @click.argument(
        "ids", nargs=-1, required=True, metavar="ID…", shell_complete=completing.ids(_NOT_ENDED)
    )
    @click.option("--reason", metavar="TEXT", help="Why, for people.")
    @options.epoch
    @click.pass_obj
    def end(
        where: address.Address, /, ids: tuple[str, ...], reason: str | None, epoch: int | None
    ) -> None:
        fields = {"status": status} | ({} if reason is None else {"reason": reason})
        with connect(where) as dash:
            # A task that is refused does not keep the others from being ended.
            if status == CANCELLED and epoch is None:
                codes = [_cancelled(dash, list(ids), reason or "")]
            else:
                codes = [_change(dash, task_id, epoch, fields) for task_id in ids]
        if code := next(filter(None, codes), 0):
            sys.exit(code)

    end.help = f"{doing}\n\n\b\n{example}"
    return end


finish = _ending("finish", "finish", "Set tasks to `finish`.", "taskdash-ctl finish desk-7 desk-8")
fail_ = _ending(
    "fail", "failed", "Set tasks to `failed`.", 'taskdash-ctl fail desk-7 --reason "no power there"'
)
cancel = _ending(
    "cancel",
    CANCELLED,
    "Set tasks to `cancelled`, unless they are finished. A program that runs is not stopped by it.",
    "taskdash-ctl cancel desk-7",
)

COMMANDS: Final = (list_, show_, register, update, finish, fail_, cancel)
