"""Operations over HTTP: running a request, and the HTTP status of its outcome."""

from http import HTTPStatus
from typing import Final

import trio

from taskdash_protocol.errors import AuthError, Busy, Outcome, ServerError
from taskdash_protocol.request import Request as Asked
from taskdashd.core.run import Runner
from taskdashd.core.session import Session
from taskdashd.core.table import Result

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
ANSWER_S: Final = 60.0


async def ask(asked: Asked, session: Session, runner: Runner) -> Outcome[Result]:
    """Run a request and wait for its outcome, for `ANSWER_S` at most."""
    done = trio.Event()
    outcomes: list[Outcome[Result]] = []

    def finished(outcome: Outcome[Result]) -> None:
        outcomes.append(outcome)
        done.set()

    runner.visit(asked, session, finished)
    with trio.move_on_after(ANSWER_S):
        await done.wait()
    return outcomes[0] if outcomes else Busy(f"no answer came within {ANSWER_S:g} s")


def status_of(outcome: Outcome[Result], session: Session) -> HTTPStatus:
    """Give the HTTP status of an outcome."""
    if isinstance(outcome, AuthError) and session.identity is None:
        return HTTPStatus.UNAUTHORIZED
    return STATUSES[outcome.errid] if isinstance(outcome, ServerError) else HTTPStatus.OK
