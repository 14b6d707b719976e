"""A whole daemon without sockets, threads or a real clock, for tests that drive it step by step.

Everything is the real thing but three parts: the executors do a job when they are told to, the
clock moves when it is told to, and bytes go from list to list instead of through sockets. Published
as `taskdash.testing.World`:

    world = World(tmp_path, heartbeat_timeout=1)
    service, operator = world.connect("service"), world.connect("operator")
    service.ask("Register", id="a", name="n", status="running")
    service.close()
    world.advance(1.5)
    assert operator.ask("Find", id="a")["status"] == "shutdown"
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from taskdash_protocol import strictjson
from taskdash_protocol.errors import ServerError, StorageError
from taskdash_protocol.frames import EVENT, HEARTBEAT, TASKDASH, Decoder, Message
from taskdashd.core.access import Access
from taskdashd.core.clock import Clock
from taskdashd.domain.access import Identity
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Change
from taskdashd.families.services.vigil import Fetch
from taskdashd.parts import Environment, build
from taskdashd.server.connection import Connection
from taskdashd.server.finds import Finds
from taskdashd.server.link import Unread
from taskdashd.server.supervisor import TICK_S, Supervisor
from taskdashd.settings.config import Settings
from taskdashd.settings.live import Live
from taskdashd.store.database import Database
from taskdashd.store.executor import outcome_of
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal

WALL_START = 1_800_000_000.0


class StepExecutor:
    """An executor that does its jobs one at a time, when `step` is called."""

    def __init__(self) -> None:
        self.jobs: deque[tuple[Callable[[], Any], Callable[[Any], None]]] = deque()

    def submit(self, job: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Queue a job."""
        self.jobs.append((job, then))

    def step(self) -> None:
        """Do the job that has waited for longest."""
        job, then = self.jobs.popleft()
        then(outcome_of(job))


class FaultyDatabase(Database):
    """The real database, with a disk that can be told to be full."""

    full = False

    def append(
        self,
        changes: Sequence[Change],
        acts: Sequence[Act] = (),
        records: Sequence[Record] = (),
        removals: Sequence[Removal] = (),
    ) -> None:
        """Commit as the real database does, or raise `StorageError` while `full` is set."""
        if self.full:
            raise StorageError("the disk is full (by order of the test)")
        super().append(changes, acts, records, removals)


