"""Figures of the day: tasks by state, load by person, events by quarter of an hour. Rules only.

Each change updates the figures, so that nobody has to read the log for them. They grow with the
number of different groups and people among the tasks. Times are Unix seconds.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.statuses import (
    CLAIMED,
    EDITING,
    FINISHED,
    IN_REVIEW,
    SHUTDOWN,
    UNCLAIMED,
    WAITING,
)
from taskdashd.domain.access import Sight
from taskdashd.domain.tasks import Change, Task

BUCKET_S: Final = 900
DAY_S: Final = 86400
_DURATIONS_MAX: Final = 2000
"""Durations kept, of claims and of finished work each; the figure is their median."""
_GROUPS_MAX: Final = 1000
"""Groups in a bucket; events in further groups are not counted."""

_STATES: Final = {
    "pending": UNCLAIMED,
    "review": IN_REVIEW,
    "finished": FINISHED,
    **{name: name for name in (*WAITING - {"pending", "review"}, FINISHED, SHUTDOWN)},
    "failed": "failed",
    "cancelled": "cancelled",
}

_WAITING: Final = (UNCLAIMED, CLAIMED, EDITING, IN_REVIEW)


class Took(NamedTuple):
    """A duration: until a free task was claimed, or until claimed work was finished."""

    at: float
    group: str
    seconds: float


class Tally:
    """The figures: counted from a start on, after the stored day."""

    def __init__(
        self,
        rows: Iterable[tuple[str, str, str, str, int]],
        since: float,
        people: Callable[[], Iterable[str]],
        stored: Mapping[str, Any] | None = None,
    ) -> None:
        self.since = since
        """When counting began; of the time before, only the stored day is known."""
        self._people = people
        """Gives the employee numbers of all accounts: the load lists nobody else."""
        self.states: dict[str, Counter[str]] = {}
        """By group: how many tasks are in each state."""
        self.own: dict[str, Counter[tuple[str, str]]] = {}
        """By person: how many tasks are theirs to do or to check, by group and state."""
        self._load: dict[str, dict[str, Counter[str]]] = {}
        """By person and group: how many tasks that wait are theirs to do, by state."""
        for group, status, user, checker, count in rows:
            self._count(group, state_of(status), user, checker, count)
        self._buckets: dict[int, dict[str, Counter[str]]] = {}
        """By quarter of an hour, numbered since 1970, and group: how often each event happened."""
        self._levels: dict[int, dict[str, Counter[str]]] = {}
        """By the same keys: how many tasks were in each state at the end of the quarter."""
        self.claims: deque[Took] = deque(maxlen=_DURATIONS_MAX)
        self.finished: deque[Took] = deque(maxlen=_DURATIONS_MAX)
        if stored is not None:
            self._remember(stored)

    def _count(self, group: str, state: str, user: str, checker: str, by: int) -> None:
        _add(self.states, group, state, by)
        for person in {user, checker} - {""}:
            _add(self.own, person, (group, state), by)
        if user and state in _WAITING:
            groups = self._load.setdefault(user, {})
            _add(groups, group, state, by)
            if not groups:
                del self._load[user]

    def change(self, change: Change, at: float) -> None:
        """Take in a change of a task."""
        old, new = change.previous, change.task
        was, now = None if old is None else _counted_as(old), _counted_as(new)
        if was != now:
            if was is not None:
                self._count(*was, -1)
            self._count(*now, +1)
        group, now_in, _, _ = now
        was_in = None if was is None else was[1]
        if change.kind == "shutdown":
            self._happened(at, group, "died")
        elif change.kind == "recovered":
            self._happened(at, group, "recovered")
        if was_in == now_in:
            return
        if now_in == CLAIMED and was_in == UNCLAIMED:
            self._happened(at, group, "claimed")
            self._took(self.claims, at, group, _since(new, "free_since"))
        elif now_in == FINISHED:
            self._happened(at, group, "finished")
            self._took(self.finished, at, group, _since(new, "claimed_at"))
        elif now_in == "failed":
            self._happened(at, group, "failed")

    def tick(self, at: float) -> None:
        """Note how many tasks are in each state, and forget figures older than a day."""
        number = int(at // BUCKET_S)
        some = list(self.states.items())[:_GROUPS_MAX]
        self._levels[number] = {group: Counter(states) for group, states in some}
        for took in (self.claims, self.finished):
            while took and took[0].at < at - DAY_S:
                took.popleft()
        oldest = number - DAY_S // BUCKET_S
        for kept in (self._buckets, self._levels):
            for old in [one for one in kept if one < oldest or one > number]:
                del kept[old]

    def report(self, sight: Sight | None, at: float) -> dict[str, Any]:
        """Give the figures of the whole day, as far as a sight allows."""
        return self._report(sight, at, DAY_S // BUCKET_S)

    def brief(self, sight: Sight | None, at: float) -> dict[str, Any]:
        """Give the figures that may just have changed: of the day, only the last two quarters."""
        return self._report(sight, at, 2)

    def has_own(self, groups: frozenset[str] | None, person: str) -> bool:
        """Tell whether a person has tasks outside of some groups, and so figures of their own."""
        if groups is None:
            return False
        return any(group not in groups for group, _ in self.own.get(person, ()))

    def _report(self, sight: Sight | None, at: float, quarters: int) -> dict[str, Any]:
        groups = self.states.keys() if sight is None else sight.groups & self.states.keys()
        states: Counter[str] = Counter()
        for group in groups:
            states.update(self.states[group])
        if sight is not None and sight.person:
            for (group, state), count in self.own.get(sight.person, {}).items():
                if group not in sight.groups:
                    states[state] += count
        last = int(at // BUCKET_S)
        day = [
            {
                "at": number * BUCKET_S,
                "tasks": _joined(self._levels.get(number), groups),
                "events": _joined(
                    self._buckets.get(number), None if sight is None else sight.groups
                )
                or {},
            }
            for number in range(last - quarters + 1, last + 1)
        ]

        def seen(took: Took) -> bool:
            return sight is None or took.group in sight.groups

        return {
            "states": dict(states),
            "load": self._loads(sight),
            "day": day,
            "bucket": BUCKET_S,
            "since": self.since,
            "claim_s": _middle(filter(seen, self.claims)),
            "finish_s": _middle(filter(seen, self.finished)),
        }

    def _loads(self, sight: Sight | None) -> dict[str, dict[str, int]]:
        loads: dict[str, dict[str, int]] = {}
        for person in self._people():
            total: Counter[str] = Counter()
            for group, states in self._load.get(person, {}).items():
                if sight is None or group in sight.groups or person == sight.person:
                    total.update(states)
            if total:
                loads[person] = dict(total)
        return loads

    def to_record(self) -> dict[str, Any]:
        """Give the record to store, so that a restart does not begin the day anew."""
        # Copy the counters: another thread encodes the record while counting goes on.
        return {
            "buckets": _copied(self._buckets),
            "levels": _copied(self._levels),
            "claims": [list(took) for took in self.claims],
            "finished": [list(took) for took in self.finished],
        }

    def _remember(self, record: Mapping[str, Any]) -> None:
        """Take over the record of before a restart."""
        for name, kept in (("buckets", self._buckets), ("levels", self._levels)):
            for number, groups in record[name].items():
                kept[int(number)] = {group: Counter(counts) for group, counts in groups.items()}
        self.claims.extend(Took(*one) for one in record["claims"])
        self.finished.extend(Took(*one) for one in record["finished"])

    def _happened(self, at: float, group: str, what: str) -> None:
        groups = self._buckets.setdefault(int(at // BUCKET_S), {})
        if group in groups or len(groups) < _GROUPS_MAX:
            groups.setdefault(group, Counter())[what] += 1

    def _took(self, kept: deque[Took], at: float, group: str, since: Any) -> None:
        began = _seconds(since)
        if began is not None and began <= at:
            kept.append(Took(at, group, at - began))


def state_of(status: str) -> str:
    """Give the state in which a task of this status is counted; `live` for all that run."""
    return _STATES.get(status, "live")


def _copied(kept: Mapping[int, Mapping[str, Counter[str]]]) -> dict[str, Any]:
    return {
        str(number): {group: dict(counts) for group, counts in groups.items()}
        for number, groups in kept.items()
    }


def _counted_as(task: Task) -> tuple[str, str, str, str]:
    return task.group_id, state_of(task.status), task.user, task.checker


def _since(task: Task, member: str) -> Any:
    """Give the time that a member of a task tells, or when the task was created."""
    # Parsed only here: of all changes few are the end of a claim or of a task.
    return strictjson.reload(task.body).get(member) or task.created_at


def _add(counters: dict[Any, Counter[Any]], key: Any, name: Any, by: int) -> None:
    """Add to one of many counters, and drop names and counters that come down to zero."""
    counter = counters.setdefault(key, Counter())
    counter[name] += by
    if not counter[name]:
        del counter[name]
    if not counter:
        del counters[key]


def _joined(
    known: Mapping[str, Counter[str]] | None, groups: Collection[str] | None
) -> dict[str, int] | None:
    """Add up the counters of some groups, or of all; None where none were kept."""
    if known is None:
        return None
    total: Counter[str] = Counter()
    for group in known if groups is None else known.keys() & groups:
        total.update(known[group])
    return dict(total)


def _middle(took: Iterable[Took]) -> float | None:
    seconds = sorted(one.seconds for one in took)
    return seconds[len(seconds) // 2] if seconds else None


def _seconds(text: Any) -> float | None:
    if type(text) is not str:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
