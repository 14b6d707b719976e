"""The file: what it refuses, what it remembers, and Query against a plain list."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskdash_protocol.errors import BadRequest, Busy
from taskdash_protocol.families.tasks import Query, Register
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Change, Moment
from taskdashd.store import kept
from taskdashd.store.database import Database
from taskdashd.store.desk import Desk
from taskdashd.store.dialect.sqlite import engine as dialect
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.lock import LOCK_NAME, StoreUnusable

AT = "2026-01-01T00:00:00.000Z"


def change(rev: int, task_id: str, previous: tasks.Task | None = None, **fields: str) -> Change:
    request = Register.parse({"id": task_id, "name": "n", **fields})
    return tasks.register(previous, request, Author(7, "me"), Moment(rev, AT))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path)
    database.start()
    yield database
    database.close()


@pytest.mark.sqlite("how the file is opened")
def test_it_is_opened_the_way_that_survives_a_pulled_plug(database: Database) -> None:
    """WAL, every commit synced, and a SQLite without the WAL-reset bug."""
    assert database._scalar("PRAGMA journal_mode") == "wal"
    assert database._scalar("PRAGMA synchronous") == 2
    assert dialect.Connection.server_version >= dialect.SQLITE_MIN
    database.append([change(1, "a")])
    database.fold(1)
    assert database._scalar("PRAGMA synchronous") == 2


def test_the_fold_is_made_again_from_the_log_at_the_next_start(tmp_path: Path) -> None:
    """Changes that were committed and not folded are found, by id and as live tasks."""
    database = Database.open(tmp_path)
    assert database.start()[:4] == (0, 0, 1, [])
    first = change(1, "a", status="running")
    database.append([first, change(2, "b", status="finish"), change(5, "a", first.task, user="w")])
    assert database.load(["a"], []) == {}
    assert kept.task("a", database.load([], [5])["a"]).rev == 5
    database.close()
    database = Database.open(tmp_path)
    opened = database.start(fold_rows=2)
    assert opened[:4] == (5, 0, 2, [("a", None)])
    assert "a" in opened.known
    assert "b" in opened.known
    assert kept.task("a", database.load(["a", "nobody"], [])["a"]).rev == 5
    assert database._scalar("SELECT folded_rev FROM state") == 5
    database.close()


def test_every_change_leads_to_the_one_before_it(database: Database) -> None:
    """A task's history is a linked list: no index, no scan."""
    first = change(1, "a")
    second = change(2, "a", first.task)
    database.append([first, second])
    rows = database._writer.execute_sql("SELECT rev, previous_rev FROM change ORDER BY rev")
    assert rows.fetchall() == [(1, 0), (2, 1)]


