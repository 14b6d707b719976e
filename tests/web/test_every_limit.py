"""Every limit of docs/configuration.md, driven to its number and one over, on every door.

`tools/test --limits` runs this file. A new setting that is a number fails the first test until it
has its place: a test here, the name of a test elsewhere, or the reason why it limits nobody.
"""

import itertools
import json
import re
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from office import PASSWORD, Office
from processes import taskdashd
from server.wire_client import REQUEST, TcpxWire, Wire
from test_attacks_web import post
from test_socket import Board
from wsproto.events import TextMessage

from taskdashd.settings.config import TABLE
from taskdashd.testing import World

pytestmark = [pytest.mark.limits, pytest.mark.fault(54)]

ROOT = Path(__file__).parents[2]
NO_NUMBERS = {
    *("HOST:PORT", "HOST:PORT|off", "on|off", "origins", "file", "directory", "name", "path"),
    *("auto|tokens|open", "NETWORKS|off", "auto|human|json", "level", "board|everywhere|off"),
    "postgresql://…",
}
"""Units of settings that are no numbers, and so no limits."""
ELSEWHERE = {
    "handshake_timeout": "server/test_listen_tls: a handshake that does not come is not waited for",
    "claim_limit": "families/test_people_attacks: the daemons limit of a claim is a bound",
    "heartbeat_timeout": "server/test_contract_liveness: daemons default timeout",
    "write_timeout": "web/test_attacks_web: who reads nothing is cut off",
    "leader_lease": "faults/test_postgres_away: a server that stands still",
    "query_timeout": "store/test_slow: the time in the queue counts",
    "queue_timeout": "server/test_limits: what has waited too long is refused and then it goes on",
    "input_buffer": "web/test_attacks_web: unfinished input has one bound",
    "output_buffer": "server/test_held_bytes: replies that nobody reads take a bounded room",
    "watch_buffer": "server/test_contract_slow: slow watcher is cut off",
    "writes_waiting": "store/test_writer: more than may wait is refused and looks are not",
    "writes_waiting_bytes": "store/test_writer: bytes that wait are bounded too",
    "backup_keep": "store/test_backup: a daemon keeps so many backups of its own",
    "task_cache": "store/test_view: the cache is bounded and keeps what was used last",
}
"""Limits whose number takes a fixture of another file, or does not depend on the door: the test."""
EXEMPT = {
    "shutdown_timeout": "the daemon's own: how long it waits for itself",
    "commit_rows": "how writes are put together: nobody is refused",
    "fold_lag": "how far the table may be behind: nobody is refused",
    "reply_cache": "a cache: what does not fit is made anew",
    "event_cache": "a cache: what does not fit is read from the log",
    "reserve": "what is kept free for operators on a full disk, see row 5",
    "audit_keep": "how long history is kept",
    "keep_runs": "how long runs are kept",
    "backup_every": "when the daemon copies itself",
}
"""Numbers that limit nobody who asks, each with the reason."""

_numbers = itertools.count(1)
_open: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _no_socket_left() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def test_every_limit_has_its_place() -> None:
    """A number among the settings is driven here, or elsewhere, or limits nobody: one of them."""
    here = {
        name.removeprefix("test_").partition("__")[0]
        for name in globals()
        if name.startswith("test_") and "__" in name
    }
    for name, setting in TABLE.items():
        places = (name in here) + (name in ELSEWHERE) + (name in EXEMPT)
        is_number = setting.metadata["unit"] not in NO_NUMBERS
        assert places == is_number, f"setting {name}: say where its limit is tested, once"
    assert here | ELSEWHERE.keys() | EXEMPT.keys() <= TABLE.keys()
    for name, where in ELSEWHERE.items():
        path, _, words = where.partition(": ")
        text = (ROOT / "tests" / f"{path}.py").read_text()
        function = f"test_{words.replace(' ', '_')}"
        assert re.search(rf"^def {function}\(", text, re.M), f"{name}: there is no {function}"


# The doors


class Unix(Wire):
    """A connection to the operator's own socket."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(path))
        self.data = bytearray()
        self.events = deque()


class Frames:
    """A connection in frames, and what is said to each request."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.sock = wire.sock
        _open.append(self.sock)

    def send(self, operation: str, **body: Any) -> None:
        header = {"RequestID": operation, "Seq": next(_numbers)}
        self.wire.send(self.wire.pack(REQUEST, header, body))

    def ask(self, operation: str, **body: Any) -> int:
        """Ask, and give the errid."""
        self.send(operation, **body)
        return self.said()

    def said(self) -> int:
        """Read a reply, and give its errid."""
        return int(self.wire.reply().body["errid"])

    def begin(self) -> None:
        """Begin a frame, and do not complete it."""
        self.sock.sendall(struct.pack(">I", 100) + self.wire.pack(REQUEST, None)[4:10])

    def ask_long(self, size: int) -> int:
        """Ask with a frame of so many bytes, and give the errid."""
        # The first frame says which framing is spoken.
        assert self.ask("Find", id="none") == 1002
        self.wire.send(framed(self.wire.pack, size))
        return self.said()


