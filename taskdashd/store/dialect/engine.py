"""The port: what a store asks of an engine. Each call blocks, so none is made on the event loop."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from taskdashd.domain.acts import Act
from taskdashd.domain.search import Sought
from taskdashd.domain.tasks import Change
from taskdashd.store.dialect.sql import Parameters, Sql
from taskdashd.store.health import Health
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal


class Session(Protocol):
    """A connection to the database, for one thread at a time."""

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """Run a statement; gives a cursor, which is also an iterator over the rows."""

    def close(self) -> None:
        """Close the connection."""


class Engine(Protocol):
    """One database, open: three connections, one that writes and two that read."""

    errors: tuple[type[Exception], ...]
    """What its calls raise where the database fails."""

    may_be_away: bool
    """Whether it may be lost, and taken by another daemon: each write may be too late."""
    fold_rows_max: int
    """Changes folded at a time: commits wait meanwhile."""

    @property
    def waits(self) -> bool:
        """Whether the writing thread waits for a server, for a bounded time; from any thread."""

    @property
    def sql(self) -> Sql:
        """How it is spoken to."""

    @property
    def where(self) -> str:
        """Where the database is, for messages: no secret is in it."""

    @property
    def cluster(self) -> str:
        """Which database this is, of all that could be given; empty for a file: it has a path."""

    @property
    def writer(self) -> Session:
        """The connection that writes."""

    @property
    def reader(self) -> Session:
        """The connection for look-ups."""

    @property
    def querier(self) -> Session:
        """The connection for what may take long."""

    def plain(self, error: Exception) -> str:
        """Say in one line what went wrong, and what to do where that is known."""

    def is_full(self, error: Exception) -> bool:
        """Tell whether an error says that the disk has no room."""

    def compare(self, *, accept_loss: bool) -> None:
        """Compare with what was acknowledged before this start, where that is noted.

        Raises `StoreUnusable` for another database than then, and for one that has lost something,
        unless `accept_loss`.
        """

    def take(self) -> int:
        """Count this start; give a rev that was given out at least, beside those in the tables."""

    def close(self) -> None:
        """Close the connections and release what is held."""

    def interrupt(self) -> None:
        """Abort the statements of the reading connections. Safe to call from any thread."""

    # The writing connection

    def append(
        self,
        changes: Sequence[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        """Commit a batch to the disk, all or nothing.

        Raises `Fenced`, `Away` and `OutcomeUnknown` where there is such a thing.
        """

    def settle(self) -> bool | None:
        """Tell whether the commit whose outcome was unknown is stored; None if there was none.

        With none, look whether the database answers, and is this daemon's. Raises `Fenced`, and as
        a statement does while nobody can say.
        """

    def lazily(self) -> AbstractContextManager[Callable[[str, Any], Any]]:
        """Open a transaction of what can be made again from the log: it need not be synced."""

    def fold(self, run: Callable[[str, Any], Any], after_rev: int, to_rev: int) -> None:
        """Bring the tables of tasks and labels from one rev of the log to another."""

    def index_texts(self, run: Callable[[str, Any], Any], rows_max: int) -> int:
        """Index the tasks of some more of the folded log; return the rev up to which all are."""

    def give_back(self, pages_max: int) -> int:
        """Give some of the room that the database does not use any more back to the disk."""

    # The reading connections

    def read(self, session: Session, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement of a reading connection, and give its rows as they are asked for."""

    def stream(self, session: Session, statement: str, parameters: Parameters) -> Iterator[Any]:
        """Run a statement of which not all rows may be wanted; within a transaction."""

    def begin(self) -> None:
        """Have the querier's next statements read one state."""

    def end(self) -> None:
        """Have them read the newest again."""

    def test_by(self, sought: Sought) -> None:
        """Make `Sql.has_words` of what is sought work on the querier."""

    def health(self) -> Health:
        """Count and measure, on the querier."""

    def check(self) -> Iterator[str]:
        """Give what is wrong with the whole of the database, or `ok`; on the querier."""

    def opened_anew(self) -> Session:
        """Open a further connection that reads, in a transaction that has begun; on any thread."""
