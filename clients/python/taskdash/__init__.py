"""Tell everyone in the office what your service is doing.

    import taskdash

    with taskdash.connect() as dash:
        with dash.task("nightly-backup", user="wsg", group_id="mx") as task:
            for number in range(7):
                task.progress(number, 7)     # heartbeats go out by themselves

For trio and asyncio, see `taskdash.aio`; for tests, `taskdash.testing`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from taskdash_protocol import __version__

if TYPE_CHECKING:
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
    from taskdash.statuses import Status
    from taskdash.task import Task, TaskHandle, current_task
    from taskdash.watch import Watch

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
    "Status",
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

if not TYPE_CHECKING:
    # Import what a name stands for when it is first used: a program that only reads the version,
    # or starts a command before it reports, need not wait for all of it. Type checkers read the
    # imports above instead, and so still know a misspelt name.
    _HOMES = {
        "Event": "calls",
        "Client": "client",
        "connect": "client",
        "Status": "statuses",
        "Task": "task",
        "TaskHandle": "task",
        "current_task": "task",
        "Watch": "watch",
    }
    _MODULES = {"address", "calls", "client", "errors", "statuses", "task", "watch"}

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES})
