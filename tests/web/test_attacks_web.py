"""The web face against whoever does not mean it well: what each may take, and that nobody waits."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from office import Office
from processes import memory_kib
from server.wire_client import Wire
from test_socket import Board, sign_in
from wsproto.events import Ping, TextMessage

SMALL = 4096


def request(head: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{head} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def post(path: str, *headers: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    given = [f"Content-Type: {kind}", *headers]
    if not any(one.startswith(("Content-Length", "Transfer-Encoding")) for one in headers):
        given.append(f"Content-Length: {len(body)}")
    return request(f"POST {path}", *given, body=body)


def connect(office: Office, source: str = "127.0.0.1", receive_bytes: int = 0) -> socket.socket:
    sock = socket.socket()
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(20)
    sock.bind((source, 0))
    sock.connect(("127.0.0.1", office.port))
    return sock


def status(sock: socket.socket) -> int:
    """Read one response with its body, and give its status; 0 where the connection ends."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            return 0
        head += byte
    length = re.search(rb"content-length: (\d+)", head.lower())
    left = int(length[1]) if length else 0
    while left:
        left -= len(sock.recv(left))
    return int(head[9:12])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office"), frame_timeout=2) as office:
        office.people()
        yield office
        assert [line for line in office.daemon.log if "unexpected" in line["event"]] == []


# Before sign-in


@pytest.mark.fault(43)
def test_a_long_body_of_nobody_is_refused_by_its_head(office: Office) -> None:
    """64 KiB before sign-in: more is refused before any of it was sent; a person may send more."""
    cookie = f"Cookie: {sign_in(office, '1001')}"
    for path in ("/api/v1/Find", "/rpost/task", "/", "/nowhere"):
        with connect(office) as sock:
            began = time.monotonic()
            sock.sendall(post(path, f"Content-Length: {(64 << 10) + 1}"))
            assert status(sock) in (413, 405), path
            assert time.monotonic() - began < 1
            assert not sock.recv(1), path
    with connect(office) as sock:
        body = json.dumps({"id": "cut-1", "padding": "x" * 200_000}).encode()
        sock.sendall(post("/api/v1/Find", cookie, body=body))
        assert status(sock) == 404
        sock.sendall(post("/api/v1/Find", cookie, f"Content-Length: {(1 << 20) + 1}"))
        assert status(sock) == 413


@pytest.mark.fault(43)
def test_who_asks_is_looked_at_before_the_body(office: Office) -> None:
    """A peer that waits to be asked for its body is asked only if it may ask anything."""
    wait = "Expect: 100-continue"
    length = "Content-Length: 60000"
    for wanted, more in (
        (401, "Authorization: Bearer x"),
        (403, "Origin: http://evil.example"),
        (100, f"Cookie: {sign_in(office, '1001')}"),
    ):
        with connect(office) as sock:
            sock.sendall(post("/api/v1/Find", wait, length, more))
            assert status(sock) == wanted, more


@pytest.mark.fault(43)
def test_a_form_has_few_fields(office: Office) -> None:
    """Fields are counted before they are parsed, and a form is short, whoever sends it."""
    kind = "application/x-www-form-urlencoded"
    cookie = f"Cookie: {sign_in(office, '1001')}"
    for body, headers in (
        (b"operation=userLogin&username=1001" + b"&a=" * 100, ()),
        (b"operation=GetTasksNoUser&a=" + b"x" * 100_000, (cookie,)),
    ):
        with connect(office) as sock:
            sock.sendall(post("/rpost/task", *headers, body=body, kind=kind))
            answer = sock.recv(65536)
            assert b'"errid":1000' in answer, answer


@pytest.mark.fault(43)
def test_a_body_in_bytes_is_refused(office: Office) -> None:
    """Chunks cost by their number: small ones are taken only as far as anybody would need them."""
    chunked = "Transfer-Encoding: chunked"
    with connect(office) as sock:
        body = b"".join(b"1\r\n%c\r\n" % one for one in b'{"id":"x"}') + b"0\r\n\r\n"
        sock.sendall(post("/api/v1/Find", chunked, body=body))
        assert status(sock) == 401
        # What came behind the last chunk is the next request.
        sock.sendall(post("/api/v1/Find", chunked, body=body + request("GET /healthz")))
        assert (status(sock), status(sock)) == (401, 200)
        sock.sendall(post("/api/v1/Find", chunked, body=b"1\r\n \r\n" * 5000))
        assert status(sock) == 400
        assert not sock.recv(1)


