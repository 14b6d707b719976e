"""The commands about people, the tasks that they do, and task services."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import click

from taskdash import address
from taskdash_ctl import completing, options, show
from taskdash_ctl.names import Names
from taskdash_ctl.reach import attempt, connect
from taskdash_protocol import typed
from taskdash_protocol.families.people import ROLES

_PEOPLE: Final = ("user", "name", "role", "groups", "leads", "calendar", "active")
_SERVICES: Final = ("state", "name", "url", "group_id", "since", "silent_s")

_WAITING: Final = ("section", "id", "name", "status", "why", "by", "word", "since")

_UNANSWERED: Final = {"status": ["shutdown", "failed"], "acknowledged": ["no"]}

_as_user = click.option(
    "--user", metavar="NUMBER", help="Who does it; without it you do, as the operator."
)
_word = click.option("--word", metavar="TEXT", help="A word on it, kept as the task's reason.")


@click.command()
@options.output_of_rows
@click.pass_obj
def people(where: address.Address, /, output: str) -> None:
    """List the people who have an account.

    \b
    taskdash-ctl people
    taskdash-ctl people -o jsonl
    """
    with connect(where) as dash:
        rows = attempt(lambda: dash.ask("People")["people"])
    _show(rows, output, _PEOPLE, "nobody has an account yet: people sign in at the board")


@click.command()
@click.argument("user", metavar="NUMBER")
@click.option("--name", metavar="TEXT", help="What people call them; a new account needs one.")
@click.option("--role", type=click.Choice(ROLES), help="What they may do.")
@click.option(
    "--group", "groups", multiple=True, help='All their groups, as in "cut, paint"; "" is none.'
)
@click.option("--lead", "leads", multiple=True, help="Those that a lead leads; repeatable.")
@click.option("--calendar", metavar="NAME", help='When they work; "" is the office\'s.')
@click.option("--active/--inactive", default=None, help="Whether they may sign in.")
@click.option("--password", is_flag=True, help="Ask for a new password.")
@click.option("--new", is_flag=True, default=None, help="Only if nobody has the number.")
@click.option("--base", type=click.IntRange(0), metavar="REV", help="Only if unchanged since.")
@click.pass_obj
def person(where: address.Address, /, user: str, password: bool, **given: Any) -> None:
    """Make somebody's account, or change it; what is not given stays.

    \b
    taskdash-ctl person 1001 --new --name "Wang Xiaoming" --group cut
    taskdash-ctl person 1004 --role lead --lead cut
    taskdash-ctl person 1001 --inactive
    """
    fields = {name: value for name, value in given.items() if value not in (None, ())}
    for name in fields.keys() & {"groups", "leads"}:
        fields[name] = [group for one in fields[name] for group in typed.names(one)]
    if password:
        fields["password"] = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    with connect(where) as dash:
        reply = attempt(lambda: dash.ask("SetPerson", user=user, **fields))
    show.pairs((name, _plain(reply[name])) for name in _PEOPLE)
    if given["role"] == "admin" and not password:
        click.echo("an administrator signs in nowhere without a password: --password", err=True)


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=completing.ids())
@click.option("--history", is_flag=True, help="Also whom its history names, of one task.")
@options.output_of_rows
@click.pass_obj
def names(where: address.Address, /, ids: tuple[str, ...], history: bool, output: str) -> None:
    """List what those are called whom tasks name.

    \b
    taskdash-ctl names desk-7 desk-8
    taskdash-ctl names --history desk-7
    """
    with connect(where) as dash:
        told = attempt(lambda: dash.ask("Names", ids=list(ids), history=history))["names"]
    rows = [{"user": user, "name": name} for user, name in told.items()]
    _show(rows, output, ("user", "name"), "they name nobody who has an account")


@click.command("next")
@click.option("--user", metavar="NUMBER", help="Whose; without it one's own.")
@options.output_of_rows
@click.pass_obj
def next_(where: address.Address, /, user: str | None, output: str) -> None:
    """List what waits for somebody: what they have, are to check, and what came to them.

    \b
    taskdash-ctl next --user 1001
    taskdash-ctl next --user 1001 -o json
    """
    with connect(where) as dash:
        found = attempt(lambda: dash.ask("Next", user=user or ""))
        counts = found["counts"]
        sections = {name: found[name] for name in counts if name in found}
        rows = [{"section": name, **one} for name, entries in sections.items() for one in entries]
        names = Names(dash)
        if output == "table" and sys.stdout.isatty():
            attempt(lambda: names.learn(rows))
    _show(rows, output, _WAITING, "nothing waits for them", names.called)
    left = sum(counts[name] for name in sections) - len(rows)
    if left or counts["more"]:
        click.echo(f"and {left}{' or more' if counts['more'] else ''} others", err=True)


@click.command()
@click.argument("of", metavar="NUMBER")
@click.option("--to", multiple=True, required=True, metavar="NUMBER", help="To whom; repeatable.")
@_as_user
@_word
@click.pass_obj
def handover(
    where: address.Address, /, of: str, to: tuple[str, ...], user: str | None, word: str | None
) -> None:
    """Give all that somebody holds or is to check to others: leave, illness.

    \b
    taskdash-ctl handover 1001 --to 1002 --to 1003 --word "on leave until May"
    """
    more = {"user": user or "", "word": word or ""}
    with connect(where) as dash:
        done = attempt(lambda: dash.ask("Handover", of=of, to=list(to), **more))
    for one in done["moved"]:
        click.echo(f"{show.clean(one['id'])}: {one['as']} is {one['to']} now")
    for one in done["left"]:
        click.echo(f"{show.clean(one['id'])} stays: {show.clean(one['why'])}", err=True)
    click.echo(f"{len(done['moved'])} moved, {len(done['left'])} left", err=True)


@click.command()
@options.output_of_rows
@click.pass_obj
def services(where: address.Address, /, output: str) -> None:
    """List the task services, and how they fare.

    \b
    taskdash-ctl services
    """
    with connect(where) as dash:
        rows = attempt(lambda: dash.ask("Services")["services"])
    _show(rows, output, _SERVICES, "no service has registered: see RegisterService in PROTOCOL.md")


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]…", shell_complete=completing.ids(_UNANSWERED))
@click.option("--service", "urls", multiple=True, metavar="URL", help="A service; repeatable.")
@click.option("--hide", is_flag=True, help="Boards need not show it any more.")
@_as_user
@click.option("--word", metavar="TEXT", help="What is to be done about it, or why nothing is.")
@click.pass_obj
def acknowledge(
    where: address.Address, /, ids: tuple[str, ...], urls: tuple[str, ...], **given: Any
) -> None:
    """Say that somebody has seen that tasks died or failed, or that a service is dead.

    \b
    taskdash-ctl acknowledge backup-7 --user 1001 --word "the disk is being changed"
    taskdash-ctl acknowledge --service http://10.0.0.7:8080 --hide
    """
    wanted = [{"id": one} for one in ids] + [{"url": one} for one in urls]
    if not wanted:
        raise click.UsageError("nothing to acknowledge: name a task, or --service URL")
    more = {name: value for name, value in given.items() if value is not None}
    with connect(where) as dash:
        for one in wanted:
            done = attempt(partial(dash.ask, "Acknowledge", **one, **more))
            what, by = next(iter(one.values())), done["acknowledged"]["by"]
            click.echo(f"{show.clean(what)}: acknowledged by {show.clean(by)}")


@click.command()
@options.task_id
@click.option("--add", multiple=True, metavar="TEXT", help="A label that it gets; repeatable.")
@click.option("--remove", multiple=True, metavar="TEXT", help="One that it loses; repeatable.")
@click.pass_obj
def label(
    where: address.Address, /, id: str, add: tuple[str, ...], remove: tuple[str, ...]
) -> None:
    """Give a task labels, short words by which it is found, or take some away.

    \b
    taskdash-ctl label desk-7 --add urgent --remove later
    taskdash-ctl list --where labels=urgent
    """
    with connect(where) as dash:
        done = attempt(lambda: dash.ask("SetLabels", id=id, add=list(add), remove=list(remove)))
    click.echo(f"{show.clean(done['id'])}: {show.clean(', '.join(done['labels']) or 'no labels')}")


@click.command()
@click.argument("url")
@click.pass_obj
def retire(where: address.Address, /, url: str) -> None:
    """Forget a service that is not coming back.

    \b
    taskdash-ctl retire http://10.0.0.7:8080
    """
    with connect(where) as dash:
        done = attempt(lambda: dash.ask("RetireService", url=url))
    click.echo(f"{show.clean(done['url'])} is retired")


def _act(
    name: str, doing: str, example: str, *options: Callable[[Any], Any], **names: str
) -> click.Command:
    """Make the command of an act; `names` says what its options are called in the request."""

    @click.argument("id", shell_complete=completing.ids())
    @_as_user
    @click.pass_obj
    def act(where: address.Address, /, id: str, **given: Any) -> None:
        fields = {names.get(key, key): value for key, value in given.items() if value is not None}
        with connect(where) as dash:
            done = attempt(lambda: dash.ask(name, id=id, **fields))
        holder = f", {done['user']}'s" if done["user"] else ""
        click.echo(f"{show.clean(id)} is {show.clean(done['status'])}{show.clean(holder)}")

    for option in reversed(options):
        act = option(act)
    return click.command(name.lower(), help=f"{doing}\n\n\b\n{example}")(act)


_limit = click.option(
    "--limit", type=click.FloatRange(1), metavar="SECONDS", help="It is free again after that."
)
_to = click.option("--to", required=True, metavar="NUMBER", help="Who gets it.")
_checker = click.option("--checker", metavar="NUMBER", help="Who is to check it.")
_reason = click.option("--reason", required=True, metavar="TEXT", help="What is to be done.")

COMMANDS: Final = (
    people,
    person,
    names,
    next_,
    _act("Claim", "Take a task for somebody.", "taskdash-ctl claim desk-7 --user 1001", _limit),
    _act("Begin", "Say that work on it has begun.", "taskdash-ctl begin desk-7 --user 1001"),
    _act("Release", "Set a claimed task free.", "taskdash-ctl release desk-7", _word),
    _act(
        "Assign",
        "Give a task to somebody, whoever has it now.",
        'taskdash-ctl assign desk-7 --to 1002 --word "you know it best"',
        _to,
        _word,
        _limit,
    ),
    _act(
        "Submit",
        "Hand the work in, to be checked.",
        "taskdash-ctl submit desk-7 --user 1001",
        _checker,
        _word,
    ),
    _act("Approve", "Find submitted work good.", "taskdash-ctl approve desk-7", _word),
    _act(
        "Reject",
        "Give submitted work back, with the reason.",
        'taskdash-ctl reject desk-7 --reason "too dark"',
        _reason,
    ),
    handover,
    services,
    acknowledge,
    label,
    retire,
)


def _show(
    rows: list[dict[str, Any]],
    output: str,
    columns: tuple[str, ...],
    none: str,
    called: show.Called = show.clean,
) -> None:
    if not rows and output == "table":
        click.echo(none, err=True)
        return
    flat = output in ("table", "csv")
    shown = [{name: _plain(row.get(name)) for name in columns} for row in rows] if flat else rows
    attempt(lambda: show.tasks(shown, output, columns, called))


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
