"""Calendars and SetCalendar: when people work, and what the business day is."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from taskdash_protocol.errors import AuthError, BadRequest, Busy, Conflict
from taskdash_protocol.families.calendars import CALENDARS_MAX, Calendars, SetCalendar
from taskdashd.core.calendars import CALENDAR, Kept, no_calendar
from taskdashd.core.steps import Steps
from taskdashd.core.storing import write
from taskdashd.core.table import Caller, Core, Result, alone
from taskdashd.domain.access import Identity
from taskdashd.domain.calendars.calendar import Calendar, Sheet
from taskdashd.domain.times import stamp
from taskdashd.store.transaction import Transaction

_DAYS: Final = 14
_NAMED_MAX: Final = 5
_SHEET: Final = ("zone", "hours", "closed", "open", "until")
"""The fields that only operators change; `today` is changed by services as well."""
_TOLD: Final = ("zone", "hours", "until", "today")


@alone(Calendars)
def calendars(request: Calendars, caller: Caller) -> Result:
    """Give all calendars, or one with its days."""
    core, known = caller.core, caller.core.calendars
    told = {
        "office": known.office,
        "mine": known.name_for(core.identities.person(caller.identity.person)),
    }
    if request.name:
        kept = known.named(request.name)
        if kept is None:
            raise no_calendar("name", request.name)
        days = _days(kept.calendar, request.week, core.clock.wall())
        return {"calendars": [{**_whole(request.name, kept, core), "days": days}], **told}
    usual = {known.office: _listed(known.office, known.usual.to_record(), is_set=False)}
    stored = core.view.records.all(CALENDAR)
    listed = usual | {one["name"]: _listed(one["name"], one, is_set=True) for one in stored}
    return {"calendars": [listed[name] for name in sorted(listed)], **told}


@alone(SetCalendar, changes=True)
def set_calendar(request: SetCalendar, caller: Caller) -> Steps[Result]:
    """Make, change or remove a calendar."""
    identity, core = caller.identity, caller.core
    _check_rights(request, identity)
    if request.from_ and request.today is None:
        raise BadRequest("field from: it stands beside today")
    decide = _removal if request.remove else _change
    done = yield from write(core, decide(request, caller))
    kind = "calendar removed" if request.remove else "calendar set"
    core.acts.note(kind, caller.known_as, _said(request))
    return done


def _check_rights(request: SetCalendar, identity: Identity) -> None:
    if identity.is_operator:
        return
    if request.remove or any(getattr(request, name) is not None for name in _SHEET):
        raise AuthError("only an operator changes calendars").because("admin")
    if not identity.may_write or identity.confined_to is not None:
        raise AuthError("only an operator, or a service of all groups, moves the business day")


def _change(request: SetCalendar, caller: Caller) -> Callable[[Transaction], dict[str, Any]]:
    core, name = caller.core, request.name

    def decide(transaction: Transaction) -> dict[str, Any]:
        core.identities.check_still(caller.session, caller.identity, transaction)
        found = transaction.record(CALENDAR, name)
        if found is None:
            if not caller.identity.is_operator and name != core.calendars.office:
                raise no_calendar("name", name)
            if core.view.records.count(CALENDAR) >= CALENDARS_MAX:
                raise Busy(f"there are {CALENDARS_MAX} calendars: no more are allowed")
        sheet = core.calendars.usual if found is None else Sheet.from_record(found)
        fields = {one: getattr(request, one) for one in _SHEET}
        if request.today is not None:
            before = core.calendars.made(name, found).calendar
            fields["today"] = _today(request, before, core.clock.wall())
        kept = core.calendars.keep(name, Calendar(sheet.changed(fields)), transaction)
        return _whole(name, kept, core)

    return decide


def _today(request: SetCalendar, before: Calendar, now: float) -> str:
    """Give the business day to store. Raises `Conflict` where it is not to be moved from here."""
    today = before.today(now)
    if request.from_ and request.from_ != f"{today}":
        fault = Conflict(f"field from: the business day is {today}, and not {request.from_}")
        raise fault.because("too-late", day=f"{today}")
    if request.today != "next":
        return request.today or ""
    day = before.next_day(today)
    if day is None:
        fault = Conflict(f"field today: the working day after {today} is not known")
        raise fault.because("calendar-ends", day=f"{today}")
    return f"{day}"


def _removal(request: SetCalendar, caller: Caller) -> Callable[[Transaction], dict[str, Any]]:
    core, name = caller.core, request.name

    def decide(transaction: Transaction) -> dict[str, Any]:
        core.identities.check_still(caller.session, caller.identity, transaction)
        if transaction.record(CALENDAR, name) is None:
            raise no_calendar("name", name)
        # Whoever has a removed calendar would get the office's hours, and nobody would tell them.
        if users := sorted(core.calendars.users(name)):
            more = f" and {len(users) - _NAMED_MAX} more" if len(users) > _NAMED_MAX else ""
            who = f"{', '.join(users[:_NAMED_MAX])}{more}"
            fault = Conflict(f"field remove: it is the calendar of {who}: give them another first")
            raise fault.because("in-use", users=who)
        transaction.keep(CALENDAR, name, None)
        return {"name": name, "set": False}

    return decide


def _listed(name: str, record: Mapping[str, Any], *, is_set: bool) -> dict[str, Any]:
    return {"name": name, "set": is_set, **{one: record[one] for one in _TOLD}}


def _whole(name: str, kept: Kept, core: Core) -> dict[str, Any]:
    """Give a calendar, and how it stands at this moment."""
    calendar, now = kept.calendar, core.clock.wall()
    day, state, sheet = calendar.today(now), calendar.state(now), calendar.sheet
    known_to, until = calendar.known_to(day), state.until
    return {
        **_listed(name, sheet.to_record(), is_set=kept.record is not None),
        "closed": list(sheet.closed),
        "open": list(sheet.open),
        "day": f"{day}",
        "known_to": "" if known_to is None else f"{known_to}",
        "now": {"open": state.is_open, "until": None if until is None else stamp(until)},
        "fault": kept.fault,
    }


def _days(calendar: Calendar, week: str, now: float) -> list[dict[str, str]]:
    """Give the days of two weeks, of which the first has a date in it."""
    first = date.fromisoformat(week) if week else calendar.local_date(now)
    monday = first - timedelta(days=min(first.weekday(), first.toordinal() - 1))
    return [
        {"date": f"{one.day}", "hours": one.hours, "mark": one.mark}
        for one in calendar.days(monday, _DAYS)
    ]


def _said(request: SetCalendar) -> str:
    given = {name: getattr(request, name) for name in (*_SHEET, "today")}
    told = [
        f"{name} {f'{len(value)} entries' if type(value) is tuple else value or 'none'}"
        for name, value in given.items()
        if value is not None
    ]
    return ": ".join(filter(None, (request.name, ", ".join(told))))
