"""Which function answers which RequestID, and how it is run.

A new operation is a request dataclass in the protocol, a rule in `domain/` if it needs one, and a
function here under one of three decorators.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from taskdash_protocol.errors import AuthError
from taskdash_protocol.requests import Hello, Request, SignIn
from taskdashd.domain.access import Identity
from taskdashd.domain.tasks import Author
from taskdashd.operations.engine import Engine, Session

Result = dict[str, Any] | bytes
"""Members of a reply beside errid and errmsg: as a dict, or as a JSON object already encoded."""

Done = Callable[[Any], None]
"""Called with a `Result`, or with the `ServerError` that was raised instead."""


class Caller(NamedTuple):
    """Who asks, and what there is to ask."""

    session: Session
    engine: Engine
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


@dataclass(frozen=True, slots=True)
class Operation:
    """An entry of the table."""

    request: type[Request]
    kind: Literal["writes", "reads", "session"]
    run: Callable[..., Any]

    @property
    def signs_in(self) -> bool:
        """Whether it is for those who have yet to say who they are."""
        return self.request in (Hello, SignIn)


OPERATIONS: Final[dict[str, Operation]] = {}


def writes(request: type[Request]) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Declare an operation that changes a task: `(request, caller, transaction) -> Result`.

    It runs in its turn against the transaction's view and is answered by its commit. What it
    raises has written nothing. The request's `id` is in the view when it runs.
    """
    return _declare(request, "writes")


def reads(request: type[Request]) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Declare an operation that reads one task from the view: `(request, caller, task)`.

    The task is None where there is none. If it waits for its commit, so does the reply.
    """
    return _declare(request, "reads")


def session(request: type[Request]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare an operation about the connection, or one that takes its time.

    `(request, caller, done) -> None`. Everything that the connection asked before it is answered
    when it runs, and nothing that it asked after it runs before `done` is called. Who asked is
    noted, for they may be signed out before it comes to an end.
    """

    def declare(run: Callable[..., None]) -> Callable[..., None]:
        def run_noted(asked: Request, caller: Caller, done: Done) -> None:
            identity = caller.as_identity or caller.session.identity
            run(asked, caller._replace(as_identity=identity), done)

        return _declare(request, "session")(run_noted)

    return declare


def _declare(
    request: type[Request], kind: Literal["writes", "reads", "session"]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def declare(run: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS[request.request_id] = Operation(request, kind, run)
        return run

    return declare


__all__ = ["OPERATIONS", "Caller", "Done", "Operation", "Result", "reads", "session", "writes"]
