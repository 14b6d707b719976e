"""Requests about tasks: to create, change, find and list them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from taskdash_protocol import writes
from taskdash_protocol.fields import CONTROL_FIELDS
from taskdash_protocol.readers import (
    boolean,
    check_boolean,
    check_id,
    cursor,
    limit,
    order,
    searched,
    task_id,
    where,
)
from taskdash_protocol.request import AboutTask, Request

CONTAINS_CHARACTERS_MAX: Final = 256
CONTAINS_WORDS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Register(AboutTask):
    """Create a task, or replace all client fields of the one with this id."""

    request_id = "Register"

    id: str = task_id()
    fields: Mapping[str, Any] = writes.registered()
    heartbeat_timeout: float | None = writes.timeout()
    epoch: int | None = writes.epoch()
    fenced: bool | None = writes.fenced()

    def counts_as_service(self) -> bool:
        """Say yes: a task that is registered over HTTP is its service's, not the asker's."""
        return True

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request by hand: the same as is declared, but faster. Raises `BadRequest`."""
        id = body.get("id")
        if id is None:
            # super() without arguments fails in a dataclass with slots (python/cpython#90562).
            return super(Register, cls).parse(body)
        check_id("id", id)
        fields = writes.of_register(body)
        if writes.NOT_KEPT.isdisjoint(fields):
            return cls(id, fields)
        writes.check_own(body)
        return cls(id, writes.kept(fields), *writes.steering(body))

    def to_body(self) -> dict[str, Any]:
        """Write the request by hand: the same as is declared, but faster."""
        fields = self.fields
        # Copy what begins with the id, as all that was parsed does: half the time of a join.
        body = dict(fields) if next(iter(fields), None) == "id" else {"id": self.id, **fields}
        if self.heartbeat_timeout is not None:
            body["heartbeat_timeout"] = self.heartbeat_timeout
        if self.epoch is not None:
            body["epoch"] = self.epoch
        if self.fenced is not None:
            body["fenced"] = self.fenced
        return body


@dataclass(frozen=True, slots=True)
class Update(AboutTask):
    """Change some fields of a task; fields left out stay."""

    request_id = "Update"

    id: str = task_id()
    fields: Mapping[str, Any] = writes.updated()
    heartbeat_timeout: float | None = writes.timeout()
    epoch: int | None = writes.epoch()
    fenced: bool | None = writes.fenced()
    own: bool = boolean(CONTROL_FIELDS["own"], default=True)

    def counts_as_service(self) -> bool:
        """Tell whether the Update makes its author the task's owner."""
        return self.own

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request by hand: the same as is declared, but faster. Raises `BadRequest`."""
        id = body.get("id")
        if id is None:
            return super(Update, cls).parse(body)
        check_id("id", id)
        fields = writes.of_update(body)
        if writes.NOT_KEPT.isdisjoint(fields):
            return cls(id, fields)
        steering, own = writes.steering(body), body.get("own")
        own = own is None or check_boolean("own", own)
        return cls(id, writes.kept(fields), *steering, own)


@dataclass(frozen=True, slots=True)
class Find(AboutTask):
    """Ask for one task."""

    request_id = "Find"

    id: str = task_id()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the request by hand: the same as is declared, but faster. Raises `BadRequest`."""
        id = body.get("id")
        return super(Find, cls).parse(body) if id is None else cls(check_id("id", id))


@dataclass(frozen=True, slots=True)
class Query(Request):
    """Ask for a page of tasks."""

    request_id = "Query"

    where: Mapping[str, tuple[str, ...]] = where(
        "Field to a string, or to a list of strings any of which will do; all fields must match."
    )
    order: str = order("A field, or `-field` for descending; ties go by `id`.")
    limit: int = limit("At most so many tasks.")
    after: str | None = cursor("The `next` of the page before, with the same `order`.")
    contains: str = searched(
        "Only tasks that have each of these words, 10 at most; see below.",
        characters_max=CONTAINS_CHARACTERS_MAX,
        words_max=CONTAINS_WORDS_MAX,
    )
