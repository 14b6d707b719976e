"""One thread that does blocking work in order, and brings each result back to the event loop."""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Protocol, Self, TypeVar

import structlog

from taskdash_protocol.errors import Outcome, ServerError, unexpected_fault

T = TypeVar("T")

Then = Callable[[Outcome[T]], None]
"""Called on the event loop with a job's result, or with the `ServerError` that ended the job."""

CallSoon = Callable[..., None]
"""Run a callable with arguments on the event loop; safe to call from any thread."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Executor(Protocol):
    """Does jobs one after another, somewhere that may block."""

    def submit(self, job: Callable[[], T], then: Then[T]) -> None:
        """Queue a job."""


def outcome_of(job: Callable[[], T]) -> Outcome[T]:
    """Run a job; give its result, its refusal, or, once logged, any other exception as a fault."""
    try:
        return job()
    except ServerError as refusal:
        return refusal.with_traceback(None)
    except Exception:
        log.exception("unexpected fault in a job")
        return unexpected_fault()


class ThreadExecutor:
    """An `Executor` on a thread of its own.

    The queue has no bound of its own: the writer has at most two jobs in it, look-ups at most one,
    and `SlowReads` bounds the long jobs.
    """

    def __init__(self, name: str, call_soon: CallSoon) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Then[Any]] | None] = SimpleQueue()
        self._call_soon = call_soon
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @classmethod
    def start(cls, name: str, call_soon: CallSoon) -> Self:
        """Start an executor on a thread of this name."""
        executor = cls(name, call_soon)
        executor._thread.start()
        return executor

    def submit(self, job: Callable[[], T], then: Then[T]) -> None:
        """Queue a job."""
        self._jobs.put((job, then))

    def close(self, timeout_s: float, *, drop: bool = False) -> bool:
        """Let the thread finish the queued jobs, or drop them; tell whether it ended in time."""
        with suppress(Empty):
            while drop:
                self._jobs.get_nowait()
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, then = item
            self._call_soon(then, outcome_of(job))
