"""What a `where` selects, of tasks at hand. Rules only; `store/plans.py` has the same in SQL."""

from collections.abc import Mapping
from typing import Any

from taskdash_protocol.fields import CLASS
from taskdash_protocol.statuses import status_class


def matches(where: Mapping[str, frozenset[str]], fields: Mapping[str, Any]) -> bool:
    """Tell whether a task's fields satisfy a Watch's `where`: every field has a wanted value."""
    return all(
        (status_class(fields["status"]) if name == CLASS else fields[name]) in wanted
        for name, wanted in where.items()
    )
