"""Where worker threads leave their results for the event loop, and how they wake it."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

Letter = tuple[Callable[[Any], None], Any]
"""What to call on the event loop, and with what."""


class Mailbox:
    """Results in the order in which they came, and an eventfd that is readable while there are any.

    It is waited for with the sockets, so a commit that is done costs the event loop no turn of its
    own. It has no bound: each worker has few jobs at a time, see `store/executor.py`.
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
        # The lock keeps the descriptor from being closed, and its number used anew, in between.
        with self._lock:
            if self._is_open:
                self._letters.append((then, result))
                os.eventfd_write(self._fd, 1)

    def take(self) -> Iterator[Letter]:
        """Take out what was there when this was called. Call when the descriptor is readable."""
        os.eventfd_read(self._fd)
        for _ in range(len(self._letters)):
            yield self._letters.popleft()

    def close(self) -> None:
        """Take no more."""
        with self._lock:
            self._is_open = False
            os.close(self._fd)
