"""The mailbox where worker threads leave results for the event loop, and by which they wake it."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Letter = tuple[Callable[[Any], None], Any]
"""A callable for the event loop, and its argument."""


class Mailbox:
    """Results in the order in which they came, and an eventfd that is readable while there are any.

    The eventfd is polled with the sockets, so a finished commit costs the event loop no turn of its
    own. The mailbox has no bound: each worker has few jobs at a time, see `store/executor.py`.
    """

    def __init__(self) -> None:
        self._letters: deque[Letter] = deque()
        self._lock = threading.Lock()
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_open = True

    def fileno(self) -> int:
        """Give the descriptor to wait for."""
        return self._fd

    def post(self, then: Callable[[Any], None], result: Any) -> None:
        """Leave a result. Safe to call from any thread; without effect once closed."""
        # Lock: after a `close` between check and write, the number could be another descriptor's.
        with self._lock:
            if self._is_open:
                self._letters.append((then, result))
                os.eventfd_write(self._fd, 1)

    def wake(self) -> None:
        """Make the descriptor readable, without a result. Call on the event loop alone."""
        if self._is_open:
            os.eventfd_write(self._fd, 1)

    def deliver(self) -> None:
        """Call each callable with its result. Call when the descriptor is readable."""
        for then, result in self.take():
            try:
                then(result)
            except Exception:
                log.exception("unexpected fault after a job")

    def take(self) -> Iterator[Letter]:
        """Take out the results posted before this call. Call when the descriptor is readable."""
        os.eventfd_read(self._fd)
        for _ in range(len(self._letters)):
            yield self._letters.popleft()

    def close(self) -> None:
        """Take no more results."""
        with self._lock:
            self._is_open = False
            os.close(self._fd)
