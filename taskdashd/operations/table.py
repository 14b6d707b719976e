"""Which function answers which RequestID, and how it is run.

A new operation is a request dataclass in the protocol, a rule in `domain/` if it needs one, and a
function here under one of three decorators.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from taskdash_protocol.requests import Hello, Request, SignIn
from taskdashd.domain.access import Identity
from taskdashd.operations.engine import Engine, Session

Result = dict[str, Any] | bytes
"""Members of a reply beside errid and errmsg: as a dict, or as a JSON object already encoded."""

Done = Callable[[Any], None]
"""Called with a `Result`, or with the `ServerError` that was raised instead."""


class Caller(NamedTuple):
    """Who asks, and what there is to ask."""

    session: Session
    engine: Engine

    @property
    def identity(self) -> Identity:
        """Give who asks; whoever has not signed in does not come so far."""
        assert self.session.identity is not None
        return self.session.identity

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
    when it runs, and nothing that it asked after it runs before `done` is called.
    """
    return _declare(request, "session")


def _declare(
    request: type[Request], kind: Literal["writes", "reads", "session"]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def declare(run: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS[request.request_id] = Operation(request, kind, run)
        return run

    return declare


__all__ = ["OPERATIONS", "Caller", "Done", "Operation", "Result", "reads", "session", "writes"]
