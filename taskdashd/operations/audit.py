"""Audit: who did what, when and why, the newest first."""

from typing import Any

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, NotFound
from taskdash_protocol.requests import Audit
from taskdashd.domain.access import Identity
from taskdashd.domain.acts import Act, changed
from taskdashd.operations.access import sees
from taskdashd.operations.engine import REPLY_RESERVE_BYTES
from taskdashd.operations.supervision import ACTOR, REASON
from taskdashd.operations.table import Caller, Done, session
from taskdashd.store.audit import DAMAGED, Entry, History


@session(Audit)
def audit(request: Audit, caller: Caller, done: Done) -> None:
    """Give a page of the audit: of one task to whoever sees it, of everything to operators."""
    if not request.task and not caller.identity.is_operator:
        raise AuthError("only an operator sees what everybody did: name a task")

    def read(found: Any) -> None:
        if isinstance(found, History):
            found = _report(request, found, caller)
        done(found)

    bytes_max = caller.engine.limits.max_frame - REPLY_RESERVE_BYTES
    caller.engine.reader.audit(request, bytes_max, caller.is_there, read)


def _report(request: Audit, found: History, caller: Caller) -> dict[str, Any] | NotFound:
    if request.task and not sees(caller.identity, found.task):
        return NotFound(f"no task has the id {request.task!r}")
    entries: list[dict[str, Any]] = []
    for entry in found.entries:
        if isinstance(entry, Act):
            entries.append(_act(entry))
        elif entry.kind == DAMAGED:
            if caller.identity.confined_to is None:
                act = Act(entry.rev, entry.at, DAMAGED, entry.who, "it cannot be read any more", 1)
                entries.append(_act(act))
        elif caller.identity.sees_task(strictjson.reload(entry.task)):
            entries.append(told(entry, caller.identity))
    return {"entries": entries, "next": found.next}


def _act(act: Act) -> dict[str, Any]:
    told: dict[str, Any] = {"at": act.at, "kind": act.kind, "who": act.who, "rev": act.rev}
    return {**told, "task": "", "why": act.detail, "count": act.times, "changes": {}}


def told(entry: Entry, identity: Identity) -> dict[str, Any]:
    """Say of a change what somebody may know."""
    new = strictjson.reload(entry.task)
    old = strictjson.reload(entry.previous) if entry.previous else {}
    # Where it was in another group before, what it was like there is not for everybody.
    known = not old or identity.sees_task(old)
    changes = changed(old, new) if known else {}
    dies = entry.kind == "shutdown" and entry.who == ACTOR
    why = REASON if dies else new.get("reason") if "reason" in changes else ""
    return {
        "at": entry.at,
        "kind": entry.kind,
        "who": entry.who,
        "rev": entry.rev,
        "task": new["id"],
        "why": why if type(why) is str else "",
        "count": 1,
        "changes": changes,
    }
