"""The agenda: all that comes due because a task, a record or a rule says so, and who sees to it.

A family hands in what it expects (`Line.expect`) and is given each entry when it is due, inside a
writing operation, with the entry's task in memory. All else is done here: by which clock an entry
runs, how much is done in one step of the event loop, and what becomes of a failure.

- A *duration* is so many seconds after a change. It runs by elapsed time, so that setting the wall
  clock neither ends nor prolongs it. Since elapsed time means nothing after a start, what is left
  of it is then reckoned from its stored time, once, by the wall clock (`read_in_s`).
- A *moment* is the wall clock's, which may jump.

After a start, and for moments after a jump of the wall clock, the clock may be wrong for a while,
as a Pi's is until it has found its time server. What takes something away from people then waits
for `GRACE_S`; what starts work does not.

Each family has a heap and pauses of its own, so that none has to wait for another's faults.
"""

from collections import deque
from typing import Final, Protocol

import structlog

from taskdash_protocol.errors import Busy, Outcome, ServerError, unexpected_fault
from taskdashd.core.clock import Clock
from taskdashd.core.leading import Leading
from taskdashd.domain.agenda import Entry, Heap
from taskdashd.domain.times import seconds
from taskdashd.store.reader import Reader
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

GRACE_S: Final = 60.0
AGAIN_S: Final = 5.0
"""The pause after a failure."""
_BUSY_S: Final = 0.1
"""The pause where too many writes wait for the disk."""
_STEP_S: Final = 0.002
"""How long one step of the event loop may decide: what follows its commit takes as long again."""
_AT_ONCE: Final = 100
_UNCOMMITTED_MAX: Final = 200
"""Decisions that may wait for their commit: its followers take them in within one step."""
_LATE_S: Final = 0.5
_UNCOMMITTED_LATE_MAX: Final = 8192
"""Decisions that may wait where something is late by `_LATE_S`, as on a slow disk: long steps are
better than that people wait. Two full commits keep the disk busy; more would only take memory.
"""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Family(Protocol):
    """Something that comes due for many tasks or records, such as the end of claims."""

    @property
    def name(self) -> str:
        """The name for the log."""

    @property
    def is_duration(self) -> bool:
        """Whether it is so many seconds after a change, and not a moment of the wall clock."""

    @property
    def takes_away(self) -> bool:
        """Whether it ends, escalates or takes something from people, and does not start work."""

    def decide(self, entry: Entry, transaction: Transaction) -> None:
        """Do what is due. If the field holds another time by now, there is nothing to do.

        It may be called again for the same entry, if the commit fails.
        """


class Line:
    """What one family expects."""

    def __init__(self, family: Family, clock: Clock) -> None:
        self.family = family
        self._clock = clock
        self._heap = Heap()

    def expect(self, key: str, stored: str, left_s: float) -> None:
        """Expect what is due at the time that a field holds; for a duration that is in `left_s`.

        It replaces what was expected for the key, unless the field holds the same time as before.
        """
        duration = self.family.is_duration
        at = self._now() + max(0.0, left_s) if duration else seconds(stored)
        self._heap.put(key, stored, at)

    def drop(self, key: str) -> None:
        """Expect nothing more for this key."""
        self._heap.drop(key)

    def __contains__(self, key: str) -> bool:
        """Tell whether something is expected for this key."""
        return key in self._heap

    def read_in_s(self) -> float:
        """Say in how many seconds the stored times of before this start may be read.

        A duration that takes something away waits for a wall clock that can be believed.
        """
        family = self.family
        waits = family.is_duration and family.takes_away
        return max(0.0, GRACE_S - self._clock.steady_s()) if waits else 0.0

    def due_in_s(self) -> float | None:
        """Say in how many seconds something may be due; None where nothing is expected."""
        look = self._heap.next_look()
        if look is None:
            return None
        due_s = look - self._now()
        if self.family.takes_away and not self.family.is_duration:
            due_s = max(due_s, GRACE_S - self._clock.steady_s())
        return due_s

    def take(self, most: int) -> list[Entry]:
        """Hand out entries that are due."""
        due_s = self.due_in_s()
        if due_s is None or due_s > 0:
            return []
        return self._heap.take(self._now(), most)

    def done(self, entry: Entry) -> None:
        """Forget an entry that was handed out, unless another is expected by now."""
        self._heap.done(entry)

    def again(self, entry: Entry, pause_s: float = 0.0) -> None:
        """Take back an entry that was handed out, for another try; as `done` otherwise."""
        # Never before its time: the wall clock may have been set back since it was handed out.
        self._heap.again(entry, max(entry.at, self._now() + pause_s) if pause_s else entry.at)

    def _now(self) -> float:
        return self._clock.elapsed() if self.family.is_duration else self._clock.wall()


