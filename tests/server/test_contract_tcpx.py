"""PROTOCOL.md, 3. "The original framing", on the same port."""

import json
import struct

import pytest
from wire_client import (
    EVENT,
    HEARTBEAT,
    REQUEST,
    TCPX_BEAT,
    TCPX_REPLY,
    TOKEN,
    ask,
    length,
    native,
    tcpx,
    twice,
    unique,
)

FIND = tcpx(REQUEST, {"RequestID": "Find"}, {"id": "no"})


@pytest.fixture
def old(daemon):
    """A connection that speaks the original framing."""
    return daemon.connect_tcpx()


def test_heartbeat_bytes(old):
    """The heartbeat is these 20 bytes and gets no reply."""
    assert tcpx(HEARTBEAT, None) == TCPX_BEAT
    old.send(TCPX_BEAT)
    old.send(tcpx(HEARTBEAT, b""))
    old.send(tcpx(HEARTBEAT, {}))
    old.find(unique(), errid=1002)


def test_all_operations_mean_the_same(old, task_id):
    """Header and body mean the same as in our framing; replies have MessageID 4."""
    assert old.hello()["protocol"] == 1
    assert old.register(task_id, name="名", extra=[1, {"a": None}])["epoch"] == 1
    assert old.update(task_id, status="running")["epoch"] == 1
    found = old.find(task_id)
    assert (found["name"], found["status"], found["extra"]) == ("名", "running", [1, {"a": None}])
    assert old.query(where={"id": task_id})["tasks"][0]["name"] == "名"
    number, _ = old.watch()
    old.call("Unwatch", {"watch": number})
    old.find(unique(), errid=1002)
    old.call("Nonsense", {}, errid=1000)


def test_raw_reply(old):
    """Three lengths, a JSON header, a JSON body: MessageID 4."""
    old.send(tcpx(REQUEST, {"RequestID": "Find", "Seq": "s"}, {"id": "no"}))
    frame = old.frame()
    assert frame.message_id == TCPX_REPLY
    assert frame.header == {"RequestID": "Find", "Seq": "s"}
    assert frame.raw.startswith(b"{")
    old.check(frame, 1002)


@pytest.mark.parametrize("seq", [0, -1, 2**63 - 1, 1.5, "", "序", True, None], ids=repr)
def test_seq(old, seq):
    """Seq is echoed, by replies, by heartbeats and by what answers a token."""
    old.send(tcpx(REQUEST, {"RequestID": "Find", "Seq": seq}, {"id": "no"}))
    assert old.reply().header == {"RequestID": "Find", "Seq": seq}
    old.send(tcpx(HEARTBEAT, {"Seq": seq}))
    frame = old.reply()
    assert (frame.message_id, frame.header) == (HEARTBEAT, {"Seq": seq})
    old.send(tcpx(TOKEN, {"Seq": seq}, b"token"))
    assert old.reply().header["Seq"] == seq


@pytest.mark.parametrize("message_id", [0, 1, 2, 3, 4, 5, 1391, 1394, 2**31, 2**32 - 1])
def test_any_id_is_a_request(old, message_id):
    """Any id but 1392 and 1393 is taken as a request; its reply still has MessageID 4."""
    old.ping()  # An id above 2**24 has no 0x00 in the fifth byte: it cannot come first.
    old.send(tcpx(message_id, {"RequestID": "Find", "Seq": 1}, {"id": "no"}))
    frame = old.reply()
    assert frame.message_id == TCPX_REPLY
    old.check(frame, 1002)


@pytest.mark.parametrize(
    "token", [b"", b"secret", b'"quoted"', b'{"token":"x"}', b"\xff\xfe\x00", b'"open', b"[" * 99]
)
def test_token(old, token):
    """1393 carries a token as its body's text and is answered by a reply."""
    old.send(tcpx(TOKEN, None, token))
    frame = old.reply()
    assert frame.message_id == TCPX_REPLY
    assert b"secret" not in frame.raw
    old.find(unique(), errid=1002)


