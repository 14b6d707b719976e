"""Both engines are the same store: the same schema, and the same answers after the same history."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import postgres
import pytest
from engines import AT, Engines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import taskdash
from taskdash.testing import RunningDaemon
from taskdash_protocol.families.operators import Audit
from taskdash_protocol.families.tasks import Query
from taskdashd.domain import search
from taskdashd.domain.access import Sight
from taskdashd.domain.acts import Act
from taskdashd.store import forgetting
from taskdashd.store.database import Database
from taskdashd.store.dialect import sql as shared
from taskdashd.store.records import Record

YOUNG = "2026-06-01T00:00:00.000Z"
ONLY_POSTGRES = {
    ("state", "rev"),
    ("state", "term"),
    ("state", "commits"),
    ("state", "cluster"),
    *(("task_text", "id"), ("task_text", "rev"), ("task_gram", "id"), ("task_gram", "grams")),
}
"""Columns of the fence, of the cluster, and of the index of texts: SQLite's is in FTS5."""
OF_FTS5 = {"task_gram", "task_text_config", "task_text_data", "task_text_docsize", "task_text_idx"}
OF_PEEWEE = "schema_migration"
"""The table of migrations is peewee's, in types of its own for each engine."""
TYPES = {"INTEGER": "bigint", "TEXT": "text", "REAL": "double precision"}

PEOPLE = {"u1": "王小明", "u2": "Ann Straße", "%": "per cent"}
TEXT = st.text(
    st.sampled_from([*"aAbß报告%?_'\"\\{}:$", *"ﬁİıςé́", "\x01", "\t", "\x7f", "\ufffd", "😀", "￿"]),
    max_size=5,
)
ODD = st.sampled_from(
    ["%s", "%(a)s", ":me", "?", "$1", "\\u0000", "\\", "''", "x" * 127 + "a", "x" * 127 + "b"]
)
LONG = st.sampled_from(["报" * 900, "y" * 128 + "b", "y" * 128 + "a", "y" * 128, "😀" * 700])
VALUE = st.one_of(
    st.sampled_from(("", "", "a", "B", "b", "é", "e\u0301", "😀", "￿")), TEXT, ODD, LONG
)
UNKNOWN = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1, -0.0, 1e308, 5e-324, 1.0, 10**15]),
    st.sampled_from(["\0", "\\\0", "\\\\\0", "\\u0000", "a\0b", '"\0"', "\x01"]),
    TEXT,
    st.dictionaries(st.sampled_from(("rank", "hide", "queue", "made_by", "%s", "a\0")), TEXT),
)
STATUSES = ("running", "b", "finish", "failed", "待领取", "编辑中", "待触发", "shutdown", "live")
MEMBERS = ("user", "checker", "group_id", "project_id", "parent_id", "url", "name", "description")
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(MEMBERS, VALUE),
        "status": st.one_of(st.sampled_from(STATUSES), st.sampled_from(STATUSES), VALUE),
        "labels": st.one_of(
            st.lists(st.sampled_from(("a", "Ａ", "ﷺ" * 32, "%", "b ")), max_size=3), UNKNOWN
        ),
        "priority": st.sampled_from((9, 5, 0, 4, 10, "9", True, 5.0, None, 2**62)),
        "reason": UNKNOWN,
        "odd": UNKNOWN,
        "acknowledged": st.sampled_from((None, {"hide": True}, {"hide": 0}, {}, "no", [])),
        "tree": UNKNOWN,
        "job": UNKNOWN,
        "heartbeat_timeout": st.sampled_from((1, 5.0, 0.5, 86400)),
    },
)
IDS = st.sampled_from(["t1", "t2", "T3", "é", "e\u0301", "😀", "￿", "%s", "x" * 128])
TIMES = st.sampled_from([AT, "2026-01-01T00:00:01.000Z", "2025-12-31T23:59:59.999Z"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), IDS, FIELDS, TIMES),
        st.tuples(st.just("write"), IDS, FIELDS, TIMES),
        st.tuples(st.just("write"), IDS, FIELDS, TIMES),
        st.tuples(st.just("many"), st.integers(17, 40), FIELDS, TIMES),
        st.tuples(st.just("fold"), st.integers(1, 5)),
        st.tuples(st.just("forget"), IDS),
        st.tuples(st.just("act"), VALUE, VALUE),
        st.tuples(
            st.just("record"), VALUE, st.one_of(st.none(), UNKNOWN.map(lambda one: {"v": one}))
        ),
        st.tuples(st.just("prune"), st.integers(1, 5)),
    ),
    max_size=14,
)
SELECTED = {
    **dict.fromkeys((*MEMBERS[:6], "task_type"), st.lists(VALUE, min_size=1, max_size=3)),
    "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=3),
    "class": st.sampled_from(("live", "waiting", "ended")),
    "id": st.lists(IDS, max_size=3),
    "labels": st.lists(st.sampled_from(("a", "%", "B", "ﷺ" * 32, "none")), max_size=3),
    "acknowledged": st.sampled_from(("no", "seen", "hidden")),
}
# With many conditions nothing would be found.
WHERE = st.lists(
    st.sampled_from(list(SELECTED)).flatmap(lambda name: st.tuples(st.just(name), SELECTED[name])),
    max_size=2,
).map(dict)
SIGHTS = st.one_of(
    st.none(), st.builds(Sight, st.frozensets(VALUE, max_size=3), st.sampled_from(("", "u1", "a")))
)
ORDERS = st.sampled_from(
    [
        sign + field
        for sign in ("", "-")
        for field in (*MEMBERS[:7], "rev", "rev", "id", "updated_at", "status", "epoch", "priority")
    ]
)
ASKED = st.tuples(WHERE, SIGHTS, st.one_of(st.just(""), VALUE.map(lambda one: one[:200])), ORDERS)


