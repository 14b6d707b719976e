"""The decoder against streams of any frames, cut at any byte; and against noise."""

import os
import time
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import load

from taskdash_protocol import frames, strictjson
from taskdash_protocol.errors import BadRequest, FrameError
from taskdash_protocol.frames import (
    TASKDASH,
    TCPX,
    Decoder,
    Framing,
    Malformed,
    Message,
    check_header,
    echo,
)

scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=8))
headers = st.dictionaries(st.text(max_size=6), scalars, max_size=5)
bodies = st.one_of(st.none(), st.text(max_size=300).map(str.encode).filter(bool))
framings = st.sampled_from((TASKDASH, TCPX))


def take_all(decoder: Decoder) -> list[Message | Malformed]:
    out = []
    while (message := decoder.next()) is not None:
        out.append(message)
    return out


@pytest.mark.fault(20)
@given(
    framings,
    st.lists(st.one_of(st.just("beat"), st.tuples(headers, bodies)), max_size=8),
    st.data(),
)
def test_any_stream_cut_anywhere_gives_the_same_frames(
    framing: Framing, parts: list[Any], data: st.DataObject
) -> None:
    stream, wanted = b"", []
    for part in parts:
        if part == "beat":
            stream += framing.heartbeat
            wanted.append((1392, None, None))
        else:
            header, body = part
            if framing is TCPX and body is not None and body.lstrip()[:1] == b'"':
                body = b"{}"
            stream += framing.request(header, body)
            wanted.append((2, header, body))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder, out = Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.feed(stream[start:end])
        out += take_all(decoder)
    assert [tuple(message[:3]) for message in out] == wanted
    assert decoder.buffered_bytes == 0
    assert not decoder.has_frame


@given(st.integers(1, 64), st.integers(0, 80))
def test_the_limit_is_on_the_length_field(limit: int, length: int) -> None:
    decoder = Decoder(limit)
    decoder.feed(length.to_bytes(4, "big"))
    if 1 <= length <= limit:
        assert decoder.next() is None
        assert not decoder.has_frame
    else:
        assert decoder.has_frame
        for _ in range(2):
            with pytest.raises(FrameError):
                decoder.next()


def test_a_length_alone_reserves_no_memory() -> None:
    import tracemalloc

    decoder = Decoder(1 << 30)
    tracemalloc.start()
    try:
        decoder.feed((1 << 30).to_bytes(4, "big") + b"\x93")
        assert decoder.next() is None
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_an_idle_decoder_keeps_nothing_of_its_last_burst() -> None:
    decoder = Decoder()
    decoder.feed(TASKDASH.request({}, b"x" * 500_000))
    assert isinstance(decoder.next(), Message)
    assert decoder._data == b""


def many_lists(levels: int) -> bytes:
    value: Any = []
    for _ in range(levels):
        value = [value] * 32
    return bytes(msgpack.packb(value))


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"\x91" * (1 << 20), id="depth"),
        pytest.param(b"\x93\x02" + many_lists(3), id="a-million-lists"),
        pytest.param(b"\x93\x02\xdd" + b"\xff" * 4, id="array32"),
        pytest.param(b"\x93\x02\xdf" + b"\xff" * 4, id="map32"),
        pytest.param(b"\x93\x02\x81\x90\x01\xc0", id="list-as-key"),
        pytest.param(b"\x93\x02\xc0\xc9" + b"\x00\x0f\xff\xff\x01" + b"x" * 100_000, id="ext32"),
    ],
)
def test_a_bomb_is_refused_for_the_price_of_reading_it(payload: bytes) -> None:
    """Work is bounded by the payload's size, not by what it claims or nests."""
    started = time.process_time()
    refused = TASKDASH.decode(payload)
    assert isinstance(refused, Malformed)
    # Generous for a loaded machine: unbounded it takes a hundred times as long.
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("seq", [[1], {"a": 1}])
def test_a_seq_that_is_no_scalar_is_refused_and_not_echoed(seq: Any) -> None:
    with pytest.raises(BadRequest, match="Seq"):
        check_header({"Seq": seq})
    assert echo({"RequestID": "Find", "Seq": seq}) == {"RequestID": "Find"}


SEEDS = [bytes.fromhex(vector["hex"]) for vector in load("frames")]


