"""The calendars that are stored, ready to be asked; and which of them holds for whom."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple, Protocol

import structlog

from taskdash_protocol.errors import BadRequest, Conflict
from taskdashd.core.identities import PERSON
from taskdashd.domain.calendars.calendar import Calendar, Sheet
from taskdashd.domain.people import Person
from taskdashd.store.records import Records, Value
from taskdashd.store.transaction import Transaction

CALENDAR: Final = "calendar"
"""The kind of the records that hold calendars."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class CalendarLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    office_calendar: str


class Kept(NamedTuple):
    """A calendar that can be asked."""

    calendar: Calendar
    record: Value | None
    """The record that it was made of; None where it was never set."""
    fault: str = ""
    """Why it is not as its record says; empty where it is."""


class Calendars:
    """All calendars as of the last commit, each made when it is first asked for."""

    def __init__(self, limits: CalendarLimits, records: Records, zone: str) -> None:
        self._limits = limits
        self._records = records
        self._made: dict[str, Kept] = {}
        self.usual = Sheet(zone)
        """A calendar that was never set: its zone is the machine's."""

    @property
    def office(self) -> str:
        """The name of the calendar that holds for whoever names none."""
        return self._limits.office_calendar

    def named(self, name: str) -> Kept | None:
        """Give a calendar; None where there is none of that name. The office's is always there."""
        record = self._records.committed(CALENDAR, name)
        return None if record is None and name != self.office else self.made(name, record)

    def made(self, name: str, record: Value | None) -> Kept:
        """Give the calendar of a record, made only if it is not the one that was asked last."""
        made = self._made.get(name)
        if made is None or made.record is not record:
            made = self._made[name] = self._make(name, record)
        return made

    def name_for(self, person: Person | None) -> str:
        """Give the name of the calendar that holds for a person; None stands for nobody."""
        if person is not None and self._records.committed(CALENDAR, person.calendar) is not None:
            return person.calendar
        return self.office

    def of(self, person: Person | None) -> Calendar:
        """Give the calendar that holds for a person; None stands for nobody."""
        kept = self.named(self.name_for(person))
        assert kept is not None
        return kept.calendar

    def keep(self, name: str, calendar: Calendar, transaction: Transaction) -> Kept:
        """Store a calendar, which need not be made once more."""
        record = {"name": name, **calendar.sheet.to_record()}
        transaction.keep(CALENDAR, name, record)
        kept = self._made[name] = Kept(calendar, record)
        return kept

    def check(self, field: str, name: str, transaction: Transaction) -> None:
        """Raise `Conflict` where there is no calendar of that name."""
        if name != self.office and transaction.record(CALENDAR, name) is None:
            raise no_calendar(field, name)

    def users(self, name: str) -> Iterator[str]:
        """Give the numbers of the people who have a calendar for their own."""
        accounts = {one["id"]: one for one in self._records.all(PERSON)}
        for waiting in self._records.pending.values():
            if waiting.kind == PERSON and waiting.value is not None:
                accounts[waiting.key] = waiting.value
        return (number for number, one in accounts.items() if one.get("calendar") == name)

    def _make(self, name: str, record: Value | None) -> Kept:
        if record is None:
            return Kept(Calendar(self.usual), None)
        stored, fault = Sheet.from_record(record), ""
        # A zone may be missing here that the machine had on which the calendar was set.
        for sheet in (stored, replace(stored, zone=self.usual.zone)):
            try:
                return Kept(Calendar(sheet), record, fault)
            except BadRequest as error:
                fault = fault or error.detail
                log.warning("a stored calendar cannot be used as it is", name=name, why=fault)
        return Kept(Calendar(self.usual), record, fault)


def no_calendar(field: str, name: str) -> Conflict:
    """Make the refusal of a field that names no calendar."""
    fault = Conflict(f"field {field}: there is no calendar {name!r}")
    return fault.because("no-calendar", calendar=name)