def test_a_second_daemon_on_the_same_directory_is_refused(
    database: Database, tmp_path: Path
) -> None:
    """The refusal names the process that has the directory."""
    code = (
        "from pathlib import Path; from taskdashd.store.database import Database;"
        f"Database.open(Path({str(tmp_path)!r}))"
    )
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another taskdashd (process " in second.stderr


def test_data_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """The newer file stays unchanged, and the message says what to do."""
    newer = Database.open(tmp_path)
    newer._writer.execute_sql(
        "INSERT INTO schema_migration (name, applied) VALUES ('0999_future', '2038-01-01')"
    )
    newer.close()
    with pytest.raises(StoreUnusable, match=r"newer taskdashd.*0999_future.*install"):
        Database.open(tmp_path)


@pytest.mark.sqlite("how the file is opened")
def test_a_migration_that_dies_leaves_the_old_schema_and_a_rerun_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each migration runs in one transaction."""
    from taskdashd.store import migrating as module

    steps = tmp_path / "steps"
    steps.mkdir()
    good = (module.MIGRATIONS / "0001_initial.py").read_text()
    (steps / "0001_initial.py").write_text(good + "    raise RuntimeError('power cut')\n")
    monkeypatch.setattr(module, "MIGRATIONS", steps)
    with pytest.raises(RuntimeError):
        Database.open(tmp_path / "data")
    monkeypatch.undo()
    database = Database.open(tmp_path / "data")
    assert database.start().boot == 1
    database.close()


@pytest.mark.sqlite("how the file is opened")
@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 100])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """The refusal is a sentence, and the file stays as it is."""
    (tmp_path / "taskdash.db").write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"cannot open .*taskdash.db"):
        Database.open(tmp_path)
    assert (tmp_path / "taskdash.db").read_bytes() == content
    (tmp_path / "taskdash.db").unlink()
    # The lock was given back.
    Database.open(tmp_path).close()


def test_a_query_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """A slow query gets 1005, and the connection goes on working."""
    database = Database.open(tmp_path, query_timeout_s=0.000001)
    database.start()
    database.append([change(rev, f"t{rev}", user=str(rev % 7)) for rev in range(1, 3000)])
    database.fold(3000)
    with pytest.raises(Busy, match="took longer"):
        database.query(Query.parse({"where": {"description": "x"}, "order": "name"}), 1 << 20)
    assert kept.task("t5", database.load(["t5"], [])["t5"]).rev == 5
    database.close()


def test_a_look_that_takes_too_long_is_in_nobodys_way(tmp_path: Path) -> None:
    """The transaction ends with the look: the next one begins its own."""
    database = Database.open(tmp_path)
    database.start()
    database.append([change(1, "t1")])
    database.fold(1)
    asked = Query.parse({})

    def look(desk: Desk) -> None:
        while not database._deadline.is_over():
            pass
        desk.query(asked, None, None, 1 << 20)

    for _ in range(2):
        with pytest.raises(Busy, match="took longer"):
            database.at_desk(look, None, 0.001)
        assert [row.id for row in database.query(asked, 1 << 20).rows] == ["t1"]
    database.close()


VALUES = ("", "a", "b", "界", "' OR 1=1 --")
FIELDS = ("user", "status", "description", "name", "id")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.tuples(*[st.sampled_from(VALUES)] * 3), max_size=12),
    where=st.dictionaries(
        st.sampled_from(("user", "status", "description")),
        st.lists(st.sampled_from(VALUES), max_size=3),
        max_size=2,
    ),
    field=st.sampled_from((*FIELDS, "rev", "created_at")),
    descending=st.booleans(),
    limit=st.integers(1, 5),
    folded=st.integers(0, 12),
)
def test_pages_are_what_a_plain_list_gives(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    where: dict[str, list[str]],
    field: str,
    descending: bool,
    limit: int,
    folded: int,
) -> None:
    """Every order and filter; each task exactly once, whether the fold has it or not yet."""
    directory = tmp_path_factory.mktemp("query")
    database = Database.open(directory)
    database.start()
    changes = [
        change(rev, f"t{rev % 10}{rev}", user=user, status=status, description=description)
        for rev, (user, status, description) in enumerate(rows, 1)
    ]
    if changes:
        database.append(changes)
        database.fold(min(folded, len(changes)))
    unfolded = {one.task.id: one.task.rev for one in changes if one.task.rev > folded}
    wanted = [
        strict
        for one in changes
        if all((strict := fields(one))[name] in values for name, values in where.items())
        and (strict := fields(one))
    ]
    wanted.sort(key=lambda task: (task[field], task["id"]), reverse=descending)
    order = f"-{field}" if descending else field
    found: list[str] = []
    after = None
    while True:
        body = {"where": where, "order": order, "limit": limit, "after": after}
        page = database.query(Query.parse(body), 1 << 20, unfolded)
        found += [row.id for row in page.rows]
        after = page.next
        if after is None:
            break
        assert len(page.rows) == limit
    database.close()
    shutil.rmtree(directory)
    assert found == [task["id"] for task in wanted]


def fields(one: Change) -> dict[str, object]:
    from taskdash_protocol import strictjson

    return dict(strictjson.loads(one.task.body))


def test_a_page_ends_early_rather_than_pass_the_frame(database: Database) -> None:
    """A page below the frame limit holds one task at least."""
    database.append([change(rev, f"t{rev}", description="x" * 1000) for rev in range(1, 10)])
    database.fold(9)
    page = database.query(Query.parse({}), 4000)
    assert [row.id for row in page.rows] == ["t1", "t2"]
    assert page.next is not None
    assert len(database.query(Query.parse({}), 1).rows) == 1


@pytest.mark.parametrize(
    "cursor", ["", "x", "????", "W10=", "WyJpZCIsMS41LCJhIl0=", "WyItaWQiLCJhIiwiYSJd", "界"]
)
def test_a_cursor_that_is_none_is_refused(database: Database, cursor: str) -> None:
    """A malformed cursor is refused, whatever it decodes to."""
    with pytest.raises(BadRequest, match="cursor"):
        database.query(Query.parse({"after": cursor}), 1000)


@pytest.mark.sqlite("how the file is opened")
def test_no_umask_opens_the_data_to_others(tmp_path: Path) -> None:
    """Each file has a mode of its own; of directories that are missing, others may pass the upper.

    A lock that others could open, they could hold: no daemon would start.
    """
    before = os.umask(0)
    try:
        Database.open(tmp_path / "one" / "data").close()
        os.umask(0o777)
        Database.open(tmp_path / "two" / "data").close()
    finally:
        os.umask(before)
    for place in ("one", "two"):
        found = {path: path.stat().st_mode & 0o777 for path in (tmp_path / place).rglob("*")}
        assert found.pop(tmp_path / place / "data") == 0o700
        assert set(found.values()) == {0o600}, found
        assert {path.name for path in found} >= {LOCK_NAME, DATABASE_NAME}
        assert (tmp_path / place).stat().st_mode & 0o777 == 0o755
    (tmp_path / "one" / "data" / LOCK_NAME).chmod(0o666)
    Database.open(tmp_path / "one" / "data").close()
    assert (tmp_path / "one" / "data" / LOCK_NAME).stat().st_mode & 0o777 == 0o600
