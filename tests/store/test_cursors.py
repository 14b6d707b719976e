"""Cursors: what a reply gave is read back, and nothing else is taken for one."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdashd.store import cursors

KEYS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(max_size=256))


@given(st.sampled_from(("id", "-rev", "name")), st.text(), st.integers(0, 2**63 - 1), KEYS)
def test_a_cursor_is_read_back_as_it_was_written(
    order: str, task_id: str, rev: int, key: Any
) -> None:
    text = cursors.write(order, task_id, rev, key)
    assert text.isascii()
    assert cursors.read(text, order) == cursors.Cursor(key, task_id, rev)


@pytest.mark.parametrize(("characters", "is_carried"), [(256, True), (257, False), (9999, False)])
def test_a_long_key_is_not_carried(characters: int, is_carried: bool) -> None:
    """A cursor fits into a frame, however long the field is that the order sorts by."""
    key = "界" * characters
    text = cursors.write("name", "a", 7, key)
    assert cursors.read(text, "name") == cursors.Cursor(key if is_carried else None, "a", 7)
    assert len(text) < 1500


def test_a_cursor_of_another_order_is_refused() -> None:
    text = cursors.write("name", "a", 1, "n")
    for order in ("-name", "id", ""):
        with pytest.raises(BadRequest, match="field after is not a cursor"):
            cursors.read(text, order)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(strictjson.dumps(value)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "abc",
        "A===",
        "界界界界",
        "\udc80",
        "++//",
        "bm8ganNvbg==",
        encoded("id"),
        encoded({"id": 1}),
        encoded([]),
        encoded(["id", "k", "a"]),
        encoded(["id", "k", "a", 1, 2]),
        encoded([["id"], "k", "a", 1]),
        encoded(["id", 1.5, "a", 1]),
        encoded(["id", True, "a", 1]),
        encoded(["id", [], "a", 1]),
        encoded(["id", "k", 1, 1]),
        encoded(["id", "k", None, 1]),
        encoded(["id", "k", "a", "1"]),
        encoded(["id", "k", "a", 1.0]),
        encoded(["id", "k", "a", True]),
        encoded(["id", "k", "a", None]),
        base64.urlsafe_b64encode(b'["id","k","a",99999999999999999999]').decode(),
        base64.urlsafe_b64encode(b"[" * 40 + b"]" * 40).decode(),
    ],
)
def test_what_no_reply_gave_is_refused_in_one_sentence(text: str) -> None:
    """Whatever is wrong with it: what a cursor holds is nobody's business."""
    with pytest.raises(BadRequest) as refused:
        cursors.read(text, "id")
    said = "field after is not a cursor that a reply gave as next for this order"
    assert refused.value.detail == said


def test_letters_outside_the_alphabet_are_not_skipped() -> None:
    text = cursors.write("id", "a", 1, "a")
    for broken in (f"{text[:4]} {text[4:]}", f"{text}\n", f"*{text}"):
        with pytest.raises(BadRequest):
            cursors.read(broken, "id")
