"""JSON as the wire contract wants it: RFC 8259, UTF-8 only, and bounded.

orjson already refuses NaN, Infinity, numbers beyond a double, lone surrogates, a BOM and anything
that is not UTF-8. Two things it lets pass are caught here, and only where a quick look at the
bytes says that they are possible: integers outside 64 bits signed (orjson turns those beyond 64
bits into floats without a word), and nesting deeper than 32.
"""

import re
from typing import Any, Final

import orjson

from taskdash_protocol.errors import BadRequest

DEPTH_MAX: Final = 32
"""Arrays and objects inside one another, the outermost counted."""

REPLY_DEPTH_MAX: Final = DEPTH_MAX + 2
"""The limit for a client: a Query's reply holds tasks two levels down, in a list in an object."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

# 2**63 has 19 digits: a text without such a run holds no integer that is too large. With all
# digits made equal the run is found by a substring search, which is ten times faster than `re`.
_EQUAL_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_DIGITS: Final = b"0" * 19
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_INTEGER: Final = re.compile(rb"(?<![0-9.eE+\-])-?[0-9]{19,}+(?![.eE])")
# Make braces brackets and drop all else: of text known to be valid JSON, only the depth counts.
_ONE_BRACKET: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def loads(text: bytes, what: str = "body", depth_max: int = DEPTH_MAX) -> Any:
    """Parse one JSON value.

    `what` names the text in the error, for a person. Raises `BadRequest` for anything that the
    contract does not allow; of a duplicate key the last counts (RFC 8259 section 4).
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        # Replace orjson's message: not meant for peers, it says "line 1" of a text without lines.
        raise BadRequest(f"the {what} is not valid JSON (RFC 8259, UTF-8)") from None
    if text.count(b"[") + text.count(b"{") > depth_max and _too_deep(text, depth_max):
        raise BadRequest(f"the {what} is nested deeper than {depth_max} levels")
    if _LONG_DIGITS in text.translate(_EQUAL_DIGITS) and _has_oversized_integer(text):
        raise BadRequest(f"the {what} holds an integer that does not fit 64 bits signed")
    return value


def loads_object(text: bytes, what: str = "body", depth_max: int = DEPTH_MAX) -> dict[str, Any]:
    """Parse one JSON object. Raises `BadRequest` for any other value too."""
    value = loads(text, what, depth_max)
    if type(value) is not dict:
        raise BadRequest(f"the {what} is not a JSON object")
    return value


def reload(text: bytes) -> Any:
    """Parse text that `dumps` has written, without the checks of `loads`."""
    return orjson.loads(text)


def dumps(value: Any) -> bytes:
    """Serialize to compact UTF-8 JSON."""
    return orjson.dumps(value)


def _too_deep(text: bytes, depth_max: int) -> bool:
    # Each pass removes the innermost pairs and so lowers the depth by exactly one.
    brackets = _STRING.sub(b"", text).translate(_ONE_BRACKET, _NOT_BRACKETS)
    for _ in range(depth_max):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _has_oversized_integer(text: bytes) -> bool:
    for match in _INTEGER.finditer(_STRING.sub(b'""', text)):
        digits = match.group()
        # 20 characters hold the sign and 19 digits; JSON allows no leading zeros.
        if len(digits) > 20 or not INT_MIN <= int(digits) <= INT_MAX:
            return True
    return False
