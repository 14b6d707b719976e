"""Every operation's request, declared once: its fields, their bounds, their meaning.

Client, daemon and documents read these classes. `parse` turns the JSON object of a frame's body
into a request or raises `BadRequest` with a sentence that names the field; `to_body` is the way
back. Fields that an operation does not know are ignored, except in Register and Update, which keep
them as part of the task.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, ClassVar, Final, Self

from taskdash_protocol.checks import (
    QUERY_LIMIT_DEFAULT,
    check_text,
    flag,
    optional_text,
    page,
)
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.fields import CONTROL_FIELDS, DAEMON_FIELDS, TASK_FIELDS
from taskdash_protocol.operators import Audit as Audit
from taskdash_protocol.operators import Status as Status
from taskdash_protocol.people import (
    Approve,
    Assign,
    Begin,
    Claim,
    Handover,
    Login,
    Logout,
    People,
    Reject,
    Release,
    SetPerson,
    Submit,
)
from taskdash_protocol.request import Request as Request
from taskdash_protocol.request import about
from taskdash_protocol.services import (
    FetchTasks,
    Figures,
    RegisterService,
    ServiceBeat,
    Services,
)
from taskdash_protocol.statuses import CLASSES

ID_CHARACTERS_MAX: Final = 128
HEARTBEAT_TIMEOUT_MIN_S: Final = 0.5
HEARTBEAT_TIMEOUT_MAX_S: Final = 86400.0
WHERE_VALUES_MAX: Final = 1000
CLIENT_CHARACTERS_MAX: Final = 256
CONTAINS_CHARACTERS_MAX: Final = 256

_CONTROL_NAMES: Final = frozenset(CONTROL_FIELDS)
_REPLY_FIELDS: Final = ("errid", "errmsg")
_DEFAULTS: Final = dict.fromkeys(TASK_FIELDS, "")
_task_values: Final = itemgetter(*TASK_FIELDS)
# `last_seen` moves with every beat: a cursor over it could not be stable.
WHERE_FIELDS: Final = frozenset(TASK_FIELDS) | frozenset(
    ("created_at", "updated_at", "shutdown_at", "status_before_shutdown")
)
CLASS: Final = "class"
"""What a `where` may also name: the class that a task's status falls in."""
ORDER_FIELDS: Final = WHERE_FIELDS | {"rev", "epoch"}

_NOT_KEPT: Final = frozenset(DAEMON_FIELDS) | frozenset(CONTROL_FIELDS) | frozenset(_REPLY_FIELDS)
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Hello(Request):
    """Introduce the client, and learn what the daemon expects. Optional; may come first."""

    request_id: ClassVar[str] = "Hello"
    signs_in = "token"
    over_http = False
    protocol: int = about("The protocol version that the client speaks: 1.")
    client: str = about("Name and version of the client, for logs and refusals.", default="")
    token: str = about("Credential; empty where the daemon asks for none.", default="")

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        protocol = body.get("protocol")
        if type(protocol) is not int:
            raise BadRequest("field protocol must be an integer")
        client = optional_text(body, "client")
        if len(client) > CLIENT_CHARACTERS_MAX:
            raise BadRequest(f"field client is longer than {CLIENT_CHARACTERS_MAX} characters")
        return cls(protocol, client, optional_text(body, "token"))

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        body: dict[str, Any] = {"protocol": self.protocol, "client": self.client}
        if self.token:
            body["token"] = self.token
        return body


@dataclass(frozen=True, slots=True)
class SignIn(Request):
    """Say who the client is, in the original framing: MessageID 1393, its body the token's text."""

    request_id: ClassVar[str] = ""
    signs_in = "token"
    over_http = False
    token: str = about("Credential.")

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        return cls(optional_text(body, "token"))

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        return {"token": self.token}


