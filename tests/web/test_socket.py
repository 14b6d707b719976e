"""The board's websocket, byte by byte: what is asked and told on it, and who is cut off."""

import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

import pytest
from office import FREE, PASSWORD, Office, furnish, post
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from taskdash_protocol.families.tasks import Register


class Board:
    """A browser's end of a board's websocket."""

    def __init__(
        self,
        office: Office,
        cookie: str = "",
        query: str = "",
        token: str = "",
        *,
        sock: socket.socket | None = None,
        host: str = "",
        before: str = "",
    ) -> None:
        self.sock = sock or socket.create_connection(("127.0.0.1", office.port), timeout=20)
        signs = f"Authorization: Bearer {token}" if token else f"Cookie: {cookie}"
        self.sock.sendall(
            f"GET {before}/ws{query} HTTP/1.1\r\nHost: {host or office.address}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{signs}\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
        self.wire = Connection(ConnectionType.CLIENT)
        self.text = ""
        self.messages: list[dict[str, Any]] = []
        self.pongs = 0
        self.closed: int | None = None
        """The code with which the daemon closed the websocket; 0 where TCP just ended."""
        self.seq = 0

    def read(self) -> None:
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = self.closed or 0
            return
        self.wire.receive_data(data)
        for event in self.wire.events():
            if isinstance(event, TextMessage):
                self.text += event.data
                if event.message_finished:
                    self.messages.append(json.loads(self.text))
                    self.text = ""
            elif isinstance(event, CloseConnection):
                self.closed = event.code
            elif isinstance(event, Pong):
                self.pongs += 1

    def until(self, wanted: Any) -> dict[str, Any]:
        """Give the first message that `wanted` accepts, and take it out."""
        while True:
            for message in self.messages:
                if wanted(message):
                    self.messages.remove(message)
                    return message
            assert self.closed is None, f"closed with {self.closed} after {self.messages[-3:]}"
            self.read()

    def send(self, event: Any) -> None:
        self.sock.sendall(self.wire.send(event))

    def ask(self, op: Any, body: Any = None, seq: Any = None) -> dict[str, Any]:
        self.seq += 1
        number = self.seq if seq is None else seq
        message = {"seq": number, "op": op, "body": {} if body is None else body}
        self.send(TextMessage(json.dumps(message)))
        return self.until(lambda said: "seq" in said)

    def told(self, task: str) -> dict[str, Any]:
        """Wait for an event of a task."""

        def has(message: dict[str, Any]) -> bool:
            return any(one["task"]["id"] == task for one in message.get("events", ()))

        events = self.until(has)["events"]
        return next(one for one in reversed(events) if one["task"]["id"] == task)

    def end(self) -> int:
        """Wait until the daemon closes the websocket, and give the code."""
        while self.closed is None:
            self.read()
        return self.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def sign_in(office: Office, user: str) -> str:
    connection = HTTPConnection("127.0.0.1", office.port, timeout=20)
    kind = {"content-type": "application/json"}
    body = json.dumps({"user": user, "password": PASSWORD})
    connection.request("POST", "/api/v1/Login", body, kind)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    cookie = answer.headers["set-cookie"].partition(";")[0]
    connection.close()
    return cookie


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office")) as office:
        furnish(office)
        yield office
        assert [line for line in office.daemon.log if "unexpected" in line["event"]] == []


def test_what_is_asked_is_answered(office: Office) -> None:
    """The websocket runs the same operations, but for sign-ins, which need HTTP's cookie."""
    with Board(office, sign_in(office, "1001")) as board:
        greeting = board.until(lambda said: "me" in said)
        assert (greeting["me"]["user"], greeting["me"]["groups"]) == ("1001", ["cut"])
        assert {one["user"] for one in greeting["people"]} == {"1001", "1002", "1004"}
        found = board.ask("Find", {"id": "cut-1"})
        assert (found["seq"], found["errid"], found["name"]) == (1, 0, "开场剪辑")
        for op, body, detail in (
            ("Login", {"user": "1002"}, "ask POST /api/v1/Login"),
            ("Watch", {}, "there is no operation"),
            ("Nothing", {}, "there is no operation"),
            (7, {}, "a message must hold"),
            ("Find", [], "a message must hold"),
            ("Find", {"id": ""}, "field id"),
        ):
            said = board.ask(op, body)
            assert said["errid"] == 1000, said
            assert detail in said["detail"]
        assert board.ask("Find", {"id": "paint-1"})["errid"] == 1002
        board.send(TextMessage("{"))
        assert board.until(lambda said: "seq" in said)["seq"] is None
        board.send(Ping(b"x"))
        while not board.pongs:
            board.read()


def test_who_was_away_is_told_what_they_have_missed(office: Office) -> None:
    """Each missed change comes once, in order, also of tasks gone from sight; then the new ones."""
    cookie = sign_in(office, "1001")
    with Board(office, cookie) as board:
        greeting = board.until(lambda said: "me" in said)
        since, sight = greeting["rev"], greeting["me"]["sight"]
    for number in range(250):
        office.ask("Update", id="cut-5", description=f"{number}", own=False)
    office.ask("Update", id="cut-6", group_id="paint", own=False)
    office.ask("Update", id="paint-1", description="unseen", own=False)
    with Board(office, cookie, f"?since={since}&sight={sight}") as board:
        assert "rev" not in board.until(lambda said: "me" in said)
        events: list[dict[str, Any]] = []
        while not any(one["kind"] == "gone" for one in events):
            events += board.until(lambda said: said.get("events"))["events"]
        changed = [one for one in events if one["task"]["id"] == "cut-5"]
        assert [one["task"]["description"] for one in changed] == [str(n) for n in range(250)]
        revs = [one["rev"] for one in events]
        assert revs == sorted(set(revs))
        (gone,) = [one for one in events if one["kind"] == "gone"]
        assert gone["task"] == {"id": "cut-6"}
        assert "paint-1" not in {one["task"]["id"] for one in events}
        office.ask("Update", id="cut-6", group_id="cut", own=False)
        assert board.told("cut-6")["kind"] == "updated"
    for query in (
        f"?since={since}&sight=other",
        f"?since={since}",
        "?since=0&sight=",
        f"?since=999999&sight={sight}",
    ):
        with Board(office, cookie, query) as board:
            assert board.until(lambda said: "afresh" in said)["afresh"] is True
    for query in ("?since=", "?since=-1", "?since=x", "?since=9999999999999999999999"):
        with Board(office, cookie, query) as board:
            assert "rev" in board.until(lambda said: "me" in said)


def test_what_is_no_message_ends_it(office: Office) -> None:
    """The websocket closes with a code that says why (RFC 6455, 7.4.1), and nothing is done."""
    cookie = sign_in(office, "1001")
    with Board(office, cookie) as board:
        board.send(BytesMessage(b"x"))
        assert board.end() == 1003
    with Board(office, cookie) as board:
        for _ in range(40):
            try:
                board.send(TextMessage("x" * 65536, message_finished=False))
            except ConnectionError:
                break
        assert board.end() in (1009, 0)
    for garbage in (b"\xff" * 40, b"\x81\x05hello", b"\x8f\x80\x00\x00\x00\x00"):
        with Board(office, cookie) as board:
            board.sock.sendall(garbage)
            assert board.end() in (0, 1002)
    with Board(office, cookie) as board:
        board.send(CloseConnection(1000, "bye"))
        assert board.end() == 1000


def test_who_does_not_read_is_cut_off_and_nobody_waits_for_them(tmp_path: Path) -> None:
    with Office(tmp_path, watch_buffer=100_000) as office:
        furnish(office)
        with (
            Board(office, sign_in(office, "1001")) as deaf,
            Board(office, sign_in(office, "1002")) as reader,
        ):
            deaf.until(lambda said: "me" in said)
            number = 0
            while not any(line["event"] == "board cut off" for line in office.daemon.log):
                # Each change fits a reading board's buffer; all of them exceed the kernel's.
                number += 1
                text = f"{number:04}" * 20_000
                office.ask("Update", id="cut-5", description=text, own=False)
                reader.told("cut-5")
                assert number < 1000, "nobody is cut off"
            office.ask("Update", id="cut-5", description="last", own=False)
            while reader.told("cut-5")["task"]["description"] != "last":
                pass


def test_large_tasks_are_read_through_it(office: Office) -> None:
    """A reply may be larger than what boards are told in a message."""
    large = (
        {
            "id": f"large-{n}",
            "name": "n",
            "status": FREE,
            "group_id": "cut",
            "description": "x" * 300_000,
        }
        for n in range(8)
    )
    with Board(office, sign_in(office, "1001")) as board:
        board.until(lambda said: "me" in said)
        for outcome in office.dash.pipeline(map(Register.parse, large)):
            assert isinstance(outcome, dict)
        page = board.ask("Query", {"where": {"id": [f"large-{n}" for n in range(3)]}})
        assert len(page["tasks"]) >= 2
    for number in range(8):
        office.ask("Update", id=f"large-{number}", description="", status="cancelled", own=False)


def test_who_is_signed_out_is_out(office: Office) -> None:
    """A board closes when an administrator signs its person out, or its token is revoked."""
    with Board(office, sign_in(office, "1002")) as board:
        board.until(lambda said: "me" in said)
        office.ask("Logout", user="1002")
        assert board.end() == 1008
    token = office.token("wall", "--role", "reader")
    with Board(office, token=token) as board:
        assert board.until(lambda said: "me" in said)["me"]["role"] == "reader"
        office.revoke("wall")
        assert board.end() == 1008
    status, told = post(f"{office.url}/api/v1/People", b"{}", authorization=f"Bearer {token}")
    assert (status, told["errid"]) == (401, 1003)


def test_a_change_of_groups_is_seen_at_once(office: Office) -> None:
    with Board(office, sign_in(office, "1003")) as board:
        board.until(lambda said: "me" in said)
        office.ask("SetPerson", user="1003", groups=["paint", "cut"])
        assert board.until(lambda said: "me" in said)["me"]["groups"] == ["cut", "paint"]
        assert board.until(lambda said: "afresh" in said)
        assert board.ask("Find", {"id": "cut-1"})["errid"] == 0
        office.ask("SetPerson", user="1003", groups=["paint"])
        board.until(lambda said: "afresh" in said)
        assert board.ask("Find", {"id": "cut-1"})["errid"] == 1002


def told_of(board: Board, url: str) -> dict[str, Any]:
    """Give what a board is told next of a service; others may have news at the same time."""
    while True:
        for one in board.until(lambda said: said.get("services"))["services"]:
            if one["url"] == url:
                return dict(one)


def test_a_service_that_moves_to_another_group_leaves_the_board(office: Office) -> None:
    """A board hears nothing of services in groups that are not its person's."""
    url = "http://10.0.0.99"
    with Board(office, sign_in(office, "1001")) as board:
        board.until(lambda said: "me" in said)
        for group, state in (("cut", "alive"), ("paint", None)):
            office.ask("RegisterService", url=url, name="Mover", group_id=group)
            assert told_of(board, url)["state"] == state
        office.ask("RegisterService", url=url, name="Unseen", group_id="paint")
        office.ask("RegisterService", url=url, name="Mover", group_id="cut")
        assert told_of(board, url)["name"] == "Mover"


def test_a_daemon_that_stops_says_so(tmp_path: Path) -> None:
    """Open boards are told, and do not hold up the stop."""
    office = Office(tmp_path)
    furnish(office)
    with Board(office, sign_in(office, "1001")) as board:
        board.until(lambda said: "me" in said)
        began = time.monotonic()
        office.dash.close()
        assert office.daemon.stop() == 0
        assert time.monotonic() - began < 8
        assert board.end() == 1001


def test_changes_come_while_others_come_back(office: Office) -> None:
    """Boards that join in the middle of a stream miss nothing and hear nothing twice."""
    cookie = sign_in(office, "1001")
    office.task("stream", "Stream", FREE, group_id="cut")
    with Board(office, cookie) as first:
        greeting = first.until(lambda said: "me" in said)
        place = f"?since={greeting['rev']}&sight={greeting['me']['sight']}"
        boards: list[Board] = []
        for number in range(120):
            office.ask("Update", id="stream", description=str(number), own=False)
            if number % 10 == 0:
                boards.append(Board(office, cookie, place))
        for board in [first, *boards]:
            heard: list[int] = []
            while not heard or heard[-1] != 119:
                for event in board.until(lambda said: said.get("events"))["events"]:
                    if event["task"]["id"] == "stream":
                        heard.append(int(event["task"]["description"] or -1))
            assert heard == list(range(120))
        for board in boards:
            board.sock.close()
