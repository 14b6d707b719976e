"""Operations over HTTP: running a request, and the HTTP status of its outcome."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from taskdash_protocol.errors import AuthError, Outcome, ServerError
from taskdash_protocol.request import Request as Asked
from taskdashd.core.run import Runner
from taskdashd.core.session import Session
from taskdashd.core.steps import Start, Steps, wait_for
from taskdashd.core.table import Result
from taskdashd.store.faults import OutcomeUnknown

STATUSES: Final = {
    0: HTTPStatus.OK,
    1000: HTTPStatus.BAD_REQUEST,
    1001: HTTPStatus.INSUFFICIENT_STORAGE,
    1002: HTTPStatus.NOT_FOUND,
    1003: HTTPStatus.FORBIDDEN,
    1004: HTTPStatus.CONFLICT,
    1005: HTTPStatus.TOO_MANY_REQUESTS,
}
"""HTTP statuses by errid."""


def ask(asked: Asked, session: Session, runner: Runner) -> Steps[Outcome[Result]]:
    """Run a request and give its outcome: a refusal too is a value. Raises `OutcomeUnknown`."""
    try:
        run: Start[Any] = partial(runner.visit, asked, session)
        result: Result = yield from wait_for(run)
    except OutcomeUnknown:
        raise
    except ServerError as refused:
        # Leave it without its traceback, which would hold this frame, and so itself.
        return refused.with_traceback(None)
    return result


def status_of(outcome: Outcome[Result], session: Session) -> HTTPStatus:
    """Give the HTTP status of an outcome."""
    if isinstance(outcome, AuthError) and session.identity is None:
        return HTTPStatus.UNAUTHORIZED
    return STATUSES[outcome.errid] if isinstance(outcome, ServerError) else HTTPStatus.OK
