"""Replies read by msgspec, and without it: whatever the daemon sends, the client takes it alike."""

import json
import sys
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskdash_protocol import conversation
from taskdash_protocol.conversation import (
    MANY,
    Bye,
    Conversation,
    ReadPlain,
    Reply,
    TaskEvent,
    none_is_plain,
)
from taskdash_protocol.errors import FrameError, TaskDashError
from taskdash_protocol.families.tasks import Find
from taskdash_protocol.frames import TASKDASH
from taskdash_protocol.replies import BYTES_MAX, plain_replies

AWAITED = {2: "Register", 7: "Register", 300: "Find", 70_000: "Update"}


def told(error: BaseException) -> tuple[object, ...]:
    values = getattr(error, "values", None)
    return type(error), str(error), getattr(error, "cause", None), values


def taken(read: ReadPlain, data: bytes) -> list[object]:
    """Give all that a client makes of some bytes: types, values, errors, what it still awaits."""
    talk = Conversation("me/1")
    talk._awaited = dict(AWAITED)
    talk._plain_replies = read
    seen: list[object] = []
    try:
        for said in talk.receive(data, 5.0):
            if isinstance(said, Reply):
                # The repr tells 1 from 1.0 and True, and shows the order of the members.
                error = said.error if said.error is None else told(said.error)
                seen.append((said.seq, repr(said.body), error))
            else:
                assert isinstance(said, TaskEvent | Bye)
                seen.append(repr(said))
    except (TaskDashError, FrameError) as error:
        seen += told(error)
    return [*seen, talk._awaited, talk.heard_at]


# Bodies, as text: right ones, and wrong in each way that one library may see and the other not

INTEGERS = st.sampled_from(
    [0, -1, 1, 2**53, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**19, 10**40]
)
ODD = (
    *(
        "-0",
        "01",
        "1.0",
        "1e2",
        "1E400",
        "-",
        "+1",
        ".5",
        "1.",
        "0x1",
        "NaN",
        "Infinity",
        "-1e-400",
    ),
    *("null", "true", "false", "tru", "[]", "{}", '[{"a":[1]}]', '{"a":{"b":1}}', "", "'a'"),
    *(r'"\ud800"', r'"\udc00"', r'"\ud83d\ude00"', r'"\ud83dx"', r'"\u00e"', r'"\x"', r'"\/\b\f"'),
    *('"a\tb"', '"a\x00b"', '"\x7f"', '"', '"\\"', '"\\\\"', '"9223372036854775808"', "1 2"),
)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give what is odd once in ten: with more of it nearly every frame would be wrong somewhere."""
    return st.integers(0, 9).flatmap(lambda number: odd if number == 9 else usual)


def one_of(*some: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(some)


VALUES = mostly(
    st.integers(-(2**63), 2**63 - 1).map(str)
    | st.text(max_size=8).map(lambda text: '"' + text.translate({34: 92, 92: None}) + '"')
    | st.text(max_size=8).map(json.dumps),
    INTEGERS.map(str)
    | st.sampled_from(ODD)
    | st.integers(30, 40).map(nested)
    | st.floats().map(repr),
)
KEYS = one_of("errid", "errmsg", "id", "rev", "detail", "values", "", "\\u0061")
ERRID = mostly(one_of('"errid":0', '"errid":1004', '"errid":-1'), one_of('"errid":0.0', '"x":1'))


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    members = [f'"{key}":{draw(VALUES)}' for key in draw(st.lists(KEYS, max_size=4))]
    members.insert(draw(st.integers(0, len(members))), draw(ERRID))
    comma = draw(mostly(one_of(",", " ,\n"), one_of(",\f", ",,", ";")))
    before, after = draw(mostly(one_of(("{", "}"), (" {\t", "}\r ")), one_of(*AROUND)))
    return bytes((before + comma.join(members) + after).encode("utf-8", "surrogatepass"))


AROUND = (
    ("{", "}x"),
    ("{", ",}"),
    ("[{", "}]"),
    ("\ufeff{", "}"),
    ("", ""),
    ("{", ""),
    ("{", "}}"),
)

# Frames around them

SEQ, REQUEST_ID = msgpack.packb("Seq"), msgpack.packb("RequestID")
SEQS = mostly(
    one_of(
        b"\x07", b"\xcc\x07", b"\xcd\x00\x07", b"\xd3" + bytes(7) + b"\x07", b"\x02", b"\xd0\x07"
    ),
    one_of(8, -7, 2**64 - 1, 7.0, True, None, "7", b"7", [7], {}).map(msgpack.packb),
)
ODD_PAIRS = st.tuples(
    one_of("Seq", "RequestID", "Watch", "Bye", "", 1, b"Seq", None).map(msgpack.packb),
    one_of(7, 300, 7.0, None, "Find", b"Find", [], {}).map(msgpack.packb),
)
NAMES = mostly(
    one_of(b"\xa4Find", b"\xd9\x04Find"), one_of(b"\xc0", b"\x05", b"\xa1\xff", b"\xc4\x00")
)


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    pairs = [(REQUEST_ID, draw(NAMES)), (SEQ, draw(SEQS))]
    pairs += draw(mostly(st.just([]), st.lists(ODD_PAIRS, min_size=1, max_size=2)))
    pairs = draw(mostly(st.permutations(pairs), st.just(pairs[1:])))
    count = len(pairs)
    start = draw(one_of(bytes([0x80 | count]), b"\xde" + count.to_bytes(2, "big")))
    return bytes(start + b"".join(name + value for name, value in pairs))


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Give `[2, header, body]` as it can be packed, with something odd now and then."""
    body = draw(texts())
    as_text = draw(mostly(st.just(False), st.just(True)))
    parts = (
        draw(mostly(one_of(b"\x93", b"\xdc\x00\x03"), one_of(b"\x92", b"\x94"))),
        draw(mostly(one_of(b"\x02", b"\xcc\x02"), one_of(b"\x03", b"\xc3", b"\xcb" + bytes(8)))),
        draw(mostly(headers(), one_of(b"\xc0", b"\x90", b"\x80"))),
        msgpack.packb(body.decode("latin-1") if as_text else body),
        draw(mostly(st.just(b""), one_of(b"\xc0", b"\xc1"))),
    )
    return b"".join(parts)


