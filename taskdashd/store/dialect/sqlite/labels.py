"""The index of labels: a row for each label of a task, as it is compared, kept with the fold."""

from collections.abc import Callable
from typing import Any, Final

import orjson

from taskdash_protocol import strictjson
from taskdashd.domain.labels import compared, labels_of

CHANGED: Final = """
DELETE FROM task_label WHERE id IN (SELECT task_id FROM change WHERE rev > ? AND rev <= ?)
"""
# Most tasks have none: the text is looked at first, and parsed only where it may have some.
LABELLED: Final = """
SELECT c.task_id, CAST(c.task AS BLOB) FROM change AS c CROSS JOIN task AS t
WHERE c.rev > ? AND c.rev <= ? AND instr(c.task, '"labels":[')
AND t.id = c.task_id AND t.rev = c.rev
"""
ADD: Final = """
INSERT INTO task_label (id, label, state, rev)
SELECT t.id, wanted.value->>1, t.state, t.rev
FROM json_each(?) AS wanted CROSS JOIN task AS t ON t.id = wanted.value->>0
"""
LEFT: Final = """
SELECT count(*) FROM task_label AS l LEFT JOIN task AS t ON t.id = l.id
WHERE (t.rev, t.state) IS NOT (l.rev, l.state)
"""
MISSING: Final = """
SELECT count(*) FROM task AS t CROSS JOIN change AS c ON c.rev = t.rev
WHERE instr(c.task, '"labels":[') AND labels(c.task) IS NOT (
    SELECT json_group_array(label)
    FROM (SELECT label FROM task_label WHERE id = t.id ORDER BY label)
)
"""
"""`labels` is `sorted_labels`."""


def fold(run: Callable[[str, tuple[Any, ...]], Any], after_rev: int, to_rev: int) -> None:
    """Index the labels of the tasks that were just folded."""
    (some,) = run("SELECT EXISTS (SELECT 1 FROM task_label)", ()).fetchone()
    if some:
        run(CHANGED, (after_rev, to_rev))
    found = run(LABELLED, (after_rev, to_rev)).fetchall()
    rows = [(task_id, label) for task_id, body in found for label in _labels(body)]
    if rows:
        run(ADD, (orjson.dumps(rows).decode(),))


def sorted_labels(*values: Any) -> str:
    """Give the labels of a task, in JSON, as the index should have them."""
    return orjson.dumps(_labels(str(values[0]).encode())).decode()


def _labels(body: bytes) -> list[str]:
    try:
        return sorted(set(map(compared, labels_of(strictjson.reload(body)))))
    except ValueError:
        # A damaged row must not stop the fold for all others; `check` names it.
        return []