class Http:
    """A connection over HTTP, with a cookie or a token."""

    errids = {404: 1002, 413: 1000, 429: 1005, 503: 1005, 408: 1000}

    def __init__(self, office: Office, signs: str = "", source: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection(("127.0.0.1", office.port), 10, (source, 0))
        _open.append(self.sock)
        self.signs = [signs] if signs else []

    def ask(self, operation: str, **body: Any) -> int:
        """Ask, and give the errid."""
        return self._post(operation, json.dumps(body).encode())

    def _post(self, operation: str, body: bytes) -> int:
        self.sock.sendall(post(f"/api/v1/{operation}", *self.signs, body=body))
        return self.said()

    def said(self) -> int:
        """Read an answer, and give the errid that its status stands for."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            assert byte, head
            head += byte
        length = re.search(rb"content-length: (\d+)", head.lower())
        body = b""
        while length and len(body) < int(length[1]):
            body += self.sock.recv(int(length[1]) - len(body))
        status = int(head[9:12])
        if body.startswith(b"{"):
            return int(json.loads(body)["errid"])
        return self.errids.get(status, 0)

    def begin(self) -> None:
        """Begin a request, and do not complete it."""
        self.sock.sendall(post("/api/v1/Find", *self.signs, "Content-Length: 100", body=b"{"))

    def ask_long(self, size: int) -> int:
        """Ask with a body of so many bytes, and give the errid."""
        return self._post("Find", padded(size))


class Page:
    """A websocket, with a cookie or a token."""

    def __init__(self, office: Office, cookie: str = "", token: str = "") -> None:
        self.board = Board(office, cookie, token=token)
        self.sock = self.board.sock
        _open.append(self.sock)
        self.board.until(lambda said: "me" in said)

    def ask(self, operation: str, **body: Any) -> int:
        """Ask, and give the errid."""
        return int(self.board.ask(operation, body)["errid"])

    def said(self) -> int:
        """Read the end of the websocket, and give the errid that its code stands for."""
        return {1009: 1000, 1013: 1005}[self.board.end()]

    def begin(self) -> None:
        """Begin a message, and do not complete it."""
        self.board.send(TextMessage('{"seq":', message_finished=False))

    def ask_long(self, size: int) -> int:
        """Ask with a message of so many bytes, and give the errid."""
        head, tail = b'{"seq":7,"op":"Find","body":', b"}"
        message = head + padded(size - len(head) - len(tail)) + tail
        self.board.send(TextMessage(message.decode()))
        with suppress(AssertionError):
            return int(self.board.until(lambda said: said.get("seq") == 7)["errid"])
        return self.said()


def padded(size: int) -> bytes:
    """Give the body of a Find of so many bytes."""
    empty = len(json.dumps({"id": "none", "padding": ""}))
    return json.dumps({"id": "none", "padding": "x" * (size - empty)}).encode()


def framed(pack: Callable[..., bytes], size: int) -> bytes:
    """Give a Find whose frame has so many bytes behind its length."""
    body = size
    while True:
        frame = pack(REQUEST, {"RequestID": "Find"}, padded(body))
        if len(frame) - 4 == size:
            return frame
        body -= len(frame) - 4 - size


class House:
    """A daemon with all of its doors."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.office = Office(data, **settings)
        self.data = data

    def tcp(self) -> Frames:
        return Frames(Wire(("127.0.0.1", self.office.daemon.port)))

    def tcpx(self) -> Frames:
        return Frames(TcpxWire(("127.0.0.1", self.office.daemon.port)))

    def unix(self) -> Frames:
        return Frames(Unix(self.data / "taskdashd.sock"))

    def root(self) -> str:
        """Make an administrator, and give the cookie of its sign-in, whose connection is gone."""
        root = {"user": "root", "password": PASSWORD}
        self.office.ask("SetPerson", **root, name="Root", role="admin")
        http = Http(self.office)
        body = json.dumps(root).encode()
        http.sock.sendall(post("/api/v1/Login", "Connection: close", body=body))
        said = b"".join(iter(lambda: http.sock.recv(65536), b""))
        cookie = re.search(rb"set-cookie: ([^;]+)", said)
        assert cookie, said
        http.sock.close()
        # Once this is answered, the daemon has seen the end of that connection.
        self.office.ask("Status")
        return cookie[1].decode()

    def doors(self, cookie: str) -> dict[str, Any]:
        """Come in by each door; over the web as whom the cookie says."""
        return {
            "tcp": self.tcp(),
            "tcpx": self.tcpx(),
            "unix": self.unix(),
            "http": Http(self.office, f"Cookie: {cookie}"),
            "websocket": Page(self.office, cookie),
        }


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., House]]:
    """Start a daemon with settings; where it asks for tokens, there is one for the office."""
    with ExitStack() as open_:

        def run(**settings: Any) -> House:
            if "auth" in settings:
                made = taskdashd("token", "create", "office", "--data", tmp_path)
                monkeypatch.setenv("TASKDASH_TOKEN", made.stdout.strip())
            house = House(tmp_path, **settings)
            open_.callback(house.office.close)
            return house

        yield run


