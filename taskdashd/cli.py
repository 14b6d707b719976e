"""`taskdashd run` and `taskdashd config`."""

import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import trio

from taskdash_protocol import PROTOCOL_VERSION, __version__
from taskdashd import config, logs

EXIT_FAILURE = 1
EXIT_USAGE = 2

_FLAGS = ("listen", "web", "data", "heartbeat_timeout", "log_format", "log_level")


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
    return click.option(
        "--config",
        "config_file",
        envvar=f"{config.ENVIRONMENT_PREFIX}CONFIG",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A TOML file with settings; flags and TASKDASHD_* variables stand over it.",
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message=f"taskdashd %(version)s (protocol {PROTOCOL_VERSION})")
def main() -> None:
    """TaskDash's daemon: who runs what, who has died, who waits for whom."""


@main.command()
@_settings_options
def run(config_file: Path | None, **flags: Any) -> None:
    """Serve until SIGTERM. SIGHUP rereads the configuration.

    \b
    taskdashd run
    taskdashd run --listen 127.0.0.1:13920 --data /var/lib/taskdash
    """
    from taskdashd import daemon
    from taskdashd.store.database import StoreUnusable

    def load() -> config.Settings:
        return _load(flags, config_file)[0]

    try:
        settings = load()
    except config.ConfigError as error:
        _fail(str(error), EXIT_USAGE)
    logs.configure(settings.log_format, settings.log_level)
    os.umask(0o077)
    _raise_descriptor_limit(settings.max_connections)
    try:
        trio.run(daemon.serve, settings, load)
    except (daemon.StartError, StoreUnusable) as error:
        _fail(str(error), EXIT_FAILURE)


@main.command("config")
@_settings_options
def show_config(config_file: Path | None, **flags: Any) -> None:
    """Show each setting's value and where it comes from."""
    try:
        settings, sources = _load(flags, config_file)
    except config.ConfigError as error:
        _fail(str(error), EXIT_USAGE)
    rows = [
        (name, _shown(getattr(settings, name)), setting.metadata["unit"], sources[name])
        for name, setting in config.TABLE.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[3]]).rstrip())


def _load(
    flags: dict[str, Any], config_file: Path | None
) -> tuple[config.Settings, dict[str, str]]:
    given = {name: value for name, value in flags.items() if value is not None}
    return config.load(given, os.environ, config_file)


def _shown(value: Any) -> str:
    if value is None:
        return "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _raise_descriptor_limit(max_connections: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max_connections + 64
    if soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # A sandbox may forbid it; what is missing then is said below.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    if soft < wanted:
        click.echo(
            f"taskdashd: only {soft} open files are allowed, too few for max_connections ="
            f" {max_connections}: raise LimitNOFILE, or lower the setting",
            err=True,
        )


def _fail(message: str, code: int) -> Any:
    click.echo(f"taskdashd: {message}", err=True)
    sys.exit(code)
