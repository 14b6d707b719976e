"""The client without its socket: what is asked, held and watched, whatever the connection does.

    faces (threads, trio, asyncio)  ──call, hold, watch──►  Session  ◄──bytes, time──  Link

Nothing here does I/O, waits, or reads a clock: `Link` drives it, one thread at a time. Whoever
waits is told by a callback (`Done`, `sink`) that must not wait nor call back; the program's own
hooks are put into `effects`, which the driver runs once it has let go of its lock.

    DOWN ──connected──► GREETING ──reply to Hello──► UP ──disconnected──► DOWN

While it is not UP, calls wait. Once it is UP again, reads whose reply was lost are asked again,
watches go on after the last rev that they gave out, and tasks are taken up as `held` says.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from taskdash.calls import Call, Drain, Event, Hooks, State, Watching
from taskdash.drains import Drains
from taskdash.errors import ConnectionError
from taskdash.tasks import Tasks
from taskdash.waiting import wait_to_retry_s
from taskdash.write import Done, Outcome, Write
from taskdash_protocol.conversation import Bye, Conversation, Reply, TaskEvent
from taskdash_protocol.errors import AuthError, BadRequest, Busy, TaskDashError
from taskdash_protocol.families import connections
from taskdash_protocol.families.tasks import Find, Query
from taskdash_protocol.frames import FRAME_BYTES_MAX
from taskdash_protocol.request import Request

CALLS_MAX: Final = 10_000  # calls that wait to be sent or answered; one more is refused
GREETING_S: Final = 10.0  # for the daemon to answer Hello
BEATS_PER_TIMEOUT: Final = 3
AROUND_A_BODY: Final = 128  # bytes of a frame beside the body that was given: header, epoch
STABLE_S: Final = 1.0  # a connection that lived so long was good: the next is sought at once
LOOK_S: Final = 1.0
"""At most so long between two ticks, so that a stall of the process shows in their times."""
log: Final = logging.getLogger("taskdash")


class Session:
    """See the module."""

    def __init__(
        self,
        client: str,
        hooks: Hooks | None = None,
        *,
        reconnect_for_s: float = math.inf,
        greeted: Done | None = None,
    ) -> None:
        self._client = client
        self._hooks = hooks or Hooks()
        self._reconnect_for_s = reconnect_for_s
        self._at_first = greeted  # waits for the first connection, where that must succeed
        self.state = State.DOWN
        self.ended: TaskDashError | None = None  # why nothing will ever be done again
        self.last_fault: TaskDashError | None = None  # why there is no connection
        self.retry_at = 0.0
        self.effects: list[Callable[[], object]] = []
        self.output = bytearray()
        self.tasks = Tasks(self._send, self._lost, self._refused)
        self.drains = Drains(self.tasks, lambda: (*self._waiting, *self._sent.values()))
        self._talk = Conversation(client)
        self._waiting: deque[Call] = deque()
        self._sent: dict[int, Call] = {}
        self._watches: dict[Watching, None] = {}
        self._opened: dict[int, Watching] = {}
        self._services: dict[Any, Request] = {}  # what this connection registered, by URL
        self._asked = 0  # calls of the program that wait to be sent or answered
        self._reopen_at = 0.0
        self._attempts = 0
        self._sought_since: float | None = None
        self._was_up = False
        self.body_bytes_max = FRAME_BYTES_MAX - AROUND_A_BODY
        """How long the body of a request may be: as the daemon last said, or by default."""
        self._ticked_at: float | None = None
        self._greeted_at = 0.0

    @property
    def server(self) -> str:
        """Name and version of the daemon; empty before the first connection."""
        return self._talk.server

    @property
    def heartbeat_timeout_s(self) -> float:
        """The daemon's heartbeat timeout; a guess before the first connection."""
        return self._talk.heartbeat_timeout_s

    # Called by the faces

    def call(self, request: Request, done: Done) -> Call:
        """Send a request, now or once there is a connection; `done` gets the reply's body."""
        call = Call(request, done)
        self._call(call)
        return call

    def _call(self, call: Call) -> None:
        if self.ended is not None:
            call.done(self.ended)
        elif self._asked >= CALLS_MAX:
            call.done(Busy(f"{CALLS_MAX} calls of this client wait already"))
        else:
            self._asked += 1
            if self.state is State.UP:
                self._send(call)
            else:
                self._waiting.append(call)

    def call_all(self, calls: Sequence[Call]) -> None:
        """Send many requests as `call` does each."""
        if self.state is not State.UP or self._asked + len(calls) > CALLS_MAX:
            for call in calls:
                self._call(call)
            return
        self._asked += len(calls)
        for call in calls:
            self._send(call)

    def forget(self, *calls: Call) -> None:
        """Drop calls that nobody waits for any more: one that was not sent never will be."""
        for call in calls:
            call.forgotten = True
        if any(call.forgotten for call in self._waiting):
            kept = [call for call in self._waiting if not call.forgotten]
            self._asked -= len(self._waiting) - len(kept)
            self._waiting = deque(kept)
        self.drains.check()

    def hold(self, task_id: str, write: Write, now: float) -> None:
        """Say something of a task that this client holds, or holds from now on."""
        if self.ended is not None:
            write.tell(self.ended)
            return
        self.tasks.say(task_id, write)
        # Send nothing after a stall: a task that was shut down meanwhile is to be taken up first.
        if self.state is State.UP and now - (self._ticked_at or now) <= self.timeout_s:
            self.tasks.send(now)

    def abandon(self, task_id: str, write: Write, now: float) -> None:
        """Take back a Register that failed its caller; what may have begun is cancelled."""
        if self.tasks.withdraw(task_id, write):
            self.drains.check()
        else:
            self.hold(task_id, Write({"status": "cancelled"}), now)

    def watch(self, watching: Watching) -> None:
        """Begin to watch, now or once there is a connection."""
        if self.ended is not None:
            assert watching.opened is not None
            watching.opened(self.ended)
            return
        self._watches[watching] = None
        if self.state is State.UP:
            self._open(watching)

    def unwatch(self, watching: Watching) -> None:
        """End a watch: its sink is not called any more."""
        if watching in self._watches:
            del self._watches[watching]
            if watching.number is not None and self.state is State.UP:
                self._opened.pop(watching.number, None)
                self._unwatch(watching.number)

    @property
    def unsaid(self) -> bool:
        """Whether the daemon does not have everything that was said."""
        return bool(self.tasks.unsaid or self._sent or self._waiting) and self.ended is None

    def drain(self, then: Callable[[bool], object]) -> Drain:
        """Call `then` once the daemon has everything that was said until now, or never will."""
        if self.ended is not None:
            then(False)
            return Drain(then, {}, set())
        return self.drains.begin(then)

    def end(self, error: TaskDashError) -> None:
        """Do nothing any more, and tell everyone who waits."""
        if self.ended is not None:
            return
        self.ended = error
        self.state = State.DOWN
        self.tasks.give_up(error)
        for call in (*self._sent.values(), *self._waiting):
            call.done(error)
        for watching in self._watches:
            (watching.opened or watching.sink)(error)
        self.drains.end()
        self._waiting.clear()
        for known in (self._sent, self._watches, self._opened):
            known.clear()

    # Called by the link

    def connected(self, now: float, token: str = "") -> None:
        """Greet the daemon, on a connection that is new."""
        self._talk = Conversation(self._client, token)
        self.state = State.GREETING
        self.output = bytearray(self._talk.hello(now))
        self._ticked_at = self._greeted_at = now

    def disconnected(self, now: float, error: TaskDashError) -> None:
        """Note that the connection is gone, or could not be had."""
        was, self.state = self.state, State.DOWN
        if was is State.UP and now - self._greeted_at > STABLE_S:
            self._attempts = 0
        self.last_fault = error
        self.output = bytearray()
        first = not self._was_up and not self._attempts
        if was is State.UP or (first and self._at_first is None):
            self._later(self._hooks.on_disconnect, error)
        self._opened.clear()
        for watching in self._watches:
            watching.number, watching.opening = None, False
        self.tasks.on_disconnect()
        sent, self._sent = list(self._sent.values()), {}
        # Reads are sent again; other requests may have been done, and would be done twice.
        for call in reversed(sent):
            if call.ours:
                continue
            if isinstance(call.request, Find | Query) and not call.forgotten:
                self._waiting.appendleft(call)
            else:
                self._asked -= 1
                call.done(ConnectionError(f"{error}; whether the request was done is not known"))
        if self._at_first is not None:
            self._at_first(error)
            self.end(error)
        self._wait_to_reconnect(now, error)

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the daemon. Raises what the connection must be given up for."""
        sent, answered, check_after = self._sent, self._answered, self.drains.check_after
        for said in self._talk.receive(data, now):
            if type(said) is Reply:
                seq, body, error = said
                if (call := sent.pop(seq, None)) is None:
                    self._take_greeting(error, now)
                else:
                    answered(call, body if error is None else error)
                    check_after(call)
            elif isinstance(said, TaskEvent):
                self._take_event(said)
            elif isinstance(said, Bye):
                raise said.error
        if self.state is State.UP:
            self.tasks.send(now)

    def tick(self, now: float) -> None:
        """Do what is due. Raises `ConnectionError` where the connection must be given up."""
        before, self._ticked_at = self._ticked_at, now
        if self.state is State.DOWN:
            return
        if self.state is State.GREETING:
            # A daemon that has just been started may answer late.
            if now - self._greeted_at > GREETING_S:
                raise ConnectionError("Hello is not answered: is this the port of a taskdashd?")
            return
        if before is not None and now - before > self.timeout_s:
            # A process that was stopped for so long has been taken for dead: ask what became of it.
            raise ConnectionError(f"this process stood still for {now - before:.1f} s")
        # The daemon echoes heartbeats: silent for a whole timeout, it has not heard ours.
        unheard_s = 0.0 if self._talk.heard_at is None else now - self._talk.heard_at
        if unheard_s > self.timeout_s:
            raise ConnectionError("taskdashd says nothing any more")
        self._talk.beat_interval_s = self.timeout_s / BEATS_PER_TIMEOUT
        self._talk.beat_at = min(self._talk.beat_at, now + self._talk.beat_interval_s)
        if now >= self._talk.beat_at:
            self.output += self._talk.beat(now)
        if now >= self._reopen_at:
            for watching in list(self._watches):
                if watching.number is None and not watching.opening:
                    self._open(watching)
        self.tasks.send(now)

    @property
    def timeout_s(self) -> float:
        """The shortest heartbeat timeout that anything here has."""
        return min(self.tasks.timeout_s, self._talk.heartbeat_timeout_s)

    def wait_s(self, now: float) -> float:
        """Say in how many seconds `tick` must be called again, at the latest."""
        waits = [LOOK_S]
        if self.state is State.UP:
            waits.append(self._talk.beat_at - now)
            waits.append(self.tasks.wait_s(now))
        return max(0.0, min(waits))

    # Within

    def _later(self, hook: Callable[..., object] | None, *args: Any) -> None:
        if hook is not None:
            self.effects.append(lambda: hook(*args))

    def _lost(self, task_id: str, error: TaskDashError) -> None:
        self.effects.append(lambda: log.warning("task %s is not ours any more: %s", task_id, error))
        self._later(self._hooks.on_lost, task_id, error)

    def _refused(self, task_id: str, error: TaskDashError) -> None:
        self.effects.append(lambda: log.warning("what was said of task %s: %s", task_id, error))

    def _send(self, call: Call) -> None:
        try:
            seq, frame = self._talk.ask(call.request)
        except BadRequest as error:
            self._answered(call, error)
            return
        self._sent[seq] = call
        self.output += frame

    def _answered(self, call: Call, outcome: Outcome) -> None:
        if not call.ours:
            self._asked -= 1
        if call.request.request_id == "RegisterService" and isinstance(outcome, dict):
            self._services[getattr(call.request, "url", "")] = call.request
        call.done(outcome)

    def _take_greeting(self, error: TaskDashError | None, now: float) -> None:
        if self.state is State.GREETING:
            if error is not None:
                raise error
            self._greeted(now)
        self.drains.check()

    def _greeted(self, now: float) -> None:
        self.state = State.UP
        self._ticked_at = now
        self.body_bytes_max = self._talk.frame_bytes_max - AROUND_A_BODY
        sought, self._sought_since = self._sought_since is not None, None
        self.last_fault = None
        if self._was_up or sought:
            self._later(self._hooks.on_reconnect)
        self._was_up = True
        if self._at_first is not None:
            self._at_first({})
            self._at_first = None
        for service in self._services.values():
            self._send(Call(service, lambda _outcome: None, ours=True))
        for watching in list(self._watches):
            self._open(watching)
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            self._send(call)
        self.tasks.send(now)

    def _wait_to_reconnect(self, now: float, error: TaskDashError) -> None:
        if self._sought_since is None:
            self._sought_since = now
        self.retry_at = now + wait_to_retry_s(error, self._attempts)
        self._attempts += 1
        over_at = self._sought_since + self._reconnect_for_s
        if isinstance(error, AuthError) and now < over_at:
            # The credential may be exchanged until then.
            self.retry_at = min(self.retry_at, over_at)
        if self.retry_at > over_at:
            self.end(error)

    # Watches

    def _open(self, watching: Watching) -> None:
        request = connections.Watch(watching.where, watching.rev)
        watching.opening = True

        def done(outcome: Outcome) -> None:
            watching.opening = False
            if isinstance(outcome, TaskDashError) and outcome.retryable and not watching.opened:
                # A watch outlives its connections: a daemon too busy to open it is asked again.
                self._reopen_at = LOOK_S + (self._ticked_at or 0.0)
                return
            opened, watching.opened = watching.opened, None
            if watching not in self._watches:
                if isinstance(outcome, dict):
                    self._unwatch(int(outcome["watch"]))
                return
            if isinstance(outcome, dict):
                watching.number = int(outcome["watch"])
                watching.rev = max(watching.rev or 0, int(outcome["rev"]))
                self._opened[watching.number] = watching
            else:
                del self._watches[watching]
            if opened is not None:
                opened(outcome)
            elif isinstance(outcome, TaskDashError):
                watching.sink(outcome)

        self._send(Call(request, done, ours=True))

    def _unwatch(self, number: int) -> None:
        self._send(Call(connections.Unwatch(number), lambda _outcome: None, ours=True))

    def _take_event(self, event: TaskEvent) -> None:
        watching = self._opened.get(event.watch)
        if watching is not None and event.rev > (watching.rev or 0):
            watching.rev = event.rev
            watching.sink(Event(event.rev, event.kind, event.task))
