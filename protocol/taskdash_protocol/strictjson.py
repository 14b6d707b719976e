"""JSON as the wire contract wants it: RFC 8259, UTF-8 only, and bounded.

orjson already refuses NaN, Infinity, numbers beyond a double, lone surrogates, a BOM and anything
that is not UTF-8. Two things it lets pass are caught here, and only where a quick look at the
bytes says that they are possible: integers outside 64 bits signed (orjson turns those beyond 64
bits into floats without a word), and nesting deeper than 32.
"""

import re
from itertools import count
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
_DIGITS: Final = re.compile(rb"[0-9]++")
_INT_MAX_DIGITS: Final = b"%d" % INT_MAX
_INT_MIN_DIGITS: Final = b"%d" % -INT_MIN
_FRACTION: Final = frozenset((b".", b"e", b"E", b"+"))
"""What stands beside digits that are a part of a number, and no integer."""


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
    if text.count(b"[") + text.count(b"{") > depth_max and _too_deep(value, depth_max):
        raise BadRequest(f"the {what} is nested deeper than {depth_max} levels")
    # `bytes in bytes` tries its left side as an integer first: an exception is made each time, as
    # dear as parsing a short text. `find` makes none.
    if text.translate(_EQUAL_DIGITS).find(_LONG_DIGITS) >= 0 and _has_oversized_integer(text):
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


def _too_deep(value: Any, depth_max: int) -> bool:
    # Wrap the value in so many lists that orjson writes it to its own limit, and no deeper: in C,
    # where a look at the brackets of a mebibyte took 80 ms, and at a mebibyte of strings as long.
    for _ in range(_WRITTEN_DEPTH_MAX - depth_max):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False


def _written_depth_max() -> int:
    """Find how deep orjson writes: the number is its version's, and no part of its interface."""
    value: list[Any] = []
    for depth in count(1):
        try:
            orjson.dumps(value)
        except TypeError:
            return depth - 1
        value = [value]
    raise AssertionError


_WRITTEN_DEPTH_MAX: Final = _written_depth_max()


def _has_oversized_integer(text: bytes) -> bool:
    if b"\\" in text:
        # Take the escapes away, and each quote that is left begins or ends a string.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    equal, at, seen, in_string = text.translate(_EQUAL_DIGITS), 0, 0, False
    while (at := equal.find(_LONG_DIGITS, at)) >= 0:
        match = _DIGITS.match(text, at)
        assert match is not None
        digits = match[0]
        # JSON allows no leading zeros, so the longer number is the larger.
        if (len(digits) == 19 and digits <= _INT_MAX_DIGITS) or not _is_oversized(text, match):
            at = match.end()
            continue
        # Look only now if it stands in a string: most long digits fit, and are no question.
        in_string ^= bool(text.count(b'"', seen, at) % 2)
        if not in_string:
            return True
        seen = at
        at = text.index(b'"', at)
    return False


def _is_oversized(text: bytes, match: re.Match[bytes]) -> bool:
    """Tell whether digits beyond `INT_MAX` make an integer that does not fit."""
    at, end = match.span()
    before = text[at - 1 : at]
    if before == b"-":
        if match[0] == _INT_MIN_DIGITS:
            return False
        before = text[max(0, at - 2) : at - 1]
    return text[end : end + 1] not in _FRACTION and before not in _FRACTION
