"""The one runner of operations, for every door. No bytes, frames or HTTP enter here.

A door parses a request and knows its session; `Runner` does the request and calls back with its
outcome. `run` is for a door that keeps the order of requests by itself and has loaded their tasks
into memory, many at a time; `visit` is for a single request without a connection of the wire
protocol. `run` may only queue a write: the commit starts with `Writer.flush`, which the poller
calls at the end of each sweep, and `visit` at its own.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final, Protocol

import structlog

from taskdash_protocol import strictjson
from taskdash_protocol.errors import (
    AuthError,
    BadRequest,
    Busy,
    NotFound,
    Outcome,
    ServerError,
    StorageError,
    unexpected_fault,
)
from taskdash_protocol.plain import PlainWrite
from taskdash_protocol.request import AboutTypedTask
from taskdash_protocol.requests import REQUESTS, Request
from taskdashd.core.session import TOO_MANY, UNREAD, Session
from taskdashd.core.steps import Done, Start, Steps, drive, wait_for
from taskdashd.core.storing import load, load_and_write
from taskdashd.core.table import OPERATIONS, Caller, Core, Operation, Result
from taskdashd.domain.access import Identity
from taskdashd.domain.held import LITTLE_BYTES
from taskdashd.domain.tasks import Author
from taskdashd.store.transaction import Transaction

AuthorFor = Callable[[str, Caller], Author | None]
"""Gives the asker as author of a write that the service at a URL owns; None: the asker owns it."""

NOBODY_SIGNED_IN: Final = "nobody has signed in here"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Runs(Protocol):
    """Decides plain writes in a run: see `families.tasks.plain`."""

    most: int
    """So many at a time."""

    def may_run(self, session: Session) -> bool:
        """Tell whether a session's plain writes may be decided in a run now."""

    def write(
        self, writes: Sequence[PlainWrite], session: Session, told: Callable[[Outcome[bytes]], None]
    ) -> int:
        """Decide some of the next writes; `told` gets the frames of their replies, or the refusal.

        Gives how many.
        """


