"""One task that this client holds: what of it the daemon has, and what is still to be said.

No I/O and no connection in here: `next_request` says what to send, `on_reply` takes the answer,
`on_disconnect` that the connection is gone. The state machine:

    READY ──something to say──► WRITING ──reply──► READY
      ▲                            │
      │                 connection lost, or the process stood still
      │                            ▼
      └──reply── TAKING ◄──ours── ASKING ◄──connected── UNSURE
                               └──somebody else's──► lost

At most one request a task is under way. What is said meanwhile is joined to one write of the
newest state. After a break the task's fate is asked for (Find) before anything is written: a write
whose reply was lost is not done again if the daemon has it, and a task with an epoch that we did
not cause belongs to somebody else.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from taskdash_protocol.errors import Conflict, NotFound, TaskDashError
from taskdash_protocol.requests import Find, Register, Request, Update
from taskdash_protocol.statuses import ENDED, is_live

Outcome = dict[str, Any] | TaskDashError
Done = Callable[[Outcome], None]

RETRY_S: Final = 1.0
"""After the daemon could not store a write, or was busy."""


class Phase(Enum):
    """Where a task stands; see the module."""

    READY = auto()
    WRITING = auto()
    UNSURE = auto()
    ASKING = auto()
    TAKING = auto()


@dataclass(slots=True)
class Write:
    """What somebody wants to be said of a task."""

    fields: dict[str, Any]
    control: dict[str, Any] = field(default_factory=dict)
    """heartbeat_timeout and fenced, where they are named."""
    replaces: bool = False
    """Register: the fields are all there are."""
    done: Done | None = None
    """Who waits for the outcome; None where the newest state will do, whenever that may be."""

    def tell(self, outcome: Outcome) -> None:
        """Tell whoever waits."""
        if self.done is not None:
            self.done(outcome)


class Held:
    """See the module."""

    def __init__(self, task_id: str) -> None:
        self.id = task_id
        self.phase = Phase.READY
        self.epoch: int | None = None
        self.fields: dict[str, Any] = {}
        """The client's fields as far as the daemon has acknowledged them."""
        self.control: dict[str, Any] = {}
        self.whole = False
        """Whether `fields` is all of the task, so that it could be registered again."""
        self.lost: TaskDashError | None = None
        self.refused: TaskDashError | None = None
        """A refusal that nobody waited for, until it is taken notice of."""
        self._queue: deque[Write] = deque()
        self._under_way: list[Write] = []
        self._retry_at = 0.0
        self._revive = False
        self._in_doubt = False
        """A write was sent whose reply has not come."""

    @property
    def unsaid(self) -> bool:
        """Whether the daemon does not have everything yet."""
        return bool(self._queue or self._under_way)

    @property
    def retired(self) -> bool:
        """Whether nothing more is to be done for this task."""
        if self.lost is not None:
            return True
        if self.unsaid or self.phase is not Phase.READY:
            return False
        return self.epoch is None or self.fields.get("status", "") in ENDED

    @property
    def beats_s(self) -> float | None:
        """The task's own heartbeat timeout, if it has one and lives."""
        timeout = self.control.get("heartbeat_timeout")
        return timeout if is_live(self.fields.get("status", "")) else None

    def say(self, write: Write) -> None:
        """Add something to be said."""
        last = self._queue[-1] if self._queue else None
        if write.done is None and not write.replaces and last is not None and last.done is None:
            # Nobody waits for either: only the newest state counts, and the queue stays short.
            last.fields.update(write.fields)
            last.control.update(write.control)
        else:
            self._queue.append(write)

    def wait_s(self, now: float) -> float | None:
        """Say in how many seconds `next_request` has something; None where nothing is to come."""
        if self.phase is Phase.UNSURE:
            busy = self.unsaid or is_live(self.fields.get("status", ""))
        else:
            busy = self.phase is Phase.READY and bool(self._queue)
        return max(0.0, self._retry_at - now) if busy else None

    def next_request(self, now: float) -> Request | None:
        """Give what to send now, if anything."""
        if self.wait_s(now) != 0:
            return None
        if self.phase is Phase.UNSURE:
            self.phase = Phase.ASKING
            return Find(self.id)
        self.phase = Phase.WRITING
        self._under_way, self._queue = list(self._queue), deque()
        return self._write()

    def on_reply(self, outcome: Outcome, now: float) -> Request | None:
        """Take the answer to what was sent; give what must follow at once."""
        if self.phase is Phase.ASKING:
            return self._learn(outcome, now)
        self.phase = Phase.READY
        self._in_doubt = False
        if isinstance(outcome, TaskDashError):
            self._on_refusal(outcome, now)
            return None
        self.epoch = int(outcome["epoch"])
        self._revive = False
        said, self._under_way = self._under_way, []
        self._adopt(said)
        for write in said:
            write.tell(outcome)
        return None

    def on_disconnect(self) -> None:
        """Note that the connection is gone: what was sent may have been done or not."""
        if self.epoch is None and not self._under_way:
            self.phase = Phase.READY
        else:
            self.phase = Phase.UNSURE
        self._retry_at = 0.0

    def give_up(self, error: TaskDashError) -> None:
        """Tell all who wait that it will not be said, and forget it."""
        waiting = [*self._under_way, *self._queue]
        self._under_way, self._queue = [], deque()
        for write in waiting:
            write.tell(error)

    # Writing

    def _write(self) -> Request:
        self._in_doubt = True
        writes, fields, control = self._under_way, dict(self.fields), dict(self.control)
        changes: dict[str, Any] = {}
        replaces = False
        for write in writes:
            if write.replaces:
                fields, control, replaces = {}, {}, True
            fields.update(write.fields)
            changes.update(write.fields)
            control.update(write.control)
        if replaces:
            body = {**fields, **control, "id": self.id}
        else:
            body = {**changes, "id": self.id}
            for write in writes:
                body.update(write.control)
            if self._revive:
                body.setdefault("status", self.fields.get("status", ""))
        if self.epoch is not None:
            body["epoch"] = self.epoch
        return Register.parse(body) if replaces else Update.parse(body)

    def _adopt(self, said: list[Write]) -> None:
        for write in said:
            if write.replaces:
                self.fields, self.control, self.whole = {}, {}, True
            self.fields.update(write.fields)
            self.control.update(write.control)

    def _on_refusal(self, error: TaskDashError, now: float) -> None:
        if isinstance(error, Conflict) and self.epoch is not None:
            self._lose(error)
            return
        if isinstance(error, NotFound) and self.whole:
            # The daemon has lost it: an older backup, another data directory.
            self._register_again()
            return
        said, self._under_way = self._under_way, []
        kept = [write for write in said if error.retryable and write.done is None]
        self._queue.extendleft(reversed(kept))
        if error.retryable:
            self._retry_at = now + RETRY_S
        elif not all(write.done for write in said):
            self.refused = error
        for write in said:
            write.tell(error)

    def _lose(self, error: TaskDashError) -> None:
        self.phase = Phase.READY
        self.lost = error
        self.give_up(error)

    def _register_again(self) -> None:
        self.phase = Phase.READY
        # Only if it is still absent: whoever was quicker has it.
        self.epoch = 0
        kept = Write(dict(self.fields), dict(self.control), replaces=True)
        self._queue.extendleft(reversed([kept, *self._under_way]))
        self._under_way = []

    # The task's fate

    def _learn(self, outcome: Outcome, now: float) -> Request | None:
        """Decide what became of the task while we did not hear of it."""
        if isinstance(outcome, NotFound):
            if self.whole:
                self._register_again()
            elif any(write.replaces for write in self._under_way):
                self._requeue()
            else:
                self._lose(outcome)
            return None
        if isinstance(outcome, TaskDashError):
            self.phase = Phase.UNSURE
            self._retry_at = now + RETRY_S
            return None
        done = self._has(outcome)
        epoch = int(outcome["epoch"])
        if self.epoch is None and not done:
            # Whose it is, we cannot know: say again what was said, the newest wins.
            self._requeue()
            return None
        # A write that took the task up has raised the epoch by one; its reply may be what was lost.
        took_up, self._in_doubt = self._in_doubt and done, False
        ours = self.epoch is None or epoch == self.epoch or (epoch == self.epoch + 1 and took_up)
        if not ours:
            self._lose(
                Conflict(
                    f"task {self.id!r} was taken over: it has epoch {epoch}, ours was {self.epoch}"
                )
            )
            return None
        self.epoch = epoch
        if done:
            self._settle(epoch)
        return self._take_up(outcome, done=done)

    def _has(self, found: Mapping[str, Any]) -> bool:
        """Tell whether the daemon has the write whose reply was lost."""
        # The status too, where nothing else would tell our take-up from somebody else's.
        said = {name: self.fields[name] for name in ("status",) if name in self.fields}
        for write in self._under_way:
            said.update(write.fields)
        if found.get("shutdown_at"):
            found = {**found, "status": found["status_before_shutdown"]}
        return all(found.get(name) == value for name, value in said.items())

    def _settle(self, epoch: int) -> None:
        said, self._under_way = self._under_way, []
        self._adopt(said)
        for write in said:
            write.tell({"id": self.id, "epoch": epoch})

    def _requeue(self) -> None:
        self.phase = Phase.READY
        self._queue.extendleft(reversed(self._under_way))
        self._under_way = []

    def _take_up(self, found: Mapping[str, Any], *, done: bool) -> Request | None:
        """Own the task on this connection, in one write with what is still to be said."""
        if not done:
            self._requeue()
        if not self._queue and not is_live(self.fields.get("status", "")):
            self.phase = Phase.READY
            return None
        self.phase = Phase.TAKING
        self._revive = bool(found.get("shutdown_at")) and "status" in self.fields
        self._under_way, self._queue = list(self._queue), deque()
        return self._write()


def checked_write(id: str, fields: dict[str, Any], done: Done | None, *, replaces: bool) -> Write:
    """Make what a session takes of fields that a program gives. Raises `BadRequest`."""
    checked = (Register if replaces else Update).parse({**fields, "id": id})
    control: dict[str, Any] = {
        name: fields[name] for name in ("heartbeat_timeout", "fenced") if name in fields
    }
    # Only what was given: what Register adds itself needs neither memory nor comparison.
    kept = {name: fields[name] for name in checked.fields if name in fields}
    return Write(kept, control, replaces, done)
