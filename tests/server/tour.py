"""The same walk through every operation for every door, as an operator: what is accepted, and each
field of each request given wrongly in every way."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from taskdash_protocol.requests import REQUESTS

FREE = "待领取"
NO_UTF_8 = b'{"id":"\xff"}'
URL = "http://10.0.0.7:8080"
Asked = tuple[str, Any]
"""An operation, and the body that it is asked with."""

_BEFORE: list[Asked] = [
    ("SetPerson", {"user": "ann", "name": "Ann", "groups": ["cut"]}),
    ("SetPerson", {"user": "bob", "name": "Bob", "groups": ["cut", "paint"]}),
    ("SetPerson", {"user": "lea", "name": "Lea", "groups": ["cut"], "role": "lead"}),
    ("Register", {"id": "plain", "name": "n"}),
    ("Register", {"id": "film", "name": "Film", "status": FREE, "group_id": "cut"}),
    ("Register", {"id": "odd", "name": "o", "n": 1e5, "deep": [{"a": None}], "errid": 7, "rev": 1}),
    ("Register", {"id": "plain", "name": "again", "heartbeat_timeout": 900}),
    ("Register", {"id": "plain", "name": "again", "epoch": 0}),
    ("Register", {"id": "new", "name": "n", "epoch": 0, "own": True}),
    ("Register", {"id": "new", "name": "n", "own": False}),
    ("Register", {"id": "timed", "name": "n", "heartbeat_timeout": 0.5, "status": "finish"}),
    ("Update", {"id": "plain", "description": "d", "status": "running", "progress": "1/2"}),
    ("Update", {"id": "plain", "fenced": False, "own": False}),
    ("Update", {"id": "plain", "epoch": 99, "description": "lost"}),
    ("Update", {"id": "nobody", "status": "x"}),
    ("Update", {"id": "odd", "n": None, "deep": {}, "updated_at": "x", "last_seen": 7}),
    ("Find", {"id": "plain"}),
    ("Find", {"id": "odd", "name": "ignored"}),
    ("Find", {"id": "nobody"}),
    ("Find", {"id": "плёнка 影 🎬"}),
    ("Find", []),
    ("Find", "x"),
    ("Find", b'{"id":"plain",}'),
    ("Find", NO_UTF_8),
    ("Find", b'{"id":"a","id":"plain"}'),
    ("Find", b'{"id":"\\ud800"}'),
    ("Find", b'{"id":NaN}'),
    ("Register", b'{"id":"big","name":"n","n":1e400}'),
    ("Register", b'{"id":"big","name":"n","n":18446744073709551616}'),
    ("Register", b'{"id":"deep","name":"n","n":' + b"[" * 30 + b"]" * 30 + b"}"),
    ("Register", b'{"id":"deep","name":"n","n":' + b"[" * 32 + b"]" * 32 + b"}"),
    ("Nothing", {}),
    ("find", {"id": "plain"}),
    ("", {}),
    ("Query", {}),
    ("Query", {"limit": 2}),
    ("Query", {"limit": 2, "order": "-rev"}),
    ("Query", {"limit": 2, "order": "updated_at"}),
    ("Query", {"limit": 1, "order": "name", "after": "WyJuYW1lIiwiYWdhaW4iLCJwbGFpbiIsNl0="}),
    ("Query", {"limit": 1, "after": "WyJuYW1lIiwiYWdhaW4iLCJwbGFpbiIsNl0="}),
    ("Query", {"limit": 1, "after": "!"}),
    ("Query", {"limit": 1001}),
    ("Query", {"limit": 0}),
    ("Query", {"limit": True}),
    ("Query", {"order": "deep"}),
    ("Query", {"order": "--id"}),
    ("Query", {"contains": "FILM", "where": {"class": ["live", "waiting"]}}),
    ("Query", {"where": {"class": "odd"}}),
    ("Query", {"where": {"last_seen": "x"}}),
    ("Query", {"where": {"status": []}}),
    ("Query", {"where": {"status": ["running", FREE], "group_id": "cut"}}),
    ("Query", {"where": {"status": [7]}}),
    ("Query", {"where": {"status": None}}),
    ("Query", {"where": {"id": ["x"] * 1001}}),
    ("Claim", {"id": "plain", "user": "ann"}),
    ("Claim", {"id": "film"}),
    ("Claim", {"id": "film", "user": "nobody"}),
    ("Claim", {"id": "film", "user": "ann", "limit": 60}),
    ("Claim", {"id": "film", "user": "ann"}),
    ("Claim", {"id": "film", "user": "bob"}),
    ("Begin", {"id": "film", "user": "ann"}),
    ("Approve", {"id": "film"}),
    ("Handover", {"of": "ann", "to": ["ann"]}),
    ("Handover", {"of": "ann", "to": ["nobody"]}),
    ("Handover", {"of": "ann", "to": ["bob"], "word": "leave"}),
    ("Submit", {"id": "film", "user": "bob", "checker": "nobody"}),
    ("Submit", {"id": "film", "user": "bob", "checker": "lea", "word": "look"}),
    ("Reject", {"id": "film", "reason": "no", "user": "lea"}),
    ("Release", {"id": "film", "word": "enough"}),
    ("Assign", {"id": "film", "to": "ann", "word": "you", "limit": 60}),
    ("Submit", {"id": "film", "user": "ann"}),
    ("Approve", {"id": "film", "user": "bob"}),
    ("Approve", {"id": "film", "user": "lea", "word": "good"}),
    ("Claim", {"id": "film", "user": "ann"}),
    ("Find", {"id": "film"}),
    ("RegisterService", {"url": URL, "name": "Cutter", "group_id": "cut", "reserved": "r"}),
    ("RegisterService", {"url": URL, "name": "Cutter", "fetch": True}),
    ("RegisterService", {"url": "ftp://10.0.0.7"}),
    ("ServiceBeat", {"url": URL, "time": 1.5, "reserved": "s"}),
    ("ServiceBeat", {"url": "http://10.0.0.8"}),
    ("FetchTasks", {"url": URL}),
    ("FetchTasks", {"url": "http://10.0.0.8"}),
    ("Services", {}),
    ("Figures", {}),
    ("Status", {}),
    ("Status", {"check": True}),
    ("People", {}),
    ("SetPerson", {"user": "eve"}),
    ("SetPerson", {"user": "eve", "name": " "}),
    ("SetPerson", {"user": "eve", "name": "Eve", "groups": [str(n) for n in range(65)]}),
    ("SetPerson", {"user": "eve", "name": "Eve", "role": "lead", "groups": ["a"], "leads": ["b"]}),
    ("SetPerson", {"user": "eve", "role": "boss"}),
    ("SetPerson", {"user": "eve", "active": False}),
    ("SetPerson", {"user": "eve", "password": "short"}),
    ("SetPerson", {"user": "eve", "password": ""}),
    ("Logout", {"user": "ann"}),
    ("Logout", {"user": "nobody"}),
    ("Logout", {}),
    ("Audit", {"task": "film", "limit": 3}),
    ("Audit", {"task": "nobody"}),
    ("Audit", {"kinds": "backed up"}),
    ("Audit", {"kinds": ["registered"], "who": "nobody at all"}),
    ("Audit", {"kinds": [7]}),
    ("Audit", {"since": "2020-01-01T00:00:00+08:00", "until": "2020-01-01T00:00:00Z"}),
    ("Audit", {"since": "2020-01-01"}),
    ("Audit", {"after": "1.0", "limit": 1}),
    ("Audit", {"after": "x"}),
]

_WHOLE: list[Asked] = [
    (
        "Register",
        {
            "id": "w",
            "name": "n",
            "url": URL,
            "user": "ann",
            "group_id": "cut",
            "description": "d",
            "status": "running",
            "heartbeat_timeout": 600,
            "epoch": 1,
            "fenced": False,
            "own": True,
            "free": "x",
        },
    ),
    ("Update", {"id": "w", "name": "n", "heartbeat_timeout": 600, "fenced": False, "own": True}),
    ("Find", {"id": "w"}),
    (
        "Query",
        {"where": {"id": "w"}, "order": "id", "limit": 1, "after": None, "contains": "n"},
    ),
    ("Status", {"check": False}),
    (
        "Audit",
        {
            "task": "w",
            "who": "nobody",
            "kinds": ["updated"],
            "limit": 1,
            "after": None,
            "since": "2020-01-01T00:00:00Z",
            "until": "2020-01-01T00:00:00Z",
        },
    ),
    ("People", {}),
    (
        "SetPerson",
        {
            "user": "ann",
            "name": "Ann",
            "role": "worker",
            "groups": ["cut"],
            "leads": [],
            "active": True,
            "old_password": "x",
        },
    ),
    ("Claim", {"id": "w", "user": "ann", "limit": 60}),
    ("Begin", {"id": "w", "user": "ann"}),
    ("Release", {"id": "w", "user": "ann", "word": "w"}),
    ("Assign", {"id": "w", "to": "bob", "user": "lea", "word": "w", "limit": 60}),
    ("Submit", {"id": "w", "user": "ann", "checker": "lea", "word": "w"}),
    ("Approve", {"id": "w", "user": "lea", "word": "w"}),
    ("Reject", {"id": "w", "reason": "r", "user": "lea"}),
    ("Handover", {"of": "lea", "to": ["bob"], "user": "lea", "word": "w"}),
    (
        "RegisterService",
        {
            "url": URL,
            "name": "C",
            "reserved": "r",
            "group_id": "cut",
            "heartbeat_timeout": 600,
            "fetch": False,
        },
    ),
    ("ServiceBeat", {"url": URL, "time": 1.5, "reserved": "r"}),
    ("Services", {}),
    ("FetchTasks", {"url": URL, "id": "w"}),
    ("Figures", {}),
    ("Login", {"user": "bob", "name": "Bob", "password": "", "confirm": ""}),
    ("Logout", {"everywhere": False, "user": "ann"}),
]
"""Each operation with all of its fields; the last two change who asks.

