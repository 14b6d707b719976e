"""The chapters of the recorded exchange that begin with services: frames, ownership, watches,
people, tokens. Each is played to a daemon of its own."""

import struct
from functools import partial

import msgpack
from stage import Stage, chapter
from tape import Board, Http, Tcp, stable
from tour import CHANGES, FREE, NO_UTF_8, tour
from wire_client import BEAT, TCPX_BEAT, ask, length, native, tcpx

# The tour, by every door


def walk(stage: Stage, asker: Tcp | Http | Board) -> None:
    for operation, body, what in tour():
        asker.ask(operation, body, what)


@chapter
def tour_tcp(stage: Stage) -> None:
    stage.start(passwordless="everywhere")
    walk(stage, stage.tcp(""))


@chapter
def tour_tcpx(stage: Stage) -> None:
    stage.start(passwordless="everywhere")
    walk(stage, stage.tcpx(""))


@chapter
def tour_http(stage: Stage) -> None:
    walk(stage, stage.script("", "boss"))


@chapter
def tour_board(stage: Stage) -> None:
    board = stage.wall("", "boss")
    for operation, body, what in tour():
        # A text that is no UTF-8 ends a websocket: another chapter records that.
        if body != NO_UTF_8:
            board.ask(operation, body, what)


@chapter
def changes_on_purpose(stage: Stage) -> None:
    for asker in (stage.tcp(), stage.tcpx(), stage.script("http", "boss")):
        asker.ask("Register", {"id": "plain", "name": "n"})
        for operation, body in CHANGES:
            asker.ask(operation, body)


# Frames


@chapter
def frames(stage: Stage) -> None:
    one = stage.tcp()
    one.ask("Hello", {"protocol": 1, "client": "recorded/1"})
    one.ask("Hello", {"protocol": 1}, Seq=1)
    one.ask("Hello", {"protocol": 1, "token": "td_boss_x", "client": None})
    for body in ({}, {"protocol": 2}, {"protocol": 1.0}, {"protocol": 1, "client": "x" * 257}):
        one.ask("Hello", body)
    one.ask("Hello", {"protocol": 1, "client": "tab\tand\nline", "token": 7})
    for seq in (0, -1, 2**63, 1.5, "s", "", True, None, [], {}):
        one.ask("Find", {"id": "nobody"}, Seq=seq)
    one.ask("Find", {"id": "nobody"}, Seq=b"\x00\xff", Other=[1, {"a": 2}])
    one.ask("Find", {"id": "nobody"}, Token="td_boss_x")
    one.ask("Find", {"id": "nobody"}, Token=7)
    one.exchange("no RequestID", native(2, {}, {}))
    one.exchange("header nil", native(2, None, {}))
    one.exchange("RequestID of a wrong type", native(2, {"RequestID": 7, "Seq": 1}, {}))
    one.exchange("body nil", native(2, {"RequestID": "Query"}, None), "Query")
    one.exchange("body str", length(msgpack.packb([2, {"RequestID": "Query"}, "{}"])), "Query")
    one.exchange("body empty", native(2, {"RequestID": "Query"}, b""), "Query")
    for what, parts in {
        "body of a wrong type": [2, {"RequestID": "Find", "Seq": 3}, 7],
        "two elements": [2, {"RequestID": "Find"}],
        "four elements": [2, {"RequestID": "Find"}, b"{}", 0],
        "no array": {"RequestID": "Find"},
        "MessageID a word": ["2", {"RequestID": "Find", "Seq": 4}, b"{}"],
        "MessageID 0": [0, {"RequestID": "Find", "Seq": 5}, b"{}"],
        "MessageID 3": [3, {"RequestID": "Find", "Seq": 5}, b"{}"],
        "MessageID 1393": [1393, {"Seq": 6}, b"{}"],
        "header a list": [2, ["RequestID"], b"{}"],
        "header of 33": [2, {"RequestID": "Find", **{str(n): 0 for n in range(32)}}, b"{}"],
        "header with a number for a key": [2, {1: 2}, b"{}"],
        "header with bytes for a key": [2, {b"RequestID": "Find"}, b"{}"],
        "an extension": [2, {"RequestID": msgpack.ExtType(5, b"x")}, b"{}"],
    }.items():
        one.exchange(what, length(msgpack.packb(parts)))
    one.exchange("no MessagePack", length(b"\xc1"))
    whole = msgpack.packb([2, {"RequestID": "Find"}, None])
    one.exchange("bytes behind it", length(whole + b"\x00"))
    one.exchange("a beat with Seq", native(1392, {"Seq": "ping", "x": 1}))
    one.exchange("a beat with a bad Seq", native(1392, {"Seq": []}))
    one.exchange("a beat of ten bytes, then Find", BEAT + ask("Find", {"id": "x"}), "Find")
    one.say("three at once", b"".join(ask("Find", {"id": f"{n}"}, Seq=n) for n in range(3)), 3)
    one.say("a length of 0", bytes(4), 3)
    stranger = stage.tcp("who said no Hello")
    stranger.say("a length above the limit", struct.pack(">I", (1 << 20) + 1) + b"\x93", 2)
    half = stage.tcp("who sends no more")
    half.send(ask("Find", {"id": "x"}, Seq=1) + ask("Find", {"id": "y"})[:9])
    half.half_close()
    half.say("and a half", b"", 2)


