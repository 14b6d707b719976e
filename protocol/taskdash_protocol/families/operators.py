"""Requests of operators: the daemon's own state, and the audit."""

from dataclasses import dataclass

from taskdash_protocol.readers import boolean, cursor, limit, string, strings, time
from taskdash_protocol.request import Request


@dataclass(frozen=True, slots=True)
class Status(Request):
    """Ask how the daemon itself fares."""

    request_id = "Status"

    check: bool = boolean(
        "Also read the whole database and report its faults; takes a while.", default=False
    )


@dataclass(frozen=True, slots=True)
class Audit(Request):
    """Ask who did what, when and why; the newest comes first."""

    request_id = "Audit"

    task: str = string("Only the changes of this task; an unknown id: 1002.", default="")
    who: str = string("Only what was done by somebody whose name contains this.", default="")
    kinds: tuple[str, ...] = strings("Only these kinds.", default=())
    since: str = time("Not before this time (RFC 3339, with its zone).")
    until: str = time("Before this time (RFC 3339, with its zone).")
    limit: int = limit("At most so many entries.")
    after: str | None = cursor("The `next` of the page before.")
