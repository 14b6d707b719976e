"""Calendars and SetCalendar: who may, what is refused, and which calendar holds for whom."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_people import OK, admin, known, office
from test_people_attacks import begin, http, person_of

from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict
from taskdashd.core.calendars import CALENDAR
from taskdashd.domain.access import ANYONE, Identity
from taskdashd.store.records import Record
from taskdashd.testing import World

BOSS = Identity("boss", "operator", key="b")
SERVICE = Identity("flow", "service", key="f")
CUTTER = Identity("cutter", "service", frozenset({"cut"}), key="c")
READER = Identity("wall", "reader", key="w")
SHANGHAI = {
    "zone": "Asia/Shanghai",
    "hours": "Mon-Fri 09:00-12:00 13:00-18:00",
    "closed": ["2027-02-05..2027-02-11"],
    "open": ["2027-02-13", "2027-02-20 09:00-12:00"],
    "until": "2027-12-31",
}
TODAY = "2027-01-15"
"""The date of a `World`: a Friday."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def asked(world: World, name: str = "office", **body: Any) -> dict[str, Any]:
    (one,) = http(world, BOSS, "Calendars", name=name, **body)["calendars"]
    return one


def set_calendar(world: World, name: str = "office", identity: Identity = BOSS, **body: Any) -> Any:
    return http(world, identity, "SetCalendar", name=name, **body)


def test_an_office_that_was_never_set(world: World) -> None:
    """Monday to Friday, 9 to 18, in the machine's zone; and it says that nobody has set it."""
    told = http(world, BOSS, "Calendars")
    usual = {"zone": "UTC", "hours": "Mon-Fri 09:00-18:00", "until": "", "today": ""}
    assert told["calendars"] == [{"name": "office", "set": False, **usual}]
    assert (told["office"], told["mine"]) == ("office", "office")
    one = asked(world)
    assert (one["day"], one["known_to"], one["fault"]) == (TODAY, "", "")
    assert one["now"] == {"open": False, "until": "2027-01-15T09:00:00.000Z"}
    assert [day["hours"] for day in one["days"]] == 2 * [*["09:00-18:00"] * 5, "", ""]
    assert one["days"][0]["date"] == "2027-01-11"


def test_a_calendar_is_set_changed_and_kept(world: World) -> None:
    """What is left out stays, the reply is the calendar, and a restart changes nothing."""
    made = set_calendar(world, **SHANGHAI)
    assert {name: made[name] for name in SHANGHAI} == SHANGHAI
    changed = set_calendar(world, until="2028-12-31", hours="mon-fri 9:00-18:00")
    assert (changed["until"], changed["hours"]) == ("2028-12-31", "Mon-Fri 09:00-18:00")
    assert (changed["closed"], changed["zone"]) == (SHANGHAI["closed"], SHANGHAI["zone"])
    before = asked(world)
    world.advance(5)
    world.restart()
    assert asked(world) == before
    assert {name: before[name] for name in changed} == changed
    emptied = set_calendar(world, closed=[], open=[], until="")
    assert (emptied["closed"], emptied["open"], emptied["until"]) == ([], [], "")
    acts = [act["why"] for act in http(world, BOSS, "Audit", kinds=["calendar set"])["entries"]]
    assert acts[-1].startswith("office: zone Asia/Shanghai, hours Mon-Fri 09:00-12:00 13:00-18:00")
    assert "closed 1 entries" in acts[-1]


def test_the_weeks_of_a_holiday_can_be_looked_at(world: World) -> None:
    set_calendar(world, **SHANGHAI)
    days = asked(world, week="2027-02-06")["days"]
    assert (len(days), days[0]["date"]) == (14, "2027-02-01")
    marks = {day["date"]: (day["hours"], day["mark"]) for day in days}
    assert marks["2027-02-04"] == ("09:00-12:00 13:00-18:00", "")
    assert marks["2027-02-05"] == ("", "closed")
    assert marks["2027-02-13"] == ("09:00-12:00 13:00-18:00", "open")
    assert asked(world, week="2028-02-01")["days"][0]["mark"] == "unknown"
    assert asked(world, week="9999-12-31")["days"][-1]["date"] == "9999-12-31"
    assert asked(world, week="0001-01-01")["days"][0]["date"] == "0001-01-01"


