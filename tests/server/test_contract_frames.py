"""PROTOCOL.md, 2. "Frames": our own framing, byte for byte."""

import json
import math

import msgpack
import pytest
from wire_client import BEAT, HEARTBEAT, REQUEST, ask, length, native, unique

FIND = bytes.fromhex(
    "00 00 00 24 93 02 81 a9 52 65 71 75 65 73 74 49 44 a4 46 69 6e 64 c4 10 7b 22 69 64 22 3a"
    " 22 31 32 33 34 35 36 37 22 7d"
)

SCALARS = [
    0,
    127,
    -1,
    -32,
    255,
    2**16,
    2**32,
    2**63 - 1,
    2**64 - 1,
    -(2**63),
    1.5,
    -0.0,
    math.inf,
    -math.inf,
    5e-324,
    True,
    False,
    None,
    "",
    "s" * 31,
    "任务\u0000\n",
    "x" * 70_000,
    b"",
    b"\x00\xff",
    b"y" * 300,
]


def test_golden_find(wire):
    """`[2, {"RequestID":"Find"}, {"id":"1234567"}]` is these bytes; without Seq none comes back."""
    assert ask("Find", b'{"id":"1234567"}') == FIND
    wire.send(FIND)
    frame = wire.reply()
    assert frame.header == {"RequestID": "Find"}
    body = wire.check(frame, 1002)
    assert body["id"] == "1234567"


def test_heartbeat_is_ten_bytes_and_gets_no_reply(wire):
    """`[1392, nil, nil]` is these 10 bytes for ever; without Seq in a map nothing comes back."""
    assert native(HEARTBEAT, None) == BEAT
    assert len(BEAT) == 10
    wire.send(BEAT)
    wire.send(native(HEARTBEAT, {}))
    wire.send(native(HEARTBEAT, {"other": 1}))
    wire.find(unique(), errid=1002)


@pytest.mark.parametrize("seq", SCALARS, ids=lambda v: repr(v)[:20])
def test_seq_of_every_scalar_is_echoed(wire, seq):
    """Reply header: the request's RequestID and, if it had one, its Seq, any msgpack scalar."""
    wire.send(ask("Find", {"id": "no"}, Seq=seq) + native(HEARTBEAT, {"Seq": seq}))
    reply, beat = wire.reply(), wire.reply()
    wire.check(reply, 1002)
    assert set(reply.header) == {"RequestID", "Seq"}
    assert (beat.message_id, beat.body) == (HEARTBEAT, None)
    assert set(beat.header) == {"Seq"}
    for echoed in (reply.header["Seq"], beat.header["Seq"]):
        assert type(echoed) is type(seq)
        assert repr(echoed) == repr(seq)


def test_seq_nan_and_float32(wire):
    """NaN and the short float are msgpack scalars too."""
    wire.send(ask("Find", {"id": "no"}, Seq=math.nan))
    assert math.isnan(wire.reply().header["Seq"])
    packed = b"\x93\x02\x82\xa9RequestID\xa4Find\xa3Seq\xca\x3f\xc0\x00\x00\xc4\x0a" + b'{"id":"n"}'
    wire.send(length(packed))
    assert wire.reply().header["Seq"] == 1.5


@pytest.mark.parametrize("seq", [[1], {"a": 1}, []], ids=repr)
def test_seq_that_is_no_scalar(wire, seq):
    """Seq is a scalar; anything else is a header field of the wrong type: 1000, goes on."""
    wire.refused(ask("Find", {"id": "no"}, Seq=seq))


def test_reply_header_holds_nothing_else(wire):
    """The reply's header has RequestID and Seq and nothing secret; unknown keys are ignored."""
    wire.send(ask("Find", {"id": "no"}, Seq=1, token="s3cret", X={"deep": [1, {"a": b"b"}]}))
    frame = wire.reply()
    assert frame.header == {"RequestID": "Find", "Seq": 1}
    wire.check(frame, 1002)


@pytest.mark.fault(20)
def test_split_at_every_byte(daemon, wire):
    """A frame may arrive split at any byte: the daemon has seen the first part each time."""
    barrier = daemon.connect()
    task = unique()
    frame = ask("Register", {"id": task, "name": "任务"}, Seq=0)
    for cut in range(1, len(frame)):
        wire.send(frame[:cut])
        barrier.ping()
        wire.send(frame[cut:])
        wire.check(wire.reply())
    assert wire.find(task)["name"] == "任务"


