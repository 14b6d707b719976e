"""Cursors say where a page of a Query ended: opaque to clients, and stable while tasks change."""

import base64
from typing import Any, Final, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest

_KEY_CHARACTERS_MAX: Final = 256


class Cursor(NamedTuple):
    """A place in an order: behind the task `id`."""

    key: str | int | None
    """The task's value of the field that the order sorts by. None where it is too long to carry:
    then it is read from the change at `rev`."""
    id: str
    rev: int


def write(order: str, task_id: str, rev: int, key: Any) -> str:
    """Encode the place behind a task that ends a page."""
    # Leave a long key out: the cursor must fit into a frame, however long the field's text is.
    short = type(key) is int or len(key) <= _KEY_CHARACTERS_MAX
    cursor = [order, key if short else None, task_id, rev]
    return base64.urlsafe_b64encode(strictjson.dumps(cursor)).decode()


def read(cursor: str, order: str) -> Cursor:
    """Decode a cursor. Raises `BadRequest` for one that is malformed or made for another order."""
    fault = BadRequest("field after is not a cursor that a reply gave as next for this order")
    try:
        value = strictjson.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (ValueError, BadRequest):
        raise fault from None
    if (
        type(value) is not list
        or len(value) != 4
        or value[0] != order
        or type(value[1]) not in (str, int, type(None))
        or type(value[2]) is not str
        or type(value[3]) is not int
    ):
        raise fault
    return Cursor(*value[1:])
