"""No statement looks through a whole table once for each row of another: such a cost is a product.

`check` did, and with a backup asked for each minute a file of 77,000 changes took thirteen minutes.
"""

import re
from collections.abc import Iterator
from contextlib import closing

import apsw
import pytest

from taskdashd.store import audit, backup, dialect, forgetting
from taskdashd.store.database import DATABASE_NAME, Database

LARGE = re.compile(r"SCAN (change|task|act|t|c|p|e|x)\b")
"""Steps of a plan that read a whole table which grows, under its own name or an alias of ours."""


def statements() -> dict[str, str]:
    """Give every statement that is written out in the store, by where it stands."""
    found = {
        f"{module.__name__}.{name}": value
        for module in (dialect, audit, forgetting)
        for name, value in vars(module).items()
        if type(value) is str and re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", value)
    }
    for statement, what, _cure in (*backup._CHECKS, *backup._CHECKS_OF_NEW):
        found[f"check: {what}"] = statement
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    data = tmp_path_factory.mktemp("plans")
    Database.open(data).close()
    with closing(apsw.Connection(str(data / DATABASE_NAME))) as connection:
        for name in ("crc32", "text_crc"):
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
    # A parameter with a number may stand in several places.
    given = [None] * len({mark if mark != "?" else at for at, mark in parameters(statement)})
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
