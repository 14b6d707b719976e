"""The command `top`: a live board of the whole terminal."""

import sys
from typing import Final

import click

from taskdash import address
from taskdash_ctl import options
from taskdash_ctl.reach import EXIT_FAILURE, EXIT_USAGE, connect, fail


@click.command()
@options.filters
@click.pass_obj
def top(where: address.Address, /, **filters: tuple[str, ...]) -> None:
    """Show a live board: what runs, what is late, what has just died.

    Keys: 1 to 8 sort by a column, 0 by urgency, r turns the order round, / filters, l w e d show
    live, waiting, ended and died tasks, a all, Enter shows a task, q leaves.

    \b
    taskdash-ctl top --group mx
    """
    wanted = options.where(dict(filters))
    try:
        from taskdash_ctl.screen import LiveScreen
    except ImportError as error:
        if not (error.name or "").startswith(("textual", "rich")):
            raise
        fail("top needs one more package: pip install 'taskdash[top]'", EXIT_FAILURE)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("top needs a terminal; `taskdash-ctl list` prints tasks anywhere", EXIT_USAGE)
    with connect(where, for_ever=True, quiet=True) as dash:
        LiveScreen(dash, wanted).run()


COMMANDS: Final = (top,)
