"""What answers the requests that an HTTP connection has read."""

from typing import Protocol

from taskdashd.core.steps import Steps
from taskdashd.server.conversation import Conversation, Touch
from taskdashd.web.messages import Request, Response


class Visit(Protocol):
    """A request whose head was looked at: who asks is known, and may ask."""

    @property
    def body_bytes_max(self) -> int:
        """How long the request's body may be."""

    @property
    def body_bytes_kept(self) -> int:
        """How many bytes of the body's end are kept, and given to `answer`."""

    @property
    def whose(self) -> str:
        """Whose bytes the request's are: an identity's; before a sign-in, an address's."""

    def answer(self, body: bytes) -> Steps[Response]:
        """Answer the request, now that its body is whole."""

    def leave(self, *, is_gone: bool) -> None:
        """End the visit; `is_gone` says that nobody waits for the answer any more."""


class Site(Protocol):
    """What answers the requests of all HTTP connections."""

    def headers_for(self, request: Request | None) -> bytes:
        """Give headers for the response to a request, or to what is none, encoded."""

    def visit(self, request: Request) -> Visit | Response:
        """Look at the head of a request; a response refuses it."""

    def upgrade(self, request: Request, touch: Touch, rest: bytes) -> Conversation:
        """Give the websocket that a request asks for; `rest` are bytes that came behind its head.

        Raises `Refused`.
        """

    def too_late(self, request: Request, limit_s: float) -> Response:
        """Give the answer of a request that takes too long to be answered."""


class HttpLimits(Protocol):
    """The settings that are read here; they may change while the daemon runs."""

    frame_timeout: float
