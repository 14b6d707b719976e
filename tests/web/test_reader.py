"""What is read and written without h11 is what h11 would read and write."""

import re
from http import HTTPStatus
from itertools import product
from random import Random
from typing import Any

import h11
import pytest

from taskdashd.web import reader
from taskdashd.web.messages import Headers, Refused, Response
from taskdashd.web.reader import RequestReader

RUNS = 4_000
MORE: Headers = [("x-content-type-options", "nosniff")]
LINES = [
    *(b"Host: pi:8080", b"host: 10.0.0.1", b"Accept: */*", b"User-Agent: curl/7.88.1", b"A:b"),
    *(b"Accept:  text/html,  x", b"X-Y: ", b"Z: 1 ", b"Cookie: a=b", b"Cookie: c=d", b"T:\tx"),
    *(
        b"Connection: close",
        b"connection: keep-alive",
        b"Content-Length: 0",
        b"Expect: 100-continue",
    ),
    *(b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Upgrade: h2c", b"X_Y: 1", b" folded"),
    *(b"Accept\xff: 1", b"X: \xff", b"X: \0", b"X : 1", b": x", b"Origin: http://pi:8080"),
]
FIRST = [
    *(b"GET / HTTP/1.1", b"HEAD /a?b=c HTTP/1.1", b"GET /%41 HTTP/1.1", b"GET /ping/t/i HTTP/1.1"),
    *(
        b"POST / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET  / HTTP/1.1",
        b"get / HTTP/1.1",
        b"GET /\xe9 HTTP/1.1",
    ),
]


def read(data: bytes) -> Any:
    """Read a request whole; give what was read, what is left, and whether another may follow."""
    one, left = RequestReader(), bytearray(data)
    try:
        head = one.take_head(left, ended=False)
        if head is None:
            return None
        progress = one.take_body(left, ended=False, bytes_max=9, keep=9)
    except Refused as error:
        return error.status, one.encode(Response(error.status), b"", closes=True)
    answer = one.encode(Response(HTTPStatus.OK, b"ok"), b"", closes=False)
    return head, progress, one.body(), bytes(left), answer, one.waits_to_go_on


def some(random: Random) -> bytes:
    lines = [random.choice(FIRST[:4] if random.random() < 0.8 else FIRST), LINES[0]]
    for _ in range(random.choice((0, 1, 2, 4))):
        lines.insert(random.randrange(1, len(lines) + 1), random.choice(LINES))
    data = bytearray(b"\r\n".join(lines) + b"\r\n\r\nabc")
    if random.random() < 0.4:
        at = random.randrange(len(data))
        data[at : at + random.randrange(2)] = random.choice((b"\n", b"\r", b" ", b"\0", b"x", b":"))
    return bytes(data)


def test_a_plain_head_is_read_as_h11_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = [some(Random(seed)) for seed in range(RUNS)]
    plain = sum(reader._plain(bytearray(one), len(one) - 3) is not None for one in heads)
    assert RUNS // 8 < plain < RUNS // 2
    mine = [read(one) for one in heads]
    monkeypatch.setattr(reader, "_PLAIN", re.compile(rb"(?!)"))
    for head, told in zip(heads, mine, strict=True):
        assert read(head) == told, head


@pytest.mark.parametrize(
    ("status", "body", "closes"),
    list(
        product(
            (HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_MODIFIED), (b"", b"ok"), (0, 1)
        )
    ),
)
@pytest.mark.parametrize("first", [b"GET / HTTP/1.1", b"HEAD / HTTP/1.1", b"GET / HTTP/1.0"])
def test_a_response_is_written_as_h11_writes_it(
    first: bytes, status: HTTPStatus, body: bytes, closes: int
) -> None:
    body = b"" if status is HTTPStatus.NOT_MODIFIED else body
    wire, head = h11.Connection(h11.SERVER), first + b"\r\nHost: x\r\n\r\n"
    wire.receive_data(head)
    assert isinstance(wire.next_event(), h11.Request)
    assert isinstance(wire.next_event(), h11.EndOfMessage)
    own: Headers = [("content-type", "text/plain"), ("set-cookie", "a=é")]
    headers = [*own, *MORE]
    if status is not HTTPStatus.NOT_MODIFIED:
        headers.append(("content-length", str(len(body))))
    if closes:
        headers.append(("connection", "close"))
    raw = [(name, value.encode("latin-1")) for name, value in headers]
    sent = wire.send(h11.Response(status_code=status.value, headers=raw, reason=status.phrase))
    if not first.startswith(b"HEAD"):
        sent = (sent or b"") + (wire.send(h11.Data(data=body)) or b"")
    sent = (sent or b"") + (wire.send(h11.EndOfMessage()) or b"")
    one = RequestReader()
    one.take_head(bytearray(head), ended=False)
    one.take_body(bytearray(), ended=False, bytes_max=0, keep=0)
    written = one.encode(Response(status, body, own), reader.encoded(MORE), closes=bool(closes))
    # h11 writes the name of a header that it adds itself with a capital letter.
    assert sent.replace(b"Connection:", b"connection:") == written[0]
    assert written[1] is (not closes and first.endswith(b"1.1"))


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\r"])
def test_no_header_of_ours_ends_before_its_value(value: str) -> None:
    with pytest.raises(ValueError, match="the end of a line"):
        reader.encoded([("x", value)])
