"""`taskdashd run`, `config`, `backup`, `restore`, `compact` and `check`."""

import os
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import trio

from taskdash_protocol import PROTOCOL_VERSION, __version__
from taskdash_protocol.escapes import escaping
from taskdashd.cli.options import (
    EXIT_FAILURE,
    EXIT_USAGE,
    acting_in,
    config_option,
    data_options,
    fail,
    settings_of,
)
from taskdashd.cli.options import load as load_settings
from taskdashd.cli.tokens import cert, token, wall
from taskdashd.settings import config, logs, owner
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


main.add_command(token)
main.add_command(wall)
main.add_command(cert)


@main.command()
@_settings_options
def run(config_file: Path | None, **flags: Any) -> None:
    """Serve until SIGTERM. SIGHUP rereads the configuration.

    \b
    taskdashd run
    taskdashd run --listen 127.0.0.1:13920 --data /var/lib/taskdash
    """
    from taskdashd import daemon
    from taskdashd.process.doors import StartError
    from taskdashd.process.stop import EXIT_FENCED
    from taskdashd.store.faults import Fenced
    from taskdashd.store.lock import StoreUnusable

    def load() -> config.Settings:
        return load_settings(flags, config_file)[0]

    try:
        settings = load()
    except config.ConfigError as error:
        fail(str(error), EXIT_USAGE)
    logs.configure(settings.log_format, settings.log_level)
    # Write no core dump: one would hold tokens and tasks.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _raise_descriptor_limit(settings.max_connections)
    try:
        trio.run(daemon.serve, settings, load)
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


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@data_options
def backup(file: Path, data: str | None, config_file: Path | None) -> None:
    """Copy the database to FILE while the daemon runs, and read the copy back.

    \b
    taskdashd backup /media/usb/taskdash.db
    taskdashd run --backup-every 1h --backup-keep 24     # by itself
    """
    from taskdashd.store import backup as backups

    settings = settings_of(data, config_file)
    try:
        with acting_in(settings.data, writes=False):
            copy = backups.write(settings.data, file.absolute())
        _say_copy("backed up", copy)
    except backups.BackupError as error:
        fail(str(error), EXIT_FAILURE)


@main.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--newest", is_flag=True, help="The newest good one that the daemon made itself.")
@click.option("--force", is_flag=True, help="Move a database that is there aside.")
@data_options
def restore(
    file: Path | None, newest: bool, force: bool, data: str | None, config_file: Path | None
) -> None:
    """Put a backup in the place of the database. The daemon must not run.

    \b
    taskdashd restore /media/usb/taskdash.db
    taskdashd restore --newest --force
    """
    from taskdashd.store import backup as backups

    if (file is None) != newest:
        fail("name a FILE or say --newest", EXIT_USAGE)
    settings = settings_of(data, config_file)
    try:
        with acting_in(settings.data):
            chosen = file or backups.newest_good(config.backup_dir(settings)).path
            done = backups.restore(chosen.absolute(), settings.data, force=force)
    except (backups.BackupError, backups.StoreUnusable) as error:
        fail(str(error), EXIT_FAILURE)
    _say_copy("restored", done.copy)
    if done.aside is not None:
        click.echo(f"what was there is in {done.aside}; remove it when it is no longer wanted")
    _say_people(done)


def _say_people(done: Any) -> None:
    """Say who may come in again that could not before."""
    day = f"of {done.as_of[:10]}" if done.as_of else "of the backup"
    click.echo(f"everybody is signed out; passwords, roles and who is active are those {day}")
    if done.revived is None:
        click.echo("what was there cannot be read: whose password was changed since is not known")
    for account in done.revived or ():
        click.echo(f"  {account.who}: {account.what}")


@main.command()
@data_options
def compact(data: str | None, config_file: Path | None) -> None:
    """Write the database anew, as small as it can be. The daemon must not run.

    A file of an older version then gives room back by itself, as new ones do.

    \b
    taskdashd compact
    """
    from taskdashd.store import compact as compacting
    from taskdashd.store.backup import BackupError, StoreUnusable

    settings = settings_of(data, config_file)

    def say(needed: int) -> None:
        click.echo(f"needs {_size(needed)} beside the database")

    try:
        with acting_in(settings.data):
            done = compacting.compact(settings.data, say)
    except (BackupError, StoreUnusable) as error:
        fail(str(error), EXIT_FAILURE)
    before, after = done.bytes_before, done.bytes_after
    click.echo(
        f"compacted {done.path}: {_size(before)} before, {_size(after)} now,"
        f" {_size(max(0, before - after))} gained, read back whole"
    )


@main.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended. The daemon must not run.")
@data_options
def check(repair: bool, data: str | None, config_file: Path | None) -> None:
    """Read the database from end to end and say what is wrong, and what to do. Exits 1 if any.

    \b
    taskdashd check
    taskdashd check --repair
    """
    from taskdashd.store import backup as backups

    settings = settings_of(data, config_file)
    strangers = ""
    try:
        with acting_in(settings.data, writes=repair):
            strangers = owner.told_of_strangers(settings.data)
            faults = backups.check(settings.data)
            mends = repair and faults and all(fault.cure == backups.REBUILD for fault in faults)
            if mends:
                backups.repair(settings.data)
            admins = [] if faults else backups.admins_without_password(settings.data)
        if mends:
            for fault in faults:
                click.echo(f"mended: {fault.what}")
            click.echo("the next start makes the task table again from the log")
            return
    except (backups.BackupError, backups.StoreUnusable) as error:
        fail(f"{error}{strangers}", EXIT_FAILURE)
    for fault in faults:
        click.echo(f"fault: {fault.what}\n  to do: {fault.cure}")
    if strangers:
        click.echo(f"fault: the daemon cannot use all that is there{strangers}")
    if faults or strangers:
        sys.exit(EXIT_FAILURE)
    if admins:
        click.echo(
            f"note: administrators without a password, who sign in nowhere: {len(admins)}\n"
            f"  to do: taskdash-ctl person {admins[0]} --password"
        )
    click.echo(f"{settings.data}: no fault found")


def _say_copy(done: str, copy: Any) -> None:
    size = _size(copy.size_bytes)
    click.echo(f"{done} {copy.path}: {copy.tasks} tasks, rev {copy.rev}, {size}, read back whole")


def _size(size_bytes: int) -> str:
    kib = size_bytes / 1024
    return f"{kib:.0f} KiB" if kib < 1024 else f"{kib / 1024:.1f} MiB"


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
