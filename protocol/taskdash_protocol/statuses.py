"""The three classes a task's status can fall in (wire contract, "Liveness").

Statuses are free text. Two short lists say which are not supervised; everything else is live.
"""

from typing import Final, Literal, get_args

StatusClass = Literal["live", "waiting", "ended"]

CLASSES: Final = get_args(StatusClass)

SHUTDOWN: Final = "shutdown"
"""What the daemon sets when a live task's heartbeats stop."""

ENDED: Final = frozenset({"finish", "finished", "failed", "cancelled", SHUTDOWN})
"""The task is over; nobody is expected to beat for it."""

UNCLAIMED: Final = "待领取"
CLAIMED: Final = "已领取"
EDITING: Final = "编辑中"
IN_REVIEW: Final = "待审核"
FINISHED: Final = "finish"

FREE: Final = frozenset({UNCLAIMED, "pending"})
"""The task waits for somebody to take it."""

WAITING: Final = frozenset({UNCLAIMED, CLAIMED, EDITING, IN_REVIEW, "pending", "review"})
"""The task waits for a person: unclaimed, claimed, being edited, in review; the English words mean
the first and the last of these."""

UNSUPERVISED: Final = ENDED | WAITING


def is_live(status: str) -> bool:
    """Tell whether a task of this status is supervised. The empty status is live."""
    return status not in UNSUPERVISED


def status_class(status: str) -> StatusClass:
    """Name the class of a status, for people and colours."""
    if status in ENDED:
        return "ended"
    return "waiting" if status in WAITING else "live"