def test_body_encoded_twice(old, task_id):
    """A body that is a JSON string with the object's text is answered encoded twice."""
    for request_id, body, errid in (
        ("Register", {"id": task_id, "name": '引"用\\'}, 0),
        ("Update", {"id": task_id, "user": "u"}, 0),
        ("Find", {"id": task_id}, 0),
        ("Find", {"id": "no"}, 1002),
        ("Find", {}, 1000),
        ("Nonsense", {}, 1000),
        ("Query", {"where": {"id": task_id}}, 0),
    ):
        old.send(tcpx(REQUEST, {"RequestID": request_id, "Seq": 1}, twice(body)))
        frame = old.reply()
        assert type(frame.body) is str, request_id
        inner = old.check(frame._replace(body=json.loads(frame.body)), errid)
    assert [one["name"] for one in inner["tasks"]] == ['引"用\\']


@pytest.mark.parametrize("inner", [b"{", b"[]", b"5", b'{"id":NaN}', b'"{}"', b"", b"nonsense"])
def test_refusal_of_a_body_encoded_twice(old, inner):
    """A body encoded twice is answered encoded twice, also when the inner text is wrong."""
    old.send(tcpx(REQUEST, {"RequestID": "Find"}, twice(inner)))
    frame = old.reply()
    assert type(frame.body) is str
    old.check(frame._replace(body=json.loads(frame.body)), 1000)
    old.ping()


def test_each_reply_is_encoded_as_its_request(old):
    """Once and twice may alternate on one connection; white space before the string is JSON."""
    body = {"id": "no"}
    for number, wanted in enumerate([dict, str, str, dict, str]):
        sent = json.dumps(body).encode() if wanted is dict else twice(body)
        padded = b" \r\n\t" * (number % 2) + sent
        old.send(tcpx(REQUEST, {"RequestID": "Find"}, padded))
        assert type(old.reply().body) is wanted


def test_header_absent(old):
    """The header is a JSON object, or null, or of length 0: without RequestID a request is 1000."""
    for header in (None, b"", {}, b"null", {"Seq": 5}):
        old.refused(tcpx(REQUEST, header, {"id": "no"}))


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"5",
        b'"Find"',
        b"true",
        b"{",
        b"{'RequestID':'Find'}",
        b"\xff",
        b'{"Seq":NaN}',
        b'\xef\xbb\xbf{"RequestID":"Find"}',
        b'{"RequestID":"Find","Seq":9223372036854775808}',
        b'{"RequestID":"Find","Seq":[1]}',
        b'{"RequestID":5}',
        b'{"RequestID":"Find"} x',
    ],
)
def test_header_wrong(old, header):
    """The header is strict JSON, an object or null: 1000, the connection goes on."""
    old.refused(tcpx(REQUEST, header, {"id": "no"}))


def test_header_of_32_entries_and_of_33(old):
    """Limits are the same: a header has at most 32 entries."""
    many = {f"k{n}": n for n in range(31)}
    old.send(tcpx(REQUEST, {"RequestID": "Find", **many}, {"id": "n"}))
    old.check(old.reply(), 1002)
    old.refused(tcpx(REQUEST, {"RequestID": "Find", **many, "more": 1}, {"id": "n"}))


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b"{", b"\xff", b'"', b'{"id":"a"} '[:-2]])
def test_body_wrong(old, body):
    """The body is a JSON object, or a string that holds one, or nothing: else 1000."""
    old.refused(tcpx(REQUEST, {"RequestID": "Find"}, body))


def test_no_body(old):
    """The body may be nothing; a Query needs none, a Find does."""
    old.send(tcpx(REQUEST, {"RequestID": "Query"}))
    assert type(old.check(old.reply())["tasks"]) is list
    old.refused(tcpx(REQUEST, {"RequestID": "Find"}))


@pytest.mark.parametrize(
    "payload",
    [
        b"\0",
        b"\0\0\0\x02",
        b"\0" * 11,
        struct.pack(">III", 2, 0, 1),
        struct.pack(">III", 2, 1, 0),
        struct.pack(">III", 2, 2**32 - 1, 2**32 - 1) + b"null",
        struct.pack(">III", 2, 2**32 - 4, 8) + b"null",
        struct.pack(">III", 2, 4, 0) + b"null{}",
        struct.pack(">III", HEARTBEAT, 400, 0) + b"null",
    ],
    ids=lambda payload: payload.hex()[:40],
)
def test_lengths_that_disagree(old, payload):
    """The length is 12 + header length + body length: anything else is 1000, and it goes on."""
    old.send(length(payload))
    old.check(old.reply(), 1000)
    old.find(unique(), errid=1002)


