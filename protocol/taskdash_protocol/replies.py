"""Replies read in one step, by msgspec: where that is not installed, nobody imports this module.

Only the plainest are read here: in our framing, with RequestID and Seq alone in the header, and a
body whose values are strings and integers of 64 bits. So nothing is nested, no number can be too
large, and what is left to check (UTF-8, the syntax, one value and no more) both libraries check
alike. Anything else, right or wrong, is left where it stands, for `frames` and `strictjson`.
"""

from struct import Struct
from typing import Annotated, Final

import msgspec

from taskdash_protocol.frames import REQUEST
from taskdash_protocol.strictjson import INT_MAX, INT_MIN

if tuple(map(int, msgspec.__version__.split(".")[:2])) < (0, 19):
    # Such a version reads some integers beyond 64 bits as others, which no bound would show. The
    # extra `fast` brings a later one: this one came with something else.
    raise ImportError(f"msgspec {msgspec.__version__} is too old")

Body = dict[str, str | int]

BYTES_MAX: Final = 1 << 20
"""A longer frame is not plain: how long it may be is for its reader to say."""


class _Header(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    RequestID: str
    Seq: int


class _Frame(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    message_id: int
    header: _Header
    body: bytes


_Integer = Annotated[int, msgspec.Meta(ge=INT_MIN, le=INT_MAX)]
_length: Final = Struct(">I").unpack_from
_frame: Final = msgspec.msgpack.Decoder(_Frame).decode
_body: Final = msgspec.json.Decoder(dict[str, str | _Integer]).decode


def plain_replies(data: bytes | bytearray, at: int) -> tuple[list[tuple[int, Body]], int]:
    """Give Seq and body of the plain replies that stand here one after another, and where they end.

    They end before the first frame that is none, or is not there in full.
    """
    replies: list[tuple[int, Body]] = []
    start, arrived = at + 4, len(data)
    try:
        while start < arrived:
            (length,) = _length(data, start - 4)
            end = start + length
            if end > arrived or length > BYTES_MAX:
                break
            frame = _frame(data[start:end])
            body = _body(frame.body)
            if frame.message_id != REQUEST:
                break
            replies.append((frame.header.Seq, body))
            start = end + 4
    except (msgspec.MsgspecError, ValueError):  # ValueError: a string that is no UTF-8
        pass
    return replies, start - 4
