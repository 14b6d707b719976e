"""HTTP and websockets without a socket: random streams, whole and damaged, in random pieces."""

import logging
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog

from taskdash_protocol.errors import Busy
from taskdashd.core.access import Access
from taskdashd.core.proofs import Proofs
from taskdashd.domain.access import Identity
from taskdashd.families.people.operations.sign_in import prove
from taskdashd.server.conversation import Conversation
from taskdashd.settings import values
from taskdashd.testing import World
from taskdashd.web.app import App
from taskdashd.web.files import Files, read_description
from taskdashd.web.forwarded import Proxies
from taskdashd.web.origins import Origins

pytestmark = pytest.mark.fault(46)

RUNS = 2_000
TURNS_MAX = 3_000


def request(head: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{head} HTTP/1.1", "Host: 10.0.0.1", *headers, "", ""]).encode() + body


def frame(payload: bytes, opcode: int = 1, *, last: bool = True) -> bytes:
    return bytes([0x80 * last | opcode, 0x80 | len(payload)]) + bytes(4) + payload


TOKEN, KIND = "Authorization: Bearer t", "Content-Type: application/json"
UPGRADE = request(
    "GET /ws?since=1",
    *(TOKEN, "Connection: Upgrade", "Upgrade: websocket"),
    *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"),
)
FIND, QUERY = frame(b'{"seq":1,"op":"Find","body":{"id":"x"}}'), frame(b'{"seq":2,"op":"Query"}')
PARTS = [
    request("GET /"),
    request("HEAD /healthz"),
    request("GET /api/v1/about", "Upgrade: h2c", "Connection: close"),
    request("POST /api/v1/Find", TOKEN, KIND, "Content-Length: 10", body=b'{"id":"x"}'),
    request(
        "POST /api/v1/Query",
        *(TOKEN, KIND, "Transfer-Encoding: chunked"),
        body=b"2\r\n{}\r\n0\r\n\r\n",
    ),
    request("POST /rpost/task", "Content-Length: 24", body=b"operation=GetTasksNoUser"),
    request("POST /api/v1/Find", "Expect: 100-continue", "Content-Length: 5"),
    UPGRADE,
    *(b"abcde", b"\r\n", b"\0\1"),
    *(FIND, QUERY),
    *(frame(b"p", 9), frame(b"", 0, last=False), frame(b"", last=False)),
    *(frame(b"\x03\xe8", 8), frame(b"\xff")),
]


class Line:
    """What a conversation knows of its link."""

    address, peer = "10.0.0.1", "10.0.0.1:5"
    conversation: Conversation
    count_for: Any = None

    def hand_over(self, conversation: Conversation) -> None:
        self.conversation = conversation


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, with_board=True)
    yield world
    world.close()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Faults that nobody expected, as they would be logged."""
    said: list[Any] = []

    def note(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        if "exc_info" in event:
            said.append(event)
        raise structlog.DropEvent

    structlog.configure(
        processors=[note], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    yield said
    structlog.reset_defaults()


def app_of(world: World, proxies: str = "off") -> App:
    known = {"t": Identity("t", "operator", key="1")}
    assert world.web is not None
    return App(
        runner=world.runner,
        limits=world.live,
        boards=world.web.boards,
        viewers=world.web.viewers,
        tokens=Access(known.get, world.core.clock.now, required=True),
        files=Files.read(),
        description=read_description(),
        key=bytes(32),
        origins=Origins(""),
        proofs=Proofs(world.core.identities, world.core.clock.now, prove),
        proxies=Proxies(values.proxies(proxies)),
        secure=False,
    )


def stream(random: Random) -> bytes:
    data = bytearray(b"".join(random.choices(PARTS, k=random.randrange(1, 12))))
    for _ in range(random.choice((0, 0, 1, 3))):
        at = random.randrange(len(data))
        kind = random.randrange(3)
        if kind == 0:
            data[at] = random.randrange(256)
        elif kind == 1:
            del data[at : at + random.randrange(1, 9)]
        else:
            data[at:at] = random.choice(PARTS)[: random.randrange(1, 40)]
        data = data or bytearray(b"x")
    return bytes(data)


def go_on(world: World, line: Line, random: Random) -> None:
    """Do what the poller does, until nothing is left to do."""
    for turn in count():
        assert turn < TURNS_MAX, "it never comes to an end"
        if line.conversation.wants_turn:
            line.conversation.take_turn()
        world.core.writer.flush()
        while world.writing.jobs or world.reading.jobs:
            (world.writing if world.writing.jobs else world.reading).step()
        line.conversation.settle()
        outbox = line.conversation.outbox
        if outbox.output_bytes and random.random() < 0.9:
            outbox.take()
            line.conversation.room_was_made()
        if not line.conversation.wants_turn and not line.conversation.outbox.output_bytes:
            return


def test_a_request_by_a_proxy_is_done_in_its_askers_turn(world: World) -> None:
    """Up to its head it is the proxy's, and in the turns of all whom that asks for."""
    app, line, counted = app_of(world, "10.0.0.1"), Line(), list[str]()
    line.count_for = counted.append
    app.begin(line, lambda _one: None)  # type: ignore[arg-type]
    for asker in ("10.1.1.1", "10.1.1.2"):
        conversation = app.begin(line, lambda _one: None)  # type: ignore[arg-type]
        conversation.receive(request("GET /healthz", f"X-Forwarded-For: 6.6.6.6, {asker}"))
        conversation.take_turn()
        assert (counted.pop(), conversation.whose) == (asker, asker)
        assert conversation.wants_turn
        assert not conversation.outbox.output_bytes
        conversation.take_turn()
        assert conversation.outbox.take().startswith(b"HTTP/1.1 200")


