"""The records of a session: calls, watches, drains, the program's hooks; its states."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from taskdash.write import Done
from taskdash_protocol.errors import TaskDashError
from taskdash_protocol.request import Request


class State(Enum):
    """Where the connection stands; see `session`."""

    DOWN = auto()
    GREETING = auto()
    UP = auto()


@dataclass(slots=True, eq=False)
class Call:
    """A request whose reply somebody waits for."""

    request: Request
    done: Done
    forgotten: bool = False
    """Nobody waits for the reply any more."""
    ours: bool = False
    """The session asks for itself, for a held task or a watch: after a break it asks anew."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a task that a watch told of."""

    rev: int
    kind: str
    """registered, updated, shutdown or recovered."""
    task: dict[str, Any]


@dataclass(slots=True, eq=False)
class Watching:
    """A watch, over all the connections that it lives through."""

    where: Mapping[str, tuple[str, ...]]
    rev: int | None
    """The last rev that was told; None until the daemon has named one."""
    sink: Callable[[Event | TaskDashError], None]
    """Takes the events, and what ends the watch."""
    opened: Done | None
    """Takes the reply to the first Watch."""
    number: int | None = None
    """The daemon's number for the watch on this connection; None while it is not open."""
    opening: bool = False
    """A Watch was sent for it on this connection, and has no reply yet."""


@dataclass(slots=True, eq=False)
class Drain:
    """Somebody who waits until the daemon has what was said up to a moment."""

    then: Callable[[bool], object]
    """Called with True once the daemon has all of it; with False where it never will."""
    writes: dict[str, int]
    """By the task's id, the number of its last write to wait for."""
    calls: set["Call"]


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions of the program that are called when these things happen; each is optional."""

    on_disconnect: Callable[[TaskDashError], object] | None = None
    on_reconnect: Callable[[], object] | None = None
    on_lost: Callable[[str, TaskDashError], object] | None = None


def without_errid(reply: dict[str, Any]) -> dict[str, Any]:
    """Give a reply's body without errid and errmsg."""
    del reply["errid"], reply["errmsg"]
    return reply
