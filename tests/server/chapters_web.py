"""The chapters of the recorded exchange that begin with the web: HTTP, the original API, the board,
services that are asked, limits, and the end of the daemon."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlencode

from stage import Stage, chapter
from tape import BYTES, CLOSE, PING, Http, Peer, Tcp
from tour import FREE
from wire_client import ask

FORM = {"content-type": "application/x-www-form-urlencoded"}


def furnish(boss: Tcp) -> None:
    """Make people and work."""
    boss.ask("SetPerson", {"user": "ann", "name": "Ann", "groups": ["cut"]})
    boss.ask("SetPerson", {"user": "eve", "name": "Eve", "groups": ["paint"]})
    for task, group in (("a", "cut"), ("b", "paint"), ("c", "")):
        boss.ask("Register", {"id": task, "name": task, "status": FREE, "group_id": group})


# HTTP


@chapter
def http(stage: Stage) -> None:
    furnish(stage.tcp("boss"))
    ann = stage.browser("ann")
    for method, path in (
        *(("GET", "/"), ("HEAD", "/wall"), ("POST", "/"), ("GET", "/nowhere")),
        *(("GET", "/static/../app.py"), ("GET", "/healthz"), ("HEAD", "/healthz")),
        *(("GET", "/api/v1/about"), ("POST", "/api/v1/about"), ("GET", "/api/v1/Find")),
        *(("GET", "/api/v1/"), ("DELETE", "/api/v1/Find"), ("PUT", "/rpost/task")),
        *(("GET", "/ws"), ("GET", "/api/v1/openapi.json"), ("POST", "/api/v1/openapi.json")),
        ("GET", "/healthz?x=y"),
    ):
        ann.send(method, path)
    ann.send("GET", "/", if_none_match="*")
    ann.send("GET", "/", accept_encoding="gzip")
    ann.ask("Find", {"id": "a"})
    ann.ask("Login", {"user": "ann", "name": "Eve"})
    ann.ask("Login", {"user": "ann"})
    ann.ask("Login", {"user": "ann"})
    ann.send("GET", "/api/v1/about")
    for operation, body in (
        *(("Find", {"id": "a"}), ("Find", {"id": "b"}), ("Query", {}), ("People", {})),
        *(("Claim", {"id": "a"}), ("Claim", {"id": "b"}), ("Update", {"id": "a"}), ("Status", {})),
        *(("Watch", {}), ("Unwatch", {"watch": 1}), ("Hello", {"protocol": 1}), ("Nothing", {})),
        *(("Find", []), ("SetPerson", {"user": "ann", "name": "Anna"}), ("Figures", {})),
    ):
        ann.ask(operation, body)
    play_strange_heads(ann)
    for body in (b"", b"{", b"null", b'{"id":"\xff"}'):
        ann.send("POST", "/api/v1/Find", body, content_type="application/json")
    far = stage.browser("ann from elsewhere", "127.0.0.2")
    warned = far.ask("Login", {"user": "ann"})
    far.ask("Find", {"id": "a"})
    far.ask("Login", {"user": "ann", "confirm": warned["confirm"]})
    far.ask("Find", {"id": "a"})
    far.ask("Logout", {"user": "eve"})
    ann.ask("Logout")
    ann.ask("Find", {"id": "a"})
    ann.ask("Logout")
    far.ask("Logout", {"everywhere": True})
    far.ask("Find", {"id": "a"})
    new = stage.browser("new")
    new.ask("Login", {"user": "new"})
    new.ask("Login", {"user": "new", "name": "New"})
    new.ask("Query")


def play_strange_heads(ann: Http) -> None:
    for name, text in (
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("host", "evil.example"),
        ("host", "["),
        ("host", "localhost"),
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=utf-8"),
        ("cookie", "taskdash=x.y.z"),
        ("cookie", "taskdash="),
        ("cookie", f"other=1; {ann.headers['cookie']}"),
        ("authorization", "Bearer x"),
        ("authorization", "Basic x"),
    ):
        given = {"content-type": "application/json", name: text}
        ann.send("POST", "/api/v1/Find", b'{"id":"a"}', f"Find with {name}: {text}", **given)


@chapter
def no_http(stage: Stage) -> None:
    stage.start(frame_timeout=0.5, max_frame=4096)
    for what, data in {
        "a beat": bytes.fromhex("000000 06 93 cd0570 c0c0"),
        "no Host": b"GET / HTTP/1.1\r\n\r\n",
        "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "a long head": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 99000 + b"\r\n\r\n",
        "a body that ends early": b"POST /rpost/task HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Length: 9\r\n\r\nab",
        "a body that never comes": b"POST /rpost/task HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Length: 9\r\n\r\nab",
        "a body that is too long": b"POST /api/v1/Find HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n" + b" " * 5000,
        "no websocket": b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\r\n",
        "an old websocket": b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 8\r\n\r\n",
        "a websocket elsewhere": b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "a websocket of nobody": b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "two requests": b"HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        "HTTP/1.0": b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n",
    }.items():
        assert stage.daemon
        peer = Peer(stage.web_port)
        peer.send(data)
        if what != "a body that never comes":
            peer.half_close()
        stage.tape.note(what, peer.rest().decode())
        peer.close()


@chapter
def original_api(stage: Stage) -> None:
    boss = stage.tcp("boss")
    furnish(boss)
    boss.ask(
        "Register",
        {
            "id": "9cf4",
            "name": "n",
            "status": FREE,
            "project_id": "p",
            "instance_id": "i",
            "task_type": "vidEdit",
            "reserved": "r",
            "task_id": "2020",
            "url": "https://x:1",
        },
    )
    one = stage.browser("page")
    asked: list[dict[str, Any]] = [
        *({}, {"operation": "Nothing"}, {"operation": "GetTasksNoUser"}),
        {"operation": "TaskBind", "user": "ann", "ID": "9cf4"},
        *({"operation": "userLogin", "username": name} for name in ("", "nobody", "eve", "ann")),
        *({"operation": "userLogin"}, {"operation": "userLogin", "username": "a b"}),
        {"operation": "GetTasksNoUser"},
        *({"operation": "TaskBind", "user": who, "ID": "9cf4"} for who in ("eve", "", "ann")),
        *({"operation": "TaskBind", "user": "ann", "ID": task} for task in ("", "none", "b")),
        *({"operation": name, "user": "ann"} for name in ("GetTasksByUser", "GetUserTasks")),
        *({"operation": "GetTasksByStatus", "status": status} for status in ("已领取", "", "x")),
    ]
    for given in asked:
        form, words = urlencode(given).encode(), json.dumps(given).encode()
        one.send("POST", "/rpost/task", form, f"form {given}", **FORM)
        one.send("POST", "/rpost/task", words, f"JSON {given}", content_type="application/json")
    odd = b'{"operation":"TaskBind","ID":7}'
    for body in (b"{", b"\xff", b"operation", b'{"operation":7}', odd):
        one.send("POST", "/rpost/task", body, **FORM)
    one.send("POST", "/rpost/task", b"", origin="http://evil.example", **FORM)
    far = stage.browser("from elsewhere", "127.0.0.2")
    far.send("POST", "/rpost/task", b"operation=userLogin&username=ann", **FORM)
    far.send("POST", "/rpost/task", b"operation=GetTasksByUser&user=ann", **FORM)


@chapter
def original_api_open(stage: Stage) -> None:
    stage.start(rpost_open="on")
    furnish(stage.tcp("boss"))
    one = stage.browser("page")
    for form in (
        *("operation=GetTasksNoUser", "operation=TaskBind&ID=a&user=ann"),
        *("operation=TaskBind&ID=b", "operation=GetTasksByUser&user=ann"),
    ):
        one.send("POST", "/rpost/task", form.encode(), **FORM)


# The board


@chapter
def board(stage: Stage) -> None:
    boss = stage.tcp("boss")
    furnish(boss)
    boss.ask("RegisterService", {"url": "http://10.0.0.7", "name": "Cutter", "group_id": "cut"})
    ann = stage.browser("ann")
    ann.ask("Login", {"user": "ann"})
    cookie = ann.headers["cookie"]
    stage.settle(boss)
    one = stage.board("one", Cookie=cookie)
    one.tell("the greeting", lambda told: "me" in told)
    for what, message in {
        "no JSON": b"{",
        "a list": [],
        "no seq": {"op": "Find", "body": {"id": "a"}},
        "seq a word": {"seq": "7", "op": "Find", "body": {"id": "a"}},
        "op a number": {"seq": 7, "op": 7},
        "body a list": {"seq": 7, "op": "Find", "body": []},
        "no body": {"seq": 7, "op": "Query"},
        "sign in": {"seq": 7, "op": "Login", "body": {"user": "ann"}},
        "sign out": {"seq": 7, "op": "Logout"},
        "watch": {"seq": 7, "op": "Watch"},
        "unknown": {"seq": 7, "op": "Nothing"},
        "a field is wrong": {"seq": 7, "op": "Find", "body": {"id": 7}},
        "not hers": {"seq": 7, "op": "Find", "body": {"id": "b"}},
        "hers": {"seq": 2**53, "op": "Find", "body": {"id": "a"}},
    }.items():
        one.message(what, message)
    one.say(b"x", PING)
    stage.tape.note("one: ping", str(one.heard()))
    claimed = one.ask("Claim", {"id": "a", "limit": 60})
    one.tell("her own claim", lambda told: told.get("events"))
    boss.ask("Update", {"id": "b", "description": "unseen", "own": False})
    boss.ask("Update", {"id": "a", "group_id": "paint", "user": "eve", "own": False})
    boss.ask("Update", {"id": "a", "group_id": "cut", "own": False})
    one.tell("it goes and comes", lambda told: len(told.get("events", ())) == 2)
    boss.ask("RegisterService", {"url": "http://10.0.0.7", "name": "Cutter", "group_id": "paint"})
    one.tell("a service leaves", lambda told: told.get("services"))
    boss.ask("SetPerson", {"user": "bob", "name": "Bob", "groups": ["cut"]})
    one.tell("somebody comes", lambda told: told.get("people"))
    boss.ask("SetPerson", {"user": "ann", "groups": ["cut", "paint"]})
    one.tell("her groups change", lambda told: told.get("afresh"))
    come_back(stage, cookie, claimed["rev"])
    for what, payload, opcode in (
        *(("bytes", b"x", BYTES), ("a goodbye", b"\x03\xe8bye", CLOSE), ("opcode 15", b"", 15)),
        ("no UTF-8", b"\xff", 1),
    ):
        sock = stage.board(f"who sends {what}", Cookie=cookie)
        sock.say(payload, opcode)
        sock.end(what)
    boss.ask("Logout", {"user": "ann"})
    one.end("she is signed out")


def come_back(stage: Stage, cookie: str, rev: int) -> None:
    first = stage.board("two", Cookie=cookie)
    first.tell("the greeting", lambda told: "me" in told)
    first.close()
    sight = stage.tape.said["two: told: the greeting"].partition('"sight":"')[2][:8]
    for since, seen in ((rev, sight), (rev, "other"), (99, sight), ("x", sight), ("", "")):
        one = stage.board("back", f"?since={since}&sight={seen}", Cookie=cookie)
        resumes = str(since).isdigit()
        one.tell(
            f"since {since} as {seen}",
            lambda told, resumes=resumes: "me" in told and (len(told) > 4 or not resumes),
        )
        one.close()


# Services


class Teller(BaseHTTPRequestHandler):
    """A service that tells of its tasks, or misbehaves as its path says."""

    def do_GET(self) -> None:
        answers = {
            "/odd": b"{",
            "/number": b"7",
            "/words": b'["x"]',
            "/none": b"[]",
            "/no-id": b'[{"Name":"n"}]',
            "/object": b'{"tasks":[{"id":"s3","name":"Three"}]}',
        }
        told = '[{"ID":"s1","TaskID":"x1","TaskType":"cut","Status":"待领取","CreateTime":1},'
        self.tell(answers.get(self.path, (told + '{"id":"s2","name":"Two"}]').encode()))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.tell(json.dumps({**asked, "Name": "One"}).encode())

    def tell(self, body: bytes) -> None:
        self.send_response(302 if self.path == "/elsewhere" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def teller() -> Iterator[int]:
    """Run the service; gives its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Teller) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@chapter
