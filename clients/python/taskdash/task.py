"""A task that lives as long as a block or a function, and ends with a status that tells how."""

import functools
import inspect
import logging
import math
import os
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar, cast

from taskdash.write import Done
from taskdash_protocol.errors import BadRequest, TaskDashError
from taskdash_protocol.statuses import ENDED

REASON_CHARACTERS_MAX: Final = 500
_CANCELLATIONS: Final = (("asyncio", "CancelledError"), ("trio", "Cancelled"))

log: Final = logging.getLogger("taskdash")
F = TypeVar("F", bound=Callable[..., Any])

_current: ContextVar["TaskHandle"] = ContextVar("taskdash_task")


class Hold(Protocol):
    """The way from a handle to its client: `Client.hold`, of either kind of client."""

    def __call__(
        self, id: str, fields: dict[str, Any], done: Done | None, *, replaces: bool = False
    ) -> None:
        """See `Client.hold`."""


class Keeper(Protocol):
    """The part of `Client` that a block needs: tasks do not import the client."""

    @property
    def hold(self) -> Hold:
        """See `Client.hold`."""

    def begin(self, id: str, fields: dict[str, Any]) -> None:
        """See `Client.begin`."""

    def update(self, id: str, **fields: Any) -> int:
        """See `Client.update`."""

    def say(self, id: str, **fields: Any) -> None:
        """See `Client.say`."""


class TaskHandle:
    """A task in the hands of the code within its block. No method waits for the daemon."""

    def __init__(self, hold: Hold, id: str, fields: dict[str, Any]) -> None:
        self.id = id
        self.fields = fields
        self._hold = hold
        self._has_ended = False
        self._process = 0
        """The process that has begun the task, and ends it."""
        self._tokens: list[Token[TaskHandle]] = []

    def update(self, **fields: Any) -> None:
        """Change some of the task's fields. Of changes that wait, only the newest state is sent.

        Raises `BadRequest` for fields that no daemon would take.
        """
        if "status" in fields:
            self._has_ended = fields["status"] in ENDED
        self._hold(self.id, fields, None)

    def progress(self, done: float, total: float, description: str | None = None) -> None:
        """Set the task's field `progress`, as in `3/7`."""
        if not (math.isfinite(done) and math.isfinite(total)):
            raise BadRequest(f"progress is so much of so much, not {done!r} of {total!r}")
        fields = {"progress": f"{done:.15g}/{total:.15g}"}
        self.update(**fields, **({} if description is None else {"description": description}))

    def _enter(self) -> None:
        """Let `current_task` give this handle."""
        self._tokens.append(_current.set(self))

    def _leave(self) -> None:
        # Ignore ValueError: frameworks may end a generator in another context than it began in.
        with suppress(ValueError):
            _current.reset(self._tokens.pop())

    def _beginning(self) -> dict[str, Any]:
        self._has_ended = False
        self._process = os.getpid()
        return {"start_time": now(), **self.fields}

    def _last_word(self, error: BaseException | None) -> dict[str, Any] | None:
        """Give the fields that end the task; None if it has ended already, or is the parent's."""
        if self._process != os.getpid():
            # A forked child that leaves its parent's block must not end the parent's task.
            return None
        if error is None and self._has_ended:
            return None
        return {**ending(error), "stop_time": now()}


class Task(TaskHandle):
    """See `Client.task`: a context manager, and a decorator, also of coroutine functions."""

    def __init__(self, client: Keeper, id: str, fields: dict[str, Any]) -> None:
        super().__init__(client.hold, id, fields)
        self._client = client

    def __enter__(self) -> Self:
        """Register the task. Raises `TaskDashError`, `TimeoutError` while the daemon is away."""
        self._client.begin(self.id, self._beginning())
        self._enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the task. An end that is not told now is logged, and told while the client lives."""
        self._leave()
        word = self._last_word(error)
        try:
            if word is not None:
                self._client.update(self.id, **word)
        except TaskDashError as fault:
            log.warning("the end of task %s is not reported: %s", self.id, fault)
            if fault.retryable:
                self._client.say(self.id, **word or {})

    def __call__(self, function: F) -> F:
        """Make every call of a function this task; inside, `current_task()` gives the handle.

        A coroutine function does not wait for the daemon: its event loop must not stand still.
        """
        if not callable(function):
            raise TypeError(
                f"{function!r} is no function: a task decorates one, or is a with block"
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function!r} is a generator: use a with block in it")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                again = Task(self._client, self.id, self.fields)
                again._hold(again.id, again._beginning(), None, replaces=True)
                again._enter()
                error: BaseException | None = None
                try:
                    return await function(*args, **kwargs)
                except BaseException as fault:
                    error = fault
                    raise
                finally:
                    again._leave()
                    if (word := again._last_word(error)) is not None:
                        again._hold(again.id, word, None)

            return cast(F, run_async)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with Task(self._client, self.id, self.fields):
                return function(*args, **kwargs)

        return cast(F, run)


def current_task() -> TaskHandle:
    """Give the task in whose block or decorated function this code runs.

    Raises `LookupError` outside of any.
    """
    task = _current.get(None)
    if task is None:
        raise LookupError(
            "no task here: current_task() is known within `with dash.task(...)` or a function that"
            " is decorated by it; hand the task to threads that are begun there"
        )
    return task


def ending(error: BaseException | None) -> dict[str, Any]:
    """Give status and reason of a task that ends by this exception, or without one."""
    if isinstance(error, SystemExit) and error.code in (None, 0):
        error = None
    if error is None:
        return {"status": "finish"}
    if _is_cancellation(error):
        return {"status": "cancelled", "reason": type(error).__name__}
    text = f"{type(error).__name__}: {error}"
    # A file name that is not UTF-8 comes with lone surrogates, which JSON cannot carry (RFC 8259).
    lines = text.encode("utf-8", "backslashreplace").decode().strip().splitlines()
    return {"status": "failed", "reason": lines[0].rstrip(": ")[:REASON_CHARACTERS_MAX]}


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_cancellation, error.exceptions))
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return True
    # Compare names: importing an event loop for its class would cost more than the whole client.
    kind = type(error)
    return (kind.__module__.partition(".")[0], kind.__name__) in _CANCELLATIONS


def now() -> str:
    """Give the current time for `start_time` or `stop_time`: RFC 3339, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
