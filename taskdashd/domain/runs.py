"""Runs of plain writes: what `tasks.register` and `tasks.update` come to where nothing is special.

Rules only. Special is a task that is fenced, was set to `shutdown`, has a timeout of its own, is
people's or a job, or has members beside a task's own; and a status that makes it people's, or that
only the daemon sets. Such a write ends the run, and is decided by `tasks` as every other. What a
run decides, `tasks` decides the same: a test holds them side by side.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter
from sys import intern
from typing import Any, Final

import msgspec

from taskdash_protocol.fields import TASK_FIELDS
from taskdash_protocol.plain import PlainRegister, PlainUpdate, PlainWrite, TaskTexts, body_of
from taskdash_protocol.statuses import OF_PEOPLE, SHUTDOWN
from taskdashd.domain.tasks import Author, Change, Task

_SPECIAL: Final = OF_PEOPLE | {SHUTDOWN}
_MARKS: Final = {name: f'"{name}":"'.encode() for name in TASK_FIELDS}
"""What stands before the text of each member."""
_ATTRIBUTES: Final = ("user", "group_id", "checker", "parent_id", "task_type")
"""The members of a body that a `Task` has as well, beside the status."""
_has_no_attribute: Final = frozenset(_ATTRIBUTES).isdisjoint
_made: Callable[..., Any] = tuple.__new__
"""Makes a `Task` or `Change` of a tuple; the class itself would unpack and pack it again."""
_owned: Final = itemgetter(
    *map(Task._fields.index, ("epoch", "created_at", "owner", "holder", "held_since"))
)
_held: Final = itemgetter(*map(Task._fields.index, ("id", "status", *_ATTRIBUTES, "body")))
# Each takes several members out of a task for about what one attribute costs.


class _Body(TaskTexts, forbid_unknown_fields=True, gc=False):
    """The body of a task that has nothing special, as `tasks` writes it."""

    rev: int = 0
    epoch: int = 0
    created_at: str = ""
    updated_at: str = ""
    shutdown_at: str = ""
    status_before_shutdown: str = ""
    last_seen: str = ""


_read: Final = msgspec.json.Decoder(_Body).decode
_written: Final = msgspec.json.Encoder().encode


class _Plain(Task):
    """A task that a run has written: that nothing about it is special need not be looked at."""

    __slots__ = ()


Look = Callable[[str], Task | None]
"""Gives a task as the next write must see it; None where there is none. Raises `KeyError` where
that is not known yet."""


def decided(
    writes: Iterable[PlainWrite], look: Look, author: Author, at: str, rev: int, bytes_max: int
) -> list[Change]:
    """Decide writes one after another, the first with a rev; up to the first that is special.

    So is one whose task would take more than `bytes_max`.
    """
    changes: list[Change] = []
    begun: dict[str, Task] = {}
    run = _Run(author, at)
    for write in writes:
        task_id = write.id
        try:
            old = begun[task_id] if task_id in begun else look(task_id)
        except KeyError:
            break
        if type(write) is PlainRegister:
            task = run.registered(old, write, rev)
        elif type(write) is PlainUpdate and old is not None:
            task = run.updated(old, write, rev)
        else:
            break
        if task is None or len(task.body) > bytes_max:
            break
        begun[task_id] = task
        kind = "registered" if old is None else "updated"
        changes.append(_made(Change, (kind, task, old, at, author.name)))
        rev += 1
    return changes


class _Run:
    """What all writes of a run have in common."""

    __slots__ = ("_at", "_name", "_new", "_owner", "_stamps")

    def __init__(self, author: Author, at: str) -> None:
        self._owner, self._name, self._at = author.owner, author.name, at
        self._stamps: dict[tuple[int, str], bytes] = {}
        self._new = self._stamped(1, at)

    def _stamped(self, epoch: int, created_at: str) -> bytes:
        """Give the end of a body, behind its rev: tasks that began together have the same."""
        stamps = self._stamps.get((epoch, created_at))
        if stamps is None:
            at = self._at
            stamps = self._stamps[epoch, created_at] = (
                f',"epoch":{epoch},"created_at":"{created_at}","updated_at":"{at}"'
                f',"shutdown_at":"","status_before_shutdown":"","last_seen":"{at}"}}'
            ).encode()
        return stamps

    def registered(self, old: Task | None, write: PlainRegister, rev: int) -> Task | None:
        """Create a task, or replace its client fields; None where something is special."""
        if write.status in _SPECIAL:
            return None
        if old is None:
            epoch, created_at, holder, since = 1, self._at, self._name, self._at
            stamps = self._new
        else:
            if not _is_plain(old):
                return None
            epoch, created_at, owner, holder, since = _owned(old)
            if owner != self._owner:
                epoch, holder, since = epoch + 1, self._name, self._at
            stamps = self._stamped(epoch, created_at)
        return _made(  # type: ignore[no-any-return]
            _Plain,
            (
                write.id,
                rev,
                epoch,
                write.status,
                None,
                False,
                created_at,
                "",
                self._owner,
                intern(write.user),
                intern(write.group_id),
                intern(write.checker),
                intern(write.parent_id),
                intern(write.task_type),
                "service",
                holder,
                since,
                b'%b,"rev":%d%b' % (body_of(write)[:-1], rev, stamps),
            ),
        )

    def updated(self, old: Task, write: PlainUpdate, rev: int) -> Task | None:
        """Change some fields of a task; None where something is special."""
        fields = write.fields
        task_id, status, user, group_id, checker, parent_id, task_type, body = _held(old)
        if "status" in fields:
            status = fields["status"]
        if status in _SPECIAL or not _is_plain(old):
            return None
        body, _, _ = body.rpartition(b',"rev":')
        for name, value in fields.items():
            # A quote inside a string is escaped, so bytes that look like a member are one.
            before, mark, behind = body.partition(_MARKS[name])
            body = b'%b%b%b"%b' % (before, mark, value.encode(), _behind_string(behind))
        if not _has_no_attribute(fields):
            get = fields.get
            user, group_id = intern(get("user", user)), intern(get("group_id", group_id))
            checker, parent_id = (
                intern(get("checker", checker)),
                intern(get("parent_id", parent_id)),
            )
            task_type = intern(get("task_type", task_type))
        epoch, created_at, owner, holder, since = _owned(old)
        if owner != self._owner:
            epoch, holder, since = epoch + 1, self._name, self._at
        return _made(  # type: ignore[no-any-return]
            _Plain,
            (
                task_id,
                rev,
                epoch,
                status,
                None,
                False,
                created_at,
                "",
                self._owner,
                user,
                group_id,
                checker,
                parent_id,
                task_type,
                "service",
                holder,
                since,
                b'%b,"rev":%d%b' % (body, rev, self._stamped(epoch, created_at)),
            ),
        )


def _behind_string(text: bytes) -> bytes:
    """Give what stands behind the quote that ends a string; the text begins within the string.

    A quote behind an odd number of backslashes is a part of it: these escape one another first.
    """
    value, _, rest = text.partition(b'"')
    while value[-1:] == b"\\" and (len(value) - len(value.rstrip(b"\\"))) % 2:
        value, _, rest = rest.partition(b'"')
    return rest


def _is_plain(task: Task) -> bool:
    """Tell whether nothing about a task is special."""
    if type(task) is _Plain:
        return True
    if task.shutdown_at or task.kind != "service":
        return False
    try:
        # One of an older version may lack a member, or have them in another order.
        return _written(_read(task.body)) == task.body
    except msgspec.ValidationError:
        return False
