"""What is held for others: a quarter for one, and room for all who hold little."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdashd.domain.held import LITTLE_BYTES, Held, weight

ALL, FRAME = 4 << 20, 100_000


def held(**counts: int) -> Held:
    made = Held(lambda: ALL, lambda: FRAME)
    for whose, count in counts.items():
        made.add(whose, count)
    return made


def test_one_has_a_quarter_to_the_byte() -> None:
    many = held(a=ALL // 4)
    assert not many.is_full("a", ALL // 4)
    assert many.is_full("a", ALL // 4, 1)
    many.add("a", 1)
    assert many.is_full("a", 1), "whatever the single connection holds"
    assert not many.is_full("b", 0, ALL // 4)
    many.add("a", -1)
    assert not many.is_full("a", ALL // 4)
    assert many.share == ALL // 4


def test_one_frame_always_fits() -> None:
    """Where a quarter of all is less than a frame, one may hold a frame."""
    few = Held(lambda: 4096, lambda: FRAME)
    few.add("a", 4096)
    assert few.share == FRAME
    assert not few.is_full("a", LITTLE_BYTES - 10)


def test_who_holds_little_is_let_in_beside_those_who_fill_it() -> None:
    full = held(a=ALL // 4, b=ALL // 4, c=ALL // 4, d=ALL // 4, e=1)
    assert full.is_full("f", LITTLE_BYTES + 1)
    assert not full.is_full("f", LITTLE_BYTES)
    assert not full.is_full("f", 0, LITTLE_BYTES)
    assert full.is_full("f", 1, LITTLE_BYTES)
    many = held(**{f"w{number}": ALL // 4 for number in range(8)})
    assert not many.is_full("f", 10)
    many.add("f", 1)
    assert many.is_full("f", 1), "the room beside is bounded too"


def test_what_nobody_holds_is_forgotten() -> None:
    some = held(a=10)
    some.add("a", -10)
    assert (some.bytes, some.of("a"), len(some._of)) == (0, 0, 0)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=30),
)
def test_the_count_of_all_is_that_of_each_together(moves: list[tuple[str, int]]) -> None:
    some, expected = held(), dict.fromkeys("abc", 0)
    for whose, count in moves:
        some.add(whose, count - expected[whose])
        expected[whose] = count
    assert some.bytes == sum(expected.values())
    assert {one: some.of(one) for one in "abc"} == expected


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 200_000],
        [f"{number:x}" for number in range(20_000)],
        [[] for _ in range(20_000)],
        {f"{number}": number for number in range(1000, 20_000)},
        [{} for _ in range(20_000)],
    ],
)
def test_the_weight_of_a_text_is_about_what_it_takes(value: object) -> None:
    """Not less than half of what the parsed values take, whatever is made of them."""
    text = json.dumps(value, separators=(",", ":")).encode()
    tracemalloc.start()
    kept = json.loads(text)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept
    assert taken / 2 < weight(text) < taken * 8


def test_a_short_text_weighs_its_bytes() -> None:
    assert weight(b"[,,,]") == 5
