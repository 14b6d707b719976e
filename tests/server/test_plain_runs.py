"""Plain writes, decided in a run: the same to the byte as each by itself, and never out of turn."""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskdash_protocol import plain
from taskdash_protocol.errors import Busy
from taskdash_protocol.families.tasks import Register, Update
from taskdash_protocol.fields import TASK_FIELDS
from taskdash_protocol.frames import TASKDASH, TCPX, Decoder, Message
from taskdashd.core.session import Session
from taskdashd.domain import runs
from taskdashd.domain.access import ANYONE, Identity
from taskdashd.domain.budget import Budget
from taskdashd.domain.tasks import Author
from taskdashd.families import load_operations
from taskdashd.server.calls import Call, parse
from taskdashd.testing import Peer, World

IDS = st.sampled_from(("a", "b", "c", "号", "a b", "", "x" * 129, "a\x85b", 'q"', "n\\"))
STATUSES = (
    "running",
    "",
    "b",
    "finish",
    "failed",
    "shutdown",
    "待领取",
    "已领取",
    "待执行",
    "review",
)
TEXT = st.one_of(
    st.sampled_from(("", "Nightly backup", "3 of 7", "备份", "http://u:p@h/x", "http://h/x", "{}")),
    st.text(st.sampled_from('ab"\\\n\0\x7f号é{}[],:'), max_size=8),
)
FIELDS = st.dictionaries(
    st.sampled_from(tuple(set(TASK_FIELDS) - {"id", "status"})), TEXT, max_size=4
)
MORE = st.dictionaries(
    st.sampled_from(
        ("labels", "own", "epoch", "fenced", "heartbeat_timeout", "priority", "job", "rev", "x")
    ),
    st.sampled_from(
        (None, True, False, 0, 1, 2.5, "t", ["l"], {"status": "s", "name": "n"}, 2**64)
    ),
    max_size=2,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bodies of which most are plain."""
    body: dict[str, Any] = {"id": draw(IDS), "name": "n"}
    body |= draw(FIELDS)
    if draw(st.booleans()):
        body["status"] = draw(st.sampled_from(STATUSES))
    if not draw(st.integers(0, 3)):
        body |= draw(MORE)
    if not draw(st.integers(0, 7)):
        del body[draw(st.sampled_from(tuple(body)))]
    keys = draw(st.permutations(tuple(body)))
    options = orjson.OPT_INDENT_2 if not draw(st.integers(0, 7)) else 0
    text = orjson.dumps({key: body[key] for key in keys if body[key] != 2**64}, option=options)
    if not draw(st.integers(0, 9)):
        # The same member twice: of these the last counts.
        text = text[:-1] + b',"name":"again"}'
    return text


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Frames of requests, of which some are mutated."""
    operation = draw(st.sampled_from(("Register", "Register", "Update", "Update", "Find", "Regis")))
    body: Any = draw(bodies())
    if not draw(st.integers(0, 5)):
        body = draw(st.sampled_from((body.decode(errors="replace"), None, [1], b"")))
    header: dict[str, Any] = {"RequestID": operation}
    if not draw(st.integers(0, 5)):
        header |= draw(st.sampled_from(({"Seq": 1}, {"Token": "t"}, {"Seq": [1]})))
    packed = bytearray(msgpack.packb([2, header, body]))
    if not draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(packed) - 1))
        packed[at] = draw(st.integers(0, 255))
    return len(packed).to_bytes(4, "big") + bytes(packed)


load_operations()


def read_as_usual(frame: bytes) -> Call | None:
    decoder = Decoder()
    decoder.feed(frame)
    payload = decoder.next_payload()
    assert payload is not None
    return parse(decoder, payload)


def read_as_plain(frame: bytes) -> plain.PlainWrite | None:
    writes, ends = plain.read(frame, 0, 32, 1 << 20)
    assert ends in ([], [len(frame)])
    return writes[0] if writes else None


