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


def test_nobody_draws_more_than_a_share_at_once() -> None:
    """The first connection to ask would else take all that a second brings from the others."""
    budget = Budget(lambda: 480, lambda: 0.0)
    assert budget.draw(1000) == 30
    assert budget.draw(3) == 3
    assert sum(budget.draw(1000) for _ in range(20)) == 447
    small = Budget(lambda: 5, lambda: 0.0)
    assert [small.draw(1000) for _ in range(6)] == [1, 1, 1, 1, 1, 0]


def test_what_was_not_used_can_be_drawn_again() -> None:
    budget = Budget(lambda: 16, lambda: 0.0)
    drawn = [budget.draw(1) for _ in range(16)]
    assert sum(drawn) == 16
    assert budget.draw(1) == 0
    budget.give_back(2)
    assert [budget.draw(1) for _ in range(3)] == [1, 1, 0]


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    """A stall is taken out of running time when it is found, after the budget was drawn from."""
    now = 100.0
    budget = Budget(lambda: 16, lambda: now)
    now = 90.0
    assert sum(budget.draw(1) for _ in range(20)) == 16
    now = 90.5
    assert sum(budget.draw(1) for _ in range(20)) == 8


def test_a_burst_is_what_its_time_has_brought() -> None:
    """Five seconds' worth at once, then no more than the rate brings."""
    now = 0.0
    budget = Budget(lambda: 20, lambda: now, 5.0)
    assert sum(budget.draw(1) for _ in range(1000)) == 100
    now = 1.0
    assert sum(budget.draw(1) for _ in range(1000)) == 20
    now = 1000.0
    assert sum(budget.draw(1) for _ in range(1000)) == 100