@pytest.mark.fault(43)
def test_a_head_has_its_bounds(office: Office) -> None:
    """Also a head that comes whole, in one piece: 16 KiB, and 128 lines."""
    for lines in (["X: " + "a" * 20_000], ["a: b"] * 300):
        with connect(office) as sock:
            sock.sendall(request("GET /healthz", *lines))
            assert status(sock) == 431


@pytest.mark.fault(49)
def test_garbage_behind_a_request_leaves_no_traceback(office: Office) -> None:
    """Whatever comes behind an answered HEAD, the log has at most a few short lines of it."""
    before = len(office.daemon.log)
    head = request("HEAD /healthz")
    for garbage in (b"\0\1\2\r\n\r\n", b"GARBAGE\r\n\r\n", b"HEAD /\r\n\r\n", b" " * 40_000):
        for _ in range(5):
            with connect(office) as sock:
                sock.sendall(head + garbage)
                answer = b"".join(iter(lambda sock=sock: sock.recv(65536), b""))
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert b"HTTP/1.1 4" in answer
    assert not any("exception" in line for line in office.daemon.log)
    assert len(office.daemon.log) - before <= 2


def test_pipelined_requests_are_answered_in_order(office: Office) -> None:
    """More than the input holds: one at a time, none lost, and none before its turn."""
    cookie = f"Cookie: {sign_in(office, '1001')}"
    one = request("GET /healthz") + post("/api/v1/Find", cookie, body=b'{"id":"none"}')
    with connect(office) as sock:
        sock.sendall(one * 400)
        sock.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: sock.recv(65536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"404"] * 400


@pytest.mark.fault(45)
@pytest.mark.parametrize("head", [b"", post("/api/v1/Find", "Content-Length: 60000")])
def test_a_request_must_be_whole_in_time(office: Office, head: bytes) -> None:
    """However its bytes trickle in, in the head as in the body; pauses between are free."""
    with connect(office) as sock:
        for _ in range(3):
            sock.sendall(request("GET /healthz"))
            assert status(sock) == 200
            time.sleep(1)
        sock.sendall(head)
        began, said = time.monotonic(), b""
        sock.settimeout(0.05)
        while not said:
            assert time.monotonic() - began < 8
            sock.sendall(b"x")
            with suppress(TimeoutError):
                said = sock.recv(65536)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began > 1


# Limits hold over all faces


@pytest.mark.fault(47)
def test_an_address_has_one_count_of_connections(tmp_path: Path) -> None:
    """TCP and web together; another address still gets in, and the board has a bound of its own."""
    settings = {"max_connections_per_address": 3, "web_connections": 4}
    with Office(tmp_path, **settings) as office:
        get = request("GET /healthz")
        held = [connect(office) for _ in range(2)]
        for sock in held:
            sock.sendall(get)
            assert status(sock) == 200
        with connect(office) as sock:
            assert status(sock) == 503
        others = [connect(office, "127.0.0.2") for _ in range(2)]
        for sock in others:
            sock.sendall(get)
            assert status(sock) == 200
        with connect(office, "127.0.0.3") as sock:
            assert status(sock) == 503
        for sock in (*held, *others):
            sock.close()


@pytest.mark.fault(47)
def test_the_rate_of_a_connection_holds_over_its_requests(tmp_path: Path) -> None:
    """A request over HTTP brings no rate of its own; a second connection has one."""
    with Office(tmp_path, request_rate=5, identity_rate="off") as office:
        office.dash.ask("SetPerson", user="1001", name="Ann")
        cookie = f"Cookie: {sign_in(office, '1001')}"
        with connect(office) as sock:
            said = []
            for _ in range(40):
                sock.sendall(post("/api/v1/Find", cookie, body=b'{"id":"none"}'))
                said.append(status(sock))
        assert said[:5] == [404] * 5
        assert 429 in said
        with connect(office) as sock:
            sock.sendall(post("/api/v1/Find", cookie, body=b'{"id":"none"}'))
            assert status(sock) == 404


@pytest.mark.fault(45)
def test_unfinished_input_has_one_bound(tmp_path: Path) -> None:
    """Bodies and messages count as frames do; one address has a quarter, and others the rest."""
    with Office(tmp_path, input_buffer=1 << 20, max_frame=200_000) as office:
        office.people()
        part = post("/api/v1/Find", "Content-Length: 60000", body=b" " * 50_000)
        socks = [connect(office, "127.0.0.2") for _ in range(10)]
        for sock in socks:
            sock.sendall(part)
        told = 0
        for sock in socks:
            sock.settimeout(1)
            try:
                told += status(sock) == 503
            except TimeoutError:
                continue
        assert 4 <= told <= 7
        with Board(office, sign_in(office, "1001")) as board:
            board.until(lambda said: "me" in said)
            # The rest of the buffer is there for others.
            assert board.ask("Find", {"id": "x" * 100_000})["errid"] == 1000
        for sock in socks:
            sock.close()


