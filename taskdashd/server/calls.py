"""From a frame's payload to a request that can be run, or to its refusal. No I/O."""

from typing import Any

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest, ServerError
from taskdash_protocol.frames import (
    HEARTBEAT,
    REQUEST,
    TASKDASH,
    TCPX,
    TCPX_TOKEN,
    Decoder,
    Framing,
    Malformed,
    check_header,
    echo,
)
from taskdash_protocol.requests import REQUESTS, Request, SignIn
from taskdashd.core.table import OPERATIONS, UNNAMED, Operation
from taskdashd.domain.held import SHORT_BYTES, weight
from taskdashd.server import finds
from taskdashd.server.outbox import Reply


class Call(Reply):
    """A request from the inbox to its reply, or an answer that needs no request to be run."""

    __slots__ = (
        "answer",
        "encoded_twice",
        "header",
        "operation",
        "request",
        "size",
        "task_id",
        "token",
    )

    def __init__(
        self,
        header: dict[str, Any],
        operation: Operation | None = None,
        request: Request | None = None,
        task_id: str | None = None,
        size: int = 0,
        *,
        encoded_twice: bool = False,
        answer: ServerError | bytes | None = None,
    ) -> None:
        # Set Reply's slots here: a super().__init__() for each request costs time.
        self.frame = None
        self.room = 0
        self.header = header
        """The fields of the request's header that the reply repeats."""
        self.operation = operation
        self.request = request
        self.task_id = task_id
        """Id of the task that must be in memory first; None where the operation needs none."""
        self.size = size
        self.encoded_twice = encoded_twice
        self.token: Any = None
        """The header's Token, unchecked."""
        self.answer = answer
        """A refusal, or a ready frame, if there is nothing to run; else None."""

    @property
    def needs_no_token(self) -> bool:
        """Whether the call may come before its sender has signed in by token."""
        return self.operation is None or self.operation.request.signs_in == "token"


class Lost(Call):
    """Ends the connection once all calls before it are answered; `answer` says why."""

    __slots__ = ()


def parse(decoder: Decoder, payload: bytes) -> Call | None:
    """Parse a payload that the decoder gave; None where nothing is to be done or answered."""
    if decoder.framing is TASKDASH and (find := finds.parse(payload)) is not None:
        return Call(finds.HEADER, OPERATIONS[find.request_id], find, find.id, len(payload))
    message, framing = decoder.decode(payload), decoder.framing
    assert framing is not None
    if isinstance(message, Malformed):
        return Call(echo(message.header), answer=message.error)
    message_id, header, body, twice = message
    if message_id == HEARTBEAT:
        return _parse_beat(header, framing)
    head = echo(header)
    try:
        if len(head) != len(header or ()):
            check_header(header)
        if framing is TCPX:
            if message_id == TCPX_TOKEN:
                return Call(head, UNNAMED[SignIn], SignIn(_token_text(body)))
        elif message_id != REQUEST:
            raise BadRequest(f"MessageID {message_id} is none that a client may send")
        call = _parse_request(header, head, body, twice=twice)
    except ServerError as error:
        return Call(head, encoded_twice=twice, answer=error.with_traceback(None))
    if header is not None and "Token" in header:
        call.token = header["Token"]
    return call


def _parse_beat(header: dict[str, Any] | None, framing: Framing) -> Call | None:
    if header is None or "Seq" not in header:
        return None
    try:
        check_header(header)
    except BadRequest as error:
        return Call({}, answer=error.with_traceback(None))
    return Call({}, answer=framing.beat({"Seq": header["Seq"]}))


def _token_text(body: bytes | None) -> str:
    try:
        return (body or b"").decode().strip().strip('"')
    except UnicodeDecodeError:
        raise BadRequest("the token is not UTF-8 text") from None


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
            f" only {', '.join(REQUESTS)}"
        )
    fields = {} if body is None else strictjson.loads_object(body)
    try:
        request = operation.request.parse(fields)
    except BadRequest as error:
        if type(fields.get("id")) is str:
            error.task_id = fields["id"]
        raise
    task_id = None if operation.kind == "alone" else fields["id"]
    if body is None:
        size = 0
    elif (size := len(body)) > SHORT_BYTES:
        size = weight(body)
    return Call(head, operation, request, task_id, size, encoded_twice=twice)
