"""The client for synchronous code: calls block, a thread of its own talks and beats.

The thread is the only one that touches the socket. Calls hand it frames and wait for the reply,
so a program that is busy elsewhere keeps its tasks alive, and any number of threads may call.
"""

import os
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final, Self

from taskdash import address
from taskdash.errors import ConnectionError, TimeoutError
from taskdash_protocol import __version__
from taskdash_protocol.conversation import Bye, Conversation, Reply, TaskEvent
from taskdash_protocol.errors import TaskDashError
from taskdash_protocol.requests import (
    Find,
    Query,
    Register,
    Request,
    Unwatch,
    Update,
    parse_where,
)
from taskdash_protocol.requests import Watch as WatchRequest

EVENTS_WAITING_MAX: Final = 100_000
"""Events of one watch that wait for the program; beyond that the watch fails."""

Where = Mapping[str, str | Iterable[str]]


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a task."""

    rev: int
    kind: str
    """registered, updated, shutdown or recovered."""
    task: dict[str, Any]


def connect(url: str | None = None, *, client: str | None = None) -> "Client":
    """Connect to the daemon at `taskdash://HOST:PORT?timeout=SECONDS`.

    Without a URL: the one in TASKDASH_URL, else this machine's. `client` is the name that the
    daemon's log and refusals will show; by default the program's. Raises `ConnectionError`,
    `ValueError` for a bad URL, or what the daemon answers to Hello.
    """
    return Client(address.parse(url), client or _program())


class Client:
    """A connection. Use it as a context manager, or call `close`."""

    def __init__(self, where: address.Address, client: str) -> None:
        self.address = where
        self._conversation = Conversation(client)
        self._lock = threading.Lock()
        self._outbox: deque[bytes] = deque()
        self._waiting: dict[int, Queue[Reply | TaskDashError]] = {}
        self._watches: dict[int, Watch] = {}
        self._opening: dict[int, Watch] = {}
        self._fault: TaskDashError | None = None
        self._closing = False
        try:
            self._sock = socket.create_connection(where[:2], where.timeout_s)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConnectionError(f"cannot reach taskdashd at {where}: {reason}") from error
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        hello: Queue[Reply | TaskDashError] = Queue()
        self._outbox.append(self._conversation.hello(time.monotonic()))
        self._waiting[1] = hello
        self._thread = threading.Thread(target=self._run, name="taskdash", daemon=True)
        self._thread.start()
        try:
            self._result(hello, where.timeout_s)
        except TaskDashError:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Give the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def server(self) -> str:
        """Name and version of the daemon."""
        return self._conversation.server

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, for whatever reason."""
        return self._fault is not None or self._closing

    def register(
        self,
        id: str,
        name: str,
        *,
        heartbeat_timeout: float | None = None,
        fenced: bool = False,
        epoch: int | None = None,
        timeout_s: float | None = None,
        **fields: Any,
    ) -> int:
        """Create the task, or replace all its fields; returns its epoch.

        From now on it lives as long as this client does. `fields` are the task's: `user`,
        `group_id`, `status`, `description` and so on, and any of your own.
        """
        body = {**fields, "id": id, "name": name}
        control = {
            "heartbeat_timeout": heartbeat_timeout,
            "epoch": epoch,
            "fenced": fenced or None,
        }
        body |= {key: value for key, value in control.items() if value is not None}
        return int(self.call(Register.parse(body), timeout_s)["epoch"])

    def update(
        self,
        id: str,
        *,
        own: bool = True,
        epoch: int | None = None,
        timeout_s: float | None = None,
        **fields: Any,
    ) -> int:
        """Change some of the task's fields; returns its epoch.

        With `own=False` the task stays with the service that runs it. Raises `NotFound`, and
        `Conflict` where somebody else holds it.
        """
        body = {**fields, "id": id, "own": own}
        if epoch is not None:
            body["epoch"] = epoch
        return int(self.call(Update.parse(body), timeout_s)["epoch"])

    def find(self, id: str, *, timeout_s: float | None = None) -> dict[str, Any]:
        """Give the task's fields. Raises `NotFound`."""
        task = self.call(Find.parse({"id": id}), timeout_s)
        del task["errid"], task["errmsg"]
        return task

    def query(
        self,
        where: Where | None = None,
        *,
        order: str = "id",
        page: int = 100,
        timeout_s: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Give every task that matches, one after another, reading page by page."""
        after: str | None = None
        wanted = _where(where)
        while True:
            request = Query.parse({"where": wanted, "order": order, "limit": page, "after": after})
            reply = self.call(request, timeout_s)
            yield from reply["tasks"]
            after = reply["next"]
            if after is None:
                return

    def watch(self, where: Where | None = None, *, since: int | None = None) -> "Watch":
        """Begin to watch: iterate over what this returns to get `Event` after `Event`.

        `since` resumes after a rev without a gap; it raises `Conflict` where the daemon cannot.
        """
        request = WatchRequest.parse({"where": _where(where), "since": since})
        watch = Watch(self)
        reply = self.call(request, None, opening=watch)
        watch.rev = reply["rev"]
        return watch

    def call(
        self, request: Request, timeout_s: float | None = None, *, opening: "Watch | None" = None
    ) -> dict[str, Any]:
        """Send any request and give the body of its reply.

        Raises the `ServerError` that the daemon answered, `ConnectionError`, or `TimeoutError`.
        """
        answer: Queue[Reply | TaskDashError] = Queue()
        with self._lock:
            if self._fault is not None:
                raise self._fault
            if self._closing:
                raise ConnectionError("the client is closed")
            seq, frame = self._conversation.ask(request)
            self._waiting[seq] = answer
            if opening is not None:
                self._opening[seq] = opening
            self._outbox.append(frame)
        self._wake()
        return self._result(answer, self.address.timeout_s if timeout_s is None else timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits, and disconnect. Tasks keep their deadline."""
        self._closing = True
        self._wake()
        self._thread.join(timeout_s)

    def _unwatch(self, number: int) -> None:
        if not self.closed and self._watches.pop(number, None) is not None:
            self.call(Unwatch(number))

    def _result(self, answer: Queue[Reply | TaskDashError], timeout_s: float) -> dict[str, Any]:
        try:
            reply = answer.get(timeout=timeout_s)
        except Empty:
            raise TimeoutError(
                f"no reply from taskdashd at {self.address} within {timeout_s:g} s"
            ) from None
        if not isinstance(reply, Reply):
            raise reply
        if reply.error is not None:
            raise reply.error
        return reply.body

    def _wake(self) -> None:
        try:
            self._wake_out.send(b"\0")
        except (BlockingIOError, OSError):
            # Full: it will wake anyway. Closed: the thread has ended and told everyone.
            return

    # The thread

    def _run(self) -> None:
        fault: TaskDashError
        try:
            self._talk()
            fault = ConnectionError("the client is closed")
        except TaskDashError as error:
            fault = error
        except OSError as error:
            fault = ConnectionError(f"the connection to taskdashd was lost: {error.strerror}")
        with self._lock:
            self._fault = fault
            waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.put(fault)
        for watch in list(self._watches.values()):
            watch._end(None if self._closing else fault)
        for sock in (self._sock, self._wake_in, self._wake_out):
            sock.close()

    def _talk(self) -> None:
        unsent = b""
        poll = select.poll()
        poll.register(self._wake_in, select.POLLIN)
        while True:
            now = time.monotonic()
            talk = self._conversation
            with self._lock:
                if now >= talk.beat_at:
                    self._outbox.append(talk.beat(now))
                unsent += b"".join(self._outbox)
                self._outbox.clear()
            if talk.is_silent(now):
                raise ConnectionError(f"taskdashd at {self.address} says nothing any more")
            if unsent:
                unsent = unsent[self._send(unsent) :]
            elif self._closing:
                return
            poll.register(self._sock, select.POLLIN | (select.POLLOUT if unsent else 0))
            poll.poll(max(0.0, min(talk.beat_at - time.monotonic(), 1.0)) * 1000)
            self._drain_wake()
            self._receive()

    def _send(self, data: bytes) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0

    def _drain_wake(self) -> None:
        try:
            self._wake_in.recv(4096)
        except BlockingIOError:
            return

    def _receive(self) -> None:
        try:
            data = self._sock.recv(256 << 10)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("taskdashd closed the connection")
        with self._lock:
            said = self._conversation.receive(data, time.monotonic())
        for one in said:
            if isinstance(one, Reply):
                self._take_reply(one)
            elif isinstance(one, TaskEvent):
                if watch := self._watches.get(one.watch):
                    watch._put(Event(one.rev, one.kind, one.task))
            elif isinstance(one, Bye):
                raise one.error

    def _take_reply(self, reply: Reply) -> None:
        opening = self._opening.pop(reply.seq, None)
        if opening is not None and reply.error is None:
            # Its events may follow in the same bytes.
            opening.number = reply.body["watch"]
            self._watches[opening.number] = opening
        with self._lock:
            answer = self._waiting.pop(reply.seq, None)
        if answer is not None:
            answer.put(reply)


class Watch:
    """The events of a watch: iterate over it. `close` ends it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._events: Queue[Event | TaskDashError | None] = Queue(EVENTS_WAITING_MAX)
        self.number = 0
        self.rev = 0
        """Everything after this rev will be told, or has been."""

    def __iter__(self) -> Self:
        """Give the watch itself."""
        return self

    def __next__(self) -> Event:
        """Wait for the next event. Raises what ended the connection."""
        event = self.next()
        assert event is not None
        return event

    def next(self, timeout_s: float | None = None) -> Event | None:
        """Wait for the next event, or give None after so many seconds."""
        try:
            event = self._events.get(timeout=timeout_s)
        except Empty:
            return None
        if isinstance(event, Event):
            self.rev = event.rev
            return event
        self._end(event)
        if event is None:
            raise StopIteration
        raise event

    def close(self) -> None:
        """End the watch."""
        self._client._unwatch(self.number)
        self._end(None)

    def _put(self, event: Event) -> None:
        if self._events.qsize() >= EVENTS_WAITING_MAX - 1:
            self._client._watches.pop(self.number, None)
            self._end(TaskDashError("the program did not take the watch's events fast enough"))
        else:
            self._events.put_nowait(event)

    def _end(self, fault: TaskDashError | None) -> None:
        if not self._events.full():
            self._events.put_nowait(fault)


def _where(where: Where | None) -> dict[str, str | list[str]]:
    wanted = {
        name: value if isinstance(value, str) else list(value)
        for name, value in (where or {}).items()
    }
    parse_where({"where": wanted})
    return wanted


def _program() -> str:
    name = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return f"{name}[{os.getpid()}] taskdash-python/{__version__}"