def services(stage: Stage) -> None:
    with teller() as port:
        stage.start(fetch_allow=f"127.0.0.1:{port}", max_services=12)
        url = f"http://127.0.0.1:{port}"
        boss, script = stage.tcp("boss"), stage.script("script", "boss")
        cutter = stage.script("cutter", "cutter")
        boss.ask("RegisterService", {"url": url, "name": "Teller", "fetch": True})
        boss.ask("Find", {"id": "s1"})
        boss.ask("FetchTasks", {"url": url, "id": "s1"})
        boss.ask("FetchTasks", {"url": url, "id": "s9"})
        cutter.ask("FetchTasks", {"url": url})
        for path in ("odd", "number", "words", "none", "no-id", "object", "elsewhere"):
            script.ask("RegisterService", {"url": f"{url}/{path}", "fetch": True})
        for other in ("http://127.0.0.1:1", "http://x@127.0.0.1", "http://127.0.0.2"):
            script.ask("RegisterService", {"url": other, "fetch": True})
        script.ask("RegisterService", {"url": "http://10.0.0.1", "heartbeat_timeout": 0.5})
        script.ask("RegisterService", {"url": "http://10.0.0.2"})
        boss.ask("Watch", {})
        # The task outlives its service, so that the order of the two is known. Whether the service
        # was found late before it was found dead is not, and each is a write with a rev.
        task = {"id": "own", "name": "n", "url": "http://10.0.0.1", "heartbeat_timeout": 1.5}
        script.ask("Register", task)
        script.ask("ServiceBeat", {"url": "http://10.0.0.1", "time": 7, "reserved": "r"})
        boss.events("a service is silent, and its task dies", 2, known_revs=False)
        stage.until(boss, "Services", {}, lambda said: "dead" in str(said))
        cutter.ask("Services")


