"""The client for synchronous code: calls block, and a thread of its own talks and beats.

Any number of threads may share a client. Everything that it does is decided in `session`.
"""

import atexit
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Self

from taskdash import address
from taskdash.calls import Hooks, State, without_errid
from taskdash.errors import ConnectionError
from taskdash.held import Done, Outcome, checked_write
from taskdash.link import Link
from taskdash.pipeline import pipelined
from taskdash.session import Session
from taskdash.task import Task, current_task  # noqa: F401  # the latter for the examples
from taskdash.waiting import Pending, too_late
from taskdash.watch import Watch, Where, as_lists
from taskdash_protocol.errors import TaskDashError
from taskdash_protocol.requests import (
    Find,
    Query,
    Request,
    Update,
)

PIPELINE_DEPTH: Final = 256
CLOSE_TIMEOUT_S: Final = 5.0


def connect(
    url: str | None = None,
    *,
    client: str | None = None,
    background: bool = False,
    reconnect_for_s: float = math.inf,
    on_disconnect: Callable[[TaskDashError], object] | None = None,
    on_reconnect: Callable[[], object] | None = None,
    on_lost: Callable[[str, TaskDashError], object] | None = None,
) -> "Client":
    """Connect to the daemon at `taskdash://HOST:PORT?timeout=SECONDS`, or `taskdashs://` for TLS.

    Without a URL: the one in TASKDASH_URL, else this machine's. A credential is taken from
    TASKDASH_TOKEN or TASKDASH_TOKEN_FILE. `client` is the name that the daemon's log and refusals
    show; by default the program's.

    With `background=True` it does not wait for the daemon: what is said is sent once it is there.
    A connection that is lost is sought again for `reconnect_for_s` seconds. The hooks are called
    on the client's thread: `on_lost(task_id, error)` when somebody else has taken a task.

    Raises `ConnectionError`, `TimeoutError`, `AuthError`, or `ValueError` for a bad URL.

    >>> with connect() as dash:
    ...     dash.server.partition("/")[0]
    'taskdashd'
    """
    hooks = Hooks(on_disconnect, on_reconnect, on_lost)
    return Client(
        address.parse(url),
        client,
        hooks,
        background=background,
        reconnect_for_s=reconnect_for_s,
    )


