"""Counts for the tally what there was before it began to follow a group or a person.

The tally follows more groups and people when an account is made or changed, and when somebody with
a token for other groups asks. From that moment it takes in every change, from zero; the tasks as
of that moment are counted by the database meanwhile, and added. So nobody waits, and no change is
missed or counted twice.
"""

from collections.abc import Iterable, Sequence, Set
from functools import partial
from typing import Any, Final, NamedTuple

import structlog

from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.identities import PERSON
from taskdashd.core.steps import Done, Steps, drive, wait_for
from taskdashd.domain.access import EVERYBODYS, Sight
from taskdashd.families.figures.rules.day import PLACE_OF_STATUS
from taskdashd.families.figures.rules.tally import Tally
from taskdashd.store.dialect.engine import Engine
from taskdashd.store.executor import Executor
from taskdashd.store.records import Record, Value
from taskdashd.store.slow import SlowReads, for_itself
from taskdashd.store.snapshot import Snapshot
from taskdashd.store.writer import Writer

_ROWS_AT_ONCE: Final = 1000
_AGAIN_S: Final = 5.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Newcomers(NamedTuple):
    """Groups and people whom the tally has just begun to follow."""

    groups: frozenset[str]
    people: frozenset[str]


class Audience(Following):
    """Whom the figures are for: the accounts with their groups, and whoever else has asked."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._wanted_groups: set[str] = set()
        self._wanted_people: set[str] = set()
        self._counted_groups: set[str] = set()
        self._counted_people: set[str] = set()

    def kept(self, records: Sequence[Record]) -> None:
        """Take in people whose account was made, and groups that somebody was given."""
        self.admit(
            record.value for record in records if record.kind == PERSON and record.value is not None
        )

    def admit(self, people: Iterable[Value]) -> None:
        """Take in accounts."""
        for one in people:
            self._want({*one["groups"], EVERYBODYS}, one["id"])

    def is_ready(self, sight: Sight | None) -> bool:
        """Tell whether all is counted that a sight may be told; if not, it is wanted."""
        if sight is not None:
            groups = sight.groups | (sight.within or frozenset())
            self._want(groups, sight.person)
            if not groups <= self._counted_groups:
                return False
        # Everybody is told of the load of all people.
        return not self._wanted_people and self._tally.people <= self._counted_people

    def _want(self, groups: Set[str], person: str) -> None:
        self._wanted_groups |= groups - self._tally.groups
        self._wanted_people |= {person} - self._tally.people - {""}

    def is_larger(self) -> bool:
        """Tell whether somebody is wanted who is not followed yet."""
        return bool(self._wanted_groups or self._wanted_people)

    def follow(self) -> Newcomers:
        """Have the tally follow all who are wanted, from now on."""
        some = Newcomers(frozenset(self._wanted_groups), frozenset(self._wanted_people))
        self._wanted_groups, self._wanted_people = set(), set()
        self._tally.follow(*some)
        return some

    def counted(self, some: Newcomers) -> None:
        """Note that what there was is counted."""
        self._counted_groups |= some.groups
        self._counted_people |= some.people

    def not_counted(self, some: Newcomers) -> None:
        """Have the tally follow some no longer: they are wanted again."""
        self._tally.unfollow(*some)
        self._wanted_groups |= some.groups
        self._wanted_people |= some.people


class Counting:
    """Counts the tasks of newcomers; `tick` is called a few times a second."""

    def __init__(
        self,
        clock: Clock,
        tally: Tally,
        audience: Audience,
        engine: Engine,
        writing: Executor,
        slow_reads: SlowReads,
        writer: Writer,
    ) -> None:
        self._clock = clock
        self._tally = tally
        self._audience = audience
        self._engine = engine
        self._writing = writing
        self._slow_reads = slow_reads
        self._writer = writer
        self._is_counting = False
        self._again_at = 0.0
        self._waiting: list[tuple[Sight | None, Done[None]]] = []

    def when_ready(self, sight: Sight | None, then: Done[None]) -> None:
        """Call `then` once all is counted that a sight may be told, or with the fault."""
        if self._audience.is_ready(sight):
            then(None)
        else:
            self._waiting.append((sight, then))
            self.tick()

    def turn(self, then: Done[Any]) -> None:
        """Call `then` in a later turn of the event loop: others are served in between."""
        self._writing.submit(lambda: None, then)

    def tick(self) -> None:
        """Begin to count newcomers, if there are any; what the disk refused is tried again."""
        if self._is_counting or not self._audience.is_larger():
            return
        if self._clock.now() >= self._again_at:
            self._is_counting = True
            drive(self._count(), self._counted)

    def _count(self) -> Steps[None]:
        """Count the tasks of all who are wanted. Raises `ServerError`."""
        while self._writer.fold_lag or self._writer.is_forgetting:
            # A removal on its way takes tasks out of the table first, and out of the tally later.
            yield from wait_for(self.turn)
            yield from wait_for(self._writer.catch_up)
        some = self._audience.follow()
        try:
            # Open the snapshot in this step of the event loop, by the thread that folds: the tally
            # has taken in exactly what the table holds then, and no fold can come in between.
            opening = partial(self._writing.submit, partial(Snapshot.open, self._engine))
            snapshot: Snapshot = yield from wait_for(opening)
            yield from self._add(snapshot, some)
        except ServerError:
            self._audience.not_counted(some)
            raise
        self._audience.counted(some)

    def _add(self, snapshot: Snapshot, some: Newcomers) -> Steps[None]:
        told_apart = list(self._tally.groups), list(self._tally.people), list(PLACE_OF_STATUS)
        count = partial(snapshot.count, *some, told_apart)
        try:
            rows = yield from wait_for(
                partial(self._slow_reads.run, lambda _: count(), for_itself("figures"))
            )
        finally:
            snapshot.close()
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            self._tally.add(rows[first : first + _ROWS_AT_ONCE], *some)
            yield from wait_for(self.turn)

    def _counted(self, outcome: Outcome[None]) -> None:
        self._is_counting = False
        waiting, self._waiting = self._waiting, []
        if isinstance(outcome, ServerError):
            log.warning("the figures could not be counted; trying again", error=str(outcome))
            self._again_at = self._clock.now() + _AGAIN_S
        for sight, then in waiting:
            if isinstance(outcome, ServerError):
                then(outcome)
            else:
                self.when_ready(sight, then)
        self.tick()