# Limits


@chapter
def limits(stage: Stage) -> None:
    most = {"max_live_tasks": 2, "max_watches": 1, "max_frame": 4096, "max_people": 1}
    stage.start(request_rate=20, **most)
    one = stage.tcp("one")
    one.ask("Hello", {"protocol": 1})
    for number in range(3):
        one.ask("Register", {"id": f"{number}", "name": "n"})
    one.ask("Register", {"id": "ended", "name": "n", "status": "finish"})
    one.ask("Watch", {})
    one.ask("Watch", {})
    one.ask("SetPerson", {"user": "ann", "name": "Ann"})
    one.ask("SetPerson", {"user": "bob", "name": "Bob"})
    two = stage.tcp("two")
    two.ask("Register", {"id": "0", "name": "n", "description": "x" * 3500})
    for number in range(3):
        task = {"id": f"long {number}", "name": "n", "status": "finish", "description": "x" * 2000}
        two.ask("Register", task)
    page = two.ask("Query", {"where": {"status": "finish"}})
    two.ask("Query", {"where": {"status": "finish"}, "after": page["next"]})
    two.say("more than a frame", ask("Find", {"id": "x" * 5000}), 2)
    eager = stage.tcp("eager")
    eager.flood(ask("Find", {"id": "0"}), 200)
    script = stage.script("script", "boss")
    script.send("POST", "/api/v1/Find", b" " * 5000, "more than a body", content_type="text/plain")
    long = stage.wall("who sends a long message", "boss")
    long.say(b" " * 5000)
    long.end("1009")


