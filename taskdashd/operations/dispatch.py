"""Doing one request for somebody who has no connection of the wire protocol."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import structlog

from taskdash_protocol import strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, ServerError, StorageError
from taskdash_protocol.people import Login
from taskdash_protocol.requests import Hello, Register, Request, Unwatch, Update, Watch
from taskdashd.domain.tasks import Task
from taskdashd.operations.catalogue import OPERATIONS
from taskdashd.operations.engine import Engine
from taskdashd.operations.session import TOO_MANY, Session
from taskdashd.operations.table import Caller, Done, Operation

OFFERED: Final = {
    name: operation
    for name, operation in OPERATIONS.items()
    # What these are about is a connection.
    if operation.request not in (Hello, Watch, Unwatch)
}

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def parse(name: str, body: Mapping[str, Any]) -> Request:
    """Read a request. Raises `BadRequest`."""
    operation = OFFERED.get(name)
    if operation is None:
        raise BadRequest(f"there is no operation {name[:64]!r}, only {', '.join(OFFERED)}")
    return operation.request.parse(body)


def perform(request: Request, session: Session, engine: Engine, done: Done) -> None:
    """Do a request; `done` gets a `Result` or a `ServerError`, at once or later."""
    operation = OFFERED[request.request_id]
    answered = partial(_end, session, engine, done)

    def start() -> None:
        _check(operation, session)
        _start(operation, request, Caller(session, engine, session.identity), answered)

    _guarded(request, start, answered)
    engine.writer.flush()


def _check(operation: Operation, session: Session) -> None:
    if not session.may_ask():
        raise Busy(TOO_MANY)
    if session.identity is None and operation.request is not Login:
        raise AuthError("nobody has signed in here")


def _end(session: Session, engine: Engine, done: Done, result: Any) -> None:
    if isinstance(result, AuthError) and session.identity is not None:
        engine.refused(session, result)
    done(result)


def _as_service(request: Request, caller: Caller, task: Task | None) -> Caller:
    """Say whose connection a write counts as: of a service that beats by its URL, that service's.

    Else the task would be the asker's, who is gone with the answer.
    """
    if not isinstance(request, Register) and not (isinstance(request, Update) and request.own):
        return caller
    url = request.fields.get("url")
    if type(url) is not str and task is not None:
        url = strictjson.reload(task.body)["url"]
    author = caller.engine.services.author_for(url, caller) if type(url) is str and url else None
    return caller if author is None else caller._replace(as_author=author)


def _start(operation: Operation, request: Request, caller: Caller, done: Done) -> None:
    if operation.kind == "session":
        operation.run(request, caller, done)
        return
    engine = caller.engine
    task_id: str = request.id  # type: ignore[attr-defined]  # it is about one task

    def loaded(fault: Exception | None) -> None:
        if fault is not None:
            done(fault if isinstance(fault, ServerError) else Busy("the task is unreadable"))
        elif not engine.view.knows(task_id):
            engine.reader.load((task_id,), loaded)
        else:
            _guarded(request, lambda: decide(engine.view.task(task_id)), done)
        engine.writer.flush()

    def decide(task: Task | None) -> None:
        if operation.kind == "writes":
            whose = _as_service(request, caller, task)
            engine.writer.write(partial(operation.run, request, whose), done)
        else:
            # In its turn, so that it sees what was asked before it.
            engine.writer.write(
                lambda transaction: operation.run(request, caller, transaction.task(task_id)), done
            )

    engine.reader.load((task_id,), loaded)


def _guarded(request: Request, run: Callable[[], None], done: Done) -> None:
    """Do something that may fail; whoever asked is told in any case."""
    try:
        run()
    except ServerError as refusal:
        done(refusal)
    except Exception:
        log.exception("unexpected fault in an operation", operation=request.request_id)
        done(StorageError("an unexpected fault: it was logged"))