@dataclass(frozen=True, slots=True)
class _Write(Request):
    id: str = about(TASK_FIELDS["id"])
    fields: Mapping[str, Any] = about(
        "The task's fields as the client wrote them, unknown ones included."
    )
    heartbeat_timeout: float | None = about(CONTROL_FIELDS["heartbeat_timeout"], default=None)
    epoch: int | None = about(CONTROL_FIELDS["epoch"], default=None)
    fenced: bool | None = about(CONTROL_FIELDS["fenced"], default=None)

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        body = {**self.fields, "id": self.id}
        for name in ("heartbeat_timeout", "epoch", "fenced"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        return body


@dataclass(frozen=True, slots=True)
class Register(_Write):
    """Create a task, or replace all client fields of the one with this id."""

    request_id: ClassVar[str] = "Register"

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request; fields that are absent become empty. Raises `BadRequest`."""
        task_id = parse_id(body)
        if "name" not in body:
            raise BadRequest("field name is required")
        fields = {**_DEFAULTS, **body}
        # All at once, for the daemon does this more often than anything else.
        try:
            plain = "\0" not in "".join(_task_values(fields))
        except TypeError:
            plain = False
        if not plain:
            for name in TASK_FIELDS:
                check_text(name, fields[name])
        if _NOT_KEPT.isdisjoint(body):
            return cls(task_id, fields)
        if not flag(body, "own", default=True):
            raise BadRequest("field own: only an Update can leave a task to its owner")
        return cls(task_id, _kept(fields), *_control(body))


@dataclass(frozen=True, slots=True)
class Update(_Write):
    """Change some fields of a task; fields left out stay."""

    request_id: ClassVar[str] = "Update"
    own: bool = about(CONTROL_FIELDS["own"], default=True)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        task_id = parse_id(body)
        for name in body.keys() & TASK_FIELDS.keys():
            check_text(name, body[name])
        return cls(task_id, _kept(dict(body)), *_control(body), flag(body, "own", default=True))

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        # super() without arguments does not work in a dataclass with slots (python/cpython#90562)
        body = _Write.to_body(self)
        if not self.own:
            body["own"] = False
        return body


@dataclass(frozen=True, slots=True)
class Find(Request):
    """Ask for one task."""

    request_id: ClassVar[str] = "Find"
    reads_again = True
    id: str = about(TASK_FIELDS["id"])

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        return cls(parse_id(body))

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        return {"id": self.id}


@dataclass(frozen=True, slots=True)
class Query(Request):
    """Ask for a page of tasks."""

    request_id: ClassVar[str] = "Query"
    where: Mapping[str, tuple[str, ...]] = about(
        "Field to value, or to a list of values any of which will do; all fields must match.",
        default_factory=dict,
    )
    order: str = about("A field, or `-field` for descending; ties go by id.", default="id")
    limit: int = about("At most so many tasks, 1-1000.", default=QUERY_LIMIT_DEFAULT)
    after: str | None = about("The `next` of the page before.", default=None)
    contains: str = about("Only tasks whose id, name or description has this text.", default="")

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        order = "id" if body.get("order") is None else optional_text(body, "order")
        if order.removeprefix("-") not in ORDER_FIELDS:
            raise BadRequest(f"field order: tasks cannot be ordered by {order[:64]!r}")
        contains = optional_text(body, "contains")
        if len(contains) > CONTAINS_CHARACTERS_MAX:
            limit = CONTAINS_CHARACTERS_MAX
            raise BadRequest(f"field contains is longer than {limit} characters")
        return cls(parse_where(body), order, *page(body), contains)

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        body: dict[str, Any] = {"order": self.order, "limit": self.limit}
        if self.where:
            body["where"] = {name: list(values) for name, values in self.where.items()}
        if self.after is not None:
            body["after"] = self.after
        if self.contains:
            body["contains"] = self.contains
        return body


@dataclass(frozen=True, slots=True)
class Watch(Request):
    """Ask to be told of each change of the tasks that match."""

    request_id: ClassVar[str] = "Watch"
    over_http = False
    where: Mapping[str, tuple[str, ...]] = about(
        "As in Query; the task after its change is what must match.", default_factory=dict
    )
    since: int | None = about("Resume after this rev, without a gap.", default=None)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        since = body.get("since")
        if since is not None and (type(since) is not int or since < 0):
            raise BadRequest("field since must be a rev: an integer of at least 0")
        return cls(parse_where(body), since)

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        body: dict[str, Any] = {}
        if self.where:
            body["where"] = {name: list(values) for name, values in self.where.items()}
        if self.since is not None:
            body["since"] = self.since
        return body


@dataclass(frozen=True, slots=True)
class Unwatch(Request):
    """End a watch."""

    request_id: ClassVar[str] = "Unwatch"
    over_http = False
    watch: int = about("The number that Watch gave.")

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request. Raises `BadRequest`."""
        watch = body.get("watch")
        if type(watch) is not int:
            raise BadRequest("field watch must be the integer that Watch gave")
        return cls(watch)

    def to_body(self) -> dict[str, Any]:
        """Give the JSON object."""
        return {"watch": self.watch}


_ALL: Final[tuple[type[Request], ...]] = (
    *(Hello, Register, Update, Find, Query, Watch, Unwatch, Status, Audit),
    *(Login, Logout, People, SetPerson),
    *(Claim, Begin, Release, Assign, Submit, Approve, Reject, Handover),
    *(RegisterService, ServiceBeat, Services, FetchTasks, Figures),
)

REQUESTS: Final = {request.request_id: request for request in _ALL}
"""Every operation by the RequestID that names it on the wire."""


def parse_id(body: Mapping[str, Any]) -> str:
    """Read the field `id`. Raises `BadRequest`."""
    task_id = body.get("id")
    if type(task_id) is not str:
        raise BadRequest("field id must be a string" if "id" in body else "field id is required")
    if not 1 <= len(task_id) <= ID_CHARACTERS_MAX:
        raise BadRequest(f"field id must have 1 to {ID_CHARACTERS_MAX} characters")
    if not task_id.isprintable() and _CONTROL_CHARACTER.search(task_id):
        raise BadRequest("field id must not hold control characters")
    return task_id


def parse_where(body: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Read the field `where` of Query and Watch. Raises `BadRequest`."""
    where = body.get("where")
    if where is None:
        return {}
    if type(where) is not dict:
        raise BadRequest("field where must be an object")
    wanted: dict[str, tuple[str, ...]] = {}
    for name, value in where.items():
        if name not in WHERE_FIELDS and name != CLASS:
            raise BadRequest(f"field where: tasks cannot be selected by {name[:64]!r}")
        values = value if type(value) is list else [value]
        if len(values) > WHERE_VALUES_MAX:
            raise BadRequest(f"field where.{name} has more than {WHERE_VALUES_MAX} values")
        for one in values:
            check_text(f"where.{name}", one)
            if name == CLASS and one not in CLASSES:
                raise BadRequest(f"field where.class must be of {', '.join(CLASSES)}")
        wanted[name] = tuple(values)
    return wanted


def _kept(fields: dict[str, Any]) -> dict[str, Any]:
    if not _NOT_KEPT.isdisjoint(fields):
        for name in fields.keys() & _NOT_KEPT:
            del fields[name]
    return fields


def _control(body: Mapping[str, Any]) -> tuple[float | None, int | None, bool | None]:
    timeout = epoch = fenced = None
    if _CONTROL_NAMES.isdisjoint(body):
        return timeout, epoch, fenced
    if "heartbeat_timeout" in body:
        timeout = body["heartbeat_timeout"]
        if (
            type(timeout) not in (int, float)
            or not HEARTBEAT_TIMEOUT_MIN_S <= timeout <= HEARTBEAT_TIMEOUT_MAX_S
        ):
            raise BadRequest(
                "field heartbeat_timeout must be a number of seconds from "
                f"{HEARTBEAT_TIMEOUT_MIN_S:g} to {HEARTBEAT_TIMEOUT_MAX_S:g}"
            )
    if "epoch" in body:
        epoch = body["epoch"]
        if type(epoch) is not int:
            raise BadRequest("field epoch must be an integer")
    if "fenced" in body:
        fenced = body["fenced"]
        if type(fenced) is not bool:
            raise BadRequest("field fenced must be true or false")
    return timeout, epoch, fenced
