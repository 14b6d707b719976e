"""The client for asynchronous code, under trio and under asyncio: the same names, to be awaited.

    async with taskdash.aio.connect() as dash:
        async with dash.task("nightly-backup", user="wsg") as task:
            task.progress(3, 7)
            print(await dash.find("nightly-backup"))

The socket belongs to the client's own thread here too, so heartbeats go out whatever the event loop
is busy with. What is awaited can be cancelled at any time; a request that was sent is done all the
same, and its reply is dropped.
"""

import functools
import inspect
import math
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from taskdash import address
from taskdash.aio_watch import Opening, Watch
from taskdash.calls import Hooks, without_errid
from taskdash.face import Face, InVain, named, registration, update_from_outside
from taskdash.link import CLOSE_TIMEOUT_S, Link
from taskdash.loop import Loop, Pending
from taskdash.session import Session
from taskdash.task import TaskHandle, log
from taskdash.watch import Where, as_lists
from taskdash.write import Outcome
from taskdash_protocol.errors import TaskDashError
from taskdash_protocol.families.tasks import Find, Query
from taskdash_protocol.request import Request

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


def connect(
    url: str | None = None,
    *,
    token: str | None = None,
    timeout: float | None = None,
    client: str | None = None,
    background: bool = False,
    reconnect_for_s: float = math.inf,
    on_disconnect: Callable[[TaskDashError], object] | None = None,
    on_reconnect: Callable[[], object] | None = None,
    on_lost: Callable[[str, TaskDashError], object] | None = None,
) -> "Client":
    """Connect as `taskdash.connect` does, on entering the context.

    The hooks are called by the event loop.

    >>> import trio, taskdash.aio
    >>> async def main():
    ...     async with taskdash.aio.connect() as dash:
    ...         async with dash.task("async-job", user="wsg") as task:
    ...             task.progress(1, 2)
    ...         await dash.drain()
    ...         print((await dash.find("async-job"))["status"])
    >>> trio.run(main)
    finish
    """
    hooks = Hooks(on_disconnect, on_reconnect, on_lost)
    for hook in (on_disconnect, on_reconnect, on_lost):
        if inspect.iscoroutinefunction(hook):
            raise TypeError(f"{hook!r} is a coroutine function: hooks are plain functions")
    return Client(
        address.given(url, timeout),
        client,
        hooks,
        background=background,
        reconnect_for_s=reconnect_for_s,
        token=token,
    )