def mangle(data: st.DataObject, frame: bytes) -> bytes:
    """Change some bytes behind the length, so that the noise reaches the payload's parser."""
    changed = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        if len(changed) > 4:
            changed[data.draw(st.integers(4, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed)


@given(st.sampled_from(SEEDS), st.data())
def test_mangled_frames_give_messages_or_protocol_errors(frame: bytes, data: st.DataObject) -> None:
    survive(mangle(data, frame))


@given(st.binary(max_size=200))
def test_noise_gives_messages_or_protocol_errors(noise: bytes) -> None:
    survive(noise)
    survive(len(noise).to_bytes(4, "big") + noise)


def survive(stream: bytes) -> None:
    decoder = Decoder(4096)
    decoder.feed(stream)
    try:
        for message in take_all(decoder):
            assert isinstance(message, Message | Malformed)
    except FrameError:
        return


@pytest.mark.soak
def test_two_minutes_of_fuzzing_raise_nothing_but_protocol_errors() -> None:
    """The plain mutator: no shrinking, no bookkeeping, as many inputs as there is time for."""
    import random

    seed = int.from_bytes(os.urandom(8), "big")
    print(f"seed {seed}")
    source, deadline, count = random.Random(seed), time.monotonic() + 120, 0
    while time.monotonic() < deadline:
        for _ in range(1000):
            stream = bytearray(b"".join(source.choices(SEEDS, k=source.randint(1, 3))))
            for _ in range(source.randint(0, 6)):
                at = source.randrange(len(stream))
                action = source.random()
                if action < 0.6:
                    stream[at] = source.randrange(256)
                elif action < 0.8:
                    del stream[at : at + source.randint(1, 4)]
                else:
                    stream[at:at] = source.randbytes(source.randint(1, 8))
                if not stream:
                    break
            survive(bytes(stream))
            count += 1
    print(f"{count} streams")


# What stands on the wire


def test_the_numbers_of_the_wire() -> None:
    numbers = (frames.REQUEST, frames.EVENT, frames.HEARTBEAT, frames.TCPX_REPLY, frames.TCPX_TOKEN)
    assert numbers == (2, 3, 1392, 4, 1393)
    assert frames.FRAME_BYTES_MAX == 1 << 20
    assert Decoder().frame_bytes_max == 1 << 20


def payload_of(frame: bytes) -> bytes:
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    return frame[4:]


HEADERS = (
    {},
    {"RequestID": "Find"},
    {"RequestID": "界" * 32},
    {"RequestID": "x" * 33},
    {"RequestID": 7},
    {"Seq": 7},
    {"RequestID": "Find", "Seq": 7},
)


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("size", [None, 0, 1, 255, 256, 65_535, 65_536, 70_000])
def test_a_frame_is_encoded_as_any_encoder_would(header: Any, size: int | None) -> None:
    """The shortest form of each part, and the header from a cache as from none."""
    body = None if size is None else b"x" * size
    for message_id, frame in (
        (2, TASKDASH.request(header, body)),
        (2, TASKDASH.reply(header, body)),
        (2, TASKDASH.reply(header, body, encoded_twice=True)),
        (3, TASKDASH.event(header, body or b"")),
        (1392, TASKDASH.beat(header)),
    ):
        told = None if message_id == 1392 else (body or b"" if message_id == 3 else body)
        assert payload_of(frame) == msgpack.packb([message_id, header, told])
    for message_id, frame in (
        (2, TCPX.request(header, body)),
        (4, TCPX.reply(header, body)),
        (3, TCPX.event(header, body or b"")),
        (1392, TCPX.beat(header)),
    ):
        told = b"" if message_id == 1392 else body or b""
        head = strictjson.dumps(header)
        lengths = b"".join(n.to_bytes(4, "big") for n in (message_id, len(head), len(told)))
        assert payload_of(frame) == lengths + head + told


@pytest.mark.parametrize("size", [0, 255, 256, 65_535, 65_536])
@pytest.mark.parametrize(
    "seq", [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1]
)
def test_a_numbered_request_is_the_frame_of_its_header(seq: int, size: int) -> None:
    """To the byte: a daemon may know a frame by how it begins."""
    for name in ("Find", "x" * 40):
        header, body = {"RequestID": name, "Seq": seq}, b" " * size
        assert TASKDASH.numbered(name, seq, body) == TASKDASH.request(header, body)


def test_the_heartbeats_are_frames_of_their_framing() -> None:
    assert TASKDASH.heartbeat == bytes.fromhex("00000006 93cd0570 c0 c0")
    assert TCPX.heartbeat == bytes.fromhex("00000010 00000570 00000004 00000000") + b"null"
    for framing in (TASKDASH, TCPX):
        assert framing.heartbeat_payload == payload_of(framing.heartbeat)
        assert framing.decode(framing.heartbeat_payload) == Message(1392, None, None)
        decoder = Decoder(framing=framing)
        decoder.feed(framing.heartbeat)
        assert decoder.next() == Message(1392, None, None)


# Payloads that are wrong


@pytest.mark.parametrize(
    ("value", "said", "header"),
    [
        ({}, "an array of exactly three elements", None),
        ([2, None], "an array of exactly three elements", None),
        ([2, None, None, None], "an array of exactly three elements", None),
        ([2, 7, None], "the header must be a map or nil", None),
        ([2, [], None], "the header must be a map or nil", None),
        ([2, {b"a": 1}, None], "the header's keys must be strings", None),
        ([2, {"a": 1, b"b": 1}, None], "the header's keys must be strings", None),
        ([True, {"Seq": 1}, None], "the MessageID must be an integer", {"Seq": 1}),
        (["2", {"Seq": 1}, None], "the MessageID must be an integer", {"Seq": 1}),
        ([2, {"Seq": 1}, 7], "the body must be bin, str or nil", {"Seq": 1}),
        ([2, {"Seq": 1}, {}], "the body must be bin, str or nil", {"Seq": 1}),
    ],
)
def test_a_payload_that_is_no_message(value: Any, said: str, header: Any) -> None:
    """The header is told where it could be read: the refusal echoes it."""
    refused = TASKDASH.decode(msgpack.packb(value))
    assert isinstance(refused, Malformed)
    assert said in refused.error.detail
    assert refused.header == header


@pytest.mark.parametrize(
    ("body", "read"), [("a界", "a界".encode()), (b"a", b"a"), (b"", b""), ("", b""), (None, None)]
)
def test_a_body_is_text_or_bytes(body: Any, read: bytes | None) -> None:
    assert TASKDASH.decode(msgpack.packb([5, {"a": 1}, body])) == Message(5, {"a": 1}, read)
    assert TASKDASH.decode(msgpack.packb([5, None, body])) == Message(5, None, read)


def tcpx(message_id: int, header: bytes, body: bytes, more: int = 0) -> bytes:
    lengths = (message_id, len(header), len(body) + more)
    return b"".join(n.to_bytes(4, "big") for n in lengths) + header + body


@pytest.mark.parametrize(
    ("payload", "said", "header"),
    [
        (b"", "too short for its three length fields", None),
        (b"\0" * 11, "too short for its three length fields", None),
        (tcpx(2, b"{}", b"{}", 1), "do not add up", None),
        (tcpx(2, b"{}", b"{}", -1), "do not add up", None),
        (tcpx(2, b"[]", b"{}"), "the header is not a JSON object", None),
        (tcpx(2, b"{", b"{}"), "the header is not valid JSON", None),
        (
            tcpx(2, strictjson.dumps({str(n): n for n in range(33)}), b"{}"),
            "the header has more than 32 entries",
            {str(n): n for n in range(33)},
        ),
        (tcpx(2, b'{"Seq":1}', b'"'), "the body is not valid JSON", {"Seq": 1}),
    ],
)
def test_a_payload_of_the_original_framing_that_is_no_message(
    payload: bytes, said: str, header: Any
) -> None:
    refused = TCPX.decode(payload)
    assert isinstance(refused, Malformed)
    assert said in refused.error.detail
    assert refused.header == header


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (tcpx(2, b"", b""), Message(2, None, None)),
        (tcpx(2, b" null ", b"{}"), Message(2, None, b"{}")),
        (tcpx(2, b"{}", b"{}"), Message(2, {}, b"{}")),
        (tcpx(2, b"", b'"{}"'), Message(2, None, b"{}", True)),
        (tcpx(2, b"", b' "{\\"a\\":1}" '), Message(2, None, b'{"a":1}', True)),
        (tcpx(7, b"", b'"{}"'), Message(7, None, b"{}", True)),
        (tcpx(1393, b"", b'"token"'), Message(1393, None, b'"token"')),
        (tcpx(1392, b"", b'"x'), Message(1392, None, b'"x')),
        (
            tcpx(2, strictjson.dumps({str(n): n for n in range(32)}), b""),
            Message(2, {str(n): n for n in range(32)}, None),
        ),
    ],
)
def test_a_message_of_the_original_framing(payload: bytes, message: Message) -> None:
    assert TCPX.decode(payload) == message


