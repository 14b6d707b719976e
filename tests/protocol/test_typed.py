"""What people type is folded: equal to the eye is equal to `==`, and nothing else is."""

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskdash_protocol import typed

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/typed.json").read_text())
INVISIBLE = "\u00ad\u034f\u061c\u200b\u200d\u200e\u200f\u202e\u2060\u2066\u2069\ufe0f\ufeff\u3164"
BLANKS = " \t\n\u00a0\u2003\u202f\u3000\u2800"
DOTS = "\u00b7\u2022\u2027\u2219\u22c5\u30fb\uff65"
DIGITS = [one for one in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(one) == "Nd"]
WORDS = st.text(st.sampled_from("aZ09王小é"), min_size=1, max_size=6)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize("one", VECTORS["vectors"], ids=lambda one: ascii(one["text"]))
def test_what_is_typed_is_folded_as_the_vectors_say(one: dict[str, str]) -> None:
    assert typed.number(one["text"]) == one["number"]
    assert typed.name(one["text"]) == one["name"]


@pytest.mark.parametrize("one", VECTORS["names"], ids=lambda one: ascii(one["text"]))
def test_names_are_parted_as_the_vectors_say(one: dict[str, Any]) -> None:
    assert list(typed.names(one["text"])) == one["names"]


def test_whatever_is_a_separator_to_the_eye_parts_names() -> None:
    """A character that NFKC makes a separator would else come to stand within a name."""
    for one in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.normalize("NFKC", one) in (",", ";", "\u3001"):
            assert typed.names(f"a{one}b") == ("a", "b"), ascii(one)


@pytest.mark.parametrize("one", VECTORS["look_alike"], ids=lambda one: ascii(one))
def test_numbers_look_alike_as_the_vectors_say(one: list[str]) -> None:
    assert typed.look(one[0]) == typed.look(one[1])
    assert typed.number(one[0]) != typed.number(one[1]), "the same number needs no look at it"


@pytest.mark.parametrize(("one", "other"), [("1001", "1002"), ("1001", "101"), ("王", "主")])
def test_other_numbers_look_unlike(one: str, other: str) -> None:
    assert typed.look(one) != typed.look(other)


@given(ANY | st.text(st.sampled_from(INVISIBLE + BLANKS + DOTS + "ae\u0301\u1100\u1161１٣ﬁ")))
@example("e \u0301")
@example("\u1100\u200b\u1161")
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    for fold in (typed.number, typed.name):
        folded = fold(text)
        assert fold(folded) == folded
        assert not set(folded) & set(INVISIBLE)


@given(st.data(), WORDS)
def test_what_nobody_sees_makes_no_other_number_or_name(data: st.DataObject, word: str) -> None:
    at = data.draw(st.integers(0, len(word)))
    mark = data.draw(st.text(st.sampled_from(INVISIBLE), min_size=1))
    hidden = word[:at] + mark + word[at:]
    assert typed.number(hidden) == typed.number(word)
    assert typed.name(hidden) == typed.name(word)
    blank = data.draw(st.text(st.sampled_from(BLANKS), min_size=1))
    assert typed.number(word[:at] + blank + word[at:]) == typed.number(word)
    assert typed.name(blank + word + blank) == typed.name(word)


@given(WORDS, WORDS, st.sampled_from(DOTS), st.text(st.sampled_from(BLANKS), min_size=1))
def test_dots_and_runs_of_blanks_within_a_name_are_one(a: str, b: str, dot: str, run: str) -> None:
    assert typed.name(f"{a}{dot}{b}") == f"{typed.name(a)}·{typed.name(b)}"
    assert typed.name(f"{a}{run}{b}") == f"{typed.name(a)} {typed.name(b)}"


def test_a_digit_is_the_same_digit_in_every_script() -> None:
    for one in DIGITS:
        assert typed.number(f"1{one}") == typed.name(f"1{one}") == f"1{unicodedata.decimal(one)}"


@given(st.from_regex(r"[A-Za-z0-9_.@+-]{1,64}", fullmatch=True))
def test_a_number_of_plain_letters_and_digits_is_kept_as_it_is(number: str) -> None:
    assert typed.number(number) == typed.name(number) == number


@given(ANY, ANY)
def test_names_are_the_same_whatever_their_case_and_not_otherwise(one: str, other: str) -> None:
    assert typed.is_same_name(one, f" {one}\u200b".upper().lower())
    assert typed.is_same_name(one, other) == typed.is_same_name(other, one)
    assert not typed.is_same_name(f"{one}x", f"{one}y")
