"""The commands that wait for changes: watch, wait."""

import math
import sys
import time
from functools import partial
from itertools import islice
from typing import Any, Final

import click

import taskdash
from taskdash import address
from taskdash_ctl import completing, options, show
from taskdash_ctl.names import Names
from taskdash_ctl.reach import EXIT_FAILURE, EXIT_TIMED_OUT, attempt, connect, fail
from taskdash_protocol.families.people import NAMED_BY_MAX
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

        def print_json() -> None:
            for event in islice(events, count):
                row = {"rev": event.rev, "kind": event.kind, "task": event.task}
                show.tasks([row], "jsonl", ())
                sys.stdout.flush()

        if output == "jsonl":
            attempt(print_json)
        else:
            attempt(lambda: follow(dash, events, count))


def follow(dash: taskdash.Client, events: taskdash.Watch, count: int | None = None) -> None:
    """Print events as lines, for ever or so many; on a terminal with the names of people."""
    names = Names(dash)
    lines = show.Events(names.called)
    left = math.inf if count is None else count
    while left > 0:
        some = those_there(events, int(min(left, NAMED_BY_MAX)))
        if sys.stdout.isatty():
            names.learn(event.task for event in some)
        lines.show((event.kind, event.rev, event.task) for event in some)
        sys.stdout.flush()
        left -= len(some)


def those_there(
    events: taskdash.Watch, most: int, timeout_s: float | None = None
) -> list[taskdash.Event]:
    """Wait for an event, and give it with those that are there already; none: time is up.

    What comes in thousands is named by one request for each page, not for each event. Raises what
    ends the watch, after all events before it were given.
    """
    some: list[taskdash.Event] = []
    while len(some) < most:
        try:
            event = events.next(0 if some else timeout_s)
        except (taskdash.TaskDashError, StopIteration):
            if not some:
                raise
            break
        if event is None:
            break
        some.append(event)
    return some


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID…", shell_complete=completing.ids())
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
        names = Names(dash)
        lines = show.Events(names.called)
        missing = dict.fromkeys(ids)

        def judge(task: dict[str, Any]) -> None:
            if _is_done(task, field, values, missing) and not quiet:
                if sys.stdout.isatty():
                    attempt(lambda: names.learn([task]))
                lines.show([(task["status"], task["rev"], task)])

        for task_id in list(missing):
            judge(attempt(partial(dash.find, task_id)))
        while missing:
            event = attempt(lambda: _next(events, ends_at))
            if event is None:
                fail(f"time is up; still waiting for {', '.join(missing)}", EXIT_TIMED_OUT)
            judge(event.task)


def _next(events: taskdash.Watch, ends_at: float | None) -> taskdash.Event | None:
    left_s = None if ends_at is None else max(0.0, ends_at - time.monotonic())
    return events.next(left_s)


def _is_done(
    task: dict[str, Any], field: str, values: frozenset[str], missing: dict[str, None]
) -> bool:
    """Strike a task off `missing` where its field has one of `values`, and tell whether it has.

    Exits where it never will: the task has ended in another way.
    """
    if task["id"] not in missing:
        return False
    if task[field] in values:
        del missing[task["id"]]
        return True
    if field == "status" and task["status"] in ENDED and values <= ENDED:
        why = f": {task['reason']}" if task.get("reason") else ""
        fail(f"task {task['id']} has ended as {task['status']}{why}", EXIT_FAILURE)
    return False


def _condition(text: str | None) -> tuple[str, frozenset[str]]:
    if text is None:
        return "status", ENDED
    name, value = options.pair(text)
    if name not in WHERE_FIELDS:
        raise click.BadParameter(f"{name!r} cannot be waited for", param_hint="--for")
    return name, frozenset(value.split(","))


COMMANDS: Final = (watch, wait)