def test_a_reply_is_encoded_twice_where_its_request_was() -> None:
    assert TCPX.reply({}, b'{"a":1}', encoded_twice=True).endswith(b'{}"{\\"a\\":1}"')
    assert TCPX.reply({}, None, encoded_twice=True) == TCPX.reply({}, None)
    assert TCPX.reply({}, b"{}") == TCPX.reply({}, b"{}", encoded_twice=False)


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (None, {}),
        ({}, {}),
        ({"RequestID": "Find", "Seq": 1, "x": 2}, {"RequestID": "Find", "Seq": 1}),
        ({"RequestID": 7, "Seq": None}, {"Seq": None}),
        ({"RequestID": "Find"}, {"RequestID": "Find"}),
        ({"Seq": b"x"}, {"Seq": b"x"}),
        ({"Seq": 1.5, "RequestID": None}, {"Seq": 1.5}),
    ],
)
def test_a_reply_repeats_of_a_header_what_names_its_request(header: Any, kept: Any) -> None:
    assert echo(header) == kept
    check_header(header)


# The decoder's buffer


def test_what_waits_in_a_decoder_is_counted() -> None:
    """Whole frames, and the beginning of another, however they came."""
    one = TASKDASH.request({"RequestID": "Find"}, b"x")
    for pieces in ([one * 3 + one[:9]], [one[:5], one[5:] + one * 2, one[:9]]):
        decoder = Decoder()
        assert (decoder.whole_frames, decoder.has_frame, decoder.buffered_bytes) == (0, False, 0)
        for piece in pieces:
            decoder.feed(piece)
        for left in (3, 2, 1, 0):
            assert decoder.whole_frames == left
            assert decoder.has_frame is (left > 0)
            assert decoder.buffered_bytes == left * len(one) + 9
            assert isinstance(decoder.next(), Message) is (left > 0)
        decoder.feed(one[9:])
        assert (decoder.whole_frames, decoder.has_frame) == (1, True)
        assert isinstance(decoder.next(), Message)
        assert decoder.buffered_bytes == 0


