"""Requests of operators: how the daemon fares, and who did what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from taskdash_protocol.checks import QUERY_LIMIT_DEFAULT, flag, optional_text, page, time
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.request import Request, about


@dataclass(frozen=True, slots=True)
class Status(Request):
    """Ask how the daemon itself fares."""

    request_id: ClassVar[str] = "Status"
    check: bool = about("Also read the whole database and report its faults.", default=False)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        return cls(flag(body, "check", default=False))

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        return {"check": True} if self.check else {}


@dataclass(frozen=True, slots=True)
class Audit(Request):
    """Ask who did what, when and why; the newest comes first."""

    request_id: ClassVar[str] = "Audit"
    task: str = about("Only changes of the task with this id.", default="")
    who: str = about("Only what was done by somebody whose name contains this.", default="")
    kinds: tuple[str, ...] = about("Only these kinds; a string or a list.", default=())
    since: str = about("Not before this time (RFC 3339).", default="")
    until: str = about("Before this time (RFC 3339).", default="")
    limit: int = about("At most so many entries, 1-1000.", default=QUERY_LIMIT_DEFAULT)
    after: str | None = about("The `next` of the page before.", default=None)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        kinds = body.get("kinds", [])
        kinds = [kinds] if type(kinds) is str else kinds
        if type(kinds) is not list or any(type(kind) is not str for kind in kinds):
            raise BadRequest("field kinds must be a string or a list of strings")
        return cls(
            optional_text(body, "task"),
            optional_text(body, "who"),
            tuple(kinds),
            time(body, "since"),
            time(body, "until"),
            *page(body),
        )

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        body: dict[str, Any] = {"limit": self.limit, "kinds": list(self.kinds)}
        for name in ("task", "who", "since", "until", "after"):
            if value := getattr(self, name):
                body[name] = value
        return body
