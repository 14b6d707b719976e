"""The commands that wait for changes: watch, wait."""

import sys
import time
from functools import partial
from itertools import islice
from typing import Any, Final

import click

import taskdash
from taskdash import address
from taskdash_ctl import options, show
from taskdash_ctl.reach import EXIT_FAILURE, EXIT_TIMED_OUT, attempt, connect, fail
from taskdash_protocol.fields import WHERE_FIELDS
from taskdash_protocol.statuses import ENDED


@click.command()
@options.filters
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
    wanted = options.where(filters)
    with connect(where, for_ever=True) as dash:
        events = attempt(lambda: dash.watch(wanted, since=since))
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

        attempt(follow)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@click.option(
    "--for",
    "condition",
    metavar="FIELD=VALUE",
    help="What is waited for, such as status=finish.  [default: any status that ends a task]",
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="At most so long.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
@click.pass_obj
def wait(
    where: address.Address,
    /,
    ids: tuple[str, ...],
    condition: str | None,
    timeout: float | None,
    quiet: bool,
) -> None:
    """Wait until every task named has ended, or is as `--for` says; each is then printed.

    A task that ends in another way than the one that is waited for makes it fail with exit code 1;
    time that is up, with 6.

    \b
    taskdash-ctl wait build-7 build-8 --timeout 600
    taskdash-ctl wait desk-7 --for status=已领取
    """
    field, values = _condition(condition)
    ends_at = None if timeout is None else time.monotonic() + timeout
    with connect(where, for_ever=True) as dash:
        # Watch before reading the tasks: a change between the two would be missed otherwise.
        events = attempt(lambda: dash.watch({"id": list(ids)}))
        missing = dict.fromkeys(ids)
        for task_id in list(missing):
            _judge(attempt(partial(dash.find, task_id)), field, values, missing, quiet)
        while missing:
            event = attempt(lambda: _next(events, ends_at))
            if event is None:
                fail(f"time is up; still waiting for {', '.join(missing)}", EXIT_TIMED_OUT)
            _judge(event.task, field, values, missing, quiet)


def _next(events: taskdash.Watch, ends_at: float | None) -> taskdash.Event | None:
    left_s = None if ends_at is None else max(0.0, ends_at - time.monotonic())
    return events.next(left_s)


def _judge(
    task: dict[str, Any], field: str, values: frozenset[str], missing: dict[str, None], quiet: bool
) -> None:
    """Strike a task off `missing` where its field has one of `values`.

    Exits where it never will: the task has ended in another way.
    """
    if task["id"] not in missing:
        return
    if task[field] in values:
        del missing[task["id"]]
        if not quiet:
            show.event(task["status"], task["rev"], task)
    elif field == "status" and task["status"] in ENDED and values <= ENDED:
        why = f": {task['reason']}" if task.get("reason") else ""
        fail(f"task {task['id']} has ended as {task['status']}{why}", EXIT_FAILURE)


def _condition(text: str | None) -> tuple[str, frozenset[str]]:
    if text is None:
        return "status", ENDED
    name, value = options.pair(text)
    if name not in WHERE_FIELDS:
        raise click.BadParameter(f"{name!r} cannot be waited for", param_hint="--for")
    return name, frozenset(value.split(","))


COMMANDS: Final = (watch, wait)
