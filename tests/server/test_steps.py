"""Operations that wait: what is sent and thrown into them, and what they come to."""

from functools import partial
from typing import Any

import pytest

from taskdash_protocol.errors import Busy, Outcome, StorageError
from taskdashd.core.steps import Done, Steps, drive, wait_for


def given(outcome: Outcome[Any], done: Done[Any]) -> None:
    """Call back at once."""
    done(outcome)


def faulty(done: Done[Any]) -> None:
    """Fail before the callback."""
    raise ZeroDivisionError


def refusing(done: Done[Any]) -> None:
    """Refuse before the callback."""
    raise Busy("not now")


def test_many_answers_at_once_nest_no_deeper_than_one() -> None:
    def count() -> Steps[int]:
        total = 0
        for _ in range(10_000):
            total += yield from wait_for(partial(given, 1))
        return total

    ends: list[Any] = []
    drive(count(), ends.append)
    assert ends == [10_000]


@pytest.mark.parametrize(
    ("start", "errid"),
    [
        pytest.param(refusing, Busy.errid, id="refused by the start"),
        pytest.param(partial(given, Busy("not now")), Busy.errid, id="refused by the callback"),
        pytest.param(faulty, StorageError.errid, id="an unexpected fault of the start"),
    ],
)
def test_what_a_wait_comes_to_is_raised_where_it_is_waited_for(start: Any, errid: int) -> None:
    """So that what was counted in advance is taken back, whichever way the wait ends."""
    counted = 0

    def attempt() -> Steps[None]:
        nonlocal counted
        counted += 1
        try:
            yield from wait_for(start)
        finally:
            counted -= 1

    ends: list[Any] = []
    drive(attempt(), ends.append)
    assert [one.errid for one in ends] == [errid]
    assert not counted


def test_a_refusal_that_many_wait_for_says_the_same_to_each() -> None:
    """A failed commit hands one exception to all: nobody's part in it may grow by the others'."""
    waiting: list[Done[None]] = []

    def wait() -> Steps[None]:
        yield from wait_for(waiting.append)

    ends: list[Any] = []
    for _ in range(3):
        drive(wait(), ends.append)
    refusal = StorageError("the disk is full")
    for done in waiting:
        done(refusal)
    assert ends == [refusal] * 3
    assert refusal.__traceback__ is None


def test_a_fault_of_the_callback_is_the_callers_and_ends_nothing_twice() -> None:
    ends: list[Any] = []

    def failing(outcome: Any) -> None:
        ends.append(outcome)
        raise ZeroDivisionError

    def run() -> Steps[int]:
        return (yield from wait_for(partial(given, 1)))

    with pytest.raises(ZeroDivisionError):
        drive(run(), failing)
    assert ends == [1]
