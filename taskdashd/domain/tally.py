"""The figures of the day: how many tasks are where, who has how much, what happened when.

Kept up with each change, so that nobody has to read the log for them. Times are Unix seconds.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from taskdash_protocol.statuses import (
    CLAIMED,
    EDITING,
    FINISHED,
    IN_REVIEW,
    SHUTDOWN,
    UNCLAIMED,
    status_class,
)
from taskdashd.domain.access import Sight

BUCKET_S: Final = 900
DAY_S: Final = 86400
_DURATIONS_MAX: Final = 2000
"""Of claims and of finished work, each, of which the middle is taken."""
_GROUPS_MAX: Final = 1000
"""In a bucket; what happens in others then is not counted by group."""

_STATES: Final = {
    "pending": UNCLAIMED,
    "review": IN_REVIEW,
    "finished": FINISHED,
    **{name: name for name in (UNCLAIMED, CLAIMED, EDITING, IN_REVIEW, FINISHED, SHUTDOWN)},
    "failed": "failed",
    "cancelled": "cancelled",
}


class Took(NamedTuple):
    """How long something took, and when it was done."""

    at: float
    group: str
    seconds: float


class Tally:
    """See the module."""

    def __init__(self, rows: Iterable[tuple[str, str, str, str, int]], since: float) -> None:
        self.since = since
        """When it began to look; nothing is known of before, but for what was stored."""
        self.counts: Counter[tuple[str, str, str, str]] = Counter()
        """By group, state, user and checker: by all that who sees a task hangs on."""
        for group, status, user, checker, count in rows:
            self.counts[group, state_of(status), user, checker] += count
        self._buckets: dict[int, dict[str, Counter[str]]] = {}
        """By the number of the quarter of an hour and the group: what happened how often."""
        self._levels: dict[int, dict[str, Counter[str]]] = {}
        """Likewise: how many tasks were in each state when it ended."""
        self.claims: deque[Took] = deque(maxlen=_DURATIONS_MAX)
        self.finished: deque[Took] = deque(maxlen=_DURATIONS_MAX)

    def change(
        self, kind: str, old: Mapping[str, Any] | None, new: Mapping[str, Any], at: float
    ) -> None:
        """Take in a change of a task."""
        group = new["group_id"]
        now_in = state_of(new["status"])
        was_in = None
        if old is not None:
            was_in = state_of(old["status"])
            place = (old["group_id"], was_in, old["user"], old["checker"])
            self.counts[place] -= 1
            if self.counts[place] <= 0:
                del self.counts[place]
        self.counts[group, now_in, new["user"], new["checker"]] += 1
        if kind == "shutdown":
            self._happened(at, group, "died")
        elif kind == "recovered":
            self._happened(at, group, "recovered")
        if was_in == now_in:
            return
        if now_in == CLAIMED and was_in == UNCLAIMED:
            self._happened(at, group, "claimed")
            free_since = new.get("free_since") or new["created_at"]
            self._took(self.claims, at, group, free_since)
        elif now_in == FINISHED:
            self._happened(at, group, "finished")
            self._took(self.finished, at, group, new.get("claimed_at") or new["created_at"])
        elif now_in == "failed":
            self._happened(at, group, "failed")

    def tick(self, at: float) -> None:
        """Note how many tasks are in each state, and forget what is older than a day."""
        number = int(at // BUCKET_S)
        levels: dict[str, Counter[str]] = {}
        for (group, state, *_), count in self.counts.items():
            levels.setdefault(group, Counter())[state] += count
        self._levels[number] = dict(list(levels.items())[:_GROUPS_MAX])
        oldest = number - DAY_S // BUCKET_S
        for kept in (self._buckets, self._levels):
            for old in [one for one in kept if one < oldest or one > number]:
                del kept[old]

    def report(self, sight: Sight | None, at: float) -> dict[str, Any]:
        """Say what somebody may know of it."""

        def seen(group: str, *people: str) -> bool:
            if sight is None or group in sight.groups:
                return True
            return sight.person != "" and sight.person in people

        states: Counter[str] = Counter()
        load: dict[str, Counter[str]] = {}
        for (group, state, user, checker), count in self.counts.items():
            if seen(group, user, checker):
                states[state] += count
                if user and status_class(state) == "waiting":
                    load.setdefault(user, Counter())[state] += count
        first = int(at // BUCKET_S) - DAY_S // BUCKET_S + 1
        day = [
            {
                "at": number * BUCKET_S,
                "tasks": _joined(self._levels.get(number), seen),
                "events": _joined(self._buckets.get(number), seen) or {},
            }
            for number in range(first, int(at // BUCKET_S) + 1)
        ]
        return {
            "states": dict(states),
            "load": {user: dict(counts) for user, counts in load.items()},
            "day": day,
            "bucket": BUCKET_S,
            "since": self.since,
            "claim_s": _middle(took for took in self.claims if seen(took.group)),
            "finish_s": _middle(took for took in self.finished if seen(took.group)),
        }

    def brief(self, sight: Sight | None, at: float) -> dict[str, Any]:
        """Say what may have changed of it since a moment ago: the day only as far as it is new."""
        report = self.report(sight, at)
        return {**report, "day": report["day"][-2:]}

    def to_record(self) -> dict[str, Any]:
        """Give what is stored of it, so that a restart does not begin the day anew."""
        return {
            "buckets": {str(number): groups for number, groups in self._buckets.items()},
            "levels": {str(number): groups for number, groups in self._levels.items()},
            "claims": [list(took) for took in self.claims],
            "finished": [list(took) for took in self.finished],
        }

    def remember(self, record: Mapping[str, Any]) -> None:
        """Take over what was stored before a restart."""
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


def _joined(groups: Mapping[str, Counter[str]] | None, seen: Any) -> dict[str, int] | None:
    """Add up what somebody sees; None where nothing is known."""
    if groups is None:
        return None
    total: Counter[str] = Counter()
    for group, counts in groups.items():
        if seen(group):
            total.update(counts)
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
