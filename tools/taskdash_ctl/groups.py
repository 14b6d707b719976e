"""The commands about groups: group merge."""

from typing import Final

import click

from taskdash import address
from taskdash_ctl import show
from taskdash_ctl.reach import attempt, connect


@click.group()
def group() -> None:
    """Put groups in order.

    \b
    taskdash-ctl group merge "cut, paint" cut
    """


@group.command()
@click.argument("from_", metavar="FROM")
@click.argument("into")
@click.pass_obj
def merge(where: address.Address, /, from_: str, into: str) -> None:
    """Put who and what is in group FROM into group INTO, which may be a new one.

    Tasks that have ended keep their group. What stops halfway goes on when it is asked again.

    \b
    taskdash-ctl group merge Schnitt cut
    """
    counts: dict[str, int] = {}
    with connect(where) as dash:
        while True:
            done = attempt(lambda: dash.ask("MergeGroups", **{"from": from_, "into": into}))
            for name, value in done.items():
                if type(value) is int and name != "errid":
                    counts[name] = counts.get(name, 0) + value
            if not done["more"] or not done["tasks"]:
                # Where the first that are left take all the time, those behind them never come.
                break
            click.echo(f"{counts['tasks']} tasks so far", err=True)
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    old, new = show.clean(done["from"]), show.clean(done["into"])
    if old == new:
        click.echo(f"{old} is called so already")
    elif any(counts.values()) or done["left"]:
        click.echo(f"{old} is {new} now: {told}")
    else:
        # A mistyped name is no group, and must not read as one that was merged.
        click.echo(f"nobody and nothing is in {old}: nothing was changed", err=True)
    for one in done["left"]:
        click.echo(f"{show.clean(one['id'])} stays: {show.clean(one['why'])}", err=True)
    if done["more"]:
        click.echo("there are more, and none of the first can be moved: see to those", err=True)
    if done["tokens"]:
        names = ", ".join(done["tokens"])
        click.echo(f"make these tokens anew, which name the old group: {names}", err=True)


COMMANDS: Final = (group,)
