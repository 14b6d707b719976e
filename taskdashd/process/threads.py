"""The threads that may block: one commits, one looks tasks up, one does what takes long."""

from collections.abc import Callable
from typing import NamedTuple

from taskdashd.store.executor import CallSoon, ThreadExecutor


class Threads(NamedTuple):
    """All of them, running."""

    writing: ThreadExecutor
    reading: ThreadExecutor
    querying: ThreadExecutor
    start_hashing: Callable[[], ThreadExecutor]
    """Most offices never need a thread for passwords: it is started with the first of them."""

    @classmethod
    def start(cls, call_soon: CallSoon) -> "Threads":
        """Start them; their results come back by `call_soon`."""

        def start(name: str) -> ThreadExecutor:
            return ThreadExecutor.start(f"taskdashd-{name}", call_soon)

        return cls(start("writer"), start("reader"), start("query"), lambda: start("password"))
