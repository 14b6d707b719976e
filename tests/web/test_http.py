"""The HTTP face: who is let in, what is said how, the original API, and its own description."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from office import FREE, PASSWORD, Office, furnish
from processes import last_lines, taskdashd

import taskdash
from taskdash_protocol.requests import REQUESTS
from taskdashd.web import cookies

HOOKS = Path(__file__).with_name("api_hooks.py")
JSON = {"content-type": "application/json"}
COOKIE = re.compile(r"taskdash=([^;]*); Path=/; Max-Age=\d+; HttpOnly; SameSite=Strict$")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office")) as office:
        furnish(office)
        yield office


class Answer:
    """An HTTP answer."""

    def __init__(self, connection: HTTPConnection) -> None:
        answer = connection.getresponse()
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(
    office: Office,
    method: str,
    path: str,
    body: Any = None,
    source: str = "127.0.0.1",
    **headers: str,
) -> Answer:
    """Ask on a connection of its own."""
    where = (source, 0)
    connection = HTTPConnection("127.0.0.1", office.port, timeout=20, source_address=where)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, (str, bytes)):
        body, given = json.dumps(body), {**JSON, **given}
    connection.request(method, path, body, given)
    answer = Answer(connection)
    connection.close()
    return answer


def raw(office: Office, data: bytes) -> bytes:
    """Send bytes, and give all that comes until the daemon closes the connection."""
    with socket.create_connection(("127.0.0.1", office.port), timeout=20) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        parts = iter(lambda: sock.recv(65536), b"")
        return b"".join(parts)


def sign_in(office: Office, user: str, name: str) -> str:
    """Give the cookie of somebody who has signed in."""
    body = {"user": user, "name": name, "password": PASSWORD}
    answer = send(office, "POST", "/api/v1/Login", body)
    assert answer.status == 200, answer.body
    match = COOKIE.match(answer.headers["set-cookie"])
    assert match, answer.headers
    return f"taskdash={match[1]}"


# Sign-ins and origins


def test_a_restore_ends_every_sign_in(tmp_path: Path) -> None:
    """Who was signed out after the backup must not be in again by it."""
    with Office(tmp_path / "data") as office:
        cookie = sign_in(office, "1001", "Ann Li")
        done = taskdashd("backup", tmp_path / "copy.db", "--data", office.data)
        assert done.returncode == 0, done.stderr
        assert send(office, "POST", "/api/v1/Query", {}, cookie=cookie).status == 200
        assert send(office, "POST", "/api/v1/Logout", {}, cookie=cookie).status == 200
    done = taskdashd("restore", tmp_path / "copy.db", "--force", "--data", tmp_path / "data")
    assert "everybody is signed out" in done.stdout
    with Office(tmp_path / "data") as office:
        assert send(office, "POST", "/api/v1/Query", {}, cookie=cookie).status == 401
        assert sign_in(office, "1001", "Ann Li")


def test_a_sign_in_lasts_until_it_is_ended(office: Office) -> None:
    cookie = sign_in(office, "1001", "Ann Li")
    asked = send(office, "POST", "/api/v1/Query", {"limit": 1}, cookie=cookie)
    assert (asked.status, asked.json["errid"]) == (200, 0)
    for other in ("", "taskdash=", cookie[:-1] + "x", "taskdash=MTAwMQ.x.y", "taskdash=é.é.é"):
        refused = send(office, "POST", "/api/v1/Query", {}, cookie=other)
        assert (refused.status, refused.json["errid"]) == (401, 1003), other
    # Cookies that others keep on this host must do no harm.
    for others in ('a={"x":1}; ', "path=/x; ", "t=a b; ", "taskdash=old; "):
        assert send(office, "POST", "/api/v1/Query", {}, cookie=others + cookie).status == 200
    out = send(office, "POST", "/api/v1/Logout", {}, cookie=cookie)
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert send(office, "POST", "/api/v1/Query", {}, cookie=cookie).status == 401


def test_a_browser_holds_the_sign_ins_of_several_people(office: Office) -> None:
    """A request is the latest one's, or of whom it names; each signs out alone."""
    cookie = sign_in(office, "1001", "Ann Li")
    other = send(office, "POST", "/api/v1/Login", {"user": "1002", "name": "王小明"}, cookie=cookie)
    both = other.headers["set-cookie"].partition(";")[0]

    def user(held: str, query: str = "") -> str:
        return str(send(office, "GET", f"/api/v1/about{query}", None, cookie=held).json["user"])

    assert (user(both), user(both, "?as=1001"), user(both, "?as=1002")) == ("1002", "1001", "1002")
    assert user(both, "?as=1003") == user(both, "?as=") == user(both, "?as=1001&as=1002") == ""
    assert user(cookie, "?as=1002") == ""
    query = send(office, "POST", "/api/v1/Query?as=1003", {}, cookie=both)
    assert query.status == 401
    out = send(office, "POST", "/api/v1/Logout?as=1001", {}, cookie=both)
    left = out.headers["set-cookie"].partition(";")[0]
    assert (user(left), user(left, "?as=1001"), user(both, "?as=1001")) == ("1002", "", "")
    # Who signs in again has one place, the first.
    again = send(office, "POST", "/api/v1/Login", {"user": "1001"}, cookie=both)
    held = again.headers["set-cookie"].partition(";")[0]
    assert (user(held), len(held)) == ("1001", len(both))


