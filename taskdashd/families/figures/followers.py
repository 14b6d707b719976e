"""Keeps the figures of the day up to date and stored, where the daemon serves a board."""

from collections.abc import Sequence
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdashd.core.clock import Clock
from taskdashd.core.commits import Following
from taskdashd.core.sections import News
from taskdashd.domain.access import Identity, Sight
from taskdashd.domain.tasks import Change
from taskdashd.families.figures.rules import Tally
from taskdashd.store.records import Records
from taskdashd.store.writer import Writer

KIND: Final = "figures"
"""The kind of the record that stores the day so far."""
_KEY: Final = "day"
_TICK_S: Final = 5.0
_STORE_EVERY_S: Final = 300.0
_TOLD_EVERY_S: Final = 5.0


class FiguresSection(Following):
    """Counts each committed change, and sends boards the figures: a `BoardSection`."""

    def __init__(self, clock: Clock, tally: Tally) -> None:
        self._clock = clock
        self._tally = tally
        self._has_changed = False
        self._next = 0.0
        """When boards may be sent figures again: not for every commit, but every few seconds."""

    def committed(self, changes: Sequence[Change]) -> None:
        """Take in a commit's changes, in the order of their revs."""
        self._has_changed = True
        at = self._clock.wall()
        for change in changes:
            self._tally.change(change, at)

    def whole(self, identity: Identity) -> bytes:
        """Give nothing: a board that is opened asks for the figures of the whole day."""
        return b""

    def news(self) -> News | None:
        """Give the figures that may have changed, made once for all who see the same groups."""
        now = self._clock.now()
        if not self._has_changed or now < self._next:
            return None
        self._next = now + _TOLD_EVERY_S
        self._has_changed = False
        known: dict[Any, bytes] = {}
        return lambda identity: self._brief(identity.sight, known)

    def _brief(self, sight: Sight | None, known: dict[Any, bytes]) -> bytes:
        groups = None if sight is None else sight.groups
        person = "" if sight is None else sight.person
        has_more = self._tally.has_own(groups, person)
        key = (groups, person if has_more else "")
        if key not in known:
            brief = self._tally.brief(sight, self._clock.wall())
            known[key] = b',"figures":' + strictjson.dumps(brief)
        return known[key]


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
        """Store the day so far: a restart goes on from there."""
        record = self._tally.to_record()
        # Ignore a failure: the next record, minutes later, holds all of the day again.
        self._writer.write(
            lambda transaction: transaction.keep(KIND, _KEY, record), lambda _outcome: None
        )
        self._writer.flush()


def stored_day(records: Records) -> Any:
    """Give the day as it was last stored; None where none was."""
    return records.committed(KIND, _KEY)
