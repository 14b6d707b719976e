"""`taskdashd run` and `config`, and all others below one name."""

import os
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from taskdash_protocol import PROTOCOL_VERSION, __version__
from taskdash_protocol.escapes import escaping
from taskdashd.cli.databases import backup, check, compact, move, restore
from taskdashd.cli.options import EXIT_FAILURE, EXIT_USAGE, config_option, fail
from taskdashd.cli.options import load as load_settings
from taskdashd.cli.tokens import cert, token, wall
from taskdashd.settings import config, logs
from taskdashd.settings import kept as keeping

_FLAGS = (
    "listen",
    "listen_tls",
    "web",
    "data",
    "store",
    "auth",
    "heartbeat_timeout",
    "backup_every",
    "backup_keep",
    "log_format",
    "log_level",
)


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for each setting that people change most; the file holds the rest."""
    for name in reversed(_FLAGS):
        metadata = config.TABLE[name].metadata
        command = click.option(
            f"--{name.replace('_', '-')}",
            name,
            metavar=metadata["unit"].upper().replace("|OFF", "|off"),
            help=metadata["about"],
        )(command)
    return config_option(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message=f"taskdashd %(version)s (protocol {PROTOCOL_VERSION})")
def main() -> None:
    """TaskDash's daemon: who runs what, who has died, who waits for whom."""
    # A token's name may hold what the terminal's encoding does not have.
    escaping(sys.stdout, sys.stderr)
    # SQLite, too, makes files by the umask.
    os.umask(0o077)


for _command in (backup, restore, move, compact, check, token, wall, cert):
    main.add_command(_command)


@main.command()
@_settings_options
@click.option("--accept-loss", is_flag=True, help="Go on though a PostgreSQL has lost writes.")
def run(config_file: Path | None, accept_loss: bool, **flags: Any) -> None:
    """Serve until SIGTERM. SIGHUP rereads the configuration.

    \b
    taskdashd run
    taskdashd run --listen 127.0.0.1:13920 --data /var/lib/taskdash
    """

    def load() -> config.Settings:
        return load_settings(flags, config_file)[0]

    try:
        settings = load()
    except config.ConfigError as error:
        fail(str(error), EXIT_USAGE)
    from taskdashd import daemon
    from taskdashd.process.doors import StartError
    from taskdashd.process.stop import EXIT_FENCED
    from taskdashd.store.faults import Fenced
    from taskdashd.store.lock import StoreUnusable

    logs.configure(settings.log_format, settings.log_level)
    # Write no core dump: one would hold tokens and tasks.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _raise_descriptor_limit(settings.max_connections)
    try:
        trio.run(partial(daemon.serve, settings, load, accept_loss=accept_loss))
    except (StartError, StoreUnusable) as error:
        fail(str(error), EXIT_FAILURE)
    except Fenced:
        # The log has said it.
        sys.exit(EXIT_FENCED)


@main.command("config")
@_settings_options
@click.option("--kept", is_flag=True, help="Show what is kept, and how long.")
def show_config(config_file: Path | None, kept: bool, **flags: Any) -> None:
    """Show each setting's value and where it comes from."""
    try:
        settings, sources = load_settings(flags, config_file)
    except config.ConfigError as error:
        fail(str(error), EXIT_USAGE)
    if kept:
        _print_table(keeping.told(settings))
        return
    _print_table(
        [
            (name, _shown(getattr(settings, name)), setting.metadata["unit"], sources[name])
            for name, setting in config.TABLE.items()
        ]
    )


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "off"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple) and not isinstance(value, config.Address):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _raise_descriptor_limit(max_connections: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max_connections + 64
    if soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # A sandbox may forbid raising the limit; the warning below then tells that it is too low.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    if soft < wanted:
        click.echo(
            f"taskdashd: only {soft} open files are allowed, too few for max_connections ="
            f" {max_connections}: raise LimitNOFILE, or lower the setting",
            err=True,
        )
