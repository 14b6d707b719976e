"""Routes by path, the identity behind a request, and the headers that every answer carries."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import parse_qs

from taskdash_protocol import __version__, strictjson
from taskdash_protocol.errors import AuthError, BadRequest, Busy, Outcome, ServerError
from taskdash_protocol.families.people import Logout
from taskdash_protocol.request import Request as Parsed
from taskdashd.core.access import Access
from taskdashd.core.proofs import Proofs
from taskdashd.core.replies import error_body, reply_body
from taskdashd.core.run import Runner
from taskdashd.core.session import Session
from taskdashd.core.sessions import Sessions
from taskdashd.core.steps import Steps
from taskdashd.core.table import Result
from taskdashd.domain.access import ANYONE, Identity
from taskdashd.server.conversation import Conversation, Touch
from taskdashd.server.exchange import ExchangeLimits
from taskdashd.server.inbox import FRAME_BYTES_MAX_UNSIGNED
from taskdashd.server.link import Link
from taskdashd.web import cookies, original
from taskdashd.web.api import STATUSES, ask, status_of
from taskdashd.web.boards import Boards, Place
from taskdashd.web.cookies import Held
from taskdashd.web.files import Files
from taskdashd.web.forwarded import ProxiedSite, Proxies
from taskdashd.web.http import HttpConnection
from taskdashd.web.messages import SAFE, Refused, Request, Response, refusal
from taskdashd.web.origins import Origins
from taskdashd.web.pages import Pages
from taskdashd.web.pings import PREFIX, Pings
from taskdashd.web.reader import encoded
from taskdashd.web.site import HttpLimits, Site, Visit
from taskdashd.web.socket import Socket, bearer_of, handshake
from taskdashd.web.viewers import Viewers

API: Final = "/api/v1/"
_READ_BY_GET: Final = (f"{API}openapi.json", f"{API}about")
_NOTED_S: Final = 86400.0
_NOTED_MAX: Final = 10_000
_QUERY_FIELDS_MAX: Final = 8
_BEARER: Final = ("www-authenticate", "Bearer")
_KINDS: Final[dict[HTTPStatus, type[ServerError]]] = {
    HTTPStatus.UNAUTHORIZED: AuthError,
    HTTPStatus.FORBIDDEN: AuthError,
    HTTPStatus.TOO_MANY_REQUESTS: Busy,
    HTTPStatus.SERVICE_UNAVAILABLE: Busy,
}
_SAFE_ENCODED: Final = encoded(SAFE)


class Limits(HttpLimits, ExchangeLimits, Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    web_connections: int
    rpost_open: bool
    sign_up: bool
    passwords: bool
    passwordless: str


class App:
    """See the module; a `Door` for the poller, and the `Site` of each HTTP connection."""

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
        proofs: Proofs,
        proxies: Proxies,
        *,
        secure: bool,
        prefix: str = "",
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
        self._proofs = proofs
        self.is_proxy = proxies.trusts
        self._proxies = proxies
        self._secure = secure
        self._prefix = prefix
        self._files = files
        self._description = description
        self._noted: dict[tuple[str, str], float] = {}
        """By token name and address: when the last sign-in was noted, in seconds of the clock."""
        self._pings = Pings(runner.core, tokens, self._note)

    # The door

    @property
    def connections_max(self) -> int:
        """How many connections may be open."""
        return self._limits.web_connections

    def begin(self, link: Link, touch: Touch) -> HttpConnection:
        """Begin with HTTP on a socket that was just accepted."""
        now, budget = self._core.clock.now, self._core.sessions.budget()
        site: Site = self
        if self.is_proxy(link.address):
            site = ProxiedSite(self, self._proxies, link.count_for)
        return HttpConnection(site, self._limits, now, budget, link, touch, self._prefix)

    # The site

    def headers_for(self, request: Request | None) -> bytes:
        """Give the headers that every answer carries, and what a page of elsewhere may read."""
        more = [] if request is None else self._origins.headers_for(request)
        return _SAFE_ENCODED + encoded(more) if more else _SAFE_ENCODED

    def visit(self, request: Request) -> Visit | Response:
        """Look at the head of a request: its host, origin, path and method, and who asks."""
        try:
            return self._visit(request)
        except Refused as error:
            return self.refused(request, error)

    def too_late(self, request: Request, limit_s: float) -> Response:
        """Give the answer of a request that takes too long to be answered."""
        late = Busy(f"no answer came within {limit_s:g} s")
        return _json(STATUSES[late.errid], error_body(late))

    def refused(self, request: Request, error: Refused) -> Response:
        """Answer with an error: in JSON under the API's paths."""
        if not request.path.startswith(API):
            return refusal(error)
        kind = _KINDS.get(error.status, BadRequest)
        refused = _json(error.status, error_body(kind(error.why)))
        return replace(refused, headers=[*refused.headers, *error.headers])

    def turn_away(self, request: Request, why: Busy) -> Refused:
        """Note for the audit that an address has too many connections; gives what to answer."""
        self._core.acts.note("turned away", request.address, why.detail)
        return Refused(HTTPStatus.SERVICE_UNAVAILABLE, why.detail, ("retry-after", "5"))

    def _visit(self, request: Request) -> Visit | Response:
        self._origins.check_host(request)
        path, method = request.path, request.method
        if path.startswith(PREFIX):
            return self._pings.visit(request)
        if self._origins.is_preflight(request):
            allowed = Response(HTTPStatus.OK)
            return _Found(allowed, self._body_bytes_max(False), request.address)
        is_original = path in original.PATHS
        if is_original or (path.startswith(API) and path not in _READ_BY_GET):
            asked_by = original.PATHS.get(path, "POST")
            if method != asked_by:
                why = f"ask this by {asked_by}"
                raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, why, ("allow", asked_by))
            self._origins.check_origin(request)
            came = self._session(request)
            answer = self._original if is_original else self._api
            signed_in = came.session.identity is not None
            most = self._body_bytes_max(signed_in)
            return _Asked(self._core.sessions, request, came, answer, most)
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
            # Do not repeat what may be a ping with a slash too many: its path holds a token.
            where = "that path" if PREFIX in path.lower() else path[:200]
            why = f"there is nothing at {where}: by web_prefix the board is at {request.prefix}/"
            raise Refused(HTTPStatus.NOT_FOUND, why)
        return _Found(found, self._body_bytes_max(False), request.address)

    def _body_bytes_max(self, signed_in: bool) -> int:
        most = self._limits.max_frame
        return most if signed_in else min(most, FRAME_BYTES_MAX_UNSIGNED)

    def _about(self, request: Request) -> dict[str, Any]:
        """Give the facts that a page needs before a sign-in, and who has signed in."""
        session = self._session(request).session
        may_ask = session.may_ask()
        session.give_back()
        if not may_ask:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests a second: slow down")
        return {
            "version": __version__,
            "passwords": self._limits.passwords or self._limits.passwordless == "off",
            "sign_up": self._limits.sign_up,
            "user": session.identity.person if session.identity is not None else "",
        }

    def upgrade(self, request: Request, touch: Touch, rest: bytes) -> Conversation:
        """Give the websocket of an open board. Raises `Refused`."""
        shaken = handshake(request)
        self._origins.check_host(request)
        self._origins.check_origin(request)
        if request.path != "/ws":
            raise Refused(HTTPStatus.NOT_FOUND, f"the websocket is at {request.prefix}/ws")
        session, held, _ = self._session(request, bearer_of(request))
        if session.identity is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "sign in first", _BEARER)
        place = _place(_fields(request.query))
        sock = Socket(self._runner, self._limits, session, touch, self._boards, self._viewers.leave)
        sock.outbox.put(shaken)
        sock.beat()
        self._viewers.enter(sock, held)
        self._boards.join(sock, place)
        if rest:
            sock.receive(rest)
        return sock

    def _api(self, asked: "_Asked", body: bytes) -> Steps[Response]:
        request, session = asked.request, asked.session
        try:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                # A foreign page's form can send other types without a preflight (CORS).
                unsupported = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
                return self.refused(request, Refused(unsupported, "send application/json"))
            fields = strictjson.loads_object(body)
            parsed = self._runner.parse(request.path.removeprefix(API), fields)
        except BadRequest as error:
            return _json(HTTPStatus.BAD_REQUEST, error_body(error))
        result = yield from ask(parsed, session, self._runner)
        response = _json(status_of(result, session), reply_body(parsed, result))
        return self._with_cookie(response, parsed, result, asked)

    def _original(self, asked: "_Asked", body: bytes) -> Steps[Response]:
        session = asked.session
        if session.identity is None and self._limits.rpost_open:
            self._identities.take_for(session, ANYONE)
        asker = Pages(self._runner, self._proofs, session, self._note)
        answer = original.answer(asked.request, body, asker, self._limits.max_frame)
        response, parsed = yield from answer
        return self._with_cookie(response, parsed, None, asked)

    def _with_cookie(
        self,
        response: Response,
        parsed: Parsed | None,
        result: Outcome[Result] | None,
        asked: "_Asked",
    ) -> Response:
        if isinstance(result, ServerError):
            return response
        session, held, kept = asked.came
        left = kept
        signs_in = parsed is not None and parsed.signs_in == "person"
        if signs_in and session.secret and session.identity is not None:
            fresh = Held(session.identity.person, session.secret)
            left = (fresh, *(one for one in kept if one.person != fresh.person))
        elif isinstance(parsed, Logout) and not parsed.user:
            left = tuple(one for one in kept if one != held)
        if left == kept:
            return response
        secure, path = self._secure or asked.request.is_https, f"{asked.request.prefix}/"
        value = cookies.write(left, self._key, secure=secure, path=path)
        return replace(response, headers=[*response.headers, ("set-cookie", value)])

    def _session(self, request: Request, bearer: str = "") -> "_Came":
        """Open a request's session, with the identity of its token or cookie, or with none yet."""
        session = self._core.sessions.visit(request.peer, budget=request.budget)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if bearer:
            scheme, token = "bearer", bearer
        if scheme.lower() == "bearer":
            try:
                # By the session's spelling of the address, in which TCP counts too.
                identity = self._tokens.sign_in(token.strip(), session.address)
            except Busy as error:
                raise Refused(HTTPStatus.TOO_MANY_REQUESTS, error.detail) from None
            except AuthError as error:
                raise Refused(HTTPStatus.UNAUTHORIZED, error.detail, _BEARER) from None
            self._identities.take_for(session, identity)
            self._note(identity, request.address)
            session.introduce("http")
            return _Came(session)
        kept = cookies.read(request.headers.get("cookie", ""), self._key)
        held = _meant(request, kept)
        if held is not None:
            self._identities.come_back(session, held.person, held.secret)
        if session.identity is None:
            self._identities.share_of_address(session)
        session.introduce("web")
        return _Came(session, held, kept)

    def _note(self, identity: Identity, address: str) -> None:
        """Note a token's sign-in once a day for each address: a token comes with each request."""
        key, now = (identity.name, address), self._core.clock.now()
        if now - self._noted.get(key, -_NOTED_S) < _NOTED_S:
            return
        if len(self._noted) >= _NOTED_MAX:
            self._noted.clear()
        self._noted[key] = now
        self._core.acts.note("signed in", f"{identity.name} ({address})", identity.rights)


