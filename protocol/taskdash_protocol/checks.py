"""Reading single fields of a request's body. Each raises `BadRequest` with the field's name."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from taskdash_protocol.errors import BadRequest

QUERY_LIMIT_MAX: Final = 1000
QUERY_LIMIT_DEFAULT: Final = 100


def check_text(name: str, value: object) -> None:
    """Check that a value is a string that a field may hold."""
    if type(value) is not str:
        raise BadRequest(f"field {name} must be a string")
    if "\0" in value:
        raise BadRequest(f"field {name} must not hold the character NUL")


def page(body: Mapping[str, Any]) -> tuple[int, str | None]:
    """Read `limit` and `after`, which say what page of an answer is wanted."""
    limit = body.get("limit")
    if limit is None:
        limit = QUERY_LIMIT_DEFAULT
    if type(limit) is not int or not 1 <= limit <= QUERY_LIMIT_MAX:
        raise BadRequest(f"field limit must be an integer from 1 to {QUERY_LIMIT_MAX}")
    after = body.get("after")
    if after is not None and type(after) is not str:
        raise BadRequest("field after must be a cursor that a reply gave as next")
    return limit, after


def time(body: Mapping[str, Any], name: str) -> str:
    """Read a time, and write it as the daemon does: UTC, milliseconds, `Z`."""
    text = optional_text(body, name)
    if not text:
        return ""
    try:
        at = datetime.fromisoformat(text)
        utc = at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        utc = None
    if utc is None:
        raise BadRequest(f"field {name} must be a time like 2026-01-31T12:00:00Z")
    return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def optional_text(body: Mapping[str, Any], name: str) -> str:
    """Read a string that may be left out; then it is empty."""
    value = body.get(name)
    if value is None:
        return ""
    check_text(name, value)
    assert type(value) is str
    return value


def flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Read true or false."""
    value = body.get(name, default)
    if type(value) is not bool:
        raise BadRequest(f"field {name} must be true or false")
    return value
