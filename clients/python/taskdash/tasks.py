"""All tasks that a client holds, and which of them have something to say. No I/O."""

import math
from collections.abc import Callable
from typing import Final

from taskdash.calls import Call
from taskdash.errors import ProtocolError
from taskdash.held import Held
from taskdash.write import Outcome, Write
from taskdash_protocol.errors import Busy, Conflict, TaskDashError
from taskdash_protocol.request import Request

LOST_REMEMBERED_MAX: Final = 10_000
HELD_MAX: Final = 50_000
"""Tasks that one client holds, and whose writes it keeps while the daemon is away: some 80 MiB."""


class Tasks:
    """See the module. `send` sends a call; the other two are told of what was lost or refused."""

    def __init__(
        self,
        send: Callable[[Call], None],
        on_lost: Callable[[str, TaskDashError], None],
        on_refused: Callable[[str, TaskDashError], None],
    ) -> None:
        self._send = send
        self._on_lost = on_lost
        self._on_refused = on_refused
        self.held: dict[str, Held] = {}
        self.dirty: dict[str, None] = {}
        """Tasks for which there may be something to send."""
        self._waiting: dict[str, None] = {}
        """Tasks whose writes are to be sent again at `_retry_at`, after the daemon was busy."""
        self._retry_at = math.inf
        self._lost: dict[str, TaskDashError] = {}
        """Tasks that somebody else has taken, until they are registered anew."""
        self._parents: frozenset[str] = frozenset()
        """Tasks that the process holds, of which this one is a fork."""
        self._timeouts_s: dict[str, float] = {}
        self.timeout_s = math.inf
        """The shortest of the live tasks' own heartbeat timeouts."""

    def say(self, task_id: str, write: Write) -> None:
        """Add something to be said of a task, and hold it from then on."""
        if write.replaces:
            self._lost.pop(task_id, None)
            self._parents -= {task_id}
        elif task_id in self._parents:
            raise Conflict(
                f"task {task_id!r} is held by the process that forked this one:"
                " change it from here by update(id, own=False, ...)"
            )
        elif task_id in self._lost:
            write.tell(self._lost[task_id])
            return
        held = self.held.get(task_id)
        if held is None:
            if len(self.held) >= HELD_MAX:
                raise Busy(f"{HELD_MAX} tasks are held already: end some, or wait for the daemon")
            held = self.held[task_id] = Held(task_id, registers=write.replaces)
        held.say(write)
        self.dirty[task_id] = None

    def resume(self, task_id: str, registered: Write, epoch: int) -> None:
        """Hold a task that another connection of this program has registered."""
        held = self.held[task_id] = Held(task_id, registers=True)
        held.resume(registered, epoch)
        self.dirty[task_id] = None

    def leave_to_parent(self, parents: "Tasks") -> None:
        """Leave to the parent process what it holds: this one is a fork, and holds nothing yet."""
        self._parents = parents._parents | frozenset(parents.held)

    def nobody_waits(self, task_id: str, write: Write) -> None:
        """Keep a write whose caller has stopped waiting; from now on it may join with others."""
        if held := self.held.get(task_id):
            held.nobody_waits(write)

    def withdraw(self, task_id: str, write: Write) -> bool:
        """Take back a write; False if it may have been sent, and the task so begun."""
        held = self.held.get(task_id)
        if held is None:
            return True
        if not held.withdraw(write):
            return False
        if held.retired:
            self._forget(task_id)
        return True

    def send(self, now: float) -> None:
        """Send what there is to be said."""
        if now >= self._retry_at:
            self.dirty |= self._waiting
            self._waiting, self._retry_at = {}, math.inf
        # Empty `dirty` first: a request that is refused before it is sent makes its task dirty
        # again, for the next time.
        looked_at, self.dirty = self.dirty, {}
        for task_id in looked_at:
            held = self.held.get(task_id)
            if held is None:
                continue
            request = held.next_request(now)
            if request is not None:
                self._ask(held, request, now)
            if wait_s := held.wait_s(now):
                self._waiting[task_id] = None
                self._retry_at = min(self._retry_at, now + wait_s)

    def wait_s(self, now: float) -> float:
        """Say in how many seconds `send` has something to do; infinity if there is nothing."""
        return 0.0 if self.dirty else self._retry_at - now

    @property
    def unsaid(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self.dirty or self._waiting)

    def on_disconnect(self) -> None:
        """Note that the connection is gone."""
        for task_id, held in list(self.held.items()):
            held.on_disconnect()
            self.dirty[task_id] = None
            self._waiting.pop(task_id, None)
            if held.retired:
                self._forget(task_id)

    def give_up(self, error: TaskDashError) -> None:
        """Tell all who wait that nothing will be said any more."""
        for held in self.held.values():
            held.give_up(error)
        self.dirty.clear()
        self._waiting.clear()

    def _ask(self, held: Held, request: Request, now: float) -> None:
        def done(outcome: Outcome) -> None:
            # `now` is when the request was made: a retry counts from then, not from the reply.
            try:
                follows = held.on_reply(outcome, now)
            except (KeyError, TypeError, ValueError) as error:
                raise ProtocolError(f"a reply about task {held.id!r} makes no sense") from error
            if follows is not None:
                self._ask(held, follows, now)
            self.dirty[held.id] = None
            self._after_reply(held)

        self._send(Call(request, done, ours=True))

    def _after_reply(self, held: Held) -> None:
        if held.refused is not None:
            self._on_refused(held.id, held.refused)
            held.refused = None
        if held.lost is not None:
            self._lost[held.id] = held.lost
            if len(self._lost) > LOST_REMEMBERED_MAX:
                del self._lost[next(iter(self._lost))]
            self._on_lost(held.id, held.lost)
        if held.retired:
            if self.held.get(held.id) is held:
                self._forget(held.id)
            return
        own_s = held.beats_s
        if own_s != self._timeouts_s.get(held.id):
            if own_s is None:
                del self._timeouts_s[held.id]
            else:
                self._timeouts_s[held.id] = own_s
            self.timeout_s = min(self._timeouts_s.values(), default=math.inf)

    def _forget(self, task_id: str) -> None:
        self.held.pop(task_id, None)
        self.dirty.pop(task_id, None)
        self._waiting.pop(task_id, None)
        if self._timeouts_s.pop(task_id, None) is not None:
            self.timeout_s = min(self._timeouts_s.values(), default=math.inf)
