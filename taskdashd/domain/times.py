"""Times as the daemon writes them: RFC 3339 in UTC with milliseconds."""

from datetime import UTC, datetime
from typing import Final

_CHARACTERS: Final = len("2026-01-01T00:00:00.000Z")


def stamp(seconds: float) -> str:
    """Write Unix seconds as RFC 3339 in UTC with milliseconds: always 24 characters."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def is_stamp(text: str) -> bool:
    """Tell whether a text is a time as `stamp` writes it."""
    if len(text) != _CHARACTERS or not text.endswith("Z"):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def seconds(text: str) -> float:
    """Give the Unix seconds of a time with a zone, such as `stamp` writes. Raises `ValueError`."""
    return datetime.fromisoformat(text).timestamp()
