"""The sessions of connections, and of services without one, by the serial of their owner."""

from collections.abc import Iterator
from typing import Protocol

from taskdashd.core.clock import Clock
from taskdashd.core.session import Session
from taskdashd.domain.access import Identity
from taskdashd.domain.budget import Budget
from taskdashd.domain.liveness import Liveness
from taskdashd.feed.watches import Feed


class SessionLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    request_rate: int | None


class Sessions:
    """Begins and ends sessions, and finds the session that owns a task."""

    def __init__(
        self,
        boot: int,
        limits: SessionLimits,
        clock: Clock,
        liveness: Liveness,
        feed: Feed,
        at_first: Identity | None,
    ) -> None:
        # The upper bits count the daemon's starts: stored tasks name their owner by its serial
        # number, so no number may be used twice, also not after a restart.
        self._serial = boot << 32
        self._limits = limits
        self._clock = clock
        self._liveness = liveness
        self._feed = feed
        self._at_first = at_first
        self._by_serial: dict[int, Session] = {}
        self.find = self._by_serial.get
        """Gives the session of a serial number, None where it has ended. Called for each write."""

    def __iter__(self) -> Iterator[Session]:
        """Iterate over a copy of the present sessions: they may end meanwhile."""
        return iter(list(self._by_serial.values()))

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self._by_serial)

    def connect(self, peer: str) -> Session:
        """Begin a session for a connection that was just accepted."""
        session = self.visit(peer, self._at_first)
        self._by_serial[session.owner.serial] = session
        self._liveness.connect(session.owner)
        return session

    def visit(
        self, peer: str, identity: Identity | None = None, budget: Budget | None = None
    ) -> Session:
        """Begin a session without liveness, for a request over HTTP: its silence means nothing.

        `budget` is what the requests of one connection share; without it the session has its own.
        """
        return self._new(self.next_serial(), peer, identity, budget)

    def leave(self, session: Session) -> None:
        """End a session that `visit` began, whose peer is gone."""
        session.owner.is_open = False
        session.give_back()

    def budget(self) -> Budget:
        """Make the budget of a connection's requests."""
        return Budget(lambda: self._limits.request_rate, self._clock.now)

    def stand_in(self, serial: int, name: str) -> Session:
        """Begin a session for a service that has no connection, under the service's own serial."""
        session = self._new(serial, name, None, stands_in=True)
        self._by_serial[serial] = session
        return session

    def next_serial(self) -> int:
        """Give a number that no owner of a task has had."""
        self._serial += 1
        return self._serial

    def is_connected(self, session: Session) -> bool:
        """Tell whether a session is a connection's, or stands in for one."""
        return self._by_serial.get(session.owner.serial) is session

    def disconnect(self, session: Session) -> None:
        """End a connection's session. Its live tasks keep their deadline."""
        self._liveness.disconnect(session.owner)
        session.give_back()
        del self._by_serial[session.owner.serial]
        self.end_watches(session)
        session.detach()

    def forget(self, serial: int) -> None:
        """End the session that stands in for a service."""
        self._by_serial.pop(serial, None)

    def end_watches(self, session: Session) -> None:
        """End all watches of a session."""
        for watch in session.watches.values():
            self._feed.unwatch(watch)
        session.watches.clear()

    def _new(
        self,
        serial: int,
        peer: str,
        identity: Identity | None,
        budget: Budget | None = None,
        *,
        stands_in: bool = False,
    ) -> Session:
        now = self._clock.now()
        return Session(serial, peer, now, identity, budget or self.budget(), stands_in=stands_in)