class Peer:
    """A client: its bytes go to its connection at once; the daemon's are kept, decoded."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.connection = Connection.begin(
            world.runner, world.live, name, world.touched, world.finds
        )
        self.decoder = Decoder(framing=TASKDASH)
        self.replies: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.beats: list[Any] = []
        self.byes: list[dict[str, Any]] = []
        self.open = True
        self.bytes_in = 0
        self.unread = b""
        """Bytes that wait in the socket: the daemon has not read them yet."""
        world.peers[self.connection] = self

    def send(self, request: str, body: dict[str, Any], seq: Any = None) -> None:
        """Send a request; its reply is in `replies` after `World.drain`."""
        header = {"RequestID": request} | ({} if seq is None else {"Seq": seq})
        self.send_bytes(TASKDASH.request(header, strictjson.dumps(body)))

    def beat(self) -> None:
        """Send a heartbeat."""
        self.send_bytes(TASKDASH.heartbeat)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self.open:
            self.bytes_in += len(data)
            self.connection.receive(data)
            self.world.touched(self.connection)

    def ask(self, request: str, **body: Any) -> dict[str, Any]:
        """Send a request, let the daemon do all it has to do, and give the reply."""
        self.send(request, body)
        self.world.drain()
        return self.replies.pop()

    def take(self, data: bytes) -> None:
        """Decode bytes that the daemon sends, and keep the messages by their kind."""
        self.decoder.feed(data)
        while (message := self.decoder.next()) is not None:
            assert isinstance(message, Message)
            if message.message_id == HEARTBEAT:
                self.beats.append(message.header)
                continue
            body = strictjson.loads(message.body or b"{}", depth_max=strictjson.REPLY_DEPTH_MAX)
            if message.message_id == EVENT:
                (self.byes if "Bye" in (message.header or {}) else self.events).append(body)
            else:
                self.replies.append(body)

    def cut_off(self) -> None:
        """Note that the daemon has died: nothing can be sent any more."""
        self.open = False

    def close(self) -> None:
        """Close the connection."""
        if self.open:
            self.open = False
            del self.world.peers[self.connection]
            self.connection.lost()


class World:
    """A daemon with its peers; its clock and its executors go on only when told to."""

    def __init__(
        self,
        directory: Path,
        *,
        asks_for_tokens: bool = False,
        with_board: bool = False,
        fetch: Fetch | None = None,
        **settings: Any,
    ) -> None:
        self.settings = replace(Settings(), **{"data": directory, "reserve": 0, **settings})
        self.directory = directory
        self.time = 1000.0
        self.wall_ahead_s = 0.0
        """By how much the wall clock was set since the beginning: set it, and it jumps."""
        self.asks_for_tokens = asks_for_tokens
        self.with_board = with_board
        self.fetch = fetch
        self.identities: dict[str, Identity] = {}
        """The identity that each token stands for."""
        self.revoked: set[str] = set()
        """The `Identity.key` of tokens that were revoked."""
        self.peers: dict[Connection, Peer] = {}
        self._touched: dict[Connection, None] = {}
        self._start()

    def _start(self) -> None:
        self.live = Live(self.settings)
        self.database = FaultyDatabase.open(self.directory)
        self.writing, self.reading = StepExecutor(), StepExecutor()
        parts = build(
            self.database,
            self.live,
            Clock(
                lambda: self.time,
                lambda: WALL_START + self.time + self.wall_ahead_s,
                lambda: 0.0,
                lambda: self.time,
            ),
            Access(
                self._token,
                lambda: self.time,
                required=self.asks_for_tokens,
                named=self._token_named,
                stands=lambda identity: identity.key not in self.revoked,
                in_group=self._tokens_in,
            ),
            Environment(
                self.writing,
                self.reading,
                self.reading,
                lambda: self.reading,
                self._has_unread,
                self.fetch,
                "UTC",
            ),
            with_board=self.with_board,
        )
        self.runner, self.core = parts.runner, parts.runner.core
        self.agenda, self.web = parts.agenda, parts.web
        self.finds = Finds(self.core, self.live.reply_cache)
        self._tick_in_s = TICK_S
        self.supervisor = Supervisor(
            self.core,
            parts.deaths,
            parts.agenda,
            parts.housekeeping,
            sockets=self,
            inputs=self,
            end=lambda: None,
        )

    def restart(self) -> None:
        """Stop the daemon as `kill -9` would, and start another on the same data."""
        for peer in list(self.peers.values()):
            peer.cut_off()
        self.peers.clear()
        self._touched.clear()
        self.database.close()
        self._start()

    def close(self) -> None:
        """End the daemon."""
        self.database.close()

    def connect(self, name: str = "peer") -> Peer:
        """Connect another client."""
        return Peer(self, name)

    def touched(self, connection: Connection) -> None:
        """Note that a connection may be able to go on or to send; `sweep` then lets it."""
        self._touched[connection] = None

    def sweep(self) -> None:
        """Let every touched connection go on and send, then start a commit of their writes."""
        while self._touched:
            connection = next(iter(self._touched))
            del self._touched[connection]
            peer = self.peers.get(connection)
            if peer is None:
                continue
            connection.settle()
            while connection.wants_turn:
                connection.take_turn()
            while connection.outbox.output_bytes:
                peer.take(connection.outbox.take())
                connection.room_was_made()
            if connection.finished:
                peer.close()
        self.core.writer.flush()

    def drain(self, choose: Callable[[], bool] = lambda: True) -> None:
        """Do everything that waits; where both executors have jobs, `choose` prefers the writer."""
        self.sweep()
        while self.writing.jobs or self.reading.jobs:
            first, second = self.writing, self.reading
            if self.reading.jobs and (not self.writing.jobs or not choose()):
                first, second = second, first
            first.step()
            self.sweep()

    def advance(self, seconds: float) -> None:
        """Let time pass, with every tick that a running daemon would make."""
        end = self.time + seconds
        while self.time < end:
            wait_s = min(self._tick_in_s, end - self.time)
            self.time += wait_s
            self._tick_in_s = self.supervisor.tick(wait_s)
            self.drain()

    # The poller's part, as the supervisor sees it (`Sockets`, `Inputs`)

    def unread(self, serial: int) -> Unread | None:
        """Give how much of a session's input was read and how much waits; None if it is gone."""
        for connection, peer in self.peers.items():
            if connection.session.owner.serial == serial:
                return Unread(peer.bytes_in, len(peer.unread), connection.has_unread_frame)
        return None

    def expire(self, serial: int, error: ServerError) -> None:
        """End the connection of a session, once what it has asked is answered."""
        for connection in list(self.peers):
            if connection.session.owner.serial == serial:
                connection.end_after_this(error)

    def check_deadlines(self) -> None:
        """Let the connections go on: no deadlines of sockets run here."""
        self.sweep()

    def _token(self, text: str) -> Identity | None:
        found = self.identities.get(text)
        return None if found is None or found.key in self.revoked else found

    def _token_named(self, name: str) -> Identity | None:
        there = [one for one in self.identities.values() if one.key not in self.revoked]
        return next((one for one in there if one.name == name), None)

    def _tokens_in(self, group: str) -> list[str]:
        return [one.name for one in self.identities.values() if group in one.groups]

    def _has_unread(self, serial: int) -> bool:
        unread = self.unread(serial)
        return unread is not None and bool(unread.bytes_waiting or unread.frame_waiting)
