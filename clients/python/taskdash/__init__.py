"""Tell everyone in the office what your service is doing.

    import taskdash

    with taskdash.connect() as dash:
        with dash.task("nightly-backup", user="wsg", group_id="mx") as task:
            for number in range(7):
                task.progress(number, 7)     # heartbeats go out by themselves

For trio and asyncio, see `taskdash.aio`; for tests, `taskdash.testing`.
"""

import logging

from taskdash.calls import Event
from taskdash.client import Client, connect
from taskdash.errors import (
    AuthError,
    BadRequest,
    Busy,
    Conflict,
    ConnectionError,
    NotFound,
    ProtocolError,
    ServerError,
    StorageError,
    TaskDashError,
    TimeoutError,
)
from taskdash.task import Task, TaskHandle, current_task
from taskdash.watch import Watch
from taskdash_protocol import __version__

# Silent unless the program configures logging (logging, "Configuring Logging for a Library").
logging.getLogger("taskdash").addHandler(logging.NullHandler())

__all__ = [
    "AuthError",
    "BadRequest",
    "Busy",
    "Client",
    "Conflict",
    "ConnectionError",
    "Event",
    "NotFound",
    "ProtocolError",
    "ServerError",
    "StorageError",
    "Task",
    "TaskDashError",
    "TaskHandle",
    "TimeoutError",
    "Watch",
    "__version__",
    "connect",
    "current_task",
]
