"""The three classes a task's status can fall in (wire contract, "Liveness").

Statuses are free text. Two short lists say which are not supervised; everything else is live.
"""

from typing import Final, Literal, get_args

StatusClass = Literal["live", "waiting", "ended"]

CLASSES: Final = get_args(StatusClass)

SHUTDOWN: Final = "shutdown"
"""The status that the daemon sets when a live task's heartbeats stop."""

ENDED: Final = frozenset({"finish", "finished", "failed", "cancelled", SHUTDOWN})
"""Statuses of a task that is over: no heartbeats are expected for it."""

UNCLAIMED: Final = "待领取"
CLAIMED: Final = "已领取"
EDITING: Final = "编辑中"
IN_REVIEW: Final = "待审核"
FINISHED: Final = "finish"
CANCELLED: Final = "cancelled"

FREE: Final = frozenset({UNCLAIMED, "pending"})
"""Statuses of a task that waits for somebody to take it."""

DRAFT: Final = "草稿"
TO_PERMIT: Final = "待批准"
"""A task that waits for the yes to begin."""
CONDITIONAL: Final = "待触发"
"""A job whose conditions are not met."""
QUEUED: Final = "待执行"
"""A job that is ready, in its queue."""

OF_PEOPLE: Final = frozenset(
    {UNCLAIMED, CLAIMED, EDITING, IN_REVIEW, "pending", "review", DRAFT, TO_PERMIT}
)
"""Statuses of a task that waits for a person: unclaimed, claimed, being edited, in review, or not
begun; of the English words, `pending` means the first and `review` the fourth. A task that was once
in one of them is people's for good."""

HAD: Final = frozenset({CLAIMED, EDITING, IN_REVIEW, "review"})
"""Statuses of a task that people have: a Register keeps what they have."""

WAITING: Final = OF_PEOPLE | {CONDITIONAL, QUEUED}
"""Statuses of a task that waits for a person, a condition or an executor."""

UNSUPERVISED: Final = ENDED | WAITING


def is_live(status: str) -> bool:
    """Tell whether a task of this status is supervised. The empty status is live."""
    return status not in UNSUPERVISED


def status_class(status: str) -> StatusClass:
    """Give the class that a status falls in."""
    if status in ENDED:
        return "ended"
    return "waiting" if status in WAITING else "live"
