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
    PLACE_OF_STATUS,
    PLACES,
    QUARTERS,
    STATES,
    Counts,
    Durations,
    Quarter,
    Took,
    added,
    named,
)

_SLICE: Final = 2000
"""Counters looked at in one go when figures are put together: about a millisecond."""
_LOAD: Final = (UNCLAIMED, CLAIMED, EDITING, IN_REVIEW)
"""The states of a task that is a load to its person: side by side in `STATES`."""
_FIRST_LOAD, _LAST_LOAD = PLACES[_LOAD[0]], PLACES[_LOAD[-1]]
_UNCLAIMED, _CLAIMED = PLACES[UNCLAIMED], PLACES[CLAIMED]
_FINISHED, _FAILED = PLACES[FINISHED], PLACES["failed"]
_TOLD: Final = frozenset({_CLAIMED, _FINISHED, _FAILED, PLACES[SHUTDOWN]})
"""The places of states whose beginning may be an event."""

Row = tuple[str | None, str, str, str, int]
"""Group, status, user and checker, and how many tasks have them. What is not followed is not told
apart: the group is None, the person empty, as is a status that counts as live."""


class _Group:
    """A followed group."""

    __slots__ = ("load", "states")

    def __init__(self) -> None:
        self.states = [0] * len(STATES)
        self.load: dict[str, Counts] = {}
        """By followed person: how many of the group's tasks they have to do, by `_LOAD`."""


