"""Frames of a browser, read without a socket: in any pieces, whole, wrong, without an end."""

import struct
from itertools import pairwise
from random import Random

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage
from wsproto.events import Ping as SentPing
from wsproto.events import Pong as SentPong

from taskdashd.web.frames import Aside, Closed, MessageDecoder, Payload, Ping, Text

MAX = 1000

pytestmark = pytest.mark.fault(46)


def read(*pieces: bytes) -> list[Payload]:
    """Give what a decoder makes of bytes that come in these pieces."""
    decoder, found = MessageDecoder(MAX), []
    for piece in pieces:
        decoder.feed(piece)
        while (payload := decoder.next_payload()) is not None:
            found.append(payload)
    return found


def frame(
    payload: bytes, opcode: int = 1, *, last: bool = True, mask: bytes = b"\1\2\3\4"
) -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([0x80 * last | opcode]) + length + mask + masked


STREAM = [
    (frame(b"one"), Text(b"one")),
    (frame(b""), Text(b"")),
    (frame("王".encode() * 100), Text("王".encode() * 100)),
    (frame(b"ping", 9), Ping(b"ping")),
    (frame(b"", 10), Aside()),
    (frame("王".encode()[:1], last=False), Aside()),
    (frame(b"", 0, last=False), Aside()),
    (frame(b"between", 9), Ping(b"between")),
    (frame("王".encode()[1:], 0), Text("王".encode())),
    (frame(b"\x03\xe8bye", 8), Closed(1000, "bye")),
    (frame(b"after the end"), None),
]


def test_a_stream_is_read_whatever_pieces_it_comes_in() -> None:
    """Split at every byte, and into single bytes: the same comes out."""
    stream = b"".join(one for one, _ in STREAM)
    wanted = [payload for _, payload in STREAM if payload is not None]
    assert read(stream) == wanted
    assert read(*(bytes([byte]) for byte in stream)) == wanted
    for at in range(len(stream)):
        assert read(stream[:at], stream[at:]) == wanted


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x8f\x80", 1002),
        (b"\x81\x05hello", 1002),
        (b"\xc1\x80", 1002),
        (b"\x09\x80", 1002),
        (b"\x89\xfe\x00\x7e", 1002),
        (b"\x81\xfe\x00\x7d", 1002),
        (b"\x81\xff" + bytes(7) + b"\x10", 1002),
        (frame(b"x", 0), 1002),
        (frame(b"x", last=False) + frame(b"x"), 1002),
        (frame(b"x", 2), 1003),
        (frame(b"\xff"), 1007),
        (frame(b"\xe7", last=False) + frame(b"x", 0), 1007),
        (b"\x81\xfe" + struct.pack(">H", MAX + 1), 1009),
        (b"\x81\xff\x7f" + b"\xff" * 7, 1009),
        (frame(b"x" * MAX, last=False) + frame(b"x", 0), 1009),
        (frame(b"x", 8), 1002),
        (frame(b"\x03\xed", 8), 1002),
        (frame(b"\x00\x01", 8), 1002),
        (frame(b"\x03\xe8\xff", 8), 1007),
        (frame(b"", 8), None),
    ],
)
def test_what_is_wrong_ends_the_stream_with_its_code(data: bytes, code: int | None) -> None:
    """The code says why (RFC 6455, 7.4.1); a length is believed no further than its limit."""
    found = read(data + frame(b"") * 3)
    assert isinstance(found[-1], Closed)
    assert found[-1].code == code
    assert [one for one in found if isinstance(one, Closed | Text)] == [found[-1]]


def test_a_message_without_an_end_is_counted_and_stays_unfinished() -> None:
    """Fragments are held and counted, and neither they nor pings between them finish anything."""
    decoder = MessageDecoder(MAX)
    decoder.feed(frame(b"x" * 100, last=False))
    for number in range(3):
        assert decoder.next_payload() == Aside()
        assert decoder.has_partial
        assert decoder.buffered_bytes == 100 * (number + 1)
        decoder.feed(frame(b"", 9) + frame(b"x" * 100, 0, last=False))
        assert decoder.next_payload() == Ping(b"")
    assert decoder.messages_in == 0
    decoder.next_payload()
    decoder.feed(frame(b"", 0))
    assert decoder.next_payload() == Text(b"x" * 400)
    assert (decoder.messages_in, decoder.buffered_bytes, decoder.has_partial) == (1, 0, False)


def test_what_a_browser_sends_is_read_as_it_was_meant() -> None:
    """A hundred random streams of wsproto's, in random pieces."""
    for seed in range(100):
        random, sent = Random(seed), Connection(ConnectionType.CLIENT)
        stream, wanted = b"", []
        for _ in range(random.randrange(12)):
            text = "".join(random.choices("aé王🎬", k=random.choice((0, 1, 40, 200))))
            if random.random() < 0.3:
                stream += sent.send(SentPing(text.encode()[:100]))
                wanted.append(Ping(text.encode()[:100]))
            parts = [text[at : at + 50] for at in range(0, len(text), 50)] or [""]
            for number, part in enumerate(parts):
                is_last = number == len(parts) - 1
                stream += sent.send(TextMessage(part, message_finished=is_last))
                wanted.append(Text(text.encode()) if is_last else Aside())
                if random.random() < 0.2:
                    stream += sent.send(SentPong(b""))
                    wanted.append(Aside())
        stream += sent.send(CloseConnection(1000, "bye"))
        wanted.append(Closed(1000, "bye"))
        cuts = sorted(random.choices(range(len(stream) + 1), k=5))
        pieces = [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]
        assert read(*pieces) == wanted, seed


def test_garbage_never_raises() -> None:
    """Random bytes end the stream, or wait for more; what waits is counted."""
    for seed in range(3000):
        random, decoder = Random(seed), MessageDecoder(MAX)
        data = random.randbytes(random.randrange(60))
        decoder.feed(data)
        while decoder.next_payload() is not None:
            pass
        assert decoder.buffered_bytes <= len(data)
