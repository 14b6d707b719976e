"""The day: what tasks are counted as, what happened in each quarter of an hour, how long it took.

Everything here is bounded by constants. Times are Unix seconds.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, islice
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
)
"""What a task is counted as. Records hold the counts in this order: append, and never reorder."""
EVENTS: Final = ("claimed", "finished", "failed", "died", "recovered")
"""What is counted by quarter of an hour, in the order of the records."""
PLACES: Final = {name: place for place, name in enumerate(STATES)}
LIVE: Final = 0
PLACE_OF_STATUS: Final = {
    **{name: place for name, place in PLACES.items() if place != LIVE},
    "pending": PLACES[UNCLAIMED],
    "review": PLACES[IN_REVIEW],
    "finished": PLACES[FINISHED],
}
"""The place in `STATES` of each status that is not counted as live."""
_DURATIONS_MAX: Final = 2000
"""Durations kept, of claims and of finished work each; the figure is their median."""
_DROPPED_MAX: Final = 500
"""Durations that are dropped at a tick: after a jump of the clock all may be too old at once."""
_GROUPS_MAX: Final = 1000
"""Groups in a quarter that are followed, and as many others; of further groups it knows nothing."""

Counts = list[int]


class Took(NamedTuple):
    """A duration: until a free task was claimed, or until claimed work was finished."""

    at: float
    group: str
    seconds: float


class Durations:
    """The newest durations, with the median of those in some groups."""

    def __init__(self) -> None:
        self._kept: deque[Took] = deque()
        self._sorted: list[float] = []
        self._by_group: dict[str, list[float]] = {}
        """By group, in order: the median of a few groups must not look at all durations."""

    def __iter__(self) -> Iterator[Took]:
        """Iterate over the durations, the oldest first."""
        return iter(self._kept)

    def add(self, took: Took) -> None:
        """Add one, in place of the oldest where there are too many."""
        if len(self._kept) == _DURATIONS_MAX:
            self._drop_oldest()
        self._kept.append(took)
        insort(self._sorted, took.seconds)
        insort(self._by_group.setdefault(took.group, []), took.seconds)

    def forget(self, before: float) -> None:
        """Drop those from before a time, some at a time."""
        for _ in range(_DROPPED_MAX):
            if not self._kept or self._kept[0].at >= before:
                return
            self._drop_oldest()

    def middle(self, groups: Set[str] | None) -> float | None:
        """Give the median, of all or of those in some groups; None where there are none."""
        if groups is None:
            seconds = self._sorted
        else:
            of = self._by_group.keys() & groups
            seconds = sorted(chain.from_iterable(self._by_group[group] for group in of))
        return seconds[len(seconds) // 2] if seconds else None

    def _drop_oldest(self) -> None:
        took = self._kept.popleft()
        of_group = self._by_group[took.group]
        for seconds in (self._sorted, of_group):
            del seconds[bisect_left(seconds, took.seconds)]
        if not of_group:
            del self._by_group[took.group]


_Pair = tuple[Sequence[int] | None, Sequence[int] | None]
_NEITHER: Final[_Pair] = (None, None)


class Quarter:
    """A quarter of an hour: how many tasks were in each state at its end, and what happened."""

    __slots__ = ("events", "groups", "tasks")

    def __init__(
        self,
        tasks: Sequence[int] | None = None,
        events: Sequence[int] = (0,) * len(EVENTS),
        groups: Mapping[str, _Pair] | None = None,
    ) -> None:
        self.tasks = tasks
        """By state, of all tasks; None where the daemon did not look in this quarter."""
        self.events = [*events]
        self.groups = dict(groups or {})
        """By group, the same two; None for what is not known, or did not happen."""

    def look(self, tasks: Counts, groups: Iterable[tuple[str, Counts]]) -> None:
        """Note how many tasks are in each state now, in all and in followed groups."""
        self.tasks = tuple(tasks)
        known = self.groups
        for name, states in islice(groups, _GROUPS_MAX):
            if self._has_room(name, followed=True):
                known[name] = tuple(states), known.get(name, _NEITHER)[1]

    def happened(self, event: int, group: str, *, followed: bool) -> None:
        """Count an event; of one group too many only for all."""
        self.events[event] += 1
        if self._has_room(group, followed=followed):
            tasks, before = self.groups.get(group, _NEITHER)
            events = list(before or [0] * len(EVENTS))
            events[event] += 1
            # Replace the pair instead of changing it: a record that is being stored shares it.
            self.groups[group] = tasks, events

    def _has_room(self, group: str, *, followed: bool) -> bool:
        # Leave room for the followed: others are whatever services write.
        return group in self.groups or len(self.groups) < _GROUPS_MAX * (1 + followed)

    def to_record(self, number: int) -> dict[str, Any]:
        """Give the record to store. Another thread may encode it while counting goes on."""
        return {
            "at": number * BUCKET_S,
            "tasks": self.tasks,
            "events": [*self.events],
            "groups": dict(self.groups),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read a stored record."""
        return cls(
            _padded(record["tasks"], len(STATES)),
            _padded(record["events"], len(EVENTS)) or (),
            {
                group: (_padded(tasks, len(STATES)), _padded(events, len(EVENTS)))
                for group, (tasks, events) in record["groups"].items()
            },
        )


def state_of(status: str) -> str:
    """Give the state in which a task of this status is counted; `live` for all that run."""
    return STATES[PLACE_OF_STATUS.get(status, LIVE)]


def _padded(counts: Sequence[int] | None, width: int) -> list[int] | None:
    """Give stored counts as wide as those of today: records may be from before a state was new."""
    return None if counts is None else [*counts, *[0] * (width - len(counts))]


def added(rows: Iterable[Sequence[int]], width: int) -> Counts:
    """Add counts up, place by place."""
    return [sum(counts) for counts in zip(*rows, strict=True)] or [0] * width


def named(names: Sequence[str], counts: Sequence[int]) -> dict[str, int]:
    """Give counts by their names, without those that are zero."""
    return {name: count for name, count in zip(names, counts, strict=True) if count}
