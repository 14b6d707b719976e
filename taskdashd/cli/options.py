"""Options, settings and the way to fail that the daemon's commands share."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from taskdash_protocol import handwritten
from taskdashd.settings import config, owner

EXIT_FAILURE = 1
EXIT_USAGE = 2


def config_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--config`."""
    return click.option(
        "--config",
        "config_file",
        envvar=f"{config.ENVIRONMENT_PREFIX}CONFIG",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A TOML file with settings; flags and TASKDASHD_* variables stand over it.",
    )(command)


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--data` and `--config`, which tell a command its data directory."""
    about = config.TABLE["data"].metadata["about"]
    return config_option(click.option("--data", metavar="DIRECTORY", help=about)(command))


def store_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--store` to `--data` and `--config`: a command finds the database by them."""
    metadata = config.TABLE["store"].metadata
    option = click.option("--store", metavar=metadata["unit"], help=metadata["about"])
    return data_options(option(command))


def settings_of(
    data: str | None, config_file: Path | None, store: str | None = None
) -> config.Settings:
    """Read the settings; a bad one ends the program with its message."""
    try:
        return load({"data": data, "store": store}, config_file)[0]
    except config.ConfigError as error:
        fail(str(error), EXIT_USAGE)


@contextmanager
def acting_in(directory: Path, *, writes: bool = True) -> Iterator[None]:
    """Act in a directory as its owner, if root types the command; a refusal ends the program.

    Who `writes` there must be the owner or root: the daemon could not read it otherwise.
    """
    try:
        if writes:
            owner.check_writer(directory)
        with owner.acting(owner.of(directory)):
            yield
    except owner.OwnerError as error:
        fail(str(error), EXIT_FAILURE)


def load(flags: dict[str, Any], config_file: Path | None) -> tuple[config.Settings, dict[str, str]]:
    """Read the settings, and where each came from. Raises `ConfigError`."""
    given = {name: value for name, value in flags.items() if value is not None}
    file = None if config_file is None else Path(handwritten.stripped(str(config_file)))
    return config.load(given, os.environ, file)


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong, and end the program."""
    click.echo(f"taskdashd: {message}", err=True)
    sys.exit(code)
