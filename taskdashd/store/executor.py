"""One thread that does blocking work in order, and brings each result back to the event loop."""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Protocol

Then = Callable[[Any], None]
"""Called on the event loop with what a job returned, or with the exception that it raised."""

CallSoon = Callable[..., None]
"""Run a callable with arguments on the event loop; safe to call from any thread."""


class Executor(Protocol):
    """Does jobs one after another, somewhere that may block."""

    def submit(self, job: Callable[[], Any], then: Then) -> None:
        """Queue a job."""


class ThreadExecutor:
    """An `Executor` on a thread of its own.

    Its queue has no bound of its own: the writer has at most two jobs in it, look-ups at most one,
    and what may take long is counted by the reader.
    """

    def __init__(self, name: str, call_soon: CallSoon) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Then] | None] = SimpleQueue()
        self._call_soon = call_soon
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], Any], then: Then) -> None:
        """Queue a job."""
        self._jobs.put((job, then))

    def close(self, timeout_s: float, *, drop: bool = False) -> bool:
        """Let the thread finish what is queued, or drop that; tell whether it ended in time."""
        with suppress(Empty):
            while drop:
                self._jobs.get_nowait()
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, then = item
            try:
                result = job()
            except Exception as error:  # `then` is told, and decides
                result = error
            self._call_soon(then, result)
