"""Plain writes: Registers and Updates of text members alone, read in a run from a peer's bytes.

A write is *plain* where its frame begins with the bytes of a request that names a RequestID and
nothing else, and its body is an object of strings under the names of a task's fields. Nothing is
skipped: a member of another name or type, a backslash, an id or a URL that wants a second look
ends the run, and that frame is read as every other. So no number, nesting or escape can occur, and
the checks of those fall away; what is read here, `Register.parse` and `Update.parse` read the same.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct
from typing import ClassVar, Final

import msgspec

from taskdash_protocol.errors import OK_ERRMSG
from taskdash_protocol.fields import TASK_FIELDS
from taskdash_protocol.frames import TASKDASH
from taskdash_protocol.readers import ID_CHARACTERS_MAX

BYTES_MAX: Final = 64 << 10
"""A run is over behind so many bytes."""

_REGISTER: Final = TASKDASH.request({"RequestID": "Register"}, b"")[4:-2]
_UPDATE: Final = TASKDASH.request({"RequestID": "Update"}, b"")[4:-2]
_SHORT: Final = (0xC4, 0xD9)
"""The marks of a bin and of a str whose length is a byte."""
_LONG: Final = (0xC5, 0xDA)
"""The marks of those whose length is two bytes."""
_HEAD_BYTES: Final = len(_UPDATE) + 2
_BODY: Final = b'{"id":"'
_OK: Final = f',"errid":0,"errmsg":"{OK_ERRMSG}"}}'.encode()
_NEW: Final = b'","epoch":1' + _OK
_FIELDS: Final = frozenset(TASK_FIELDS)
_size: Final = Struct(">I").unpack_from
_FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError)


class TaskTexts(msgspec.Struct, gc=False):
    """The fields of a task, in their order."""

    id: str
    name: str
    url: str = ""
    user: str = ""
    group_id: str = ""
    description: str = ""
    status: str = ""
    start_time: str = ""
    stop_time: str = ""
    project_id: str = ""
    instance_id: str = ""
    task_type: str = ""
    edit_info: str = ""
    checker: str = ""
    parent_id: str = ""


class PlainRegister(TaskTexts, forbid_unknown_fields=True, gc=False):
    """A Register of strings."""

    request_id: ClassVar[str] = "Register"


class PlainUpdate(msgspec.Struct, gc=False):
    """An Update of strings: the id of a task, and the other members of the body."""

    id: str
    fields: dict[str, str]
    url: str

    request_id: ClassVar[str] = "Update"


PlainWrite = PlainRegister | PlainUpdate

_register: Final = msgspec.json.Decoder(PlainRegister).decode
_texts: Final = msgspec.json.Decoder(dict[str, str]).decode
_encoded: Final = msgspec.json.Encoder().encode


def read(
    data: bytes | bytearray, at: int, most: int, frame_bytes_max: int
) -> tuple[list[PlainWrite], list[int]]:
    """Read the plain writes that stand one after another from a place on, `most` of them at most.

    Gives each, and the places where their frames end; none of these is longer than it may be.
    """
    writes: list[PlainWrite] = []
    ends: list[int] = []
    arrived, until = len(data), at + BYTES_MAX
    while at < until and len(ends) < most and arrived > (head := at + 4) + _HEAD_BYTES:
        (size,) = _size(data, at)
        end = head + size
        if end > arrived or size > frame_bytes_max:
            break
        decode: Callable[[bytes | bytearray], PlainWrite]
        if data[head : (mark_at := head + len(_REGISTER))] == _REGISTER:
            decode = _register
        elif data[head : (mark_at := head + len(_UPDATE))] == _UPDATE:
            decode = _update
        else:
            break
        if (mark := data[mark_at]) in _SHORT:
            body = data[mark_at + 2 : end]
            length = data[mark_at + 1]
        elif mark in _LONG:
            body = data[mark_at + 3 : end]
            length = data[mark_at + 1] << 8 | data[mark_at + 2]
        else:
            break
        if length != len(body) or body.find(b"\\") >= 0:
            break
        try:
            write = decode(body)
        except _FAULTS:
            break
        task_id = write.id
        if not task_id.isprintable() or not 0 < len(task_id) <= ID_CHARACTERS_MAX:
            break
        # A user's name and password in a URL are not stored.
        if "@" in write.url:
            break
        writes.append(write)
        ends.append(end)
        at = end
    return writes, ends


def _update(body: bytes | bytearray) -> PlainUpdate:
    fields = _texts(body)
    if _FIELDS.issuperset(fields):
        # Without an id it has none that is allowed.
        return PlainUpdate(fields.pop("id", ""), fields, fields.get("url", ""))
    raise msgspec.ValidationError


def body_of(write: PlainRegister) -> bytes:
    """Give the JSON of the fields of a task that is registered."""
    return _encoded(write)


def replies(writes: Sequence[PlainWrite], epochs: Iterable[int]) -> bytes:
    """Give the frames that answer plain writes once they are stored, with their tasks' epochs."""
    pieces: list[bytes] = []
    for write, epoch in zip(writes, epochs, strict=False):
        task_id = write.id.encode()
        rest = _NEW if epoch == 1 else b'","epoch":%d%b' % (epoch, _OK)
        pieces += (_begins(write.request_id, len(task_id) + len(rest)), task_id, rest)
    return b"".join(pieces)


@lru_cache(maxsize=2 * 1024)
def _begins(request_id: str, size: int) -> bytes:
    """Give a reply's frame up to its id; from there on it has so many bytes."""
    body = _BODY + b"x" * size
    return TASKDASH.reply({"RequestID": request_id}, body)[:-size]
