"""The client for synchronous code: calls block, and a thread of its own keeps tasks alive.

Any number of threads may share a client. `session` decides everything; this module only waits.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Self

from taskdash import address
from taskdash.calls import Hooks, without_errid
from taskdash.errors import ConnectionError
from taskdash.face import Face, InVain, named, registration, update_from_outside
from taskdash.link import CLOSE_TIMEOUT_S, Link
from taskdash.pipeline import pipelined
from taskdash.session import Session
from taskdash.task import Task, current_task  # noqa: F401  # current_task: for the examples
from taskdash.waiting import Pending, too_late
from taskdash.watch import Watch, Where, as_lists
from taskdash.write import Done, Outcome
from taskdash_protocol.errors import TaskDashError
from taskdash_protocol.families.tasks import Find, Query
from taskdash_protocol.request import Request

PIPELINE_DEPTH: Final = 256


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
    """Connect to the daemon at `taskdash://HOST:PORT?timeout=SECONDS`, or `taskdashs://` for TLS.

    Without a URL: the one in TASKDASH_URL, else this machine's. Without a `token`, a credential is
    taken from TASKDASH_TOKEN or TASKDASH_TOKEN_FILE, for each connection anew. `timeout`, in
    seconds, goes before that of the URL: a call waits so long. `client` is the name that the
    daemon's log and refusals show; by default the program's.

    With `background=True` the call does not wait: changes are sent once the daemon is there. After
    a lost connection, another is tried for `reconnect_for_s` seconds. The hooks are called on a
    thread of their own: `on_lost(task_id, error)` when somebody else has taken a task.

    Raises `ConnectionError`, `TimeoutError`, `AuthError`, or `ValueError` for a bad URL.

    >>> with connect() as dash:
    ...     dash.server.partition("/")[0]
    'taskdashd'
    """
    hooks = Hooks(on_disconnect, on_reconnect, on_lost)
    return Client(
        address.given(url, timeout),
        client,
        hooks,
        background=background,
        reconnect_for_s=reconnect_for_s,
        token=token,
    )


class Client(Face):
    """A connection to the daemon, made anew when it breaks. Close the client, or use `with`."""

    def __init__(
        self,
        where: address.Address,
        client: str | None = None,
        hooks: Hooks | None = None,
        *,
        background: bool = False,
        reconnect_for_s: float = math.inf,
        token: str | None = None,
    ) -> None:
        self.address = where
        greeted = None if background else Pending()

        def session(greeted: Done | None = None) -> Session:
            name = client or address.program()
            return Session(name, hooks, reconnect_for_s=reconnect_for_s, greeted=greeted)

        first = session(greeted.set if greeted is not None else None)
        self._link = Link(where, first, token, in_child=session)
        if greeted is not None:
            try:
                self._wait(greeted, where.timeout_s)
            except BaseException:
                self._link.close(0)
                raise

    def __enter__(self) -> Self:
        """Give the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client."""
        self.close()

    # Tasks

    def task(
        self, id: str, *, name: str | None = None, status: str = "running", **fields: Any
    ) -> Task:
        """Make a task that lives as long as a `with` block, or a decorated function.

        The task is registered at the beginning and kept alive; at the end its status is `finish`,
        `failed` with the exception as its `reason`, or `cancelled`. `fields` are as in `register`.

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

        From now on the task lives as long as this client does, over all its connections. `fields`
        are the task's: `user`, `group_id`, `status`, `description` and so on, and any of your own.
        A task that is `fenced` can be taken by nobody else while this client lives. Raises
        `Conflict` where somebody else has fenced the task.
        """
        body = registration(name, heartbeat_timeout, fenced, fields)
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

        With `own=False` the task stays with the service that runs it; with `epoch`, the task must
        still be in that epoch. Raises `NotFound`, and `Conflict` where somebody else holds it.
        """
        if own and epoch is None:
            return int(self._hold(id, fields, timeout_s)["epoch"])
        request = update_from_outside(id, own, epoch, fields)
        return int(self.call(request, timeout_s)["epoch"])

    def find(self, id: str, *, timeout_s: float | None = None) -> dict[str, Any]:
        """Give the task's fields. Raises `NotFound`."""
        return without_errid(self.call(Find.parse({"id": id}), timeout_s))

    def query(
        self,
        where: Where | None = None,
        *,
        order: str = "id",
        page: int = 100,
        contains: str = "",
        timeout_s: float | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Give every task that matches, one after another, reading page by page.

        Raises `BadRequest` at once for what no daemon would take.

        >>> with connect() as dash:
        ...     for number in range(3):
        ...         epoch = dash.register(f"page-{number}", "n", group_id="docs", status="pending")
        ...     [task["id"] for task in dash.query({"group_id": "docs"}, order="-id", page=2)]
        ['page-2', 'page-1', 'page-0']
        """
        asked = {"where": as_lists(where), "order": order, "limit": page, "contains": contains}
        return self._pages(Query.parse(asked), asked, timeout_s)

    def _pages(
        self, request: Query, asked: dict[str, Any], timeout_s: float | None
    ) -> Iterator[dict[str, Any]]:
        while True:
            reply = self.call(request, timeout_s)
            yield from reply["tasks"]
            if reply["next"] is None:
                return
            request = Query.parse({**asked, "after": reply["next"]})

    def watch(
        self,
        where: Where | None = None,
        *,
        since: int | None = None,
        timeout_s: float | None = None,
    ) -> Watch:
        """Begin to watch: iterate over the returned `Watch` to get `Event` after `Event`.

        The watch goes on over lost connections, without a gap or a double. `since` resumes after a
        rev; raises `Conflict` where the daemon cannot.

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
        answer, timeout_s = Pending(), self._timeout(timeout_s)
        in_vain = self._asked(request, answer.set)
        return self._wait(answer, timeout_s, in_vain)

    def ask(self, operation: str, **fields: Any) -> dict[str, Any]:
        """Do an operation by its name, as in PROTOCOL.md: `ask("Claim", id="t", user="1001")`.

        Raises `BadRequest` for fields that no daemon would take, and all that `call` raises.
        """
        return self.call(named(operation, fields))

    def pipeline(
        self,
        requests: Iterable[Request],
        *,
        depth: int = PIPELINE_DEPTH,
        timeout_s: float | None = None,
    ) -> Iterator[dict[str, Any] | TaskDashError]:
        """Send many requests without waiting for each; give the outcomes in their order.

        At most `depth` requests wait for a reply. A refusal is given, not raised. Tasks written
        this way are not kept alive. An exception of `requests` is raised after the outcomes before.

        >>> from taskdash_protocol.requests import Find, Register
        >>> with connect() as dash:
        ...     tasks = [{"id": f"many-{n}", "name": "n", "status": "finish"} for n in range(1000)]
        ...     done = sum(o["errid"] == 0 for o in dash.pipeline(map(Register.parse, tasks)))
        ...     done, next(dash.pipeline([Find("many-7")]))["name"]
        (1000, 'n')
        """
        limit_s = self._timeout(timeout_s)
        late = partial(self._too_late, limit_s)
        yield from pipelined(self._link, requests, depth, limit_s, late)

    def _too_late(self, limit_s: float) -> TaskDashError:
        return too_late(self.address, self.fault, limit_s)

    # The end

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until the daemon has all that was said; False if the time is up before.

        Changes that were refused, or came after somebody else had taken the task, were logged.
        """
        drained = Pending()
        in_vain = self._drained(drained.set)
        if self._link.is_held_here:
            return False
        outcome = drained.wait(self._timeout(timeout_s))
        if outcome is None:
            self._link.do(in_vain)
        return isinstance(outcome, dict) and bool(outcome["all_said"])

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Send the changes that still wait, and disconnect. Live tasks keep their deadline."""
        ends_at = time.monotonic() + timeout_s
        if not self.closed and self.connected and not self._link.is_held_here:
            # Drain only while connected, which takes a moment; else it would wait out its timeout.
            self.drain(timeout_s)
        self._link.close(max(0.0, ends_at - time.monotonic()))

    def begin(self, id: str, fields: dict[str, Any]) -> None:
        """Register a task for a block that is entered only if this returns.

        If the wait ends without a reply (timeout, Ctrl-C), the Register is withdrawn; where the
        daemon may have it already, the task is `cancelled`.
        """
        fields = dict(fields)
        timeout_s = self._timeout(fields.pop("timeout_s", None))
        answer = Pending()
        write = self._said(id, fields, answer.set, replaces=True)
        self._wait(answer, timeout_s, lambda session, now: session.abandon(id, write, now))

    def _hold(
        self, id: str, fields: dict[str, Any], timeout_s: float | None, *, replaces: bool = False
    ) -> dict[str, Any]:
        answer, timeout_s = Pending(), self._timeout(timeout_s)
        write = self._said(id, fields, answer.set, replaces=replaces)
        return self._wait(
            answer,
            timeout_s,
            lambda session, _now: session.tasks.nobody_waits(id, write),
        )

    def _wait(
        self,
        answer: Pending,
        timeout_s: float,
        in_vain: InVain = lambda _session, _now: None,
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
        return self._concluded(outcome, timeout_s)
