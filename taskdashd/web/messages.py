"""Requests and responses of HTTP, as values."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from taskdashd.domain.budget import Budget

Headers = list[tuple[str, str]]

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
"""Headers of every response."""


class Refused(Exception):
    """Raised to answer a request with an HTTP error; the message says why."""

    def __init__(self, status: HTTPStatus, why: str, *headers: tuple[str, str]) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request, and who sends it."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    """By name in lower case; of a repeated header the last, of Cookie and what proxies say all."""
    address: str
    """The asker's IP address, without the port: the peer's, or what a trusted proxy says."""
    peer: str
    budget: Budget
    """The budget that all requests of the connection draw from."""
    is_https: bool = False
    """Whether a trusted proxy says that it was asked by https."""
    prefix: str = ""
    """What stands before each path in a browser; `path` is without it, however it came."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `content-length` is added as it is sent."""

    status: HTTPStatus
    body: bytes = b""
    headers: Headers = field(default_factory=list)


def refusal(error: Refused) -> Response:
    """Give the plain-text answer that says why."""
    text = f"{error.status.value} {error.status.phrase}: {error.why}\n"
    headers = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]
    return Response(error.status, text.encode(), [*headers, *error.headers])
