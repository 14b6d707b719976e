"""Calendars, against a reference that looks at every minute by a clock on the wall."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones
from zoneinfo._zoneinfo import ZoneInfo as PureZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.errors import BadRequest
from taskdashd.domain.calendars import zones
from taskdashd.domain.calendars.calendar import Calendar, Day, Sheet, State

ZONES = (
    *("Europe/Berlin", "America/New_York", "Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu"),
    *("Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns", "UTC"),
)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CHANGES = (
    *(date(2026, 3, 29), date(2026, 10, 25), date(2027, 3, 14), date(2027, 11, 7)),
    *(date(2027, 4, 4), date(2026, 10, 4), date(2011, 12, 30), date(2027, 2, 6)),
)
"""Days on which the clocks of one of these zones change, and one of the Chinese New Year."""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
HORIZON = 2880
"""Minutes that the reference looks at."""

Range = tuple[int, int]
"""Minutes since midnight; the second may be less than the first: it is on the day after."""


class Office(NamedTuple):
    """A calendar as the reference has it: nothing of it comes from the code that is tested."""

    zone: str
    week: dict[int, list[Range]]
    closed: list[tuple[date, date]]
    opened: list[tuple[date, date, list[Range]]]

    def sheet(self, **more: Any) -> Sheet:
        """Write the calendar down."""
        week = "; ".join(f"{WEEKDAYS[day]} {spans(them)}" for day, them in self.week.items())
        return Sheet(
            self.zone,
            week,
            tuple(f"{first}..{last}" for first, last in self.closed),
            tuple(f"{first}..{last} {spans(them)}" for first, last, them in self.opened),
            **more,
        )

    def hours(self, day: date) -> list[Range]:
        """Give the hours that begin on a date."""
        for first, last, them in self.opened:
            if first <= day <= last:
                usual = self.week[min(self.week)]
                return them or self.week.get(day.weekday(), usual)
        if any(first <= day <= last for first, last in self.closed):
            return []
        return self.week.get(day.weekday(), [])

    def minutes(self, begin: datetime, end: datetime) -> list[bool]:
        """Tell of each minute whether it is open."""
        known = {begin.date() + n * DAY: self.hours(begin.date() + n * DAY) for n in range(-3, 9)}
        zone = UTC if self.zone == "UTC" else ZoneInfo(self.zone)
        return [
            _is_open((begin + n * MINUTE).astimezone(zone), known)
            for n in range((end - begin) // MINUTE)
        ]


def _is_open(shown: datetime, hours: dict[date, list[Range]]) -> bool:
    """Look whether a clock on the wall shows a time within the hours of today or last night."""
    day, minute = shown.date(), shown.hour * 60 + shown.minute
    return any(a <= minute < b or b <= a <= minute for a, b in hours[day]) or any(
        b <= a and minute < b for a, b in hours[day - DAY]
    )


def spans(ranges: list[Range]) -> str:
    return " ".join(f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in ranges)


MINUTES = st.sampled_from([*range(0, 1440, 30), 1, 59, 61, 119, 121, 151, 181, 1439])
EDGES = st.sets(MINUTES, min_size=2, max_size=6).map(sorted)


def ranges(edges: list[int], night: bool) -> list[Range]:
    """Make ranges of a day between edges; the last may end on the day after."""
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    if night and edges[0] > 0:
        pairs[-1] = pairs[-1][0], edges[0] // 2
    return pairs


RANGES = st.builds(ranges, EDGES, st.booleans())


@st.composite
def offices(draw: st.DrawFn) -> tuple[Office, datetime]:
    """Make a calendar around a day on which something happens, and a moment near it."""
    zone, middle = draw(st.sampled_from(ZONES)), draw(st.sampled_from(CHANGES))
    near = st.integers(-4, 4).map(lambda days: middle + days * DAY)
    week = draw(st.dictionaries(st.integers(0, 6), RANGES, min_size=1))
    closed = [
        (one, one + draw(st.integers(0, 4)) * DAY) for one in draw(st.lists(near, max_size=4))
    ]
    days = draw(st.dictionaries(near, st.just([]) | RANGES, max_size=4))
    opened = [(one, one, hours) for one, hours in days.items()]
    begin = datetime(middle.year, middle.month, middle.day, tzinfo=UTC)
    return Office(zone, week, closed, opened), begin + draw(st.integers(-1800, 1800)) * MINUTE


def unix(moment: datetime) -> float:
    return moment.timestamp()


ALL_DAY = {day: [(0, 0)] for day in range(7)}


# Against the reference


@given(offices(), st.integers(0, HORIZON), st.integers(1, HORIZON))
def test_each_minute_is_as_the_clock_on_the_wall_says(
    made: tuple[Office, datetime], length: int, wanted: int
) -> None:
    """How long it was open, whether it is and until when, and so many hours later."""
    office, at = made
    calendar, minutes = Calendar(office.sheet()), office.minutes(at, at + HORIZON * MINUTE)
    end, last = unix(at + length * MINUTE), unix(at + HORIZON * MINUTE)
    assert calendar.open_s(unix(at), end) == 60 * sum(minutes[:length])
    for n in range(0, HORIZON, 433):
        is_open, until = calendar.state(unix(at + n * MINUTE))
        assert is_open is minutes[n]
        change = next((m for m in range(n, HORIZON) if minutes[m] is not is_open), HORIZON)
        assert (
            until == unix(at + change * MINUTE)
            or (change == HORIZON and until is None)
            or (change == HORIZON and until >= last)
        )
    opened = list(accumulate(minutes))
    later = calendar.later(unix(at), wanted * 60)
    if opened[-1] < wanted:
        assert later > last
    else:
        assert later == unix(at + (opened.index(wanted) + 1) * MINUTE)


@given(offices(), st.integers(-5, 5), st.integers(1, 9))
def test_working_days_are_those_with_hours(
    made: tuple[Office, datetime], away: int, wanted: int
) -> None:
    """The days next to a day; and so many days later, at the same time on the wall."""
    office, at = made
    calendar, zone = Calendar(office.sheet()), ZoneInfo(office.zone)
    shown = (at + away * DAY).astimezone(zone)
    day, working = shown.date(), [shown.date() + n * DAY for n in range(-30, 80)]
    assert calendar.works(day) is bool(office.hours(day))
    working = [one for one in working if office.hours(one)]
    after, before = [one for one in working if one > day], [one for one in working if one < day]
    assert calendar.next_day(day) == after[0]
    assert calendar.previous_day(day) == before[-1]
    then = datetime.combine(after[wanted - 1], shown.time(), zone)
    assert calendar.days_later(unix(shown), wanted) == unix(then)


@given(offices(), st.integers(0, 200), st.integers(0, 10**9))
def test_a_long_time_is_the_sum_of_its_parts(
    made: tuple[Office, datetime], days: int, length: int
) -> None:
    """What is asked in one and in parts is the same; and `later` undoes `open_s`."""
    office, at = made
    calendar, begin = Calendar(office.sheet()), unix(at)
    middle, end = begin + days * 86400, begin + days * 86400 + length / 1000
    whole = calendar.open_s(begin, end)
    assert whole == pytest.approx(calendar.open_s(begin, middle) + calendar.open_s(middle, end))
    if whole:
        back = calendar.later(begin, whole)
        assert back <= end
        assert calendar.open_s(begin, back) == whole


@given(offices())
def test_a_sheet_is_written_in_one_form_that_means_the_same(
    made: tuple[Office, datetime],
) -> None:
    office, at = made
    once = Calendar(office.sheet())
    again = Calendar(once.sheet)
    assert again.sheet == once.sheet
    assert again.days(at.date(), 30) == once.days(at.date(), 30)
    assert Sheet.from_record(once.sheet.to_record()) == once.sheet


# Examples


OFFICE = Sheet(
    "Asia/Shanghai",
    "Mon-Fri 09:00-12:00 13:00-18:00",
    closed=("2027-02-05..2027-02-11",),
    open=("2027-02-13", "2027-02-20 09:00-12:00"),
    until="2027-12-31",
)
"""A Chinese New Year (调休): a week off, and for it two Saturdays of work, of which one is half."""


def at(text: str, zone: str = "Asia/Shanghai") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def shown(moment: float | None, zone: str = "Asia/Shanghai") -> str:
    assert moment is not None
    return f"{datetime.fromtimestamp(moment, ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def test_a_chinese_new_year() -> None:
    calendar = Calendar(OFFICE)
    told = [(one.day.day, one.hours, one.mark) for one in calendar.days(date(2027, 2, 4), 10)]
    work = "09:00-12:00 13:00-18:00"
    assert told[:3] == [(4, work, ""), (5, "", "closed"), (6, "", "closed")]
    assert told[7:] == [(11, "", "closed"), (12, work, ""), (13, work, "open")]
    assert calendar.days(date(2027, 2, 20), 1) == [Day(date(2027, 2, 20), "09:00-12:00", "open")]
    assert calendar.next_day(date(2027, 2, 4)) == date(2027, 2, 12)
    assert calendar.next_day(date(2027, 2, 12)) == date(2027, 2, 13)
    assert calendar.previous_day(date(2027, 2, 12)) == date(2027, 2, 4)
    assert shown(calendar.later(at("2027-02-04 17:00"), 3 * 3600)) == "2027-02-12 11:00"
    assert shown(calendar.later(at("2027-02-04 17:00"), 9 * 3600)) == "2027-02-12 18:00"
    assert shown(calendar.days_later(at("2027-02-04 17:00"), 2)) == "2027-02-13 17:00"
    assert calendar.open_s(at("2027-02-01 00:00"), at("2027-02-22 00:00")) == (11 * 8 + 3) * 3600
    assert calendar.state(at("2027-02-04 12:30")) == State(False, at("2027-02-04 13:00"))
    assert calendar.state(at("2027-02-08 12:00")) == State(False, at("2027-02-12 09:00"))
    assert calendar.state(at("2027-02-13 17:59")) == State(True, at("2027-02-13 18:00"))


def test_both_changes_of_the_clocks() -> None:
    """A night shift of eight hours has seven in March and nine in October."""
    calendar = Calendar(Sheet("Europe/Berlin", "Sat 22:00-06:00"))
    berlin = "Europe/Berlin"
    for begin, hours in (("2027-03-27", 7), ("2027-10-30", 9), ("2027-06-05", 8)):
        start = at(f"{begin} 22:00", berlin)
        assert calendar.open_s(start - 3600, start + 86400) == hours * 3600
        assert calendar.state(start) == State(True, start + hours * 3600)
        assert calendar.later(start - 3600, hours * 3600) == start + hours * 3600
        assert shown(start + hours * 3600, berlin)[-5:] == "06:00"


def test_hours_that_come_twice_and_hours_that_are_skipped() -> None:
    """What a clock shows counts: half past two is twice, or never."""
    calendar = Calendar(Sheet("Europe/Berlin", "Mon-Sun 02:30-03:30"))
    spring, autumn = (
        at("2027-03-28 00:00", "Europe/Berlin"),
        at("2027-10-31 00:00", "Europe/Berlin"),
    )
    assert calendar.open_s(spring, spring + 20 * 3600) == 1800
    assert calendar.state(spring) == State(False, spring + 2 * 3600)
    assert calendar.open_s(autumn, autumn + 20 * 3600) == 1800 + 3600
    assert calendar.state(autumn + 2.5 * 3600) == State(True, autumn + 3 * 3600)
    assert calendar.state(autumn + 3 * 3600) == State(False, autumn + 3.5 * 3600)
    # A time that is skipped counts as if the clocks had not been put forward yet.
    skipped = calendar.days_later(at("2027-03-27 02:30", "Europe/Berlin"), 1)
    assert shown(skipped, "Europe/Berlin") == "2027-03-28 03:30"
    twice = calendar.days_later(at("2027-10-30 02:30", "Europe/Berlin"), 1)
    assert twice == autumn + 2.5 * 3600


def test_the_night_of_a_day_belongs_to_the_day_on_which_it_begins() -> None:
    """A day off ends at six with the night before it, and its own night is off."""
    calendar = Calendar(Sheet("UTC", "Mon-Sun 22:00-06:00", closed=("2027-05-05",)))
    assert calendar.state(at("2027-05-05 03:00", "UTC")) == State(
        True, at("2027-05-05 06:00", "UTC")
    )
    assert calendar.state(at("2027-05-05 23:00", "UTC")) == State(
        False, at("2027-05-06 22:00", "UTC")
    )


def test_the_business_day_is_the_date_there_until_somebody_moves_it() -> None:
    late = at("2027-02-04 23:30")
    assert Calendar(OFFICE).today(late) == date(2027, 2, 4)
    assert Calendar(OFFICE).today(late + 3600) == date(2027, 2, 5)
    assert Calendar(replace(OFFICE, today="2027-02-04")).today(late + 3600) == date(2027, 2, 4)


# What is not known


def test_past_the_last_known_day_a_schedule_is_told_that_nobody_knows() -> None:
    """All else takes the weekly hours; days that are named all the same count."""
    calendar = Calendar(replace(OFFICE, closed=(*OFFICE.closed, "2028-01-27")))
    assert calendar.next_day(date(2027, 12, 30)) == date(2027, 12, 31)
    assert calendar.next_day(date(2027, 12, 31)) is None
    assert calendar.previous_day(date(2028, 1, 1)) is None
    assert calendar.works(date(2028, 1, 3)) is None
    assert calendar.known_to(date(2027, 5, 1)) == date(2027, 12, 31)
    assert calendar.known_to(date(2028, 5, 1)) == date(2027, 12, 31)
    assert Calendar(replace(OFFICE, until="")).known_to(date(2027, 5, 1)) is None
    assert calendar.days(date(2028, 1, 3), 1)[0].mark == "unknown"
    assert calendar.state(at("2028-01-03 10:00")).is_open
    assert not calendar.state(at("2028-01-27 10:00")).is_open


@pytest.mark.parametrize(
    ("days", "known"), [(400, True), (401, False), (99_999, False), (3_000_000, False)]
)
def test_what_is_closed_for_more_than_400_days_is_not_known(days: int, known: bool) -> None:
    """A working day lies on each side, and the next is `days` after the one before."""
    first = date(2027, 1, 1)
    last = date.fromordinal(min(first.toordinal() + days - 2, date.max.toordinal()))
    calendar = Calendar(Sheet("UTC", "Mon-Sun 09:00-17:00", closed=(f"{first}..{last}",)))
    middle = date(2027, 6, 1)
    for day in (first, middle, first + timedelta(days=min(days, 99_999) - 2)):
        assert calendar.works(day) is (False if known else None)
    assert (calendar.next_day(middle) is None) is not known
    assert (calendar.previous_day(middle) is None) is not known
    assert calendar.next_day(date(2026, 12, 30)) == date(2026, 12, 31)
    assert (calendar.next_day(date(2026, 12, 31)) is None) is not known
    assert calendar.known_to(date(2026, 5, 1)) == (None if known else date(2026, 12, 31))
    assert calendar.known_to(middle) == (None if known else date(2026, 12, 31))
    noon = at("2027-06-01 12:00", "UTC")
    assert calendar.state(noon).is_open is not known
    assert (calendar.open_s(noon, noon + 3 * 86400) == 0) is known
    assert calendar.works(date(2026, 12, 31)) is True


def test_mondays_that_are_all_off_are_a_gap_too() -> None:
    """A gap need not be one entry: what counts is that it does not open."""
    mondays = [date(2027, 1, 4) + timedelta(days=7 * n) for n in range(58)]
    sheet = Sheet("UTC", "Mon 09:00-10:00")
    some = Calendar(replace(sheet, closed=tuple(map(str, mondays[:56]))))
    assert some.next_day(date(2027, 1, 1)) == mondays[56]
    many = Calendar(replace(sheet, closed=tuple(map(str, mondays))))
    assert many.next_day(date(2027, 1, 1)) is None
    assert many.state(at("2027-02-01 09:30", "UTC")).is_open


def test_a_calendar_that_is_closed_for_ever_has_its_weekly_hours() -> None:
    calendar = Calendar(Sheet("UTC", closed=("0001-01-01..9999-12-31",)))
    assert calendar.works(date(2027, 2, 1)) is None
    assert calendar.next_day(date.max) is None
    assert calendar.previous_day(date.min) is None
    assert calendar.known_to(date(2027, 2, 1)) == date.min
    assert calendar.later(at("2027-02-01 09:00", "UTC"), 3600) == at("2027-02-01 10:00", "UTC")


def test_what_is_open_all_the_time_changes_never() -> None:
    calendar = Calendar(Sheet("Europe/Berlin", "Mon-Sun 00:00-24:00"))
    assert calendar.state(at("2027-02-01 09:00")) == State(True, None)
    assert calendar.open_s(0, 86400.5) == 86400.5


def test_the_ends_of_time() -> None:
    """No question of any size raises, nor looks at more than 25 years of a zone's clocks."""
    calendar = Calendar(Sheet("America/New_York", "Sun 02:30-02:31"))
    for moment in (-1e18, 0, 1.8e9, 2.5e11, 1e18, float("inf")):
        zones._block.cache_clear()
        assert calendar.state(moment).is_open in (True, False)
        assert calendar.later(moment, 1e18) == zones.END_MS / 1000
        assert calendar.days_later(moment, 10**12) == zones.END_MS / 1000
        assert calendar.open_s(moment, 1e18) >= 0
        assert calendar.open_s(1e18, moment) == 0
        assert calendar.today(moment) <= date.max
        assert zones._block.cache_info().misses <= 2 * 25
    last = Calendar(Sheet("UTC", "Mon-Sun 09:00-17:00"))
    assert last.next_day(date(9999, 12, 30)) == date.max
    assert last.previous_day(date(1, 1, 2)) == date.min
    assert calendar.later(5, -1) == 5
    assert calendar.days_later(5, 0) == 5
    assert calendar.days(date.max, 14)[0].day == date.max
    assert len(calendar.days(date.max, 14)) == 1