def test_who_has_too_many_connections_is_turned_away(world: World) -> None:
    """The answer says so, in JSON under the API's paths, and the audit too."""
    line = Line()
    line.count_for = lambda address: Busy(f"5 connections from {address} are open")
    conversation = app_of(world, "10.0.0.1").begin(line, lambda _one: None)  # type: ignore[arg-type]
    for path in ("/", "/api/v1/about", "/ws"):
        more = ("Upgrade: websocket",) if path == "/ws" else ()
        conversation.receive(request(f"GET {path}", "X-Forwarded-For: 10.1.1.1", *more))
        conversation.take_turn()
        said = bytes(conversation.outbox.take())
        conversation.room_was_made()
        assert said.startswith(b"HTTP/1.1 503"), said
        assert b"5 connections from 10.1.1.1" in said
        assert (b'"errid":1005' in said) is path.startswith("/api")
    acts = [act for act in world.core.acts.take() if act.kind == "turned away"]
    assert [(act.who, act.times) for act in acts] == [("10.1.1.1", 3)]


def test_who_waits_for_an_answer_takes_no_turns(world: World) -> None:
    """A loop that spins keeps the lock from whoever reads for the answer."""
    line = Line()
    line.conversation = app_of(world).begin(line, lambda _one: None)  # type: ignore[arg-type]
    line.conversation.receive(UPGRADE)
    go_on(world, line, Random(0))
    line.conversation.receive(QUERY + QUERY + FIND)
    for asked in (1, 2):
        line.conversation.take_turn()
        for _ in range(3):
            line.conversation.settle()
        assert len(world.reading.jobs) == 1
        assert not line.conversation.wants_turn, asked
        world.reading.step()
        line.conversation.settle()
        assert line.conversation.wants_turn, "the next request has waited for this answer"
        line.conversation.take_turn()
    assert line.conversation.outbox.output_bytes
    go_on(world, line, Random(0))
    assert line.conversation.idle


def test_any_stream_comes_to_an_end(world: World, faults: list[Any]) -> None:
    """Nothing spins, nothing raises, and a peer that has ended is finished with."""
    app, upgraded = app_of(world), 0
    for seed in range(RUNS):
        random, line = Random(seed), Line()
        first = line.conversation = app.begin(line, lambda _one: None)  # type: ignore[arg-type]
        data, at = stream(random), 0
        while at < len(data) and not line.conversation.closing:
            size = random.choice((1, 7, 100, len(data)))
            line.conversation.receive(data[at : at + size])
            at += size
            if random.random() < 0.7:
                go_on(world, line, random)
            if random.random() < 0.02:
                line.conversation.wake()
            if random.random() < 0.01:
                line.conversation.overdue(1.0)
        if random.random() < 0.5:
            line.conversation.hang_up()
        line.conversation.end_of_input()
        go_on(world, line, random)
        assert line.conversation.finished, f"seed {seed}"
        assert line.conversation.idle, f"seed {seed}"
        assert not faults, f"seed {seed}: {faults}"
        upgraded += line.conversation is not first
        line.conversation.lost()
        world.time += 0.01
    assert upgraded > RUNS // 100