# A websocket


@pytest.mark.fault(45)
def test_a_message_must_be_whole_in_time(office: Office) -> None:
    """Pings, and fragments, give a message that was begun no more time."""
    with Board(office, sign_in(office, "1001")) as board:
        board.until(lambda said: "me" in said)
        began = time.monotonic()
        while board.closed is None:
            assert time.monotonic() - began < 10
            try:
                board.send(TextMessage("x", message_finished=False))
                board.send(Ping(b"x"))
            except ConnectionError:
                break
            board.read()
            time.sleep(0.1)
        assert 1 < time.monotonic() - began < 5


@pytest.mark.fault(46)
@pytest.mark.parametrize("opcode", [0, 9, 10])
def test_frames_that_ask_nothing_are_counted(tmp_path: Path, opcode: int) -> None:
    """Empty fragments, pings and pongs: within `request_rate` they are taken, then it ends."""
    with Office(tmp_path, request_rate=50) as office:
        office.people()
        with Board(office, sign_in(office, "1001")) as board:
            board.until(lambda said: "me" in said)
            empty = bytes([0x80 * (opcode > 0) | opcode, 0x80]) + bytes(4)
            if not opcode:
                board.sock.sendall(bytes([1, 0x80]) + bytes(4))
            for _ in range(20):
                board.sock.sendall(empty)
            assert board.ask("Find", {"id": "none"})["errid"] == 1002 if opcode else True
            board.sock.sendall(empty * 500)
            assert board.end() == 1013


@pytest.mark.alone
@pytest.mark.fault(46)
@pytest.mark.parametrize("opcode", [0, 9])
def test_frames_that_ask_nothing_hide_no_death(tmp_path: Path, opcode: int) -> None:
    """Time that the daemon spends on somebody's frames is no stall: who is silent dies in time.

    Without a rate: what bounds them here is that they wait for turns.
    """
    frame = bytes([0x80 * (opcode > 0) | opcode, 0x80]) + bytes(4)
    with Office(tmp_path, request_rate="off", identity_rate="off") as office:
        office.people()
        host, port = office.daemon.url.removeprefix("taskdash://").split(":")
        with Board(office, sign_in(office, "1001")) as board, ExitStack() as stack:
            board.until(lambda said: "me" in said)
            if not opcode:
                board.sock.sendall(bytes([1, 0x80]) + bytes(4))

            def flood() -> None:
                with suppress(OSError):
                    while True:
                        board.sock.sendall(frame * 5000)

            def read() -> None:
                with suppress(OSError):
                    while board.sock.recv(1 << 16):
                        pass

            board.sock.settimeout(None)
            threads = [threading.Thread(target=one) for one in (flood, read)]
            stack.callback(lambda: [one.join() for one in threads])
            stack.callback(board.sock.shutdown, socket.SHUT_RDWR)
            for one in threads:
                one.start()
            silent, other = Wire((host, int(port))), Wire((host, int(port)))
            stack.callback(silent.close)
            stack.callback(other.close)
            task = {"id": "a", "name": "n", "status": "running", "heartbeat_timeout": 2}
            silent.call("Register", task)
            began = time.monotonic()
            while other.call("Find", {"id": "a"})["status"] != "shutdown":
                assert time.monotonic() - began < 3, "the death comes too late"
                time.sleep(0.05)
            assert time.monotonic() - began > 1.5
            assert all(one.is_alive() for one in threads), "it was no flood"


