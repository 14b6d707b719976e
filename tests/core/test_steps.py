"""Operations that wait: a generator is driven to its end, whoever calls back and whenever."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.errors import Busy, NotFound, StorageError
from taskdashd.core.steps import Done, Steps, drive, in_slices, wait_for

Later = list[Callable[[], None]]


def giving(value: Any, later: Later | None = None) -> Callable[[Done[Any]], None]:
    """Give a start that calls back with a value: at once, or when it is told to."""

    def start(done: Done[Any]) -> None:
        if later is None:
            done(value)
        else:
            later.append(lambda: done(value))

    return start


def faulty(_done: Done[Any]) -> None:
    """Fail before the callback."""
    raise ZeroDivisionError("secret")


def refusing(_done: Done[Any]) -> None:
    """Refuse before the callback."""
    raise Busy("not now")


def outcome(steps: Steps[Any], later: Later | None = None) -> Any:
    got: list[Any] = []
    drive(steps, got.append)
    while later:
        later.pop(0)()
    (one,) = got
    return one


@given(st.lists(st.tuples(st.integers(), st.booleans())))
def test_each_wait_gets_its_own_value(waits: list[tuple[int, bool]]) -> None:
    """Values come in the order of the waits, whether an answer is known at once or comes later."""
    later: Later = []

    def steps() -> Steps[list[int]]:
        got = []
        for value, at_once in waits:
            got.append((yield from wait_for(giving(value, None if at_once else later))))
        return got

    assert outcome(steps(), later) == [value for value, _ in waits]


def test_a_refusal_is_thrown_in_where_it_was_waited_for() -> None:
    """An operation may catch the refusal; a refusal that it raises itself is its outcome."""

    def steps() -> Steps[str]:
        with pytest.raises(Busy):
            yield from wait_for(giving(Busy("full")))
        yield from wait_for(giving(NotFound("gone")))
        return "never"

    assert isinstance(outcome(steps()), NotFound)


def test_ten_thousand_answers_at_once_are_not_ten_thousand_frames_deep() -> None:
    def steps() -> Steps[int]:
        total = 0
        for _ in range(10_000):
            total += yield from wait_for(giving(1))
        return total

    assert outcome(steps()) == 10_000


@pytest.mark.parametrize("at", ["begin", "start", "after"])
def test_an_unexpected_fault_is_logged_whole_and_told_as_1001(
    at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it happens, the peer learns nothing of the code, and the caller is answered."""

    def steps() -> Steps[int]:
        if at == "begin":
            raise ZeroDivisionError("secret")
        yield from wait_for(faulty if at == "start" else giving(1))
        raise ZeroDivisionError("secret")

    fault = outcome(steps())
    assert isinstance(fault, StorageError)
    assert "secret" not in str(fault)
    assert capsys.readouterr().out.count("ZeroDivisionError: secret") == 1


@pytest.mark.parametrize(
    ("start", "errid"),
    [
        pytest.param(refusing, Busy.errid, id="refused by the start"),
        pytest.param(giving(Busy("not now")), Busy.errid, id="refused by the callback"),
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
        return (yield from wait_for(giving(1)))

    with pytest.raises(ZeroDivisionError):
        drive(run(), failing)
    assert ends == [1]


def test_a_long_reply_is_made_in_slices() -> None:
    """Others have their turn after 32 KiB, or after as many small items as take as long."""
    later: Later = []
    said: list[Any] = []
    made: list[int] = []

    def make(item: int) -> int:
        made.append(item)
        return -item

    drive(in_slices([10_000] * 9, make, lambda item: item, giving(None, later)), said.append)
    counts = [len(made)]
    while later:
        later.pop()()
        counts.append(len(made))
    assert counts == [4, 8, 9]
    assert said == [[-10_000] * 9]
    made.clear()
    drive(in_slices(range(300), make, lambda _: 0, giving(None, later)), said.append)
    assert len(made) == 128
    drive(in_slices([], make, lambda item: item, giving(None, later)), said.append)
    assert said[-1] == []