@st.composite
def mutated(draw: st.DrawFn, of: st.SearchStrategy[bytes]) -> bytes:
    data = bytearray(draw(of))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def ordinary(seq: int) -> bytes:
    return TASKDASH.reply(
        {"RequestID": "Register", "Seq": seq}, b'{"id":"a","epoch":1,"rev":4,"errid":0}'
    )


@settings(max_examples=400)
@given(mutated(payloads()), st.integers(0, 200))
@example(b"", 100)
@example(b"\xc1", 100)
def test_a_frame_is_taken_alike_with_msgspec_and_without(payload: bytes, cut: int) -> None:
    """Made up or mutated, right or wrong; also what is before and behind it, and a part of all."""
    data = ordinary(2) + framed(payload) + ordinary(300)
    assert taken(plain_replies, data) == taken(none_is_plain, data)
    cut = data[:cut]
    assert taken(plain_replies, cut) == taken(none_is_plain, cut)


@settings(max_examples=400)
@given(texts())
def test_a_body_is_taken_alike_with_msgspec_and_without(body: bytes) -> None:
    """Depth, integers beyond 64 bits, keys said twice, what is no UTF-8: all as strictjson says."""
    data = TASKDASH.reply({"RequestID": "Find", "Seq": 7}, body)
    assert taken(plain_replies, data) == taken(none_is_plain, data)


def test_what_is_written_most_is_plain() -> None:
    """A test above would hold as well if nothing were plain."""
    text = b'{"id":"\xe5\xa4\x87","epoch":1,"rev":12,"errid":0,"errmsg":"\\u6b63"}'
    body = {"id": "备", "epoch": 1, "rev": 12, "errid": 0, "errmsg": "正"}
    frame = TASKDASH.reply({"RequestID": "Register", "Seq": 70_000}, text)
    assert plain_replies(frame, 0) == ([(70_000, body)], len(frame))


@pytest.mark.parametrize(
    "frame",
    [
        TASKDASH.reply({"RequestID": "Find", "Seq": 7, "x": 1}, b'{"errid":0}'),
        TASKDASH.reply({"Seq": 7}, b'{"errid":0}'),
        TASKDASH.event({"RequestID": "Find", "Seq": 7}, b'{"errid":0}'),
        TASKDASH.reply({"RequestID": "Find", "Seq": 7}, b'{"errid":0,"tasks":[]}'),
        TASKDASH.reply({"RequestID": "Find", "Seq": 7}, b'{"errid":0,"late_s":1.5}'),
        TASKDASH.reply({"RequestID": "Find", "Seq": 7}, b'{"errid":9223372036854775808}'),
        TASKDASH.reply({"RequestID": "Find", "Seq": 7}, b'{"errid":0,"x":"%b"}' % bytes(BYTES_MAX)),
        TASKDASH.reply(
            {"RequestID": "Find", "Seq": 7}, b'{"errid":0,"x":"%b"}' % (b"a" * BYTES_MAX)
        ),
        TASKDASH.heartbeat,
        ordinary(7)[:-1],
    ],
)
def test_all_else_is_left_to_the_general_way(frame: bytes) -> None:
    before = ordinary(7)
    assert plain_replies(before + frame, len(before)) == ([], len(before))
    (one,), end = plain_replies(before + frame + before, 0)
    assert (one[0], end) == (7, len(before))


def asked(talk: Conversation, times: int) -> None:
    for _ in range(times):
        talk.ask(Find("a"))


def test_msgspec_is_imported_for_many_requests_only() -> None:
    """A program that asks once, such as taskdash-ctl, does not pay for the import."""
    talk = Conversation("me/1")
    asked(talk, MANY)
    talk.receive(TASKDASH.reply({"RequestID": "Find", "Seq": 1}, b'{"errid":0}'), 1.0)
    assert talk._plain_replies is None
    asked(talk, 1)
    talk.receive(TASKDASH.reply({"RequestID": "Find", "Seq": 2}, b'{"errid":0}'), 1.0)
    assert talk._plain_replies is plain_replies


@pytest.mark.parametrize("there", [False, True])
def test_without_msgspec_the_client_goes_on(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with one that is too old, which something else may have brought."""
    if there:
        monkeypatch.setattr("msgspec.__version__", "0.18.6")
    else:
        monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.delitem(sys.modules, "taskdash_protocol.replies")
    conversation._reader.cache_clear()
    try:
        talk = Conversation("me/1")
        asked(talk, MANY + 1)
        (said,) = talk.receive(TASKDASH.reply({"RequestID": "Find", "Seq": 5}, b'{"errid":0}'), 1.0)
        assert said == Reply(5, {"errid": 0}, None)
        assert talk._plain_replies is none_is_plain
    finally:
        conversation._reader.cache_clear()
