"""What schemathesis must not try of `/api/v1`: what no schema can say, and the daemon refuses."""

from typing import Any

import schemathesis

from taskdash_protocol.strictjson import INT_MAX, INT_MIN


@schemathesis.hook
def filter_body(_: Any, body: Any) -> bool:
    """Leave out integers that do not fit 64 bits, however deep: no field's own schema has them."""
    return not _is_huge(body)


def _is_huge(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_huge, value.values()))
    if isinstance(value, list):
        return any(map(_is_huge, value))
    return isinstance(value, int) and not INT_MIN <= value <= INT_MAX