# What is refused


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("zone", "../../etc/passwd", "no time zone"),
        ("zone", "/etc/passwd", "no time zone"),
        ("zone", "right/UTC", "no time zone"),
        ("zone", "localtime", "no time zone"),
        ("zone", "Europe", "is not known here"),
        ("zone", "Europe/", "no time zone"),
        ("zone", "Europe/Berlin\0", "no time zone"),
        ("zone", "Europe/Bérlin", "no time zone"),
        ("zone", "", "no time zone"),
        ("zone", "Mars/Olympus", "is not known here"),
        ("zone", "europe/berlin", "is not known here"),
        ("hours", "", "must name the hours"),
        ("hours", " ; ;", "must name the hours"),
        ("hours", "Mon-Fri", "must be days and then hours"),
        ("hours", "09:00-18:00", "must be days and then hours"),
        ("hours", "Mon 09:00-12:00 Tue 13:00-18:00", "must be days and then hours"),
        ("hours", "Mo-Fr 09:00-18:00", "'Mo-Fr' is neither a day nor hours"),
        ("hours", "Mon- 09:00-18:00", "neither a day nor hours"),
        ("hours", "Mon 9-18", "must be days and then hours"),
        ("hours", "Mon 09:00-09:00", "00:00-24:00 is all day"),
        ("hours", "Mon 24:00-25:00", "00:00-24:00 is all day"),
        ("hours", "Mon 09:60-10:00", "00:00-24:00 is all day"),
        ("hours", "Mon ٠٩:٠٠-١٨:٠٠", "must be days and then hours"),
        ("hours", "Mon 09:00-12:00 11:00-13:00", "one begins within the other"),
        ("hours", "Mon-Fri 09:00-12:00; Fri 13:00-18:00", "Fri stands there twice"),
        ("hours", "Mon " + " ".join(f"{n:02}:00-{n:02}:30" for n in range(7)), "at most 6"),
        ("closed", ("2027-02-30",), "is no date"),
        ("closed", ("2027-2-3",), "is no date"),
        ("closed", ("20270203",), "is no date"),
        ("closed", ("2027-W05-1",), "is no date"),
        ("closed", ("10000-01-01",), "is no date"),
        ("closed", ("0000-01-01",), "is no date"),
        ("closed", ("",), "is no date"),
        ("closed", ("2027-02-03..",), "is no date"),
        ("closed", ("2027-02-03..2027-02-01",), "ends before it begins"),
        ("closed", ("2027-02-03 09:00-12:00",), "only days in open"),
        ("open", ("2027-02-03 9-12",), "no range of hours"),
        ("open", ("2027-02-03..2027-02-05", "2027-02-05"), "2027-02-05 stands there twice"),
        ("open", tuple(f"2027-{1 + n // 28:02}-{1 + n % 28:02} 09:00-10:{n:02}" for n in range(31)),
         "more than 30 kinds"),
        ("until", "next year", "is no date"),
        ("today", "next", "is no date"),
    ],
)  # fmt: skip
def test_what_is_no_calendar_is_refused_by_the_name_of_its_field(
    field: str, value: Any, says: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        Calendar(replace(OFFICE, **{field: value}))
    assert refused.value.detail.startswith(f"field {field}")
    assert says in refused.value.detail


def test_thirty_kinds_of_hours_are_enough() -> None:
    days = tuple(f"2027-01-{1 + n:02} 09:00-10:{n:02}" for n in range(30))
    assert Calendar(replace(OFFICE, open=days)).sheet.open == days


def test_a_thousand_entries_of_each_are_read() -> None:
    """Days off and make-up days in turn, over each other, to the year 9999."""
    first = date(2027, 1, 1)
    steps = [first + timedelta(days=8 * n) for n in range(999)]
    closed = (*(f"{one}..{one + 3 * DAY}" for one in steps), "9999-12-31")
    opened = (*(f"{one + DAY} 09:00-{10 + n % 14}:30" for n, one in enumerate(steps)), "9999-12-30")
    calendar = Calendar(replace(OFFICE, closed=closed, open=opened, until="9999-12-31"))
    assert [one.mark for one in calendar.days(steps[700], 4)] == [
        "closed",
        "open",
        "closed",
        "closed",
    ]
    assert calendar.days(date(9999, 12, 30), 9)[1].mark == "closed"
    assert calendar.next_day(date(9999, 12, 30)) is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("mon-FRI 9:00-18:00", "Mon-Fri 09:00-18:00"),
        ("Mon,Tue,Wed 09:00-12:00, 13:00-18:00;", "Mon-Wed 09:00-12:00 13:00-18:00"),
        ("Mon, Wed 13:00-18:00 09:00-12:00", "Mon,Wed 09:00-12:00 13:00-18:00"),
        ("Fri-Mon 22:00-00:00", "Mon,Fri-Sun 22:00-24:00"),
        ("Sun 22:00-06:00; Mon 00:00-24:00", "Mon 00:00-24:00; Sun 22:00-06:00"),
        ("Sat 9:00-12:00;Mon-Fri 9:00-18:00", "Mon-Fri 09:00-18:00; Sat 09:00-12:00"),
    ],
)
def test_hours_are_read_as_people_write_them_and_kept_in_one_form(text: str, form: str) -> None:
    assert Calendar(Sheet("UTC", text)).sheet.hours == form
    assert Calendar(Sheet("UTC", form)).sheet.hours == form


