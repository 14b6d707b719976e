"""Tasks, and how a write changes them. Rules only.

The task before the write, a request and a moment go in; a change or a refusal comes out. A change
is neither durable nor visible before its commit. Source of every rule: the wire contract,
"Operations", "Liveness" and "Fencing"; PROTOCOL.md explains the rules to client authors.
"""

from collections.abc import Mapping
from sys import intern
from typing import Any, Final, Literal, NamedTuple

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Conflict
from taskdash_protocol.families.tasks import Register, Update
from taskdash_protocol.fields import (
    DAEMON_FIELDS,
    DAEMON_OBJECTS,
    LABELS,
    PEOPLE_FIELDS,
    TASK_FIELDS,
)
from taskdash_protocol.statuses import HAD, OF_PEOPLE, SHUTDOWN, is_live
from taskdashd.domain.answers import after_change_of_status
from taskdashd.domain.labels import labels_of

Kind = Literal["registered", "updated", "shutdown", "recovered"]

TaskKind = Literal["service", "people", "job"]
"""A job is one that has a daemon's `job`. Else a task is people's from the moment that it is in a
people's status, and stays so. Else it is a service's."""

_TAKEN: Final = ("failed", "cancelled")
_OF_WORK: Final = frozenset(("status", "user", "checker", "reason", *PEOPLE_FIELDS))
"""The members of people's work, which its acts write (`families/people/rules.py`)."""

_STAMP_CHARACTERS: Final = len("2026-01-01T00:00:00.000Z")
_ADDED: Final = ("heartbeat_timeout", "fenced", *DAEMON_FIELDS)
_KEPT: Final = tuple(f'"{name}":'.encode() for name in (*DAEMON_OBJECTS, LABELS))
LAST_SEEN_AT: Final = -(_STAMP_CHARACTERS + len('"}'))


class Task(NamedTuple):
    """A task after its last change.

    `body` is the JSON object that clients get. The members that rules and the fold need are also
    attributes, so that the hot paths parse no JSON. `last_seen` is the body's last member and of
    fixed width: every beat moves it, and `refreshed` replaces it without parsing.
    """

    id: str
    rev: int
    epoch: int
    status: str
    timeout_s: float | None
    """The task's own heartbeat timeout; None where the daemon's default holds."""
    fenced: bool
    created_at: str
    shutdown_at: str
    owner: int
    """Serial number of the owning connection; never used twice, also not after a restart."""
    user: str
    group_id: str
    checker: str
    parent_id: str
    task_type: str
    """Members of the body that followers of a commit look at: who it belongs to, its group, who
    reviews it, what it is part of, and what kind of work it is.

    Interned: of many tasks that have the same, all hold one string.
    """
    kind: TaskKind
    holder: str
    """The owner's name for people: client name and address."""
    held_since: str
    body: bytes

    @property
    def last_seen(self) -> str:
        """The time of the owner's last sign of life, as of the task's last change."""
        return self.body[LAST_SEEN_AT:-2].decode()


class Change(NamedTuple):
    """One row of the change log: its kind, who made it, and the task after it."""

    kind: Kind
    task: Task
    previous: Task | None
    """The task before the change; None for a new task."""
    at: str
    actor: str


class Author(NamedTuple):
    """The author of a write: who asks, by the serial of its session, and its name for people.

    Fences and the audit go by who asks; liveness goes by the owner, who may be another.
    """

    serial: int
    name: str
    overrides: bool = False
    """Whether a write with `own` false may change a fenced task without its epoch."""
    for_owner: int | None = None
    """Serial of the owner that the write is made for, such as a service; None: for who asks."""

    @property
    def owner(self) -> int:
        """The serial of whoever owns what is written, unless the write leaves it to its owner."""
        return self.serial if self.for_owner is None else self.for_owner


class Moment(NamedTuple):
    """The rev and time that a change will carry, and what is known of the task's present owner."""

    rev: int
    at: str
    owner_gone: bool = False
    """Whether the owning connection is closed, or silent past the task's timeout."""
    owner_seen: str = ""
    """The owner's last sign of life; empty where only the task's own `last_seen` is known."""


