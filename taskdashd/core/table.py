"""Which function answers which RequestID, and how it is run.

A new operation is a declaration in `taskdash_protocol.families`, a rule in its family's `rules` if
it needs one, and a function in the family's `operations` under one of three decorators.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar, cast

from taskdash_protocol.errors import AuthError
from taskdash_protocol.request import Request
from taskdashd.core.acts import Acts
from taskdashd.core.clock import Clock
from taskdashd.core.identities import Identities, IdentityLimits
from taskdashd.core.ownership import Ownership
from taskdashd.core.room import Room, RoomLimits
from taskdashd.core.session import Session
from taskdashd.core.sessions import SessionLimits, Sessions
from taskdashd.core.steps import Steps
from taskdashd.domain.access import Identity
from taskdashd.domain.liveness import Liveness
from taskdashd.domain.tasks import Author, Task
from taskdashd.feed.watches import Feed
from taskdashd.store.reader import Reader
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

P = TypeVar("P")
R = TypeVar("R", bound=Request)

Result = dict[str, Any] | bytes
"""Members of a reply beside errid and errmsg: as a dict, or as a JSON object already encoded."""


class Limits(SessionLimits, IdentityLimits, RoomLimits, Protocol):
    """The settings that operations read; they may change while the daemon runs."""

    heartbeat_timeout: float
    max_watches: int
    audit_keep: float | None
    sign_up: bool
    passwords: bool
    claim_limit: float | None
    max_people: int
    max_services: int


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that operations stand on. It decides nothing; `daemon.py` puts it together."""

    limits: Limits
    clock: Clock
    acts: Acts
    view: View
    writer: Writer
    reader: Reader
    feed: Feed
    liveness: Liveness
    sessions: Sessions
    identities: Identities
    ownership: Ownership
    room: Room
    families: Mapping[type[Any], object]
    """The parts that families bring along, by their class."""

    def part(self, kind: type[P]) -> P:
        """Give a family's part. Raises `LookupError` where this daemon has none."""
        return cast(P, self.families[kind])

    def has(self, kind: type[Any]) -> bool:
        """Tell whether there is such a part: some are there only with the web board."""
        return kind in self.families


class Caller(NamedTuple):
    """Who asks, and what there is to ask."""

    session: Session
    core: Core
    as_identity: Identity | None = None
    """Who asked, where that was noted when they did; else whoever the session stands for."""
    as_author: Author | None = None
    """Whose connection it counts as, where that is not the session."""

    @property
    def identity(self) -> Identity:
        """Give who asks. Raises `AuthError` where they have been signed out meanwhile."""
        identity = self.as_identity or self.session.identity
        if identity is None:
            raise AuthError("nobody is signed in here any more")
        return identity

    @property
    def author(self) -> Author:
        """Give who writes."""
        return self.as_author or self.session.author

    def is_there(self) -> bool:
        """Tell whether the connection is open. Safe to call from any thread."""
        return self.session.owner.is_open


Kind = Literal["writes", "reads", "alone"]


@dataclass(frozen=True, slots=True)
class Operation:
    """An entry of the table."""

    request: type[Request]
    kind: Kind
    run: Callable[..., Any]


OPERATIONS: Final[dict[str, Operation]] = {}
"""By RequestID; `families.load_operations` fills it."""
UNNAMED: Final[dict[type[Request], Operation]] = {}
"""Those without a RequestID, which the original framing asks by a MessageID of their own."""

Writes = Callable[[R, Caller, Transaction], Result]
Reads = Callable[[R, Caller, Task | None], Result]
Alone = Callable[[R, Caller], Result | Steps[Result]]


def writes(request: type[R]) -> Callable[[Writes[R]], Writes[R]]:
    """Declare an operation that changes tasks: `(request, caller, transaction) -> Result`.

    It runs in its turn against the transaction's view and is answered by its commit. What it
    raises has written nothing. The tasks that the request's `task_ids` names are in the view.
    """
    return _declare(request, "writes")


def reads(request: type[R]) -> Callable[[Reads[R]], Reads[R]]:
    """Declare an operation that reads one task from the view: `(request, caller, task)`.

    The task is None where there is none. If it waits for its commit, so does the reply.
    """
    return _declare(request, "reads")


def alone(request: type[R]) -> Callable[[Alone[R]], Alone[R]]:
    """Declare an operation that runs alone on its connection: `(request, caller)`.

    Everything that the connection asked before it is answered when it runs, and nothing that it
    asked after it runs before it has ended. It gives a `Result`, or as a generator yields what it
    waits for (see `steps`). Who asked is noted, for they may be signed out meanwhile.
    """
    return _declare(request, "alone")


def _declare(request: type[Request], kind: Kind) -> Callable[[P], P]:
    def declare(run: P) -> P:
        operation = Operation(request, kind, cast(Callable[..., Any], run))
        if request.request_id:
            OPERATIONS[request.request_id] = operation
        else:
            UNNAMED[request] = operation
        return run

    return declare
