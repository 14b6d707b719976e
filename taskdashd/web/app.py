"""Routes by path, the identity behind a request, and the headers that every answer carries."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

import trio

from taskdash_protocol import __version__, strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Outcome, ServerError
from taskdash_protocol.families.people import Claim, Logout
from taskdash_protocol.request import Request as Asked
from taskdash_protocol.requests import Query
from taskdashd.core.access import Access
from taskdashd.core.replies import error_body, reply_body
from taskdashd.core.run import Runner
from taskdashd.core.session import Session
from taskdashd.core.table import Result
from taskdashd.domain.access import ANYONE, Identity
from taskdashd.web import cookies, original
from taskdashd.web.api import ask, status_of
from taskdashd.web.boards import Boards, Place
from taskdashd.web.cookies import Held
from taskdashd.web.files import Files
from taskdashd.web.http import Headers, Refused, Request, Response
from taskdashd.web.origins import Origins
from taskdashd.web.socket import Socket
from taskdashd.web.viewers import Viewers

API: Final = "/api/v1/"
_READ_BY_GET: Final = (f"{API}openapi.json", f"{API}about")
_NOTED_S: Final = 86400.0
_NOTED_MAX: Final = 10_000
_BEARER: Final = ("www-authenticate", "Bearer")
_KINDS: Final[dict[HTTPStatus, type[ServerError]]] = {
    HTTPStatus.UNAUTHORIZED: AuthError,
    HTTPStatus.FORBIDDEN: AuthError,
    HTTPStatus.TOO_MANY_REQUESTS: Busy,
}
SAFE: Final[Headers] = [
    # Only the daemon's own files run and are shown, and no page may frame the board.
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
]


class Limits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    max_frame: int
    watch_buffer: int
    write_timeout: float
    rpost_open: bool
    sign_up: bool
    passwords: bool


class App:
    """See the module."""

    def __init__(
        self,
        runner: Runner,
        limits: Limits,
        boards: Boards,
        viewers: Viewers,
        tokens: Access,
        files: Files,
        description: bytes,
        key: bytes,
        origins: Origins,
        *,
        secure: bool,
    ) -> None:
        self._runner = runner
        self._core = runner.core
        self._identities = runner.core.identities
        self._limits = limits
        self._viewers = viewers
        self._boards = boards
        self._tokens = tokens
        self._key = key
        self._origins = origins
        self._secure = secure
        self._files = files
        self._description = description
        self._noted: dict[tuple[str, str], float] = {}
        """By token name and address: when the last sign-in was noted, in seconds of the clock."""

    async def respond(self, request: Request) -> Response:
        """Answer a request. Raises `Refused`, but under the API's paths answers in JSON instead."""
        try:
            return await self._respond(request)
        except Refused as error:
            if not request.path.startswith(API):
                raise
            kind = _KINDS.get(error.status, BadRequest)
            refused = _json(error.status, error_body(kind(error.why)))
            return replace(refused, headers=[*refused.headers, *error.headers])

    async def _respond(self, request: Request) -> Response:
        self._origins.check_host(request)
        path, method = request.path, request.method
        if path == "/rpost/task" or (path.startswith(API) and path not in _READ_BY_GET):
            if method != "POST":
                raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "ask this by POST", ("allow", "POST"))
            self._origins.check_origin(request)
            return await (self._original if path == "/rpost/task" else self._api)(request)
        if method not in ("GET", "HEAD"):
            why = "ask this by GET"
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, why, ("allow", "GET, HEAD"))
        if path == f"{API}openapi.json":
            found: Response | None = _json(HTTPStatus.OK, self._description)
        elif path == f"{API}about":
            found = _json(HTTPStatus.OK, strictjson.dumps(self._about(request)))
        elif path == "/healthz":
            found = Response(HTTPStatus.OK, b"ok\n", [("content-type", "text/plain")])
        else:
            found = self._files.find(request)
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is nothing at {path[:200]}")
        return found

    def _about(self, request: Request) -> dict[str, Any]:
        """Give the facts that a page needs before a sign-in, and who has signed in."""
        session, _ = self._session(request)
        may_ask = session.may_ask()
        session.give_back()
        if not may_ask:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests a second: slow down")
        return {
            "version": __version__,
            "passwords": self._limits.passwords,
            "sign_up": self._limits.sign_up,
            "user": session.identity.person if session.identity is not None else "",
        }

    async def upgrade(
        self, request: Request, stream: trio.abc.Stream, raw: Any, early: bytes, handshake: bytes
    ) -> None:
        """Serve a board's websocket."""
        self._origins.check_host(request)
        self._origins.check_origin(request)
        if request.path != "/ws":
            raise Refused(HTTPStatus.NOT_FOUND, "the websocket is at /ws")
        session, held = self._session(request)
        if session.identity is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "sign in first", _BEARER)
        given = parse_qs(request.query)
        since = given.get("since", [""])[0]
        place = None
        if since.isascii() and since.isdigit() and len(since) < 19:
            place = Place(int(since), given.get("sight", [""])[0])
        limits = self._limits
        sock = Socket(
            stream,
            raw,
            session,
            session.identity,
            self._runner,
            self._boards,
            message_bytes_max=limits.max_frame,
            waiting_bytes_max=limits.watch_buffer,
            write_timeout_s=limits.write_timeout,
        )
        # Enter before the handshake is sent: a sign-out meanwhile must close this board too.
        self._viewers.enter(sock, held)
        try:
            with trio.move_on_after(limits.write_timeout) as sending:
                await stream.send_all(handshake)
            if sending.cancelled_caught:
                return
            await sock.run(place, early)
        finally:
            self._viewers.leave(sock)
            session.owner.is_open = False
            session.give_back()

    async def _api(self, request: Request) -> Response:
        session, held = self._session(request)
        try:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                # A foreign page's form can send other types without a preflight (CORS).
                raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
            fields = strictjson.loads_object(request.body)
            asked = self._runner.parse(request.path.removeprefix(API), fields)
        except BadRequest as error:
            return _json(HTTPStatus.BAD_REQUEST, error_body(error))
        try:
            result = await ask(asked, session, self._runner)
        finally:
            session.give_back()
        response = _json(status_of(result, session), reply_body(asked, result))
        return self._with_cookie(response, asked, result, session, held)

    async def _original(self, request: Request) -> Response:
        session, held = self._session(request)
        if session.identity is None and self._limits.rpost_open:
            self._identities.take_for(session, ANYONE)

        async def as_whoever(asked: Asked) -> Outcome[Result]:
            if isinstance(asked, Claim) and session.identity is not None:
                person = session.identity.person
                if person and asked.user == "":
                    asked = Claim(asked.id, person)
            if isinstance(asked, Query) and session.identity is None:
                return AuthError("sign in first: userLogin opens a session")
            return await ask(asked, session, self._runner)

        try:
            response, asked = await original.answer(request, as_whoever)
        finally:
            session.give_back()
        return self._with_cookie(response, asked, None, session, held)

    def _with_cookie(
        self,
        response: Response,
        asked: Asked | None,
        result: Outcome[Result] | None,
        session: Session,
        held: Held | None,
    ) -> Response:
        if isinstance(result, ServerError):
            return response
        value = ""
        signs_in = asked is not None and asked.signs_in == "person"
        if signs_in and session.secret and session.identity is not None:
            fresh = Held(session.identity.person, session.secret)
            if held != fresh:
                value = cookies.write(fresh, self._key, secure=self._secure)
        elif isinstance(asked, Logout) and not asked.user and held is not None:
            value = cookies.write(Held(held.person, ""), self._key, secure=self._secure)
        if not value:
            return response
        return replace(response, headers=[*response.headers, ("set-cookie", value)])

    def _session(self, request: Request) -> tuple[Session, Held | None]:
        """Open a request's session, with the identity of its token or cookie, or with none yet."""
        session = self._core.sessions.visit(request.peer)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                identity = self._tokens.sign_in(token.strip(), request.address)
            except Busy as error:
                raise Refused(HTTPStatus.TOO_MANY_REQUESTS, error.detail) from None
            except AuthError as error:
                raise Refused(HTTPStatus.UNAUTHORIZED, error.detail, _BEARER) from None
            self._identities.take_for(session, identity)
            self._note(identity, request.address)
            session.introduce("http")
            return session, None
        held = cookies.read(request.headers.get("cookie", ""), self._key)
        if held is not None:
            person = self._identities.person(held.person)
            if person is not None and person.knows(held.secret):
                self._identities.take_for(session, person.identity)
                session.come_back(held.secret)
        if session.identity is None:
            self._identities.share_of_address(session)
        session.introduce("web")
        return session, held

    def _note(self, identity: Identity, address: str) -> None:
        """Note a token's sign-in once a day for each address: a token comes with each request."""
        key, now = (identity.name, address), self._core.clock.now()
        if now - self._noted.get(key, -_NOTED_S) < _NOTED_S:
            return
        if len(self._noted) >= _NOTED_MAX:
            self._noted.clear()
        self._noted[key] = now
        self._core.acts.note("signed in", f"{identity.name} ({address})", identity.rights)


def _json(status: HTTPStatus, body: bytes) -> Response:
    return Response(
        status, body, [("content-type", "application/json"), ("cache-control", "no-store")]
    )
