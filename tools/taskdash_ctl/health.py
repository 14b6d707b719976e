"""The commands about the daemon itself: ping, status, doctor."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final, NamedTuple

import click

import taskdash
from taskdash import address
from taskdash.calls import without_errid
from taskdash_ctl import show
from taskdash_ctl.reach import EXIT_FAILURE, EXIT_UNREACHABLE, attempt, connect, explain
from taskdash_protocol import PROTOCOL_VERSION
from taskdash_protocol.families.connections import Hello
from taskdash_protocol.families.operators import Status
from taskdash_protocol.statuses import SHUTDOWN, status_class

_CHECK_TIMEOUT_S: Final = 30.0
_SKEW_MAX_S: Final = 2.0
_FREE_MIN_BYTES: Final = 256 << 20
_UNUSED_SHARE_MAX: Final = 4
"""A file whose unused part is a whole one of so many is worth being compacted."""
_SLOW_COMMIT_MS: Final = 200.0
_SLOW_PING_MS: Final = 100.0
_CALENDAR_LEFT_MIN: Final = timedelta(days=30)


@click.command()
@click.option("--count", "-c", type=click.IntRange(1), help="Stop after so many.")
@click.option(
    "--interval", "-i", type=click.FloatRange(0), default=1.0, show_default=True, metavar="SECONDS"
)
@click.pass_obj
def ping(where: address.Address, /, count: int | None, interval: float) -> None:
    """Measure round trips to the daemon, until Ctrl-C.

    \b
    taskdash-ctl ping -c 5
    """
    times: list[float] = []
    with connect(where) as dash:
        try:
            while count is None or len(times) < count:
                if times:
                    time.sleep(interval)
                times.append(attempt(lambda: _round_trip_ms(dash)))
                click.echo(f"reply from {where}: seq={len(times)} time={times[-1]:.2f} ms")
        except KeyboardInterrupt:
            # As ping(8), sum up after Ctrl-C; the line break keeps the sum off the terminal's ^C.
            click.echo()
    if times:
        click.echo(
            f"{len(times)} round trips: min {min(times):.2f}, median {median(times):.2f},"
            f" max {max(times):.2f} ms"
        )


def _round_trip_ms(dash: taskdash.Client) -> float:
    began = time.perf_counter()
    dash.call(Hello(PROTOCOL_VERSION, f"taskdash-ctl/{taskdash.__version__} ping"))
    return (time.perf_counter() - began) * 1000


@click.command()
@click.option("--output", "-o", type=click.Choice(["fields", "json"]), default="fields")
@click.pass_obj
def status(where: address.Address, /, output: str) -> None:
    """Show how the daemon fares.

    \b
    taskdash-ctl status
    taskdash-ctl status -o json
    """
    with connect(where) as dash:
        report = without_errid(attempt(lambda: dash.call(Status())))
    if output == "json":
        show.tasks([report], "jsonl", ())
    else:
        show.pairs(_told(where, report))


def _told(where: address.Address, report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    database, commits = report["database"], report["commits"]
    yield "daemon", f"{report['server']} at {where}, process {report['pid']}"
    yield "up", f"{show.duration(report['uptime'])}, since {report['started_at']}"
    total = sum(report["tasks"].values())
    counts = ", ".join(
        f"{count} {name or '(no status)'}" for name, count in report["tasks"].items()
    )
    yield "tasks", f"{total}" + (f": {counts}" if counts else "")
    yield "supervised", f"{report['live_tasks']} live"
    yield "connections", f"{report['connections']}, {report['watches']} watches"
    yield "memory", show.size(report["memory_bytes"])
    yield "changes", f"rev {report['rev']}, {report['writes_waiting']} not on disk yet"
    if "p50_ms" in commits:
        yield (
            "commits",
            f"{commits['count']}; median {commits['p50_ms']:g} ms, 99 % within"
            f" {commits['p99_ms']:g} ms",
        )
    yield "database", ", ".join(_stored(database))


def _stored(database: dict[str, Any]) -> Iterator[str]:
    yield show.size(database["bytes"])
    if "free_bytes" in database:
        # Of a server's disk nothing is known.
        yield f"log {show.size(database['wal_bytes'])}"
        yield f"{show.size(database['free_bytes'])} free"
    yield _engine(database)


def _engine(database: dict[str, Any]) -> str:
    # An older daemon knows no engine but SQLite.
    engine = database.get("engine", "SQLite")
    return f"{engine} {database.get('version') or database['sqlite']}"


class Finding(NamedTuple):
    """One line of the doctor's report."""

    good: bool
    what: str
    found: str
    advice: str = ""


