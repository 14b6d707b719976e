"""`/ping/TOKEN/ID`: a sign of life by one HTTP request, for cron and whatever has no client.

The path holds a secret: nothing here logs it, notes it or repeats it, not even to who has sent it.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, unquote

from taskdash_protocol.errors import AuthError, BadRequest, Busy, ServerError
from taskdash_protocol.fields import HEARTBEAT_TIMEOUT_MAX_S
from taskdash_protocol.readers import check_id
from taskdashd.core import pings
from taskdashd.core.access import Access
from taskdashd.core.session import TOO_MANY, Session
from taskdashd.core.steps import Steps
from taskdashd.core.table import Caller, Core
from taskdashd.domain.access import Identity
from taskdashd.domain.pings import Ping, Signal
from taskdashd.settings.values import duration
from taskdashd.store.faults import OutcomeUnknown
from taskdashd.web.api import STATUSES
from taskdashd.web.messages import Refused, Request, Response, refusal

PREFIX: Final = "/ping/"
BODY_BYTES_MAX: Final = 1 << 20
REASON_BYTES_MAX: Final = 10 << 10
"""So much of a body's end is the reason: the end of a program's output says what went wrong."""
_METHODS: Final = ("GET", "HEAD", "POST")
_PURPOSES: Final = ("sec-purpose", "purpose", "x-moz")
_QUERY_FIELDS_MAX: Final = 8
_EXIT: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_EXIT_MAX: Final = 255
_DONE: Final = Response(
    HTTPStatus.OK,
    b"ok\n",
    [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")],
)


class Pings:
    """Looks at pings as their heads come, the token before anything else."""

    def __init__(self, core: Core, tokens: Access, note: Callable[[Identity, str], None]) -> None:
        self._core = core
        self._tokens = tokens
        self._note = note

    def visit(self, request: Request) -> "_Ping | Response":
        """Look at the head of a ping. Raises `Refused`."""
        if request.method not in _METHODS:
            allowed = ("allow", ", ".join(_METHODS))
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "ping by GET, HEAD or POST", allowed)
        _check_is_meant(request.headers)
        token, _, rest = request.path.removeprefix(PREFIX).partition("/")
        core = self._core
        session = core.sessions.visit(request.peer, budget=request.budget)
        identity = self._identity(token, session.address)
        core.identities.take_for(session, identity)
        session.introduce("ping")
        if not session.may_ask():
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, TOO_MANY)
        self._note(identity, request.address)
        try:
            ping = _understood(rest, request, identity)
        except AuthError as error:
            core.identities.refused(session, error)
            raise Refused(HTTPStatus.FORBIDDEN, error.detail) from None
        finally:
            session.give_back()
        return _Ping(core, session, ping, partial(self._identity, token, session.address))

    def _identity(self, token: str, address: str) -> Identity:
        try:
            return self._tokens.pinger(token, address)
        except Busy as error:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, error.detail) from None
        except AuthError as error:
            raise Refused(HTTPStatus.UNAUTHORIZED, error.detail) from None


class _Ping:
    """A ping that may be done: a `Visit`."""

    body_bytes_max = BODY_BYTES_MAX
    body_bytes_kept = REASON_BYTES_MAX

    def __init__(
        self, core: Core, session: Session, ping: Ping, look_again: Callable[[], Identity]
    ) -> None:
        self._core = core
        self._session = session
        self._ping = ping
        self._look_again = look_again
        self.whose = session.whose

    def answer(self, body: bytes) -> Steps[Response]:
        """Do the ping, with the end of its body for a reason."""
        caller, ping = Caller(self._session, self._core, self._session.identity), self._ping
        try:
            if body:
                # A body may come long after its head: the token may be worth nothing any more.
                self._look_again()
                ping = ping._replace(reason=_reason(body))
            yield from pings.ping(ping, caller)
        except Refused as error:
            return refusal(error)
        except OutcomeUnknown:
            raise
        except ServerError as error:
            if isinstance(error, AuthError):
                self._core.identities.refused(self._session, error)
            # Leave it without its traceback, which would hold this frame, and so itself.
            error.with_traceback(None)
            return refusal(Refused(STATUSES[error.errid], error.detail))
        return _DONE

    def leave(self, *, is_gone: bool) -> None:
        """Note that nobody waits for the answer any more."""
        if is_gone:
            self._core.sessions.leave(self._session)


def _check_is_meant(headers: dict[str, str]) -> None:
    """Refuse what a browser asks because somebody opens, or may open, a link: that is no ping."""
    fetched_ahead = False
    for name in _PURPOSES:
        if name in headers:
            purpose = headers[name].lower()
            fetched_ahead |= "prefetch" in purpose or purpose == "preview"
    if fetched_ahead or headers.get("sec-fetch-mode", "").lower() == "navigate":
        why = "a browser that opens this address pings nothing: ask it by a program"
        raise Refused(HTTPStatus.FORBIDDEN, why)


def _understood(rest: str, request: Request, identity: Identity) -> Ping:
    """Read what follows the token. Raises `Refused`, or `AuthError` for a task of others."""
    name, slash, suffix = rest.partition("/")
    signal: Signal = ""
    exit_code: int | None = None
    if suffix == "start":
        signal = "start"
    elif suffix == "fail":
        signal = "fail"
    elif _EXIT.fullmatch(suffix) and int(suffix) <= _EXIT_MAX:
        exit_code = int(suffix)
    elif slash or not name:
        why = f"a ping is {request.prefix}/ping/TOKEN/ID[/start|/fail|/EXIT]"
        raise Refused(HTTPStatus.NOT_FOUND, why)
    try:
        task_id = check_id("ID", unquote(name, errors="strict") if "%" in name else name)
    except UnicodeDecodeError:
        raise Refused(HTTPStatus.BAD_REQUEST, "ID is not UTF-8, percent-encoded") from None
    except BadRequest as error:
        raise Refused(HTTPStatus.BAD_REQUEST, error.detail) from None
    if not identity.may_ping(task_id):
        raise AuthError(
            "this token may only ping ids that begin with its name"
            if identity.role == "ping"
            else f"a token of the role {identity.role} pings nothing: make one of the role ping"
        )
    timeout_s = _timeout_s(request.query) if request.query else None
    return Ping(task_id, signal, exit_code, timeout_s, "")


@lru_cache(256)
def _timeout_s(query: str) -> float | None:
    """Give the heartbeat timeout that `every` and `grace` make; None where neither is there."""
    try:
        given = parse_qs(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX)
        said = [given[name][-1] for name in ("every", "grace") if name in given]
        timeout_s = sum(map(duration, said)) if said else None
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"every, grace: {error}") from None
    if timeout_s is not None and timeout_s > HEARTBEAT_TIMEOUT_MAX_S:
        raise Refused(HTTPStatus.BAD_REQUEST, "every and grace are more than 31d together")
    return timeout_s


def _reason(body: bytes) -> str:
    if not body:
        return ""
    # The first kept byte may stand within a character: drop the rest of that one.
    start = next((n for n in range(min(4, len(body))) if body[n] & 0xC0 != 0x80), 0)
    return body[start:].decode(errors="replace").replace("\0", "\ufffd").strip()