class _Person:
    """A followed person."""

    __slots__ = ("load", "own", "within")

    def __init__(self) -> None:
        self.own = [0] * len(STATES)
        """How many tasks are theirs to do or to check, by state."""
        self.within: dict[str, Counts] = {}
        """The same by followed group: those in groups that they see must not be counted twice."""
        self.load = [0] * len(_LOAD)
        """How many tasks are theirs to do, in whatever group."""


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
        self._all = [0] * len(STATES)
        for status, count in by_status.items():
            self._all[PLACE_OF_STATUS.get(status, LIVE)] += count
        self._groups: dict[str, _Group] = {}
        self._people: dict[str, _Person] = {}
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
        return self._groups.keys()

    @property
    def people(self) -> Set[str]:
        """The followed people."""
        return self._people.keys()

    def follow(self, groups: Iterable[str], people: Iterable[str]) -> None:
        """Follow more groups and people, from zero: `add` brings what there was at this moment.

        Their counts are right only then, whatever changes in between: sums come in any order.
        """
        self._groups |= {group: _Group() for group in groups}
        self._people |= {person: _Person() for person in people}

    def unfollow(self, groups: Set[str], people: Set[str]) -> None:
        """Follow some groups and people no longer: what there was could not be counted."""
        for group in groups:
            del self._groups[group]
        for person in people:
            del self._people[person]
        for one in self._people.values():
            for group in one.within.keys() & groups:
                del one.within[group]
        for followed in self._groups.values():
            for person in followed.load.keys() & people:
                del followed.load[person]

    def add(self, rows: Iterable[Row], groups: Set[str], people: Set[str]) -> None:
        """Add tasks that there were when these groups and people began to be followed."""
        for group, status, user, checker, count in rows:
            place = PLACE_OF_STATUS.get(status, LIVE)
            if group is not None and group in groups:
                self._groups[group].states[place] += count
            for person in {user, checker} & people:
                self._people[person].own[place] += count
                if person == user and _FIRST_LOAD <= place <= _LAST_LOAD:
                    self._people[person].load[place - _FIRST_LOAD] += count
            if group is not None and group in self._groups:
                # Of a person and a group that were both followed before, the pair is counted.
                new = {user, checker} & (self._people.keys() if group in groups else people)
                self._pair(group, user, new, place, count)

    def _pair(self, group: str, user: str, people: Iterable[str], place: int, by: int) -> None:
        for person in people:
            _add(self._people[person].within, group, place, by, len(STATES))
            if person == user and _FIRST_LOAD <= place <= _LAST_LOAD:
                _add(self._groups[group].load, person, place - _FIRST_LOAD, by, len(_LOAD))

    # Changes

    def take(self, changes: Iterable[Change], at: float) -> None:
        """Take in the changes of a commit."""
        place_of, everything = PLACE_OF_STATUS.get, self._all
        groups, people = self._groups, self._people
        for change in changes:
            old, new = change.previous, change.task
            was, now = None, place_of(new.status, LIVE)
            if old is not None:
                was = place_of(old.status, LIVE)
                if change.kind == "recovered":
                    self._happened(at, "recovered", new.group_id)
                if (was, old.group_id, old.user, old.checker) == (
                    (now, new.group_id, new.user, new.checker)
                ):
                    continue
                everything[was] -= 1
                if (group := groups.get(old.group_id)) is not None:
                    group.states[was] -= 1
                if old.user in people or old.checker in people:
                    self._hold(old, was, -1)
            everything[now] += 1
            if (group := groups.get(new.group_id)) is not None:
                group.states[now] += 1
            if new.user in people or new.checker in people:
                self._hold(new, now, +1)
            if now in _TOLD and now != was:
                self._begun(change, was, now, at)

    def forget(self, task: Task) -> None:
        """Count a task that was removed no more; what happened to it that day stays."""
        place = PLACE_OF_STATUS.get(task.status, LIVE)
        self._all[place] -= 1
        if (group := self._groups.get(task.group_id)) is not None:
            group.states[place] -= 1
        if task.user in self._people or task.checker in self._people:
            self._hold(task, place, -1)

    def _hold(self, task: Task, place: int, by: int) -> None:
        user, checker, people = task.user, task.checker, self._people
        followed = {user, checker} & people.keys()
        for person in followed:
            people[person].own[place] += by
        if user in people and _FIRST_LOAD <= place <= _LAST_LOAD:
            people[user].load[place - _FIRST_LOAD] += by
        if task.group_id in self._groups:
            self._pair(task.group_id, user, followed, place, by)

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
        quarter = self._quarter(int(at // BUCKET_S))
        quarter.happened(EVENTS.index(event), group, followed=group in self._groups)

    def _quarter(self, number: int) -> Quarter:
        self._unsaved.add(number)
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
        groups = ((name, group.states) for name, group in self._groups.items())
        self._quarter(number).look(self._all, groups)
        for kept in (self.claims, self.finished):
            kept.forget(at - DAY_S)
        for old in [one for one in self._day if one < number - QUARTERS or one > number]:
            del self._day[old]
            self._unsaved.add(old)

    # What is told

    def has_own(self, sight: Sight) -> bool:
        """Tell whether a person has tasks outside of a sight's groups, and so their own figures."""
        person = self._people.get(sight.person)
        return person is not None and any(self._outside(person, sight))

    def _outside(self, person: _Person, sight: Sight) -> Counts:
        inside = [counts for group in sight.groups if (counts := person.within.get(group))]
        return [own - sum(counts) for own, *counts in zip(person.own, *inside, strict=True)]

    def walk(
        self, sight: Sight | None, at: float, quarters: int = QUARTERS
    ) -> Generator[None, None, dict[str, Any]]:
        """Put together the figures that a sight allows, with the last quarters of the day.

        Where that takes long, the generator yields now and then. Figures that were put together
        while changes came may not be of one moment; the next ones will be.
        """
        groups = None if sight is None else [one for one in sight.groups if one in self._groups]
        followed = [] if groups is None else [self._groups[one] for one in groups]
        rows: list[Sequence[int]] = [one.states for one in followed]
        person = self._people.get(sight.person) if sight is not None else None
        if sight is not None and person is not None:
            rows.append(self._outside(person, sight))
        states = self._all if sight is None else added(rows, len(STATES))
        told = {"states": named(STATES, states)}
        last, looked = int(at // BUCKET_S), 0
        day = []
        for number in range(last - quarters + 1, last + 1):
            day.append({"at": number * BUCKET_S, **self._told_of(number, groups)})
            looked += 1 + len(followed)
            if looked > _SLICE:
                yield
                looked = 0
        loads = yield from self._loads(sight, followed)
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

    def _told_of(self, number: int, groups: Sequence[str] | None) -> dict[str, Any]:
        quarter = self._day.get(number)
        if quarter is None:
            return {"tasks": None, "events": {}}
        tasks, events = quarter.tasks, quarter.events
        if groups is not None:
            pairs = [pair for one in groups if (pair := quarter.groups.get(one))]
            if tasks is not None:
                tasks = added([pair[0] for pair in pairs if pair[0]], len(STATES))
            events = added([pair[1] for pair in pairs if pair[1]], len(EVENTS))
        return {
            "tasks": None if tasks is None else named(STATES, tasks),
            "events": named(EVENTS, events),
        }

    def _loads(
        self, sight: Sight | None, followed: Iterable[_Group]
    ) -> Generator[None, None, dict[str, dict[str, int]]]:
        """Give by person how many tasks they have: of others', only those in the sight's groups."""
        seen: dict[str, Counts] = {}
        looked = 0
        for group in followed:
            # Copy the pairs: changes may come while the generator waits.
            for person, counts in list(group.load.items()):
                before = seen.get(person)
                seen[person] = counts if before is None else added((before, counts), len(_LOAD))
            looked += len(group.load)
            if looked > _SLICE:
                yield
                looked = 0
        loads = {}
        for looked, number in enumerate(list(self._people_there()), 1):
            if sight is None or number == sight.person:
                person_ = self._people.get(number)
                counts_ = None if person_ is None else person_.load
            else:
                counts_ = seen.get(number)
            if counts_ is not None and any(counts_):
                loads[number] = named(_LOAD, counts_)
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


def _add(kept: dict[str, Counts], key: str, place: int, by: int, width: int) -> None:
    """Add to one of many counts, and drop counts that are all zero."""
    counts = kept.get(key)
    if counts is None:
        counts = kept[key] = [0] * width
    counts[place] += by
    if not counts[place] and not any(counts):
        del kept[key]


def _seconds(text: Any) -> float | None:
    if type(text) is not str:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
