"""What the audit tells of a change: the fields, before and after, and nothing too large."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdashd.domain.acts import changed

STAMPS = {"rev": 1, "updated_at": "2026-01-01T00:00:00.000Z", "last_seen": "x"}
VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)


@given(*[st.dictionaries(st.sampled_from(("a", "b", "c", *STAMPS)), VALUES)] * 2)
def test_what_is_told_is_what_differs(old: dict[str, Any], new: dict[str, Any]) -> None:
    """But for what moves with every change; a field that is absent is None."""
    told = changed(old, new)
    names = (old.keys() | new.keys()) - STAMPS.keys()
    differs = {one: [old.get(one), new.get(one)] for one in names if old.get(one) != new.get(one)}
    assert told == differs


def test_new_fields_come_first_and_removed_ones_last() -> None:
    assert list(changed({"gone": 1, "a": 1}, {"b": 1, "a": 2})) == ["b", "a", "gone"]


@pytest.mark.parametrize("value", [0, 1.5, True, False, None, "x", ""])
def test_scalars_are_told_as_they_are(value: Any) -> None:
    (old, new) = changed({"a": "before"}, {"a": value})["a"]
    assert old == "before"
    assert new == value
    assert type(new) is type(value)


def test_deep_values_are_told_as_text() -> None:
    """A field at the deepest nesting allowed would make the reply too deep."""
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    assert changed({}, {"a": {"b": [1]}, "deep": deep}) == {
        "a": [None, '{"b":[1]}'],
        "deep": [None, strictjson.dumps(deep).decode()],
    }


@pytest.mark.parametrize("characters", [199, 200, 201, 5000])
def test_long_text_is_cut_after_two_hundred_characters(characters: int) -> None:
    """However long the values are, the reply fits a frame; what was cut says so."""
    text = "界" * characters
    is_cut = characters > 200
    shown = text[:200] + "…" if is_cut else text
    assert changed({}, {"a": text}) == {"a": [None, shown]}
    listed = changed({"a": [text]}, {"a": ""})["a"][0]
    assert listed == (f'["{text}"]'[:200] + "…" if len(text) + 4 > 200 else f'["{text}"]')
