"""A class for each errid (wire contract, "Errors"), and the one fault that ends a stream.

A `ServerError` is ordinary: it is answered, and the connection goes on. A `FrameError` is fatal:
past it the bytes of the stream mean nothing any more. The two share no base below
`TaskDashError`, so that no handler takes the one for the other.
"""

import re
from typing import ClassVar, Final, Literal, Self, TypeVar, Union

Cause = Literal[
    "",
    "admin",
    "blank",
    "calendar-ends",
    "changed",
    "characters",
    "checker",
    "crowd",
    "exists",
    "fetch-not-allowed",
    "in-use",
    "lead",
    "looks-like",
    "meant",
    "name-required",
    "no-answer",
    "no-calendar",
    "no-person",
    "no-service",
    "no-task",
    "no-view",
    "nobody-fits",
    "no-number",
    "not-active",
    "not-for-people",
    "not-in-group",
    "not-yours",
    "own-work",
    "password-required",
    "short-password",
    "stale",
    "taken",
    "too-late",
    "too-long",
    "too-many-groups",
    "too-many-labels",
    "too-many-people",
    "too-many-tasks",
    "too-many-tries",
    "too-many-views",
    "too-many-words",
    "wrong-password",
    "wrong-sign-in",
    "wrong-state",
]
"""The cause of a refusal, as a word for programs (PROTOCOL.md, "Causes"); empty where none fits."""

_HELD: Final = re.compile(r": held by (.*) since \S+ with epoch \d+$", re.DOTALL)


class TaskDashError(Exception):
    """The base of the exceptions that TaskDash itself raises."""

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without being changed."""


class FrameError(TaskDashError):
    """A frame's length is 0 or above the limit: where the next frame begins is unknown.

    `start` holds the bytes that were taken for the frame, as far as they had come.
    """

    def __init__(self, why: str, start: bytes = b"") -> None:
        super().__init__(why)
        self.start = start


class ServerError(TaskDashError):
    """A request that was answered with an errid other than 0.

    Raised by the daemon's rules with a `detail` (one English sentence that names the field and
    the fault), and by the client when such a reply comes back.
    """

    errid: int = -1
    errmsg: str = ""

    def __init__(self, detail: str, *, errid: int | None = None, errmsg: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.task_id: str | None = None
        """The id of the task that the refusal is about; None where that is unknown."""
        self.cause: str = ""
        """A `Cause`, or the word of a newer daemon for one that is unknown here."""
        self.values: dict[str, str] = {}
        """Details of the cause, by the names that PROTOCOL.md gives them."""
        if errid is not None:
            self.errid = errid
        if errmsg is not None:
            self.errmsg = errmsg

    def because(self, cause: Cause, **values: str) -> Self:
        """Add the cause, from which a program can word the refusal in its reader's language."""
        self.cause, self.values = cause, values
        return self


class BadRequest(ServerError):
    """1000: the frame, header, JSON, or a field's type or size is wrong."""

    errid = 1000
    errmsg = "请求格式不正确"


class StorageError(ServerError):
    """1001: the write did not reach the disk, and nothing of it is kept."""

    errid = 1001
    errmsg = "数据库存储失败"
    retryable = True


class NotFound(ServerError):
    """1002: no task has that id."""

    errid = 1002
    errmsg = "不存在该任务id"


class AuthError(ServerError):
    """1003: no or wrong credentials, or this identity may not do that."""

    errid = 1003
    errmsg = "未授权"


class Conflict(ServerError):
    """1004: the change lost to another writer, or the rules forbid it."""

    errid = 1004
    errmsg = "冲突"

    @classmethod
    def held(cls, why: str, holder: str, since: str, epoch: int) -> Self:
        """Build the refusal that names the task's holder, which `holder` reads out of it again."""
        return cls(f"{why}: held by {holder} since {since} with epoch {epoch}")

    @property
    def holder(self) -> str | None:
        """The task's holder (client name and address); None where the refusal names none."""
        match = _HELD.search(self.detail)
        return None if match is None else match[1]


class Busy(ServerError):
    """1005: over a limit; nothing was done, try again later."""

    errid = 1005
    errmsg = "服务繁忙"
    retryable = True


T = TypeVar("T")

Outcome = Union[T, ServerError]  # noqa: UP007  # `|` makes no alias that takes a parameter
"""The outcome of an operation, a look at the disk, a hash or a fetch: a value, or a refusal."""


def unexpected_fault() -> StorageError:
    """Give the error that a peer is told for a fault of the daemon; the log has the fault whole."""
    return StorageError("an unexpected fault: it was logged")


OK_ERRMSG: Final = "正确"

BY_ERRID: Final[dict[int, type[ServerError]]] = {
    error.errid: error for error in (BadRequest, StorageError, NotFound, AuthError, Conflict, Busy)
}


def from_reply(errid: int, errmsg: str, detail: str) -> ServerError:
    """Build the exception for a reply: a plain `ServerError` where the errid is unknown here."""
    known = BY_ERRID.get(errid)
    if known is not None:
        return known(detail or errmsg, errmsg=errmsg)
    return ServerError(detail or errmsg, errid=errid, errmsg=errmsg)
