"""The day: what tasks are counted as, what happened in each quarter of an hour, how long it took.

Everything here is bounded by constants. Times are Unix seconds.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, islice
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self

from taskdash_protocol.statuses import (
    CLAIMED,
    CONDITIONAL,
    DRAFT,
    EDITING,
    FINISHED,
    IN_REVIEW,
    QUEUED,
    SHUTDOWN,
    TO_PERMIT,
    UNCLAIMED,
)
from taskdashd.domain.answers import DIED, is_acknowledged
from taskdashd.domain.tasks import Task

BUCKET_S: Final = 900
DAY_S: Final = 86400
QUARTERS: Final = DAY_S // BUCKET_S
STATES: Final = (
    "live",
    UNCLAIMED,
    CLAIMED,
    EDITING,
    IN_REVIEW,
    DRAFT,
    TO_PERMIT,
    CONDITIONAL,
    QUEUED,
    FINISHED,
    SHUTDOWN,
    "failed",
    "cancelled",
    "acknowledged",
)
"""What a task is counted as, in the order of `Counts`: append, and never reorder."""
EVENTS: Final = ("claimed", "finished", "failed", "died", "recovered")
"""What is counted by quarter of an hour, likewise."""
PLACES: Final = {name: place for place, name in enumerate(STATES)}
LIVE: Final = 0
ACKNOWLEDGED: Final = PLACES["acknowledged"]
"""The place of what died or failed, and somebody has seen it: `shutdown` and `failed` are those
that nobody has."""
PLACE_OF_STATUS: Final = {
    **{name: place for name, place in PLACES.items() if place not in (LIVE, ACKNOWLEDGED)},
    "pending": PLACES[UNCLAIMED],
    "review": PLACES[IN_REVIEW],
    "finished": PLACES[FINISHED],
}
"""The place in `STATES` of each status that is not counted as live."""
PLACE_OF_ROW: Final = {**PLACE_OF_STATUS, "acknowledged": ACKNOWLEDGED}
"""The same of the statuses of rows that the database has counted."""
DURATIONS_MAX: Final = 2000
"""Durations kept, of claims and of finished work each; the figure is their median."""
_GROUPS_MAX: Final = 1000
"""Groups in a quarter that are followed, and as many others; of further groups it knows nothing."""

_DIED: Final = frozenset(PLACES[status] for status in DIED)

Counts = int
"""How many there are at each place of `STATES` or `EVENTS`, side by side in one integer.

