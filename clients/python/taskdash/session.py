"""The client without its socket: what is asked, held and watched, whatever the connection does.

    faces (threads, trio, asyncio)  ──call, hold, watch──►  Session  ◄──bytes, time──  Link

Nothing here does I/O, waits, or reads a clock: `Link` drives it, one thread at a time. Whoever
waits is told by a callback (`Done`, `sink`) that must not wait nor call back; the program's own
hooks are put into `effects`, which the driver runs once it has let go of its lock.

    DOWN ──connected──► GREETING ──reply to Hello──► UP ──disconnected──► DOWN

While it is not UP, calls wait, and tasks that are held collect their newest state. Once it is UP
again, reads whose reply was lost are asked again, watches go on after the last rev that they gave
out, and each task is taken up as `held` says.
"""

import logging
import math
import random
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

from taskdash.calls import Call, Event, Hooks, Watching
from taskdash.errors import ConnectionError
from taskdash.held import Done, Held, Outcome, Write
from taskdash_protocol.conversation import Bye, Conversation, Reply, TaskEvent
from taskdash_protocol.errors import Busy, TaskDashError
from taskdash_protocol.requests import Find, Query, Request, Unwatch
from taskdash_protocol.requests import Watch as WatchRequest

CALLS_MAX: Final = 10_000
"""Calls that wait to be sent or answered; one more is refused."""
BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 10.0
GREETING_S: Final = 10.0
"""The daemon must have answered Hello within this time."""
BEATS_PER_TIMEOUT: Final = 3
LOOK_S: Final = 1.0
"""Time is looked at so often, so that a stall of the process is noticed."""

log: Final = logging.getLogger("taskdash")


