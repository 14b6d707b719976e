"""A watch, for synchronous code."""

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, Self

from taskdash.calls import Event, Watching
from taskdash.errors import ConnectionError
from taskdash.link import Link
from taskdash_protocol.errors import BadRequest, TaskDashError
from taskdash_protocol.families.connections import Watch as WatchRequest

EVENTS_WAITING_MAX: Final = 100_000
"""Events of one watch that wait for the program; beyond that the watch fails."""

Where = Mapping[str, str | Iterable[str]]
"""Field to value, or to values any of which will do."""
_EXAMPLE: Final = '{"user": "mx", "status": ["failed", "shutdown"]}'


class Watch:
    """The events of a watch: iterate over it. `close` ends it."""

    def __init__(self, link: Link, where: Where | None, since: int | None) -> None:
        self._link = link
        wanted = WatchRequest.parse({"where": as_lists(where)}).where
        self._watching = Watching(wanted, since, self._put, None)
        self._events: deque[Event | TaskDashError | None] = deque()
        self._something = threading.Semaphore(0)
        self._failed = False
        self._process = os.getpid()

    @property
    def rev(self) -> int:
        """The rev up to which all events have come; the last of them may wait to be taken."""
        return self._watching.rev or 0

    def __iter__(self) -> Self:
        """Give the watch itself."""
        return self

    def __next__(self) -> Event:
        """Wait for the next event. Raises what ended the watch."""
        event = self.next()
        assert event is not None
        return event

    def __enter__(self) -> Self:
        """Give the watch itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the watch."""
        self.close()

    def next(self, timeout_s: float | None = None) -> Event | None:
        """Wait for the next event, or give None after so many seconds."""
        if self._process != os.getpid():
            raise ConnectionError("this watch was opened before fork: watch again in the child")
        limit_s = None if timeout_s is None else min(max(timeout_s, 0.0), threading.TIMEOUT_MAX)
        if not self._something.acquire(timeout=limit_s):
            return None
        event = self._events.popleft()
        if isinstance(event, Event):
            return event
        self._put_end(event)
        if event is None:
            raise StopIteration
        raise event

    def close(self) -> None:
        """End the watch."""
        self._link.take_back(lambda session, _now: session.unwatch(self._watching))
        self._put_end(None)

    def _put(self, event: Event | TaskDashError) -> None:
        if self._failed:
            return
        if isinstance(event, Event) and len(self._events) >= EVENTS_WAITING_MAX:
            event = TaskDashError("the program does not take the watch's events fast enough")
        # An event was dropped: tell none after it, or the program would not see the gap.
        self._failed = isinstance(event, TaskDashError)
        self._put_end(event)

    def _put_end(self, event: Event | TaskDashError | None) -> None:
        self._events.append(event)
        self._something.release()


def as_lists(where: Where | None) -> dict[str, list[str]]:
    """Give the values of each field as a list. Raises `BadRequest` for what is no `Where`."""
    if where is None:
        return {}
    if not isinstance(where, Mapping):
        raise BadRequest(f"where is no mapping: {where!r:.60}: write {_EXAMPLE}")
    return {_field(name): _values(name, value) for name, value in where.items()}


def _field(name: object) -> str:
    if isinstance(name, str):
        return name
    raise BadRequest(f"where names fields as text, not {name!r:.60}: write {_EXAMPLE}")


def _values(name: str, value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    values = list(value) if isinstance(value, Iterable) and not isinstance(value, Mapping) else None
    if values is None or isinstance(value, bytes) or not all(isinstance(v, str) for v in values):
        raise BadRequest(
            f"where[{name!r}] is text, or several texts any of which will do, not {value!r:.60}"
        )
    return values