Start = Callable[..., House]


def drive(doors: dict[str, Any], ask: Callable[[Any, str], int], *, beyond: int = 1005) -> None:
    """Have each door do one, which makes the number; then one over by each."""
    assert {name: ask(door, f"{name}-first") for name, door in doors.items()} == dict.fromkeys(
        doors, 0
    )
    assert {name: ask(door, f"{name}-over") for name, door in doors.items()} == dict.fromkeys(
        doors, beyond
    )


# Counts


def test_max_people__by_every_door(start: Start) -> None:
    house = start(max_people=6)
    doors = house.doors(house.root())
    drive(doors, lambda door, name: door.ask("SetPerson", user=name[:20], name="n"))


def test_max_services__by_every_door(start: Start) -> None:
    house = start(max_services=5)
    doors = house.doors(house.root())
    drive(doors, lambda door, name: door.ask("RegisterService", url=f"http://{name}", name="n"))


def test_max_live_tasks__by_every_door(start: Start) -> None:
    house = start(max_live_tasks=5)
    doors = house.doors(house.root())
    drive(doors, lambda door, name: door.ask("Register", id=name, name="n", status="running"))


def test_max_watches__on_each_connection(start: Start) -> None:
    """Only the wire has watches: a board is told of everything by itself."""
    house = start(max_watches=3)
    for door in (house.tcp(), house.tcpx(), house.unix()):
        assert [door.ask("Watch") for _ in range(4)] == [0, 0, 0, 1005]


def test_max_connections__by_all_doors_together(start: Start) -> None:
    """The one more is told so in its door's own words; the operator gets in all the same."""
    house = start(max_connections=5)
    cookie = house.root()
    held = [house.tcp(), house.tcpx(), Http(house.office), Page(house.office, cookie)]
    assert [one.ask("Find", id="none") for one in (held[0], held[1], held[3])] == [1002] * 3
    assert held[2].ask("Find", id="none") == 1003
    assert_refused(house)
    assert house.unix().ask("Find", id="none") == 1002


def assert_refused(house: House) -> None:
    """See that one more is refused, by TCP and over HTTP."""
    assert house.tcp().said() == 1005
    assert Http(house.office).said() == 1005


def test_max_connections_per_address__by_all_doors_together(start: Start) -> None:
    house = start(max_connections_per_address=5)
    cookie = house.root()
    held = [house.tcp(), house.tcpx(), Http(house.office), Page(house.office, cookie)]
    assert [one.ask("Find", id="none") for one in (held[0], held[1], held[3])] == [1002] * 3
    assert_refused(house)
    assert Http(house.office, source="127.0.0.2").ask("Find", id="none") == 1003
    assert house.unix().ask("Find", id="none") == 1002


def test_web_connections__over_http_and_websocket(start: Start) -> None:
    house = start(web_connections=2)
    cookie = house.root()
    held = Page(house.office, cookie), Http(house.office)
    assert held[1].ask("Find", id="none") == 1003
    assert Http(house.office).said() == 1005
    assert house.tcp().ask("Find", id="none") == 1002


# Rates: what the time since has brought is allowed beside


def within(rate: int, ask: Callable[[], int], *, at_once: int, most: int = 10_000) -> int:
    """Ask until it is too much; say how often it was not, and hold that against the rate."""
    began = time.monotonic()
    count = 0
    while (errid := ask()) != 1005:
        count += 1
        assert errid in (0, 1002)
        assert count < most
    assert count <= at_once + rate * (time.monotonic() - began) + 1
    return count


