"""Each kind of field: what it takes, what it makes of it, what it refuses, and how it says so."""

from contextlib import suppress
from dataclasses import MISSING, Field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import readers
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.fields import ORDER_FIELDS, WHERE_FIELDS
from taskdash_protocol.request import Reader, is_required, reader_of

NUL = "\0"
INT_MAX, INT_MIN = 2**63 - 1, -(2**63)
NO_NUL = r"^[^\u0000]*$"
NO_CONTROLS = r"^[^\u0000-\u001f\u007f-\u009f]*$"

KINDS: dict[str, Any] = {
    "string": readers.string("m"),
    "string of 5": readers.string("m", characters_max=5),
    "strings": readers.strings("m"),
    "text": readers.text("m", characters_max=5),
    "some text": readers.text("m", characters_max=5, empty=False),
    "one of": readers.text("m", characters_max=5, one_of=("a", "b")),
    "words": readers.text("m", characters_max=5, words=(r"[\w.]+", "letters and dots")),
    "some words": readers.text("m", characters_max=5, empty=False, words=(r"[\w.]+", "letters")),
    "texts": readers.texts("m", characters_max=3, many_min=1, many_max=2),
    "any texts": readers.texts("m", characters_max=3, many_max=2),
    "url": readers.url("m"),
    "task id": readers.task_id(),
    "boolean": readers.boolean("m"),
    "number": readers.number("m", 0.5, 10),
    "seconds": readers.seconds("m", 0.5, 10),
    "integer": readers.integer("m"),
    "rev": readers.integer("m", low=0, must="be a rev"),
    "limit": readers.limit("m"),
    "cursor": readers.cursor("m"),
    "order": readers.order("m"),
    "where": readers.where("m"),
    "time": readers.time("m"),
}

