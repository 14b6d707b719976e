"""How the commands reach the daemon, and what they say and return when it goes wrong."""

import math
import os
import sys
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import click

import taskdash
from taskdash import address
from taskdash.calls import Hooks
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
    (taskdash.ProtocolError, EXIT_FAILURE, "; is --server or TASKDASH_URL right?"),
    (taskdash.TaskDashError, EXIT_FAILURE, ""),
)
"""For each fault the exit code, and what the person can do next. The first that fits counts."""

T = TypeVar("T")


def connect(
    where: address.Address, *, for_ever: bool = False, quiet: bool = False
) -> taskdash.Client:
    """Connect, or say why not and exit.

    A lost connection is tried again for as long as the address's timeout, or `for_ever`: then the
    person is told, unless `quiet`.
    """
    hooks = Hooks()
    if for_ever and not quiet:
        hooks = Hooks(
            on_disconnect=lambda error: say(f"{error}; trying again"),
            on_reconnect=lambda: say(f"taskdashd at {where} is back"),
        )
    return attempt(
        lambda: taskdash.Client(
            where,
            f"taskdash-ctl/{taskdash.__version__}",
            hooks,
            reconnect_for_s=math.inf if for_ever else where.timeout_s,
        )
    )


def attempt(call: Callable[[], T]) -> T:
    """Turn what the client raises into one line and an exit code."""
    try:
        return call()
    except taskdash.TaskDashError as error:
        fail(*explain(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def explain(error: taskdash.TaskDashError) -> tuple[str, int]:
    """Say in one line what is wrong and what to do next, and with which exit code."""
    code, advice = next((code, advice) for kind, code, advice in _FAULTS if isinstance(error, kind))
    told = str(error)
    if told.endswith("?") and advice:
        advice = f" ({advice.removeprefix('; ')})"
    elif isinstance(error, taskdash.AuthError) and not _has_token():
        # The daemon tells programmers where a token goes; who types a command says it to the shell.
        told = told.removesuffix(": say it in Hello")
        advice = "; set TASKDASH_TOKEN or TASKDASH_TOKEN_FILE: `taskdashd token create` makes one"
    return f"{told}{advice}", code


def _has_token() -> bool:
    return any(os.environ.get(name) for name in ("TASKDASH_TOKEN", "TASKDASH_TOKEN_FILE"))


def cannot_write(error: OSError) -> NoReturn:
    """Say why standard output takes no more, and exit."""
    # Python flushes standard output once more at exit: on the broken descriptor that would end in
    # a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    fail(f"cannot write: {error.strerror}", EXIT_FAILURE)


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong, in one line, and exit."""
    say(message)
    sys.exit(code)


def say(message: str) -> None:
    """Say something to the person, beside the data."""
    click.echo(f"taskdash-ctl: {show.clean(message)}", err=True)