def test_a_cookie_has_room_for_the_latest_sign_ins() -> None:
    """The oldest are left out before browsers, or whoever reads it, would refuse it."""
    held = [cookies.Held(f"{n:064}", "s" * 43) for n in range(50)]
    written = cookies.write(held, b"key", secure=False)
    cookie = written.partition(";")[0]
    assert len(cookie) < 1100
    found = cookies.read(cookie, b"key")
    assert 5 < len(found) < 50
    assert list(found) == held[: len(found)]
    assert cookies.read(f"{cookie}; {cookie}", b"key") == found
    assert cookies.read(f"{cookie}; {cookies.write(held[:1], b'key', secure=False)}", b"key") == ()


def test_a_foreign_page_is_not_heard(office: Office) -> None:
    """A foreign page is refused by its origin, by its name for the daemon, and as a form."""
    cookie = sign_in(office, "1001", "Ann Li")
    own = f"http://{office.address}"
    assert send(office, "POST", "/api/v1/People", {}, cookie=cookie, origin=own).status == 200
    for origin in ("http://evil.example", "null", f"https://{office.address}x"):
        refused = send(office, "POST", "/api/v1/People", {}, cookie=cookie, origin=origin)
        assert refused.status == 403, origin
        socket_ = send(office, "GET", "/ws", None, **HANDSHAKE, cookie=cookie, origin=origin)
        assert socket_.status == 403, origin
    for host, status in (("evil.example", 421), ("[", 400), ("localhost", 200), ("10.0.0.1", 200)):
        assert send(office, "POST", "/api/v1/People", {}, cookie=cookie, host=host).status == status
    form = send(office, "POST", "/api/v1/People", "a=b", cookie=cookie, content_type="text/plain")
    assert form.status == 415


def test_a_token_gets_in_where_tcp_is_open_to_all(office: Office) -> None:
    """A browser that reaches the board is not let in just because this machine's services are."""
    assert send(office, "POST", "/api/v1/Status", {}, authorization="Bearer x").status == 401
    token = office.token("script", "--role", "reader")
    asked = send(office, "POST", "/api/v1/Status", {}, authorization=f"Bearer {token}")
    assert asked.status == 200
    write = {"id": "x", "name": "x"}
    refused = send(office, "POST", "/api/v1/Register", write, authorization=f"Bearer {token}")
    assert (refused.status, refused.json["errid"]) == (403, 1003)
    # Services that use TCP without a token are not thrown out by a new token.
    with taskdash.connect(office.daemon.url) as dash:
        dash.find("cut-1")
        office.token("another")
        assert dash.connected
        dash.find("cut-1")


