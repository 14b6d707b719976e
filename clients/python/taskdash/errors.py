"""The errors that the client raises; all are `TaskDashError`."""

import builtins

from taskdash_protocol.conversation import ProtocolError
from taskdash_protocol.errors import (
    AuthError,
    BadRequest,
    Busy,
    Conflict,
    NotFound,
    ServerError,
    StorageError,
    TaskDashError,
)

__all__ = [
    "AuthError",
    "BadRequest",
    "Busy",
    "Conflict",
    "ConnectionError",
    "NotFound",
    "ProtocolError",
    "ServerError",
    "StorageError",
    "TaskDashError",
    "TimeoutError",
]


class ConnectionError(TaskDashError, builtins.ConnectionError):
    """The daemon cannot be reached, or the connection was lost before the reply came."""

    retryable = True


class TimeoutError(TaskDashError, builtins.TimeoutError):
    """No reply came in time. Whether the request was done is not known."""

    retryable = True
