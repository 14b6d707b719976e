"""While the database is away: nothing is written, and a commit may be in limbo.

A file is never away. A server may be, and takes a commit with it of which nobody can say whether it
is stored: whoever waits for that is let go, and what it holds is taken in, or not, once the server
answers again.
"""

from collections.abc import Callable, Sequence

from taskdash_protocol.errors import Outcome, ServerError
from taskdashd.store.database import Database
from taskdashd.store.entries import Piece
from taskdashd.store.executor import Executor
from taskdashd.store.faults import Away, OutcomeUnknown
from taskdashd.store.removal import Removal

Commit = tuple[Sequence[Removal], Sequence[Piece]]


class Absence:
    """Whether the database is away, and what is not known for that."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        back: Callable[[Commit | None], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._database = database
        self._executor = executor
        self._back = back
        """Takes in a commit that is stored after all, None where there is none, and goes on."""
        self._on_fault = on_fault
        self._limbo: Commit | None = None
        self._is_asking = False
        self.why: Away | None = None
        """Why nothing is written; None while the database answers."""

    def begin(self, fault: ServerError, commit: Commit) -> None:
        """Note a commit that failed, where its fault says that the database is away."""
        if isinstance(fault, OutcomeUnknown):
            removals, pieces = commit
            # Whoever waits for these is told nothing, now or later.
            self._limbo = removals, [piece._replace(entries=[]) for piece in pieces]
            self.why = Away("the database does not answer: nothing is written until it does")
        elif isinstance(fault, Away):
            self.why = fault

    def ask(self) -> None:
        """Ask whether the database answers again; called now and then while it is away."""
        if self.why is not None and not self._is_asking:
            self._is_asking = True
            self._executor.submit(self._database.settle, self._settled)

    def _settled(self, outcome: Outcome[bool | None]) -> None:
        self._is_asking = False
        if isinstance(outcome, ServerError):
            if not isinstance(outcome, Away):
                self._on_fault(outcome)
            return
        limbo, self._limbo, self.why = self._limbo, None, None
        self._back(limbo if outcome else None)