@pytest.mark.fault(20)
def test_byte_by_byte(daemon, wire):
    """Each byte of several frames alone in its segment."""
    barrier = daemon.connect()
    stream = BEAT + FIND + native(HEARTBEAT, {"Seq": "s"}) + FIND
    for at in range(len(stream)):
        wire.send(stream[at : at + 1])
        barrier.ping()
    wire.check(wire.reply(), 1002)
    assert wire.reply().header == {"Seq": "s"}
    wire.check(wire.reply(), 1002)


def test_a_frame_and_a_half(daemon, wire):
    """The end of one frame and the beginning of the next share a segment, at each byte."""
    barrier = daemon.connect()
    frame = native(HEARTBEAT, {"Seq": 7})
    for cut in range(1, len(frame)):
        wire.send(frame + frame[:cut])
        barrier.ping()
        assert wire.reply().header == {"Seq": 7}
        wire.send(frame[cut:])
        assert wire.reply().header == {"Seq": 7}


@pytest.mark.fault(20)
def test_thousand_frames_in_one_segment(wire):
    """Requests may be pipelined; replies come in the order of the requests, refusals included."""
    task = unique()
    expected, stream = [], []
    for n in range(1000):
        step = n % 8
        if step == 0:
            stream.append(ask("Register", {"id": f"{task}-{n}", "name": str(n)}, Seq=n))
            expected.append((n, 0, None))
        elif step == 1:
            stream.append(ask("Find", {"id": f"{task}-{n - 1}"}, Seq=n))
            expected.append((n, 0, str(n - 1)))
        elif step == 2:
            stream.append(ask("Update", {"id": f"{task}-{n - 2}", "name": f"u{n}"}, Seq=n))
            expected.append((n, 0, None))
        elif step == 3:
            stream.append(BEAT + ask("Find", {"id": f"{task}-{n - 3}"}, Seq=n))
            expected.append((n, 0, f"u{n - 1}"))
        elif step == 4:
            stream.append(ask("Find", {"id": f"{task}-none"}, Seq=n))
            expected.append((n, 1002, None))
        elif step == 5:
            stream.append(ask("Find", b'{"id":', Seq=n))
            expected.append((n, 1000, None))
        elif step == 6:
            stream.append(ask("Query", {"where": {"id": f"{task}-{n - 6}"}}, Seq=n))
            expected.append((n, 0, None))
        else:
            stream.append(native(HEARTBEAT, {"Seq": n}))
            expected.append((n, None, None))
    wire.send(b"".join(stream))
    for seq, errid, name in expected:
        frame = wire.reply(20)
        assert frame.header["Seq"] == seq
        if errid is None:
            assert frame.message_id == HEARTBEAT
            continue
        body = wire.check(frame, errid)
        if name is not None:
            assert body["name"] == name
        if frame.header["RequestID"] == "Query":
            assert [one["id"] for one in body["tasks"]] == [f"{task}-{seq - 6}"]
            assert body["tasks"][0]["name"] == f"u{seq - 4}"


def test_refusals_without_seq_keep_their_place(wire):
    """A payload that cannot even be read is answered in its turn."""
    task = unique()
    wire.send(
        ask("Register", {"id": task, "name": "n"}, Seq=1)
        + length(b"\xc1")
        + ask("Find", {"id": task}, Seq=2)
        + length(b"\x90")
        + ask("Find", {"id": task}, Seq=3)
    )
    wire.check(wire.reply())
    assert "Seq" not in wire.reply().header
    assert wire.reply().header["Seq"] == 2
    wire.check(wire.reply(), 1000)
    assert wire.reply().header["Seq"] == 3


def test_half_close(wire):
    """A client that shuts its sending side still gets the replies to all that it sent."""
    task = unique()
    count = 600
    wire.send(
        b"".join(ask("Register", {"id": f"{task}-{n}", "name": "n"}, Seq=n) for n in range(count))
        + ask("Query", {"where": {"id": f"{task}-0"}}, Seq="q")
    )
    wire.half_close()
    for n in range(count):
        frame = wire.reply()
        assert frame.header["Seq"] == n
        wire.check(frame)
    assert [one["id"] for one in wire.check(wire.reply())["tasks"]] == [f"{task}-0"]
    wire.eof()