They are added and subtracted as a whole, and a dict of many holds no containers, through which
Python's search for cycles would walk for as long as a tenth of a second.
"""
_WIDTH_BITS: Final = 40
ONES: Final = tuple(1 << _WIDTH_BITS * place for place in range(len(STATES)))
"""One of each place, as `Counts`."""


class Took(NamedTuple):
    """A duration: until a free task was claimed, or until claimed work was finished."""

    at: float
    group: str
    seconds: float


class Durations:
    """The newest durations, with the median of those in some groups."""

    def __init__(self) -> None:
        self._kept: deque[Took] = deque(maxlen=DURATIONS_MAX)
        self._by_group: dict[str, list[float]] | None = None
        """By group, in order; None where it must be made anew.

        Made once for all who ask, and not at each change: thousands may come in a second.
        """

    def __iter__(self) -> Iterator[Took]:
        """Iterate over the durations, the oldest first."""
        return iter(self._kept)

    def add(self, took: Took) -> None:
        """Add one, in place of the oldest where there are too many."""
        self._kept.append(took)
        self._by_group = None

    def forget(self, before: float) -> None:
        """Drop those from before a time."""
        while self._kept and self._kept[0].at < before:
            self._kept.popleft()
            self._by_group = None

    def middle(self, groups: Set[str] | None) -> float | None:
        """Give the median, of all or of those in some groups; None where there are none."""
        if self._by_group is None:
            self._by_group = {}
            for took in sorted(self._kept, key=attrgetter("seconds")):
                self._by_group.setdefault(took.group, []).append(took.seconds)
        of = self._by_group.keys() if groups is None else self._by_group.keys() & groups
        seconds = sorted(chain.from_iterable(self._by_group[group] for group in of))
        return seconds[len(seconds) // 2] if seconds else None


_Pair = tuple[Counts | None, Counts]
_NEITHER: Final[_Pair] = (None, 0)


class Quarter:
    """A quarter of an hour: how many tasks were in each state at its end, and what happened."""

    __slots__ = ("events", "groups", "tasks")

    def __init__(
        self,
        tasks: Counts | None = None,
        events: Counts = 0,
        groups: Mapping[str, _Pair] | None = None,
    ) -> None:
        self.tasks = tasks
        """By state, of all tasks; None where the daemon did not look in this quarter."""
        self.events = events
        self.groups = dict(groups or {})
        """By group, the same two."""

    def look(self, tasks: Counts, groups: Mapping[str, Counts]) -> bool:
        """Note how many tasks are in each state now, in all and by followed group.

        Tell whether that is another number than at the last look.
        """
        has_changed = tasks != self.tasks
        self.tasks = tasks
        for name, states in islice(groups.items(), _GROUPS_MAX):
            before, events = self.groups.get(name, _NEITHER)
            if states != before and self._has_room(name, followed=True):
                self.groups[name] = states, events
                has_changed = True
        return has_changed

    def happened(self, event: int, group: str, *, followed: bool) -> None:
        """Count an event; of one group too many only for all."""
        self.events += ONES[event]
        if self._has_room(group, followed=followed):
            tasks, events = self.groups.get(group, _NEITHER)
            self.groups[group] = tasks, events + ONES[event]

    def _has_room(self, group: str, *, followed: bool) -> bool:
        # Leave room for the followed: others are whatever services write.
        return group in self.groups or len(self.groups) < _GROUPS_MAX * (1 + followed)

    def told(self, groups: Iterable[str] | None) -> dict[str, Any]:
        """Give what somebody is told of it who sees these groups, or all."""
        tasks, events = self.tasks, self.events
        if groups is not None:
            pairs = [pair for one in groups if (pair := self.groups.get(one))]
            if tasks is not None:
                tasks = sum(pair[0] for pair in pairs if pair[0] is not None)
            events = sum(pair[1] for pair in pairs)
        return {
            "tasks": None if tasks is None else named(STATES, tasks),
            "events": named(EVENTS, events),
        }

    def to_record(self, number: int) -> dict[str, Any]:
        """Give the record to store: its own, for another thread encodes it meanwhile."""
        groups = {
            group: [_hex(tasks), _hex(events)] for group, (tasks, events) in self.groups.items()
        }
        about = {"at": number * BUCKET_S, "tasks": _hex(self.tasks), "events": _hex(self.events)}
        return {**about, "groups": groups}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read a stored record."""
        groups = {
            group: (_read(tasks), _read(events) or 0)
            for group, (tasks, events) in record["groups"].items()
        }
        return cls(_read(record["tasks"]), _read(record["events"]) or 0, groups)


def place_of(task: Task) -> int:
    """Give the place in `STATES` where a task is counted."""
    place = PLACE_OF_STATUS.get(task.status, LIVE)
    return ACKNOWLEDGED if place in _DIED and is_acknowledged(task.body) else place


def state_of(status: str) -> str:
    """Give the state of a status, until it is acknowledged; `live` for all that run."""
    return STATES[PLACE_OF_STATUS.get(status, LIVE)]


def named(names: Sequence[str], counts: Counts) -> dict[str, int]:
    """Give counts by their names, without those that are zero."""
    mask = (1 << _WIDTH_BITS) - 1
    return {
        name: count
        for place, name in enumerate(names)
        if (count := counts >> _WIDTH_BITS * place & mask)
    }


def _hex(counts: Counts | None) -> str | None:
    """Write counts for a record: JSON has no integers of that size."""
    return None if counts is None else f"{counts:x}"


def _read(text: str | None) -> Counts | None:
    return None if text is None else int(text, 16)
