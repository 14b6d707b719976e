"""`taskdash-ctl`: data goes to standard output, words to standard error."""

import os
import platform
import sys
from typing import Any, Final

import click
from click.core import ParameterSource

import taskdash
from taskdash import address
from taskdash_ctl import (
    audit,
    calendars,
    events,
    groups,
    health,
    people,
    run,
    streams,
    tasks,
    top,
    transfer,
    views,
)
from taskdash_ctl.reach import cannot_write
from taskdash_protocol import PROTOCOL_VERSION


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    click.echo(
        f"taskdash-ctl {taskdash.__version__} (protocol {PROTOCOL_VERSION},"
        f" {platform.python_implementation()} {platform.python_version()}, SQLite"
        f" {_sqlite()})"
    )
    context.exit()


def _sqlite() -> str:
    # The SQLite that a daemon of this environment would use; `taskdash-ctl status` shows the one
    # of the daemon that runs.
    try:
        import apsw
    except ImportError:
        return "not installed here"
    return str(apsw.sqlite_lib_version())


_WORDS: Final = f"{__name__}.words"
"""The key in `context.meta` of the words after the command's name."""


_COMPLETE: Final = "_TASKDASH_CTL_COMPLETE"
"""The environment variable by which a shell asks for completions."""


class _Main(click.Group):
    """The group of all commands, and what is said when their output cannot be written."""

    def main(self, *words: Any, **more: Any) -> Any:
        """Run the program."""
        streams.prepare()
        if _COMPLETE in os.environ:
            from taskdash_ctl import shells  # noqa: F401 (adds its own to those of click)
        return super().main(*words, **more)

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        # Keep the words for `main`, which looks for --help: click empties `context.args` before.
        context.meta[_WORDS] = set(context.args)
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of a pipe, such as head(1), has enough; click ends the program quietly.
            raise
        except OSError as error:
            cannot_write(error)
        return result


@click.group(
    cls=_Main,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--server",
    metavar="URL",
    envvar="TASKDASH_URL",
    help="The daemon: taskdash://HOST:PORT?timeout=SECONDS, or taskdashs:// for TLS,"
    " or unix:///PATH for the socket in its data directory."
    f" [env: TASKDASH_URL]  [default: {address.DEFAULT_URL}]",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the versions of this program, the protocol and SQLite.",
)
@click.pass_context
def main(context: click.Context, server: str | None) -> None:
    """See and steer the tasks of TaskDash.

    Exit codes: 0 done, 1 failure, 2 usage, 3 not found, 4 not allowed or a conflict,
    5 daemon not reachable, 6 timed out, 130 interrupted.
    """
    if context.invoked_subcommand == "run":
        # A bad address keeps no command from running that needs no lock.
        context.obj = server
        return
    try:
        context.obj = address.parse(server)
    except ValueError as error:
        command, words = context.invoked_subcommand, context.meta[_WORDS]
        if command == "completion" or words & set(context.help_option_names):
            # A bad TASKDASH_URL must not hide the help that says how to write a good one.
            return
        from_environment = context.get_parameter_source("server") is ParameterSource.ENVIRONMENT
        hint = "TASKDASH_URL" if from_environment else "--server"
        raise click.BadParameter(str(error), param_hint=hint) from None


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the lines that make a shell complete commands and options.

    \b
    taskdash-ctl completion bash >> ~/.bashrc
    taskdash-ctl completion zsh >> ~/.zshrc
    taskdash-ctl completion fish > ~/.config/fish/completions/taskdash-ctl.fish
    """
    from click.shell_completion import get_completion_class

    from taskdash_ctl import shells  # noqa: F401 (adds its own)

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "taskdash-ctl", _COMPLETE).source())


for _family in (tasks, events, people, groups, views, calendars, audit, run, transfer, health, top):
    for _command in _family.COMMANDS:
        main.add_command(_command)
