"""JSON as the contract wants it, against the standard library as a second opinion."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(values, st.booleans())
def test_what_json_can_say_comes_through(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    if depth(value) <= strictjson.DEPTH_MAX:
        assert strictjson.loads(text) == value
        assert strictjson.loads(strictjson.dumps(value)) == value


@pytest.mark.fault(23)
@given(st.integers(-(2**80), 2**80), st.sampled_from(("%d", "[%d]", '{"a":%d}', "[1.5,%d , 2]")))
def test_integers_fit_64_bits_or_are_refused(number: int, form: str) -> None:
    text = (form % number).encode()
    if -(2**63) <= number < 2**63:
        assert strictjson.loads(text) == json.loads(text)
    else:
        with pytest.raises(BadRequest, match="64 bits"):
            strictjson.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"12345678901234567890.5",
        b"1e-12345678901234567890",
        b'"12345678901234567890"',
        b'{"12345678901234567890":1}',
        b'["\\"12345678901234567890"]',
        b"0.12345678901234567890123",
        b"12345678901234567890e2",
    ],
)
def test_long_digits_that_are_no_integer_are_no_fault(text: bytes) -> None:
    assert strictjson.loads(text) == json.loads(text)


@pytest.mark.fault(23)
@given(st.integers(1, 40), st.sampled_from((b"[]", b"{}")), st.integers(0, 50))
def test_nesting_is_counted_exactly(levels: int, kind: bytes, padding: int) -> None:
    opening = b"[" if kind == b"[]" else b'{"[{":'
    inner = b"0" if kind == b"{}" else b'"]]}}{{[["' + b",[],[]" * padding
    text = opening * levels + inner + kind[1:] * levels
    real = levels + (1 if kind == b"[]" and padding else 0)
    if real <= strictjson.DEPTH_MAX:
        assert strictjson.loads(text) is not None
    else:
        with pytest.raises(BadRequest, match="nested"):
            strictjson.loads(text)


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"1" * 100_000,
        b"[" * 100_000,
        b"[" * 2000 + b"]" * 2000,
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'"\x00"',
        b'"\n"',
        b"01",
        b"{'a':1}",
        b"[1,]",
        b'{"a" 1}',
        b"\xff",
    ],
)
def test_what_is_no_json_is_refused_in_one_uniform_way(text: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^the body is n"):
        strictjson.loads(text)


def test_of_a_duplicate_key_the_last_counts() -> None:
    assert strictjson.loads(b'{"a":1,"a":2}') == {"a": 2}


@given(st.binary(max_size=60))
def test_noise_parses_or_is_refused(noise: bytes) -> None:
    try:
        strictjson.loads(noise)
    except BadRequest:
        return
