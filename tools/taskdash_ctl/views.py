"""The commands about views: view list, set, remove."""

from collections.abc import Callable
from typing import Any, Final

import click

from taskdash import address
from taskdash_ctl import options, show
from taskdash_ctl.reach import attempt, connect

_COLUMNS: Final = ("name", "of", "query")


def _owner(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say whose a view is."""
    command = click.option("--group", metavar="NAME", help="That of a group.")(command)
    return click.option("--person", metavar="NUMBER", help="That of a person.")(command)


def _of(person: str | None, group: str | None) -> dict[str, str] | None:
    """Read the options of `_owner`. Raises `UsageError`."""
    if person is not None and group is not None:
        raise click.UsageError("--person or --group, not both")
    if person is not None:
        return {"person": person}
    return None if group is None else {"group": group}


@click.group()
def view() -> None:
    """Keep views of the board under a name, for a person or a group.

    \b
    taskdash-ctl view set Films "list?group=cut&q=film" --group cut
    """


@view.command("list")
@_owner
@options.output_of_rows
@click.pass_obj
def list_(where: address.Address, /, person: str | None, group: str | None, output: str) -> None:
    """List the views of all groups, or those of a person or of one group.

    \b
    taskdash-ctl view list --person 1001
    """
    with connect(where) as dash:
        found = attempt(lambda: dash.ask("Views", of=_of(person, group)))
    rows: list[dict[str, Any]] = found["views"]
    if output in ("table", "csv"):
        rows = [{**row, "of": " ".join(*row["of"].items())} for row in rows]
    attempt(lambda: show.tasks(rows, output, _COLUMNS))
    if found["more"]:
        click.echo("and others: name a person or a group", err=True)


@view.command("set")
@click.argument("name")
@click.argument("query")
@_owner
@click.pass_obj
def set_(
    where: address.Address, /, name: str, query: str, person: str | None, group: str | None
) -> None:
    """Keep what the board shows, by its address behind #/, under a name.

    \b
    taskdash-ctl view set Films "list?group=cut&q=film" --person 1001
    """
    with connect(where) as dash:
        done = attempt(lambda: dash.ask("SetView", name=name, query=query, of=_of(person, group)))
    click.echo(f"{show.clean(done['name'])} is {show.clean(done['query'])}")


@view.command()
@click.argument("name")
@_owner
@click.pass_obj
def remove(where: address.Address, /, name: str, person: str | None, group: str | None) -> None:
    """Remove a view.

    \b
    taskdash-ctl view remove Films --group cut
    """
    with connect(where) as dash:
        attempt(lambda: dash.ask("SetView", name=name, of=_of(person, group), remove=True))
    click.echo(f"{show.clean(name)} is gone")


COMMANDS: Final = (view,)
