"""What a frame asks of the daemon, and the JSON of what is answered. No state, no I/O."""

from typing import Any, Final, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import OK_ERRMSG, BadRequest, ServerError
from taskdash_protocol.frames import (
    HEARTBEAT,
    REQUEST,
    TCPX,
    TCPX_TOKEN,
    Framing,
    Malformed,
    Message,
    check_header,
    echo,
)
from taskdash_protocol.requests import Request
from taskdashd.operations import sessions, status, tasks  # noqa: F401  # they fill OPERATIONS
from taskdashd.operations.table import OPERATIONS, Operation

_OK: Final = b'"errid":0,"errmsg":"%b"}' % OK_ERRMSG.encode()


class Call(NamedTuple):
    """A request in the inbox, or what is to be answered in its place."""

    operation: Operation | None
    request: Request | None
    header: dict[str, Any]
    encoded_twice: bool = False
    size: int = 0
    task_id: str | None = None
    """The task that must be in memory first; None where the operation needs none."""
    answer: ServerError | bytes | None = None
    """A refusal, or a ready frame, where nothing is left to be done."""


LOST: Final = Call(None, None, {})
"""Stands behind the answer to a frame that ends the stream."""


def parse(message: Message | Malformed, framing: Framing) -> Call | None:
    """Understand a frame; None where nothing is to be done or answered."""
    if isinstance(message, Malformed):
        return Call(None, None, echo(message.header), answer=message.error)
    message_id, header, body, twice = message
    if message_id == HEARTBEAT:
        return _parse_beat(header, framing)
    head = echo(header)
    try:
        check_header(header)
        if framing is TCPX:
            if message_id == TCPX_TOKEN:
                return Call(None, None, head, answer=framing.reply(head, b"{" + _OK))
        elif message_id != REQUEST:
            raise BadRequest(f"MessageID {message_id} is none that a client may send")
        return _parse_request(header, head, body, twice=twice)
    except ServerError as error:
        return Call(None, None, head, twice, answer=error)


def reply_body(call: Call, result: Any) -> bytes:
    """Encode what an operation gave, or the `ServerError` that it raised."""
    if isinstance(result, ServerError):
        task_id = getattr(call.request, "id", None) or result.task_id
        return error_body(result, task_id)
    if type(result) is dict:
        result = strictjson.dumps(result)
    return b"{" + _OK if result == b"{}" else b"%b,%b" % (result[:-1], _OK)


def error_body(error: ServerError, task_id: str | None = None) -> bytes:
    """Encode an error: the one place where an exception becomes an errid."""
    body: dict[str, Any] = {} if task_id is None else {"id": task_id}
    body |= {"errid": error.errid, "errmsg": error.errmsg, "detail": error.detail}
    return strictjson.dumps(body)


def _parse_beat(header: dict[str, Any] | None, framing: Framing) -> Call | None:
    if header is None or "Seq" not in header:
        return None
    try:
        check_header(header)
    except BadRequest as error:
        return Call(None, None, {}, answer=error)
    return Call(None, None, {}, answer=framing.beat({"Seq": header["Seq"]}))


def _parse_request(
    header: dict[str, Any] | None, head: dict[str, Any], body: bytes | None, *, twice: bool
) -> Call:
    request_id = head.get("RequestID")
    if request_id is None:
        raise BadRequest(
            "header RequestID must be a string"
            if header and "RequestID" in header
            else "header RequestID is missing: it names the operation"
        )
    operation = OPERATIONS.get(request_id)
    if operation is None:
        raise BadRequest(
            f"header RequestID: there is no operation {request_id[:64]!r},"
            f" only {', '.join(OPERATIONS)}"
        )
    fields = {} if body is None else strictjson.loads_object(body)
    try:
        request = operation.request.parse(fields)
    except BadRequest as error:
        if type(fields.get("id")) is str:
            error.task_id = fields["id"]
        raise
    task_id = None if operation.kind == "session" else fields["id"]
    return Call(operation, request, head, twice, len(body or b""), task_id)