def test_every_answer_says_what_browsers_may_do_with_it(office: Office) -> None:
    for asked in (
        *("GET /", "GET /nowhere", "POST /", "POST /api/v1/Nothing"),
        f"GET {office.static('page.js')}",
        *("GET /api/v1/about", "PUT /rpost/task"),
    ):
        method, _, path = asked.partition(" ")
        headers = send(office, method, path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


# Statuses and errors


def test_each_error_has_its_status(office: Office) -> None:
    cookie = sign_in(office, "1001", "Ann Li")

    def asked(operation: str, body: dict[str, Any]) -> tuple[int, int]:
        answer = send(office, "POST", f"/api/v1/{operation}", body, cookie=cookie)
        return answer.status, answer.json["errid"]

    assert asked("Find", {"id": "cut-1"}) == (200, 0)
    assert asked("Find", {}) == (400, 1000)
    assert asked("Watch", {}) == (400, 1000)
    assert asked("Find", {"id": "paint-1"}) == (404, 1002)
    assert asked("SetPerson", {"user": "1001", "role": "admin"}) == (403, 1003)
    assert asked("Claim", {"id": "cut-2"}) == (409, 1004)
    assert send(office, "POST", "/api/v1/Find", b"{", **JSON).status == 400
    assert send(office, "POST", "/api/v1/Find", b"x" * (2 << 20), **JSON).status == 413
    assert send(office, "GET", "/api/v1/Find").headers["allow"] == "POST"
    assert send(office, "DELETE", "/").headers["allow"] == "GET, HEAD"


def test_files_are_sent_once(office: Office) -> None:
    path = office.static("page.js")
    plain = send(office, "GET", path)
    packed = send(office, "GET", path, accept_encoding="br, gzip;q=0.5")
    assert len(packed.body) < len(plain.body) / 2
    assert packed.headers["content-encoding"] == "gzip"
    assert send(office, "GET", path, accept_encoding="gzip;q=0").body == plain.body
    for tags in (plain.headers["etag"], f'"x", {plain.headers["etag"]}', "*"):
        again = send(office, "GET", path, if_none_match=tags)
        assert (again.status, again.body) == (304, b"")
    head = send(office, "HEAD", path)
    assert (head.body, head.headers["content-length"]) == (b"", str(len(plain.body)))
    assert send(office, "HEAD", "/nowhere").status == 404
    sources = ("/static/page.js", "/static/shell/main.js", "/static/README", "/index.html")
    outside = ("/static/../app.py", "/static/%2e%2e/app.py", "//etc/passwd", "/static/")
    for nothing in (*sources, *outside):
        assert send(office, "GET", nothing).status == 404


def test_files_are_kept_for_good_and_the_page_is_asked_for_each_time(office: Office) -> None:
    for path in ("/", "/wall"):
        assert send(office, "GET", path).headers["cache-control"] == "no-cache"
    for name in ("page.js", "views/board.js", "style.css", "words/zh.json", "icon.svg"):
        kept = send(office, "GET", office.static(name)).headers["cache-control"]
        assert kept == "max-age=31536000, immutable", name


HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec_websocket_version": "13",
    "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_what_is_no_http_is_refused_and_nothing_is_left(office: Office) -> None:
    """Malformed, cut off, too large, or too slow: the daemon says so and goes on."""
    for data, status in (
        (b"\x00\x00\x00\x06\x93\xcd\x05\x70\xc0\xc0", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 99000 + b"\r\n\r\n", b"431"),
        (b"POST /rpost/task HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nab", b"400"),
        (b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\r\n", b"400"),
        (b"GE", b"400"),
        (b"", b""),
    ):
        answered = raw(office, data)
        assert answered[9:12] == status, data
    get = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    two = get.replace(b"GET", b"HEAD") + get
    assert raw(office, two).endswith(b"\r\n\r\nok\n")
    assert send(office, "GET", "/healthz").body == b"ok\n"
    faults = [line for line in office.daemon.log if "unexpected" in line["event"]]
    assert faults == []


def test_connections_and_requests_have_their_bounds(tmp_path: Path) -> None:
    with Office(tmp_path, web_connections=3, identity_rate=5, frame_timeout=2) as office:
        office.people()
        cookie = sign_in(office, "1001", "Ann Li")
        said = {send(office, "POST", "/api/v1/People", {}, cookie=cookie).status for _ in range(60)}
        assert said == {200, 429}
        # The part of the rate that a request does not use is there for the next.
        token = office.token("script", "--role", "reader")
        bearer = f"Bearer {token}"
        said = {
            send(office, "POST", "/api/v1/People", {}, authorization=bearer).status
            for _ in range(4)
        }
        assert said == {200}
        held = [socket.create_connection(("127.0.0.1", office.port)) for _ in range(3)]
        # The daemon has accepted all three once it has answered on the last.
        held[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert held[-1].recv(100)
        assert send(office, "GET", "/healthz").status == 503
        # A request that was begun must be whole within frame_timeout.
        held[0].sendall(b"GET / HTTP/1.1\r\n")
        assert b"408" in held[0].recv(100)
        for sock in held:
            sock.close()


def test_tls_is_spoken_where_it_is_asked_for(tmp_path: Path) -> None:
    """The board shows the certificate that services know; the cookie never goes in the clear."""
    import ssl

    import trustme

    authority = trustme.CA()
    pair = authority.issue_cert("127.0.0.1")
    pair.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pair.pem")
    pem = tmp_path / "pair.pem"
    with Office(tmp_path / "data", web_tls="on", tls_cert=pem, tls_key=pem) as office:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        from http.client import HTTPSConnection

        connection = HTTPSConnection("127.0.0.1", office.port, context=context, timeout=20)
        body = json.dumps({"user": "1", "name": "A"})
        connection.request("POST", "/api/v1/Login", body, JSON)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["set-cookie"].endswith("; Secure")
        connection.close()
        plainly = raw(office, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plainly.startswith(b"HTTP/1.1 400 ")
        assert plainly.partition(b"\r\n\r\n")[2].startswith(
            b"This port speaks TLS: a browser asks by"
        )
        assert b"cookie" not in plainly.lower()


# The original API


def rpost(office: Office, cookie: str = "", **parameters: str) -> Answer:
    form = "&".join(f"{name}={value}" for name, value in parameters.items())
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    return send(office, "POST", "/rpost/task", form.encode(), cookie=cookie, content_type=kind)


def test_the_original_api_is_as_it_was(tmp_path: Path) -> None:
    """Requests and replies as existing pages know them; a session is asked for."""
    with Office(tmp_path) as office:
        office.people()
        office.ask(
            "Register",
            id="9cf4db018beecb08a1f27678798c0653",
            name="n",
            status=FREE,
            project_id="p1",
            instance_id="i1",
            task_type="vidEdit",
            reserved="r",
            task_id="20200311_0000001_111111",
            url="https://192.168.51.33:8080",
        )
        office.task("done", "n", "finish", user="1001")
        refused = rpost(office, operation="GetTasksNoUser")
        assert (refused.status, refused.json["errid"]) == (200, 1003)
        entered = rpost(office, operation="userLogin", username="1001", password="")
        assert entered.body == b"success"
        assert entered.headers["content-type"].startswith("text/")
        match = COOKIE.match(entered.headers["set-cookie"])
        assert match
        cookie = f"taskdash={match[1]}"
        (free,) = rpost(office, cookie, operation="GetTasksNoUser").json
        created = free.pop("CreateTime")
        assert isinstance(created, int)
        assert list(free.items()) == [
            ("ID", "9cf4db018beecb08a1f27678798c0653"),
            ("ProjectID", "p1"),
            ("InstanceID", "i1"),
            ("TaskID", "20200311_0000001_111111"),
            ("TaskType", "vidEdit"),
            ("URL", "https://192.168.51.33:8080"),
            ("Status", "待领取"),
            ("User", ""),
            ("Checker", ""),
            ("Group", ""),
            ("Reserved", "r"),
        ]
        bound = rpost(office, cookie, operation="TaskBind", user="1001", ID=free["ID"])
        assert bound.body == b"success"
        status = "%E5%B7%B2%E9%A2%86%E5%8F%96"
        (mine,) = rpost(office, cookie, operation="GetTasksByStatus", status=status).json
        assert (mine["User"], mine["Status"]) == ("1001", "已领取")
        for name in ("GetTasksByUser", "GetUserTasks"):
            assert len(rpost(office, cookie, operation=name, user="1001").json) == 2
        as_json = {"operation": "GetTasksByUser", "user": "1001"}
        assert len(send(office, "POST", "/rpost/task", as_json, cookie=cookie).json) == 2
        for wrong, errid, errmsg in (
            ({"operation": "Nothing"}, 1000, "请求格式不正确"),
            ({}, 1000, "请求格式不正确"),
            ({"operation": "TaskBind", "user": "1001", "ID": "none"}, 1002, "数据库查询失败"),
            ({"operation": "TaskBind", "user": "1002", "ID": "done"}, 1003, "未授权"),
            ({"operation": "userLogin", "username": ""}, 1000, "请求格式不正确"),
        ):
            said = send(office, "POST", "/rpost/task", wrong, cookie=cookie).json
            assert (said["errid"], said["errmsg"]) == (errid, errmsg), wrong


def test_the_original_api_may_be_open(tmp_path: Path) -> None:
    with Office(tmp_path, rpost_open="on") as office:
        office.people()
        office.task("t", "n", FREE)
        assert len(rpost(office, operation="GetTasksNoUser").json) == 1
        assert rpost(office, operation="TaskBind", user="1001", ID="t").body == b"success"


# The API's own description


@pytest.fixture
def tried(tmp_path: Path) -> Iterator[Office]:
    """An office of a test's own: schemathesis leaves odd tasks, and refusals that are counted."""
    with Office(tmp_path / "office") as office:
        furnish(office)
        yield office


@pytest.mark.long
def test_the_api_is_as_it_describes_itself(tried: Office, tmp_path: Path) -> None:
    """schemathesis tries what is described and what is not."""
    office = tried
    token = office.token("boss", "--role", "operator")
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{office.url}/api/v1/openapi.json",
        "-H",
        f"Authorization: Bearer {token}",
        "--phases",
        "coverage,fuzzing",
        "-n",
        "4",
        "--no-color",
        "--warnings",
        "off",
        "--seed",
        "7",
    ]
    # No schema says that a cursor must come from a reply, which zones and hours there are, or that
    # of two fields one alone may be there: leave that check out for these paths.
    unsaid = ("Query", "Audit", "SetCalendar", "SetPerson", "SetView")
    vague = [f"/api/v1/{name}" for name in unsaid]
    others = [word for path in vague for word in ("--exclude-path", path)]
    these = [word for path in vague for word in ("--include-path", path)]
    no_check = ["--exclude-checks", "positive_data_acceptance", *these]
    hooked = {**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)}
    described = {f"/api/v1/{name}" for name, one in REQUESTS.items() if one.over_http}
    assert described > set(vague)
    for more, tested in ((others, len(described) - len(vague)), (no_check, len(vague))):
        words = [*command, *more]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=180, cwd=tmp_path, env=hooked
        )
        # Before the failures it tells of what went well.
        failures = done.stdout.partition(" FAILURES ")[2].partition("\n")[2]
        assert done.returncode == 0, failures or last_lines(done.stdout + done.stderr)
        assert f"Tested: {tested}" in done.stdout
    assert [line for line in office.daemon.log if line["level"] == "error"] == []


# Services are asked


class Teller(BaseHTTPRequestHandler):
    """A task service that tells of its tasks, or misbehaves as its path says."""

    tasks: list[dict[str, Any]] = [
        {
            "ID": "s1",
            "ProjectID": "p",
            "InstanceID": "i",
            "TaskID": "x1",
            "TaskType": "cut",
            "Status": FREE,
            "URL": "http://10.0.0.7",
            "EditInfo": "e",
            "CreateTime": 1596792596,
        },
        {"id": "s2", "name": "Two", "status": "待领取"},
    ]
    asked: list[bytes] = []

    def do_GET(self) -> None:
        self.tell(self.tasks)

    def do_POST(self) -> None:
        self.asked.append(self.rfile.read(int(self.headers["content-length"])))
        self.tell(self.tasks[0])

    def tell(self, said: Any) -> None:
        body = json.dumps(said).encode()
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            for _ in range(64):
                self.wfile.write(b" " * 65536)
            return
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()
            return
        body = {"/odd": b"{", "/number": b"7"}.get(self.path, body)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        # The daemon hangs up where it has heard enough.
        with suppress(ConnectionError):
            super().handle()


def test_services_are_asked_for_their_tasks_and_nobody_else(tmp_path: Path) -> None:
    """The daemon fetches only from the addresses and ports that the operator names."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Teller)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    url = f"http://127.0.0.1:{port}"
    with Office(tmp_path, fetch_allow=f"127.0.0.1:{port}") as office:
        told = office.ask("RegisterService", url=url, name="Teller", fetch=True)
        assert told["tasks"] == ["s1", "s2"]
        one = office.dash.find("s1")
        assert (one["task_type"], one["task_id"], one["name"]) == ("cut", "x1", "x1")
        assert one["url"] == "http://10.0.0.7"
        assert office.dash.find("s2")["url"] == url
        assert office.ask("FetchTasks", url=url, id="s1")["tasks"] == ["s1"]
        assert json.loads(Teller.asked[-1]) == {"ID": "s1"}
        for path, why in (
            ("/endless", "more than"),
            ("/elsewhere", "answered 302"),
            ("/odd", "not valid JSON"),
            ("/number", "must be a list"),
        ):
            office.ask("RegisterService", url=url + path)
            with pytest.raises(taskdash.TaskDashError, match=why):
                office.ask("FetchTasks", url=url + path)
        for other in (
            f"http://localhost:{port + 1}",
            "http://127.0.0.2",
            "http://[::1]:80",
            f"http://0.0.0.0:{port}",
            f"http://[::ffff:127.0.0.1]:{port}",
        ):
            office.ask("RegisterService", url=other)
            with pytest.raises(taskdash.TaskDashError, match="fetch_allow does not name"):
                office.ask("FetchTasks", url=other)
        for odd in (
            "http://a b",
            "http://x@127.0.0.1",
            "http://127.0.0.1:0",
            f"http://{'a' * 70}/",
        ):
            office.ask("RegisterService", url=odd)
            with pytest.raises(taskdash.TaskDashError, match="names no host"):
                office.ask("FetchTasks", url=odd)
        assert [line for line in office.daemon.log if "unexpected" in line["event"]] == []
    server.shutdown()
    server.server_close()
