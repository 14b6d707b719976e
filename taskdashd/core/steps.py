"""Operations that wait, written as straight code: a generator yields each thing it waits for.

    page = yield from wait_for(partial(reader.query, request, sight, bytes_max, is_there))

`wait_for` yields a *start*: a function that is given a callback and calls it once, at once or
later, with a value or a `ServerError`. `drive` calls the start, and sends the value into the
generator or throws the refusal into it. No event loop is involved: a start calls back when it can.
"""

from collections.abc import Callable, Generator, Iterable
from typing import Any, Final, Generic, TypeVar

import structlog

from taskdash_protocol.errors import Outcome, ServerError, unexpected_fault

T = TypeVar("T")
Item = TypeVar("Item")

Done = Callable[[Outcome[T]], None]
"""Called once with an operation's outcome: its value, or a `ServerError`."""

Start = Callable[[Done[T]], None]
"""Begins work that takes time, and calls the callback once with its outcome."""

Steps = Generator[Start[Any], Any, T]
"""An operation that waits: a generator that at its end returns a T, or raises a `ServerError`."""

_SLICE_BYTES: Final = 32 << 10
"""About a millisecond of JSON that is read, changed and written again."""
_ITEM_BYTES: Final = 256
"""What an item costs beside its bytes."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def wait_for(start: Start[T]) -> Steps[T]:
    """Begin some work and wait for its value. Raises the `ServerError` that is its outcome."""
    value: T = yield start
    return value


def in_slices(
    items: Iterable[Item], make: Callable[[Item], T], size: Callable[[Item], int], turn: Start[None]
) -> Steps[list[T]]:
    """Make something of each item; others have their turn whenever `size` adds up to a slice.

    Long replies are made so: a thousand rows at once would hold up everybody's requests.
    """
    made: list[T] = []
    left = _SLICE_BYTES
    for item in items:
        if left <= 0:
            yield from wait_for(turn)
            left = _SLICE_BYTES
        made.append(make(item))
        left -= size(item) + _ITEM_BYTES
    return made


def drive(steps: Steps[T], done: Done[T]) -> None:
    """Run steps to their end, however often they wait; then call `done` with their outcome.

    Any other exception than `ServerError` is logged whole; `done` gets an unexpected fault.
    """
    _Drive(steps, done).go_on(None)


class _Drive(Generic[T]):
    """One run of some steps.

    A start may call back before it returns. `go_on` then only leaves the outcome for the loop that
    is running already; if it resumed the generator from within, a hundred answers that are ready at
    once would nest a hundred calls deep.

    A refusal is left without a traceback. Its traceback would hold every frame that it has passed
    and their callers, and so the connection; those frames hold the refusal in their variables, and
    the cycle would keep them all until the garbage collector looks for cycles, which is seldom.
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
        """Resume the steps with the outcome that they wait for."""
        self._outcome, self._has_outcome = outcome, True
        if self._runs:
            return
        self._runs = True
        try:
            while self._has_outcome:
                outcome, self._outcome, self._has_outcome = self._outcome, None, False
                start = self._resume(outcome)
                if start is None:
                    return
                self._begin(start)
        finally:
            self._runs = False

    def _resume(self, outcome: Outcome[Any]) -> Start[Any] | None:
        """Run the steps to their next wait, and give its start; None at their end."""
        end: Outcome[T]
        try:
            if isinstance(outcome, ServerError):
                return self._steps.throw(outcome)
            return self._steps.send(outcome)
        except StopIteration as stopped:
            end = stopped.value
        except ServerError as refusal:
            end = refusal.with_traceback(None)
        except Exception:
            log.exception("unexpected fault in an operation", operation=self._name)
            end = unexpected_fault()
        finally:
            if isinstance(outcome, ServerError):
                outcome.with_traceback(None)
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
