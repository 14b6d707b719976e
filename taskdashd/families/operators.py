"""Status and Audit: the daemon's own state, and who did what, when and why."""

import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Final

from taskdash_protocol import PROTOCOL_VERSION, __version__, strictjson
from taskdash_protocol.errors import AuthError, NotFound
from taskdash_protocol.requests import Audit, Status
from taskdashd.core.access import sees
from taskdashd.core.history import told
from taskdashd.core.steps import Steps, wait_for
from taskdashd.core.table import Caller, Core, Result, alone
from taskdashd.domain.access import Identity
from taskdashd.domain.acts import Act
from taskdashd.store.audit import DAMAGED, History
from taskdashd.store.health import Health

_STATUSES_MAX: Final = 1000
"""Statuses are free text: a reply has room for so many, the most frequent first."""
_STATUS_CHARACTERS_MAX: Final = 128
"""Longer statuses are cut."""


@alone(Audit)
def audit(request: Audit, caller: Caller) -> Steps[Result]:
    """Give a page of the audit: of one task to callers who see it, of everything to operators."""
    if not request.task and not caller.identity.is_operator:
        raise AuthError("only an operator sees what everybody did: name a task")
    core = caller.core
    # A page has a thousand entries, each with what a change has changed: too much for a step.
    shown = partial(_entries, request, caller.identity)
    read = partial(core.reader.audit, request, core.room.reply_bytes, caller.asker, shown=shown)
    result: Result = yield from wait_for(read)
    return result


@alone(Status)
def status(request: Status, caller: Caller) -> Steps[Result]:
    """Give the daemon's counts and measures; check the database file if that is asked for."""
    if caller.identity.confined_to is not None:
        raise AuthError("this token sees only its groups, and this is about all tasks")
    core = caller.core
    health = yield from wait_for(partial(core.reader.health, caller.asker, check=request.check))
    return _report(core, health)


def _entries(request: Audit, identity: Identity, found: History) -> Result:
    if request.task and not sees(identity, found.task):
        raise NotFound(f"no task has the id {request.task!r}")
    entries: list[dict[str, Any]] = []
    for entry in found.entries:
        if isinstance(entry, Act):
            entries.append(_act(entry))
        elif entry.kind == DAMAGED:
            if identity.confined_to is None:
                act = Act(entry.rev, entry.at, DAMAGED, entry.who, "it cannot be read any more", 1)
                entries.append(_act(act))
        elif identity.sees_task(strictjson.reload(entry.task)):
            entries.append(told(entry, identity))
    return {"entries": entries, "next": found.next}


def _act(act: Act) -> dict[str, Any]:
    told: dict[str, Any] = {"at": act.at, "kind": act.kind, "who": act.who, "rev": act.rev}
    return {**told, "task": "", "why": act.detail, "count": act.times, "changes": {}}


def _report(core: Core, health: Health) -> dict[str, Any]:
    by_count = Counter[str]()
    for name, count in health.tasks.items():
        by_count[name[:_STATUS_CHARACTERS_MAX]] += count
    database: dict[str, Any] = {
        "engine": health.engine,
        "version": health.version,
        "bytes": health.size_bytes,
    }
    if health.file is not None:
        # The version by its old name: who knew no other engine reads it there.
        database |= {**health.file._asdict(), "sqlite": health.version}
    if health.check is not None:
        database["check"] = health.check
    return {
        "server": f"taskdashd/{__version__}",
        "protocol": PROTOCOL_VERSION,
        "pid": os.getpid(),
        "time": core.clock.stamp(),
        "started_at": core.clock.started_at,
        "uptime": round(core.clock.now() - core.clock.started, 3),
        "rev": core.view.committed_rev,
        "tasks": dict(by_count.most_common(_STATUSES_MAX)),
        "live_tasks": len(core.liveness),
        "connections": sum(not one.stands_in for one in core.sessions),
        "watches": sum(len(one.watches) for one in core.sessions),
        "memory_bytes": _memory_bytes(),
        "writes_waiting": core.writer.waiting_rows,
        "commits": _commits(core),
        "database": database,
    }


def _commits(core: Core) -> dict[str, Any]:
    report: dict[str, Any] = {"count": core.writer.commits}
    recent = sorted(core.writer.commit_s)
    if recent:
        for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)):
            at = min(len(recent) - 1, int(share * len(recent)))
            report[name] = round(recent[at] * 1000, 3)
    return report


def _memory_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
