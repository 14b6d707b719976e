"""`taskdashd backup`, `restore`, `move`, `compact` and `check`: the database as a whole."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from taskdash_protocol import handwritten
from taskdashd.cli.options import (
    EXIT_FAILURE,
    EXIT_USAGE,
    acting_in,
    fail,
    settings_of,
    store_options,
)
from taskdashd.settings import config, owner, values


@contextmanager
def progress() -> Iterator[Callable[[int, int], None]]:
    """Give what shows on a terminal how many rows are done of how many."""
    shown = sys.stderr.isatty()

    def say(done: int, of: int) -> None:
        if shown:
            click.echo(f"\r{done * 100 // max(of, 1):3} %", nl=False, err=True)

    try:
        yield say
    finally:
        if shown:
            click.echo("\r     \r", nl=False, err=True)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@store_options
def backup(file: Path, store: str | None, data: str | None, config_file: Path | None) -> None:
    """Copy the database to FILE while the daemon runs, and read the copy back.

    \b
    taskdashd backup /media/usb/taskdash.db
    taskdashd run --backup-every 1h --backup-keep 24     # by itself
    """
    from taskdashd.store import backup as backups

    settings = settings_of(data, config_file, store)
    try:
        with acting_in(settings.data, writes=False), progress() as say:
            copy = backups.write(settings.data, file.absolute(), settings.store, say=say)
        _say_copy("backed up", copy)
    except backups.BackupError as error:
        fail(str(error), EXIT_FAILURE)


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--newest", is_flag=True, help="The newest good one that the daemon made itself.")
@click.option("--force", is_flag=True, help="Move a database that is there aside.")
@store_options
def restore(
    file: Path | None,
    newest: bool,
    force: bool,
    store: str | None,
    data: str | None,
    config_file: Path | None,
) -> None:
    """Put a backup in the place of the database. The daemon must not run.

    \b
    taskdashd restore /media/usb/taskdash.db
    taskdashd restore --newest --force
    """
    from taskdashd.store import backup as backups

    if (file is None) != newest:
        fail("name a FILE or say --newest", EXIT_USAGE)
    settings = settings_of(data, config_file, store)
    try:
        with acting_in(settings.data):
            chosen = file or backups.newest_good(config.backup_dir(settings)).path
            with progress() as say:
                done = backups.restore(
                    chosen.absolute(), settings.data, force=force, store=settings.store, say=say
                )
    except (backups.BackupError, backups.StoreUnusable) as error:
        fail(str(error), EXIT_FAILURE)
    _say_copy("restored", done.copy)
    _say_aside(done.aside)
    _say_people(done)


@click.command()
@click.option("--from", "source", metavar="PLACE", required=True, help="Where the tasks are.")
@click.option("--to", "target", metavar="PLACE", required=True, help="Where they go.")
@click.option("--force", is_flag=True, help="Move a database that is there aside.")
def move(source: str, target: str, force: bool) -> None:
    """Move all that is stored from a data directory to a PostgreSQL, or back.

    No daemon may run on either. What is left behind stays as it is.

    \b
    taskdashd move --from /var/lib/taskdash --to postgresql://taskdash@db/taskdash
    taskdashd move --from postgresql://taskdash@db/taskdash --to /var/lib/taskdash
    """
    from taskdashd.store import backup as backups
    from taskdashd.store import moving

    places = [handwritten.stripped(place) for place in (source, target)]
    is_store = [place.startswith(("postgresql://", "postgres://")) for place in places]
    if is_store[0] == is_store[1]:
        fail("name a directory and a postgresql://…, one of them after each option", EXIT_USAGE)
    try:
        store = values.store(places[is_store.index(True)])
    except ValueError as error:
        fail(f"the address of the PostgreSQL {error}", EXIT_USAGE)
    data = Path(places[is_store.index(False)]).absolute()
    try:
        with acting_in(data), progress() as say:
            if is_store[0]:
                done = moving.to_directory(store, data, say, force=force)
            else:
                done = moving.to_store(data, store, say, force=force)
    except (backups.BackupError, backups.StoreUnusable) as error:
        fail(str(error), EXIT_FAILURE)
    click.echo(f"moved {done.tasks} tasks, rev {done.rev}, compared with what was there")
    _say_aside(done.aside)
    setting = f"store = {store}" if is_store[1] else f"data = {data}, without store"
    click.echo(f"start the daemon with {setting}; no other may run on what was left behind")


def _say_aside(aside: object) -> None:
    if aside is not None:
        click.echo(f"what was there is in {aside}; remove it when it is no longer wanted")


def _say_people(done: Any) -> None:
    """Say who may come in again that could not before."""
    day = f"of {done.as_of[:10]}" if done.as_of else "of the backup"
    click.echo(f"everybody is signed out; passwords, roles and who is active are those {day}")
    if done.revived is None:
        click.echo("what was there cannot be read: whose password was changed since is not known")
    for account in done.revived or ():
        click.echo(f"  {account.who}: {account.what}")


@click.command()
@store_options
def compact(store: str | None, data: str | None, config_file: Path | None) -> None:
    """Write the database anew, as small as it can be. The daemon must not run.

    A file of an older version then gives room back by itself, as new ones do.

    \b
    taskdashd compact
    """
    from taskdashd.store import compact as compacting
    from taskdashd.store.backup import BackupError, StoreUnusable

    settings = settings_of(data, config_file, store)
    if settings.store:
        click.echo("nothing to do: PostgreSQL's autovacuum, or VACUUM by hand, makes room again")
        return

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


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended. The daemon must not run.")
@store_options
def check(repair: bool, store: str | None, data: str | None, config_file: Path | None) -> None:
    """Read the database from end to end and say what is wrong, and what to do. Exits 1 if any.

    \b
    taskdashd check
    taskdashd check --repair
    """
    from taskdashd.store import backup as backups

    settings = settings_of(data, config_file, store)
    strangers = ""
    try:
        with acting_in(settings.data, writes=repair):
            strangers = owner.told_of_strangers(settings.data)
            faults = backups.check(settings.data, settings.store)
            mends = repair and faults and all(fault.cure == backups.REBUILD for fault in faults)
            if mends:
                backups.repair(settings.data, settings.store)
            told = settings.data, settings.store
            admins = [] if faults else backups.admins_without_password(*told)
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
    click.echo(f"{settings.store or settings.data}: no fault found")


def _say_copy(done: str, copy: Any) -> None:
    size = _size(copy.size_bytes)
    click.echo(f"{done} {copy.path}: {copy.tasks} tasks, rev {copy.rev}, {size}, read back whole")


def _size(size_bytes: int) -> str:
    kib = size_bytes / 1024
    return f"{kib:.0f} KiB" if kib < 1024 else f"{kib / 1024:.1f} MiB"
