"""How the commands reach the daemon, and what they say and return when it goes wrong."""

import sys
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import click

import taskdash
from taskdash import address
from taskdash_ctl import show

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_FOUND: Final = 3
EXIT_NOT_ALLOWED: Final = 4
EXIT_UNREACHABLE: Final = 5
EXIT_TIMED_OUT: Final = 6
EXIT_INTERRUPTED: Final = 130

_FAULTS: Final = (
    (taskdash.NotFound, EXIT_NOT_FOUND, "; `taskdash-ctl list` shows what there is"),
    (
        taskdash.AuthError,
        EXIT_NOT_ALLOWED,
        "; is TASKDASH_TOKEN or TASKDASH_TOKEN_FILE right?",
    ),
    (taskdash.Conflict, EXIT_NOT_ALLOWED, ""),
    (
        taskdash.ConnectionError,
        EXIT_UNREACHABLE,
        "; is it running, and is --server or TASKDASH_URL right?",
    ),
    (
        taskdash.TimeoutError,
        EXIT_TIMED_OUT,
        "; a longer time is ?timeout=SECONDS at the end of the URL",
    ),
    (taskdash.BadRequest, EXIT_USAGE, ""),
    (taskdash.TaskDashError, EXIT_FAILURE, ""),
)
"""What each fault is to the person: exit code, and what to do next."""

T = TypeVar("T")


def connect(where: address.Address) -> taskdash.Client:
    """Connect, or say why not and exit. A lost connection is sought for as long as a timeout."""
    return attempt(
        lambda: taskdash.Client(
            where, f"taskdash-ctl/{taskdash.__version__}", reconnect_for_s=where.timeout_s
        )
    )


def attempt(call: Callable[[], T]) -> T:
    """Turn what the client raises into one line and an exit code."""
    try:
        return call()
    except taskdash.TaskDashError as error:
        code, advice = next(
            (code, advice) for kind, code, advice in _FAULTS if isinstance(error, kind)
        )
        fail(f"{error}{advice}", code)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong, in one line, and exit."""
    say(message)
    sys.exit(code)


def say(message: str) -> None:
    """Say something to the person, beside the data."""
    click.echo(f"taskdash-ctl: {show.clean(message)}", err=True)