class Client(Face):
    """See `taskdash.Client`; an asynchronous context manager."""

    _loop: Loop

    def __init__(
        self,
        where: address.Address,
        client: str | None,
        hooks: Hooks,
        *,
        background: bool,
        reconnect_for_s: float,
        token: str | None = None,
    ) -> None:
        self.address = where
        self._name = client or address.program()
        self._hooks = hooks
        self._background = background
        self._reconnect_for_s = reconnect_for_s
        self._token = token

    async def __aenter__(self) -> Self:
        """Connect. Raises as `taskdash.connect`."""
        self._loop = Loop()
        greeted = None if self._background else Pending(self._loop)
        hooks = self._hooks
        session = Session(
            self._name,
            Hooks(
                self._on_loop(hooks.on_disconnect),
                self._on_loop(hooks.on_reconnect),
                self._on_loop(hooks.on_lost),
            ),
            reconnect_for_s=self._reconnect_for_s,
            greeted=greeted.set if greeted is not None else None,
        )
        self._link = Link(self.address, session, self._token)
        if greeted is not None:
            try:
                await self._wait(greeted, self.address.timeout_s)
            except BaseException:
                self._link.close(0)
                raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send what waits to be said, and disconnect.

        Where the waiting is cancelled, the client's thread does both by itself.
        """
        try:
            if self.connected:
                await self.drain(CLOSE_TIMEOUT_S)
        finally:
            self._link.close(0)

    # Tasks

    def task(
        self, id: str, *, name: str | None = None, status: str = "running", **fields: Any
    ) -> "Task":
        """Make a task that lives as long as an `async with` block; see `taskdash.Client.task`."""
        return Task(self, id, {"name": name or id, "status": status, **fields})

    async def register(
        self,
        id: str,
        name: str,
        *,
        heartbeat_timeout: float | None = None,
        fenced: bool = False,
        timeout_s: float | None = None,
        **fields: Any,
    ) -> int:
        """Create the task, or replace all its fields; see `taskdash.Client.register`."""
        body = registration(name, heartbeat_timeout, fenced, fields)
        return int((await self._hold(id, body, timeout_s, replaces=True))["epoch"])

    async def update(
        self,
        id: str,
        *,
        own: bool = True,
        epoch: int | None = None,
        timeout_s: float | None = None,
        **fields: Any,
    ) -> int:
        """Change some of the task's fields; see `taskdash.Client.update`."""
        if own and epoch is None:
            return int((await self._hold(id, fields, timeout_s))["epoch"])
        request = update_from_outside(id, own, epoch, fields)
        return int((await self.call(request, timeout_s))["epoch"])

    async def find(self, id: str, *, timeout_s: float | None = None) -> dict[str, Any]:
        """Give the task's fields. Raises `NotFound`."""
        return without_errid(await self.call(Find.parse({"id": id}), timeout_s))

    def query(
        self,
        where: Where | None = None,
        *,
        order: str = "id",
        page: int = 100,
        contains: str = "",
        timeout_s: float | None = None,
    ) -> "Pages":
        """Give every task that matches, one after another, reading page by page."""
        asked = {"where": as_lists(where), "order": order, "limit": page, "contains": contains}
        return Pages(self, asked, timeout_s)

    def watch(
        self,
        where: Where | None = None,
        *,
        since: int | None = None,
        timeout_s: float | None = None,
    ) -> Opening:
        """Begin to watch; see `taskdash.Client.watch`.

        To be awaited, entered with `async with`, or iterated over with `async for` at once.
        """
        return Opening(lambda: self._watch(where, since, timeout_s))

    async def _watch(
        self, where: Where | None, since: int | None, timeout_s: float | None
    ) -> "Watch":
        opened = Pending(self._loop)
        watch = Watch(self._link, self._loop, where, since, opened.set)
        try:
            await self._wait(opened, self._timeout(timeout_s))
        except BaseException:
            watch.close()
            raise
        return watch

    # Requests of any kind

    async def ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Do an operation by its name, as in PROTOCOL.md: `ask("Claim", id="t", user="1001")`.

        Raises `BadRequest` for what no daemon would take, and what `call` raises.
        """
        return await self.call(named(operation, fields))

    async def call(self, request: Request, timeout_s: float | None = None) -> dict[str, Any]:
        """Send a request and give the body of its reply; see `taskdash.Client.call`."""
        answer, timeout_s = Pending(self._loop), self._timeout(timeout_s)
        in_vain = self._asked(request, answer.set)
        return await self._wait(answer, timeout_s, in_vain)

    async def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left to be said; see `taskdash.Client.drain`."""
        drained = Pending(self._loop)
        in_vain = self._drained(drained.set)
        outcome: Outcome | None = None
        try:
            outcome = await drained.wait(self._timeout(timeout_s))
        finally:
            if outcome is None:
                self._link.do(in_vain)
        return isinstance(outcome, dict) and bool(outcome["all_said"])

    async def begin(self, id: str, fields: dict[str, Any]) -> None:
        """Register a task for a block that is entered only if this returns, as `Client.begin`."""
        fields = dict(fields)
        timeout_s = self._timeout(fields.pop("timeout_s", None))
        answer = Pending(self._loop)
        write = self._said(id, fields, answer.set, replaces=True)
        await self._wait(answer, timeout_s, lambda session, now: session.abandon(id, write, now))

    def _on_loop(self, hook: Callable[..., object] | None) -> Callable[..., object] | None:
        if hook is None:
            return None
        return lambda *args: self._loop.call_soon(_guarded, hook, *args)

    async def _hold(
        self, id: str, fields: dict[str, Any], timeout_s: float | None, *, replaces: bool = False
    ) -> dict[str, Any]:
        answer, timeout_s = Pending(self._loop), self._timeout(timeout_s)
        write = self._said(id, fields, answer.set, replaces=replaces)
        return await self._wait(
            answer,
            timeout_s,
            lambda session, _now: session.tasks.nobody_waits(id, write),
        )

    async def _wait(
        self,
        answer: Pending,
        timeout_s: float,
        in_vain: InVain = lambda _session, _now: None,
    ) -> dict[str, Any]:
        outcome: Outcome | None = None
        try:
            outcome = await answer.wait(timeout_s)
        finally:
            if outcome is None:
                self._link.do(in_vain)
        return self._concluded(outcome, timeout_s)


class Pages:
    """The tasks of a query, read page by page: no generator, so nothing is left where it breaks."""

    def __init__(self, client: Client, asked: dict[str, Any], timeout_s: float | None) -> None:
        self._client = client
        self._asked = asked
        self._timeout_s = timeout_s
        self._next: Query | None = Query.parse(asked)
        self._rows: deque[dict[str, Any]] = deque()

    def __aiter__(self) -> Self:
        """Give the pages themselves."""
        return self

    async def __anext__(self) -> dict[str, Any]:
        """Give the next task. Raises as `Client.call`."""
        while not self._rows:
            if self._next is None:
                raise StopAsyncIteration
            reply = await self._client.call(self._next, self._timeout_s)
            self._rows.extend(reply["tasks"])
            after = reply["next"]
            self._next = Query.parse({**self._asked, "after": after}) if after is not None else None
        return self._rows.popleft()

    async def aclose(self) -> None:
        """Drop what was read and not taken, as for `contextlib.aclosing`."""
        self._rows.clear()
        self._next = None


class Task(TaskHandle):
    """See `Client.task`: for `async with`, and a decorator of coroutine functions."""

    def __init__(self, client: Client, id: str, fields: dict[str, Any]) -> None:
        super().__init__(client.hold, id, fields)
        self._client = client

    async def __aenter__(self) -> Self:
        """Register the task. Raises `TaskDashError`."""
        await self._client.begin(self.id, self._beginning())
        self._enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Report the end without waiting: the client's thread does so even after a cancellation."""
        self._leave()
        word = self._last_word(error)
        if word is not None:
            try:
                self._client.say(self.id, **word)
            except TaskDashError as fault:
                log.warning("the end of task %s is not reported: %s", self.id, fault)

    def __call__(self, function: F) -> F:
        """Make every call of a coroutine function this task."""
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{function!r} is no coroutine function: use taskdash.connect for it")

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            async with Task(self._client, self.id, self.fields):
                return await function(*args, **kwargs)

        return cast(F, run)


def _guarded(hook: Callable[..., object], *args: Any) -> None:
    # An exception in a loop's callback would crash trio, and only asyncio's own handler would tell.
    try:
        hook(*args)
    except Exception:
        log.exception("a hook of the program failed")
