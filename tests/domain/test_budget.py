"""A budget gives what its rate allows, and no more, however it is drawn from."""

from hypothesis import given
from hypothesis import strategies as st

from taskdashd.domain.budget import Budget

STEPS = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50)), max_size=60)


@given(st.integers(1, 100), STEPS)
def test_never_more_than_the_rate_and_one_burst(rate: int, steps: list[tuple[float, int]]) -> None:
    """Over any time from the start: rate x time, and once what a second brings."""
    now = 0.0
    budget = Budget(lambda: rate, lambda: now)
    drawn = 0
    for pause_s, wanted in steps:
        now += pause_s
        drawn += budget.draw(wanted)
        assert drawn <= rate * (now + 1) + 1e-6


@given(st.integers(1, 100), st.integers(1, 50))
def test_what_is_left_is_given(rate: int, wanted: int) -> None:
    """After a second without a draw, a second's worth may be drawn."""
    now = 0.0
    budget = Budget(lambda: rate, lambda: now)
    while budget.draw(wanted):
        pass
    now += 1.0
    got = sum(budget.draw(1) for _ in range(rate + 1))
    assert got in (rate - 1, rate)


def test_without_a_rate_there_is_always_more() -> None:
    """Without a rate nothing is refused; a rate that is set later holds from then on."""
    rate: int | None = None
    budget = Budget(lambda: rate, lambda: 0.0)
    assert budget.draw(1000) == 1000
    rate = 5
    assert budget.draw(1000) == 0
