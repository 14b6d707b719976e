"""Status: how the daemon itself fares, for operators and their tools."""

import os
from collections import Counter
from pathlib import Path
from typing import Any, Final

from taskdash_protocol import PROTOCOL_VERSION, __version__
from taskdash_protocol.errors import AuthError
from taskdash_protocol.requests import Status
from taskdashd.operations.engine import Engine
from taskdashd.operations.table import Caller, Done, session
from taskdashd.store.database import Health

_STATUSES_MAX: Final = 1000
"""Statuses are free text: a reply has room for so many, the most frequent first."""
_STATUS_CHARACTERS_MAX: Final = 128
"""Longer ones are cut."""


@session(Status)
def status(request: Status, caller: Caller, done: Done) -> None:
    """Count, measure, and check the file if that is asked for."""
    if caller.identity.confined_to is not None:
        raise AuthError("this token sees only its groups, and this is about all tasks")

    def measured(health: Any) -> None:
        done(_report(caller.engine, health) if isinstance(health, Health) else health)

    caller.engine.reader.health(caller.is_there, measured, check=request.check)


def _report(engine: Engine, health: Health) -> dict[str, Any]:
    by_count = Counter[str]()
    for name, count in health.tasks.items():
        by_count[name[:_STATUS_CHARACTERS_MAX]] += count
    database: dict[str, Any] = {
        "bytes": health.file_bytes,
        "wal_bytes": health.wal_bytes,
        "free_bytes": health.free_bytes,
        "sqlite": health.sqlite,
    }
    if health.check is not None:
        database["check"] = health.check
    return {
        "server": f"taskdashd/{__version__}",
        "protocol": PROTOCOL_VERSION,
        "pid": os.getpid(),
        "time": engine.clock.stamp(),
        "started_at": engine.started_at,
        "uptime": round(engine.clock.now() - engine.started, 3),
        "rev": engine.view.committed_rev,
        "tasks": dict(by_count.most_common(_STATUSES_MAX)),
        "live_tasks": len(engine.liveness),
        "connections": sum(not one.stands_in for one in engine.sessions.values()),
        "watches": sum(len(one.watches) for one in engine.sessions.values()),
        "memory_bytes": _memory_bytes(),
        "writes_waiting": engine.writer.waiting_rows,
        "commits": _commits(engine),
        "database": database,
    }


def _commits(engine: Engine) -> dict[str, Any]:
    report: dict[str, Any] = {"count": engine.writer.commits}
    recent = sorted(engine.writer.commit_s)
    if recent:
        for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)):
            at = min(len(recent) - 1, int(share * len(recent)))
            report[name] = round(recent[at] * 1000, 3)
    return report


def _memory_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