class State(Enum):
    """Where the connection stands; see the module."""

    DOWN = auto()
    GREETING = auto()
    UP = auto()


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
        self._at_first = greeted
        """Waits for the first connection; without one, it is sought like any other."""
        self.state = State.DOWN
        self.ended: TaskDashError | None = None
        """Why nothing will ever be done again."""
        self.last_fault: TaskDashError | None = None
        """Why there is no connection."""
        self.retry_at = 0.0
        self.effects: list[Callable[[], object]] = []
        self.output = bytearray()
        self.held: dict[str, Held] = {}
        self._talk = Conversation(client)
        self._waiting: deque[Call] = deque()
        self._sent: dict[int, Call] = {}
        self._watches: dict[Watching, None] = {}
        self._opened: dict[int, Watching] = {}
        self._dirty: dict[str, None] = {}
        """Tasks for which there may be something to send."""
        self._drained: list[Callable[[], object]] = []
        self._attempts = 0
        self._sought_since: float | None = None
        self._was_up = False
        self._ticked_at: float | None = None
        self._greeted_at = 0.0
        self._own_timeouts_s: dict[str, float] = {}
        self._own_timeout_s = math.inf

    @property
    def server(self) -> str:
        """Name and version of the daemon; empty before the first connection."""
        return self._talk.server

    @property
    def heartbeat_timeout_s(self) -> float:
        """The daemon's heartbeat timeout; a guess before the first connection."""
        return self._talk.heartbeat_timeout_s

    # What the faces ask

    def call(self, request: Request, done: Done) -> Call:
        """Send a request, now or once there is a connection; `done` gets the reply's body."""
        call = Call(request, done)
        if self.ended is not None:
            done(self.ended)
        elif len(self._waiting) + len(self._sent) >= CALLS_MAX:
            done(Busy(f"{CALLS_MAX} calls of this client wait already"))
        elif self.state is State.UP:
            self._send(call)
        else:
            self._waiting.append(call)
        return call

    def forget(self, call: Call) -> None:
        """Nobody waits for this call any more: if it was not sent, it never will be."""
        if call in self._waiting:
            self._waiting.remove(call)
        self._check_drained()

    def hold(self, task_id: str, write: Write, now: float) -> None:
        """Say something of a task that is ours, or becomes so by it."""
        if self.ended is not None:
            write.tell(self.ended)
            return
        held = self.held.get(task_id)
        if held is None:
            held = self.held[task_id] = Held(task_id)
        held.say(write)
        self._dirty[task_id] = None
        self._say(now)

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
                self.call(Unwatch(watching.number), lambda _outcome: None)

    def when_drained(self, then: Callable[[], object]) -> None:
        """Call `then` once the daemon has everything that was said, or never will."""
        self._drained.append(then)
        self._check_drained()

    def end(self, error: TaskDashError) -> None:
        """Do nothing any more, and tell everyone who waits."""
        if self.ended is not None:
            return
        self.ended = error
        self.state = State.DOWN
        for held in self.held.values():
            held.give_up(error)
        for call in (*self._sent.values(), *self._waiting):
            call.done(error)
        for watching in self._watches:
            (watching.opened or watching.sink)(error)
        self._waiting.clear()
        for known in (self._sent, self._watches, self._opened, self._dirty):
            known.clear()
        self._check_drained()

    # What the link tells

    def connected(self, now: float, token: str = "") -> None:
        """Greet the daemon, on a connection that is new."""
        self._talk = Conversation(self._client, token)
        self.state = State.GREETING
        self.output = bytearray(self._talk.hello(now))
        self._ticked_at = self._greeted_at = now

    def disconnected(self, now: float, error: TaskDashError) -> None:
        """Note that the connection is gone, or could not be had."""
        was, self.state = self.state, State.DOWN
        self.last_fault = error
        self.output = bytearray()
        if was is State.UP or (not self._was_up and not self._attempts):
            self._later(self._hooks.on_disconnect, error)
        self._opened.clear()
        for watching in self._watches:
            watching.number = None
        for task_id, held in self.held.items():
            held.on_disconnect()
            self._dirty[task_id] = None
        sent, self._sent = list(self._sent.values()), {}
        # What only reads is asked again; of the others nobody knows whether they were done.
        for call in reversed(sent):
            if isinstance(call.request, Find | Query) and not call.ours:
                self._waiting.appendleft(call)
            elif not call.ours:
                call.done(ConnectionError(f"{error}; whether the request was done is not known"))
        if self._at_first is not None:
            self._at_first(error)
            self.end(error)
        self._wait_to_reconnect(now, error)

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the daemon. Raises what the connection must be given up for."""
        for said in self._talk.receive(data, now):
            if isinstance(said, Reply):
                self._take_reply(said, now)
            elif isinstance(said, TaskEvent):
                self._take_event(said)
            elif isinstance(said, Bye):
                raise said.error
        self._say(now)

    def tick(self, now: float) -> None:
        """Do what is due. Raises `ConnectionError` where the connection must be given up."""
        before, self._ticked_at = self._ticked_at, now
        if self.state is State.DOWN:
            return
        if before is not None and now - before > self.timeout_s:
            # Stopped, suspended or starved for so long that the daemon has given us up.
            raise ConnectionError(f"this process stood still for {now - before:.1f} s")
        no_hello = self.state is State.GREETING and now - self._greeted_at > GREETING_S
        if no_hello or self._talk.is_silent(now):
            raise ConnectionError("taskdashd says nothing any more")
        if self.state is State.UP:
            self._talk.beat_interval_s = self.timeout_s / BEATS_PER_TIMEOUT
            self._talk.beat_at = min(self._talk.beat_at, now + self._talk.beat_interval_s)
            if now >= self._talk.beat_at:
                self.output += self._talk.beat(now)
        self._say(now)

    @property
    def timeout_s(self) -> float:
        """The shortest heartbeat timeout that anything here has."""
        return min(self._own_timeout_s, self._talk.heartbeat_timeout_s)

    def wait_s(self, now: float) -> float:
        """Say in how many seconds `tick` must be called again, at the latest."""
        waits = [LOOK_S]
        if self.state is State.UP:
            waits.append(self._talk.beat_at - now)
            held = (self.held[task_id].wait_s(now) for task_id in self._dirty)
            waits += [one for one in held if one is not None]
        return max(0.0, min(waits))

    # Within

    def _later(self, hook: Callable[..., object] | None, *args: Any) -> None:
        if hook is not None:
            self.effects.append(lambda: hook(*args))

    def _send(self, call: Call) -> None:
        seq, frame = self._talk.ask(call.request)
        self._sent[seq] = call
        self.output += frame

    def _take_reply(self, reply: Reply, now: float) -> None:
        outcome: Outcome = reply.body if reply.error is None else reply.error
        call = self._sent.pop(reply.seq, None)
        if call is not None:
            call.done(outcome)
        elif self.state is State.GREETING:
            if reply.error is not None:
                raise reply.error
            self._greeted(now)
        self._check_drained()

    def _greeted(self, now: float) -> None:
        self.state = State.UP
        sought, self._sought_since = self._sought_since is not None, None
        self.last_fault = None
        self._attempts = 0
        if self._was_up or sought:
            self._later(self._hooks.on_reconnect)
        self._was_up = True
        if self._at_first is not None:
            self._at_first({})
            self._at_first = None
        for watching in list(self._watches):
            self._open(watching)
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            self._send(call)
        self._say(now)

    def _wait_to_reconnect(self, now: float, error: TaskDashError) -> None:
        if self._sought_since is None:
            self._sought_since = now
        # Full jitter: a thousand clients of one daemon do not come back in step.
        longest = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(self._attempts, 10))
        self._attempts += 1
        self.retry_at = now + random.uniform(0, longest)  # noqa: S311
        if self.retry_at - self._sought_since > self._reconnect_for_s:
            self.end(error)

    # Tasks

    def _say(self, now: float) -> None:
        """Send what there is to be said of the tasks that are held."""
        if self.state is not State.UP:
            return
        for task_id in list(self._dirty):
            held = self.held[task_id]
            request = held.next_request(now)
            if request is not None:
                self._ask_for(held, request, now)
            if held.wait_s(now) is None:
                del self._dirty[task_id]

    def _ask_for(self, held: Held, request: Request, now: float) -> None:
        def done(outcome: Outcome) -> None:
            # A reply comes while bytes are received; how late that is matters to no retry.
            follows = held.on_reply(outcome, now)
            if follows is not None:
                self._ask_for(held, follows, now)
            self._dirty[held.id] = None
            self._after_reply(held)

        self._send(Call(request, done, ours=True))

    def _after_reply(self, held: Held) -> None:
        if held.refused is not None:
            log.warning("task %s: what was said of it is refused: %s", held.id, held.refused)
            held.refused = None
        if held.retired:
            del self.held[held.id], self._dirty[held.id]
        if held.lost is not None:
            log.warning("task %s is no longer ours: %s", held.id, held.lost)
            self._later(self._hooks.on_lost, held.id, held.lost)
        own_s = None if held.retired else held.beats_s
        if own_s != self._own_timeouts_s.get(held.id):
            if own_s is None:
                del self._own_timeouts_s[held.id]
            else:
                self._own_timeouts_s[held.id] = own_s
            self._own_timeout_s = min(self._own_timeouts_s.values(), default=math.inf)

    # Watches

    def _open(self, watching: Watching) -> None:
        request = WatchRequest(watching.where, watching.rev)

        def done(outcome: Outcome) -> None:
            opened, watching.opened = watching.opened, None
            if watching not in self._watches:
                if isinstance(outcome, dict):
                    self.call(Unwatch(outcome["watch"]), lambda _outcome: None)
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

    def _take_event(self, event: TaskEvent) -> None:
        watching = self._opened.get(event.watch)
        if watching is not None and event.rev > (watching.rev or 0):
            watching.rev = event.rev
            watching.sink(Event(event.rev, event.kind, event.task))

    def _check_drained(self) -> None:
        if self._drained and not self._waiting and not self._sent:
            if any(held.unsaid for held in self.held.values()) and self.ended is None:
                return
            drained, self._drained = self._drained, []
            for then in drained:
                then()