def test_only_operators_change_calendars_and_everybody_reads_them(world: World) -> None:
    office(world)
    for identity in (SERVICE, CUTTER, READER, person_of(world, "lea"), person_of(world, "ann")):
        for body in ({"hours": "Sun 09:00-10:00"}, {"remove": True}, {"today": "", "until": ""}):
            assert isinstance(set_calendar(world, identity=identity, **body), AuthError), body
        assert http(world, identity, "Calendars")["calendars"][0]["set"] is False
    assert set_calendar(world, identity=ANYONE, until="2027-12-31")["set"] is True


def test_the_business_day_is_moved_by_services_of_all_groups(world: World) -> None:
    """`from` makes a retry harmless: the second time it is another day already."""
    office(world)
    set_calendar(world, **SHANGHAI)
    for identity in (CUTTER, READER, person_of(world, "lea")):
        assert isinstance(set_calendar(world, identity=identity, today="next"), AuthError)
    assert set_calendar(world, identity=SERVICE, today="2027-02-04")["day"] == "2027-02-04"
    moved = set_calendar(world, identity=SERVICE, today="next", **{"from": "2027-02-04"})
    assert (moved["day"], moved["today"]) == ("2027-02-12", "2027-02-12")
    late = set_calendar(world, identity=SERVICE, today="next", **{"from": "2027-02-04"})
    assert (type(late), late.cause, late.values) == (Conflict, "too-late", {"day": "2027-02-12"})
    assert set_calendar(world, identity=SERVICE, today="next")["day"] == "2027-02-13"
    assert set_calendar(world, identity=SERVICE, today="")["day"] == TODAY
    assert isinstance(set_calendar(world, **{"from": TODAY}), BadRequest)
    unknown = set_calendar(world, "nobodys", SERVICE, today="next")
    assert (type(unknown), unknown.cause) == (Conflict, "no-calendar")


def test_of_two_who_move_the_business_day_at_once_one_does(world: World) -> None:
    """The second is decided on what the first has left, before that is on disk."""
    set_calendar(world, **SHANGHAI)
    body = {"name": "office", "today": "next", "from": TODAY}
    first, second = (begin(world, SERVICE, "SetCalendar", **body) for _ in range(2))
    world.drain()
    assert first[0]["day"] == "2027-01-18"
    assert (type(second[0]), second[0].cause) == (Conflict, "too-late")


def test_the_business_day_does_not_go_where_nobody_knows_the_days(world: World) -> None:
    set_calendar(world, **SHANGHAI, today="2027-12-31")
    ends = set_calendar(world, today="next")
    assert (type(ends), ends.cause, ends.values) == (
        *(Conflict, "calendar-ends"),
        {"day": "2027-12-31"},
    )
    assert set_calendar(world, today="2028-01-03")["day"] == "2028-01-03"


def test_what_was_refused_or_not_stored_has_changed_nothing(world: World) -> None:
    set_calendar(world, **SHANGHAI)
    before = asked(world)
    assert isinstance(set_calendar(world, zone="../../etc/passwd"), BadRequest)
    assert isinstance(set_calendar(world, open=["2027-02-13"], closed=["2027-02-30"]), BadRequest)
    world.database.full = True
    assert set_calendar(world, hours="Sun 09:00-10:00").errid == 1001
    world.database.full = False
    assert asked(world) == before


def test_a_hundred_calendars_and_no_more(world: World) -> None:
    for number in range(100):
        set_calendar(world, f"c{number}")
    assert isinstance(set_calendar(world, "one-more"), Busy)
    assert isinstance(set_calendar(world), Busy)
    assert set_calendar(world, "c7", until="2027-12-31")["set"] is True
    set_calendar(world, "c7", remove=True)
    assert set_calendar(world, "one-more")["set"] is True
    assert len(http(world, BOSS, "Calendars")["calendars"]) == 101


