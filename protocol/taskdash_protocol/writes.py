"""The bodies of Register and Update: known strings are checked, unknown members kept as sent.

Written by hand and for speed, since the daemon reads Register and Update more often than anything
else; `families/tasks.py` declares both in the same words as all other requests.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from taskdash_protocol.errors import BadRequest
from taskdash_protocol.fields import (
    CONTROL_FIELDS,
    DAEMON_FIELDS,
    DAEMON_OBJECTS,
    HEARTBEAT_TIMEOUT_MAX_S,
    HEARTBEAT_TIMEOUT_MIN_S,
    PEOPLE_FIELDS,
    TASK_FIELDS,
)
from taskdash_protocol.readers import (
    ID,
    STRING,
    boolean,
    check_boolean,
    check_string,
    declare,
    integer,
    seconds,
    without_credentials,
)
from taskdash_protocol.request import Reader, reader_of

_REPLY_FIELDS: Final = ("errid", "errmsg")
NOT_KEPT: Final = frozenset(
    (*DAEMON_FIELDS, *DAEMON_OBJECTS, *PEOPLE_FIELDS, *CONTROL_FIELDS, *_REPLY_FIELDS)
)
"""Members of a Register or Update that are no part of the task."""

_DEFAULTS: Final = dict.fromkeys(TASK_FIELDS, "")
_task_values: Final = itemgetter(*TASK_FIELDS)


def of_register(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give all client fields of a task, absent ones as empty strings. Raises `BadRequest`."""
    if "name" not in body:
        raise BadRequest("field name is required")
    fields = {**_DEFAULTS, **body}
    # Join the strings and search once: to check each of fifteen in turn takes longer, and every
    # Register would pay for it. Only if the search fails, check each, to name the wrong field.
    try:
        plain = "\0" not in "".join(_task_values(fields))
    except TypeError:
        plain = False
    if not plain:
        for name in TASK_FIELDS:
            check_string(name, fields[name])
    if "@" in fields["url"]:
        fields["url"] = without_credentials(fields["url"])
    return fields


def of_update(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give the members of an Update, its strings checked. Raises `BadRequest`."""
    for name in body.keys() & TASK_FIELDS.keys():
        check_string(name, body[name])
    fields = dict(body)
    if "url" in fields:
        fields["url"] = without_credentials(fields["url"])
    return fields


def kept(fields: dict[str, Any]) -> dict[str, Any]:
    """Delete the members that are no part of the task, in place, and give the rest."""
    for name in fields.keys() & NOT_KEPT:
        del fields[name]
    return fields


def check_own(body: Mapping[str, Any]) -> None:
    """Refuse a Register whose `own` is false, as only an Update's may be. Raises `BadRequest`."""
    own = body.get("own")
    if own is not None and not check_boolean("own", own):
        raise BadRequest("field own: only an Update can leave a task to its owner")


def steering(body: Mapping[str, Any]) -> tuple[float | None, int | None, bool | None]:
    """Give `heartbeat_timeout`, `epoch` and `fenced`, None if left out. Raises `BadRequest`."""
    own_timeout, believed = body.get("heartbeat_timeout"), body.get("epoch")
    fences = body.get("fenced")
    if own_timeout is not None:
        _TIMEOUT.read("heartbeat_timeout", own_timeout)
    if believed is not None:
        _EPOCH.read("epoch", believed)
    if fences is not None:
        check_boolean("fenced", fences)
    return own_timeout, believed, fences


def registered() -> Any:
    """Declare the task of a Register."""

    def read(_name: str, body: Any) -> dict[str, Any]:
        fields = of_register(body)
        check_own(body)
        return kept(fields)

    return declare(Reader(_WHOLE, read, {**_TASK, "required": ["name"]}, of_body=True))


def updated() -> Any:
    """Declare the changes of an Update."""
    return declare(Reader(_WHOLE, lambda _name, body: kept(of_update(body)), _TASK, of_body=True))


def timeout() -> Any:
    """Declare the heartbeat timeout, in seconds, that a write gives its task."""
    low, high = HEARTBEAT_TIMEOUT_MIN_S, HEARTBEAT_TIMEOUT_MAX_S
    return seconds(CONTROL_FIELDS["heartbeat_timeout"], low, high, default=None)


def epoch() -> Any:
    """Declare the epoch that a write takes for the current one."""
    return integer(CONTROL_FIELDS["epoch"], default=None)


def fenced() -> Any:
    """Declare whether a write fences its task."""
    return boolean(CONTROL_FIELDS["fenced"], default=None)


_TIMEOUT: Final = reader_of(timeout())
_EPOCH: Final = reader_of(epoch())
_WHOLE: Final = "The task's fields as the client wrote them, unknown ones included."
_TASK: Final = {
    "type": "object",
    "properties": {
        name: {**(ID if name == "id" else STRING), "description": about}
        for name, about in TASK_FIELDS.items()
    },
}
