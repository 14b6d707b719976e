"""A change of a task as an entry of its history, with no more than the reader may see."""

from typing import Any

from taskdash_protocol import strictjson
from taskdashd.core.deaths import ACTOR, REASON
from taskdashd.domain.access import Identity
from taskdashd.domain.acts import changed
from taskdashd.store.audit import Entry


def told(entry: Entry, identity: Identity) -> dict[str, Any]:
    """Give the entry for a change, without the fields that the identity may not see."""
    new = strictjson.reload(entry.task)
    old = strictjson.reload(entry.previous) if entry.previous else {}
    # A task may come from a group that the identity does not see: its old fields stay hidden.
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
