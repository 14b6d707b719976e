"""The decoder against streams of any frames, cut at any byte; and against noise."""

import os
import time
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import load

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
