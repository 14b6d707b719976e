"""The threads that may block: for commits, for loading tasks, for long queries, for passwords."""

from collections.abc import Callable
from typing import NamedTuple

from taskdashd.store.executor import CallSoon, ThreadExecutor


class Threads(NamedTuple):
    """The threads, started; the one for passwords starts when needed."""

    writing: ThreadExecutor
    reading: ThreadExecutor
    querying: ThreadExecutor
    start_hashing: Callable[[], ThreadExecutor]
    """Starts the thread for passwords, with the first of them: most offices never need it."""

    @classmethod
    def start(cls, call_soon: CallSoon) -> "Threads":
        """Start the threads; `call_soon` brings their results to the event loop."""

        def start(name: str) -> ThreadExecutor:
            return ThreadExecutor.start(f"taskdashd-{name}", call_soon)

        return cls(start("writer"), start("reader"), start("query"), lambda: start("password"))
