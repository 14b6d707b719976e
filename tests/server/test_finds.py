"""A Find that is answered on its bytes gets what one gets that is parsed and run, to the byte."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskdash_protocol.frames import TASKDASH
from taskdash_protocol.strictjson import dumps
from taskdashd.domain.access import Identity
from taskdashd.server import finds
from taskdashd.server.finds import Finds
from taskdashd.testing import Peer, World

IDS = (
    *("a", "live", "ended", "waits", "dead", "orphan", "报", "large", "x y", " "),
    *('quo"te', "back\\slash", "back\\u0041", '","id":"a', "\U0001f600" * 128, "n" * 128),
    *("absent", "nul\x7f"),
)
LARGE = "x" * (66 << 10)


class Office:
    """A world whose tasks are of every sort, and somebody who asks for them in both ways."""

    def __init__(self, directory: Path) -> None:
        self.world = World(directory, request_rate=None, identity_rate=None)
        self.owner = self.world.connect("10.0.0.7:1")
        gone = self.world.connect("10.0.0.8:1")
        status = {"ended": "finish", "waits": "pending", "dead": "shutdown", "large": "finish"}
        for task_id in IDS[:-2]:
            body = {"name": "n", "status": status.get(task_id, "running"), "task_type": task_id[:3]}
            if task_id == "large":
                body["description"] = LARGE
            asker = gone if task_id == "orphan" else self.owner
            assert asker.ask("Register", id=task_id, **body)["errid"] == 0, task_id
        gone.close()
        self.peer = self.world.connect("10.0.0.9:1")
        self.peer.beat()
        self.output = b""
        self.peer.take = self._take  # type: ignore[method-assign]

    def _take(self, data: bytes) -> None:
        self.output += data

    def answer(self, payload: bytes, *, drain: bool = True) -> bytes:
        self.output = b""
        self.peer.send_bytes(len(payload).to_bytes(4, "big") + payload)
        if drain:
            self.world.drain()
        else:
            self.world.sweep()
        return self.output

    @contextmanager
    def parsed(self) -> Iterator[None]:
        """Have every request parsed and run."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Finds, "answer", lambda *_: None)
            patch.setattr(Finds, "body", lambda *_: None)
            patch.setattr(finds, "parse", lambda _: None)
            yield

    def answers_alike(self, payload: bytes) -> bytes:
        """Give the answer of a Find on its bytes, once it is that of one that is parsed."""
        on_bytes = self.answer(payload)
        again = self.answer(payload)
        with self.parsed():
            assert on_bytes == again == self.answer(payload)
        return on_bytes


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    office = Office(tmp_path_factory.mktemp("office"))
    yield office
    office.world.close()


def bin8(text: bytes) -> bytes:
    return b"\xc4" + bytes((len(text),)) + text


def str8(text: bytes) -> bytes:
    return b"\xd9" + bytes((len(text),)) + text


def fixstr(text: bytes) -> bytes:
    return bytes((0xA0 | len(text) % 32,)) + text


HEADS: tuple[Callable[[bytes], bytes], ...] = (
    *(bin8, str8, fixstr),
    lambda text: b"\xc5" + len(text).to_bytes(2, "big") + text,
    lambda text: b"\xda" + len(text).to_bytes(2, "big") + text,
)
FORMS = ('{"id":"%s"}', '{"id": "%s"}', '{"id":"%s" }', '{"id":"%s","id":"a"}', '"id":"%s"}')
ASKED = b"\x93\x02\x81\xa9RequestID\xa4Find"


