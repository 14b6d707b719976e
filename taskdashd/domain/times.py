"""How the daemon writes times."""

from datetime import UTC, datetime


def stamp(seconds: float) -> str:
    """Write Unix seconds as RFC 3339 in UTC with milliseconds: always 24 characters."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:23] + "Z"