def test_a_calendar_that_people_have_is_not_removed(world: World) -> None:
    office(world)
    set_calendar(world, "night", hours="Mon-Fri 22:00-06:00")
    for user in ("ann", "bob"):
        assert http(world, BOSS, "SetPerson", user=user, calendar="night")["calendar"] == "night"
    refused = set_calendar(world, "night", remove=True)
    assert (type(refused), refused.cause, refused.values) == (
        *(Conflict, "in-use"),
        {"users": "ann, bob"},
    )
    for user in ("ann", "bob"):
        http(world, BOSS, "SetPerson", user=user, calendar="")
    assert set_calendar(world, "night", remove=True) == {"name": "night", "set": False}
    assert set_calendar(world, "night", remove=True).cause == "no-calendar"
    assert http(world, BOSS, "Calendars", name="night").cause == "no-calendar"


def test_many_who_have_it_are_not_all_named(world: World) -> None:
    set_calendar(world, "night")
    known(world, **{f"p{number}": {"calendar": "night"} for number in range(7)})
    assert set_calendar(world, "night", remove=True).values == {
        "users": "p0, p1, p2, p3, p4 and 2 more"
    }


@pytest.mark.parametrize("first", ["person", "removal"])
def test_a_removal_and_a_person_at_once(world: World, first: str) -> None:
    """Whichever is decided first, nobody ends with a calendar that is not there."""
    office(world)
    set_calendar(world, "night")
    asks = {
        "person": ("SetPerson", {"user": "ann", "calendar": "night"}),
        "removal": ("SetCalendar", {"name": "night", "remove": True}),
    }
    order = sorted(asks, key=lambda one: one != first)
    got = {one: begin(world, BOSS, asks[one][0], **asks[one][1]) for one in order}
    world.drain()
    other = order[1]
    assert type(got[other][0]) is Conflict
    assert got[other][0].cause == ("in-use" if other == "removal" else "no-calendar")
    assert not isinstance(got[first][0], Conflict)


def test_the_office_goes_back_to_what_it_was(world: World) -> None:
    set_calendar(world, **SHANGHAI)
    assert set_calendar(world, remove=True)["set"] is False
    assert asked(world)["hours"] == "Mon-Fri 09:00-18:00"


def test_who_may_give_somebody_a_calendar(world: World) -> None:
    """Oneself, a lead of one of their groups, and an operator."""
    peers = office(world)
    set_calendar(world, "night")
    asks = {
        "ann": {"ann": OK, "bob": 1003, "nobody": 1003},
        "lea": {"lea": OK, "bob": OK, "eve": 1003, "nobody": 1003},
    }
    for asker, them in asks.items():
        for user, errid in them.items():
            reply = peers[asker].ask("SetPerson", user=user, calendar="night")
            assert (asker, user, reply["errid"]) == (asker, user, errid)
            if errid:
                assert reply["detail"] == "only an admin changes somebody else's account"
    assert peers["lea"].ask("SetPerson", user="bob", calendar="", name="X")["errid"] == 1003
    assert peers["lea"].ask("SetPerson", user="bob", calendar="", active=False)["errid"] == 1003
    unknown = peers["ann"].ask("SetPerson", user="ann", calendar="nights")
    assert (unknown["errid"], unknown["cause"]) == (1004, "no-calendar")
    assert unknown["values"] == {"calendar": "nights"}
    assert peers["ann"].ask("SetPerson", user="ann", calendar="../night")["errid"] == 1000
    shown = {one["user"]: one["calendar"] for one in admin(world).ask("People")["people"]}
    assert shown == {"ann": "night", "bob": "night", "eve": "", "lea": "night"}
    assert peers["ann"].ask("SetPerson", user="ann", calendar="office")["calendar"] == "office"
    assert peers["ann"].ask("Calendars")["mine"] == "office"


