"""Calendars from a shell, and what the doctor says of them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from taskdash.testing import RunningDaemon, running_daemon
from taskdash_ctl.cli import main

TODAY = datetime.now(UTC).date()


def ctl(daemon: RunningDaemon, *words: str, given: str = "") -> Result:
    """Run a command in this process: starting another for each takes longer than all they do."""
    return CliRunner().invoke(main, ["--server", daemon.url, *words], given)


def did(daemon: RunningDaemon, *words: str) -> str:
    done = ctl(daemon, "calendar", *words)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_a_calendar_from_a_shell(daemon: RunningDaemon, tmp_path: Path) -> None:
    """Set, looked at week by week, added to, copied by a file, removed."""
    assert "office, which nobody has set yet" in did(daemon, "show")
    made = did(
        daemon,
        *("set", "office", "--zone", "Asia/Shanghai", "--hours", "Mon-Fri 09:00-18:00"),
        *("--closed", "2027-02-05..2027-02-11", "--open", "2027-02-13", "--until", "2027-12-31"),
    )
    assert "hours         Mon-Fri 09:00-18:00\n" in made
    week = did(daemon, "show", "office", "--week", "2027-02-06")
    assert "Thu 2027-02-04  09:00-18:00\n" in week
    assert "Fri 2027-02-05  -                         day off\n" in week
    assert "Sat 2027-02-13  09:00-18:00               special\n" in week
    assert "Mon 2028-01-03  09:00-18:00               not known\n" in did(
        daemon, "show", "--week", "2028-01-03"
    )
    added = did(daemon, "set", "office", "--add", "--closed", "2027-04-05")
    assert "days off      2027-02-05..2027-02-11, 2027-04-05\n" in added
    assert "special days  2027-02-13\n" in added
    file = tmp_path / "office.json"
    file.write_text(did(daemon, "show", "-o", "json"))
    copy = did(daemon, "set", "night", "-f", str(file), "--hours", "Mon-Fri 22:00-06:00")
    assert "hours         Mon-Fri 22:00-06:00\n" in copy
    assert "days off      2027-02-05..2027-02-11, 2027-04-05\n" in copy
    assert "days off" not in did(daemon, "set", "night", "--closed", "")
    # Other tests may have left calendars of theirs.
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in did(daemon, "list").splitlines()}
    assert rows["office"] == ["Asia/Shanghai", "Mon-Fri 09:00-18:00", "2027-12-31", "yes"]
    listed = [one["name"] for one in json.loads(did(daemon, "list", "-o", "json"))]
    assert listed == list(rows)
    assert {"night", "office"} <= rows.keys()
    assert did(daemon, "remove", "night") == "night is gone\n"


def test_the_business_day_is_moved_by_hand(daemon: RunningDaemon) -> None:
    did(daemon, "set", "bank", "--today", "2027-02-05")
    moved = did(daemon, "set", "bank", "--today", "next", "--from", "2027-02-05")
    assert "business day  2027-02-08, moved by hand\n" in moved
    again = ctl(daemon, "calendar", "set", "bank", "--today", "next", "--from", "2027-02-05")
    assert (again.exit_code, again.stdout) == (4, "")
    assert "the business day is 2027-02-08, and not 2027-02-05" in again.stderr
    assert ", moved by hand" not in did(daemon, "set", "bank", "--today", "")


def test_a_person_has_a_calendar(daemon: RunningDaemon) -> None:
    did(daemon, "set", "late", "--hours", "Mon-Fri 14:00-22:00")
    person = ctl(daemon, "person", "1001", "--name", "Ann", "--calendar", "late")
    assert "calendar  late\n" in person.stdout
    refused = ctl(daemon, "calendar", "remove", "late")
    assert refused.exit_code == 4
    assert "it is the calendar of 1001: give them another first" in refused.stderr
    unknown = ctl(daemon, "person", "1001", "--calendar", "later")
    assert "there is no calendar 'later'" in unknown.stderr
    assert "late" in ctl(daemon, "people").stdout
    assert ctl(daemon, "person", "1001", "--calendar", "").exit_code == 0
    assert did(daemon, "remove", "late") == "late is gone\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", "office", "--zone", "../../etc/passwd"), "is no time zone"),
        (("set", "office", "--hours", "9 to 5"), "must be days and then hours"),
        (("set", "office", "--closed", "easter"), "'easter' is no date"),
        (("set", "the office",), "field name must be made of"),
        (("set", "office", "-f", "-"), "it holds no JSON"),
        (("show", "--week", "tomorrow"), "field week must be a date"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(
    daemon: RunningDaemon, words: tuple[str, ...], says: str
) -> None:
    done = ctl(daemon, "calendar", *words, given="no json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_file_that_is_no_object_is_refused(daemon: RunningDaemon) -> None:
    done = ctl(daemon, "calendar", "set", "office", "-f", "-", given="[]")
    assert done.exit_code == 2
    assert "holds no JSON object" in done.stderr


def test_the_doctor_looks_whether_calendars_end(tmp_path: Path) -> None:
    """One that is known for a month more, and opens again within 400 days, is well."""

    def said(*words: str) -> str:
        did(daemon, "set", "office", *words)
        (line,) = [one for one in ctl(daemon, "doctor").stdout.splitlines() if " calendar " in one]
        return line

    with running_daemon(tmp_path) as daemon:
        assert "ok    calendar  office has no last day" in ctl(daemon, "doctor").stdout
        later, soon = TODAY + timedelta(days=32), TODAY + timedelta(days=28)
        known = "calendar  office has its days off known up to"
        assert said("--until", f"{later}") == f"ok    {known} {later}"
        for end in (soon, TODAY - timedelta(days=5)):
            ends = said("--until", f"{end}")
            assert ends.startswith(f"FAIL  {known} {end}; add what follows:")
        closed = said("--until", "", "--closed", f"{TODAY - timedelta(days=9)}..2099-12-31")
        assert closed.startswith("FAIL  calendar  office does not open within 400 days after ")
        assert ctl(daemon, "doctor").exit_code == 1
