"""The client's session against the whole daemon, without sockets, threads or a real clock."""

from typing import Any

import taskdash
from taskdash.calls import Hooks, State
from taskdash.session import Session
from taskdash.write import Outcome, checked_write
from taskdash_protocol.errors import TaskDashError
from taskdashd.testing import Peer, World

TIMEOUT_S = 30.0
"""The simulated daemon's heartbeat timeout."""


class SimulatedClient:
    """Carries a session's bytes to a simulated daemon, as `Link` does to a real one."""

    def __init__(self, world: World, name: str = "client") -> None:
        self.world = world
        self.hooked: list[tuple[str, Any]] = []
        hooks = Hooks(
            lambda error: self.hooked.append(("down", error)),
            lambda: self.hooked.append(("up", None)),
            lambda task_id, error: self.hooked.append(("lost", (task_id, error))),
        )
        self.session = Session(name, hooks)
        self.peer: Peer | None = None
        self.reachable = True
        self.deaf = False
        """Whether bytes from the daemon are lost on their way."""

    def say(self, task_id: str, replaces: bool = False, **fields: Any) -> list[Outcome]:
        """Say fields of a task; the list given back holds the outcome once it is known."""
        outcome: list[Outcome] = []
        write = checked_write(task_id, fields, outcome.append, replaces=replaces)
        self.session.hold(task_id, write, self.world.time)
        return outcome

    def mention(self, task_id: str, **fields: Any) -> None:
        """Say fields of a task without waiting for the outcome."""
        write = checked_write(task_id, fields, None, replaces=False)
        self.session.hold(task_id, write, self.world.time)

    def pump(self) -> None:
        """Carry bytes both ways until neither side has more, then run the hooks."""
        while self._step():
            self.world.drain()
        effects, self.session.effects = self.session.effects, []
        for effect in effects:
            effect()

    def cut(self) -> None:
        """Lose the connection."""
        if self.peer is not None:
            self.peer.close()
            self.world.drain()
        self._lost(taskdash.ConnectionError("cut"))

    def _lost(self, error: TaskDashError) -> None:
        self.peer = None
        self.session.disconnected(self.world.time, error)

    def _step(self) -> bool:
        now = self.world.time
        if self.session.state is State.DOWN:
            if now < self.session.retry_at or not self.reachable:
                return False
            self.peer = self.world.connect("client")
            self.peer.take = self._take  # type: ignore[method-assign]
            self.session.connected(now)
        assert self.peer is not None
        if not self.peer.open:
            self._lost(taskdash.ConnectionError("closed"))
            return False
        try:
            self.session.tick(now)
        except TaskDashError as error:
            peer = self.peer
            self._lost(error)
            peer.close()
            return False
        output, self.session.output = bytes(self.session.output), bytearray()
        self.peer.send_bytes(output)
        return bool(output)

    def _take(self, data: bytes) -> None:
        if self.deaf or self.peer is None:
            return
        try:
            self.session.receive(data, self.world.time)
        except TaskDashError as error:
            peer = self.peer
            self._lost(error)
            peer.close()


def found(world: World, task_id: str) -> dict[str, Any]:
    observer = world.connect("observer")
    task = observer.ask("Find", id=task_id)
    observer.close()
    return task


def back(client: SimulatedClient) -> None:
    """Let the backoff pass, after which the client connects again."""
    client.world.time = max(client.world.time, client.session.retry_at)
    client.pump()
