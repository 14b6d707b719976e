"""Keeps the figures of the day, where there is a board to show them."""

from collections.abc import Sequence
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdashd.domain.tally import Tally
from taskdashd.domain.tasks import Change
from taskdashd.operations.engine import PERSON, Engine

KIND: Final = "figures"
_KEY: Final = "day"
_TICK_S: Final = 5.0
_STORE_EVERY_S: Final = 300.0


class DayFigures:
    """Follows every change; `tick` is called now and then."""

    def __init__(self, engine: Engine, rows: Sequence[tuple[str, str, str, str, int]]) -> None:
        self._engine = engine
        people = engine.view.records
        self.tally = Tally(
            rows, engine.clock.wall(), lambda: (one["id"] for one in people.all(PERSON))
        )
        kept = engine.view.records.committed(KIND, _KEY)
        if kept is not None:
            self.tally.remember(kept)
        engine.tally = self.tally
        engine.followers.append(self._follow)
        self._tick_at = 0.0
        self._store_at = engine.clock.now() + _STORE_EVERY_S

    def tick(self) -> None:
        """Note where the tasks are, and store the day so far."""
        now = self._engine.clock.now()
        if now >= self._tick_at:
            self._tick_at = now + _TICK_S
            self.tally.tick(self._engine.clock.wall())
        if now >= self._store_at:
            self._store_at = now + _STORE_EVERY_S
            self.store()

    def store(self) -> None:
        """Store the day so far: a restart goes on from there."""
        record = self.tally.to_record()
        # What cannot be stored now is stored with the next.
        self._engine.writer.write(
            lambda transaction: transaction.keep(KIND, _KEY, record), lambda _outcome: None
        )
        self._engine.writer.flush()

    def _follow(self, changes: Sequence[Change]) -> None:
        at = self._engine.clock.wall()
        for change in changes:
            old = change.previous
            was: dict[str, Any] | None = None if old is None else strictjson.reload(old.body)
            self.tally.change(change.kind, was, strictjson.reload(change.task.body), at)
