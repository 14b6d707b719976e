"""JSON as the contract wants it, against the standard library as a second opinion."""

import json
import time
from collections.abc import Callable
from typing import Any

import orjson
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


@pytest.mark.parametrize("form", ["%d", "[%d]", '{"a":%d}', "[1.5,%d , 2]"])
@pytest.mark.parametrize("near", [-(2**63), 2**63, -(10**18), 10**18, 10**19, -(10**19)])
def test_the_bounds_of_64_bits_are_exact(near: int, form: str) -> None:
    """So it is at each number of digits that could pass for small enough, and in any place."""
    for number in range(near - 2, near + 3):
        text = (form % number).encode()
        if -(2**63) <= number < 2**63:
            assert strictjson.loads(text) == json.loads(text)
        else:
            with pytest.raises(BadRequest, match="the body holds an integer that does not fit"):
                strictjson.loads(text)
    assert strictjson.INT_MIN == -(2**63)
    assert strictjson.INT_MAX == 2**63 - 1


def test_one_oversized_integer_among_large_ones_is_found() -> None:
    largest, beyond = 2**63 - 1, 2**63
    assert strictjson.loads(f"[{largest},{-largest}]".encode()) == [largest, -largest]
    for text in (
        f"[{largest},{beyond}]",
        f"[{beyond},{largest}]",
        f'{{"9{beyond}":{-beyond - 1}}}',
    ):
        with pytest.raises(BadRequest, match="64 bits"):
            strictjson.loads(text.encode())


@pytest.mark.parametrize("levels", [32, 33, 34, 35])
def test_the_depth_that_is_allowed_can_be_chosen(levels: int) -> None:
    """A request may be 32 deep; a reply holds tasks two levels down."""
    text = b"[" * levels + b"]" * levels
    assert (strictjson.DEPTH_MAX, strictjson.REPLY_DEPTH_MAX) == (32, 34)
    for bound in (strictjson.DEPTH_MAX, strictjson.REPLY_DEPTH_MAX, 40):
        if levels <= bound:
            assert strictjson.loads(text, depth_max=bound)
            body = b'{"a":' + text[1:-1] + b"}"
            assert strictjson.loads_object(body, depth_max=bound)
        else:
            for load in (strictjson.loads, strictjson.loads_object):
                with pytest.raises(BadRequest, match=f"nested deeper than {bound} levels"):
                    load(text, depth_max=bound)


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'"{}"'])
def test_where_an_object_is_wanted_nothing_else_will_do(text: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^the header is not a JSON object$"):
        strictjson.loads_object(text, "header")
    assert strictjson.loads_object(b'{"a":1}') == {"a": 1}


def test_the_text_that_is_wrong_is_named() -> None:
    for text in (b"{", b"[" * 33 + b"]" * 33, b"99999999999999999999"):
        with pytest.raises(BadRequest, match=r"^the header "):
            strictjson.loads(text, "header")
        with pytest.raises(BadRequest, match=r"^the header "):
            strictjson.loads_object(text, "header")


def test_what_was_written_here_is_read_without_checks() -> None:
    assert strictjson.reload(strictjson.dumps({"a": [1, "界"]})) == {"a": [1, "界"]}
    assert strictjson.dumps({"a": [1, "界"]}) == '{"a":[1,"界"]}'.encode()


def _seconds(load: Callable[[bytes], Any], text: bytes) -> float:
    """Give the processor time that loading takes, at best."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        load(text)
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.fault(23)
@pytest.mark.parametrize("pair", [b'"[","]"', b'"","]"', b"[" * 30 + b"]" * 30])
def test_our_own_checks_cost_no_more_than_the_parse(pair: bytes) -> None:
    """A mebibyte of strings with brackets took eight times as long as orjson, of nesting thrice."""
    text = b'{"a":[' + b",".join([pair] * ((1 << 20) // (len(pair) + 1))) + b"]}"
    assert _seconds(strictjson.loads, text) < 2.5 * _seconds(orjson.loads, text) + 0.01


def test_digits_in_strings_are_no_integers_whatever_stands_before_them() -> None:
    for text in (
        rb'["\\", " 99999999999999999999 ", "\"", 1]',
        rb'["\\\" 99999999999999999999, ", -9223372036854775808]',
        rb'{" 99999999999999999999 ":" 99999999999999999999 "}',
    ):
        assert strictjson.loads(text) == json.loads(text)
    with pytest.raises(BadRequest, match="64 bits"):
        strictjson.loads(rb'["\\\"", " 99999999999999999999 ", "\\", 99999999999999999999]')