def payload_of(task_id: str, form: str = FORMS[0], head: Callable[[bytes], bytes] = bin8) -> bytes:
    body = (form % task_id).encode("utf-8", "surrogatepass")[:255]
    return ASKED + head(body)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Give a payload that is nearly one, or one: bytes of it replaced, put in, cut out."""
    task_id = draw(st.sampled_from(IDS) | st.text(max_size=4))
    if draw(st.booleans()):
        task_id = dumps(task_id).decode()[1:-1] if task_id.isprintable() else task_id
    form, head = draw(st.sampled_from(FORMS)), draw(st.sampled_from(HEADS))
    payload = bytearray(payload_of(task_id, form, head))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(1, len(payload) - 1))
        some = draw(
            st.binary(max_size=2) | st.sampled_from((b'"', b"\\", b"{", b"}", b"\x00", b" "))
        )
        payload[at : at + draw(st.integers(0, 2))] = some
    return bytes(payload)


@given(mutated())
@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_is_taken_on_its_bytes_is_answered_as_what_is_parsed(
    office: Office, payload: bytes
) -> None:
    office.answers_alike(payload)
    if not office.peer.connection.inbox.is_empty or not office.peer.open:
        raise AssertionError("a payload must not end the connection")


@pytest.mark.parametrize("task_id", IDS)
@pytest.mark.parametrize("form", FORMS[:2])
@pytest.mark.parametrize("head", HEADS[:3])
def test_the_plainest_find_of_each_task_is_taken(
    office: Office, task_id: str, form: str, head: Callable[[bytes], bytes]
) -> None:
    """But one with an escape, or of a large or absent task, or in a longer string than it says."""
    payload = payload_of(task_id, form, head)
    body = (form % task_id).encode()
    taken = office.world.finds.answer(payload)
    office.answers_alike(payload)
    is_plain = '"' not in task_id and "\\" not in task_id
    fits = len(body) < (32 if head is fixstr else 256)
    is_there = task_id not in ("large", "absent", "nul\x7f")
    assert (taken is not None) == (is_plain and fits and is_there)


STEPS = st.lists(
    st.sampled_from(
        ("beat", "time", "stall", "jump", "kept", "task", "cold", "finish", "write", "die", "fold")
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_both_ways_say_the_same_whatever_has_happened_since(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Owners have beaten, the clock has stood still, tasks have changed, died or left memory."""
    office = Office(tmp_path_factory.mktemp("office"))
    world, owner = office.world, office.owner
    for step in ("kept", *steps):
        do(step, office, world, owner)
        for task_id in ("a", "live", "ended", "dead", "orphan"):
            office.answers_alike(payload_of(task_id))
    world.close()


def do(step: str, office: Office, world: World, owner: Peer) -> None:
    cache = world.core.view._cache
    if step == "beat":
        owner.beat()
        office.peer.beat()
    elif step == "time":
        world.advance(0.05)
    elif step == "stall":
        world.time += 5.0
        world.supervisor.tick(0.01)
        world.drain()
    elif step == "jump":
        world.wall_ahead_s += 3600.0
        world.advance(1.1)
    elif step in ("kept", "task"):
        for task_id in IDS[:-2]:
            if step == "task" and task_id in cache.entries:
                cache.task(task_id)
        if step == "kept":
            cache.clear()
            world.core.reader.load(IDS[:-2], lambda _: None)
            world.drain()
    elif step == "cold":
        cache.clear()
    elif step == "finish":
        owner.ask("Update", id="a", status="finish")
    elif step == "write":
        owner.ask("Update", id="a", status="running", description="more")
    elif step == "die":
        world.advance(0.5)
        office.owner.beat()
    elif step == "fold":
        world.core.writer.fold_some()
        world.drain()


def test_a_find_waits_for_the_commit_of_what_it_would_show(tmp_path: Path) -> None:
    """No Find is taken on its bytes then: a commit that fails would leave its asker with a lie."""
    office = Office(tmp_path)
    payload = payload_of("a")
    before = office.answers_alike(payload)
    office.owner.send("Update", {"id": "a", "description": "new"})
    assert office.answer(payload, drain=False) == b""
    office.world.drain()
    assert b'"description":"new"' in office.output
    assert office.output != before
    office.world.close()


def test_who_is_confined_to_groups_is_answered_by_what_they_may_see(tmp_path: Path) -> None:
    world = World(tmp_path, asks_for_tokens=True)
    everyone, cut = Identity("all", "service"), Identity("cut", "service", frozenset({"cut"}))
    world.identities |= {"everyone": everyone, "cut": cut}
    peers = []
    for token in ("everyone", "cut"):
        peer = world.connect()
        assert peer.ask("Hello", protocol=1, client="c", token=token)["errid"] == 0
        peers.append(peer)
    peers[0].ask("Register", id="a", name="n", group_id="paint")
    peers[0].ask("Register", id="b", name="n", group_id="cut")
    for _ in range(2):
        assert [peers[0].ask("Find", id=one)["errid"] for one in "ab"] == [0, 0]
        assert [peers[1].ask("Find", id=one)["errid"] for one in "ab"] == [1002, 0]
    world.close()