@chapter
def crowd(stage: Stage) -> None:
    stage.start(max_connections_per_address=2, web_connections=2)
    first, second = stage.tcp("first"), stage.tcp("second")
    first.ask("Find", {"id": "x"})
    second.ask("Find", {"id": "x"})
    stage.tcp("one too many").say("is told", b"", 2)
    for name in ("one", "two"):
        stage.browser(name, "127.0.0.2").send("GET", "/healthz")
    for what, source in (("a third browser", "127.0.0.3"), ("a browser too many", "127.0.0.1")):
        peer = Peer(stage.web_port, source)
        stage.tape.note(what, peer.rest().decode())
        peer.close()


@chapter
def the_end(stage: Stage) -> None:
    polite, silent, old = stage.tcp("polite"), stage.tcp("silent"), stage.tcpx("old")
    polite.ask("Hello", {"protocol": 1, "client": "polite/1"})
    silent.ask("Find", {"id": "x"})
    old.ask("Hello", {"protocol": 1})
    wall = stage.wall("wall", "boss")
    wall.tell("the greeting", lambda told: "me" in told)
    code = stage.daemon.stop()
    stage.tape.note("SIGTERM", f"exit {code}")
    for one in (polite, silent, old):
        one.say("at the end", b"", 2)
    wall.end("the daemon stops")
