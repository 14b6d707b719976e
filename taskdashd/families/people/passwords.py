"""Passwords of people: Argon2id (RFC 9106), slow on purpose and so on a thread of its own."""

from collections.abc import Callable
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from taskdash_protocol.errors import Busy, Outcome
from taskdashd.store.executor import Executor, Then

T = TypeVar("T")

_WAITING_MAX: Final = 32
"""A hash takes a tenth of a second on a Pi: with so many ahead, a sign-in waits a few seconds."""
# OWASP's second choice: on a Pi memory is dearer than time.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 << 10, parallelism=1, type=Type.ID)


class Passwords:
    """Hashes and verifies passwords; each `then` is called on the event loop."""

    def __init__(self, start: Callable[[], Executor]) -> None:
        self._start = start
        """Starts the thread, with the first password: most offices never need it."""
        self._executor: Executor | None = None
        self._waiting = 0

    def hash(self, password: str, then: Then[str]) -> None:
        """Call `then` with the encoded hash, or a refusal."""
        self._do(lambda: _HASHER.hash(password), then)

    def verify(self, encoded: str, password: str, then: Then[bool]) -> None:
        """Call `then` with whether the password has this hash, or with a refusal.

        Without a hash (an unknown account) the answer is False after the same time: a quick no
        would tell which accounts exist.
        """
        self._do(lambda: _verify(encoded, password), then)

    def _do(self, job: Callable[[], T], then: Then[T]) -> None:
        if self._waiting >= _WAITING_MAX:
            then(Busy("many sign in at this moment: try again").because("crowd"))
            return
        if self._executor is None:
            self._executor = self._start()
        self._waiting += 1

        def done(result: Outcome[T]) -> None:
            self._waiting -= 1
            then(result)

        self._executor.submit(job, done)


def _verify(encoded: str, password: str) -> bool:
    try:
        return _HASHER.verify(encoded, password)
    except InvalidHashError:
        _HASHER.hash(password)
        return False
    except Argon2Error:
        return False