def test_a_task_that_was_adopted_shows_the_life_of_its_service_once_that_is_back(
    tmp_path: Path,
) -> None:
    """After a restart nobody has spoken for it yet; a service without a connection may again."""
    office = Office(tmp_path)
    payload = payload_of("a")
    office.world.restart()
    office.peer = office.world.connect("10.0.0.9:1")
    office.peer.take = office._take  # type: ignore[method-assign]
    before = office.answers_alike(payload)
    serial = office.world.core.view.task("a")
    assert serial is not None
    session = office.world.core.sessions.stand_in(serial.owner, "http://10.0.0.7")
    office.world.time += 1.0
    session.owner.last_seen = office.world.core.clock.now()
    assert office.answers_alike(payload) != before
    office.world.core.sessions.forget(serial.owner)
    assert office.answers_alike(payload) == before
    office.world.close()


def test_frames_that_are_kept_take_a_bounded_room(tmp_path: Path) -> None:
    """Who asks in turn for more than fits finds some of them, and is not slowed by the rest."""
    world = World(tmp_path, reply_cache=20_000, request_rate=None)
    peer = world.connect()
    for number in range(60):
        peer.ask("Register", id=f"t{number}", name="n")
    for _ in range(3):
        for number in range(60):
            assert peer.ask("Find", id=f"t{number}")["id"] == f"t{number}"
    assert 5 < len(world.finds._ready) < 20
    assert 15_000 < world.finds._ready_bytes <= 20_000
    world.close()


def test_finds_in_a_row_are_answered_in_their_order_however_they_arrive(tmp_path: Path) -> None:
    """In one step as far as they can be, with others between them, and cut anywhere."""
    office = Office(tmp_path)
    order = ("a", "live", "absent", "waits", "large", "a", "ended", 'quo"te', "live", "dead")
    payloads = [payload_of(one) for one in order for _ in range(3)]
    payloads[7:7] = [TASKDASH.request({"RequestID": "Ping", "Seq": 7}, b"{}")[4:]]
    sent = b"".join(len(one).to_bytes(4, "big") + one for one in payloads)
    with office.parsed():
        expected = b"".join(map(office.answer, payloads))
    for cut in (len(sent), 1, 7, 64, 300):
        for cold in (False, True):
            if cold:
                office.world.core.view._cache.clear()
            office.output = b""
            for at in range(0, len(sent), cut):
                office.peer.send_bytes(sent[at : at + cut])
                office.world.sweep()
            office.world.drain()
            assert office.output == expected, (cut, cold)
    office.world.close()


def test_a_find_that_has_only_begun_is_no_sign_of_life(tmp_path: Path) -> None:
    office = Office(tmp_path)
    payload = payload_of("a")
    owner = office.peer.connection.session.owner
    seen = owner.last_seen
    office.world.time += 1.0
    office.peer.send_bytes(len(payload).to_bytes(4, "big") + payload[:-1])
    assert owner.last_seen == seen
    office.peer.send_bytes(payload[-1:])
    assert owner.last_seen == seen + 1.0
    office.world.close()


def test_finds_in_a_row_are_counted_one_by_one(tmp_path: Path) -> None:
    """Finds beyond the rate are refused, and no more are allowed than one after another."""
    world = World(tmp_path, request_rate=40)
    peer = world.connect()
    assert peer.ask("Register", id="a", name="n")["errid"] == 0
    frame = TASKDASH.request({"RequestID": "Find"}, b'{"id":"a"}')
    peer.send_bytes(frame * 200)
    world.drain()
    told = [reply["errid"] for reply in peer.replies]
    assert told == [0] * told.count(0) + [1005] * told.count(1005)
    assert len(told) == 200
    one_by_one = world.connect()
    for _ in range(200):
        one_by_one.send_bytes(frame)
        world.drain()
    assert [reply["errid"] for reply in one_by_one.replies].count(0) in range(
        told.count(0), told.count(0) + 2
    )
    world.close()
