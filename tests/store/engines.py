"""The two engines side by side: what is written to one is written to the other, and each answer of
one is the other's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

from postgres import store_of

from taskdash_protocol.errors import ServerError
from taskdash_protocol.families.tasks import Register, Update
from taskdashd.domain import tasks
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Author, Change, Moment, Task
from taskdashd.store.database import Database
from taskdashd.store.deadline import Deadline
from taskdashd.store.dialect.postgres.engine import PostgresEngine
from taskdashd.store.dialect.sqlite import texts
from taskdashd.store.dialect.sqlite.engine import SqliteEngine
from taskdashd.store.records import Record
from taskdashd.store.removal import Going, Removal

T = TypeVar("T")
ME: Final = Author(2**40, "me")
AT: Final = "2026-01-01T00:00:00.000Z"
TABLES: Final = ("change", "task", "task_label", "act", "record")
_FOLDED: Final = {
    "task": (
        'SELECT id, rev, state, heartbeat_timeout, status, "user", group_id, project_id, checker,'
        " parent_id, url, rank, queue, made_by, at, kind, acknowledged, priority, name"
        " FROM task ORDER BY id"
    ),
    "change": (
        "SELECT rev, previous_rev, kind, at, actor, task_id, owner, holder, held_since, task, crc,"
        " task_kind FROM change ORDER BY rev"
    ),
    "task_label": "SELECT id, label, state, rev FROM task_label ORDER BY id, label",
    "act": "SELECT id, rev, at, kind, who, detail, count FROM act ORDER BY id",
    "record": "SELECT kind, key, value, crc, rev, removed_at FROM record ORDER BY kind, key",
    "state": "SELECT folded_rev, pruned_rev, forgotten_rev, own_since, spanned_rev FROM state",
}


def _opened(directory: Path, kind: type[SqliteEngine] | type[PostgresEngine]) -> Database:
    deadline = Deadline(60.0)
    if kind is SqliteEngine:
        engine: Any = SqliteEngine.open(directory, deadline)
    else:
        engine = PostgresEngine.open(store_of(directory), directory, 6.0, deadline)
    opened = ExitStack()
    opened.callback(engine.close)
    return Database(engine, directory, deadline, opened)


class Engines:
    """A database of each engine, with the same in both."""

    def __init__(self, directory: Path) -> None:
        # The suite on PostgreSQL looks for files of SQLite, but in a folder of this name.
        for name in ("sqlite", "postgres"):
            (directory / name).mkdir()
        self.sqlite = _opened(directory / "sqlite", SqliteEngine)
        self.postgres = _opened(directory / "postgres", PostgresEngine)
        self._begin()

    def _begin(self) -> None:
        self.known: dict[str, Task] = {}
        self.revs: dict[str, list[int]] = {}
        self.rev = 0
        self.folded_rev = 0
        for database in self:
            database.start()

    def __iter__(self) -> Iterator[Database]:
        return iter((self.sqlite, self.postgres))

    def close(self) -> None:
        """Close both."""
        for database in self:
            database.close()

    def empty(self) -> None:
        """Remove all that is in them."""
        for statement in texts.EMPTY:
            self.sqlite._writer.execute_sql(statement)
        for table in TABLES:
            self.sqlite._writer.execute_sql(f"DELETE FROM {table}")
        tables = ", ".join((*TABLES, "task_text", "task_gram"))
        self.postgres._writer.execute_sql(f"TRUNCATE {tables} RESTART IDENTITY")
        self.postgres._writer.execute_sql("UPDATE state SET rev = 0")
        for database in self:
            database._writer.execute_sql(
                "UPDATE state SET folded_rev = 0, pruned_rev = 0, forgotten_rev = 0, text_rev = 0"
            )
        self._begin()

    def made(self, task_id: str, fields: Mapping[str, Any], at: str = AT) -> Change:
        """Make a change, as a service's request would. Raises `BadRequest`."""
        moment = Moment(self.rev + 1, at)
        old = self.known.get(task_id)
        change: Change
        if old is None:
            request = Register.parse({"id": task_id, "name": "n", **fields})
            change = tasks.register(None, request, ME, moment)
        else:
            change = tasks.update(old, Update.parse({"id": task_id, **fields}), ME, moment)
        self.rev += 1
        self.known[task_id] = change.task
        self.revs.setdefault(task_id, []).append(self.rev)
        return change

    def append(
        self,
        changes: Sequence[Change] = (),
        acts: Sequence[Act] = (),
        records: Sequence[Record] = (),
        removals: Sequence[Removal] = (),
    ) -> None:
        """Write the same to both."""
        self.same(lambda database: database.append(changes, acts, records, removals))

    def write(self, task_id: str, at: str = AT, /, **fields: Any) -> None:
        """Make a change, and write it to both."""
        self.append([self.made(task_id, fields, at)])

    def fold(self, to_rev: int | None = None) -> None:
        """Fold both up to a rev, or all."""
        wanted = self.rev if to_rev is None else to_rev
        if wanted > self.folded_rev:
            self.folded_rev = wanted
            self.same(lambda database: database.fold(wanted))

    def forget(self, task_id: str) -> None:
        """Forget a task in both, if the fold is not behind it."""
        task = self.known.get(task_id)
        if task is not None and task.rev <= self.folded_rev:
            del self.known[task_id]
            self.append(removals=[Removal([Going(task, self.revs.pop(task_id))])])

    def unfolded(self) -> dict[str, int] | None:
        """Give the tasks that the fold has not yet."""
        return {
            task.id: task.rev for task in self.known.values() if task.rev > self.folded_rev
        } or None

    def same(self, look: Callable[[Database], T]) -> T:
        """Give what both answer; a refusal must be the same as well."""
        _, (refusal, second) = told = [_outcome(look, database) for database in self]
        assert told[0] == told[1], _difference(*told)
        assert refusal is None, f"both refuse: {refusal}"
        return second

    def check_rows(self) -> None:
        """Check that each table has the same rows in the same order, to the byte."""
        for statement in _FOLDED.values():
            self.same(lambda database, one=statement: _rows(database, one))


def _rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in database._writer.execute_sql(statement).fetchall()]


def _outcome(look: Callable[[Database], T], database: Database) -> Any:
    try:
        return None, look(database)
    except ServerError as error:
        return f"{type(error).__name__}: {error}", None


def _difference(ours: Any, theirs: Any, place: str = "") -> str:
    """Say where the answers of SQLite and PostgreSQL first differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        parts = [(key, ours[key], theirs[key]) for key in ours]
    elif isinstance(ours, list | tuple) and type(ours) is type(theirs) and len(ours) == len(theirs):
        parts = [(number, *both) for number, both in enumerate(zip(ours, theirs, strict=True))]
    else:
        return f"at {place}:\nSQLite says {ours!r:.600}\nPostgreSQL says {theirs!r:.600}"
    differing = [one for one in parts if one[1] != one[2]]
    key, first, second = differing[0]
    return _difference(first, second, f"{place}[{key!r}]")