@chapter
def original_frames(stage: Stage) -> None:
    one = stage.tcpx()
    one.ask("Hello", {"protocol": 1, "client": "recorded/1"}, Seq="a")
    one.ask_twice("Register", {"id": "t", "name": "影"})
    one.ask_twice("Find", {"id": "t"})
    one.ask_twice("Find", {"id": "nobody"})
    one.ask_twice("Nothing", {})
    one.ask("Find", {"id": "t"}, Seq=1.5)
    one.ask("Find", {"id": "t"}, Seq=[])
    for what, data in {
        "a token": tcpx(1393, None, b"td_boss_x"),
        "a token in quotes": tcpx(1393, {"Seq": 2}, b'"td_boss_x"'),
        "a token that is no UTF-8": tcpx(1393, None, b"\xff"),
        "another MessageID": tcpx(77, {"RequestID": "Find"}, {"id": "t"}),
        "MessageID 3": tcpx(3, {"RequestID": "Find"}, {"id": "t"}),
        "header null": tcpx(2, None, {}),
        "header of no length": tcpx(2, b"", {}),
        "header a list": tcpx(2, b"[]", {}),
        "header that is no JSON": tcpx(2, b"{", {}),
        "header of 33": tcpx(2, {"RequestID": "Find", **{str(n): 0 for n in range(32)}}, {}),
        "no body": tcpx(2, {"RequestID": "Query"}),
        "body a string that holds none": tcpx(2, {"RequestID": "Find"}, b'"x"'),
        "body a string cut off": tcpx(2, {"RequestID": "Find", "Seq": 1}, b'"{'),
        "lengths that do not add up": length(struct.pack(">III", 2, 9, 9) + b"null"),
        "too short": length(bytes(11)),
        "a beat with Seq": tcpx(1392, {"Seq": 1}),
        "a beat with a bad Seq": tcpx(1392, {"Seq": {}}),
        "a beat, then Find": TCPX_BEAT + tcpx(2, {"RequestID": "Find"}, {"id": "x"}),
    }.items():
        one.exchange(what, data)
    one.ask("Watch", {"where": {"id": "t"}})
    one.ask("Update", {"id": "t", "status": "finish"})
    one.events("in the original framing", 1)
    one.say("a length of 0", bytes(4), 3)


# Who owns a task, and who is told