def test_first_fifth_byte_decides_for_life(daemon, old):
    """0x00 as the fifth byte is this framing for the connection's whole life, any other is ours."""
    old.ping()
    old.refused(ask("Find", {"id": "no"}))
    ours = daemon.connect()
    ours.ping()
    ours.refused(FIND)
    odd = daemon.connect()
    odd.refused(length(b"\xc1"))
    odd.refused(FIND)


@pytest.mark.fault(20)
def test_split_at_every_byte(daemon, old):
    """The fifth byte may come in a segment of its own, like any other."""
    barrier = daemon.connect_tcpx()
    for cut in range(1, len(FIND)):
        fresh = daemon.connect_tcpx()
        fresh.send(FIND[:cut])
        barrier.ping()
        fresh.send(FIND[cut:])
        fresh.check(fresh.reply(), 1002)
        fresh.close()


def test_pipelining(old):
    """Order is the same: replies in the order of the requests."""
    task = unique()
    old.send(
        b"".join(
            tcpx(REQUEST, {"RequestID": "Register", "Seq": n}, twice({"id": task, "name": f"{n}"}))
            + TCPX_BEAT
            + tcpx(REQUEST, {"RequestID": "Find", "Seq": -n}, {"id": task})
            for n in range(1, 501)
        )
    )
    old.half_close()
    for n in range(1, 501):
        assert old.reply().header["Seq"] == n
        frame = old.reply()
        assert frame.header["Seq"] == -n
        assert frame.body["name"] == str(n)
    old.eof()


def test_length_is_judged_before_the_fifth_byte(daemon):
    """A bad length as the first four bytes is refused without waiting for a fifth."""
    for size in (0, (1 << 20) + 1):
        wire = daemon.connect()
        wire.send(struct.pack(">I", size))
        wire.check(wire.reply(), 1000)
        wire.eof()


@pytest.mark.fault(21)
@pytest.mark.parametrize("size", [0, (1 << 20) + 1, (1 << 32) - 1])
def test_length_that_cannot_be_trusted(old, size):
    """Errors and limits are the same: 1000 in this framing, and close."""
    old.ping()
    old.send(struct.pack(">I", size))
    old.check(old.reply(), 1000)
    old.eof()


def test_events_have_message_id_3(old, daemon, task_id):
    """Events go out with MessageID 3, with the same header and body."""
    group = unique("g")
    number, rev = old.watch(where={"group_id": group})
    daemon.connect().register(task_id, group_id=group)
    event = old.event()
    assert (event.watch, event.kind, event.task["id"]) == (number, "registered", task_id)
    assert event.rev > rev


def test_liveness_is_the_same(old, daemon, task_id):
    """This framing's beats keep a task alive; without them it is shut down, with a Bye."""
    watcher = daemon.connect()
    watcher.watch(where={"id": task_id})
    old.hello()
    old.register(task_id, status="running", heartbeat_timeout=0.5)
    assert watcher.event().kind == "registered"
    for _ in range(8):
        old.beat()
        watcher.silent(0.12)
    old.beat()
    event = watcher.event(2)
    assert event.kind == "shutdown"
    assert 0.5 <= event.at - old.sent_at <= 1.5
    old.bye()


def test_bye_has_message_id_3(start):
    """Bye is the same in this framing: MessageID 3, a header with Bye."""
    daemon = start()
    old, ours = daemon.connect_tcpx(), daemon.connect_tcpx()
    old.hello()
    ours.ping()
    assert daemon.stop() == 0
    frame = old.frame()
    assert (frame.message_id, frame.header) == (EVENT, {"Bye": True})
    assert set(frame.body) == {"errid", "detail"}
    ours.eof()


def test_frame_timeout_is_the_same(start):
    """A frame begun and not completed gets 1000 in this framing."""
    daemon = start(frame_timeout=0.3)
    old = daemon.connect_tcpx()
    old.send(FIND[:-1])
    old.check(old.reply(1.3), 1000)
    old.eof()


def test_native_frames_that_begin_with_zero(wire):
    """On a connection of ours a payload that begins with 0x00 is bad msgpack, nothing else."""
    wire.send(native(HEARTBEAT, {"Seq": 1}))
    wire.reply()
    wire.refused(length(b"\0"))
    wire.refused(TCPX_BEAT)