@pytest.mark.parametrize("tail", range(9))
def test_the_beginning_of_a_frame_is_none_however_short_it_is(tail: int) -> None:
    """Also behind a frame that was taken, and where not even its length has come."""
    one = TASKDASH.request({"RequestID": "Find"}, b"x")
    decoder = Decoder()
    decoder.feed(one + one[:tail])
    assert isinstance(decoder.next(), Message)
    assert (decoder.has_frame, decoder.whole_frames, decoder.next()) == (False, 0, None)
    decoder.feed(one[tail:])
    assert (decoder.has_frame, decoder.whole_frames) == (True, 1)


@pytest.mark.parametrize("length", [0, 101])
def test_a_frame_whose_length_is_wrong_is_no_whole_one_and_is_there_to_be_refused(
    length: int,
) -> None:
    good = TASKDASH.request({}, b"x")
    decoder = Decoder(100)
    decoder.feed(good * 2 + length.to_bytes(4, "big") + b"\x93" * 200)
    assert decoder.whole_frames == 2
    assert decoder.has_frame
    for _ in range(2):
        assert isinstance(decoder.next(), Message)
    assert (decoder.whole_frames, decoder.has_frame) == (0, True)
    with pytest.raises(FrameError, match=f"a frame of {length} bytes: the length must be 1 to 100"):
        decoder.next()


@pytest.mark.parametrize("length", [1, 100])
def test_frames_of_the_least_and_of_the_greatest_length_are_counted(length: int) -> None:
    decoder = Decoder(100)
    decoder.feed((length.to_bytes(4, "big") + b"\xc0" * length) * 2)
    assert decoder.whole_frames == 2
    assert isinstance(decoder.next(), Malformed)
    assert (decoder.whole_frames, decoder.has_frame) == (1, True)
    decoder.feed(length.to_bytes(4, "big") + b"\xc0" * (length - 1))
    assert isinstance(decoder.next(), Malformed)
    assert (decoder.whole_frames, decoder.has_frame) == (0, False)


def test_the_first_byte_of_the_first_frame_decides_the_framing_for_good() -> None:
    decoder = Decoder()
    decoder.feed(TCPX.heartbeat[:4])
    assert (decoder.next(), decoder.framing) == (None, None)
    decoder.feed(TCPX.heartbeat[4:5])
    assert (decoder.next(), decoder.framing) == (None, TCPX)
    decoder.feed(TCPX.heartbeat[5:] + TASKDASH.heartbeat)
    assert decoder.next() == Message(1392, None, None)
    assert isinstance(decoder.next(), Malformed)
    assert decoder.framing is TCPX
    chosen = Decoder(framing=TASKDASH)
    chosen.feed(TCPX.heartbeat)
    assert isinstance(chosen.next(), Malformed)


def test_a_frame_that_comes_byte_by_byte_is_not_copied_each_time() -> None:
    """A megabyte in pieces would else cost a copy of all before it for each piece."""
    frame = TASKDASH.request({}, b"x" * 300_000)
    decoder = Decoder()
    buffers = set()
    for start in range(0, len(frame), 1000):
        decoder.feed(frame[start : start + 1000])
        buffers.add(id(decoder._data))
        if start + 1000 < len(frame):
            assert decoder.next() is None
    assert len(buffers) <= 2
    message = decoder.next()
    assert isinstance(message, Message)
    assert message.body == b"x" * 300_000
    assert type(message.body) is bytes
