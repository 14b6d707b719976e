"""The HTTP API of the original TaskDash, for the pages that exist already.

`/rpost/task` takes POST, `/rget/task/` GET for what only reads; operation and parameters come in
the query, a form, a multipart form or a JSON object.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Protocol

from taskdash_protocol import strictjson, typed
from taskdash_protocol.errors import BadRequest, NotFound, Outcome, ServerError, StorageError
from taskdash_protocol.families.people import Claim, Login
from taskdash_protocol.fields import ORIGINAL_NAMES
from taskdash_protocol.request import Request as Asked
from taskdash_protocol.requests import Query
from taskdash_protocol.statuses import FINISHED, UNCLAIMED
from taskdashd.core.steps import Steps
from taskdashd.store.faults import OutcomeUnknown
from taskdashd.web.forms import fields_of
from taskdashd.web.messages import Headers, Request, Response

PATHS: Final = {
    "/rpost/task": "POST",
    "/rpost/task/": "POST",
    "/rget/task": "GET",
    "/rget/task/": "GET",
}
"""The method by which each path is asked."""

ROWS: Final = 50
"""Tasks in an answer where the page does not say `count`, as the original had it."""
ROWS_MAX: Final = 1000
_PAGE_ROWS: Final = 100
"""Tasks that are made rows of at once: a thousand would hold up everybody for 5 ms and more."""
START_MAX: Final = 10_000
"""The rows before `start` are read as well: a page that wants more of them asks for a narrower
list."""
_DONE: Final = "已完成"
"""What the original calls a finished task."""
_ENDED: Final = (FINISHED, "finished")

# The errmsg texts of this API alone; over TCP 1002 means that no task has the id.
_ERRMSG: Final = {1000: "请求格式不正确", 1001: "数据库存储失败", 1002: "数据库查询失败"}
_NOT_TOLD: Final = ("EditInfo", "Name")
"""Fields that services send, and that the original API never answered with."""


class Asker(Protocol):
    """Who asks, and what runs their requests."""

    @property
    def person(self) -> str:
        """The employee number of who signs the request; empty where no person does."""

    def check_way(self, number: str, password: str) -> Steps[None]:
        """Raise `AuthError` where somebody who has proved who they are may not sign in here."""

    def sign(self, number: str, password: str) -> Steps[None]:
        """Have this request, and no other, count as a person's. Raises `AuthError`, `Busy`."""

    def ask(self, asked: Asked) -> Steps[Outcome[Any]]:
        """Run a request; gives a result or a `ServerError`."""


def answer(
    request: Request, body: bytes, asker: Asker, bytes_max: int
) -> Steps[tuple[Response, Asked | None]]:
    """Answer a request; gives a parsed sign-in too, by which the caller sets a cookie.

    No list has more than `bytes_max` bytes.
    """
    try:
        given = fields_of(request.query, request.headers.get("content-type", ""), body)
        operation = _text(given, "operation")
        if not operation:
            raise BadRequest("operation is required")
        if operation in _SIGNS_IN:
            return (yield from _sign_in(request, given, asker))
        yield from _sign(given, asker)
        if operation == "TaskBind":
            return (yield from _bind(request, given, asker)), None
        asked = _lists(operation, given, asker)
        rows = yield from _rows(asked, *_page(given), asker, bytes_max)
    except OutcomeUnknown:
        raise
    except ServerError as error:
        return _failed(error.with_traceback(None)), None
    return _response(b"[%b]" % b",".join(rows), "application/json"), None


_SIGNS_IN: Final = ("userLogin", "UserLogin")


def _sign_in(
    request: Request, given: Mapping[str, Any], asker: Asker
) -> Steps[tuple[Response, Asked]]:
    _check_posted(request)
    asked = Login.parse({"user": _text(given, "username"), "password": _text(given, "password")})
    yield from asker.check_way(asked.user, asked.password)
    result = _right((yield from asker.ask(asked)))
    if "confirm" in result:
        # Confirm at once: the original's pages cannot ask the person a second question.
        again = Login(asked.user, asked.name, asked.password, result["confirm"])
        _right((yield from asker.ask(again)))
    return _success(), asked