LOADED = """
import atexit, sys
from pathlib import Path
from taskdashd.cli import main
sys.argv[0] = "taskdashd"
atexit.register(lambda: Path(sys.argv[3], "loaded").write_text(" ".join(sys.modules)))
main()
"""
"""A daemon that writes down what it has imported."""


@pytest.fixture(scope="module")
def engines(server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    both = Engines(tmp_path_factory.mktemp("engines"))
    yield both
    both.close()


def columns_of_sqlite(database: Database) -> dict[tuple[str, str], tuple[str, bool]]:
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    found = {}
    for (table,) in database._writer.execute_sql(tables).fetchall():
        if table not in OF_FTS5 and table != OF_PEEWEE:
            told = database._writer.execute_sql(f"PRAGMA table_info({table})")
            for _, name, kind, is_required, *_ in told.fetchall():
                found[table, name] = (TYPES.get(kind, kind), bool(is_required))
    # A column of FTS5 has no type.
    found["task_text", "text"] = ("text", True)
    return found


def columns_of_postgres(database: Database) -> dict[tuple[str, str], tuple[str, bool]]:
    told = database._writer.execute_sql(
        "SELECT table_name, column_name, data_type, is_nullable, collation_name"
        " FROM information_schema.columns"
        # The beginnings of texts are made of the columns; no statement writes them.
        " WHERE table_schema = 'taskdash' AND is_generated = 'NEVER'"
    )
    found = {}
    for table, name, kind, nullable, collation in told.fetchall():
        if table != OF_PEEWEE:
            found[table, name] = (kind, nullable == "NO")
            # Without it texts would be in the order of the language of whoever made the database.
            assert collation == "C" or kind not in ("text", "ARRAY"), f"{table}.{name}"
    return found


def test_both_schemas_end_in_the_same_tables_and_columns(engines: Engines) -> None:
    """A migration that is written for one engine alone is found here."""
    ours = columns_of_sqlite(engines.sqlite)
    theirs = columns_of_postgres(engines.postgres)
    assert {name: theirs[name] for name in theirs if name not in ONLY_POSTGRES} == ours
    assert theirs.keys() - ours.keys() == ONLY_POSTGRES


def test_both_have_the_same_defaults(engines: Engines) -> None:
    """What a statement leaves out is the same."""
    engines.empty()
    insert = (
        'INSERT INTO task (id, rev, status, "user", group_id, project_id)'
        " VALUES ('t', 1, '', '', '', '')"
    )
    for database in engines:
        database._writer.execute_sql(insert)
        database._writer.execute_sql(
            "INSERT INTO record (kind, key, value, crc) VALUES ('k', '', '', 0)"
        )
    engines.check_rows()
    engines.empty()


def play(engines: Engines, steps: list[tuple[Any, ...]]) -> None:
    """Have both go through a history."""
    records = 0
    for name, *told in steps:
        if name == "write":
            task_id, fields, at = told
            engines.write(task_id, at, **fields)
        elif name == "many":
            # So many are copied, not inserted.
            count, fields, at = told
            some = [engines.made(f"m{n % 30}", {**fields, "n": n}, at) for n in range(count)]
            engines.append(some)
        elif name == "fold":
            engines.fold(min(engines.rev, engines.folded_rev + told[0]))
        elif name == "forget":
            engines.forget(told[0])
        elif name == "act":
            # The second is not pruned: SQLite would give the number of the last of all to the next.
            engines.append(acts=[Act(engines.rev, at, "did", *told, 2**33) for at in (AT, YOUNG)])
        elif name == "record":
            # Records take revs of their own.
            engines.rev += 1
            records += 1
            engines.append(records=[Record("kind", told[0], told[1], engines.rev, AT)])
        else:
            before, after = "2026-01-01T00:00:00.500Z", "2080-01-01T00:00:00.000Z"
            engines.same(partial(Database.prune, before=before, after=after, rows_max=told[0]))


def pages(database: Database, engines: Engines, asked: tuple[Any, ...], limit: int) -> Any:
    """Give all pages of a Query, with their cursors."""
    where, sight, contains, order = asked
    body = {"where": where, "contains": contains, "order": order, "limit": limit}
    sought = search.sought(contains, PEOPLE.items())
    found, after = [], None
    while True:
        request = Query.parse(body if after is None else {**body, "after": after})
        page = database.query(request, 1 << 20, engines.unfolded(), sight, sought)
        found.append(page)
        after = page.next
        if after is None:
            return found


def everything(database: Database, ids: list[str]) -> dict[str, Any]:
    """Ask for all that a daemon asks, but for pages of tasks."""
    folded = sorted(database.load(ids, []))
    rows, sql = database._queried, database.engine.sql
    listed = sql.listed
    gaps_rev = next(iter(rows(shared.GAPS_REV, ())))[0]
    given = {
        "groups": listed(["", "a", "%s"]),
        # Nobody has an empty number.
        "people": listed(["a", "u1", "%s"]),
        **{name: listed(["", "a", "u1"]) for name in ("named_groups", "named_people")},
        "named_statuses": listed(["running", "finish"]),
    }
    whole = Audit.parse({"limit": 3})
    return {
        "load": database.load(ids, []),
        "changes": database.changes(gaps_rev, 100),
        "steps": database.steps(gaps_rev, 100),
        "by user": database.count_by_user(["a", "u1", "%s", "报" * 900], ["running", "finish"]),
        "figures": database.count_for_figures(["running", "finish"]),
        "tally": sorted(map(tuple, rows(sql.tally, given)), key=repr),
        "statuses": dict(rows(shared.COUNT_BY_STATUS, ())),
        "audit": database.audit(whole, 1 << 20),
        "next page of the audit": database.audit(
            Audit.parse({"limit": 1000, "after": "3.2"}), 1 << 20
        ),
        "history": [
            database.audit(Audit.parse({"task": one, "limit": 50}), 1 << 20) for one in ids
        ],
        "histories": [tuple(one) for one in sql.histories(rows, ids, 20)],
        "old": database.look(
            partial(forgetting.page, "2026-01-01T00:00:00.500Z", forgetting.Place(), 3)
        ),
        "ids": database.look(partial(forgetting.ids, "", 100)),
        "removal": folded and database.look(partial(forgetting.removal, folded, 20)),
    }


def started(database: Database) -> Any:
    """Give what a daemon starts from."""
    opened = database.start()
    ids = sorted(database.look(partial(forgetting.ids, "", 100)))
    assert all(one in opened.known for one in ids)
    records = sorted(opened.records, key=repr)
    return opened.last_rev, opened.gaps_rev, sorted(opened.live, key=repr), records, ids


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=STEPS,
    asked=st.lists(st.tuples(ASKED, st.integers(1, 5)), max_size=4),
    fold_all=st.booleans(),
)
def test_the_same_history_gives_the_same_answers(
    engines: Engines,
    steps: list[tuple[Any, ...]],
    asked: list[tuple[tuple[Any, ...], int]],
    fold_all: bool,
) -> None:
    """Each row, body, page, cursor, count and entry of the audit; what is refused, too."""
    engines.empty()
    play(engines, steps)
    if fold_all:
        engines.fold()
    engines.check_rows()
    engines.same(lambda database: everything(database, sorted(engines.known)))
    for one, limit in asked:
        engines.same(lambda database, one=one, limit=limit: pages(database, engines, one, limit))
    engines.same(started)


def loaded(data: Path, settings: dict[str, str]) -> set[str]:
    """Give the packages that a daemon has imported by its end, after a write and a Query."""
    running = RunningDaemon(data, settings, command=[sys.executable, "-c", LOADED])
    with taskdash.connect(running.url, client="test") as dash:
        dash.ask("Register", id="t", name="n")
        assert len(dash.ask("Query", contains="n")["tasks"]) == 1
        dash.ask("Status", check=True)
    assert running.stop() == 0
    return {name.partition(".")[0] for name in (data / "loaded").read_text().split()}


@pytest.mark.sqlite("what its daemon imports")
def test_a_daemon_on_a_file_knows_nothing_of_postgresql(tmp_path: Path) -> None:
    """psycopg costs megabytes, and whoever has a file need not have it."""
    assert loaded(tmp_path, {}) & {"psycopg", "psycopg_binary", "apsw"} == {"apsw"}


def test_a_daemon_on_postgresql_imports_psycopg(server: None, tmp_path: Path) -> None:
    """The test before this one would else see nothing."""
    assert "psycopg" in loaded(tmp_path, {"store": postgres.store_of(tmp_path)})