def test_half_close_without_a_word(wire):
    """Nothing was sent, so nothing is owed: the connection ends."""
    wire.half_close()
    wire.eof()


@pytest.mark.parametrize(
    "message_id", [0, 1, 4, 99, 1391, 1393, -1, 2**31, 2**32 + 2, 2**64 - 1, -(2**63)]
)
def test_unknown_message_id(wire, message_id):
    """A MessageID that is none of the three gets 1000, the connection stays open."""
    wire.refused(native(message_id, {"RequestID": "Find"}, {"id": "x"}))


@pytest.mark.parametrize("message_id", [b"\xca\x40\x00\x00\x00", b"\xc3", b"\xa12", b"\xc0"])
def test_message_id_of_another_type(wire, message_id):
    """The MessageID is an int: no float 2.0, no true, no "2", no nil."""
    wire.refused(
        length(b"\x93" + message_id + b"\x81\xa9RequestID\xa4Find\xc4\x0a" + b'{"id":"n"}')
    )


@pytest.mark.parametrize(
    "start",
    [
        "93 cc 02",
        "93 cd 00 02",
        "93 ce 00000002",
        "93 cf 0000000000000002",
        "93 d0 02",
        "93 d3 0000000000000002",
        "dc 0003 02",
        "dd 00000003 02",
    ],
)
@pytest.mark.parametrize("header", ["81", "de 0001", "df 00000001"])
def test_every_encoding_of_the_same_values(wire, start, header):
    """The types are MessagePack's int, array and map, in whichever width a library writes them."""
    head = bytes.fromhex(start) + bytes.fromhex(header)
    wire.send(length(head + b"\xd9\x09RequestID\xda\x00\x04Find\xc5\x00\x0a" + b'{"id":"n"}'))
    frame = wire.reply()
    assert frame.header == {"RequestID": "Find"}
    wire.check(frame, 1002)


def test_body_as_str(wire, task_id):
    """The body is bin; str is accepted too. Replies are bin."""
    body = json.dumps({"id": task_id, "name": "名"}, ensure_ascii=False)
    for request_id in ("Register", "Find"):
        wire.send(length(msgpack.packb([REQUEST, {"RequestID": request_id}, body])))
        frame = wire.reply()
        assert type(frame.raw) is bytes
        wire.check(frame)
    assert frame.body["name"] == "名"


BAD_PAYLOADS = {
    "nil": b"\xc0",
    "int": b"\x02",
    "str": b"\xa3abc",
    "map": b"\x80",
    "never used byte": b"\xc1",
    "no elements": b"\x90",
    "two elements": b"\x92\x02\xc0",
    "four elements": b"\x94\x02\xc0\xc0\xc0",
    "array of 2**32-1": b"\xdd\xff\xff\xff\xff",
    "map of 2**32-1": b"\x93\x02\xdf\xff\xff\xff\xff",
    "bin of 2**32-1": b"\x93\x02\xc0\xc6\xff\xff\xff\xff",
    "cut short": FIND[4:-1],
    "only the array's byte": b"\x93",
    "a byte after the array": FIND[4:] + b"\xc0",
    "a frame after the array": FIND[4:] + FIND,
    "header int": b"\x93\x02\x01\xc0",
    "header str": b"\x93\x02\xa4Find\xc0",
    "header array": b"\x93\x02\x90\xc0",
    "header bin": b"\x93\x02\xc4\x00\xc0",
    "header true": b"\x93\x02\xc3\xc0",
    "header key bytes": b"\x93\x02\x82\xa9RequestID\xa4Find\xc4\x01k\x01\xc4\x0a" + b'{"id":"n"}',
    "header key int": b"\x93\x02\x82\xa9RequestID\xa4Find\x01\x01\xc4\x0a" + b'{"id":"n"}',
    "header key nil": b"\x93\x02\x82\xa9RequestID\xa4Find\xc0\x01\xc4\x0a" + b'{"id":"n"}',
    "header key array": b"\x93\x02\x81\x91\x01\x01\xc0",
    "header key map": b"\x93\x02\x81\x80\x01\xc0",
    "body int": b"\x93\x02\x81\xa9RequestID\xa4Find\x01",
    "body map": b"\x93\x02\x81\xa9RequestID\xa4Find\x81\xa2id\xa1x",
    "body array": b"\x93\x02\x81\xa9RequestID\xa4Find\x90",
    "body true": b"\x93\x02\x81\xa9RequestID\xa4Find\xc3",
    "body str not UTF-8": b"\x93\x02\x81\xa9RequestID\xa4Find\xa2\xff\xfe",
    "body nil where fields are required": native(REQUEST, {"RequestID": "Find"})[4:],
    "body empty": native(REQUEST, {"RequestID": "Find"}, b"")[4:],
    "nested arrays": b"\x93\x02" + b"\x91" * 3000,
    "nested maps": b"\x93\x02" + b"\x81\xa1a" * 3000,
}


