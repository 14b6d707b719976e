"""Tasks by state and load by person, counted as changes come. Rules only.

Each change updates the figures, so that nobody has to read the log for them. What is counted one
by one is bounded by what operators have made, not by what services write: the groups and people
that are *followed*, because an account or a token names them. Of everything else there is one
total, so that a service with a new group for each task adds nothing. Times are Unix seconds.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.statuses import (
    CLAIMED,
    EDITING,
    FINISHED,
    IN_REVIEW,
    SHUTDOWN,
    UNCLAIMED,
)
from taskdashd.domain.access import Sight
from taskdashd.domain.tasks import Change, Task
from taskdashd.families.figures.rules.day import (
    BUCKET_S,
    DAY_S,
    EVENTS,
    LIVE,
    ONES,
    PLACE_OF_ROW,
    PLACES,
    QUARTERS,
    STATES,
    Counts,
    Durations,
    Quarter,
    Took,
    named,
    place_of,
)

_SLICE: Final = 1000
"""Counters looked at in one go when figures are put together: about a millisecond."""
_IS_LOAD: Final = frozenset(PLACES[name] for name in (UNCLAIMED, CLAIMED, EDITING, IN_REVIEW))
"""The places of states in which a task is a load to its person."""
_LOAD_STATES: Final = STATES[: max(_IS_LOAD) + 1]
_UNKNOWN: Final = Quarter()
_UNCLAIMED, _CLAIMED = PLACES[UNCLAIMED], PLACES[CLAIMED]
_FINISHED, _FAILED = PLACES[FINISHED], PLACES["failed"]
_TOLD: Final = frozenset({_CLAIMED, _FINISHED, _FAILED, PLACES[SHUTDOWN]})
"""The places of states whose beginning may be an event."""

Row = tuple[str | None, str, str, str, int]
"""Group, status, user and checker, and how many tasks have them. What is not followed is not told
apart: the group is None, the person empty, as is a status that counts as live; what somebody has
acknowledged has the status `acknowledged`."""


class Tally:
    """The figures: counted from a start on, after the stored day."""

    def __init__(
        self,
        by_status: Mapping[str, int],
        since: float,
        people: Callable[[], Iterable[str]],
        stored: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.since = since
        """When counting began; of the time before, only the stored day is known."""
        self._people_there = people
        """Gives the employee numbers of all accounts: the load lists nobody else."""
        self._all: Counts = sum(
            ONES[PLACE_OF_ROW.get(status, LIVE)] * count for status, count in by_status.items()
        )
        """By state, of all tasks. Likewise for some of them:"""
        self._states: dict[str, Counts] = {}
        """By followed group."""
        self._own: dict[str, Counts] = {}
        """By followed person: what is theirs to do or to check."""
        self._within: dict[str, dict[str, Counts]] = {}
        """By person, and by group those of `_own`: what is in a sight's groups counts only once."""
        self._load: dict[str, Counts] = {}
        """By followed person: what waits and is theirs to do, in whatever group."""
        self._loads: dict[str, dict[str, Counts]] = {}
        """By followed group, and by person those of `_load`."""
        self._day: dict[int, Quarter] = {}
        """By number of the quarter since 1970."""
        self._unsaved: set[int] = set()
        """Quarters that have changed, or were forgotten, since they were stored."""
        self.claims, self.finished = Durations(), Durations()
        for record in stored:
            self._remember(record)

    # Who is followed

    @property
    def groups(self) -> Set[str]:
        """The followed groups."""
        return self._states.keys()

    @property
    def people(self) -> Set[str]:
        """The followed people."""
        return self._own.keys()

    def follow(self, groups: Set[str], people: Set[str]) -> None:
        """Follow more groups and people, from zero: `add` brings what there was at this moment.

        Their counts are right only then, whatever changes in between: sums come in any order.
        """
        self._states |= dict.fromkeys(groups, 0)
        self._loads |= {group: {} for group in groups}
        self._own |= dict.fromkeys(people, 0)
        self._load |= dict.fromkeys(people, 0)
        self._within |= {person: {} for person in people}

    def unfollow(self, groups: Set[str], people: Set[str]) -> None:
        """Follow some groups and people no longer: what there was could not be counted."""
        for group in groups:
            del self._states[group], self._loads[group]
        for person in people:
            del self._own[person], self._load[person], self._within[person]
        for within in self._within.values():
            for group in within.keys() & groups:
                del within[group]
        for loads in self._loads.values():
            for person in loads.keys() & people:
                del loads[person]

    def add(self, rows: Iterable[Row], groups: Set[str], people: Set[str]) -> None:
        """Add tasks that there were when these groups and people began to be followed."""
        for group, status, user, checker, count in rows:
            place = PLACE_OF_ROW.get(status, LIVE)
            counts = ONES[place] * count
            if group is not None and group in groups:
                self._states[group] += counts
            for person in {user, checker} & people:
                self._own[person] += counts
                if person == user and place in _IS_LOAD:
                    self._load[person] += counts
            if group is not None and group in self._states:
                # Of a person and a group that were both followed before, the pair is counted.
                for person in {user, checker} & (self.people if group in groups else people):
                    _add(self._within[person], group, counts)
                    if person == user and place in _IS_LOAD:
                        _add(self._loads[group], person, counts)

    # Changes

    def take(self, changes: Iterable[Change], at: float) -> None:
        """Take in the changes of a commit."""
        everything, states, people = self._all, self._states, self._own
        for change in changes:
            old, new = change.previous, change.task
            was, now = None, place_of(new)
            if old is not None:
                was = place_of(old)
                if change.kind == "recovered":
                    self._happened(at, "recovered", new.group_id)
                if (was, old.group_id, old.user, old.checker) == (
                    (now, new.group_id, new.user, new.checker)
                ):
                    continue
                everything -= ONES[was]
                if (before := states.get(old.group_id)) is not None:
                    states[old.group_id] = before - ONES[was]
                if old.user in people or old.checker in people:
                    self._hold(old, was, -ONES[was])
            everything += ONES[now]
            if (before := states.get(new.group_id)) is not None:
                states[new.group_id] = before + ONES[now]
            if new.user in people or new.checker in people:
                self._hold(new, now, ONES[now])
            if now in _TOLD and now != was:
                self._begun(change, was, now, at)
        self._all = everything

    def forget(self, task: Task) -> None:
        """Count a task that was removed no more; what happened to it that day stays."""
        place = place_of(task)
        self._all -= ONES[place]
        if task.group_id in self._states:
            self._states[task.group_id] -= ONES[place]
        self._hold(task, place, -ONES[place])

    def _hold(self, task: Task, place: int, by: Counts) -> None:
        """Count a task for those of its user and checker who are followed."""
        group, user, checker = task.group_id, task.user, task.checker
        loads = self._loads.get(group)
        if user in self._own:
            self._own[user] += by
            if loads is not None:
                _add(self._within[user], group, by)
            if place in _IS_LOAD:
                self._load[user] += by
                if loads is not None:
                    _add(loads, user, by)
        if checker != user and checker in self._own:
            self._own[checker] += by
            if loads is not None:
                _add(self._within[checker], group, by)

    def _begun(self, change: Change, was: int | None, now: int, at: float) -> None:
        """Count a change into a state of `_TOLD`."""
        task = change.task
        if now == _CLAIMED:
            if was == _UNCLAIMED:
                self._happened(at, "claimed", task.group_id)
                self._took(self.claims, at, task, "free_since")
        elif now == _FINISHED:
            self._happened(at, "finished", task.group_id)
            self._took(self.finished, at, task, "claimed_at")
        elif now == _FAILED:
            self._happened(at, "failed", task.group_id)
        elif change.kind == "shutdown":
            self._happened(at, "died", task.group_id)

    def _happened(self, at: float, event: str, group: str) -> None:
        number = int(at // BUCKET_S)
        self._unsaved.add(number)
        followed = group in self._states
        self._quarter(number).happened(EVENTS.index(event), group, followed=followed)

    def _quarter(self, number: int) -> Quarter:
        if number not in self._day:
            self._day[number] = Quarter()
        return self._day[number]

    def _took(self, kept: Durations, at: float, task: Task, member: str) -> None:
        since = None
        # Parse no body that does not have the member: most work is finished without a claim.
        if b'"%b"' % member.encode() in task.body:
            since = strictjson.reload(task.body).get(member)
        began = _seconds(since or task.created_at)
        if began is not None and began <= at:
            kept.add(Took(at, task.group_id, at - began))

    def tick(self, at: float) -> None:
        """Note how many tasks are in each state, and forget figures older than a day."""
        number = int(at // BUCKET_S)
        if self._quarter(number).look(self._all, self._states):
            self._unsaved.add(number)
        for kept in (self.claims, self.finished):
            kept.forget(at - DAY_S)
        for old in [one for one in self._day if one < number - QUARTERS or one > number]:
            del self._day[old]
            self._unsaved.add(old)

    # What is told

    def has_own(self, sight: Sight) -> bool:
        """Tell whether a person has tasks outside of a sight's groups, and so their own figures."""
        return self._outside(sight) != 0

    def _outside(self, sight: Sight) -> Counts:
        """Count the own tasks of a sight's person that are outside of its groups."""
        within = self._within.get(sight.person)
        if within is None:
            return 0
        if sight.within is not None:
            return sum(within.get(group, 0) for group in sight.within - sight.groups)
        return self._own[sight.person] - sum(within.get(group, 0) for group in sight.groups)

    def walk(
        self, sight: Sight | None, at: float, quarters: int = QUARTERS
    ) -> Generator[None, None, dict[str, Any]]:
        """Put together the figures that a sight allows, with the last quarters of the day.

        Where that takes long, the generator yields now and then. Figures that were put together
        while changes came may not be of one moment; the next ones will be.
        """
        groups = None if sight is None else [one for one in sight.groups if one in self._states]
        states = self._all
        if sight is not None and groups is not None:
            states = sum(self._states[one] for one in groups) + self._outside(sight)
        told = {"states": named(STATES, states)}
        last, looked = int(at // BUCKET_S), 0
        day = []
        for number in range(last - quarters + 1, last + 1):
            quarter = self._day.get(number, _UNKNOWN)
            day.append({"at": number * BUCKET_S, **quarter.told(groups)})
            looked += 1 + len(groups or ())
            if looked > _SLICE:
                yield
                looked = 0
        loads = yield from self._told_loads(sight, groups or ())
        seen = None if sight is None else sight.groups
        return {
            **told,
            "load": loads,
            "day": day,
            "bucket": BUCKET_S,
            "since": self.since,
            "claim_s": self.claims.middle(seen),
            "finish_s": self.finished.middle(seen),
        }

    def _told_loads(
        self, sight: Sight | None, groups: Sequence[str]
    ) -> Generator[None, None, dict[str, dict[str, int]]]:
        """Give by person how many tasks they have: of others', only those in the sight's groups."""
        seen: dict[str, Counts] = {}
        looked = 0
        for group in groups:
            # Copy the pairs: changes may come while the generator waits.
            for person, counts in list(self._loads.get(group, {}).items()):
                seen[person] = seen.get(person, 0) + counts
                looked += 1
            if looked > _SLICE:
                yield
                looked = 0
        loads = {}
        for looked, person in enumerate(list(self._people_there()), 1):
            whole = sight is None or (person == sight.person and sight.within is None)
            of = self._load if whole else seen
            if counts := of.get(person, 0):
                loads[person] = named(_LOAD_STATES, counts)
            if looked % _SLICE == 0:
                yield
        return loads

    # What is stored

    def unsaved(self) -> dict[int, dict[str, Any] | None]:
        """Give the records of the quarters that were not stored as they are now.

        None for one that is to be removed. Whoever fails to store them calls `not_saved`.
        """
        numbers, self._unsaved = self._unsaved, set()
        return {
            number: self._day[number].to_record(number) if number in self._day else None
            for number in numbers
        }

    def not_saved(self, numbers: Iterable[int]) -> None:
        """Note that some quarters must be stored again."""
        self._unsaved |= set(numbers)

    def durations(self) -> dict[str, Any]:
        """Give the record of the durations."""
        return {
            "claims": [tuple(took) for took in self.claims],
            "finished": [tuple(took) for took in self.finished],
        }

    def _remember(self, record: Mapping[str, Any]) -> None:
        """Take over a record of before a restart."""
        if "at" in record:
            self._day[record["at"] // BUCKET_S] = Quarter.from_record(record)
            return
        for name, kept in (("claims", self.claims), ("finished", self.finished)):
            for one in record[name]:
                kept.add(Took(*one))


def _add(kept: dict[str, Counts], key: str, by: Counts) -> None:
    """Add to one of many counts, and keep none that are zero."""
    if after := kept.get(key, 0) + by:
        kept[key] = after
    else:
        kept.pop(key, None)


def _seconds(text: Any) -> float | None:
    if type(text) is not str:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
