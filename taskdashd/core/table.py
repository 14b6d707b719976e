"""The table of operations: which function answers which RequestID, and how it is run.

A new operation is a declaration in `taskdash_protocol.families`, a rule in its family's `rules` if
it needs one, and a function among its family's operations under one of three decorators.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar, cast

from taskdash_protocol.errors import AuthError
from taskdash_protocol.request import Request
from taskdashd.core.acts import Acts
from taskdashd.core.calendars import CalendarLimits, Calendars
from taskdashd.core.clock import Clock
from taskdashd.core.identities import Identities, IdentityLimits
from taskdashd.core.leading import Leading
from taskdashd.core.ownership import Ownership
from taskdashd.core.room import Room, RoomLimits
from taskdashd.core.session import Session
from taskdashd.core.sessions import SessionLimits, Sessions
from taskdashd.core.steps import Steps
from taskdashd.domain.access import Identity
from taskdashd.domain.held import Held
from taskdashd.domain.liveness import Liveness
from taskdashd.domain.tasks import Author, Task
from taskdashd.feed.watches import Feed
from taskdashd.store.reader import Reader
from taskdashd.store.slow import Asker, Place
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

P = TypeVar("P")
R = TypeVar("R", bound=Request)

Result = dict[str, Any] | bytes
"""A reply's members beside errid and errmsg: as a dict, or as a JSON object already encoded."""


class Limits(SessionLimits, IdentityLimits, RoomLimits, CalendarLimits, Protocol):
    """The settings that operations read; they may change while the daemon runs."""

    heartbeat_timeout: float
    max_watches: int
    sign_up: bool
    passwords: bool
    claim_limit: float | None
    max_people: int
    max_services: int


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that operations stand on, put together by `parts.build`. Decides nothing."""

    limits: Limits
    """The settings in force (`settings/live.py`)."""
    clock: Clock
    leading: Leading
    acts: Acts
    view: View
    writer: Writer
    reader: Reader
    feed: Feed
    liveness: Liveness
    sessions: Sessions
    identities: Identities
    calendars: Calendars
    ownership: Ownership
    room: Room
    unsent: Held
    """What waits to be sent: for each, and for all together."""
    families: Mapping[type[Any], object]
    """The parts of families, by their class: only the operations of the same family ask for one."""

    def part(self, kind: type[P]) -> P:
        """Give a part of `families`. Raises `LookupError` where this daemon has none."""
        return cast(P, self.families[kind])

    def has(self, kind: type[Any]) -> bool:
        """Tell whether this daemon has a part of `families`: some exist only with the web board."""
        return kind in self.families


class Caller(NamedTuple):
    """The session that asks, and the parts that answer."""

    session: Session
    core: Core
    as_identity: Identity | None = None
    """The identity when the request came; None where the session's present one counts."""
    as_author: Author | None = None
    """The author to write as, where another owns what is written, such as a service."""

    @property
    def identity(self) -> Identity:
        """Give the asker's identity. Raises `AuthError` where it was signed out meanwhile."""
        identity = self.as_identity or self.session.identity
        if identity is None:
            raise AuthError("nobody is signed in here any more")
        return identity

    @property
    def known_as(self) -> str:
        """Give who asks, for the audit of acts: its name, or its address where it has none."""
        return self.identity.name or self.session.peer

    @property
    def author(self) -> Author:
        """Give the author for a write."""
        return self.as_author or self.session.author

    def is_there(self) -> bool:
        """Tell whether the asker's connection is open. Safe to call from any thread."""
        return self.session.owner.is_open

    @property
    def asker(self) -> Asker:
        """Give who waits for what takes long to read, from now on."""
        session = self.session
        place = Place.OPERATOR if session.is_local else Place.PEOPLE
        return Asker(session.whose, self._hears, place, self.core.clock.now())

    def _hears(self) -> bool:
        return self.session.hears and self.session.owner.is_open


Kind = Literal["writes", "reads", "alone"]


@dataclass(frozen=True, slots=True)
class Operation:
    """An entry of the table: a request, how it is run, and its function."""

    request: type[Request]
    kind: Kind
    run: Callable[..., Any]
    changes: bool
    """Whether it changes something, and so counts for `person_rate`."""


OPERATIONS: Final[dict[str, Operation]] = {}
"""By RequestID; `families.load_operations` fills it."""
UNNAMED: Final[dict[type[Request], Operation]] = {}
"""By class: operations without a RequestID; the framing of tcpx has a MessageID for each."""

Writes = Callable[[R, Caller, Transaction], Result]
Reads = Callable[[R, Caller, Task | None], Result]
Alone = Callable[[R, Caller], Result | Steps[Result]]


def writes(request: type[R]) -> Callable[[Writes[R]], Writes[R]]:
    """Declare an operation that changes tasks: `(request, caller, transaction) -> Result`.

    Operations run one after another against the transaction's view; the reply waits for the commit.
    One that raises has written nothing. The tasks of the request's `task_ids` are in the view.
    """
    return _declare(request, "writes", changes=True)


def reads(request: type[R]) -> Callable[[Reads[R]], Reads[R]]:
    """Declare an operation that reads one task from the view: `(request, caller, task)`.

    The task is None where none exists. If its last change waits for the commit, so does the reply;
    if that commit fails, the operation runs again, with the committed task.
    """
    return _declare(request, "reads")


def alone(request: type[R], *, changes: bool = False) -> Callable[[Alone[R]], Alone[R]]:
    """Declare an operation that runs alone on its connection: `(request, caller)`.

    All earlier requests of the connection are answered before the operation runs, and later ones
    run only after it has ended. It returns a `Result`, or is a generator that waits (see `steps`).
    `changes` says that it changes something: it counts for `person_rate`.
    The asker's identity is noted in `Caller.as_identity`: the session may be signed out meanwhile.
    """
    return _declare(request, "alone", changes=changes)


def _declare(request: type[Request], kind: Kind, *, changes: bool = False) -> Callable[[P], P]:
    def declare(run: P) -> P:
        operation = Operation(request, kind, cast(Callable[..., Any], run), changes)
        if request.request_id:
            OPERATIONS[request.request_id] = operation
        else:
            UNNAMED[request] = operation
        return run

    return declare