@chapter
def ownership(stage: Stage) -> None:
    old, new, tool = stage.tcp("old"), stage.tcp("new"), stage.tcp("tool")
    old.ask("Hello", {"protocol": 1, "client": "old/1"})
    old.ask("Register", {"id": "t", "name": "n", "fenced": True})
    for operation, body in (
        ("Update", {"id": "t", "description": "no epoch"}),
        ("Update", {"id": "t", "description": "stale", "epoch": 7}),
        ("Update", {"id": "t", "description": "without", "own": False}),
        ("Update", {"id": "t", "description": "with", "own": False, "epoch": 1}),
        ("Register", {"id": "t", "name": "no epoch"}),
        ("Register", {"id": "t", "name": "there is one", "epoch": 0}),
        ("Register", {"id": "t", "name": "mine", "epoch": 1, "fenced": True}),
        ("Register", {"id": "t", "name": "again"}),
    ):
        new.ask(operation, body)
    old.ask("Update", {"id": "t", "description": "stale", "epoch": 1})
    old.ask("Update", {"id": "t", "description": "no epoch"})
    tool.ask("Update", {"id": "t", "fenced": False, "own": False, "epoch": 2})
    old.ask("Update", {"id": "t", "description": "open to all"})
    tool.ask("Find", {"id": "t"})
    old.ask("Register", {"id": "gone", "name": "n", "fenced": True})
    old.close()
    stage.until(
        tool, "Register", {"id": "gone", "name": "taken up"}, lambda said: said["errid"] == 0
    )
    tool.ask("Audit", {"task": "t", "limit": 2})
    tool.ask("Audit", {"task": "t", "limit": 2, "kinds": "updated"})


@chapter
def watches(stage: Stage) -> None:
    one, two, late = stage.tcp("one"), stage.tcp("two"), stage.tcp("late")
    one.ask("Watch", {})
    one.ask("Watch", {"where": {"group_id": ["cut", "paint"], "class": "live"}})
    for body in (
        *({"where": 7}, {"where": {"x": "y"}}, {"where": {"id": 7}}, {"since": -1}),
        *({"since": "1"}, {"since": True}, {"since": 99}, {"where": None, "since": None}),
    ):
        two.ask("Watch", body)
    two.ask("Watch", {"where": {"status": "finish"}})
    tool = stage.tcp("tool")
    tool.ask("Register", {"id": "a", "name": "n", "group_id": "cut"})
    tool.ask("Update", {"id": "a", "description": "影"})
    tool.ask("Register", {"id": "b", "name": "n"})
    tool.ask("Update", {"id": "a", "status": "finish"})
    one.events("all, and those of two groups that live", 6)
    two.events("all, and what is finished", 5)
    one.ask("Unwatch", {"watch": 1})
    for body in ({"watch": 1}, {"watch": "1"}, {}, {"watch": True}):
        one.ask("Unwatch", body)
    late.ask("Watch", {"since": 1})
    late.ask("Watch", {"since": 4})
    late.events("those that were missed", 3)
    tool.ask("Update", {"id": "b", "group_id": "cut"})
    one.events("one watch is left", 1)
    late.events("each watch tells", 2)
    one.ask("Register", {"id": "own", "name": "n", "status": "finish"})
    one.ask("Find", {"id": "own"})


@chapter
def deaths(stage: Stage) -> None:
    stage.start(heartbeat_timeout=600, claim_limit="1s", passwordless="everywhere")
    tool, owner = stage.tcp("tool"), stage.tcp("owner")
    tool.ask("Watch", {})
    owner.ask("Hello", {"protocol": 1, "client": "owner/1"})
    owner.ask("Register", {"id": "t", "name": "n", "status": "running", "heartbeat_timeout": 0.5})
    tool.ask("Register", {"id": "film", "name": "n", "status": FREE})
    tool.ask("SetPerson", {"user": "ann", "name": "Ann"})
    owner.say("is silent", b"", 2)
    tool.events("one dies", 3)
    ann = stage.tcp("ann")
    ann.ask("Login", {"user": "ann", "name": "ann"})
    ann.ask("Claim", {"id": "film", "limit": 86400})
    tool.events("a claim runs out", 2)
    tool.ask("Find", {"id": "t"})
    tool.ask("Find", {"id": "film"})
    tool.ask("Update", {"id": "t", "description": "no status"})
    tool.ask("Update", {"id": "t", "status": "running", "reason": "it is back"})
    tool.events("it comes back", 2)
    tool.ask("Audit", {"task": "t"})
    tool.ask("Audit", {"task": "film"})
    tool.ask("Audit", {"kinds": ["registered", "updated", "shutdown", "recovered"]})