def test_request_rate__on_each_connection(start: Start) -> None:
    """The operator's own socket has none."""
    house = start(request_rate=20, identity_rate="off")
    doors = house.doors(house.root())
    unix = doors.pop("unix")
    for door in doors.values():
        assert within(20, partial(door.ask, "Find", id="none"), at_once=20) >= 20
    assert {unix.ask("Find", id="none") for _ in range(60)} == {1002}


def test_identity_rate__of_one_token_by_all_doors_together(start: Start) -> None:
    house = start(auth="tokens", request_rate="off", identity_rate=40)
    token = house.office.token("many")
    frames = [house.tcp(), house.tcpx()]
    assert [one.ask("Hello", protocol=1, token=token) for one in frames] == [0, 0]
    others = [Http(house.office, f"Authorization: Bearer {token}"), Page(house.office, token=token)]
    began, done = time.monotonic(), 0
    doors = [*frames, *others]
    while doors:
        for door in list(doors):
            if door.ask("Find", id="none") == 1002:
                done += 1
            else:
                doors.remove(door)
    # Each connection may have drawn two, and not used them yet.
    assert 40 - 8 <= done <= 40 + 40 * (time.monotonic() - began) + 1
    assert {house.unix().ask("Find", id="none") for _ in range(60)} == {1002}


def test_person_rate__by_all_doors_together(start: Start) -> None:
    """Five seconds' at once; the operator's socket is no person's."""
    house = start(person_rate=3)
    cookie = house.root()
    frames = [house.tcp(), house.tcpx()]
    for one in frames:
        assert one.ask("Login", user="root", password=PASSWORD) == 0
    began, done = time.monotonic(), 3
    doors = [*frames, Http(house.office, f"Cookie: {cookie}"), Page(house.office, cookie)]
    while doors:
        for door in list(doors):
            if door.ask("SetPerson", user="root", name="Root") == 0:
                done += 1
            else:
                doors.remove(door)
    assert 15 <= done <= 15 + 3 * (time.monotonic() - began + 2)
    unix = house.unix()
    assert {unix.ask("SetPerson", user="root", name="Root") for _ in range(40)} == {0}


# Lengths


@pytest.mark.parametrize("name", ["tcp", "tcpx", "unix", "http", "websocket"])
def test_max_frame__to_the_byte(start: Start, name: str) -> None:
    """A frame, a body or a message of the number is taken, and one byte more is not."""
    house = start(max_frame=8192)
    cookie = house.root()
    assert house.doors(cookie)[name].ask_long(8192) == 1002
    assert house.doors(cookie)[name].ask_long(8193) == 1000


# Times


def test_frame_timeout__by_every_door(start: Start) -> None:
    """What was begun is ended once the time is over, and not before."""
    house = start(frame_timeout=1)
    doors = house.doors(house.root())
    began = time.monotonic()
    for door in doors.values():
        door.begin()
    for name, door in doors.items():
        assert door.said() in (1000, 1005), name
        assert 0.9 < time.monotonic() - began < 8, name


def test_sign_in_timeout__where_a_token_is_asked_for(start: Start) -> None:
    """Over the web a request comes with its sign-in; the operator's socket needs none."""
    house = start(auth="tokens", sign_in_timeout=1)
    began = time.monotonic()
    unix, doors = house.unix(), [house.tcp(), house.tcpx()]
    for door in doors:
        door.wire.eof(8)
        assert 0.9 < time.monotonic() - began < 8
    assert unix.ask("Find", id="none") == 1002


# What waits, step by step


def test_max_pending__unanswered_on_one_connection(tmp_path: Path) -> None:
    """The one over waits, and is refused nothing."""
    world = World(tmp_path, max_pending=3)
    peer = world.connect()
    for number in range(5):
        peer.send("Register", {"id": f"{number}", "name": "n"})
    world.sweep()
    assert len(peer.connection.outbox) == 3
    world.drain()
    assert [reply["errid"] for reply in peer.replies] == [0] * 5
    world.close()


def test_reply_buffer__before_requests_wait(tmp_path: Path) -> None:
    """The request that finds so many bytes unread waits until some are read."""
    world = World(tmp_path, reply_buffer=4096)
    peer = world.connect()
    peer.ask("Register", id="a", name="n", description="x" * 3000, status="finish")
    for _ in range(3):
        peer.send("Find", {"id": "a"})
    assert 4096 <= peer.connection.outbox.output_bytes < 3 * 3000
    world.drain()
    assert [reply["errid"] for reply in peer.replies] == [0] * 3
    world.close()
