"""What a `where` selects, of tasks at hand. Rules only; `store/plans.py` has the same in SQL."""

from collections.abc import Mapping
from typing import Any

from taskdash_protocol.fields import ACKNOWLEDGED, CLASS, LABELS
from taskdash_protocol.statuses import status_class
from taskdashd.domain.answers import answer_of
from taskdashd.domain.labels import has_one_of


def matches(where: Mapping[str, frozenset[str]], fields: Mapping[str, Any]) -> bool:
    """Tell whether a task's fields satisfy a Watch's `where`: every field has a wanted value."""
    for name, wanted in where.items():
        if name == LABELS:
            matches = has_one_of(wanted, fields)
        elif name == ACKNOWLEDGED:
            matches = answer_of(fields) in wanted
        else:
            matches = (status_class(fields["status"]) if name == CLASS else fields[name]) in wanted
        if not matches:
            return False
    return True
