"""Names: what those are called whom tasks name, whoever sees the tasks."""

from collections.abc import Container, Iterator, Mapping
from functools import partial
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.operators import Audit
from taskdash_protocol.families.people import Names
from taskdash_protocol.fields import ACKNOWLEDGED
from taskdash_protocol.readers import PAGE_MAX
from taskdashd.core.access import sees
from taskdashd.core.history import told as told_of
from taskdashd.core.identities import PERSON
from taskdashd.core.steps import Steps, in_slices, wait_for
from taskdashd.core.storing import load
from taskdashd.core.table import Caller, Result, alone
from taskdashd.domain.access import Identity
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Task
from taskdashd.store.audit import DAMAGED, History

_NAMING: Final = (ACKNOWLEDGED, "user", "checker", "submitted_by", "freed_from")
"""The members of a task that name somebody: the first, an object, in its `by`."""
_HISTORY_BYTES: Final = 8 << 20
"""So much of a history is read, and nothing of it is sent."""


@alone(Names)
def names(request: Names, caller: Caller) -> Steps[Result]:
    """Give the names of all whom some tasks name: nothing else of people whom one does not see."""
    core, identity = caller.core, caller.identity
    if request.history and len(request.ids) != 1:
        raise BadRequest("field history: name one task")
    yield from load(core, request.ids)
    found = (core.view.committed(one) for one in request.ids if core.view.knows(one))
    there = [one for one in found if one is not None and sees(identity, one)]
    named = yield from in_slices(there, _named, lambda one: len(one.body), core.reader.turn)
    numbers = dict.fromkeys(one for several in named for one in several)
    if request.history and there:
        asked, shown = Audit(request.ids[0], limit=PAGE_MAX), partial(_named_once, identity)
        reading = partial(core.reader.audit, asked, _HISTORY_BYTES, caller.asker, shown=shown)
        numbers |= yield from wait_for(reading)
    told: dict[str, str] = {}
    for number in numbers:
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
    return list(_named_in(strictjson.reload(task.body), _NAMING))


def _named_once(identity: Identity, found: History) -> dict[str, None]:
    """Give whom the changes of a task have named: of each only what Audit shows of it."""
    if not sees(identity, found.task):
        return {}
    numbers: dict[str, None] = {}
    for entry in found.entries:
        if isinstance(entry, Act) or entry.kind == DAMAGED:
            continue
        new = strictjson.reload(entry.task)
        if identity.sees_task(new):
            changes = told_of(entry, identity)["changes"]
            old = strictjson.reload(entry.previous) if changes and entry.previous else {}
            for fields in (old, new):
                numbers |= dict.fromkeys(_named_in(fields, changes))
    return numbers


def _named_in(fields: Mapping[str, Any], members: Container[str]) -> Iterator[str]:
    """Give whom some members of a task name."""
    for name in _NAMING:
        value = fields.get(name) if name in members else ""
        value = value.get("by") if name == ACKNOWLEDGED and type(value) is dict else value
        if type(value) is str and value:
            yield value
