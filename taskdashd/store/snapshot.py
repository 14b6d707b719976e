"""Counts of tasks as of one commit, on a connection of its own: others need not wait for them."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Self

import apsw
from peewee import PeeweeException

from taskdash_protocol.errors import StorageError
from taskdashd.store import dialect

TallyRow = tuple[str | None, str, str, str, int]
"""Group, status, user and checker, and how many tasks have them. What need not be told apart is
None for a group, and empty for the others. What was acknowledged has the status `acknowledged`."""


class Snapshot:
    """The `task` table as it was when this was opened; commits and folds go on meanwhile."""

    def __init__(self, connection: dialect.Connection, folded_rev: int) -> None:
        self._connection = connection
        self.folded_rev = folded_rev
        """The rev up to which the table holds the log."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a snapshot of a database file, on any thread. Raises `StorageError`."""
        try:
            connection = dialect.connect(str(path), read_only=True)
            connection.execute_sql("BEGIN")
            # SQLite takes the snapshot at the first read, and not at BEGIN.
            (folded_rev,) = connection.execute_sql("SELECT folded_rev FROM state").fetchone()
        except (PeeweeException, apsw.Error, MemoryError) as error:
            raise StorageError(f"the tasks could not be counted: {dialect.plain(error)}") from error
        return cls(connection, folded_rev)

    def close(self) -> None:
        """Let the snapshot go: while it is open, the WAL cannot begin anew."""
        self._connection.close()

    def count(
        self,
        groups: Iterable[str],
        people: Iterable[str],
        told_apart: tuple[Iterable[str], Iterable[str], Iterable[str]],
    ) -> list[TallyRow]:
        """Count the tasks of some groups, or of some people, and close the snapshot.

        `told_apart` are the groups, people and statuses that the rows name. Raises `StorageError`.
        """
        with closing(self):
            given = [dialect.json_list(some) for some in (groups, people, *told_apart)]
            try:
                return list(self._connection.execute_sql(dialect.TALLY, given))
            except (PeeweeException, apsw.Error, MemoryError) as error:
                text = f"the tasks could not be counted: {dialect.plain(error)}"
                raise StorageError(text) from error
