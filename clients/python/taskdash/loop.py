"""Waiting, in a task of trio or asyncio, for an outcome from the client's thread."""

import asyncio
import math
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from taskdash.write import Outcome


class Loop:
    """The event loop that runs now: trio's or asyncio's."""

    def __init__(self) -> None:
        try:
            self._asyncio: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
            self._soon: Callable[..., object] = self._asyncio.call_soon_threadsafe
        except RuntimeError:
            if "trio" not in sys.modules:
                raise RuntimeError("taskdash.aio runs under trio or asyncio only") from None
            import trio

            self._asyncio = None
            self._soon = trio.lowlevel.current_trio_token().run_sync_soon

    def call_soon(self, call: Callable[..., object], *args: Any) -> None:
        """Run a call on the loop, from any thread; not where the loop has ended: nobody waits."""
        with suppress(RuntimeError):
            self._soon(call, *args)

    def event(self) -> Any:
        """Make an event that tasks of this loop wait for."""
        if self._asyncio is not None:
            return asyncio.Event()
        import trio

        return trio.Event()

    async def checkpoint(self) -> None:
        """Let other tasks run, and be cancelled."""
        if self._asyncio is not None:
            await asyncio.sleep(0)
            return
        import trio

        await trio.lowlevel.checkpoint()

    async def wait(self, event: Any, timeout_s: float) -> bool:
        """Wait for an event; False if the time is up before."""
        if self._asyncio is not None:
            try:
                await asyncio.wait_for(event.wait(), timeout_s if timeout_s < math.inf else None)
            except TimeoutError:
                return False
            return True
        import trio

        with trio.move_on_after(max(0.0, timeout_s)) as scope:
            await event.wait()
        return not scope.cancelled_caught


class Pending:
    """An outcome that the client's thread will set, once."""

    __slots__ = ("_event", "_loop", "_outcome")

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._event = loop.event()
        self._outcome: Outcome | None = None

    def set(self, outcome: Outcome) -> None:
        """Set the outcome, and wake whoever waits; from any thread."""
        self._outcome = outcome
        self._loop.call_soon(self._event.set)

    async def wait(self, timeout_s: float) -> Outcome | None:
        """Wait for the outcome; None if the time is up before."""
        await self._loop.wait(self._event, timeout_s)
        return self._outcome
