"""Completes ids of tasks in a shell.

Who presses Tab must not wait: a daemon that does not answer in a moment completes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

import click

_ANSWER_S: Final = 1.0
_SHOWN_MAX: Final = 100
_READ_MAX: Final = 1000
"""So many tasks that changed last are looked through before the daemon is asked to search."""
Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def ids(where: Mapping[str, list[str]] | None = None) -> Completer:
    """Complete the id of a task, of a selection or of any; those that changed last come first."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        given = context.params.get(parameter.name or "") or ()
        found = (one for one in _found(context, where or {}, incomplete) if one not in given)
        return list(islice(dict.fromkeys(found), _SHOWN_MAX))

    return complete


def _found(
    context: click.Context, where: Mapping[str, list[str]], incomplete: str
) -> Iterator[str]:
    import taskdash
    from taskdash import address

    server = context.find_root().params.get("server")
    try:
        at = address.parse(server)._replace(timeout_s=_ANSWER_S)
        with taskdash.Client(at, "taskdash-ctl completion", reconnect_for_s=0) as dash:
            newest = islice(dash.query(where, order="-rev", page=_READ_MAX), _READ_MAX)
            some = [task["id"] for task in newest]
            if len(some) == _READ_MAX and not any(one.startswith(incomplete) for one in some):
                more = dash.query(where, order="-rev", page=_SHOWN_MAX, contains=incomplete)
                some += [task["id"] for task in islice(more, _SHOWN_MAX)]
    except (taskdash.TaskDashError, ValueError, OSError):
        # Words would stand in the line that is being typed; the command itself says what is wrong.
        return
    yield from (one for one in some if one.startswith(incomplete) and one.isprintable())