What is not here is asked with the longest body that the vectors have for it.
"""

_WRONG: tuple[Any, ...] = (None, 7, -1, "", [], {}, True, "x" * 600, "a\u0007b", "a\u0000b", "é 影")
_CONTROL = ("heartbeat_timeout", "epoch", "fenced", "own")

CHANGES: list[Asked] = [
    (operation, {"id": "plain", "name": "n", name: None})
    for operation in ("Register", "Update")
    for name in _CONTROL
]
"""Bodies that are refused now and are to be accepted later: kept apart, to be recorded anew."""


def tour() -> Iterator[tuple[str, Any, str]]:
    """Give all that is asked, in order; with each what it is called."""
    for operation, body in _BEFORE:
        yield operation, body, ""
    for operation, whole in (*_WHOLE[:-2], *_others(), *_WHOLE[-2:]):
        yield operation, whole, ""
        for name in whole:
            rest = {other: value for other, value in whole.items() if other != name}
            yield operation, rest, f"{operation} without {name}"
            # Ask for a timeout of 7 s last: on a slow machine a task would die of it meanwhile.
            for wrong in sorted(_WRONG, key=lambda one: (name, one) == ("heartbeat_timeout", 7)):
                if not (wrong is None and operation in ("Register", "Update") and name in _CONTROL):
                    yield operation, {**rest, name: wrong}, f"{operation} with {name} {wrong!r}"


def _others() -> Iterator[Asked]:
    vectors = Path(__file__).parents[2] / "protocol/vectors/requests.json"
    accepted = [one for one in json.loads(vectors.read_text())["vectors"] if one["valid"]]
    known = {operation for operation, _ in _WHOLE}
    for name, request in REQUESTS.items():
        if request.over_http and name not in known:
            bodies = [one["body"] for one in accepted if one["request"] == name]
            yield name, json.loads(max(bodies, key=len))
