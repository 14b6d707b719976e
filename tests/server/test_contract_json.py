"""PROTOCOL.md, 2. "Frames": JSON is strict (docs/reliability.md, 23 and 24)."""

import json

import pytest
from wire_client import STRINGS, ask, unique

BAD = {
    "empty": b"",
    "white space": b" \n",
    "not JSON": b"nonsense",
    "cut short": b'{"id":"a","name":"n"',
    "two values": b'{"id":"a","name":"n"}{}',
    "trailing comma": b'{"id":"a","name":"n",}',
    "single quotes": b"{'id':'a','name':'n'}",
    "bare key": b'{id:"a","name":"n"}',
    "comment": b'{"id":"a","name":"n"/**/}',
    "leading zero": b'{"id":"a","name":"n","x":01}',
    "plus": b'{"id":"a","name":"n","x":+1}',
    "hex": b'{"id":"a","name":"n","x":0x1}',
    "bare point": b'{"id":"a","name":"n","x":1.}',
    "array": b'["id","a"]',
    "string": b'"id"',
    "number": b"5",
    "null": b"null",
    "true": b"true",
    "NaN": b'{"id":"a","name":"n","x":NaN}',
    "Infinity": b'{"id":"a","name":"n","x":Infinity}',
    "-Infinity": b'{"id":"a","name":"n","x":-Infinity}',
    "1e400": b'{"id":"a","name":"n","x":1e400}',
    "-1e400": b'{"id":"a","name":"n","x":[-1e400]}',
    "2**63": b'{"id":"a","name":"n","x":9223372036854775808}',
    "-2**63-1": b'{"id":"a","name":"n","x":[[-9223372036854775809]]}',
    "2**64-1": b'{"id":"a","name":"n","x":18446744073709551615}',
    "2**64": b'{"id":"a","name":"n","x":{"y":18446744073709551616}}',
    "100,000 digits": b'{"id":"a","name":"n","x":' + b"9" * 100_000 + b"}",
    "lone high surrogate": b'{"id":"a","name":"\\ud800"}',
    "lone low surrogate": b'{"id":"a","name":"n","x":"\\udc00"}',
    "surrogates reversed": b'{"id":"a","name":"n","x":"\\udc00\\ud800"}',
    "surrogate in a key": b'{"id":"a","name":"n","\\ud800":1}',
    "surrogate as UTF-8": b'{"id":"a","name":"\xed\xa0\x80"}',
    "overlong": b'{"id":"a","name":"\xc0\xaf"}',
    "Latin-1": b'{"id":"a","name":"\xe9"}',
    "beyond U+10FFFF": b'{"id":"a","name":"\xf4\x90\x80\x80"}',
    "cut UTF-8": b'{"id":"a","name":"\xe4\xbb"}',
    "raw control character": b'{"id":"a","name":"a\nb"}',
    "raw NUL": b'{"id":"a","name":"a\0b"}',
    "NUL behind": b'{"id":"a","name":"n"}\0',
    "BOM": b'\xef\xbb\xbf{"id":"a","name":"n"}',
    "UTF-16 LE": '{"id":"a","name":"n"}'.encode("utf-16-le"),
    "UTF-16 BE": '{"id":"a","name":"n"}'.encode("utf-16-be"),
    "UTF-16 BOM": '{"id":"a","name":"n"}'.encode("utf-16"),
    "UTF-32": '{"id":"a","name":"n"}'.encode("utf-32"),
    "bad escape": b'{"id":"a","name":"\\x41"}',
    "depth 33": b'{"id":"a","name":"n","x":' + b"[" * 32 + b"]" * 32 + b"}",
    "depth 33 of objects": b'{"id":"a","name":"n","x":' + b'{"k":' * 32 + b"1" + b"}" * 33,
    "depth 33 mixed": b'{"id":"a","name":"n","x":' + b'[{"]":' * 16 + b"1" + b"}]" * 16 + b"}",
    "depth 100,000": b'{"id":"a","name":"n","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "open 500,000": b"[" * 500_000,
}


@pytest.mark.fault(23)
@pytest.mark.parametrize("name", BAD)
def test_bad_json(wire, name):
    """JSON is strict: 1000, the connection stays open, later frames work."""
    wire.refused(ask("Register", BAD[name]))


