"""What the live board knows: the tasks that it has loaded, and how many there are in all.

All that live, wait or have died are loaded, and of the others those that changed last. How many
there are in all the daemon says; where it does not (of a selection, or to a token of some groups),
what is loaded is counted.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import taskdash
from taskdash_ctl.names import Names
from taskdash_protocol.families.operators import Status
from taskdash_protocol.readers import PAGE_MAX
from taskdash_protocol.statuses import ENDED, SHUTDOWN, status_class

PARTS: Final[Mapping[str, tuple[dict[str, list[str]], int]]] = {
    "live": ({"class": ["live"]}, 5000),
    "waiting": ({"class": ["waiting"]}, 5000),
    "died": ({"status": [SHUTDOWN]}, 5000),
    "ended": ({"status": sorted(ENDED - {SHUTDOWN})}, 1000),
}
"""How each part of the tasks is selected, and how many of it are loaded, those last changed."""
_ASK_AGAIN_S: Final = 5.0
_ASK_ALL_AGAIN_S: Final = 60.0
_ASK_TIMEOUT_S: Final = 2.0
_PAUSE: Final = 10
"""Between two askings pass so many times the seconds that one has taken."""


def part_of(status: str) -> str:
    """Name the part of the tasks, a key of `PARTS`, that a status is in."""
    return "died" if status == SHUTDOWN else status_class(status)


class Loaded:
    """The tasks by id. `changed` are the ids of those that are new or other since it was emptied.

    Heartbeats are no events: who lives is read again every few seconds. All is read again every
    minute, to forget what the daemon has forgotten.
    """

    def __init__(self, dash: taskdash.Client, where: Mapping[str, list[str]]) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.changed: set[str] = set()
        self.names = Names(dash)
        self.skew = timedelta()
        """How far the clock here is ahead of the daemon's."""
        self._dash = dash
        self._where = where
        self._full: set[str] = set()
        self._counted: Counter[str] | None = None
        self._counted_rev = 0
        self._ask_at = self._ask_all_at = 0.0

    def ask(self) -> bool:
        """Read what is due to be read again, and tell whether anything was.

        Raises what the client raises.
        """
        began = time.monotonic()
        if began < self._ask_at:
            return False
        # Count the pause from now if the daemon does not answer; it would be asked ever again.
        self._ask_at = began + _ASK_AGAIN_S
        self._count()
        everything = began >= self._ask_all_at
        kept = {} if everything else self.tasks
        rows = [row for part in (PARTS if everything else ("live",)) for row in self._read(part)]
        self.names.learn(rows)
        fresh = {row["id"]: row for row in rows}
        if everything:
            self.changed |= self.tasks.keys()
        self.tasks = {**kept, **fresh}
        self.changed |= fresh.keys()
        ended = time.monotonic()
        pause_s = (ended - began) * _PAUSE
        self._ask_at = ended + max(_ASK_AGAIN_S, pause_s)
        if everything:
            self._ask_all_at = ended + max(_ASK_ALL_AGAIN_S, pause_s)
        return True

    def take(self, events: Iterable[taskdash.Event]) -> bool:
        """Take up changes, and tell whether there were any. Raises what the client raises."""
        some = list(events)
        self.names.learn(event.task for event in some)
        for event in some:
            task, before = event.task, self.tasks.get(event.task["id"])
            if before is not None and before["rev"] > event.rev:
                # What was read meanwhile is newer than the events that wait.
                continue
            if self._counted is not None and event.rev > self._counted_rev:
                self._counted[part_of(task["status"])] += 1
                if before is not None:
                    self._counted[part_of(before["status"])] -= 1
            self.tasks[task["id"]] = task
            self.changed.add(task["id"])
        return bool(some)

    def counts(self) -> dict[str, str]:
        """Say for each part how many there are: `2000+` where not all that match are loaded."""
        if self._counted is not None:
            return {part: str(max(self._counted[part], 0)) for part in PARTS}
        loaded = Counter(part_of(task["status"]) for task in self.tasks.values())
        return {part: f"{loaded[part]}{'+' if part in self._full else ''}" for part in PARTS}

    def _count(self) -> None:
        try:
            report = self._dash.call(Status(), timeout_s=_ASK_TIMEOUT_S)
        except taskdash.AuthError:
            # This token sees only its groups.
            self._counted = None
            return
        self.skew = datetime.now(UTC) - datetime.fromisoformat(report["time"])
        if self._where:
            return
        self._counted, self._counted_rev = Counter(), report["rev"]
        for status, count in report["tasks"].items():
            self._counted[part_of(status)] += count

    def _read(self, part: str) -> list[dict[str, Any]]:
        selected, most = PARTS[part]
        where = {**selected, **self._where}
        for field in selected.keys() & self._where.keys():
            where[field] = [one for one in selected[field] if one in self._where[field]]
            if not where[field]:
                return []
        rows = self._dash.query(where, order="-rev", page=PAGE_MAX, timeout_s=_ASK_TIMEOUT_S)
        found = list(islice(rows, most))
        (self._full.add if len(found) == most else self._full.discard)(part)
        return found