class Agenda:
    """Has everything done that is due. `tick` is called at least a few times a second."""

    def __init__(
        self, clock: Clock, leading: Leading, view: View, reader: Reader, writer: Writer
    ) -> None:
        self._clock = clock
        self._leading = leading
        self._view = view
        self._reader = reader
        self._writer = writer
        self._lines: deque[Line] = deque()
        self._in_hand: deque[tuple[Line, Entry]] = deque()
        """What is due and not decided yet."""
        self._is_loading = False
        self._uncommitted = 0
        self._uncommitted_max = _UNCOMMITTED_MAX
        self._not_before = clock.elapsed()

    def add(self, family: Family) -> Line:
        """Take in a family; what it expects goes into the line."""
        line = Line(family, self._clock)
        self._lines.append(line)
        return line

    def tick(self) -> bool:
        """Do what is due, for as long as one step may take; True if more is to be done at once.

        Decisions do not wait for one another's commits, and share them: the delay of the disk,
        however long, is paid once and not for each slice.
        """
        self._clock.steady_s()
        if not self._may_decide():
            self._put_back()
            return False
        is_late = self._due_in_s() < -_LATE_S
        self._uncommitted_max = _UNCOMMITTED_LATE_MAX if is_late else _UNCOMMITTED_MAX
        if not self._is_loading and self._has_room():
            self._take()
            self._work()
        return self._may_decide() and self.next_s() <= 0

    def next_s(self) -> float:
        """Say in how many seconds there may be something to do."""
        if self._in_hand:
            return 0.0
        return max(self._due_in_s(), self._not_before - self._clock.elapsed())

    def _due_in_s(self) -> float:
        lines = (s for line in self._lines if (s := line.due_in_s()) is not None)
        return min(lines, default=GRACE_S)

    def _may_decide(self) -> bool:
        return self._leading.leads and self._clock.elapsed() >= self._not_before

    def _has_room(self) -> bool:
        return self._uncommitted < self._uncommitted_max

    def _take(self) -> None:
        # Begin with another line each time: one with a long backlog must not keep others waiting.
        self._lines.rotate(-1)
        for line in self._lines:
            some = line.take(_AT_ONCE - len(self._in_hand))
            self._in_hand.extend((line, entry) for entry in some)

    def _work(self) -> None:
        """Decide what is in hand, as far as it is in memory, and load the tasks of the rest."""
        until = self._clock.elapsed() + _STEP_S
        unknown: list[tuple[Line, Entry]] = []
        while self._in_hand:
            line, entry = self._in_hand.popleft()
            if not self._view.knows(entry.key):
                unknown.append((line, entry))
                continue
            self._decide(line, entry)
            if self._clock.elapsed() >= until or not self._may_decide():
                break
        self._in_hand.extend(unknown)
        self._writer.flush()
        if unknown and not self._is_loading:
            self._is_loading = True
            self._reader.load([entry.key for _, entry in unknown], self._loaded)

    def _loaded(self, outcome: Outcome[None]) -> None:
        self._is_loading = False
        if isinstance(outcome, ServerError):
            self._pause(outcome)
            self._put_back()
        elif self._may_decide():
            # Decide before anything else is loaded: the smallest cache keeps one task of these.
            self._work()

    def _put_back(self) -> None:
        while self._in_hand:
            line, entry = self._in_hand.popleft()
            line.again(entry)

    def _decide(self, line: Line, entry: Entry) -> None:
        decided = False

        def decide(transaction: Transaction) -> None:
            nonlocal decided
            try:
                line.family.decide(entry, transaction)
            except Exception:
                log.exception(
                    "unexpected fault in what came due", family=line.family.name, key=entry.key
                )
                raise unexpected_fault() from None
            decided = True

        def ended(outcome: Outcome[None]) -> None:
            self._uncommitted -= 1
            if not isinstance(outcome, ServerError):
                line.done(entry)
            elif decided or isinstance(outcome, Busy):
                self._pause(outcome)
                line.again(entry)
            else:
                # A fault of this one alone: the others go on, and it must not come up first again.
                line.again(entry, AGAIN_S)

        self._uncommitted += 1
        self._writer.write(decide, ended)

    def _pause(self, fault: ServerError) -> None:
        pause_s = _BUSY_S if isinstance(fault, Busy) else AGAIN_S
        self._not_before = self._clock.elapsed() + pause_s