class Runner:
    """Does requests, and calls back with their outcomes."""

    def __init__(self, core: Core, author_for: AuthorFor, plain: Runs) -> None:
        self.core = core
        self.plain: Final = plain
        self._author_for = author_for
        self._write = core.writer.write
        self._pending = core.view.pending
        self._committed = core.view.committed
        self.offered: Final = {
            name: OPERATIONS[name] for name, request in REQUESTS.items() if request.over_http
        }
        """The operations that can be asked without a connection, by RequestID."""

    def run(
        self,
        operation: Operation,
        request: Request,
        caller: Caller,
        task_id: str,
        done: Done[Result],
    ) -> None:
        """Do a request whose tasks are in the view; `done` gets its outcome, at once or later."""
        try:
            if operation.kind == "writes":
                if caller.session.changes is not None:
                    caller.session.count_change()
                if isinstance(request, AboutTypedTask):
                    done = self._or_as_meant(operation, request, caller, done)
                self._write(partial(operation.run, request, caller), done)
            elif operation.kind == "reads":
                if task_id in self._pending:
                    self._read_in_turn(operation, request, caller, task_id, done)
                else:
                    done(self.read_now(operation, request, caller, task_id))
            else:
                self._alone(operation, request, caller, done)
        except ServerError as refusal:
            done(refusal.with_traceback(None))
        except Exception:
            log.exception("unexpected fault in an operation", operation=request.request_id)
            done(unexpected_fault())

    def read_now(
        self, operation: Operation, request: Request, caller: Caller, task_id: str
    ) -> Outcome[Result]:
        """Give the outcome of a read whose task is in memory and waits for no commit."""
        try:
            outcome: Outcome[Result] = operation.run(request, caller, self._committed(task_id))
        except ServerError as refusal:
            # Without its traceback, which holds who asked, with the request, in a cycle.
            return refusal.with_traceback(None)
        except Exception:
            log.exception("unexpected fault in an operation", operation=request.request_id)
            return unexpected_fault()
        return outcome

    def parse(self, name: str, body: dict[str, Any]) -> Request:
        """Read a request for an operation of `offered`. Raises `BadRequest`."""
        operation = self.offered.get(name)
        if operation is None:
            offered = ", ".join(self.offered)
            raise BadRequest(f"there is no operation {name[:64]!r}, only {offered}")
        return operation.request.parse(body)

    def visit(self, request: Request, session: Session, done: Done[Result]) -> None:
        """Do a request of a session without a connection; `done` gets its outcome."""
        caller = Caller(session, self.core, session.identity)

        def answered(outcome: Outcome[Result]) -> None:
            # Keep visitors who have yet to sign in out of the audit; an operation that signs in
            # notes wrong attempts itself.
            if isinstance(outcome, AuthError) and session.identity is not None:
                self.core.identities.refused(session, outcome)
            if type(outcome) is bytes and len(outcome) > LITTLE_BYTES:
                whose, unsent = session.whose, self.core.unsent
                outcome = UNREAD if unsent.is_full(whose, unsent.of(whose)) else outcome
            done(outcome)

        drive(self._visit(request, caller), answered)
        # Start the commit here: the poller does so only for what its own sweeps decide.
        self.core.writer.flush()

    def _visit(self, request: Request, caller: Caller) -> Steps[Result]:
        session, operation = caller.session, self.offered[request.request_id]
        if not session.may_ask():
            raise Busy(TOO_MANY)
        if session.identity is None and request.signs_in != "person":
            raise AuthError(NOBODY_SIGNED_IN)
        ids = request.task_ids()
        yield from load(self.core, ids)
        if operation.kind == "writes":
            yield from self._wait_to_write(session, ids)
            caller = self.as_service(request, caller)
        task_id = ids[0] if ids else ""
        if session.identity is not None:
            # A body may come long after its head, by which the session was signed in.
            self.core.identities.check_still(session, session.identity)
        run: Start[Any] = partial(self.run, operation, request, caller, task_id)
        result: Result = yield from wait_for(run)
        return result

    def _wait_to_write(self, session: Session, ids: Sequence[str]) -> Steps[None]:
        """Wait until there is room for a write, in turns by whose it is."""
        writer = self.core.writer
        waits = writer.must_wait
        while waits:

            def room(done: Done[None]) -> None:
                writer.when_roomy(lambda: done(None), session.whose)

            yield from wait_for(room)
            # A small cache may have dropped the tasks meanwhile.
            yield from load(self.core, ids)
            waits = writer.is_crowded

    def _read_in_turn(
        self,
        operation: Operation,
        request: Request,
        caller: Caller,
        task_id: str,
        done: Done[Result],
    ) -> None:
        """Read a task whose change waits for its commit, and release the reply with that commit.

        Otherwise a commit that fails would leave a reader with a change that never was.
        """

        def answered(outcome: Outcome[Result]) -> None:
            if isinstance(outcome, StorageError) and self.core.view.knows(task_id):
                # The pending change that was read has failed: read the committed task instead.
                outcome = self.read_now(operation, request, caller, task_id)
            done(outcome)

        def look(transaction: Transaction) -> Result:
            result: Result = operation.run(request, caller, transaction.task(task_id))
            return result

        self._write(look, answered, looks=True)

    def _or_as_meant(
        self, operation: Operation, request: AboutTypedTask, caller: Caller, done: Done[Result]
    ) -> Done[Result]:
        """Have a write that finds no task of the id as it was typed try the id that is meant."""
        meant = request.as_meant()
        if meant is None:
            return done

        def again(transaction: Transaction) -> Result:
            # To load the task took its time: the asker may have been signed out meanwhile.
            self.core.identities.check_still(caller.session, caller.identity, transaction)
            result: Result = operation.run(meant, caller, transaction)
            return result

        def answered(outcome: Outcome[Result]) -> None:
            if isinstance(outcome, NotFound):
                drive(load_and_write(self.core, (meant.id,), again), done)
            else:
                done(outcome)

        return answered

    @staticmethod
    def _alone(operation: Operation, request: Request, caller: Caller, done: Done[Result]) -> None:
        if operation.changes:
            caller.session.count_change()
        identity = caller.as_identity or caller.session.identity
        outcome = operation.run(request, caller._replace(as_identity=identity))
        if not isinstance(outcome, Generator):
            done(outcome)
        elif operation.changes or identity is None or request.signs_in is not None:
            drive(outcome, done)
        else:
            drive(_told_still(outcome, caller, identity), done)

    def as_service(self, request: Request, caller: Caller) -> Caller:
        """Have the task of a registered service be owned by it, whoever else asks for the write.

        Otherwise the asker would own the task: it has no connection, so the task would soon die.
        The asker stays who asks: a fenced task is written with its epoch only.
        """
        if not request.counts_as_service():
            return caller
        url = request.fields.get("url")  # type: ignore[attr-defined]  # it writes a task's fields
        if type(url) is not str:
            task = self.core.view.task(request.task_ids()[0])
            url = None if task is None else strictjson.reload(task.body)["url"]
        author = self._author_for(url, caller) if type(url) is str and url else None
        return caller if author is None else caller._replace(as_author=author)


def _told_still(steps: Steps[Result], caller: Caller, identity: Identity) -> Steps[Result]:
    """Do the steps of a read; refuse to tell what was read for rights that have ended meanwhile."""
    result = yield from steps
    caller.core.identities.check_still(caller.session, identity)
    return result
