"""Tell everyone in the office what your service is doing.

import taskdash

with taskdash.connect() as dash:
dash.register("backup-42", name="Nightly backup", user="wsg", status="running")
...                        # heartbeats go out by themselves
dash.update("backup-42", status="finish")
"""

from taskdash.client import Client, Event, Watch, connect
from taskdash.errors import (
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
    Unauthorized,
)
from taskdash.keeper import Keeper
from taskdash_protocol import __version__

__all__ = [
    "BadRequest",
    "Busy",
    "Client",
    "Conflict",
    "ConnectionError",
    "Event",
    "Keeper",
    "NotFound",
    "ProtocolError",
    "ServerError",
    "StorageError",
    "TaskDashError",
    "TimeoutError",
    "Unauthorized",
    "Watch",
    "__version__",
    "connect",
]