TAKEN: list[tuple[str, Any, Any]] = [
    ("string", "", ""),
    ("string", "a\n\x7f界", "a\n\x7f界"),
    ("string", "x" * 100_000, "x" * 100_000),
    ("string of 5", "界" * 5, "界" * 5),
    ("strings", "a", ("a",)),
    ("strings", "", ("",)),
    ("strings", ["a", "b", "a"], ("a", "b", "a")),
    ("strings", [], ()),
    ("text", "", ""),
    ("text", "界" * 5, "界" * 5),
    ("text", "\xa0", "\xa0"),
    ("some text", "a", "a"),
    ("one of", "b", "b"),
    ("words", "", ""),
    ("words", "a.界_9", "a.界_9"),
    ("some words", "a", "a"),
    ("texts", ["a"], ("a",)),
    ("texts", ["abc", "b"], ("abc", "b")),
    ("texts", ["a", "a"], ("a",)),
    ("any texts", [], ()),
    ("url", "http://x", "http://x"),
    ("url", "https://" + "x" * 504, "https://" + "x" * 504),
    ("task id", "a", "a"),
    ("task id", "界" * 128, "界" * 128),
    ("task id", " \xa0\u2028", " \xa0\u2028"),
    ("boolean", True, True),
    ("boolean", False, False),
    ("number", 0.5, 0.5),
    ("number", 10, 10.0),
    ("seconds", 0.5, 0.5),
    ("seconds", 10, 10),
    ("integer", INT_MAX, INT_MAX),
    ("integer", INT_MIN, INT_MIN),
    ("rev", 0, 0),
    ("limit", 1, 1),
    ("limit", 1000, 1000),
    ("cursor", "", ""),
    ("cursor", "any\0", "any\0"),
    ("order", "-rev", "-rev"),
    ("order", "name", "name"),
    ("where", {}, {}),
    ("where", {"user": "a", "class": ["live", "ended"]}, {
        "user": ("a",), "class": ("live", "ended"),
    }),
    ("where", {"user": []}, {"user": ()}),
    ("where", {"user": [""] * 1000}, {"user": ("",) * 1000}),
    ("time", "", ""),
    ("time", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
    ("time", "2026-01-31T13:00:00.123456+01:00", "2026-01-31T12:00:00.123Z"),
]  # fmt: skip

REFUSED: list[tuple[str, Any, str]] = [
    ("string", 1, "must be a string"),
    ("string", NUL, "must not hold the character NUL"),
    ("string of 5", "x" * 6, "is longer than 5 characters"),
    ("strings", 1, "must be a string or a list of strings"),
    ("strings", ["a", 1], "must be a string or a list of strings"),
    ("text", 1, "must be a string"),
    ("text", "x" * 6, "has more than 5 characters"),
    ("text", "\n", "must not hold control characters"),
    ("text", "\x1f", "must not hold control characters"),
    ("text", "\x7f", "must not hold control characters"),
    ("text", "\x9f", "must not hold control characters"),
    ("text", NUL, "must not hold the character NUL"),
    ("some text", "", "must not be empty"),
    ("one of", "c", "must be one of a, b"),
    ("one of", "", "must be one of a, b"),
    ("words", "a b", "must be made of letters and dots"),
    ("words", "a ", "must be made of letters and dots"),
    ("some words", "", "must not be empty"),
    ("texts", "a", "must be a list of strings"),
    ("texts", [], "must have 1 to 2 members"),
    ("texts", ["a", "b", "c"], "must have 1 to 2 members"),
    ("texts", ["a", "a", "a"], "must have 1 to 2 members"),
    ("texts", [""], "must not be empty"),
    ("texts", ["abcd"], "has more than 3 characters"),
    ("texts", [1], "must be a string"),
    ("any texts", ["a", "b", "c"], "must have 0 to 2 members"),
    ("url", "ftp://x", "must be an http:// or https:// URL"),
    ("url", "", "must not be empty"),
    ("url", "https://" + "x" * 505, "has more than 512 characters"),
    ("url", "http://\n", "must not hold control characters"),
    ("task id", 1, "must be a string"),
    ("task id", "", "must have 1 to 128 characters"),
    ("task id", "x" * 129, "must have 1 to 128 characters"),
    ("task id", "a\0", "must not hold control characters"),
    ("task id", "a\x9f", "must not hold control characters"),
    ("boolean", 1, "must be true or false"),
    ("boolean", "true", "must be true or false"),
    ("number", 0.4, "must be a number from 0.5 to 10"),
    ("number", 10.1, "must be a number from 0.5 to 10"),
    ("number", True, "must be a number from 0.5 to 10"),
    ("number", "1", "must be a number from 0.5 to 10"),
    ("number", float("nan"), "must be a number from 0.5 to 10"),
    ("seconds", 0.4, "must be a number of seconds from 0.5 to 10"),
    ("seconds", 10.1, "must be a number of seconds from 0.5 to 10"),
    ("seconds", True, "must be a number of seconds from 0.5 to 10"),
    ("seconds", "1", "must be a number of seconds from 0.5 to 10"),
    ("integer", 1.0, "must be an integer"),
    ("integer", True, "must be an integer"),
    ("integer", INT_MAX + 1, "must be an integer"),
    ("integer", INT_MIN - 1, "must be an integer"),
    ("rev", -1, "must be a rev"),
    ("limit", 0, "must be an integer from 1 to 1000"),
    ("limit", 1001, "must be an integer from 1 to 1000"),
    ("cursor", 1, "must be a cursor that a reply gave as next"),
    ("order", 1, "must be a string"),
    ("order", "last_seen", "tasks cannot be ordered by 'last_seen'"),
    ("order", "--id", "tasks cannot be ordered by '--id'"),
    ("order", "x" * 65, f"tasks cannot be ordered by '{'x' * 64}'"),
    ("order", "", "tasks cannot be ordered by ''"),
    ("where", [], "must be an object"),
    ("where", {"last_seen": "x"}, "tasks cannot be selected by 'last_seen'"),
    ("where", {"x" * 65: "x"}, f"tasks cannot be selected by '{'x' * 64}'"),
    ("where", {"user": [""] * 1001}, ".user has more than 1000 values"),
    ("where", {"user": 1}, ".user must be a string"),
    ("where", {"user": ["a", NUL]}, ".user must not hold the character NUL"),
    ("where", {"class": "running"}, ".class must be of live, waiting, ended"),
    ("where", {"class": ["live", "x"]}, ".class must be of live, waiting, ended"),
    ("time", 1, "must be a string"),
    ("time", "2026-01-31T12:00:00", "must be a time like 2026-01-31T12:00:00Z"),
    ("time", "2026-13-31T12:00:00Z", "must be a time like 2026-01-31T12:00:00Z"),
    ("time", "0001-01-01T00:00:00+23:59", "must be a time like 2026-01-31T12:00:00Z"),
    ("time", "now", "must be a time like 2026-01-31T12:00:00Z"),
]


def named(one: Any) -> str:
    return repr(one)[:40]


@pytest.mark.parametrize(("kind", "value", "read"), TAKEN, ids=named)
def test_what_a_field_takes(kind: str, value: Any, read: Any) -> None:
    given_back = reader_of(KINDS[kind]).read("f", value)
    assert given_back == read
    assert type(given_back) is type(read)


@pytest.mark.parametrize(("kind", "value", "said"), REFUSED, ids=named)
def test_what_a_field_refuses(kind: str, value: Any, said: str) -> None:
    """One sentence, which names the field: `field f ...`, `field f.user ...` or `field f: ...`."""
    with pytest.raises(BadRequest) as refused:
        reader_of(KINDS[kind]).read("f", value)
    assert refused.value.detail.removeprefix("field f").removeprefix(":").lstrip() == said
    assert refused.value.detail.startswith("field f")


VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(KINDS)), VALUES)
def test_whatever_is_given_is_read_or_refused(kind: str, value: Any) -> None:
    with suppress(BadRequest):
        reader_of(KINDS[kind]).read("f", value)


