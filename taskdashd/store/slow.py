"""What takes long to read: done on a thread of its own, one at a time, in turns by who asks.

Who asks a thousand times waits for themselves alone: whose turn it is is decided when the thread is
free, not when somebody asks. The time that a request of people waits counts for `query_timeout`,
and it is answered once that is over, though its turn has not come.
"""

from collections.abc import Callable
from enum import IntEnum
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from taskdash_protocol.errors import Busy, Outcome
from taskdashd.domain.rounds import Rounds
from taskdashd.store.executor import Executor, Then, outcome_of

T = TypeVar("T")

_WAITING_MAX: Final = 4096
"""Requests of people that may wait; more are refused with `Busy` (1005)."""
_SHARE: Final = 4
"""One may have a quarter of them waiting."""

Job = Callable[[float | None], T]
"""Reads, within so many seconds; None: it may take the time it takes. Runs on the thread."""


class Place(IntEnum):
    """Where a reading waits. The operator's is first; the others have a turn each."""

    OPERATOR = 0
    """The operator's own socket: whoever wants to see what is wrong must not wait behind it."""
    PEOPLE = 1
    LOG = 2
    """Pages of the log, for watches and boards that catch up."""
    DAEMON = 3
    """What the daemon wants to know for itself."""


_IN_TURN: Final = (Place.PEOPLE, Place.LOG, Place.DAEMON)


class Asker(NamedTuple):
    """Who waits for what is read."""

    whose: str
    """Whose turn it takes: an identity's, or an address's before sign-in."""
    is_there: Callable[[], bool]
    """Tells whether somebody waits still; called on the thread."""
    place: Place
    since: float | None = None
    """When it was asked, by the clock; None: it may wait and take the time it takes."""


def for_itself(whose: str) -> Asker:
    """Give the asker for what the daemon wants to know for itself, in the name of a part of it."""
    return Asker(whose, lambda: True, Place.DAEMON)


class SlowLimits(Protocol):
    """The settings that are read here."""

    query_timeout: float


class _Waiting:
    """A job that waits for its turn, or runs."""

    __slots__ = ("asker", "job", "then")

    def __init__(self, job: Job[Any], asker: Asker, then: Then[Any]) -> None:
        self.job = job
        self.asker = asker
        self.then = then


_Done = tuple[_Waiting, Outcome[Any]]


def _anybody(_whose: str) -> bool:
    return True


class SlowReads:
    """See the module. Its `may_have_more` tells whether somebody may be answered; on the thread."""

    def __init__(
        self,
        executor: Executor,
        limits: SlowLimits,
        now: Callable[[], float],
        may_have_more: Callable[[str], bool] | None = None,
    ) -> None:
        self._executor = executor
        self._limits = limits
        self._now = now
        # Give nothing more to who leaves much unread already; the log's pages see to it themselves.
        self._may = dict.fromkeys(Place, _anybody) | {Place.PEOPLE: may_have_more or _anybody}
        self._lock = Lock()
        """Guards what follows: the loop puts jobs in, and the thread takes them out."""
        self._places: dict[Place, Rounds[_Waiting]] = {place: Rounds() for place in Place}
        self._last = Place.DAEMON
        """The place that had the last turn, but for the operator's."""
        self._calls = 0
        """How many calls of `_next` the executor has yet to begin: one for each job, or more."""
        self._by_age: dict[_Waiting, None] = {}
        """The jobs of people that wait or run, the oldest first. The loop's alone."""

    def run(self, job: Job[T], asker: Asker, then: Then[T]) -> None:
        """Have a job done in its turn; `then` gets `Busy` where too many wait, or for too long."""
        if (refusal := self._refusal(asker)) is not None:
            then(refusal)
            return
        waiting = _Waiting(job, asker, then)
        with self._lock:
            self._places[asker.place].add(asker.whose, waiting)
        if asker.since is not None:
            self._by_age[waiting] = None
        self._call()

    def tick(self) -> None:
        """Answer those that have waited for too long; called a few times a second."""
        limit_s = self._limits.query_timeout
        late = Busy(f"the query waited longer than {limit_s:g} s for its turn: try again later")
        for waiting in list(self._by_age):
            since = waiting.asker.since
            if since is None or self._now() - since < limit_s:
                break
            with self._lock:
                waited = self._places[waiting.asker.place].drop(waiting.asker.whose, waiting)
            # One that runs is ended by SQLite itself, see `Database`.
            del self._by_age[waiting]
            if waited:
                waiting.then(late)
        # Go on with those who have read by now what they had left unread.
        self._call()

    def _refusal(self, asker: Asker) -> Busy | None:
        if asker.place is not Place.PEOPLE:
            return None
        with self._lock:
            people = self._places[Place.PEOPLE]
            mine, of_all = people.count_of(asker.whose), len(people)
        if mine >= _WAITING_MAX // _SHARE:
            return Busy(f"{mine} queries of the same asker wait already: try again later")
        if of_all >= _WAITING_MAX:
            return Busy(f"{_WAITING_MAX} queries wait already: try again later")
        return None

    def _call(self) -> None:
        """Have the thread look for as many jobs as wait."""
        with self._lock:
            missing = sum(map(len, self._places.values())) - self._calls
            self._calls += max(0, missing)
        for _ in range(missing):
            self._executor.submit(self._next, self._done)

    def _next(self) -> _Done | None:
        """Do the job whose turn it is. Runs on the thread."""
        with self._lock:
            self._calls -= 1
            waiting = self._take()
        if waiting is None:
            return None
        job, asker = waiting.job, waiting.asker
        if not asker.is_there():
            # Skip the job: its caller has left while earlier ones ran.
            return waiting, Busy("nobody waits for it")
        left_s = None
        if asker.since is not None:
            left_s = max(0.0, asker.since + self._limits.query_timeout - self._now())
        return waiting, outcome_of(lambda: job(left_s))

    def _take(self) -> _Waiting | None:
        found = self._places[Place.OPERATOR].take(_anybody)
        if found is not None:
            return found
        in_turn = (*_IN_TURN[self._last :], *_IN_TURN[: self._last])
        for place in in_turn:
            found = self._places[place].take(self._may[place])
            if found is not None:
                self._last = place
                return found
        return None

    def _done(self, outcome: Outcome[_Done | None]) -> None:
        if isinstance(outcome, tuple):
            waiting, result = outcome
            self._by_age.pop(waiting, None)
            waiting.then(result)