@given(frames())
@settings(max_examples=1_000)
def test_what_is_read_as_plain_is_read_the_same_as_usual(frame: bytes) -> None:
    write = read_as_plain(frame)
    if write is None:
        return
    call = read_as_usual(frame)
    assert call is not None
    assert call.answer is None
    assert call.token is None
    assert call.header == {"RequestID": write.request_id}
    request = call.request
    assert isinstance(request, Register | Update)
    assert request.request_id == write.request_id
    assert request.id == write.id
    assert (request.heartbeat_timeout, request.epoch, request.fenced) == (None, None, None)
    if isinstance(write, plain.PlainRegister):
        assert orjson.dumps(request.fields) == plain.body_of(write)
    else:
        assert isinstance(request, Update)
        assert request.own
        assert dict(request.fields) == {"id": write.id, **write.fields}


@pytest.mark.parametrize("operation", ["Register", "Update"])
@pytest.mark.parametrize("size", [1, 200, 300, 60_000])
def test_a_text_is_plain_in_each_form_of_its_length(operation: str, size: int) -> None:
    body = orjson.dumps({"id": "a", "name": "n" * size})
    for one in (body, body.decode()):
        packed = msgpack.packb([2, {"RequestID": operation}, one])
        frame = len(packed).to_bytes(4, "big") + packed
        short = type(one) is str and len(one) < 32
        assert (read_as_plain(frame) is None) == short


def test_the_fields_of_a_plain_register_are_a_tasks_in_their_order() -> None:
    assert plain.PlainRegister.__struct_fields__ == tuple(TASK_FIELDS)


def test_replies_are_those_of_the_general_path() -> None:
    for task_id in ("a", "号" * 128, "x" * 100):
        for epoch in (1, 2, 10**12):
            write = plain.PlainRegister(id=task_id, name="n")
            frame = plain.replies([write], [epoch])
            decoder = Decoder(framing=TASKDASH)
            decoder.feed(frame)
            message = decoder.next()
            assert isinstance(message, Message)
            assert message.body is not None
            assert orjson.loads(message.body)["epoch"] == epoch
            assert frame == TASKDASH.reply({"RequestID": "Register"}, message.body)


