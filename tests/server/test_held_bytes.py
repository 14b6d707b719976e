"""All bytes that are kept for others are counted: for each, and for all together."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from wire_client import Wire, WiredDaemon, ask

from taskdashd.domain.access import Identity
from taskdashd.domain.held import Held
from taskdashd.server.admission import HELD_FREELY_BYTES, Admission
from taskdashd.server.link import RECV_BYTES, Link
from taskdashd.server.outbox import Outbox
from taskdashd.testing import Peer, World

MIB = 1 << 20
PROXY = "10.0.0.2"


@dataclass
class Limits:
    max_connections: int = 100
    max_connections_per_address: int = 5
    input_buffer: int = 4 * MIB
    max_frame: int = MIB


class Door:
    connections_max = 100

    def is_proxy(self, address: str) -> bool:
        return address == PROXY


@dataclass
class Spoken:
    """A conversation, as admission sees it."""

    whose: str
    buffered_bytes: int = 0
    parsed_bytes: int = 0
    has_partial_frame: bool = False
    wants_input: bool = True
    outbox: Outbox = field(default_factory=Outbox)


class Hall:
    """An admission, and who is in."""

    def __init__(self) -> None:
        self.unsent = Held(lambda: 32 * MIB, lambda: MIB)
        self.admission = Admission(Limits(), self.unsent)

    def enter(self, whose: str, address: str = "10.0.0.1", **how: Any) -> Link:
        link = Link(cast(socket.socket, None), 0, cast(Any, Door()), address=address)
        link.conversation = cast(Any, Spoken(whose, **how))
        assert self.admission.enter(link) is None
        return link


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_a_proxys_connection_counts_for_who_asks_by_it(hall: Hall) -> None:
    """No number of them is too many for the proxy; each takes the turns of its last asker."""
    links = [hall.enter("", PROXY) for _ in range(90)]
    assert {link.turns_of for link in links} == {PROXY}
    own = [hall.enter("a") for _ in range(5)]
    for link in links[:5]:
        assert link.count_for("10.0.0.7") is None
    refusal = links[5].count_for("10.0.0.7")
    assert refusal is not None
    assert "5 connections from 10.0.0.7" in refusal.detail
    assert (links[4].turns_of, links[5].turns_of) == ("10.0.0.7", PROXY)
    # On a connection that counts for it already an asker asks on; another may take it over.
    assert links[4].count_for("10.0.0.7") is None
    assert links[4].count_for("10.0.0.8") is None
    assert links[5].count_for("10.0.0.7") is None
    # A peer of its own and one behind the proxy share the count of their address.
    assert links[6].count_for("10.0.0.1") is not None
    hall.admission.leave(own[0])
    assert links[6].count_for("10.0.0.1") is None
    for link in links:
        hall.admission.leave(link)
    for link in [hall.enter("", PROXY) for _ in range(5)]:
        assert link.count_for("10.0.0.7") is None


@pytest.mark.fault(51)
def test_requests_that_wait_to_be_done_are_counted(hall: Hall) -> None:
    """Who has too many of them is not read on, and loses none: they drain by themselves."""
    links = [hall.enter("a", parsed_bytes=MIB // 2, has_partial_frame=True) for _ in range(3)]
    assert [hall.admission.hold(link) for link in links] == [None] * 3
    assert not any(hall.admission.may_read(link) for link in links)
    other = hall.enter("b", buffered_bytes=MIB // 2, has_partial_frame=True)
    assert hall.admission.hold(other) is None
    assert hall.admission.may_read(other)
    cast(Any, links[0].conversation).parsed_bytes = 0
    hall.admission.hold(links[0])
    assert all(hall.admission.may_read(link) for link in links)


@pytest.mark.fault(51)
def test_an_unfinished_frame_behind_nothing_is_ended(hall: Hall) -> None:
    """What does not drain by itself must not fill the quarter for ever."""
    waits = hall.enter("a", parsed_bytes=MIB)
    hall.admission.hold(waits)
    begun = hall.enter("a", buffered_bytes=MIB // 2, has_partial_frame=True)
    assert hall.admission.hold(begun) is not None
    hall.admission.leave(begun)
    hall.admission.leave(waits)
    again = hall.enter("a", buffered_bytes=MIB, has_partial_frame=True)
    assert hall.admission.hold(again) is None


@pytest.mark.fault(51)
def test_who_holds_too_much_is_given_little_on_other_connections(hall: Hall) -> None:
    """Each connection would else take in 64 KiB before it was known that it is too much."""
    waits, idle, other = (hall.enter(whose) for whose in "aab")
    assert hall.admission.recv_bytes(idle) == RECV_BYTES
    cast(Any, waits.conversation).parsed_bytes = MIB
    hall.admission.hold(waits)
    assert hall.admission.recv_bytes(idle) == HELD_FREELY_BYTES
    assert hall.admission.recv_bytes(other) == RECV_BYTES


@pytest.mark.fault(52)
def test_what_waits_to_be_sent_follows_its_connection(hall: Hall) -> None:
    link = hall.enter("a")
    link.conversation.outbox.append(b"x" * 100_000)
    hall.admission.hold_large_replies(link)
    assert hall.unsent.of("a") == 100_000
    # Whoever signs in takes along what waits on the connection.
    cast(Any, link.conversation).whose = "b"
    link.conversation.outbox.append(b"x" * 100_000)
    hall.admission.hold(link)
    assert (hall.unsent.of("a"), hall.unsent.of("b")) == (0, 200_000)
    link.conversation.outbox.drop_output()
    hall.admission.hold(link)
    assert hall.unsent.bytes == 0
    link.conversation.outbox.append(b"x")
    hall.admission.hold(link)
    hall.admission.leave(link)
    hall.admission.leave(link)
    assert hall.unsent.bytes == 0


# Through the daemon, step by step


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, asks_for_tokens=True)
    for name in "ab":
        world.identities[name] = Identity(name, "operator", key=f"key of {name}")
    yield world
    world.close()


def connect(world: World, token: str) -> Peer:
    peer = world.connect()
    assert peer.ask("Hello", protocol=1, token=token)["errid"] == 0
    return peer


@pytest.mark.fault(51)
def test_the_watches_of_a_token_are_bounded_together(world: World) -> None:
    """Over 4 connections, 64 watches each of 1 MiB: a quarter of `input_buffer` is kept."""
    where = {"description": ["x" * 1_000_000]}
    peers = [connect(world, "a") for _ in range(4)]
    errids = [peer.ask("Watch", where=where)["errid"] for peer in peers for _ in range(20)]
    assert errids == [0] * 8 + [1005] * 72
    assert connect(world, "b").ask("Watch", where=where)["errid"] == 0
    small = peers[1].ask("Watch", where={"status": ["running"]})
    assert small["errid"] in (0, 1005)
    assert peers[0].ask("Unwatch", watch=1)["errid"] == 0
    assert peers[1].ask("Watch", where=where)["errid"] == 0
    peers[0].close()
    assert peers[2].ask("Watch", where=where)["errid"] == 0
    for peer in peers[1:]:
        peer.close()


@pytest.mark.fault(52)
def test_a_large_reply_is_refused_to_who_leaves_much_unread(world: World) -> None:
    """Small ones go on, to others all, and what has changed something is always told."""
    peer, other = connect(world, "a"), connect(world, "b")
    assert peer.ask("Register", id="big", name="n", description="x" * 200_000)["errid"] == 0
    world.core.unsent.add("key of a", 16 * MIB + 1)
    told = peer.ask("Find", id="big")
    assert (told["errid"], told["detail"][:22]) == (1005, "too much waits for you")
    assert peer.ask("Register", id="small", name="n")["errid"] == 0
    assert peer.ask("Find", id="small")["errid"] == 0
    assert other.ask("Find", id="big")["errid"] == 0
    world.core.unsent.add("key of a", -16 * MIB)
    assert peer.ask("Find", id="big")["errid"] == 0


@pytest.mark.fault(52)
def test_a_query_of_who_leaves_much_unread_waits_for_it_to_be_read(world: World) -> None:
    peer, other = connect(world, "a"), connect(world, "b")
    world.core.unsent.add("key of a", 16 * MIB + 1)
    peer.send("Query", {})
    assert other.ask("Query")["errid"] == 0
    assert not peer.replies
    world.core.unsent.add("key of a", -16 * MIB)
    world.advance(0.3)
    assert peer.replies.pop()["errid"] == 0


@pytest.mark.fault(52)
def test_the_answer_over_http_is_counted_too(world: World) -> None:
    from taskdash_protocol.families.tasks import Find

    connect(world, "a").ask("Register", id="big", name="n", description="x" * 200_000)
    session = world.core.sessions.visit("10.0.0.1:1", world.identities["a"])
    outcomes: list[Any] = []
    for held in (0, 16 * MIB + 1):
        world.core.unsent.add("key of a", held)
        world.runner.visit(Find("big"), session, outcomes.append)
        world.drain()
    assert type(outcomes[0]) is bytes
    assert outcomes[1].errid == 1005


@pytest.mark.fault(51)
def test_what_is_parsed_is_counted_until_it_is_done(world: World) -> None:
    """A Query in its queue, and what waits behind it, by what it takes once it is parsed."""
    peer = connect(world, "a")
    value = [f"v{number}" for number in range(900)]
    body = {"where": {"user": value, "status": value}}
    size = len(json.dumps(body, separators=(",", ":")))
    peer.send("Query", body)
    assert peer.connection.parsed_bytes >= size + 80 * 1700
    peer.send("Find", {"id": "x"})
    more = peer.connection.parsed_bytes
    world.drain()
    assert more > size + 80 * 1700
    assert peer.connection.parsed_bytes == 0


@pytest.mark.fault(51)
def test_short_requests_are_counted_by_what_they_take_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of forty bytes takes some hundreds once it is parsed and waits behind a Query."""
    monkeypatch.setattr("taskdashd.server.inbox.BATCH_S", 60.0)
    peer = connect(world, "a")
    finds = [ask("Find", {"id": f"{number}"}) for number in range(200)]
    peer.send_bytes(ask("Query", {}) + b"".join(finds))
    assert peer.connection.parsed_bytes >= 200 * 500
    world.drain()
    assert peer.connection.parsed_bytes == 0