def register(old: Task | None, request: Register, author: Author, moment: Moment) -> Change:
    """Create a task or replace its client fields. Raises `Conflict`.

    Where people have the task, what they have stays; only that it has failed or is cancelled
    changes its status.
    """
    owner = author.owner
    if old is None:
        # An absent task counts as epoch 0, so `"epoch": 0` means: only if it does not exist.
        if request.epoch:
            raise Conflict(
                f"field epoch: no task {request.id!r} exists, so epoch {request.epoch} is not its"
                " current one; register without it"
            )
        epoch, created_at = 1, moment.at
    else:
        _admit(old, request, author, may_replace_gone=moment.owner_gone)
        epoch, created_at = old.epoch + (old.owner != owner), old.created_at
    fields = request.fields
    if old is not None and old.status in HAD:
        fields = _with_what_people_have(fields, old)
    status = fields["status"]
    kind: Kind = "registered"
    holder, held_since = author.name, moment.at
    shutdown_at = before = ""
    if old is not None:
        kind = "updated"
        if old.owner == owner:
            holder, held_since = old.holder, old.held_since
        if old.shutdown_at and is_live(status):
            kind = "recovered"
        elif old.shutdown_at and status == SHUTDOWN:
            shutdown_at, before = old.shutdown_at, _fields(old)["status_before_shutdown"]
    at = moment.at
    timeout_s, fenced = request.heartbeat_timeout, bool(request.fenced)
    stamps = (moment.rev, epoch, created_at, at, shutdown_at, before, at)
    kept = dict(fields) if old is None else {**fields, **_kept(old, fields)}
    body = _body(kept, timeout_s, stamps, fenced=fenced)
    task = Task(
        request.id,
        moment.rev,
        epoch,
        status,
        timeout_s,
        fenced,
        created_at,
        shutdown_at,
        owner,
        intern(fields["user"]),
        intern(fields["group_id"]),
        intern(fields["checker"]),
        intern(fields["parent_id"]),
        intern(fields["task_type"]),
        _kind(old, status),
        holder,
        held_since,
        body,
    )
    return Change(kind, task, old, at, author.name)


def update(old: Task, request: Update, author: Author, moment: Moment) -> Change:
    """Change some fields of a task, and own it unless `own` is false. Raises `Conflict`."""
    _admit(old, request, author, may_replace_gone=author.overrides and not request.own)
    fields = _fields(old)
    before = fields["status_before_shutdown"]
    fields.update(request.fields)
    shutdown_at = old.shutdown_at
    kind: Kind = "updated"
    if shutdown_at and request.fields.get("status", SHUTDOWN) != SHUTDOWN:
        shutdown_at = before = ""
        kind = "recovered" if is_live(fields["status"]) else "updated"
    owner, holder, held_since = old.owner, old.holder, old.held_since
    last_seen = moment.at
    if request.own and owner != author.owner:
        owner, holder, held_since = author.owner, author.name, moment.at
    elif owner != author.owner:
        # Keep the owner's last sign of life: a write from outside is none.
        last_seen = moment.owner_seen or old.last_seen
    epoch = old.epoch + (owner != old.owner)
    status = fields["status"]
    if status != old.status:
        after_change_of_status(fields)
    timeout_s = old.timeout_s if request.heartbeat_timeout is None else request.heartbeat_timeout
    fenced = old.fenced if request.fenced is None else request.fenced
    for name in _ADDED:
        fields.pop(name, None)
    stamps = (moment.rev, epoch, old.created_at, moment.at, shutdown_at, before, last_seen)
    body = _body(fields, timeout_s, stamps, fenced=fenced)
    task = Task(
        old.id,
        moment.rev,
        epoch,
        status,
        timeout_s,
        fenced,
        old.created_at,
        shutdown_at,
        owner,
        intern(fields["user"]),
        intern(fields["group_id"]),
        intern(fields["checker"]),
        intern(fields["parent_id"]),
        intern(fields["task_type"]),
        _kind(old, status),
        holder,
        held_since,
        body,
    )
    return Change(kind, task, old, moment.at, author.name)


def shut_down(old: Task, moment: Moment, actor: str) -> Change:
    """Set a live task to `shutdown`, because its owner gave no sign of life in time."""
    # Cut and join the body, and parse nothing: thousands of tasks may die at once. A quote inside a
    # JSON string is escaped, so bytes that look like a member are one; the known fields come first,
    # and the members that the daemon adds come last (see `_body`).
    was = strictjson.dumps(old.status)
    fields, _, _ = old.body.rpartition(b'"rev":')
    body = b'%b"rev":%d,"epoch":%d,"created_at":"%b","updated_at":"%b","shutdown_at":"%b",' % (
        fields.replace(b'"status":' + was, b'"status":"shutdown"', 1),
        moment.rev,
        old.epoch,
        old.created_at.encode(),
        moment.at.encode(),
        moment.at.encode(),
    )
    seen = moment.owner_seen or old.last_seen
    body += b'"status_before_shutdown":%b,"last_seen":"%b"}' % (was, seen.encode())
    task = Task(
        old.id,
        moment.rev,
        old.epoch,
        SHUTDOWN,
        old.timeout_s,
        old.fenced,
        old.created_at,
        moment.at,
        old.owner,
        old.user,
        old.group_id,
        old.checker,
        old.parent_id,
        old.task_type,
        old.kind,
        old.holder,
        old.held_since,
        body,
    )
    return Change("shutdown", task, old, moment.at, actor)


