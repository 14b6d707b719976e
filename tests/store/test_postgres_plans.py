"""On PostgreSQL too an index serves each view of the board: no view reads or sorts all tasks.

What the planner chooses depends on the tables; whether it *can* do without a scan and a sort does
not. So both are made as good as forbidden.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from postgres import Cluster
from test_plans import COLUMNS, FILTERS, SEEN

from taskdash_protocol.families.tasks import Query
from taskdashd.store.database import Database
from taskdashd.store.dialect.postgres.session import spoken

GROWS = re.compile(
    r"Seq Scan on (task|change)"
    r"|\bSort +Sort Key:[^>]*-> +(Append +-> +)?(Index|Seq|Bitmap Heap)[^>]* on task"
)
"""A plan, in one line, that reads a whole table, or sorts what it reads of the tasks."""


class Explained:
    """A database that keeps the plans of the statements that read its pages."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.plans: list[str] = []
        engine: Any = database.engine
        read = engine.read
        for name in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            engine.querier.live().execute(f"SET enable_{name} = off")

        def explaining(session: Any, statement: str, parameters: Any) -> Iterator[Any]:
            if not statement.startswith("SELECT count"):
                explain = f"EXPLAIN (COSTS OFF) {spoken(statement)}"
                rows = session.live().execute(explain, parameters).fetchall()
                self.plans.append(" ".join(line for (line,) in rows))
            return read(session, statement, parameters)  # type: ignore[no-any-return]

        engine.read = explaining

    def of(self, body: dict[str, Any], sight: Any = None) -> list[str]:
        """Give the plans of a page."""
        self.plans = []
        self.database.query(Query.parse({**body, "limit": 60}), 1 << 20, None, sight)
        return self.plans


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explained]:
    cluster = Cluster()
    directory = tmp_path_factory.mktemp("plans")
    database = Database.open(directory, store=cluster.dsn("postgres"))
    yield Explained(database)
    database.close()
    cluster.remove()


@pytest.mark.parametrize("order", ["-rev", "rev"])
def test_an_index_serves_each_view_of_the_board(explained: Explained, order: str) -> None:
    seen = 0
    for column, chosen, sight in itertools.product(COLUMNS, FILTERS, (None, SEEN)):
        plans = explained.of({"where": {**column, **chosen}, "order": order}, sight)
        seen += len(plans)
        assert not [plan for plan in plans if GROWS.search(plan)], (column, chosen)
    assert seen >= len(COLUMNS) * len(FILTERS)


def test_an_order_that_no_index_serves_is_seen(explained: Explained) -> None:
    assert any(GROWS.search(plan) for plan in explained.of({"order": "task_type"}))