@pytest.mark.parametrize("many", [20_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_the_end_of_a_string_is_found_in_made_up_texts(many: int) -> None:
    """A quote behind an odd number of backslashes is a part of the string."""
    draw = random.Random(many)
    for _ in range(many):
        value, other = ("".join(draw.choices('"\\a号{', k=draw.randrange(8))) for _ in range(2))
        rest = b',"b":%b}' % orjson.dumps(other)
        text = orjson.dumps(value)[1:] + rest
        assert runs._behind_string(text) == rest, text


@contextmanager
def two_worlds(**given_settings: Any) -> Iterator[tuple[World, World]]:
    """Give a daemon that decides runs, and one that decides each write by itself."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        worlds = World(Path(one), **given_settings), World(Path(other), **given_settings)
        worlds[0].runner.plain.most, worlds[1].runner.plain.most = 32, 0
        try:
            yield worlds
        finally:
            for world in worlds:
                world.close()


def told(peer: Peer) -> list[bytes]:
    """Have the bytes that a peer gets kept as they are."""
    found: list[bytes] = []
    peer.take = found.append  # type: ignore[method-assign]
    return found


STEPS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 1), st.lists(frames(), min_size=1, max_size=6)),
        st.sampled_from(("drain", "wait", "fail", "cut")),
    ),
    max_size=8,
)


@given(STEPS, st.integers(1, 400))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_run_is_the_same_to_the_byte_as_each_write_by_itself(steps: list[Any], cut: int) -> None:
    """Two daemons get the same bytes, cut at the same places: replies and rows are the same."""
    with two_worlds(task_cache=1500, fold_lag=5) as worlds:
        heard = []
        for world in worlds:
            peers = [world.connect("one"), world.connect("two")]
            heard.append([told(peer) for peer in peers])
            for step in steps:
                if step == "drain":
                    world.drain()
                elif step == "wait":
                    world.advance(0.25)
                elif step == "fail":
                    world.database.full = True
                    world.drain()
                    world.database.full = False
                elif step == "cut":
                    peers[1].close()
                else:
                    data = b"".join(step[1])
                    for at in range(0, len(data), cut):
                        peers[step[0]].send_bytes(data[at : at + cut])
            world.drain()
        assert [b"".join(one) for one in heard[0]] == [b"".join(one) for one in heard[1]]
        rows = [
            world.database._writer.execute_sql("SELECT * FROM change ORDER BY rev").fetchall()
            for world in worlds
        ]
        assert rows[0] == rows[1]
        for task_id in {row[5] for row in rows[0]}:
            kept = [world.core.view for world in worlds]
            if all(view.knows(task_id) for view in kept):
                assert kept[0].task(task_id) == kept[1].task(task_id)


def register(number: int, **fields: str) -> bytes:
    body = {"id": f"t{number}", "name": "n", **fields}
    return TASKDASH.request({"RequestID": "Register"}, orjson.dumps(body))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def decided_in_runs(world: World, peer: Peer, data: bytes) -> int:
    """Send bytes, and count the writes that were decided in runs.

    Which framing it is shows with the first frame: a run is begun behind it.
    """
    peer.ask("Unheard of")
    peer.replies.clear()
    before, count = world.runner.plain.write, 0

    def write(*arguments: Any) -> int:
        nonlocal count
        done = before(*arguments)
        count += done
        return done

    world.runner.plain.write = write  # type: ignore[method-assign]
    peer.send_bytes(data)
    world.drain()
    world.runner.plain.write = before  # type: ignore[method-assign]
    return count


def test_plain_writes_are_one_entry_and_one_commit(world: World) -> None:
    peer = world.connect()
    assert decided_in_runs(world, peer, b"".join(map(register, range(20)))) == 20
    assert world.core.writer.commits == 1
    assert [one["errid"] for one in peer.replies] == [0] * 20


def test_what_is_special_ends_a_run_and_keeps_its_turn(world: World) -> None:
    peer = world.connect()
    special = register(1, status="待领取")
    data = register(0) + register(1) + special + register(1, name="later") + register(2)
    # What is behind it has been read for the general path by then.
    assert decided_in_runs(world, peer, data) == 2
    assert [one["epoch"] for one in peer.replies] == [1] * 5
    assert peer.ask("Find", id="t1")["status"] == ""


def test_tasks_on_disk_alone_are_loaded_for_a_run(world: World) -> None:
    peer = world.connect()
    data = b"".join(register(number, name="m") for number in range(20))
    decided_in_runs(world, peer, data)
    world.restart()
    peer = world.connect()
    peer.replies.clear()
    count = decided_in_runs(world, peer, data)
    assert count == 20
    assert [one["epoch"] for one in peer.replies] == [2] * 20


def test_a_run_that_waits_for_its_tasks_is_done_though_its_peer_says_no_more(world: World) -> None:
    peer = world.connect()
    peer.ask("Register", id="t0", name="n")
    world.restart()
    peer = world.connect()
    peer.ask("Unheard of")
    connection = peer.connection
    peer.send_bytes(register(0, name="m"))
    connection.end_of_input()
    assert not connection.idle
    assert not connection.finished
    world.drain()
    assert peer.replies[-1]["epoch"] == 2


def test_no_more_replies_are_awaited_than_may_be(tmp_path: Path) -> None:
    world = World(tmp_path, max_pending=5)
    peer = world.connect()
    peer.send_bytes(b"".join(map(register, range(20))))
    assert peer.connection.outbox.awaited == 5
    world.drain()
    assert len(peer.replies) == 20
    world.close()


def test_a_run_takes_no_more_than_the_rates_allow(tmp_path: Path) -> None:
    world = World(tmp_path, request_rate=10)
    peer = world.connect()
    peer.send_bytes(b"".join(map(register, range(200))))
    world.drain()
    refused = [one for one in peer.replies if one["errid"]]
    assert len(peer.replies) == 200
    assert 0 < len(refused) < 200
    assert peer.ask("Query", limit=1000)["errid"] == Busy.errid
    world.close()


def may(world: World, session: Session) -> bool:
    return world.runner.plain.may_run(session)


def test_who_is_bounded_writes_on_the_general_path(world: World) -> None:
    session = world.connect().connection.session
    assert may(world, session)
    for identity in (
        None,
        Identity("reader", "readonly"),
        Identity("service", "service", frozenset({"g"})),
        Identity("10001", "worker", frozenset({"g"}), person="10001"),
    ):
        session.signed_in(identity)
        assert not may(world, session), identity
    for identity in (ANYONE, Identity("service", "service"), Identity("root", "operator")):
        session.signed_in(identity)
        assert may(world, session), identity
    session.share_changes(Budget(lambda: 0.0, lambda: 1.0))
    assert not may(world, session)


def test_where_room_is_short_writes_take_the_general_path(world: World) -> None:
    session = world.connect().connection.session
    core = world.core
    core.room._reserve.given_up = True
    assert not may(world, session)
    core.room._reserve.given_up = False
    core.room._limits = type("", (), {"max_live_tasks": 31})()  # type: ignore[assignment]
    assert not may(world, session)
    core.room._limits = world.live
    session.owner.timeouts.update({float(number): 1 for number in range(1, 1001)})
    assert not may(world, session)
    session.owner.timeouts[None] = 1
    assert may(world, session)


def test_where_writes_wait_they_take_the_general_path(world: World) -> None:
    session = world.connect().connection.session
    core = world.core
    core.view.leaving.add("a")
    assert not may(world, session)
    core.view.leaving.clear()
    core.writer.when_roomy(lambda: None, "somebody")
    assert not may(world, session)


def test_a_run_is_bounded_in_bytes() -> None:
    data = register(0, description="x" * 60_000) * 5
    writes, _ = plain.read(data, 0, 32, 1 << 20)
    assert len(writes) == 2


def test_a_frame_that_is_too_long_is_no_plain_one() -> None:
    data = register(0)
    assert plain.read(data, 0, 32, len(data) - 4)[0]
    assert not plain.read(data, 0, 32, len(data) - 5)[0]


def test_a_beat_alone_is_a_sign_of_life_and_nothing_else(world: World) -> None:
    peer = world.connect()
    connection = peer.connection
    assert not connection.beats(TASKDASH.heartbeat), "the framing is not known yet"
    peer.ask("Find", id="x")
    world.time += 1
    assert connection.beats(TASKDASH.heartbeat)
    assert connection.session.owner.last_seen == world.time
    assert (connection.frames_in, peer.beats) == (2, [])
    assert not connection.beats(TASKDASH.heartbeat * 2)
    assert not connection.beats(TCPX.heartbeat)


def test_a_beat_keeps_its_turn_and_counts_for_the_rates(tmp_path: Path) -> None:
    world = World(tmp_path, request_rate=10)
    peer = world.connect()
    peer.ask("Find", id="x")
    connection = peer.connection
    peer.send_bytes(register(0)[:-1])
    assert not connection.beats(TASKDASH.heartbeat), "a frame was begun"
    peer.send_bytes(register(0)[-1:])
    world.drain()
    assert sum(connection.beats(TASKDASH.heartbeat) for _ in range(1000)) < 100
    world.close()


def test_a_task_of_an_older_version_is_written_as_it_was(world: World) -> None:
    """Where its members are in another order, or one is missing, the general path keeps that."""
    peer = world.connect()
    peer.ask("Register", id="t1", name="n")
    task = world.core.view.task("t1")
    assert task is not None
    older = task._replace(body=task.body.replace(b'"checker":"",', b""))
    update = plain.PlainUpdate("t1", {"name": "m"}, "")
    author = Author(1, "me")
    assert runs.decided([update], lambda _: task, author, "now", 2, 1 << 20)
    assert not runs.decided([update], lambda _: older, author, "now", 2, 1 << 20)