# People


@chapter
def people(stage: Stage) -> None:
    stage.start(passwordless="everywhere")
    boss = stage.tcp("boss")
    boss.ask("SetPerson", {"user": "ann", "name": "Ann", "groups": ["cut"]})
    boss.ask("SetPerson", {"user": "bob", "name": "Bob", "groups": ["cut"]})
    boss.ask("SetPerson", {"user": "lea", "name": "Lea", "groups": ["cut"], "role": "lead"})
    boss.ask("SetPerson", {"user": "eve", "name": "Eve", "groups": ["paint"]})
    boss.ask("SetPerson", {"user": "root", "name": "Root", "role": "admin"})
    stage.tcp("root").ask("Login", {"user": "root"})
    boss.ask("SetPerson", {"user": "root", "password": "correct horse"})
    boss.ask("SetPerson", {"user": "off", "name": "Off", "active": False})
    for task, group in (("a", "cut"), ("b", "cut"), ("c", "paint"), ("d", "")):
        boss.ask("Register", {"id": task, "name": task, "status": FREE, "group_id": group})
    boss.ask("Register", {"id": "e", "name": "e", "status": FREE, "user": "bob", "group_id": "cut"})
    boss.ask("Register", {"id": "run", "name": "run", "status": "running", "group_id": "cut"})
    ann, bob, lea, eve, root = (stage.tcp(name) for name in ("ann", "bob", "lea", "eve", "root"))
    for one in (ann, bob, lea, eve, root):
        one.ask("Login", {"user": one.name, "password": "correct horse"})
    off = stage.tcp("off", source="127.0.0.3")
    off.ask("Login", {"user": "off", "name": "Off"})
    off.ask("Login", {"user": "ann", "name": "Bob"})
    off.ask("Login", {"user": "new"})
    off.ask("Login", {"user": "new", "name": " New "})
    off.ask("Logout")
    off.ask("Find", {"id": "a"})
    off.ask("Login", {"user": "new", "name": "Other"})
    # What has been noted so far is stored within a second: where it stands decides on cursors.
    last = {"limit": 1, "kinds": ["refused"]}
    stage.until(boss, "Audit", last, lambda said: "new (" in str(said["entries"]), keep=False)
    ann.ask("Watch", {})
    play_work(boss, ann, bob, lea, eve, root)
    ann.events("what she sees", 12)
    play_accounts(stage, boss, ann, bob, lea, root)


def play_work(boss: Tcp, ann: Tcp, bob: Tcp, lea: Tcp, eve: Tcp, root: Tcp) -> None:
    for one in (ann, lea, eve, root):
        one.ask("Query", {})
        one.ask("People")
        one.ask("Status")
        one.ask("Audit", {"limit": 1, "kinds": ["registered", "updated"]})
        one.ask("Audit", {"task": "c"})
        one.ask("Find", {"id": "c"})
        one.ask("Update", {"id": "a", "description": "mine"})
        one.ask("Claim", {"id": "a", "user": "bob"})
        one.ask("RegisterService", {"url": f"http://{one.name}.example"})
        one.ask("Services")
        one.ask("Figures")
    for one, operation, body in (
        *((ann, "Claim", {"id": task}) for task in ("c", "e", "run", "a", "a", "nobody")),
        (bob, "Claim", {"id": "a"}),
        (bob, "Begin", {"id": "a"}),
        (bob, "Release", {"id": "a"}),
        (bob, "Submit", {"id": "a"}),
        (ann, "Begin", {"id": "a"}),
        (ann, "Begin", {"id": "a"}),
        (ann, "Assign", {"id": "a", "to": "bob"}),
        (ann, "Approve", {"id": "a"}),
        (ann, "Submit", {"id": "a", "checker": "ann"}),
        (ann, "Submit", {"id": "a", "checker": "eve"}),
        (ann, "Submit", {"id": "a", "checker": "off"}),
        (ann, "Submit", {"id": "a", "word": "done"}),
        (ann, "Approve", {"id": "a"}),
        (bob, "Approve", {"id": "a"}),
        (lea, "Reject", {"id": "a", "reason": "a typo"}),
        (ann, "Submit", {"id": "a", "checker": "bob"}),
        (lea, "Approve", {"id": "a"}),
        (bob, "Approve", {"id": "a", "word": "fine"}),
        (bob, "Approve", {"id": "a"}),
        (lea, "Assign", {"id": "c", "to": "ann"}),
        *((lea, "Assign", {"id": "b", "to": to}) for to in ("eve", "off", "nobody", "bob")),
        (lea, "Release", {"id": "b", "word": "wait"}),
        (lea, "Assign", {"id": "b", "to": "ann"}),
        (bob, "Handover", {"of": "ann", "to": ["bob"]}),
        (ann, "Handover", {"of": "ann", "to": ["eve"]}),
        (ann, "Handover", {"of": "ann", "to": ["bob", "lea"], "word": "away"}),
        (lea, "Handover", {"of": "bob", "to": ["ann"]}),
        (root, "Handover", {"of": "off", "to": ["ann"]}),
        (root, "Claim", {"id": "c", "limit": 60}),
        (root, "Release", {"id": "c"}),
        (eve, "Claim", {"id": "c"}),
        (boss, "Release", {"id": "c", "user": "ann"}),
        (boss, "Audit", {"task": "a", "limit": 2}),
        (ann, "Audit", {"task": "a", "limit": 1}),
    ):
        one.ask(operation, body)


