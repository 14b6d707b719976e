"""While the database is away: nothing is written, and a commit may be in limbo.

A file is never away. A server may be, and takes a commit with it of which nobody can say whether it
is stored: whoever waits for that is let go, and what it holds is taken in, or not, once the server
answers again. A database that another daemon has taken never comes back.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog

from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.store.database import Database
from taskdashd.store.entries import Piece
from taskdashd.store.executor import Executor
from taskdashd.store.faults import Away, Fenced, OutcomeUnknown
from taskdashd.store.removal import Removal

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Commit(NamedTuple):
    """What a commit holds."""

    removals: Sequence[Removal]
    pieces: Sequence[Piece]


class Absence:
    """Whether the database is away, and what is not known for that."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        back: Callable[[Commit | None, bool], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._database = database
        self._executor = executor
        self._back = back
        """Goes on, with the commit that was in limbo, if one was, and whether it is stored."""
        self._on_fault = on_fault
        self._limbo: Commit | None = None
        self._is_asking = False
        self.why: Away | None = None
        """Why nothing is written; None while the database answers."""
        self.is_fenced = False
        """Whether another daemon has the database: this one must end."""

    @property
    def may_begin(self) -> bool:
        """Whether the database may be lost at all, which nobody would see before the next write."""
        return self._database.engine.may_be_away

    def begin(self, fault: Outcome[Any], commit: Commit | None = None) -> None:
        """Note a fault, if it is one; one of a commit may leave that in limbo."""
        if isinstance(fault, Fenced):
            if not self.is_fenced:
                log.error("this daemon ends: its database is not its own any more", why=str(fault))
            self.is_fenced = True
            self.why = Away("another daemon has taken the database: this one ends")
        elif isinstance(fault, OutcomeUnknown) and commit is not None:
            # Whoever waits for these is told nothing, now or later.
            pieces = [piece._replace(entries=[]) for piece in commit.pieces]
            self._limbo = commit._replace(pieces=pieces)
            self.why = Away("the database does not answer: nothing is written until it does")
        elif isinstance(fault, Away):
            self.why = fault

    def ask(self) -> None:
        """Ask whether the database answers; called now and then, only where nothing is written."""
        if not self._is_asking and not self.is_fenced:
            self._is_asking = True
            self._executor.submit(self._database.settle, self._settled)

    def _settled(self, outcome: Outcome[bool | None]) -> None:
        self._is_asking = False
        if isinstance(outcome, ServerError):
            if not isinstance(outcome, Fenced) and (
                self.why is None or not isinstance(outcome, Away)
            ):
                self._on_fault(outcome)
            self.begin(outcome)
            return
        if self.why is not None and not self.is_fenced:
            limbo, self._limbo, self.why = self._limbo, None, None
            self._back(limbo, bool(outcome))