@pytest.mark.fault(23)
@pytest.mark.parametrize("name", STRINGS)
def test_nul_in_a_known_field(wire, name):
    """No NUL in strings of known fields."""
    wire.refused(ask("Register", {"id": unique(), "name": "n", name: "a\0b"}))
    wire.refused(ask("Update", {"id": unique(), name: "\0"}))


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("Find", {"id": "a\0"}),
        ("Hello", {"protocol": 1, "client": "a\0"}),
        ("Query", {"where": {"status": "a\0"}}),
        ("Query", {"where": {"status": ["ok", "\0"]}}),
        ("Watch", {"where": {"user": "\0"}}),
        ("Query", {"order": "name\0"}),
    ],
)
def test_nul_in_other_operations(wire, operation, body):
    """No NUL in the known fields of any operation."""
    wire.refused(ask(operation, body))


VALUES = {
    "zero": 0,
    "minus": -1,
    "largest": 2**63 - 1,
    "smallest": -(2**63),
    "float": 0.1,
    "large float": 1e308,
    "tiny float": 5e-324,
    "float of many digits": 12345678901234567890.5,
    "digits in a string": "123456789012345678901234567890",
    "number look-alike": '\\":9223372036854775808,',
    "brackets in a string": "[" * 100 + "{" * 100,
    "NUL": "a\0b\0",
    "escapes": '\\"\b\f\n\r\t/\u2028\u007f\u0085',
    "astral": "😀\U0010ffff\ufffe\uffff",
    "combining": "e\u0301 é",
    "empty key": {"": ""},
    "key with NUL": {"\0": 1},
    "nothing": None,
    "yes": True,
    "list": [],
    "object": {},
    "mixed": [1, [2, {"3": [None, False, "x"]}]],
}


@pytest.mark.fault(24)
@pytest.mark.parametrize("name", VALUES)
def test_good_json_comes_back_unchanged(wire, name, task_id):
    """Fields that the daemon does not know are kept and given back unchanged."""
    value = VALUES[name]
    for escaped in (True, False):
        body = {"id": task_id, "name": "n", "x": value}
        wire.send(ask("Register", json.dumps(body, ensure_ascii=escaped).encode()))
        wire.check(wire.reply())
        for task in (wire.find(task_id), wire.query(where={"id": task_id})["tasks"][0]):
            assert task["x"] == value
            assert type(task["x"]) is type(value)


@pytest.mark.fault(23)
def test_depth_32(wire, task_id):
    """Depth 32 is allowed, the outermost object counted."""
    deep: object = 1
    for n in range(31):
        deep = [deep] if n % 2 else {"k": deep}
    wire.register(task_id, x=deep)
    assert wire.find(task_id)["x"] == deep


def test_many_brackets_side_by_side(wire, task_id):
    """Many brackets side by side are not deep."""
    wide = [[[]] for _ in range(5000)]
    wire.register(task_id, x=wide)
    assert wire.find(task_id)["x"] == wide


@pytest.mark.parametrize("name", ["name", "status", "url", "x"])
def test_of_a_duplicate_key_the_last_counts(wire, name, task_id):
    """Of duplicate keys the last counts (RFC 8259, section 4, leaves it to the reader)."""
    body = b'{"id":"%b","name":"n","%b":"first","%b":"last"}'
    wire.send(ask("Register", body % (task_id.encode(), name.encode(), name.encode())))
    wire.check(wire.reply())
    assert wire.find(task_id)[name] == "last"


def test_duplicate_id(wire, task_id):
    """The last of two ids is the task's; the first may even be of a wrong type."""
    wire.send(ask("Register", b'{"id":5,"name":"n","id":"%b"}' % task_id.encode()))
    assert wire.check(wire.reply())["id"] == task_id
    wire.find(task_id)
    wire.refused(ask("Register", b'{"id":"%b","name":"n","id":5}' % task_id.encode()))


def test_white_space_is_json(wire, task_id):
    """RFC 8259 allows white space around tokens."""
    wire.send(ask("Register", b' \t\r\n{ "id" :\n"%b" , "name":"n" }\n ' % task_id.encode()))
    wire.check(wire.reply())


def test_escaped_surrogate_pair(wire, task_id):
    """A pair is a character like any other."""
    wire.send(ask("Register", b'{"id":"%b","name":"\\ud83d\\ude00"}' % task_id.encode()))
    wire.check(wire.reply())
    assert wire.find(task_id)["name"] == "😀"


@pytest.mark.fault(24)
def test_large_text(wire, task_id):
    """A large text is stored whole or refused, never cut."""
    value = "值" * 300_000
    assert wire.register(task_id, description=value)["errid"] == 0
    assert wire.find(task_id)["description"] == value


@pytest.mark.fault(24)
def test_a_refused_register_leaves_nothing(wire, task_id):
    """A Register refused with 1000 changes nothing."""
    wire.refused(ask("Register", b'{"id":"%b","name":"n","x":NaN}' % task_id.encode()))
    wire.refused(ask("Register", {"id": task_id, "name": "n", "status": 5}))
    wire.find(task_id, errid=1002)
