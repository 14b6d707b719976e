"""No statement looks through a whole table once for each row of another: such a cost is a product.

`check` did, and with a backup asked for each minute a file of 77,000 changes took thirteen minutes.
Nor does a view of the board look through a whole table, or sort one: newest first took 600 ms among
300,000 tasks.
"""

import itertools
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from unittest import mock

import apsw
import pytest

from taskdash_protocol.families.tasks import Query
from taskdashd.domain.access import Sight
from taskdashd.store import audit, cursors, forgetting, plans
from taskdashd.store.database import Database
from taskdashd.store.dialect import sql as shared
from taskdashd.store.dialect.sqlite import checks, texts
from taskdashd.store.dialect.sqlite import engine as dialect
from taskdashd.store.dialect.sqlite import labels as labelled
from taskdashd.store.dialect.sqlite import sql as sqlite_sql
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME
from taskdashd.store.dialect.sqlite.sql import SqliteSql

pytestmark = pytest.mark.sqlite("plans of statements, as SQLite makes them")

LARGE = re.compile(r"SCAN (change|task|act|t|c|p|e|x)\b")
"""Steps of a plan that read a whole table which grows, under its own name or an alias of ours."""


def statements() -> dict[str, str]:
    """Give every statement that is written out in the store, by where it stands."""
    found = {
        f"{where}.{name}": value
        for where, given in (
            *((one.__name__, vars(one)) for one in (audit, dialect, forgetting, labelled)),
            *((one.__name__, vars(one)) for one in (shared, sqlite_sql, texts)),
            ("SqliteSql", vars(SqliteSql())),
        )
        for name, value in given.items()
        if type(value) is str and re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", value)
    }
    for statement, what, _cure in (*checks.CHECKS, *checks.CHECKS_OF_NEW):
        found[f"check: {what}"] = statement
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    data = tmp_path_factory.mktemp("plans")
    Database.open(data).close()
    with closing(apsw.Connection(str(data / DATABASE_NAME))) as connection:
        for name in ("crc32", "text_crc", "labels"):
            connection.create_scalar_function(name, lambda *_values: 0)
        yield connection


def products(plan: list[tuple[int, int, str]]) -> Iterator[str]:
    """Give the steps of a plan that read a whole table for each row of something else.

    A row of a plan is its id, its parent's and what it does. The loops of a join are siblings, the
    inner ones behind the outer; a correlated subquery runs once for each row of what is around it.
    """
    parents = {one: parent for one, parent, _ in plan}
    words = {one: what for one, _, what in plan}
    loops: set[int] = set()
    for _, parent, what in plan:
        above = parent
        inside = False
        while above:
            inside = inside or words[above].startswith("CORRELATED")
            above = parents[above]
        if LARGE.match(what) and (inside or parent in loops):
            yield what
        if what.startswith(("SCAN", "SEARCH")):
            loops.add(parent)


def parameters(statement: str) -> Iterator[tuple[int, str]]:
    return ((one.start(), one[0]) for one in re.finditer(r"\?\d*", statement))


@pytest.mark.parametrize("where", statements())
def test_no_statement_scans_inside_a_loop(database: apsw.Connection, where: str) -> None:
    statement = statements()[where]
    # A parameter with a name or a number may stand in several places.
    named = dict.fromkeys(re.findall(r":([a-z_]+)", statement))
    marks = {mark if mark != "?" else at for at, mark in parameters(statement)}
    given = named or [None] * len(marks)
    rows = database.execute(f"EXPLAIN QUERY PLAN {statement}", given)
    plan = [(int(one), int(parent), str(what)) for one, parent, _, what in rows]
    assert not list(products(plan)), plan


def test_a_product_is_seen(database: apsw.Connection) -> None:
    """The rule finds the statement that it is made for, and a join that no index serves."""
    for statement in (
        """SELECT count(*) FROM task AS t WHERE NOT EXISTS (
               SELECT 1 FROM change WHERE change.task_id = t.id)""",
        "SELECT count(*) FROM act AS x CROSS JOIN change AS c ON c.kind LIKE x.kind",
    ):
        rows = database.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = [(int(one), int(parent), str(what)) for one, parent, _, what in rows]
        assert list(products(plan)), plan


