"""Names: what those are called whom tasks name, whoever sees the tasks."""

from collections.abc import Mapping
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.families.people import Names
from taskdashd.core.access import sees
from taskdashd.core.identities import PERSON
from taskdashd.core.steps import Steps, in_slices
from taskdashd.core.storing import load
from taskdashd.core.table import Caller, Result, alone
from taskdashd.domain.access import Identity
from taskdashd.domain.answers import ACKNOWLEDGED
from taskdashd.domain.tasks import Task

_NAMING: Final = ("user", "checker", "submitted_by", "freed_from")
"""The members of a task that name somebody, beside who has acknowledged it."""


@alone(Names)
def names(request: Names, caller: Caller) -> Steps[Result]:
    """Give the names of all whom some tasks name: nothing else of people whom one does not see."""
    core, identity = caller.core, caller.identity
    yield from load(core, request.ids)
    found = (core.view.committed(one) for one in request.ids if core.view.knows(one))
    there = [one for one in found if one is not None and sees(identity, one)]
    named = yield from in_slices(there, _named, lambda one: len(one.body), core.reader.turn)
    told: dict[str, str] = {}
    for number in (one for several in named for one in several):
        record = core.view.records.committed(PERSON, number)
        if record is not None and _may_know(identity, record):
            told[number] = record["name"]
    return {"names": told}


def _may_know(identity: Identity, record: Mapping[str, Any]) -> bool:
    # Whoever writes tasks could name anybody in one: a service of some groups would learn from
    # tasks of its own making who has an account, also as a person whom its token vouches for.
    if identity.confined_to is None or not identity.groups.isdisjoint(record["groups"]):
        return True
    return identity.within is None and not identity.may_write


def _named(task: Task) -> list[str]:
    fields = strictjson.reload(task.body)
    answered = fields.get(ACKNOWLEDGED)
    by = answered.get("by") if type(answered) is dict else ""
    named = (by, *(fields.get(name) for name in _NAMING))
    return [one for one in named if type(one) is str and one]
