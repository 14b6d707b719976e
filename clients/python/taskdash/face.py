"""The part that the clients for threads and for event loops share: all but the waiting."""

import math
from collections.abc import Callable
from typing import Any

from taskdash.address import Address
from taskdash.calls import State
from taskdash.link import Link
from taskdash.session import Session
from taskdash.statuses import warn_of_slip
from taskdash.waiting import too_late
from taskdash.write import Done, Outcome, Write, checked_write
from taskdash_protocol.errors import BadRequest, TaskDashError
from taskdash_protocol.families.tasks import Update
from taskdash_protocol.request import Request

InVain = Callable[[Session, float], object]
"""A step that tells the session that nobody waits for an outcome any more."""


class Face:
    """A client as programs see it; `taskdash.Client` and `taskdash.aio.Client` are the two."""

    address: Address
    _link: Link

    @property
    def server(self) -> str:
        """Name and version of the daemon; empty before the first connection."""
        return self._link.session.server

    @property
    def heartbeat_timeout_s(self) -> float:
        """Seconds of silence after which a task is dead that names no timeout of its own."""
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
    def closed(self) -> bool:
        """Whether nothing will be done any more."""
        return self._link.closed

    def say(self, id: str, **fields: Any) -> None:
        """Change fields of a task that this client holds, without waiting for the daemon.

        Of several changes that wait only the newest state is sent; while the daemon is away, they
        wait. Raises `BadRequest` for what no daemon would take.
        """
        self.hold(id, fields, None)

    def hold(
        self, id: str, fields: dict[str, Any], done: Done | None, *, replaces: bool = False
    ) -> None:
        """Say something of a task and hold it from then on; `done` is told by another thread.

        `done` must not wait, nor call the client. Raises `BadRequest` for what no daemon would
        take.
        """
        self._said(id, fields, done, replaces=replaces)

    def resume(self, id: str, fields: dict[str, Any], epoch: int) -> None:
        """Hold a task that another connection of this program has registered, with that epoch.

        It is taken up on this client's connection, unless somebody else has taken it meanwhile.
        Raises `BadRequest` as `hold` does.
        """
        write = checked_write(id, fields, None, replaces=True)
        self._link.do(lambda session, _now: session.tasks.resume(id, write, epoch))

    def _said(self, id: str, fields: dict[str, Any], done: Done | None, *, replaces: bool) -> Write:
        write = checked_write(id, fields, done, replaces=replaces)
        warn_of_slip(fields.get("status"))
        bytes_max = self._link.session.body_bytes_max
        if write.bytes > bytes_max:
            raise BadRequest(
                f"the fields take {write.bytes} bytes, and the daemon takes at most {bytes_max}"
            )
        self._link.do(lambda session, now: session.hold(id, write, now))
        return write

    def _asked(self, request: Request, done: Done) -> InVain:
        call = self._link.do(lambda session, _now: session.call(request, done))

        def forget(session: Session, _now: float) -> None:
            if call is not None:
                session.forget(call)

        return forget

    def _drained(self, done: Done) -> InVain:
        drain = self._link.do(
            lambda session, _now: session.drain(lambda all_said: done({"all_said": all_said}))
        )

        def forget(session: Session, _now: float) -> None:
            if drain is not None:
                session.drains.forget(drain)

        return forget

    def _timeout(self, timeout_s: float | None) -> float:
        if timeout_s is None:
            return self.address.timeout_s
        if math.isnan(timeout_s):
            raise ValueError("timeout_s is no number of seconds")
        return timeout_s

    def _concluded(self, outcome: Outcome | None, timeout_s: float) -> dict[str, Any]:
        """Give a reply's body, or raise what came instead; None stands for nothing in time."""
        if outcome is None:
            greeting = self._link.session.state is State.GREETING
            outcome = too_late(self.address, self.fault, timeout_s, greeting=greeting)
        if isinstance(outcome, TaskDashError):
            raise outcome
        return outcome


def registration(
    name: str, heartbeat_timeout: float | None, fenced: bool, fields: dict[str, Any]
) -> dict[str, Any]:
    """Join the arguments of `register` to what `Face.hold` takes."""
    body = {**fields, "name": name}
    if heartbeat_timeout is not None:
        body["heartbeat_timeout"] = heartbeat_timeout
    if fenced:
        body["fenced"] = True
    return body


def named(operation: str, fields: dict[str, Any]) -> Request:
    """Make the request of an operation's name. Raises `BadRequest`."""
    # Import every family's declarations only here: most programs ask nothing by name.
    from taskdash_protocol.requests import REQUESTS

    if operation not in REQUESTS:
        raise BadRequest(f"there is no operation {operation!r}, only {', '.join(REQUESTS)}")
    return REQUESTS[operation].parse(fields)


def update_from_outside(id: str, own: bool, epoch: int | None, fields: dict[str, Any]) -> Update:
    """Make an Update of a task that this client does not hold. Raises `BadRequest`."""
    body = {**fields, "id": id, "own": own}
    if epoch is not None:
        body["epoch"] = epoch
    return Update.parse(body)