@pytest.mark.fault(52)
def test_small_replies_wait_where_all_connections_leave_much_unread(world: World) -> None:
    """Each has its `reply_buffer`, but hundreds of them together no more than their share."""
    peer, other = connect(world, "a"), connect(world, "b")
    peer.ask("Register", id="small", name="n", description="x" * 3_000)
    world.core.unsent.add("key of a", 16 * MIB + 1)
    for one in (peer, other):
        for _ in range(50):
            one.connection.receive(ask("Find", {"id": "small"}, Seq=1))
    assert peer.connection.peer_is_slow
    assert peer.connection.outbox.held_bytes < 3 * 4_096
    assert other.connection.outbox.held_bytes > 50 * 3_000
    world.touched(peer.connection)
    world.touched(other.connection)
    world.drain()
    assert (len(peer.replies), len(other.replies)) == (50, 50)


@pytest.mark.fault(33)
def test_a_batch_ends_when_it_has_taken_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes may ask for much: the others have their turn, and nothing is lost."""
    monkeypatch.setattr("taskdashd.server.inbox.BATCH_S", 0.0)
    monkeypatch.setattr("taskdashd.server.inbox._BATCH_MIN", 1)
    peer = connect(world, "a")
    peer.ask("Register", id="one", name="n")
    finds = b"".join(ask("Find", {"id": "one"}, Seq=seq) for seq in range(100))
    peer.send_bytes(finds)
    assert peer.connection.wants_turn
    assert peer.connection.outbox.held_bytes < 1_000
    assert peer.connection.frames_in < 50, "refusals, for example, take long to parse"
    world.drain()
    assert len(peer.replies) == 100
    assert not peer.connection.wants_turn


def test_some_requests_are_done_together_however_slow_the_machine_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight writes that come at once are one commit, and not eight."""
    monkeypatch.setattr("taskdashd.server.inbox.BATCH_S", 0.0)
    monkeypatch.setattr("taskdashd.server.inbox._BATCH_S_MAX", 60.0)
    peer, before = connect(world, "a"), world.core.writer.commits
    peer.send_bytes(b"".join(ask("Register", {"id": f"{n}", "name": "n"}) for n in range(8)))
    world.drain()
    assert len(peer.replies) == 8
    assert world.core.writer.commits == before + 1


# With sockets


def memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.fault(52)
def test_replies_that_nobody_reads_take_a_bounded_room(
    start: Callable[..., WiredDaemon],
) -> None:
    """Each of 60 connections asks for many tasks of 900 KB and reads none of them."""
    daemon = start(output_buffer=32 * MIB, write_timeout=60)
    writer = daemon.connect()
    writer.register("big", description="x" * 900_000)
    before = memory_kib(daemon.pid)
    # A Seq makes each reply anew: one that is kept for the same payload is the same bytes.
    finds = b"".join(ask("Find", {"id": "big"}, Seq=seq) for seq in range(20))
    deaf = [daemon.connect(rcvbuf=4096) for _ in range(60)]
    for wire in deaf:
        wire.send(finds)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        writer.find("big-none", errid=1002)
        time.sleep(0.05)
    assert memory_kib(daemon.pid) - before < 24 << 10
    assert reads_whole(deaf[0])


def reads_whole(wire: Wire) -> bool:
    """Read replies until one has come whole."""
    frame = wire.reply(20)
    return frame.body["errid"] == 0 and len(frame.body["description"]) == 900_000