def play_accounts(stage: Stage, boss: Tcp, ann: Tcp, bob: Tcp, lea: Tcp, root: Tcp) -> None:
    for body in (
        *({"user": "ann", "name": "Anna"}, {"user": "bob", "name": "x"}),
        *({"user": "ann", "role": "admin"}, {"user": "ann", "groups": []}),
        *({"user": "ann", "password": ""}, {"user": "ann", "password": "short"}),
        {"user": "ann", "password": "correct horse"},
        {"user": "ann", "password": "another horse", "old_password": "wrong"},
        {"user": "ann", "password": "another horse", "old_password": "correct horse"},
    ):
        ann.ask("SetPerson", body)
    far = partial(stage.tcp, source="127.0.0.2")
    one = far("from elsewhere")
    one.ask("Login", {"user": "ann", "name": "Anna"})
    warned = one.ask("Login", {"user": "ann", "password": "another horse"})
    for confirm in ("x", "5.ab", warned["confirm"]):
        one.ask("Login", {"user": "ann", "password": "another horse", "confirm": confirm})
    one.ask("Find", {"id": "a"})
    one.ask("Logout", {"user": "bob"})
    one.ask("Logout", {"everywhere": True})
    one.ask("Query")
    ann.ask("Query")
    for _ in range(6):
        one.ask("Login", {"user": "lea", "name": "x"})
    root.ask("SetPerson", {"user": "bob", "active": False})
    bob.ask("Find", {"id": "a"})
    lea.ask("Find", {"id": "a"})
    root.ask("SetPerson", {"user": "lea", "groups": ["paint"], "leads": ["paint"]})
    lea.ask("Find", {"id": "c"})
    root.ask("Logout", {"user": "lea"})
    lea.ask("Find", {"id": "c"})
    # What happens beside tasks is kept once a second, and counted where it is the same: what there
    # is in the end does not depend on where a second ends.
    kinds = {"kinds": ["signed in", "signed out", "person set"], "limit": 1000}
    found = stage.until(boss, "Audit", kinds, lambda said: "'why': 'lea'" in str(said), keep=False)
    acts = {stable(f"{one['kind']} {one['who']} {one['why']}") for one in found["entries"]}
    stage.tape.note("what happened beside tasks", " | ".join(sorted(acts)))


@chapter
def passwords(stage: Stage) -> None:
    stage.start(passwords="on", sign_up="off", max_people=2, heartbeat_timeout=600)
    boss, one = stage.tcp("boss"), stage.tcp("one", source="127.0.0.2")
    boss.ask("SetPerson", {"user": "ann", "name": "Ann"})
    one.ask("Login", {"user": "new", "name": "New", "password": "correct horse"})
    one.ask("Login", {"user": "ann", "name": "Ann"})
    boss.ask("SetPerson", {"user": "ann", "password": "correct horse"})
    one.ask("Login", {"user": "ann", "name": "Ann", "password": "wrong horse"})
    one.ask("Login", {"user": "ann", "password": "correct horse"})
    boss.ask("SetPerson", {"user": "bob", "name": "Bob"})
    boss.ask("SetPerson", {"user": "eve", "name": "Eve"})
    stage.browser("browser").send("GET", "/api/v1/about")


