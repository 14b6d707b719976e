"""Keeps the figures of the day up to date and stored, where the daemon serves a board."""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.sections import News
from taskdashd.domain.access import Identity, Sight
from taskdashd.domain.tasks import Change, Task
from taskdashd.families.figures.counting import Audience
from taskdashd.families.figures.rules.tally import Tally
from taskdashd.store.records import Records, Value
from taskdashd.store.transaction import Transaction
from taskdashd.store.writer import Writer

KIND: Final = "figures"
"""The kind of the records that store the day so far: a quarter of an hour each, and `_DURATIONS`.

A quarter that is over is stored once: the whole day anew each time would be megabytes.
"""
_DURATIONS: Final = "day"
_TICK_S: Final = 5.0
_STORE_EVERY_S: Final = 300.0
_TOLD_EVERY_S: Final = 5.0
_QUARTERS_TOLD: Final = 2
"""Of the day, only the quarters that may just have changed are told to boards that are open."""
_AT_ONCE_S: Final = 0.002
"""Figures are put together for boards for so long at a time; the rest is put off."""

_Walk = Generator[None, None, dict[str, Any]]
_Key = Sight | None
"""Whose figures: of all who see the same groups and have nothing outside of them, the same."""


class FiguresSection(Following):
    """Counts each committed change, and sends boards the figures: a `BoardSection`.

    Boards are told in rounds, every few seconds and not for every commit. In a round each sight is
    told once. Many boards with different sights would hold the event loop up: so a round may take
    several turns of the boards.
    """

    def __init__(self, clock: Clock, tally: Tally, audience: Audience) -> None:
        self._clock = clock
        self._tally = tally
        self._audience = audience
        self._has_changed = False
        self._next = 0.0
        """When the next round may begin."""
        self._goes_on = False
        """Whether some sights of the round were put off."""
        self._until = 0.0
        self._told: set[Sight | None] = set()
        """The sights that were told in this round."""
        self._made: dict[_Key, bytes] = {}
        """The figures of this round, made once for all who see the same groups."""
        self._walks: dict[_Key, _Walk] = {}
        """Figures that are put together, and have taken too long for one turn."""

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        self._has_changed = True
        self._tally.take(changes, self._clock.wall())

    def forgotten(self, tasks: Sequence[Task]) -> None:
        """Count tasks that were removed no more."""
        self._has_changed = True
        for task in tasks:
            self._tally.forget(task)

    def whole(self, identity: Identity) -> bytes:
        """Give nothing: a board that is opened asks for the figures of the whole day."""
        return b""

    def news(self) -> News | None:
        """Give the figures that may have changed; what would take too long is put off."""
        now = self._clock.now()
        if not self._goes_on:
            if not self._has_changed or now < self._next:
                return None
            self._next = now + _TOLD_EVERY_S
            self._has_changed = False
            for forgotten in (self._told, self._made, self._walks):
                forgotten.clear()
        self._goes_on = False
        self._until = now + _AT_ONCE_S
        return self._tell

    def _tell(self, identity: Identity) -> bytes | None:
        sight = identity.sight
        if sight in self._told:
            return b""
        if self._goes_on:
            # This turn's time is over.
            return None
        if not self._audience.is_ready(sight):
            # Leave this sight to the next round: by then its tasks are counted.
            self._has_changed = True
            return b""
        has_own = sight is not None and self._tally.has_own(sight)
        key = sight if sight is None or has_own else sight._replace(person="")
        if key not in self._made and not self._make(key, sight):
            self._goes_on = True
            return None
        self._told.add(sight)
        return self._made[key]

    def _make(self, key: _Key, sight: Sight | None) -> bool:
        """Put figures together while there is time for it in this turn; tell whether that was."""
        if key not in self._walks:
            self._walks[key] = self._tally.walk(sight, self._clock.wall(), _QUARTERS_TOLD)
        while self._clock.now() <= self._until:
            try:
                next(self._walks[key])
            except StopIteration as done:
                self._made[key] = b',"figures":' + strictjson.dumps(done.value)
                return True
        return False


class DayFigures:
    """Stores the day so far, for a restart to go on from; `tick` is called a few times a second."""

    def __init__(self, clock: Clock, tally: Tally, writer: Writer) -> None:
        self._clock = clock
        self._tally = tally
        self._writer = writer
        self._tick_at = 0.0
        self._store_at = clock.now() + _STORE_EVERY_S

    def tick(self) -> None:
        """Note how many tasks are in each state, and store the day so far, whichever is due."""
        now = self._clock.now()
        if now >= self._tick_at:
            self._tick_at = now + _TICK_S
            self._tally.tick(self._clock.wall())
        if now >= self._store_at:
            self._store_at = now + _STORE_EVERY_S
            self.store()

    def store(self) -> None:
        """Store what has changed of the day so far: a restart goes on from there."""
        quarters = self._tally.unsaved()
        durations = self._tally.durations()

        def keep(transaction: Transaction) -> None:
            for number, record in quarters.items():
                transaction.keep(KIND, f"{number}", record)
            transaction.keep(KIND, _DURATIONS, durations)

        def kept(outcome: Outcome[None]) -> None:
            if isinstance(outcome, ServerError):
                self._tally.not_saved(quarters)

        self._writer.write(keep, kept)
        self._writer.flush()


def stored_day(records: Records) -> Iterable[Value]:
    """Give the records of the day as it was last stored."""
    return records.all(KIND)
