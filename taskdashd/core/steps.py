"""Operations that wait, written straight: a generator yields what it waits for.

    page = yield from wait_for(partial(reader.query, request, sight, bytes_max, wanted))

`wait_for` yields a *start*: a function that is given a callback and calls it once, at once or
later, with a value or a `ServerError`. `drive` calls the start, and sends the value into the
generator or throws the refusal into it. No event loop is involved: whoever calls back decides when.
"""

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import structlog

from taskdash_protocol.errors import Outcome, ServerError, unexpected_fault

T = TypeVar("T")

Done = Callable[[Outcome[T]], None]
"""Called once with what an operation came to."""

Start = Callable[[Done[T]], None]
"""Begins something that takes its time, and has the callback called once with its outcome."""

Steps = Generator[Start[Any], Any, T]
"""What an operation that waits is: at its end it returns a T, or raises a `ServerError`."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def wait_for(start: Start[T]) -> Steps[T]:
    """Wait for what `start` begins. Raises the `ServerError` that it came to."""
    value: T = yield start
    return value


def drive(steps: Steps[T], done: Done[T]) -> None:
    """Run steps to their end, however often they wait; then call `done` with their outcome.

    An exception that is no `ServerError` is logged whole, and `done` gets the refusal for it.
    """
    _Drive(steps, done).go_on(None)


class _Drive(Generic[T]):
    """One run of some steps.

    A start may call back before it returns. `go_on` then only leaves the outcome for the loop that
    is running already; if it resumed the generator from within, a hundred answers that are known at
    once would be a hundred frames deep.
    """

    __slots__ = ("_done", "_has_outcome", "_name", "_outcome", "_runs", "_steps")

    def __init__(self, steps: Steps[T], done: Done[T]) -> None:
        self._steps = steps
        self._name = getattr(steps, "__qualname__", "")
        self._done = done
        self._outcome: Outcome[Any] = None
        self._has_outcome = False
        self._runs = False

    def go_on(self, outcome: Outcome[Any]) -> None:
        """Give the steps what they wait for."""
        self._outcome, self._has_outcome = outcome, True
        if self._runs:
            return
        self._runs = True
        try:
            while self._has_outcome:
                self._has_outcome = False
                start = self._resume(self._outcome)
                if start is None:
                    return
                self._begin(start)
        finally:
            self._runs = False

    def _resume(self, outcome: Outcome[Any]) -> Start[Any] | None:
        """Run to the next wait, or to the end: then None."""
        end: Outcome[T]
        try:
            if isinstance(outcome, ServerError):
                return self._steps.throw(outcome)
            return self._steps.send(outcome)
        except StopIteration as stopped:
            end = stopped.value
        except ServerError as refusal:
            end = refusal
        except Exception:
            log.exception("unexpected fault in an operation", operation=self._name)
            end = unexpected_fault()
        self._done(end)
        return None

    def _begin(self, start: Start[Any]) -> None:
        try:
            start(self.go_on)
        except ServerError as refusal:
            self.go_on(refusal)
        except Exception:
            log.exception("unexpected fault in an operation", operation=self._name)
            self.go_on(unexpected_fault())
