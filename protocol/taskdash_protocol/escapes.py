"""What a stream's encoding does not have is written as JSON escapes it, and ends no program."""

import codecs
import io
import json
from typing import IO, Final, TextIO

_HANDLER: Final = "taskdash.escapes"
_escaped = 0


def _escape(error: UnicodeError) -> tuple[str, int]:
    global _escaped
    if not isinstance(error, UnicodeEncodeError):
        raise error
    _escaped += error.end - error.start
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_HANDLER, _escape)


def escaping(*streams: IO[str] | None) -> None:
    """Let streams, such as standard output, escape what they cannot encode.

    What is written as JSON stays JSON that means the same.
    """
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            # Nobody has configured ASCII, and click writes UTF-8 instead: so do all others.
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if ascii_only else None, errors=_HANDLER)


def escaped() -> int:
    """Count the characters that were escaped so far."""
    return _escaped


def is_unicode(stream: TextIO) -> bool:
    """Tell whether a stream has all characters."""
    return codecs.lookup(stream.encoding).name.startswith("utf")


def encodable(text: str, stream: IO[str] | None) -> str:
    """Give a text as a stream will show it, to be measured before it is written."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if text.isascii() or encoding == "utf-8":
        return text
    return text.encode(encoding, _HANDLER).decode(encoding)
