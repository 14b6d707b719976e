"""The statuses that mean something to the daemon, by name; any other text is a live task's."""

import warnings
from typing import Final

from taskdash_protocol import statuses
from taskdash_protocol.statuses import is_live

CHARACTERS_MAX: Final = 32
"""A longer status is a sentence, and no slip of the finger."""
KNOWN_MAX: Final = 1000

_MEANT: Final = {
    statuses.FINISHED: (
        "complete completed close closed done end ended ok succeeded success successful resolved"
        " 完成 已完成 已结束 结束 成功 已关闭"
    ),
    "failed": "crashed err error errored fail failure timeout 失败 已失败 错误",
    statuses.CANCELLED: "abort aborted cancel canceled deleted killed 取消 已取消 已删除",
}
_ENDS: Final = {word: meant for meant, words in _MEANT.items() for word in words.split()}

_looked_at: set[str] = set()


class Status:
    """Statuses as constants, so that a slip is the type checker's and not the daemon's to find.

    The first is live, as is every text that is not here; the next four end a task; the rest wait.
    """

    RUNNING: Final = "running"
    FINISH: Final = statuses.FINISHED
    FAILED: Final = "failed"
    CANCELLED: Final = statuses.CANCELLED
    SHUTDOWN: Final = statuses.SHUTDOWN
    """Set by the daemon, when the heartbeats stop."""
    PENDING: Final = "pending"
    REVIEW: Final = "review"
    UNCLAIMED: Final = statuses.UNCLAIMED
    CLAIMED: Final = statuses.CLAIMED
    EDITING: Final = statuses.EDITING
    IN_REVIEW: Final = statuses.IN_REVIEW
    DRAFT: Final = statuses.DRAFT
    TO_PERMIT: Final = statuses.TO_PERMIT
    CONDITIONAL: Final = statuses.CONDITIONAL
    QUEUED: Final = statuses.QUEUED


def warn_of_slip(status: object) -> None:
    """Warn, once for each word, of a status that is live and reads as if it were not."""
    if type(status) is not str or not is_live(status) or status in _looked_at:
        return
    if len(_looked_at) < KNOWN_MAX:
        _looked_at.add(status)
    if (meant := meant_by(status)) is None:
        return
    warnings.warn(
        f"the status {status!r} is live: the task will be shut down once nobody beats for it."
        f" Is {meant!r} meant? (taskdash.Status)",
        stacklevel=5,  # whoever calls the client: its face, the two within it, and this are ours
    )


def meant_by(status: str) -> str | None:
    """Give the status that is meant by a live one that reads like it; None where it is meant."""
    word = status.strip().lower()
    if not word or len(word) > CHARACTERS_MAX:
        return None
    if not is_live(word):
        return word  # "Finish", " pending"
    if word in _ENDS:
        return _ENDS[word]
    from difflib import get_close_matches  # only for a word that is new

    close = get_close_matches(word, statuses.ENDED, 1, 0.83)
    return close[0] if close else None
