"""The commands about calendars: calendar list, show, set, remove."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from typing import IO, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

import taskdash
from taskdash import address
from taskdash.calls import without_errid
from taskdash_ctl import options, show
from taskdash_ctl.reach import attempt, connect
from taskdash_protocol import handwritten

_LIST: Final = ("name", "zone", "hours", "until", "set")
_SHEET: Final = ("zone", "hours", "closed", "open", "until", "today")
_MARKS: Final = {"closed": "day off", "open": "special", "unknown": "not known"}


@click.group()
def calendar() -> None:
    """Say when people work: hours of the week, days off, make-up days.

    \b
    taskdash-ctl calendar show
    taskdash-ctl calendar set office --zone Europe/Berlin --hours "Mon-Fri 09:00-17:30"
    """


@calendar.command("list")
@options.output_of_rows
@click.pass_obj
def list_(where: address.Address, /, output: str) -> None:
    """List the calendars.

    \b
    taskdash-ctl calendar list
    """
    with connect(where) as dash:
        rows = attempt(lambda: dash.ask("Calendars")["calendars"])
    if output in ("table", "csv"):
        rows = [{**row, "set": "yes" if row["set"] else "no"} for row in rows]
    attempt(lambda: show.tasks(rows, output, _LIST))


@calendar.command("show")
@click.argument("name", required=False)
@click.option("--week", metavar="DATE", help="The week of this date, and the next.")
@click.option("--output", "-o", type=click.Choice(["fields", "json"]), default="fields")
@click.pass_obj
def show_(where: address.Address, /, name: str | None, week: str | None, output: str) -> None:
    """Show a calendar with the days of this week and the next; without NAME the office's.

    \b
    taskdash-ctl calendar show
    taskdash-ctl calendar show office --week 2027-02-01
    """
    with connect(where) as dash:
        one = attempt(lambda: _asked(dash, name, week))
    if output == "json":
        click.echo(show.as_json(one, indent=2))
    else:
        _print(one)


@calendar.command("set")
@click.argument("name")
@click.option("--zone", metavar="ZONE", help="Its time zone, as in Asia/Shanghai.")
@click.option("--hours", metavar="HOURS", help='As in "Mon-Fri 09:00-12:00 13:00-18:00; Sat …".')
@click.option("--closed", multiple=True, metavar="DATES", help='Days off; repeatable; "" is none.')
@click.option(
    "--open",
    multiple=True,
    metavar="DATES",
    help='Days to work, "2027-02-20 09:00-12:00" or with usual hours; repeatable.',
)
@click.option("--add", is_flag=True, help="Keep the days that are there, beside those given now.")
@click.option("--until", metavar="DATE", help='Up to when days off are known; "" is for ever.')
@click.option("--today", metavar="DATE", help='The business day; or next; "" follows the clock.')
@click.option("--from", "from_", metavar="DATE", help="Only if this is the business day so far.")
@click.option(
    "--file",
    "-f",
    type=click.File("rb"),
    help="JSON as `show -o json` prints it; - is standard input.",
)
@click.pass_obj
def set_(
    where: address.Address,
    /,
    name: str,
    add: bool,
    from_: str | None,
    file: IO[bytes] | None,
    **given: Any,
) -> None:
    """Make a calendar, or change it, and show it; what is not given stays.

    DATES are one, as in 2027-04-05, or two, as in 2027-02-05..2027-02-11.

    \b
    taskdash-ctl calendar set office --zone Asia/Shanghai --hours "Mon-Fri 09:00-18:00"
    taskdash-ctl calendar set office --add --closed 2027-02-05..2027-02-11 --open 2027-02-13
    taskdash-ctl calendar set office --today next --from 2027-02-04
    """
    fields = {} if file is None else _read(file)
    fields |= {field: value for field, value in given.items() if value not in (None, ())}
    for days in fields.keys() & {"closed", "open"}:
        fields[days] = list(filter(None, fields[days]))
    if from_ is not None:
        fields["from"] = from_
    with connect(where) as dash:
        if add:
            fields |= attempt(lambda: _added(dash, name, fields))
        attempt(lambda: dash.ask("SetCalendar", name=name, **fields))
        one = attempt(lambda: _asked(dash, name, None))
    _print(one)


@calendar.command()
@click.argument("name")
@click.pass_obj
def remove(where: address.Address, /, name: str) -> None:
    """Remove a calendar that nobody has.

    \b
    taskdash-ctl calendar remove night
    """
    with connect(where) as dash:
        attempt(lambda: dash.ask("SetCalendar", name=name, remove=True))
    click.echo(f"{show.clean(name)} is gone")


COMMANDS: Final = (calendar,)


def _asked(dash: taskdash.Client, name: str | None, week: str | None) -> dict[str, Any]:
    name = name or dash.ask("Calendars")["office"]
    (one,) = without_errid(dash.ask("Calendars", name=name, week=week))["calendars"]
    return dict(one)


def _added(dash: taskdash.Client, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Give the days of a calendar with those of `fields`; of one that is not there, only those."""
    known = {one["name"] for one in dash.ask("Calendars")["calendars"]}
    before = _asked(dash, name, None) if name in known else {"closed": [], "open": []}
    return {days: [*before[days], *fields.get(days, ())] for days in ("closed", "open")}


def _read(file: IO[bytes]) -> dict[str, Any]:
    """Read the fields of a file. Raises `BadParameter`."""
    try:
        read = json.loads(handwritten.text(file.read()))
    except ValueError as error:
        raise click.BadParameter(f"it holds no JSON: {error}", param_hint="--file") from None
    if type(read) is not dict:
        raise click.BadParameter("it holds no JSON object", param_hint="--file")
    return {field: value for field, value in read.items() if field in _SHEET}


def _print(one: dict[str, Any]) -> None:
    show.pairs(_told(one))
    click.echo()
    for day in one["days"]:
        weekday = f"{date.fromisoformat(day['date']):%a}"
        hours, mark = day["hours"] or "-", _MARKS.get(day["mark"], day["mark"])
        line = f"{weekday} {day['date']}  {hours:<24}  {mark}".rstrip()
        dim = show.use_colour() and not day["hours"]
        click.echo(click.style(show.clean(line), dim=dim), color=show.use_colour())


def _told(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "calendar", one["name"] + ("" if one["set"] else ", which nobody has set yet")
    if one["fault"]:
        yield "fault", one["fault"]
    yield "zone", one["zone"]
    yield "hours", one["hours"]
    for field, word in (("closed", "days off"), ("open", "special days")):
        if one[field]:
            yield word, ", ".join(one[field])
    yield "known to", one["known_to"] or "for ever"
    yield "business day", one["day"] + (", moved by hand" if one["today"] else "")
    until = one["now"]["until"]
    till = f" until {_there(until, one['zone'])}" if until else ""
    yield "now", ("open" if one["now"]["open"] else "closed") + till


def _there(stamp: str, zone: str) -> str:
    """Write a moment as the clocks of a zone show it, or of UTC where this machine has no zones."""
    try:
        clocks: tzinfo = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        clocks = UTC
    return f"{datetime.fromisoformat(stamp).astimezone(clocks):%a %Y-%m-%d %H:%M %Z}"