SEEN = Sight(frozenset({"", "g1", "g2"}), "u1")
COLUMNS = (
    *({"status": ["待领取", "pending"]}, {"status": ["已领取"]}, {"status": ["编辑中"]}),
    *({"status": ["待审核", "review"]}, {"class": ["live"]}, {"status": ["shutdown", "failed"]}),
    *({"status": ["finish", "finished", "cancelled"]}, {"class": "waiting"}, {}),
    {"status": ["草稿", "待批准", "待触发", "待执行"]},
)
FILTERS = (
    *({}, {"group_id": "g1"}, {"user": "u1"}, {"user": ""}, {"checker": "u1"}),
    *({"project_id": "p1"}, {"parent_id": "t1"}, {"url": "http://s"}),
    {"group_id": "g3", "user": "u1"},
    {"acknowledged": ["no", "seen"]},
    *({"labels": "urgent"}, {"labels": ["urgent", "later"]}, {"labels": "urgent", "user": "u1"}),
)
GROWS = re.compile(
    r"SCAN (task|change|t|c|m)\b|SCAN task_gram VIRTUAL TABLE INDEX 0|USE TEMP B-TREE"
)
"""Steps whose cost grows with the tasks: a scan, or sorting."""


class Explained(Database):
    """A database that keeps the plans of the statements that read its pages."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.plans: list[tuple[str, str]] = []
        read = self.engine.read

        def explaining(session: Any, statement: str, parameters: Any) -> Iterator[Any]:
            explain = f"EXPLAIN QUERY PLAN {statement}"
            rows = session.connection().execute(explain, parameters)
            self.plans += [(statement, step) for *_, step in rows]
            return read(session, statement, parameters)

        self.engine.read = explaining  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    explained = Explained.open(tmp_path_factory.mktemp("views"))
    yield explained
    explained.close()


@pytest.mark.parametrize("contains", ["", "render 报告"])
@pytest.mark.parametrize("order", ["-rev", "rev"])
def test_a_view_of_the_board_scans_and_sorts_nothing(
    explained: Explained, order: str, contains: str
) -> None:
    """Each column with each filter, for who sees all and who does not, the first page and later."""
    after = cursors.write(order, "t1", 7, 7)
    for column, chosen, sight, more in itertools.product(
        COLUMNS, FILTERS, (None, SEEN), ({}, {"after": after})
    ):
        body = {"where": {**column, **chosen}, "order": order, "contains": contains, **more}
        # Few tasks would be read without the index of texts.
        with mock.patch.object(plans, "TESTED_MAX", 0):
            explained.query(Query.parse({**body, "limit": 60}), 1 << 20, None, sight)
    plan, explained.plans = explained.plans, []
    assert len(plan) > len(COLUMNS) * len(FILTERS)
    assert not [(sql, step) for sql, step in plan if GROWS.match(step)]


def test_a_list_of_all_by_time_id_or_name_is_read_in_its_order(explained: Explained) -> None:
    for order in ("-updated_at", "updated_at", "id", "-id", "name", "-name"):
        with mock.patch.multiple(plans, GATHERED_MAX=0, GATHERED_AT_ALL=0):
            explained.query(Query.parse({"order": order}), 1 << 20)
    plan, explained.plans = explained.plans, []
    assert not [(sql, step) for sql, step in plan if step.startswith("USE TEMP B-TREE")]


def test_a_column_by_priority_sorts_no_more_than_those_without_one(explained: Explained) -> None:
    """Of tasks with a priority of their own a page is read; the others are walked by their ids."""
    for order, column in itertools.product(("priority", "-priority"), COLUMNS):
        with mock.patch.multiple(plans, GATHERED_MAX=0, GATHERED_AT_ALL=0):
            explained.query(Query.parse({"where": column, "order": order}), 1 << 20)
    plan, explained.plans = explained.plans, []
    sorts = {sql for sql, step in plan if step.startswith(("USE TEMP B-TREE", "SCAN"))}
    assert any("task_priority" in sql for sql, _ in plan)
    assert not [sql for sql in sorts if "task_priority" in sql]


def test_a_plan_that_grows_is_seen(explained: Explained) -> None:
    """The rule finds an order that no index serves."""
    explained.query(Query.parse({"order": "task_type"}), 1 << 20)
    plan, explained.plans = explained.plans, []
    assert [step for _, step in plan if GROWS.match(step)]
