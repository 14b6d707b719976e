"""The sections of Next about people's tasks: what one has, is to check, and what came to one."""

from typing import Final

from taskdash_protocol.statuses import CLAIMED, EDITING, IN_REVIEW, UNCLAIMED
from taskdashd.core.waiting import Entry, Fields, Look, Reading, Section, entry
from taskdashd.domain.people import Person
from taskdashd.families.people.rules import spelled
from taskdashd.families.people.told import Told

_TO_CHECK: Final = spelled(IN_REVIEW)


def _in_work(person: Person) -> Look:
    def look(reading: Reading) -> list[Entry]:
        found = reading.tasks({"user": (person.id,), "status": (EDITING,)})
        return [entry(one, since=_claimed(one)) for one in found]

    return look


def _to_begin(person: Person) -> Look:
    def look(reading: Reading) -> list[Entry]:
        statuses = CLAIMED, *spelled(UNCLAIMED)
        found = reading.tasks({"user": (person.id,), "status": statuses})
        return [
            entry(one, since=_claimed(one)) if one["status"] == CLAIMED else entry(one, "meant")
            for one in found
        ]

    return look


def _to_check(person: Person) -> Look:
    leads = tuple(sorted(person.identity.leads))

    def look(reading: Reading) -> list[Entry]:
        named = reading.tasks({"checker": (person.id,), "status": _TO_CHECK})
        led = (
            reading.tasks({"group_id": leads, "checker": ("",), "status": _TO_CHECK})
            if leads
            else []
        )
        entries = [entry(one, "named") for one in named] + [entry(one, "lead") for one in led]
        # Nobody checks their own work: what a lead has submitted waits for another.
        others = [one for one in entries if person.id not in (one["user"], one["submitted_by"])]
        return sorted(others, key=lambda one: one["rev"])

    return look


def _claimed(fields: Fields) -> str:
    at = fields.get("claimed_at")
    return at if type(at) is str else ""


IN_WORK: Final = Section("now", _in_work)
TO_BEGIN: Final = Section("queue", _to_begin)
TO_CHECK: Final = Section("to_answer", _to_check)


def returned(told: Told) -> Section:
    """Give the section of what others gave a person, sent back or took, until it was seen."""

    def look_for(person: Person) -> Look:
        unseen = told.unseen(person.id)

        def look(reading: Reading) -> list[Entry]:
            there = reading.by_id([one["id"] for one in unseen])
            entries = []
            for one in unseen:
                fields = there.get(one["id"])
                # A task that they see no longer is told of as what it was while they had it.
                shown = {"id": one["id"], "name": one["name"]} if fields is None else entry(fields)
                about = {name: one[name] for name in ("by", "word", "rev")}
                entries.append({**shown, **about, "why": [one["why"]], "since": one["at"]})
            return entries

        return look

    return Section("returned", look_for)
