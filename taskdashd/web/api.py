"""Operations over HTTP: who asks, what is done, and how an errid is said in HTTP's own words."""

from http import HTTPStatus
from typing import Any, Final

import trio

from taskdash_protocol.errors import AuthError, Busy, ServerError
from taskdash_protocol.request import Request as Asked
from taskdashd.operations.dispatch import perform
from taskdashd.operations.engine import Engine
from taskdashd.operations.session import Session

STATUSES: Final = {
    0: HTTPStatus.OK,
    1000: HTTPStatus.BAD_REQUEST,
    1001: HTTPStatus.INSUFFICIENT_STORAGE,
    1002: HTTPStatus.NOT_FOUND,
    1003: HTTPStatus.FORBIDDEN,
    1004: HTTPStatus.CONFLICT,
    1005: HTTPStatus.TOO_MANY_REQUESTS,
}
"""By errid."""
ANSWER_S: Final = 60.0


async def ask(asked: Asked, session: Session, engine: Engine) -> Any:
    """Do a request, and wait for its result or `ServerError`."""
    done = trio.Event()
    results: list[Any] = []

    def finished(result: Any) -> None:
        results.append(result)
        done.set()

    perform(asked, session, engine, finished)
    with trio.move_on_after(ANSWER_S):
        await done.wait()
    return results[0] if results else Busy(f"no answer came within {ANSWER_S:g} s")


def status_of(result: Any, session: Session) -> HTTPStatus:
    """Say how a result is called in HTTP."""
    if isinstance(result, AuthError) and session.identity is None:
        return HTTPStatus.UNAUTHORIZED
    return STATUSES[result.errid] if isinstance(result, ServerError) else HTTPStatus.OK
