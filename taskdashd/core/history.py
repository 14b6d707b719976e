"""What a change of a task is in words: an entry of its history, for whoever may see it."""

from typing import Any

from taskdash_protocol import strictjson
from taskdashd.core.deaths import ACTOR, REASON
from taskdashd.domain.access import Identity
from taskdashd.domain.acts import changed
from taskdashd.store.audit import Entry


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
