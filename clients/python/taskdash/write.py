"""A change of a task that somebody wants the daemon to have: one that joins, and comes apart."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from taskdash_protocol import strictjson
from taskdash_protocol.conversation import encode
from taskdash_protocol.errors import BadRequest, TaskDashError
from taskdash_protocol.families.tasks import Register, Update

Outcome = dict[str, Any] | TaskDashError
Done = Callable[[Outcome], None]

CONTROL: Final = ("heartbeat_timeout", "fenced")
_WHOSE: Final = ("name", "user", "group_id", "status")


@dataclass(slots=True, eq=False)
class Write:
    """A change of a task's fields that somebody wants the daemon to have."""

    fields: dict[str, Any]
    control: dict[str, Any] = field(default_factory=dict)
    """heartbeat_timeout and fenced, where they are named."""
    replaces: bool = False
    """Whether this is a Register: its fields replace all that the task has."""
    done: Done | None = None
    """Takes the outcome; None where nobody waits, so that the write may join with others."""
    number: int = 0
    """The number of the write among all of its task; drains wait for numbers."""
    bytes: int = 0
    """How long the body of its request is, alone."""
    joined: dict[str, int] = field(default_factory=dict)
    """By name, what was last said by a write that has joined this one: that write's number."""

    def tell(self, outcome: Outcome) -> None:
        """Tell whoever waits."""
        if self.done is not None:
            self.done(outcome)

    def joins(self, later: "Write") -> bool:
        """Take in a later write, if nobody waits for either: only the newest state counts."""
        if self.done is not None or later.done is not None or later.replaces:
            return False
        self.fields.update(later.fields)
        self.control.update(later.control)
        for name in (*later.fields, *later.control):
            self.joined[name] = later.joined.get(name, later.number)
        return True

    def apart(self) -> list["Write"]:
        """Give the writes that have joined, each with what no later one of them has said anew."""
        if not self.joined:
            return [self]
        parts = {number: Write({}) for number in sorted({self.number, *self.joined.values()})}
        for name, value in self.fields.items():
            parts[self.joined.get(name, self.number)].fields[name] = value
        for name, value in self.control.items():
            parts[self.joined.get(name, self.number)].control[name] = value
        first = parts[self.number]
        first.replaces = self.replaces
        if self.replaces:
            # A Register needs a name, and a token may write only what is of its groups.
            first.fields |= {name: self.fields[name] for name in _WHOSE if name in self.fields}
        for part in parts.values():
            part.number = self.number
        return [part for part in parts.values() if part.fields or part.control or part.replaces]


def checked_write(id: str, fields: dict[str, Any], done: Done | None, *, replaces: bool) -> Write:
    """Make what a session takes of fields that a program gives. Raises `BadRequest`."""
    for name in ("own", "epoch"):
        if name in fields:
            raise BadRequest(f"field {name} is not said of a task that this client holds")
    checked = (Register if replaces else Update).parse({**fields, "id": id})
    # Read the write as the daemon will: one that it refuses would, joined with others, fail them.
    body = encode(checked)
    strictjson.loads_object(body)
    control: dict[str, Any] = {name: fields[name] for name in CONTROL if name in fields}
    # Keep only the fields that were given: those that Register adds are empty, and take memory.
    kept = {name: fields[name] for name in checked.fields if name in fields and name != "id"}
    return Write(kept, control, replaces, done, bytes=len(body))
