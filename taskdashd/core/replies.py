"""The JSON of replies: of an operation's result, or of its refusal."""

from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.errors import OK_ERRMSG, ServerError
from taskdash_protocol.requests import Request

_OK: Final = b'"errid":0,"errmsg":"%b"}' % OK_ERRMSG.encode()


def reply_body(request: Request | None, result: Any) -> bytes:
    """Encode an operation's result, or the `ServerError` that it raised."""
    if isinstance(result, ServerError):
        task_id = getattr(request, "id", None) or result.task_id
        return error_body(result, task_id)
    if type(result) is dict:
        result = strictjson.dumps(result)
    return b"{" + _OK if result == b"{}" else b"%b,%b" % (result[:-1], _OK)


def error_body(error: ServerError, task_id: str | None = None) -> bytes:
    """Encode an error: the one place where an exception becomes an errid."""
    body: dict[str, Any] = {} if task_id is None else {"id": task_id}
    body |= {"errid": error.errid, "errmsg": error.errmsg, "detail": error.detail}
    if error.cause:
        body |= {"cause": error.cause, "values": error.values}
    return strictjson.dumps(body)
