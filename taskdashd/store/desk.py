"""Where one look reads as often as it must, on the query thread: all that it reads is one state."""

from collections.abc import Iterable, Mapping

from taskdash_protocol.families.tasks import Query
from taskdashd.domain.access import Sight
from taskdashd.domain.search import Sought
from taskdashd.store import query
from taskdashd.store.dialect.engine import Engine
from taskdashd.store.dialect.rows import text
from taskdashd.store.dialect.sql import Rows
from taskdashd.store.query import Page

Unfolded = Mapping[str, int] | None
"""By task: the revs of changes that the fold could not take in, as on a full disk; mostly None."""


class Desk:
    """Reads for a look that is under way; of no use once the look has ended."""

    def __init__(self, engine: Engine, rows: Rows, unfolded: Unfolded) -> None:
        self._engine = engine
        self._rows = rows
        self._unfolded = unfolded

    def query(
        self, request: Query, sight: Sight | None, sought: Sought | None, bytes_max: int
    ) -> Page:
        """Read a page, as `Database.query` does; `sought` is what `contains` means."""
        if sought is not None:
            self._engine.test_by(sought)
        return query.read(request, sight, sought, bytes_max, self._unfolded, self._rows)

    def bodies(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Read tasks by id; those that are not there are left out."""
        wanted, late = [], []
        for task_id in ids:
            rev = (self._unfolded or {}).get(task_id)
            wanted.append(task_id) if rev is None else late.append(rev)
        found = self._rows.sql.loaded(self._rows, wanted, late)
        return {row[1]: text(*row[-2:]) for row in found}