@click.command()
@click.pass_obj
def doctor(where: address.Address, /) -> None:
    """Check what can be checked from here, and say what to do. Exit code 1 if something is wrong.

    \b
    taskdash-ctl doctor
    """
    try:
        with taskdash.Client(where, f"taskdash-ctl/{taskdash.__version__} doctor") as dash:
            findings = list(_examine(where, dash))
    except taskdash.ConnectionError as error:
        _print(Finding(False, "daemon", str(error), "start taskdashd, or set TASKDASH_URL"))
        sys.exit(EXIT_UNREACHABLE)
    except taskdash.TaskDashError as error:
        message, code = explain(error)
        found, _, advice = message.partition("; ")
        _print(Finding(False, "daemon", found, advice))
        sys.exit(code)
    for finding in findings:
        _print(finding)
    if not all(finding.good for finding in findings):
        sys.exit(EXIT_FAILURE)


def _examine(where: address.Address, dash: taskdash.Client) -> Iterator[Finding]:
    trip_ms = min(_round_trip_ms(dash) for _ in range(5))
    yield Finding(
        trip_ms < _SLOW_PING_MS,
        "daemon",
        f"answers at {where} within {trip_ms:.1f} ms",
        "is the network or the daemon's machine overloaded?",
    )
    asked = time.time()
    report = dash.call(Status(check=True), _CHECK_TIMEOUT_S)
    answered = time.time()
    server = report["server"].partition("/")[2]
    yield Finding(
        server == taskdash.__version__,
        "versions",
        f"daemon {server}, this program {taskdash.__version__}, protocol {PROTOCOL_VERSION}",
        "install the same version in both places",
    )
    yield _clock(report["time"], asked, answered)
    database = report["database"]
    if "free_bytes" in database:
        yield Finding(
            database["free_bytes"] > _FREE_MIN_BYTES,
            "disk",
            f"{show.size(database['free_bytes'])} free for {show.size(database['bytes'])} of data",
            "make room: writes are refused when the disk is full",
        )
    if not database.get("gives_back", True):
        yield _room(database)
    check = database["check"]
    yield Finding(
        check == "ok",
        "database",
        f"{_engine(database)}, {show.size(database['bytes'])}, check: {check}",
        "stop the daemon and restore a backup",
    )
    slow_ms = report["commits"].get("p99_ms", 0.0)
    yield Finding(
        slow_ms < _SLOW_COMMIT_MS,
        "commits",
        f"99 % within {slow_ms:g} ms" if slow_ms else "none since the start",
        "a slow or dying SD card? Move the data directory to a better disk",
    )
    yield _tasks(report["tasks"])
    yield from _calendars(dash)


def _room(database: dict[str, Any]) -> Finding:
    unused = database["reusable_bytes"]
    return Finding(
        unused * _UNUSED_SHARE_MAX < database["bytes"],
        "room",
        f"the file gives no room back: {show.size(unused)} of it wait for new rows",
        "stop the daemon, run taskdashd compact, and start it again",
    )


def _clock(theirs: str, asked: float, answered: float) -> Finding:
    moment = datetime.fromisoformat(theirs).timestamp()
    # The daemon read its clock at some moment between request and reply: within these bounds the
    # clocks may agree.
    apart_s = max(asked - moment, moment - answered, 0.0)
    return Finding(
        apart_s < _SKEW_MAX_S,
        "clock",
        f"{apart_s:.1f} s apart, theirs is {theirs}",
        "let both machines follow NTP: timedatectl set-ntp true",
    )


def _tasks(counts: dict[str, int]) -> Finding:
    down = counts.get(SHUTDOWN, 0)
    live = sum(count for name, count in counts.items() if status_class(name) == "live")
    return Finding(
        True,
        "tasks",
        f"{live} live, {down} shut down" + (": list --status shutdown" if down else ""),
    )


def _calendars(dash: taskdash.Client) -> Iterator[Finding]:
    soon = f"{datetime.now(UTC).date() + _CALENDAR_LEFT_MIN}"
    try:
        told = dash.ask("Calendars")
    except taskdash.BadRequest:
        # A daemon from before there were calendars; that its version differs is said above.
        return
    for name in (one["name"] for one in told["calendars"]):
        (one,) = dash.ask("Calendars", name=name)["calendars"]
        known_to, found, advice = one["known_to"], f"{name} has no last day", ""
        if one["fault"]:
            found, advice = f"{name}: {one['fault']}", "say its zone again, or install tzdata"
        elif known_to and known_to == one["until"]:
            found = f"{name} has its days off known up to {known_to}"
            advice = (
                f"add what follows: taskdash-ctl calendar set {name} --add --closed … --until …"
            )
        elif known_to:
            found = f"{name} does not open within 400 days after {known_to}"
            advice = f"look at its days off: taskdash-ctl calendar show {name}"
        yield Finding(
            not one["fault"] and (not known_to or known_to > soon), "calendar", found, advice
        )


def _print(finding: Finding) -> None:
    mark = "ok  " if finding.good else "FAIL"
    if show.use_colour():
        mark = click.style(mark, fg="green" if finding.good else "red", bold=not finding.good)
    line = f"{mark}  {finding.what:<9} {show.clean(finding.found)}"
    if not finding.good and finding.advice:
        line += f"; {finding.advice}"
    click.echo(line, color=show.use_colour())


COMMANDS: Final = (ping, status, doctor)
