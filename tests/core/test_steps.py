"""Operations that wait: a generator is driven to its end, whoever calls back and whenever."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.errors import Busy, NotFound, ServerError, StorageError
from taskdashd.core.steps import Done, Steps, drive, wait_for

Later = list[Callable[[], None]]


def giving(value: Any, later: Later | None = None) -> Callable[[Done[Any]], None]:
    """Give a start that calls back with a value: at once, or when it is told to."""

    def start(done: Done[Any]) -> None:
        if later is None:
            done(value)
        else:
            later.append(lambda: done(value))

    return start


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

    def broken(_done: Done[int]) -> None:
        raise ZeroDivisionError("secret")

    def steps() -> Steps[int]:
        if at == "begin":
            raise ZeroDivisionError("secret")
        yield from wait_for(broken if at == "start" else giving(1))
        raise ZeroDivisionError("secret")

    fault = outcome(steps())
    assert isinstance(fault, StorageError)
    assert "secret" not in str(fault)
    assert capsys.readouterr().out.count("ZeroDivisionError: secret") == 1


def test_a_start_that_refuses_is_a_refusal() -> None:
    def refusing(_done: Done[int]) -> None:
        raise Busy("full")

    def steps() -> Steps[str]:
        try:
            yield from wait_for(refusing)
        except ServerError as refusal:
            return refusal.detail
        return "never"

    assert outcome(steps()) == "full"
