"""The golden vectors, each whole, byte by byte, and with more behind it."""

import json
import re
from typing import Any

import pytest
from vectors import load

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest, FrameError
from taskdash_protocol.frames import TASKDASH, TCPX, Decoder, Malformed, Message, echo
from taskdash_protocol.requests import REQUESTS

FRAMES = load("frames")
REQUEST_VECTORS = load("requests")
REPLIES = load("replies")
FRAMINGS = {"taskdash": TASKDASH, "tcpx": TCPX}


def named(vectors: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector["name"])


def as_bytes(value: Any) -> Any:
    return None if value is None else value.encode()


def decode(pieces: list[bytes], framing: Any = None) -> tuple[list[Any], bool, Decoder]:
    """Feed pieces; give what came out, and whether the stream was lost."""
    decoder, out = Decoder(framing=framing), []
    try:
        for piece in pieces:
            decoder.feed(piece)
            while (message := decoder.next()) is not None:
                out.append(message)
    except FrameError:
        return out, True, decoder
    return out, False, decoder


def check(vector: dict[str, Any], out: list[Any]) -> None:
    if vector["valid"]:
        wanted = [
            Message(m["message_id"], m["header"], as_bytes(m["body"]), m["encoded_twice"])
            for m in vector["messages"]
        ]
        assert out == wanted
    elif not vector["fatal"]:
        (malformed,) = out
        assert isinstance(malformed, Malformed)
        assert malformed.error.errid == vector["errid"]
        assert echo(malformed.header) == (vector["header"] or {})


@named(FRAMES)
@pytest.mark.parametrize("way", ["whole", "bytewise", "trailing"])
def test_a_frame_means_the_same_however_it_arrives(vector: dict[str, Any], way: str) -> None:
    data = bytes.fromhex(vector["hex"])
    framing = FRAMINGS[vector["framing"]]
    if way == "trailing" and not vector.get("fatal"):
        data += framing.heartbeat
    pieces = [data] if way != "bytewise" else [bytes([byte]) for byte in data]
    out, lost, decoder = decode(pieces)
    assert lost == vector.get("fatal", False)
    if way == "trailing" and not lost:
        assert out.pop() == Message(1392, None, None)
    check(vector, out)
    if not lost:
        assert decoder.framing is framing
        assert decoder.buffered_bytes == 0


@named(REQUEST_VECTORS)
def test_a_request_is_accepted_or_refused_for_the_field_that_is_wrong(
    vector: dict[str, Any],
) -> None:
    (message,), _, _ = decode([bytes.fromhex(vector["hex"])])
    assert message.header == {"RequestID": vector["request"]}
    if vector["request"] not in REQUESTS:
        of_none = f"the vector {vector['name']!r} is of {vector['request']}, which is not declared"
        assert not vector["valid"], of_none
        return
    kind = REQUESTS[vector["request"]]
    try:
        request, refusal = kind.parse(strictjson.loads_object(message.body)), ""
    except BadRequest as error:
        request, refusal = None, error.detail
    said = f"the vector {vector['name']!r} is {f'refused: {refusal}' if refusal else 'accepted'}"
    if vector["valid"]:
        assert request is not None, said
        assert message.body == vector["body"].encode(), f"{said}: run tools/declare"
        # The body that a client would send for this request is parsed as the same request.
        assert kind.parse(json.loads(json.dumps(request.to_body()))) == request
    else:
        assert request is None, f"{said}, and not refused for {vector['detail']!r}"
        assert re.search(vector["detail"], refusal), f"{said}, and not for {vector['detail']!r}"


@named(REPLIES)
def test_what_the_daemon_says_is_encoded_to_the_byte(vector: dict[str, Any]) -> None:
    framing, body = FRAMINGS[vector["framing"]], as_bytes(vector["body"])
    header = vector["header"]
    if vector["kind"] == "reply":
        frame = framing.reply(header, body, encoded_twice=vector["encoded_twice"])
    elif vector["kind"] == "event":
        frame = framing.event(header, body)
    else:
        frame = framing.beat(header)
    assert frame.hex() == vector["hex"]
    # Decode the frame again: encoder and decoder are tested against one another.
    ((message, *rest), lost, _) = decode([frame], framing)
    assert not rest
    assert not lost
    assert message.header == header
    assert message.body == body