def refreshed(body: bytes, last_seen: str) -> bytes:
    """Give a task's body with this `last_seen` (RFC 3339, milliseconds, `Z`) if it is newer."""
    seen = last_seen.encode()
    if seen <= body[LAST_SEEN_AT:-2]:
        return body
    return b'%b%b"}' % (body[:LAST_SEEN_AT], seen)


def restore(
    row: tuple[int, str, int, str, str], body: bytes, kind: TaskKind, *, has_own: bool
) -> Task:
    """Build a task from its row in the change log: rev, id, owner, holder, held since; its body.

    Without `has_own` the row is from before the daemon had objects of its own in a task: members of
    their names are a client's, and count as absent.
    """
    rev, task_id, owner, holder, held_since = row
    fields = strictjson.reload(body)
    if not has_own and not fields.keys().isdisjoint(DAEMON_OBJECTS):
        fields = {name: value for name, value in fields.items() if name not in DAEMON_OBJECTS}
        body = strictjson.dumps(fields)
    return Task(
        task_id,
        rev,
        fields["epoch"],
        fields["status"],
        fields.get("heartbeat_timeout"),
        fields.get("fenced", False),
        fields["created_at"],
        fields["shutdown_at"],
        owner,
        intern(fields["user"]),
        intern(fields["group_id"]),
        intern(fields["checker"]),
        intern(fields["parent_id"]),
        intern(fields["task_type"]),
        kind,
        holder,
        held_since,
        body,
    )


def is_kept(old: Task, change: Change) -> bool:
    """Tell whether a Register has left a task its status, because people have the task."""
    return old.status in HAD and change.task.status == old.status


def _with_what_people_have(fields: Mapping[str, Any], old: Task) -> dict[str, Any]:
    """Give a Register's fields with those of people's work as they are, present or absent."""
    before = _fields(old)
    of_work = _OF_WORK if fields["status"] not in _TAKEN else _OF_WORK - {"status", "reason"}
    # Replace the known fields in their places: bodies have them first, in their order.
    kept = {name: fields[name] for name in fields if name in TASK_FIELDS or name not in of_work}
    return kept | {name: before[name] for name in before if name in of_work}


def _admit(
    old: Task, request: Register | Update, author: Author, *, may_replace_gone: bool
) -> None:
    if request.epoch is not None:
        if request.epoch != old.epoch:
            raise Conflict.held(f"field epoch: {request.epoch} is not current", *_holder(old))
        return
    if old.fenced and old.owner != author.serial and not may_replace_gone:
        raise Conflict.held("the task is fenced and field epoch is missing", *_holder(old))


def _kind(old: Task | None, status: str) -> TaskKind:
    if old is not None and old.kind != "service":
        return old.kind
    return "people" if status in OF_PEOPLE else "service"


def _kept(old: Task, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a Register leaves: the daemon's objects that fit the new status, and labels.

    A service that names no labels may know of none: people have given the task theirs.
    """
    # Most tasks have none: look at the bytes first, and parse only where they may have one.
    for name in _KEPT:
        if old.body.find(name) >= 0:
            break
    else:
        return {}
    before = _fields(old)
    kept = {name: value for name, value in before.items() if name in DAEMON_OBJECTS}
    if fields["status"] != old.status:
        after_change_of_status(kept)
    if LABELS not in fields and (labels := labels_of(before)):
        kept[LABELS] = labels
    return kept


def _holder(task: Task) -> tuple[str, str, int]:
    return task.holder, task.held_since, task.epoch


def _fields(task: Task) -> dict[str, Any]:
    fields: dict[str, Any] = strictjson.reload(task.body)
    return fields


def _body(
    fields: dict[str, Any],
    timeout_s: float | None,
    stamps: tuple[int, int, str, str, str, str, str],
    *,
    fenced: bool,
) -> bytes:
    # The daemon's members come behind all others and always in the same order: `shut_down` and
    # `refreshed` cut the body there. `fields` must have none of these names.
    if timeout_s is not None:
        fields["heartbeat_timeout"] = timeout_s
    if fenced:
        fields["fenced"] = True
    rev, epoch, created_at, updated_at, shutdown_at, before, last_seen = stamps
    added = (
        f',"rev":{rev},"epoch":{epoch},"created_at":"{created_at}","updated_at":"{updated_at}"'
        f',"shutdown_at":"{shutdown_at}","status_before_shutdown":'
        f'{strictjson.dumps(before).decode()},"last_seen":"{last_seen}"}}'
    )
    # Join the bytes into a new object: the body is kept in memory, and orjson's own result of 400
    # bytes would hold a block of 4 to 8 KiB.
    return strictjson.dumps(fields)[:-1] + added.encode()
