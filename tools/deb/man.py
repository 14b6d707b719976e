"""Write a man page from what the commands say of themselves.

Usage: man.py taskdash-ctl or man.py taskdashd. The date is that of SOURCE_DATE_EPOCH.
"""

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from inspect import cleandoc
from textwrap import wrap

import click

import taskdash_ctl.cli
import taskdashd.cli
from taskdash_protocol import __version__
from taskdashd.settings import config

CTL = "taskdash-ctl"
DAEMON = "taskdashd"
CTL_ENVIRONMENT = {
    "TASKDASH_URL": "The daemon, where `--server` names none.",
    "TASKDASH_CA": "A file of certificate authorities for taskdashs://, where the URL names none.",
    "TASKDASH_TOKEN": "The credential, where the daemon asks for one.",
    "TASKDASH_TOKEN_FILE": "A file that holds it, read anew for each connection.",
    "TASKDASH_TASK_ID": "Set by `run` for its command: the task's id.",
    "TASKDASH_TASK_EPOCH": "Set by `run --lock` for its command: the epoch that writes need.",
    "NO_COLOR": "If set, nothing is coloured.",
}
DAEMON_EXITS = {
    "0": "stopped by SIGTERM or SIGINT, with everything on disk",
    "1": "it could not start, or its store cannot be used",
    "2": "a mistake in the command line or the configuration",
}
FILES = {
    "/etc/taskdash/taskdashd.toml": "The configuration that the systemd unit names.",
    "/var/lib/taskdash": "The data of the daemon that systemd runs.",
}
_ROFF = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}


def page(program: str) -> Iterator[str]:
    """Give the lines of a page."""
    command, section = (taskdash_ctl.cli.main, 1) if program == CTL else (taskdashd.cli.main, 8)
    day = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    head, *rest = paragraphs(command)
    exits, rest = split_exits(rest)
    yield f'.TH {program.upper()} {section} {day:%Y-%m-%d} "TaskDash {__version__}" "TaskDash"'
    yield from (".SH NAME", prose(f"{program} - {uncapitalized(head)}"))
    yield from (".SH SYNOPSIS", f".B {escape(program)}", "[OPTIONS] COMMAND [ARGS]...")
    yield from (".SH DESCRIPTION", prose(head))
    yield from body(rest)
    context = click.Context(command, info_name=program, **command.context_settings)
    yield ".SH OPTIONS"
    yield from options(context)
    yield ".SH COMMANDS"
    for name in command.list_commands(context):
        yield from subcommand(click.Context(command.commands[name], context, info_name=name))
    yield from (".SH EXIT STATUS", *items(exits or DAEMON_EXITS))
    if program == CTL:
        yield from (".PP", prose("`run` exits with the code of its command."))
    yield from (".SH ENVIRONMENT", *items(CTL_ENVIRONMENT if program == CTL else settings()))
    if program == DAEMON:
        yield from (".SH FILES", *items(FILES))
    other = f"{DAEMON} (8)" if program == CTL else f"{CTL} (1),\n.BR systemctl (1)"
    yield from (".SH SEE ALSO", f".BR {other.replace('-', chr(92) + '-')}")


def subcommand(context: click.Context) -> Iterator[str]:
    """Give a command's synopsis, text and options; of a group's commands too."""
    usage = context.command.collect_usage_pieces(context)
    yield f".SS {escape(context.command_path.partition(' ')[2])}"
    yield from (f".B {escape(context.command_path)}", escape(" ".join(usage)))
    yield from body(paragraphs(context.command))
    yield from options(context)
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            yield from subcommand(click.Context(context.command.commands[name], context, name))


def options(context: click.Context) -> Iterator[str]:
    """Give each option as `--help` words it."""
    params = context.command.get_params(context)
    # Leave out arguments: the synopsis says all that there is of them.
    records = (
        param.get_help_record(context) for param in params if isinstance(param, click.Option)
    )
    yield from items(dict(record for record in records if record))


def items(named: dict[str, str]) -> Iterator[str]:
    """Give a list of terms and what they mean."""
    for term, meaning in named.items():
        yield from (".TP", f".B {escape(term)}", *([prose(meaning)] if meaning else ()))


def settings() -> dict[str, str]:
    """Name the variable of each setting of the daemon."""
    named = {f"{config.ENVIRONMENT_PREFIX}CONFIG": "The file that `--config` names."}
    for name, setting in config.TABLE.items():
        named[f"{config.ENVIRONMENT_PREFIX}{name.upper()}"] = (
            f"{setting.metadata['about']} [{setting.metadata['unit']}]"
        )
    return named


def paragraphs(command: click.Command) -> list[str]:
    """Cut a command's text where it is cut on the screen."""
    return cleandoc(command.help or "").split("\n\n")


def split_exits(texts: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take the paragraph about exit codes out of a text."""
    exits: dict[str, str] = {}
    for text in texts:
        if text.startswith("Exit codes:"):
            exits = dict(re.findall(r"(\d+) ([^,.]+)", " ".join(text.split())))
    return exits, [text for text in texts if not text.startswith("Exit codes:")]


def body(texts: list[str]) -> Iterator[str]:
    """Give paragraphs; click's mark keeps the lines of an example."""
    for text in texts:
        if text.startswith("\b\n"):
            yield from (".PP", ".RS 4", ".nf", *map(escape, text.splitlines()[1:]), ".fi", ".RE")
        else:
            yield from (".PP", prose(text))


def prose(text: str) -> str:
    """Write running text, with what stands in backticks in bold."""
    parts = re.split(r"`([^`]+)`", " ".join(text.split()))
    bold = [rf"\fB{escape(part)}\fR" if at % 2 else escape(part) for at, part in enumerate(parts)]
    # A sentence a line, so that the typesetter knows where one ends.
    sentences = re.split(r"(?<=[a-z)]\.) (?=[A-Z\\])", "".join(bold))
    lines = [
        line
        for sentence in sentences
        for line in wrap(sentence, 80, break_long_words=False, break_on_hyphens=False)
    ]
    return "\n".join(map(guard, lines))


def escape(text: str) -> str:
    """Make every character stand for itself."""
    return guard("".join(_ROFF.get(sign, sign) for sign in text))


def guard(line: str) -> str:
    """Keep a line that begins with a dot from being a request."""
    return rf"\&{line}" if line.startswith(".") else line


def uncapitalized(sentence: str) -> str:
    """Give a sentence as the half of one; a name keeps its capitals."""
    sentence = sentence.removesuffix(".")
    return sentence[0].lower() + sentence[1:] if sentence.split()[0].istitle() else sentence


if __name__ == "__main__":
    print("\n".join(page(sys.argv[1])))
