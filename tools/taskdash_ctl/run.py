"""The command `run`."""

import sys
from typing import Any, Final

import click

from taskdash_ctl import options, runner
from taskdash_ctl.reach import attempt
from taskdash_ctl.wishes import REPORT_TIMEOUT_S, Wishes


# Options end at the first word of the command, as for env(1): the rest is the command's own.
@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--name", metavar="TEXT", help="What people call it.  [default: the command's name]")
@click.option("--id", "id", metavar="ID", help="The task's key.  [default: made up, and unique]")
@options.task_fields
@options.heartbeat_timeout
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End the command after so long (exit code 124).",
)
@click.option(
    "--lock",
    is_flag=True,
    help="Only if no other task with this id lives; then nothing is run (exit code 4, or 5 if the"
    " daemon cannot be asked).",
)
@click.option(
    "--progress-from-stdout",
    is_flag=True,
    help="A line `n/m` or `n%` of the command is its progress. Its output is passed on.",
)
@click.option(
    "--report-timeout",
    type=float,
    default=REPORT_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="At the end, wait so long for a daemon that cannot be reached.",
)
@click.option("--quiet", "-q", is_flag=True, help="No words about the daemon.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(
    server: str | None,
    /,
    command: tuple[str, ...],
    timeout: float | None,
    lock: bool,
    progress_from_stdout: bool,
    report_timeout: float,
    quiet: bool,
    **fields: Any,
) -> None:
    """Run a command as a task.

    It is registered when it starts, kept alive while it runs, and ends as `finish` or `failed`,
    with the end of its standard error as the reason (unless that is a terminal). The exit code is
    the command's. If the daemon cannot be reached, the command runs all the same; it ends with
    this program, however that ends. In its
    environment TASKDASH_TASK_ID is the task's id and, with --lock, TASKDASH_TASK_EPOCH its epoch.

    \b
    taskdash-ctl run --name "Nightly backup" -- restic backup /srv
    taskdash-ctl run --id nightly-backup --lock --timeout 3600 -- restic backup /srv
    """
    if lock and not fields["id"]:
        raise click.UsageError("--lock needs --id: it is by the id that tasks exclude one another")
    wishes = Wishes(
        options.fields(fields),
        report_timeout_s=report_timeout,
        timeout_s=timeout,
        lock=lock,
        progress=progress_from_stdout,
        quiet=quiet,
    )
    try:
        code = attempt(lambda: runner.run(command, server, wishes))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--server, TASKDASH_URL") from None
    sys.exit(code)


COMMANDS: Final = (run,)
