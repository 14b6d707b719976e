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
not cause belongs to somebody else. A task that is updated and was not registered here begins
UNSURE too: without its fields it could not be registered again where the daemon has lost it.
"""

import math
from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from taskdash.write import CONTROL, Outcome, Write
from taskdash_protocol.errors import BadRequest, Conflict, NotFound, TaskDashError
from taskdash_protocol.families.tasks import Find, Register, Update
from taskdash_protocol.fields import DAEMON_FIELDS, TASK_FIELDS
from taskdash_protocol.request import Request
from taskdash_protocol.statuses import ENDED, is_live

RETRY_S: Final = 1.0
"""The pause after a refusal that need not last: the daemon was busy, or could not store."""

_NOT_CLIENTS: Final = frozenset((*DAEMON_FIELDS, *CONTROL, "id", "errid", "errmsg"))


class Phase(Enum):
    """Where a task stands; see the module."""

    READY = auto()
    WRITING = auto()
    UNSURE = auto()
    ASKING = auto()
    TAKING = auto()


class Held:
    """See the module. `registers` tells whether it begins with a Register."""

    def __init__(self, task_id: str, *, registers: bool) -> None:
        self.id = task_id
        self.phase = Phase.READY if registers else Phase.UNSURE
        self.epoch: int | None = None
        self.fields: dict[str, Any] = {}
        """The client's fields as far as the daemon has acknowledged them."""
        self.control: dict[str, Any] = {}
        self.whole = False
        """Whether `fields` is all of the task, so that it could be registered again."""
        self.lost: TaskDashError | None = None
        self.refused: TaskDashError | None = None
        """The refusal of a write for which nobody waited, until `Tasks` has logged it."""
        self.said = 0
        """How many writes were ever said."""
        self._queue: deque[Write] = deque()
        self._under_way: list[Write] = []
        self._retry_at = 0.0
        self._one_by_one = 0
        """So many writes are to be sent alone: together they were refused, for one of them."""
        self._revive = False
        self._takes_up = True
        """Whether the next write takes the task up on this connection, and raises its epoch."""
        self._may_have_taken = False
        """A write that takes the task up was sent and has no reply: its epoch may have grown."""

    def resume(self, registered: Write, epoch: int) -> None:
        """Hold a task that another connection of this program has registered, as after a break."""
        self.phase, self.epoch = Phase.UNSURE, epoch
        self._adopt([registered])

    @property
    def unsaid(self) -> bool:
        """Whether the daemon does not have everything yet."""
        return bool(self._queue or self._under_way)

    @property
    def oldest_unsaid(self) -> float:
        """The number of the oldest write that the daemon does not have; infinity if none."""
        return min((write.number for write in (*self._under_way, *self._queue)), default=math.inf)

    @property
    def retired(self) -> bool:
        """Whether nothing more is to be done for this task."""
        if self.lost is not None:
            return True
        if self.unsaid:
            return False
        if self.epoch is None:
            return True
        return self.phase is Phase.READY and self.fields.get("status", "") in ENDED

    @property
    def beats_s(self) -> float | None:
        """The task's own heartbeat timeout, if it has one and lives."""
        timeout = self.control.get("heartbeat_timeout")
        return timeout if is_live(self.fields.get("status", "")) else None

    def say(self, write: Write) -> None:
        """Add something to be said."""
        self.said += 1
        write.number = self.said
        if not self._queue or not self._queue[-1].joins(write):
            self._queue.append(write)

    def nobody_waits(self, write: Write) -> None:
        """Keep a write whose caller has stopped waiting; from now on it may join with others."""
        write.done = None
        if write in self._queue:
            joined: deque[Write] = deque()
            for one in self._queue:
                if not joined or not joined[-1].joins(one):
                    joined.append(one)
            self._queue = joined

    def withdraw(self, write: Write) -> bool:
        """Take back a write that was never sent; False if it may have been."""
        if write in self._queue:
            self._queue.remove(write)
            return True
        return False

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
        return self._write(Phase.WRITING)

    def on_reply(self, outcome: Outcome, now: float) -> Request | None:
        """Take the answer to what was sent; give what must follow at once.

        Raises `KeyError`, `TypeError` or `ValueError` for an answer that makes no sense.
        """
        if self.phase is Phase.ASKING:
            return self._learn(outcome, now)
        if isinstance(outcome, TaskDashError):
            self._on_refusal(outcome, now)
            return None
        self.epoch = int(outcome["epoch"])
        self.phase = Phase.READY
        self._revive = self._takes_up = self._may_have_taken = False
        self._one_by_one = max(0, self._one_by_one - 1)
        said, self._under_way = self._under_way, []
        self._adopt(said)
        for write in said:
            write.tell(outcome)
        return None

    def on_disconnect(self) -> None:
        """Note that the connection is gone: what was sent may have been done or not."""
        if self.epoch is None and not self._under_way and self._queue and self._queue[0].replaces:
            self.phase = Phase.READY
        else:
            self.phase = Phase.UNSURE
        self._takes_up = True
        self._retry_at = 0.0

    def give_up(self, error: TaskDashError) -> None:
        """Drop all writes, and tell those who wait for them why."""
        waiting = [*self._under_way, *self._queue]
        self._under_way, self._queue = [], deque()
        for write in waiting:
            write.tell(error)

    # Writing

    def _write(self, phase: Phase) -> Request:
        self.phase = phase
        self._may_have_taken = self._takes_up
        count = 1 if self._one_by_one else len(self._queue)
        self._under_way = [self._queue.popleft() for _ in range(min(count, len(self._queue)))]
        fields, control, replaces = self._after(self._under_way)
        if replaces:
            body = {**fields, **control, "id": self.id}
        else:
            body = {"id": self.id}
            for write in self._under_way:
                body |= {**write.fields, **write.control}
            if self._revive:
                body.setdefault("status", self.fields.get("status", ""))
        if self.epoch is not None:
            body["epoch"] = self.epoch
        return Register.parse(body) if replaces else Update.parse(body)

    def _after(self, writes: list[Write]) -> tuple[dict[str, Any], dict[str, Any], bool]:
        """Give fields and control as they are after these writes, and whether all is replaced."""
        fields, control, replaces = dict(self.fields), dict(self.control), False
        for write in writes:
            if write.replaces:
                fields, control, replaces = {}, {}, True
            fields.update(write.fields)
            control.update(write.control)
        return fields, control, replaces

    def _adopt(self, said: list[Write]) -> None:
        self.fields, self.control, replaces = self._after(said)
        self.whole = self.whole or replaces

    def _on_refusal(self, error: TaskDashError, now: float) -> None:
        if isinstance(error, Conflict) and self.epoch is not None:
            self._lose(error)
            return
        if isinstance(error, NotFound) and self.whole:
            # The daemon has lost the task: an older backup, another data directory.
            self._register_again()
            return
        # A take-up that was refused leaves the task with no owner here: ask, and take it up again.
        began = self.epoch is not None
        self.phase = Phase.UNSURE if self._takes_up and began else Phase.READY
        self._may_have_taken = False
        said, self._under_way = self._under_way, []
        if isinstance(error, BadRequest):
            # One refusal for several writes does not say which is bad: send each alone.
            parts = [part for write in said for part in write.apart()]
            if len(parts) > 1:
                self._queue.extendleft(reversed(parts))
                self._one_by_one = len(parts)
                return
        self._one_by_one = max(0, self._one_by_one - 1)
        if error.retryable or self.epoch == 0:
            # Wait also before a task is registered again that was refused, as the daemon lost it.
            self._retry_at = now + RETRY_S
        if error.retryable:
            self._queue.extendleft(reversed([write for write in said if write.done is None]))
        elif not all(write.done for write in said):
            self.refused = error
        for write in said:
            write.tell(error)

    def _lose(self, error: TaskDashError) -> None:
        self.phase = Phase.READY
        self.lost = error
        self.give_up(error)

    def _register_again(self) -> None:
        # Epoch 0 registers only a task that is absent: who has registered it meanwhile keeps it.
        self.epoch = 0
        kept = Write(dict(self.fields), dict(self.control), replaces=True)
        # A task that has grown beyond a frame, by many writes, is said again in as many.
        kept.joined = {name: number for number, name in enumerate(self.fields, 1)}
        self._requeue()
        self._queue.appendleft(kept)

    def _requeue(self) -> None:
        self.phase = Phase.READY
        self._queue.extendleft(reversed(self._under_way))
        self._under_way = []

    # The task's fate

    def _learn(self, outcome: Outcome, now: float) -> Request | None:
        """Decide what became of the task while we did not hear of it."""
        if isinstance(outcome, NotFound):
            waiting = (*self._under_way, *self._queue)
            if self.epoch == 0 and waiting and waiting[0].replaces:
                self._requeue()
            elif self.whole:
                self._register_again()
            elif any(write.replaces for write in waiting):
                self._requeue()
            else:
                self.phase = Phase.READY
                if not all(write.done for write in self._queue):
                    self.refused = outcome
                self.give_up(outcome)
            return None
        if isinstance(outcome, TaskDashError):
            self.phase = Phase.UNSURE
            self._retry_at = now + RETRY_S
            return None
        epoch = int(outcome["epoch"])
        done = bool(self._under_way) and self._has(outcome)
        if self.epoch is None and not done:
            # The task was not held before: learn its fields, then write over them.
            self._know(outcome)
            self._requeue()
            return None
        took_up = self._may_have_taken and (done or not self._under_way)
        ours = self.epoch is None or epoch == self.epoch or (epoch == self.epoch + 1 and took_up)
        self._may_have_taken = False
        if not ours:
            why = f"task {self.id!r} was taken over: it has epoch {epoch}, ours was {self.epoch}"
            self._lose(Conflict(why))
            return None
        self.epoch = epoch
        if done:
            self._settle(epoch)
        return self._take_up(outcome)

    def _know(self, found: Mapping[str, Any]) -> None:
        self.fields = {name: found[name] for name in found if name not in _NOT_CLIENTS}
        self.control = {name: found[name] for name in CONTROL if name in found}
        self.whole = True

    def _has(self, found: Mapping[str, Any]) -> bool:
        """Tell whether the daemon has the write whose reply was lost."""
        fields, control, replaces = self._after(self._under_way)
        if found.get("shutdown_at"):
            found = {**found, "status": found["status_before_shutdown"]}
        if replaces:
            # Compare every field: an older run of the program may have left much the same task.
            names = {name for name in found if name not in _NOT_CLIENTS} | fields.keys()
            return all(
                found.get(name, "" if name in TASK_FIELDS else None)
                == fields.get(name, "" if name in TASK_FIELDS else None)
                for name in names
            ) and all(found.get(name) == control.get(name) for name in CONTROL)
        # Compare the status too: a write of few fields would be found also in a task that somebody
        # else has taken up.
        said = {name: fields[name] for name in ("status",) if name in fields}
        for write in self._under_way:
            said |= {**write.fields, **write.control}
        return all(found.get(name) == value for name, value in said.items())

    def _settle(self, epoch: int) -> None:
        said, self._under_way = self._under_way, []
        self._adopt(said)
        for write in said:
            write.tell({"id": self.id, "epoch": epoch})

    def _take_up(self, found: Mapping[str, Any]) -> Request | None:
        """Own the task on this connection, in one write with what is still to be said."""
        self._requeue()
        if not self._queue and not is_live(self.fields.get("status", "")):
            return None
        self._revive = bool(found.get("shutdown_at")) and "status" in self.fields
        return self._write(Phase.TAKING)