@pytest.mark.fault(44)
def test_what_nobody_reads_is_not_done(tmp_path: Path) -> None:
    """A board that asks 2,000 times for 40 KB and does not read: what waits is bounded.

    Nothing is cut off or lost: read at last, each reply comes, in the order that was asked.
    """
    with Office(tmp_path) as office:
        office.people()
        for number in range(150):
            office.ask("RegisterService", url=f"http://10.0.0.{number}", reserved="x" * 200)
        cookie = sign_in(office, "1005")
        with Board(office, cookie) as board, Board(office, cookie) as other:
            other.until(lambda said: "me" in said)
            board.until(lambda said: "me" in said)
            before = memory_kib(office.daemon.pid)
            board.sock.settimeout(0.2)
            sent, count = b"", 2000
            for seq in range(count):
                message = b'{"seq":%d,"op":"Services"}' % seq
                sent += bytes([0x81, 0x80 | len(message)]) + bytes(4) + message
            board.sock.setblocking(False)
            at, took, end = 0, [], time.monotonic() + 3
            while time.monotonic() < end:
                if at < len(sent):
                    with suppress(BlockingIOError):
                        at += board.sock.send(sent[at:])
                began = time.monotonic()
                other.ask("Find", {"id": "none"})
                took.append(time.monotonic() - began)
            assert memory_kib(office.daemon.pid) - before < 16 << 10
            assert sorted(took)[len(took) // 2] < 0.1
            board.sock.settimeout(20)
            board.sock.sendall(sent[at:])
            for seq in range(50):
                assert board.until(lambda said: "seq" in said)["seq"] == seq
        assert not [line for line in office.daemon.log if line["event"] == "board cut off"]


@pytest.mark.fault(44)
def test_one_board_does_as_it_was_asked_in_order(office: Office) -> None:
    """Replies come in the order of the requests, also where one takes longer than the next."""
    with Board(office, sign_in(office, "1005")) as board:
        board.until(lambda said: "me" in said)
        asked = [("Query", {}), ("Find", {"id": "none"}), ("Audit", {}), ("People", {})] * 5
        for seq, (op, body) in enumerate(asked):
            board.send(TextMessage(json.dumps({"seq": seq, "op": op, "body": body})))
        for seq in range(len(asked)):
            assert board.until(lambda said: "seq" in said)["seq"] == seq


# Progress counts


@pytest.mark.fault(48)
@pytest.mark.parametrize("by_websocket", [False, True])
def test_a_slow_reader_is_served_as_long_as_it_reads(tmp_path: Path, by_websocket: bool) -> None:
    """A large page takes longer than `write_timeout` on a slow link, and comes whole."""
    with Office(tmp_path, write_timeout=1) as office:
        office.people()
        for number in range(12):
            # Random text does not fit into fewer packets.
            text = os.urandom(35_000).hex()
            office.task(f"large-{number}", "n", "finish", description=text)
        cookie = sign_in(office, "1005")
        with connect(office, receive_bytes=SMALL) as sock:
            if by_websocket:
                message = b'{"seq":1,"op":"Query","body":{"limit":12}}'
                sock.sendall(
                    request(
                        "GET /ws",
                        "Connection: Upgrade",
                        "Upgrade: websocket",
                        "Sec-WebSocket-Version: 13",
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                        f"Cookie: {cookie}",
                    )
                )
                frame = bytes([0x81, 0x80 | len(message)]) + bytes(4) + message
                sock.sendall(frame)
            else:
                sock.sendall(post("/api/v1/Query", f"Cookie: {cookie}", body=b'{"limit":12}'))
            got, began = 0, time.monotonic()
            end = 12 * 70_000
            while got < end:
                data = sock.recv(20_000)
                assert data, f"cut off after {got} bytes, {time.monotonic() - began:.1f} s"
                got += len(data)
                time.sleep(0.06)
            assert time.monotonic() - began > 2


@pytest.mark.fault(48)
def test_who_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    """Without any progress the connection ends within `write_timeout`."""
    with Office(tmp_path, write_timeout=0.5) as office:
        office.people()
        for number in range(12):
            office.task(f"large-{number}", "n", "finish", description="x" * 70_000)
        cookie = sign_in(office, "1005")
        with connect(office, receive_bytes=SMALL) as sock:
            for _ in range(8):
                sock.sendall(post("/api/v1/Query", f"Cookie: {cookie}", body=b'{"limit":12}'))
            office.daemon.wait_for("peer does not read", 10)


def counted(office: Office, event: str) -> int:
    return sum(line["event"] == event for line in office.daemon.log)


@pytest.mark.fault(44)
def test_a_board_that_is_cut_off_is_told_of_once(tmp_path: Path) -> None:
    """After that nothing more is done for it, nor logged."""
    with Office(tmp_path, watch_buffer=100_000) as office:
        office.people()
        office.task("big", "n", "finish", group_id="cut")
        cookie = sign_in(office, "1001")
        with Board(office, cookie) as board, Board(office, cookie) as other:
            for one in (board, other):
                one.until(lambda said: "me" in said)
            number = 0
            while not counted(office, "board cut off"):
                number += 1
                text = f"{number:04}" * 20_000
                office.ask("Update", id="big", description=text, own=False)
                # Changes that come at once are joined, and of too many nothing is told.
                other.until(lambda said, text=text: text in json.dumps(said))
                assert number < 1_000
            for _ in range(5):
                office.ask("Update", id="big", description="x", own=False)
            while board.closed is None:
                board.read()
            assert board.closed in (0, 1013)
        assert counted(office, "board cut off") == 1
