"""Replies read in one step, by msgspec: where that is not installed, nobody imports this module.

Only the plainest are read here: in our framing, with RequestID and Seq alone in the header, and a
body whose values are strings and integers of 64 bits. So nothing is nested, no number can be too
large, and what is left to check (UTF-8, the syntax, one value and no more) both libraries check
alike. Anything else, right or wrong, is None here, and left to `frames` and `strictjson`.
"""

from typing import Annotated, Final

import msgspec

from taskdash_protocol.frames import REQUEST
from taskdash_protocol.strictjson import INT_MAX, INT_MIN

Body = dict[str, str | int]


class _Header(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    RequestID: str
    Seq: int


class _Frame(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    message_id: int
    header: _Header
    body: bytes


_Integer = Annotated[int, msgspec.Meta(ge=INT_MIN, le=INT_MAX)]
_frame: Final = msgspec.msgpack.Decoder(_Frame).decode
_body: Final = msgspec.json.Decoder(dict[str, str | _Integer]).decode


def plain_reply(payload: bytes) -> tuple[int, Body] | None:
    """Give Seq and body of a plain reply; None for any other frame."""
    try:
        frame = _frame(payload)
        body = _body(frame.body)
    except (msgspec.MsgspecError, ValueError):  # ValueError: a string that is no UTF-8
        return None
    return (frame.header.Seq, body) if frame.message_id == REQUEST else None
