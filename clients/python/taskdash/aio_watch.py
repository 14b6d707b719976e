"""A watch, for asynchronous code."""

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Self, cast

from taskdash.calls import Event, Watching
from taskdash.link import Link
from taskdash.loop import Loop
from taskdash.watch import EVENTS_WAITING_MAX, Where, as_lists
from taskdash.write import Done
from taskdash_protocol.errors import TaskDashError
from taskdash_protocol.families.connections import Watch as WatchRequest


class Watch:
    """The events of a watch: iterate over it with `async for`. `close` ends it."""

    def __init__(
        self, link: Link, loop: Loop, where: Where | None, since: int | None, opened: Done
    ) -> None:
        self._link = link
        self._loop = loop
        self._events: deque[Event | TaskDashError] = deque()
        self._waiting: set[Any] = set()
        self._closed = False
        wanted = WatchRequest.parse({"where": as_lists(where)}).where
        self._watching = Watching(wanted, since, self._put, opened)
        link.do(lambda session, _now: session.watch(self._watching))

    @property
    def rev(self) -> int:
        """The rev up to which all events have come; the last of them may wait to be taken."""
        return self._watching.rev or 0

    def __aiter__(self) -> Self:
        """Give the watch itself."""
        return self

    async def __anext__(self) -> Event:
        """Wait for the next event. Raises what ended the watch."""
        event = await self.next()
        assert event is not None
        return event

    async def next(self, timeout_s: float = math.inf) -> Event | None:
        """Wait for the next event, or give None after so many seconds."""
        await self._loop.checkpoint()
        ends_at = time.monotonic() + timeout_s
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            something = self._loop.event()
            self._waiting.add(something)
            try:
                if not await self._loop.wait(something, ends_at - time.monotonic()):
                    return None
            finally:
                self._waiting.discard(something)
        event = self._events[0]
        if isinstance(event, TaskDashError):
            raise event
        return cast(Event, self._events.popleft())

    def close(self) -> None:
        """End the watch."""
        self._closed = True
        self._link.take_back(lambda session, _now: session.unwatch(self._watching))
        self._wake()

    async def __aenter__(self) -> Self:
        """Give the watch itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the watch."""
        self.close()

    def _put(self, event: Event | TaskDashError) -> None:
        if len(self._events) == EVENTS_WAITING_MAX:
            event = TaskDashError("the program does not take the watch's events fast enough")
        if len(self._events) <= EVENTS_WAITING_MAX:
            self._events.append(event)
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        # Wake every waiter, and each looks for an event: one woken alone may be cancelled at that
        # moment, and the event would lie there while the others sleep.
        for something in list(self._waiting):
            something.set()


class Opening:
    """A watch that is not open yet: await it, enter it, or iterate over it."""

    def __init__(self, open_: Callable[[], Awaitable[Watch]]) -> None:
        self._open = open_
        self._watch: Watch | None = None

    def __await__(self) -> Generator[Any, Any, Watch]:
        """Open the watch."""
        return self._open().__await__()

    async def __aenter__(self) -> Watch:
        """Open the watch."""
        self._watch = await self
        return self._watch

    async def __aexit__(self, *_: object) -> None:
        """End the watch."""
        self.close()

    def close(self) -> None:
        """End the watch, if it was opened."""
        if self._watch is not None:
            self._watch.close()

    def __aiter__(self) -> Self:
        """Give the opening itself; the watch lasts until the client is closed."""
        return self

    async def __anext__(self) -> Event:
        """Open the watch, if it is not, and wait for its next event."""
        if self._watch is None:
            self._watch = await self
        return await self._watch.__anext__()
