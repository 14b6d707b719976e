"""Waiting, in a thread, for an outcome from the client's thread; and for the next connection."""

import random
import threading
import time
from typing import Final

from taskdash.address import Address
from taskdash.errors import AuthError, ConnectionError, TimeoutError
from taskdash.write import Outcome
from taskdash_protocol.errors import Busy, TaskDashError

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 10.0
REFUSED_S: Final = 60.0
"""After the daemon has refused the credential: so long it remembers a wrong one, too."""
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
UNANSWERED: Final = " before it answered Hello: is this the port of a taskdashd, without TLS?"


def now_s() -> float:
    """Give the time of a clock that only grows, and goes on while the machine sleeps.

    `time.monotonic` stands still meanwhile (clock_gettime(2)): after a laptop's nap the client
    would wait for a reply from a connection that is long dead, and tell nobody that it had slept.
    """
    return time.clock_gettime(_CLOCK)


class Pending:
    """An outcome that another thread will set, once, and that one thread waits for."""

    __slots__ = ("_ready", "outcome")

    def __init__(self) -> None:
        self._ready: threading.Lock | None = None
        """Made, and held, only by who has to wait: of many in a pipeline, one in hundreds."""
        self.outcome: Outcome | None = None
        """What was set; None as long as nothing was."""

    def set(self, outcome: Outcome) -> None:
        """Set the outcome, and wake whoever waits."""
        # Set the outcome first, as who waits makes the lock first: one of the two sees the other.
        self.outcome = outcome
        ready = self._ready
        if ready is not None:
            ready.release()

    def wait(self, timeout_s: float) -> Outcome | None:
        """Wait for the outcome; None if the time is up before."""
        if self.outcome is None:
            ready = threading.Lock()
            ready.acquire()
            self._ready = ready
            if self.outcome is None:
                ready.acquire(timeout=min(max(timeout_s, 0.0), threading.TIMEOUT_MAX))
        return self.outcome


def too_late(
    where: Address, fault: TaskDashError | None, timeout_s: float, *, greeting: bool = False
) -> TaskDashError:
    """Say what it means that an outcome did not come in time; `greeting`, that Hello waits too."""
    if fault is None:
        why = f"no reply from taskdashd at {where} within {timeout_s:g} s"
        return TimeoutError(f"{why}: is this the port of a taskdashd?" if greeting else why)
    if isinstance(fault, AuthError):
        return fault
    return ConnectionError(str(fault))


def wait_to_retry_s(error: TaskDashError, attempts: int) -> float:
    """Say how long to wait after so many connections in vain, of which this ended the last.

    A credential that was refused is refused again: the client waits long, so that a service with a
    wrong one is no guesser in the daemon's eyes. `Link` looks meanwhile whether it was exchanged.
    """
    if isinstance(error, AuthError):
        return random.uniform(REFUSED_S, 1.5 * REFUSED_S)  # noqa: S311
    wait_s = _jittered_s(attempts)
    if isinstance(error, Busy) and (told := error.values.get("seconds", "")).isdecimal():
        # The daemon itself has said from when on it listens again.
        wait_s += min(int(told), REFUSED_S)
    return wait_s


def _jittered_s(attempts: int) -> float:
    # Full jitter: a thousand clients of one daemon do not come back in step.
    return random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(attempts, 10)))  # noqa: S311