def test_a_lead_who_has_lost_the_group_gives_nobody_a_calendar(world: World) -> None:
    """Who leads whom is looked at when the change is decided, not when it was asked."""
    office(world)
    lead = person_of(world, "lea")
    first = begin(world, BOSS, "SetPerson", user="bob", groups=["paint"])
    second = begin(world, lead, "SetPerson", user="bob", calendar="office")
    world.drain()
    assert first[0]["groups"] == ["paint"]
    assert isinstance(second[0], AuthError)


def test_the_calendar_of_a_person_and_that_of_all_others(world: World) -> None:
    peers = office(world)
    calendars, people = world.core.calendars, world.core.identities
    set_calendar(world, "night", hours="Mon-Fri 22:00-06:00")
    peers["ann"].ask("SetPerson", user="ann", calendar="night")
    assert peers["ann"].ask("Calendars")["mine"] == "night"
    assert peers["bob"].ask("Calendars")["mine"] == "office"
    assert calendars.of(people.person("ann")).sheet.hours == "Mon-Fri 22:00-06:00"
    for one in (people.person("bob"), None):
        assert calendars.of(one).sheet.hours == "Mon-Fri 09:00-18:00"
    assert calendars.of(None) is calendars.of(people.person("bob"))
    # A calendar may be gone all the same, such as from a database that was put together by hand.
    world.core.view.records.commit([Record(CALENDAR, "night", None)])
    assert calendars.of(people.person("ann")).sheet.hours == "Mon-Fri 09:00-18:00"


def test_another_calendar_may_be_the_offices(tmp_path: Path) -> None:
    world = World(tmp_path, passwordless="everywhere", office_calendar="berlin")
    assert http(world, BOSS, "Calendars")["calendars"][0]["name"] == "berlin"
    assert http(world, BOSS, "Calendars", name="office").cause == "no-calendar"
    set_calendar(world, "berlin", zone="Europe/Berlin")
    assert world.core.calendars.of(None).sheet.zone == "Europe/Berlin"
    world.close()


def test_a_zone_that_this_machine_does_not_know_costs_the_zone_alone(world: World) -> None:
    """A backup may come from another machine: hours and days stay, and it says what is wrong."""
    set_calendar(world, **SHANGHAI)
    stored = {**world.core.view.records.committed(CALENDAR, "office"), "zone": "Mars/Olympus"}
    world.core.view.records.commit([Record(CALENDAR, "office", stored)])
    one = asked(world)
    assert (one["zone"], one["hours"]) == ("UTC", SHANGHAI["hours"])
    assert one["fault"].startswith("field zone: the time zone 'Mars/Olympus' is not known here")
    assert set_calendar(world, zone="Asia/Shanghai")["fault"] == ""
    broken = {**stored, "hours": "of another version"}
    world.core.view.records.commit([Record(CALENDAR, "office", broken)])
    assert asked(world)["hours"] == "Mon-Fri 09:00-18:00"


def test_the_largest_calendar_fits_into_a_reply(world: World) -> None:
    closed = [f"{2000 + n}-01-01..{2000 + n}-01-0{2 + n % 8}" for n in range(1000)]
    spans = " ".join(f"{hour:02}:00-{hour:02}:30" for hour in range(1, 7))
    opened = [f"{2000 + n}-06-01..{2000 + n}-06-09 {spans}" for n in range(1000)]
    kept = set_calendar(world, closed=closed, open=opened)
    assert (kept["closed"], kept["open"]) == (closed, opened)
    assert len(json.dumps(asked(world))) < world.live.max_frame / 4
    with pytest.raises(BadRequest, match="closed must have 0 to 1000 members"):
        set_calendar(world, closed=[*closed, "3000-01-01"])


def test_the_calendar_is_made_once_for_many_questions(world: World) -> None:
    """Reading two thousand entries for each question would hold up the event loop."""
    set_calendar(world, **SHANGHAI)
    made = world.core.calendars.of(None)
    set_calendar(world, "other")
    assert world.core.calendars.of(None) is made
    set_calendar(world, until="2028-12-31")
    assert world.core.calendars.of(None) is not made
