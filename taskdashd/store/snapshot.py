"""Counts of tasks as of one commit, on a connection of its own: others need not wait for them."""

from collections.abc import Iterable
from contextlib import closing
from typing import Self

from taskdash_protocol.errors import StorageError
from taskdashd.store.dialect.engine import Engine, Session

TallyRow = tuple[str | None, str, str, str, int]
"""Group, status, user and checker, and how many tasks have them. What need not be told apart is
None for a group, and empty for the others. What was acknowledged has the status `acknowledged`."""


class Snapshot:
    """The `task` table as it was when this was opened; commits and folds go on meanwhile."""

    def __init__(self, engine: Engine, session: Session, folded_rev: int) -> None:
        self._engine = engine
        self._session = session
        self.folded_rev = folded_rev
        """The rev up to which the table holds the log."""

    @classmethod
    def open(cls, engine: Engine) -> Self:
        """Open a snapshot, on any thread. Raises `StorageError`."""
        try:
            session = engine.opened_anew()
            # An engine takes the snapshot at the first read, and not when the transaction begins.
            (folded_rev,) = session.execute_sql("SELECT folded_rev FROM state").fetchone()
        except engine.errors as error:
            raise _failed(engine, error) from error
        return cls(engine, session, folded_rev)

    def close(self) -> None:
        """Let the snapshot go: while it is open, what was replaced cannot be removed."""
        self._session.close()

    def count(
        self,
        groups: Iterable[str],
        people: Iterable[str],
        told_apart: tuple[Iterable[str], Iterable[str], Iterable[str]],
    ) -> list[TallyRow]:
        """Count the tasks of some groups, or of some people, and close the snapshot.

        `told_apart` are the groups, people and statuses that the rows name. Raises `StorageError`.
        """
        names = ("groups", "people", "named_groups", "named_people", "named_statuses")
        sql = self._engine.sql
        given = {
            name: sql.listed(some)
            for name, some in zip(names, (groups, people, *told_apart), strict=True)
        }
        with closing(self):
            try:
                return list(self._session.execute_sql(sql.tally, given))
            except self._engine.errors as error:
                raise _failed(self._engine, error) from error


def _failed(engine: Engine, error: Exception) -> StorageError:
    return StorageError(f"the tasks could not be counted: {engine.plain(error)}")