# Tokens


@chapter
def tokens(stage: Stage) -> None:
    stage.start(auth="tokens", heartbeat_timeout=600)
    nobody = stage.tcp("nobody", source="127.0.0.2")
    for operation, body in (
        *(("Find", {"id": "t"}), ("Register", {"id": "t", "name": "n"}), ("Nothing", {})),
        *(("Hello", {"protocol": 1}), ("Hello", {"protocol": 1, "token": "td_boss_wrong"})),
        *(("Find", {}), ("Watch", {}), ("Login", {"user": "ann", "name": "Ann"})),
        *(("Find", {"id": "t"}), ("Query", {}), ("Logout", {}), ("Query", {})),
    ):
        nobody.ask(operation, body)
    stage.tcp("header").ask("Find", {"id": "t"}, Token=stage.tokens["reader"])
    stage.tcp("header").ask("Find", {"id": "t"}, Token="wrong")
    stage.tcp("header").ask("Find", {"id": "t"}, Token=7)
    old = stage.tcpx("by 1393")
    old.exchange("a wrong token", tcpx(1393, None, b"wrong"))
    old.exchange("a token", tcpx(1393, None, stage.tokens["cutter"].encode()))
    old.ask("Find", {"id": "t"})
    for who in ("boss", "reader", "cutter", "service"):
        one = stage.tcp(who)
        one.ask("Hello", {"protocol": 1, "token": stage.tokens[who], "client": who})
        script, board = stage.script(f"{who} by http", who), stage.wall(f"{who} at a board", who)
        board.tell("the greeting", lambda told: "me" in told)
        for asker in (one, script, board):
            play_role(asker, who)
    bad = stage.browser("who has no token")
    bad.ask("Find", {"id": "t"})
    bad.ask("Find", {"id": "t"}, authorization="Bearer wrong")
    bad.ask("Find", {"id": "t"}, authorization="Basic eDp5")


def play_role(asker: Tcp | Http | Board, who: str) -> None:
    task = f"{asker.name}'s"
    for operation, body in (
        ("Register", {"id": task, "name": "n", "group_id": "paint", "status": FREE}),
        ("Register", {"id": f"{task} film", "name": "n", "group_id": "cut", "status": FREE}),
        ("Register", {"id": "boss's", "name": "n", "group_id": "cut"}),
        ("Update", {"id": task, "group_id": "cut"}),
        ("Update", {"id": "boss's", "description": who}),
        *(("Find", {"id": "boss's"}), ("Query", {"contains": "boss's"}), ("Status", {})),
        *(
            ("Audit", {"limit": 1, "kinds": "registered"}),
            ("Audit", {"task": "boss's", "limit": 1}),
        ),
        ("SetPerson", {"user": "ann", "name": "Ann", "groups": ["cut"]}),
        *(("People", {}), ("Claim", {"id": f"{task} film", "user": "ann"})),
        *(("Claim", {"id": f"{task} film"}), ("Release", {"id": f"{task} film", "user": "ann"})),
        ("Assign", {"id": f"{task} film", "to": "ann"}),
        ("Assign", {"id": f"{task} film", "to": "ann", "user": "ann"}),
        ("Handover", {"of": "ann", "to": ["bob"]}),
        ("RegisterService", {"url": f"http://{who}.example", "group_id": "cut"}),
        ("RegisterService", {"url": "http://boss.example", "group_id": "paint"}),
        ("ServiceBeat", {"url": "http://boss.example"}),
        *(("Services", {}), ("FetchTasks", {"url": f"http://{who}.example"})),
        *(("Figures", {}), ("Logout", {"user": "ann"})),
    ):
        asker.ask(operation, body)