class _Came(NamedTuple):
    """The session of a request, the sign-in that it came by, and all that its browser holds."""

    session: Session
    held: Held | None = None
    kept: tuple[Held, ...] = ()


def _meant(request: Request, kept: tuple[Held, ...]) -> Held | None:
    """Give the sign-in by which a request is meant: that of `as`, or else the browser's latest.

    A page says as whom it is: the cookie is all tabs', and in another one somebody else may have
    signed in since.
    """
    whom = _fields(request.query).get("as") if request.path.startswith((API, "/ws")) else None
    return next((one for one in kept if whom is None or [one.person] == whom), None)


def _fields(query: str) -> dict[str, list[str]]:
    """Read the fields of a query; none where it cannot be read."""
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX)
    except ValueError:
        return {}


def _place(given: dict[str, list[str]]) -> Place | None:
    """Read how far a board that comes back had been told; None where the query does not say it."""
    since = given.get("since", [""])[0]
    if since.isascii() and since.isdigit() and len(since) < 19:
        return Place(int(since), given.get("sight", [""])[0])
    return None


class _Asked:
    """A request that is run: a `Visit` with a session."""

    def __init__(
        self,
        sessions: Sessions,
        request: Request,
        came: _Came,
        answer: Callable[["_Asked", bytes], Steps[Response]],
        body_bytes_max: int,
    ) -> None:
        self._sessions = sessions
        self._answer = answer
        self.request = request
        self.came = came
        self.session = came.session
        self.body_bytes_max = self.body_bytes_kept = body_bytes_max
        self.whose = came.session.whose

    def answer(self, body: bytes) -> Steps[Response]:
        """Run the request in a body."""
        return self._answer(self, body)

    def leave(self, *, is_gone: bool) -> None:
        """Give back what the session's budgets have left."""
        self.session.give_back()
        if is_gone:
            self._sessions.leave(self.session)


class _Found(NamedTuple):
    """A `Visit` whose answer is ready."""

    response: Response
    body_bytes_max: int
    whose: str
    body_bytes_kept: int = 0

    def answer(self, _body: bytes) -> Steps[Response]:
        """Give the answer."""
        return self.response
        yield

    def leave(self, *, is_gone: bool) -> None:
        """Leave nothing behind."""


def _json(status: HTTPStatus, body: bytes) -> Response:
    return Response(
        status, body, [("content-type", "application/json"), ("cache-control", "no-store")]
    )
