"""All that a store holds and cannot make again, carried from one engine to another and compared.

The tables that the log folds to are left behind: the next start makes them from the log.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from taskdashd.store.dialect.rows import COLUMNS
from taskdashd.store.faults import BackupError

Row = tuple[Any, ...]
Read = Callable[[str], Iterator[Row]]
"""Runs a statement without parameters in one state of a database; gives the rows bit by bit."""
Say = Callable[[int, int], None]
"""Is told now and then how many rows are done, and of how many."""


def quietly(_done: int, _of: int) -> None:
    """Say nothing."""


_TOLD_EVERY: Final = 1_000


class Table(NamedTuple):
    """A table whose rows are carried."""

    name: str
    columns: tuple[str, ...]
    key: str
    """What its rows are in order of."""

    @property
    def listed(self) -> str:
        """Give its columns as statements name them."""
        return ", ".join(self.columns)

    @property
    def select(self) -> str:
        """Give the statement that reads it."""
        told = self.listed
        # Rows from before there was a kind have it in the table of tasks alone.
        told = told.replace(
            "task_kind",
            "coalesce(task_kind, (SELECT t.kind FROM task AS t"
            " WHERE t.id = change.task_id AND t.rev = change.rev))",
        )
        return f"SELECT {told} FROM {self.name} ORDER BY {self.key}"


TABLES: Final = (
    Table("change", COLUMNS, "rev"),
    Table("act", ("id", "rev", "at", "kind", "who", "detail", "count"), "id"),
    Table("record", ("kind", "key", "value", "crc", "rev", "removed_at"), "kind, key"),
)
_CHECKED: Final = {
    "change": (COLUMNS.index("task"), COLUMNS.index("crc"), "changes"),
    "record": (2, 3, "records of people or services"),
}
"""Where a row has its text and the checksum of it."""
STATE: Final = ("pruned_rev", "boot", "forgotten_rev", "own_since", "spanned_rev")
LAST_REV: Final = """
SELECT max(rev) FROM (
    SELECT max(rev) AS rev FROM change UNION ALL SELECT max(rev) FROM record
    UNION ALL SELECT forgotten_rev FROM state
) AS last
"""
"""The newest rev that was given out, as far as the tables tell."""


class Sum:
    """How many rows went by, and the checksum of all."""

    def __init__(self, passed: Callable[[], None]) -> None:
        self.rows = 0
        self.crc = 0
        self._passed = passed

    def over(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Give the rows, and count them."""
        for row in rows:
            self.rows += 1
            self.crc = crc32(orjson.dumps(row), self.crc)
            self._passed()
            yield row


class _Progress:
    """Counts what is done of all."""

    def __init__(self, say: Say, of: int) -> None:
        self._say = say
        self._of = of
        self._done = 0

    def passed(self) -> None:
        """Note one more row."""
        self._done += 1
        if self._done % _TOLD_EVERY == 0 or self._done == self._of:
            self._say(self._done, self._of)


def state(read: Read) -> dict[str, int]:
    """Read what a store knows of itself. Raises `BackupError` where it knows nothing."""
    found = list(read(f"SELECT {', '.join(STATE)} FROM state"))
    if len(found) != 1:
        raise BackupError("the row about the database itself is missing: restore a backup")
    return dict(zip(STATE, found[0], strict=True))


def carry(read: Read, put: Callable[[Table, Iterator[Row]], None], back: Read, say: Say) -> None:
    """Put all rows of the tables, and read them back.

    Raises `BackupError` for a row that is not as it was written, and where not all came over.
    """
    many = [next(read(f"SELECT count(*) FROM {table.name}"))[0] for table in TABLES]
    progress = _Progress(say, 2 * sum(many))
    for table in TABLES:
        gone, come = Sum(progress.passed), Sum(progress.passed)
        put(table, gone.over(_whole(table, read(table.select))))
        for _ in come.over(back(table.select)):
            pass
        if (gone.rows, gone.crc) != (come.rows, come.crc):
            raise BackupError(
                f"{gone.rows} rows of {table.name} were written and {come.rows} read back,"
                " and they are not the same"
            )


def _whole(table: Table, rows: Iterable[Row]) -> Iterator[Row]:
    if table.name not in _CHECKED:
        yield from rows
        return
    text, crc, called = _CHECKED[table.name]
    for row in rows:
        if row[crc] is not None and crc32(row[text].encode()) != row[crc]:
            raise BackupError(
                f"not all {called} are as they were written: taskdashd check says what to do"
            )
        yield row