class Client:
    """A connection to the daemon, and to the next one when it breaks. Close it, or use `with`."""

    def __init__(
        self,
        where: address.Address,
        client: str | None = None,
        hooks: Hooks | None = None,
        *,
        background: bool = False,
        reconnect_for_s: float = math.inf,
    ) -> None:
        self.address = where
        greeted = None if background else Pending()
        session = Session(
            client or address.program(),
            hooks,
            reconnect_for_s=reconnect_for_s,
            greeted=greeted.set if greeted is not None else None,
        )
        self._link = Link(where, session)
        atexit.register(self.close)
        if greeted is not None:
            try:
                self._wait(greeted, where.timeout_s)
            except BaseException:
                self._end(0)
                raise

    def __enter__(self) -> Self:
        """Give the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def server(self) -> str:
        """Name and version of the daemon; empty before the first connection."""
        return self._link.session.server

    @property
    def heartbeat_timeout_s(self) -> float:
        """After how many seconds of silence the daemon takes a task for dead, unless it says."""
        return self._link.session.heartbeat_timeout_s

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._link.session.state is State.UP

    @property
    def fault(self) -> TaskDashError | None:
        """Why there is no connection; None where there is one, or none was tried yet."""
        return self._link.session.last_fault

    @property
    def forked(self) -> bool:
        """Whether this is a child of the process that connected: then it is of no use here."""
        return not self._link.here

    @property
    def closed(self) -> bool:
        """Whether nothing will be done any more."""
        return self._link.closed

    # Tasks

    def task(
        self, id: str, *, name: str | None = None, status: str = "running", **fields: Any
    ) -> Task:
        """Make a task that lives as long as a `with` block, or a decorated function.

        It is registered at the beginning and kept alive; at the end it is `finish`, `failed` with
        the exception as its `reason`, or `cancelled`. `fields` are those of `register`.

        >>> with connect() as dash:
        ...     with dash.task("nightly-backup", user="wsg") as task:
        ...         task.progress(3, 7)
        ...     dash.find("nightly-backup")["status"]
        'finish'

        >>> dash = connect()
        >>> @dash.task("double")
        ... def double(number):
        ...     current_task().progress(1, 1)
        ...     return 2 * number
        >>> double(21)
        42
        >>> dash.close()
        """
        return Task(self, id, {"name": name or id, "status": status, **fields})

    def register(
        self,
        id: str,
        name: str,
        *,
        heartbeat_timeout: float | None = None,
        fenced: bool = False,
        timeout_s: float | None = None,
        **fields: Any,
    ) -> int:
        """Create the task, or replace all its fields; returns its epoch.

        From now on it lives as long as this client does, over all its connections. `fields` are
        the task's: `user`, `group_id`, `status`, `description` and so on, and any of your own. A
        task that is `fenced` can be taken by nobody else while this client lives. Raises
        `Conflict` where somebody else holds it so.
        """
        body = {**fields, "name": name}
        if heartbeat_timeout is not None:
            body["heartbeat_timeout"] = heartbeat_timeout
        if fenced:
            body["fenced"] = True
        return int(self._hold(id, body, timeout_s, replaces=True)["epoch"])

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

        With `own=False` the task stays with the service that runs it, and `epoch` may say which
        one is meant. Raises `NotFound`, and `Conflict` where somebody else holds it.
        """
        if own and epoch is None:
            return int(self._hold(id, fields, timeout_s)["epoch"])
        body = {**fields, "id": id, "own": own}
        if epoch is not None:
            body["epoch"] = epoch
        return int(self.call(Update.parse(body), timeout_s)["epoch"])

    def say(self, id: str, **fields: Any) -> None:
        """Change fields of a task of ours, without waiting for the daemon.

        Only the newest state is sent where several wait. If the daemon is away, it is sent once it
        is back. Raises `BadRequest` for what no daemon would take.
        """
        self.hold(id, fields, None)

    def find(self, id: str, *, timeout_s: float | None = None) -> dict[str, Any]:
        """Give the task's fields. Raises `NotFound`."""
        return without_errid(self.call(Find.parse({"id": id}), timeout_s))

    def query(
        self,
        where: Where | None = None,
        *,
        order: str = "id",
        page: int = 100,
        timeout_s: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Give every task that matches, one after another, reading page by page.

        >>> with connect() as dash:
        ...     for number in range(3):
        ...         epoch = dash.register(f"page-{number}", "n", group_id="docs", status="pending")
        ...     [task["id"] for task in dash.query({"group_id": "docs"}, order="-id", page=2)]
        ['page-2', 'page-1', 'page-0']
        """
        after: str | None = None
        wanted = as_lists(where)
        while True:
            request = Query.parse({"where": wanted, "order": order, "limit": page, "after": after})
            reply = self.call(request, timeout_s)
            yield from reply["tasks"]
            after = reply["next"]
            if after is None:
                return

    def watch(
        self,
        where: Where | None = None,
        *,
        since: int | None = None,
        timeout_s: float | None = None,
    ) -> Watch:
        """Begin to watch: iterate over what this returns to get `Event` after `Event`.

        It goes on over lost connections, without a gap or a double. `since` resumes after a rev;
        raises `Conflict` where the daemon cannot.

        >>> with connect() as dash, dash.watch({"id": "watched"}) as events:
        ...     with dash.task("watched"):
        ...         pass
        ...     [(event.kind, event.task["status"]) for _, event in zip(range(2), events)]
        [('registered', 'running'), ('updated', 'finish')]
        """
        watch = Watch(self._link, where, since)
        opened = Pending()
        watch._watching.opened = opened.set
        self._link.do(lambda session, _now: session.watch(watch._watching))
        try:
            self._wait(opened, self._timeout(timeout_s))
        except BaseException:
            watch.close()
            raise
        return watch

    # Requests of any kind

    def call(self, request: Request, timeout_s: float | None = None) -> dict[str, Any]:
        """Send a request and give the body of its reply.

        Raises the `ServerError` that the daemon answered, `ConnectionError`, or `TimeoutError`.
        """
        answer = Pending()
        call = self._link.do(lambda session, _now: session.call(request, answer.set))
        return self._wait(
            answer,
            self._timeout(timeout_s),
            lambda session, _now: session.forget(*[call] if call else []),
        )

    def pipeline(
        self,
        requests: Iterable[Request],
        *,
        depth: int = PIPELINE_DEPTH,
        timeout_s: float | None = None,
    ) -> Iterator[dict[str, Any] | TaskDashError]:
        """Send many requests without waiting for each; give the outcomes in their order.

        At most `depth` wait for their reply. A refusal is given, not raised. The tasks that they
        write are not kept alive. What `requests` raises is raised after the outcomes before it.

        >>> from taskdash_protocol.requests import Find, Register
        >>> with connect() as dash:
        ...     tasks = [{"id": f"many-{n}", "name": "n", "status": "finish"} for n in range(1000)]
        ...     done = sum(o["errid"] == 0 for o in dash.pipeline(map(Register.parse, tasks)))
        ...     done, next(dash.pipeline([Find("many-7")]))["name"]
        (1000, 'n')
        """
        limit_s = self._timeout(timeout_s)
        for outcome in pipelined(self._link, requests, depth, limit_s):
            yield outcome if outcome is not None else too_late(self.address, self.fault, limit_s)

    def hold(
        self, id: str, fields: dict[str, Any], done: Done | None, *, replaces: bool = False
    ) -> None:
        """Say something of a task and hold it from then on; `done` is told by another thread.

        Raises `BadRequest` for what no daemon would take.
        """
        write = checked_write(id, fields, done, replaces=replaces)
        self._link.do(lambda session, now: session.hold(id, write, now))

    # The end

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left to be said; False if the time is up before.

        What was refused, or is of a task that somebody else has taken, was logged.
        """
        drained = Pending()
        drain = self._link.do(
            lambda session, _now: session.drain(lambda done: drained.set({"done": done}))
        )
        if self._link.is_held_here:
            return False
        outcome = drained.wait(self._timeout(timeout_s))
        if outcome is None and drain is not None:
            self._link.do(lambda session, _now: session.forget_drain(drain))
        return isinstance(outcome, dict) and bool(outcome["done"])

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Say what waits to be said, and disconnect. Live tasks keep their deadline."""
        if not self.closed and self._link.here and self.connected and not self._link.is_held_here:
            # Without a connection it is not worth the wait; with one it takes a moment.
            self.drain(timeout_s)
        self._end(timeout_s)

    def begin(self, id: str, fields: dict[str, Any]) -> None:
        """Register a task for a block that is entered only if this returns.

        Where it is given up (too late, Ctrl-C), the task is taken back, or `cancelled` where it
        may have begun.
        """
        fields = dict(fields)
        timeout_s = self._timeout(fields.pop("timeout_s", None))
        answer = Pending()
        write = checked_write(id, fields, answer.set, replaces=True)
        self._link.do(lambda session, now: session.hold(id, write, now))
        self._wait(answer, timeout_s, lambda session, now: session.abandon(id, write, now))

    def _end(self, timeout_s: float) -> None:
        self._link.close(timeout_s)
        atexit.unregister(self.close)

    def _timeout(self, timeout_s: float | None) -> float:
        return self.address.timeout_s if timeout_s is None else timeout_s

    def _hold(
        self, id: str, fields: dict[str, Any], timeout_s: float | None, *, replaces: bool = False
    ) -> dict[str, Any]:
        answer = Pending()
        write = checked_write(id, fields, answer.set, replaces=replaces)
        self._link.do(lambda session, now: session.hold(id, write, now))
        return self._wait(
            answer,
            self._timeout(timeout_s),
            lambda session, _now: session.tasks.nobody_waits(id, write),
        )

    def _wait(
        self,
        answer: Pending,
        timeout_s: float,
        in_vain: Callable[[Session, float], object] = lambda _session, _now: None,
    ) -> dict[str, Any]:
        if self._link.is_held_here:
            raise ConnectionError(
                "called by a signal handler that has interrupted another call: only say() may be"
            )
        outcome: Outcome | None = None
        try:
            outcome = answer.wait(timeout_s)
        finally:
            if outcome is None:
                self._link.do(in_vain)
        if outcome is None:
            outcome = too_late(self.address, self.fault, timeout_s)
        if isinstance(outcome, TaskDashError):
            raise outcome
        return outcome