def _sign(given: Mapping[str, Any], asker: Asker) -> Steps[None]:
    """Take the credentials that the original's pages send with every request.

    The session of a cookie goes on where only its own number comes along.
    """
    number = _text(given, "username")
    if number and ("password" in given or typed.number(number) != asker.person):
        yield from asker.sign(number, _text(given, "password"))


def _bind(request: Request, given: Mapping[str, Any], asker: Asker) -> Steps[Response]:
    _check_posted(request)
    task_id = _text(given, "ID") or _text(given, "id")
    user = _text(given, "user") or asker.person
    _right((yield from asker.ask(Claim.parse({"id": task_id, "user": user}))))
    return _success()


def _check_posted(request: Request) -> None:
    """Raise `BadRequest` for a GET that changes something: any page can make a browser send it."""
    if request.method != "POST":
        raise BadRequest(f"operation: ask this by POST, at {request.prefix}/rpost/task")


def _lists(operation: str, given: Mapping[str, Any], asker: Asker) -> Query:
    status = _text(given, "status")
    statuses = _ENDED if status == _DONE else (status,)
    if operation == "GetTasksNoUser":
        free = statuses if status else (UNCLAIMED, "pending")
        return Query({"user": ("",), "status": free}, "id", ROWS_MAX)
    if operation in ("GetTasksByUser", "GetUserTasks"):
        user = _text(given, "user") or asker.person
        if not user:
            raise BadRequest("user: whose tasks?")
        # Services write a user to the byte, people type one: either will do.
        users = dict.fromkeys((user, typed.number(user)))
        return Query({"user": tuple(users)}, "id", ROWS_MAX)
    if operation == "GetTasksByStatus":
        return Query({"status": statuses}, "id", ROWS_MAX)
    raise BadRequest(f"operation: there is no {operation[:64]!r}")


def _page(given: Mapping[str, Any]) -> tuple[int, int]:
    """Give the first row that is wanted, and how many."""
    start, count = (_count(given.get(name)) for name in ("start", "count"))
    if start is not None and start > START_MAX:
        raise BadRequest(f"start: no more than {START_MAX}; ask for a narrower list")
    return start or 0, min(count or ROWS, ROWS_MAX)


def _count(value: object) -> int | None:
    """Read a number as the original's pages send them; None for anything else."""
    text = str(value) if type(value) is int else value
    if type(text) is str and text.isascii() and text.isdigit():
        return int(text[:18])
    return None


def _rows(query: Query, start: int, count: int, asker: Asker, bytes_max: int) -> Steps[list[bytes]]:
    """Read a list, page by page; each row is encoded at once, and only what is told of it kept."""
    rows: list[bytes] = []
    size, skip, after = 0, start, None
    while True:
        limit = min(skip + count - len(rows), _PAGE_ROWS)
        result = _right((yield from asker.ask(replace(query, limit=limit, after=after))))
        page = strictjson.loads(result, depth_max=strictjson.REPLY_DEPTH_MAX)
        new = [strictjson.dumps(_as_original(task)) for task in page["tasks"][skip:]]
        skip = max(0, skip - len(page["tasks"]))
        rows += new
        size += sum(map(len, new)) + len(new)
        if size > bytes_max:
            raise BadRequest(f"the list has more than {bytes_max} bytes: ask for fewer by count")
        after = page.get("next")
        if not after or len(rows) >= count:
            return rows


def _right(result: Outcome[Any]) -> Any:
    """Give a result. Raises the `ServerError` that it is."""
    if isinstance(result, ServerError):
        raise result
    return result


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if type(value) is not str:
        raise BadRequest(f"{name} must be a string")
    return value


def _as_original(task: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: ours for name, ours in ORIGINAL_NAMES.items() if name not in _NOT_TOLD}
    told = {name: task.get(ours, "") for name, ours in names.items()}
    created = int(datetime.fromisoformat(task["created_at"]).timestamp())
    status = _DONE if told["Status"] in _ENDED else told["Status"]
    return {**told, "Status": status, "CreateTime": created}


def _success() -> Response:
    return _response(b"success", "text/plain; charset=utf-8")


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