# Zones


@pytest.mark.parametrize("zone", [*ZONES, "Asia/Gaza", "America/Boa_Vista", "Africa/Monrovia"])
def test_the_clocks_change_when_the_tz_database_says(zone: str) -> None:
    """From 1970 on, and for 25 years each time."""
    changes = [at for at, _ in transitions(zone)]
    for begin in range(0, 2_100_000_000, 700_000_000):
        end = begin + 700_000_000
        found = list(zones.stretches(zones.zone_named(zone), begin * 1000, end * 1000))
        assert (found[0].begin, found[-1].end) == (begin * 1000, end * 1000)
        assert all(one.end == other.begin for one, other in pairwise(found))
        begins = {one.begin // 1000 for one in found}
        assert {at for at in changes if begin < at < end} <= begins
        for one in found:
            for at in (one.begin // 1000, one.end // 1000 - 1):
                assert one.offset == offset(zone, at) * 1000


def test_no_clock_has_been_changed_and_changed_back_between_two_looks() -> None:
    """If one is, `STEP_DAYS` must become less: such a change would not be seen."""
    for zone in available_timezones():
        changes = transitions(zone)
        for index in range(1, len(changes)):
            begin, before = changes[index][0], changes[index - 1][1]
            back = next((at for at, ahead in changes[index + 1 :] if ahead == before), None)
            if begin >= 0 and back is not None:
                assert back - begin > zones.STEP_DAYS * 86_400, (zone, begin)


def transitions(zone: str) -> list[tuple[int, float]]:
    """Give the changes of a zone's clocks from the tz database itself, up to its last rule."""
    known = PureZoneInfo(zone)
    found: list[tuple[int, float]] = []
    for at, kind in zip(known._trans_utc, known._ttinfos, strict=True):
        ahead = kind.utcoff.total_seconds()
        if not found or found[-1][1] != ahead:
            found.append((at, ahead))
    return found


def offset(zone: str, at: int) -> float:
    ahead = datetime.fromtimestamp(at, ZoneInfo(zone)).utcoffset()
    assert ahead is not None
    return ahead.total_seconds()
