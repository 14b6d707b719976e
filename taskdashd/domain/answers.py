"""What somebody answers when a task has died or failed. Rules only."""

from collections.abc import Mapping
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.fields import ACKNOWLEDGED, ANSWERS
from taskdash_protocol.statuses import SHUTDOWN

DIED: Final = (SHUTDOWN, "failed")
"""The statuses of a task that died or failed: somebody should have seen it."""
_MEMBER: Final = b'"%b":' % ACKNOWLEDGED.encode()


def is_acknowledged(body: bytes) -> bool:
    """Tell by a task's body whether somebody has acknowledged that it died or failed."""
    # An object of a client's own may have a member of the same name: parse what has these bytes.
    return body.find(_MEMBER) >= 0 and ACKNOWLEDGED in strictjson.reload(body)


def answer_of(fields: Mapping[str, Any]) -> str:
    """Give which of `ANSWERS` a task has."""
    nobody, seen, hidden = ANSWERS
    answered = fields.get(ACKNOWLEDGED)
    if answered is None:
        return nobody
    return hidden if type(answered) is dict and answered.get("hide") is True else seen


def after_change_of_status(members: dict[str, Any]) -> None:
    """Take out what does not outlive a change of a task's status, whoever makes it."""
    members.pop(ACKNOWLEDGED, None)