STRINGS = {"type": "string", "pattern": NO_NUL}
CLASSES = {"enum": ["live", "waiting", "ended"]}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        ("string", STRINGS),
        ("string of 5", {**STRINGS, "maxLength": 5}),
        ("strings", {**STRINGS, "type": ["string", "array"], "items": STRINGS}),
        ("text", {"type": "string", "maxLength": 5, "pattern": NO_CONTROLS}),
        ("some text", {"type": "string", "maxLength": 5, "pattern": NO_CONTROLS, "minLength": 1}),
        ("one of", {
            "type": "string", "maxLength": 5, "pattern": NO_CONTROLS, "enum": ["a", "b"],
        }),
        ("words", {"type": "string", "maxLength": 5, "pattern": r"^([\p{L}\p{N}_.]+)?$"}),
        ("some words", {
            "type": "string", "maxLength": 5, "minLength": 1, "pattern": r"^([\p{L}\p{N}_.]+)$",
        }),
        ("texts", {
            "type": "array",
            "items": {"type": "string", "maxLength": 3, "pattern": NO_CONTROLS, "minLength": 1},
            "minItems": 1,
            "maxItems": 2,
        }),
        ("url", {
            "type": "string", "maxLength": 512, "minLength": 1,
            "pattern": r"^https?://[^\u0000-\u001f\u007f-\u009f]*$",
        }),
        ("task id", {
            "type": "string", "minLength": 1, "maxLength": 128, "pattern": NO_CONTROLS,
        }),
        ("boolean", {"type": "boolean"}),
        ("number", {"type": "number", "minimum": 0.5, "maximum": 10}),
        ("seconds", {"type": "number", "minimum": 0.5, "maximum": 10}),
        ("integer", {"type": "integer", "minimum": INT_MIN, "maximum": INT_MAX}),
        ("limit", {"type": "integer", "minimum": 1, "maximum": 1000}),
        ("cursor", STRINGS),
        ("time", {"type": "string", "format": "date-time"}),
    ],
)  # fmt: skip
def test_a_field_is_described_by_the_bounds_that_it_has(kind: str, schema: Any) -> None:
    assert reader_of(KINDS[kind]).schema == schema
    if kind != "task id":
        assert reader_of(KINDS[kind]).about == "m"


def test_what_can_be_ordered_and_selected_by_is_listed() -> None:
    orders = reader_of(KINDS["order"]).schema
    assert orders["type"] == "string"
    assert set(orders["enum"]) == {sign + name for name in ORDER_FIELDS for sign in ("", "-")}
    where = reader_of(KINDS["where"]).schema
    assert (where["type"], where["additionalProperties"]) == ("object", False)
    properties = where["properties"]
    assert set(properties) == WHERE_FIELDS | {"class", "labels", "acknowledged"}
    several = {"type": "array", "items": STRINGS, "maxItems": 1000}
    assert properties["user"] == {"anyOf": [STRINGS, several]}
    answers = {"enum": ["no", "seen", "hidden"]}
    assert properties["acknowledged"] == {"anyOf": [answers, {"type": "array", "items": answers}]}
    assert properties["class"] == {"anyOf": [CLASSES, {"type": "array", "items": CLASSES}]}


def default(one: "Field[Any]") -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


@pytest.mark.parametrize(
    ("kind", "value"),
    [("limit", 100), ("cursor", None), ("order", "id"), ("where", {}), ("time", "")],
)
def test_what_is_left_out_has_its_default(kind: str, value: Any) -> None:
    assert not is_required(KINDS[kind])
    assert default(KINDS[kind]) == value


@pytest.mark.parametrize(
    "make",
    [
        lambda **how: readers.string("m", **how),
        lambda **how: readers.strings("m", **how),
        lambda **how: readers.text("m", characters_max=5, **how),
        lambda **how: readers.texts("m", characters_max=5, many_max=5, **how),
        lambda **how: readers.url("m", **how),
        lambda **how: readers.task_id(**how),
        lambda **how: readers.boolean("m", **how),
        lambda **how: readers.number("m", 1, 2, **how),
        lambda **how: readers.seconds("m", 1, 2, **how),
        lambda **how: readers.integer("m", **how),
    ],
)
def test_a_field_is_required_unless_it_is_given_a_default(make: Any) -> None:
    assert is_required(make())
    assert not is_required(make(default=None))
    assert default(make(default="x")) == "x"
    absent = reader_of(make()).absent
    assert absent in ("is required", "must be an integer")
    assert Reader("m", readers.check_string, {}).absent == "is required"