@pytest.mark.fault(22)
@pytest.mark.parametrize("name", BAD_PAYLOADS)
def test_payload_well_framed_but_wrong(wire, name):
    """Bad msgpack, not 3 elements, trailing bytes, wrong types: 1000, later frames work."""
    wire.refused(length(BAD_PAYLOADS[name]))


@pytest.mark.fault(22)
@pytest.mark.parametrize("where", ["payload", "element", "message id", "header", "value", "body"])
@pytest.mark.parametrize(
    "ext",
    [
        b"\xd4\x05x",
        b"\xd5\x05xx",
        b"\xd6\xff\0\0\0\0",
        b"\xd7\xff" + b"\0" * 8,
        b"\xd8\x05" + b"x" * 16,
        b"\xc7\x00\x05",
        b"\xc7\x0c\xff" + b"\0" * 12,
        b"\xc8\x00\x01\x05x",
        b"\xc9\0\0\0\x01\x05x",
    ],
    ids=lambda ext: ext[:2].hex(),
)
def test_extension_types(wire, ext, where):
    """No extension types, timestamps included, in any place."""
    rest = b'\xc4\x0a{"id":"n"}'
    wire.refused(
        length(
            {
                "payload": ext,
                "element": b"\x93" + ext + ext + ext,
                "message id": b"\x93" + ext + b"\x81\xa9RequestID\xa4Find" + rest,
                "header": b"\x93\x02" + ext + rest,
                "value": b"\x93\x02\x82\xa9RequestID\xa4Find\xa1x" + ext + rest,
                "body": b"\x93\x02\x81\xa9RequestID\xa4Find" + ext,
            }[where]
        )
    )


def test_header_of_32_entries_and_of_33(wire):
    """A header has at most 32 entries."""
    many = {f"k{n}": n for n in range(31)}
    wire.send(ask("Find", {"id": "n"}, **many))
    wire.check(wire.reply(), 1002)
    wire.refused(ask("Find", {"id": "n"}, **many, one_more=1))
    wire.refused(native(HEARTBEAT, {"Seq": 1, **many, "one_more": 1}))


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "bomb",
    [b"\x90" * 1_000_000, b"\x80" * 1_000_000, b"\xdd\x00\x0f\x00\x00" + b"\x90" * 983_040],
    ids=["many arrays", "many maps", "one long array"],
)
def test_msgpack_bombs(wire, bomb):
    """Bounded, so a megabyte of empty lists is refused at once."""
    wire.send(length(b"\x93\x02" + bomb))
    wire.check(wire.reply(1.0), 1000)
    wire.ping()


@pytest.mark.parametrize("header", [None, {}, {"Seq": 1}, {"requestid": "Find"}])
def test_request_without_request_id(wire, header):
    """RequestID names the operation: without it 1000."""
    wire.refused(native(REQUEST, header, {"id": "n"}))


@pytest.mark.parametrize(
    "request_id", ["", "Findd", "Delete", "find\n", "x" * 5000, 5, None, True, ["Find"], {}]
)
def test_unknown_request_id(wire, request_id):
    """An unknown RequestID, or one of the wrong type: 1000."""
    wire.refused(native(REQUEST, {"RequestID": request_id}, {"id": "n"}))
