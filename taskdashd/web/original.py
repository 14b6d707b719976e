"""`POST /rpost/task`: the HTTP API of the original TaskDash, for the pages that exist already."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest, NotFound, Outcome, ServerError, StorageError
from taskdash_protocol.families.people import Claim, Login
from taskdash_protocol.fields import ORIGINAL_NAMES
from taskdash_protocol.request import Request as Asked
from taskdash_protocol.requests import Query
from taskdash_protocol.statuses import UNCLAIMED
from taskdashd.core.steps import Steps
from taskdashd.web.messages import Headers, Request, Response

Ask = Callable[[Asked], Steps[Outcome[Any]]]
"""Runs a request with the asker's identity; gives a result or a `ServerError`."""

FORM_BYTES_MAX: Final = 64 << 10
_FORM_FIELDS_MAX: Final = 32

ROWS_MAX: Final = 1000
"""Tasks in an answer, at most: the original API cannot ask for a next page."""

# The errmsg texts of this API alone; over TCP 1002 means that no task has the id.
_ERRMSG: Final = {1000: "请求格式不正确", 1001: "数据库存储失败", 1002: "数据库查询失败"}
_NOT_TOLD: Final = ("EditInfo", "Name")
"""Fields that services send, and that the original API never answered with."""


def answer(request: Request, body: bytes, ask: Ask) -> Steps[tuple[Response, Asked | None]]:
    """Answer a request; gives the parsed request too, by which the caller sets a cookie."""
    try:
        asked = _understood(request, body)
    except BadRequest as error:
        return _failed(error), None
    result = yield from ask(asked)
    if isinstance(result, ServerError):
        return _failed(result), asked
    if isinstance(asked, Query):
        return _tasks(result), asked
    if isinstance(asked, Login) and "confirm" in result:
        # Confirm at once: the original's pages cannot ask the person a second question.
        result = yield from ask(Login(asked.user, asked.name, asked.password, result["confirm"]))
        if isinstance(result, ServerError):
            return _failed(result), asked
    return _response(b"success", "text/plain; charset=utf-8"), asked


def _understood(request: Request, body: bytes) -> Asked:
    given = _parameters(request, body)
    operation = given.get("operation")
    if operation == "userLogin":
        user = _text(given, "username")
        return Login.parse({"user": user, "password": _text(given, "password")})
    if operation == "GetTasksNoUser":
        return Query({"user": ("",), "status": (UNCLAIMED, "pending")}, "id", ROWS_MAX)
    if operation in ("GetTasksByUser", "GetUserTasks"):
        return Query({"user": (_text(given, "user"),)}, "id", ROWS_MAX)
    if operation == "GetTasksByStatus":
        return Query({"status": (_text(given, "status"),)}, "id", ROWS_MAX)
    if operation == "TaskBind":
        return Claim.parse({"id": _text(given, "ID"), "user": _text(given, "user")})
    raise BadRequest(f"operation: there is no {str(operation)[:64]!r}")


def _parameters(request: Request, body: bytes) -> Mapping[str, Any]:
    if "json" in request.headers.get("content-type", "") or body.lstrip()[:1] == b"{":
        return strictjson.loads_object(body)
    if len(body) > FORM_BYTES_MAX:
        raise BadRequest(f"the form has more than {FORM_BYTES_MAX} bytes")
    try:
        fields = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=_FORM_FIELDS_MAX,
        )
        return dict(fields)
    except ValueError:
        raise BadRequest("the body must be a form or a JSON object") from None


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if type(value) is not str:
        raise BadRequest(f"{name} must be a string")
    return value


def _tasks(result: bytes) -> Response:
    found = strictjson.loads(result, depth_max=strictjson.REPLY_DEPTH_MAX)["tasks"]
    return _response(strictjson.dumps([_as_original(task) for task in found]), "application/json")


def _as_original(task: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: ours for name, ours in ORIGINAL_NAMES.items() if name not in _NOT_TOLD}
    told = {name: task.get(ours, "") for name, ours in names.items()}
    created = int(datetime.fromisoformat(task["created_at"]).timestamp())
    return {**told, "CreateTime": created}


def _failed(error: ServerError) -> Response:
    errid = 1002 if isinstance(error, NotFound) else error.errid
    errmsg = _ERRMSG.get(errid, error.errmsg)
    if isinstance(error, StorageError):
        errid, errmsg = 1001, _ERRMSG[1001]
    body = {"errid": errid, "errmsg": errmsg, "detail": error.detail}
    return _response(strictjson.dumps(body), "application/json")


def _response(body: bytes, kind: str) -> Response:
    headers: Headers = [("content-type", kind), ("cache-control", "no-store")]
    # Always 200: the original's pages look at the body alone.
    return Response(HTTPStatus.OK, body, headers)
