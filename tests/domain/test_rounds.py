"""Turns by whose they are: against a plain list, and what fairness means."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from taskdashd.domain.rounds import Rounds

WHOSE = st.sampled_from("abcd")


class Beside(RuleBasedStateMachine):
    """Rounds, beside lists that are searched whole."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: Rounds[int] = Rounds()
        self.waiting: dict[str, list[int]] = {whose: [] for whose in "abcd"}
        self.passed: dict[str, Counter[str]] = {}
        """By who waits: the turns that each other has had meanwhile."""
        self.number = 0

    @rule(whose=WHOSE)
    def add(self, whose: str) -> None:
        self.number += 1
        self.rounds.add(whose, self.number)
        if not self.waiting[whose]:
            self.passed[whose] = Counter()
        self.waiting[whose].append(self.number)

    @rule(whose=WHOSE, at=st.integers(0, 5))
    def drop(self, whose: str, at: int) -> None:
        mine = self.waiting[whose]
        thing = mine[at] if at < len(mine) else 0
        assert self.rounds.drop(whose, thing) == (thing != 0)
        if thing:
            mine.remove(thing)

    @rule(barred=st.sets(WHOSE))
    def take(self, barred: set[str]) -> None:
        thing = self.rounds.take(lambda whose: whose not in barred)
        waited = {whose for whose, things in self.waiting.items() if things} - barred
        assert (thing is None) == (not waited)
        if thing is None:
            return
        (whose,) = (one for one, things in self.waiting.items() if thing in things)
        assert whose in waited
        assert self.waiting[whose].pop(0) == thing, "the things of one come in their order"
        for other in waited - {whose}:
            self.passed[other][whose] += 1
            assert self.passed[other][whose] <= 1, "who waits lets each other go first once"
        # A turn that somebody was barred from is no turn that they have waited for.
        self.passed[whose] = Counter()
        for one in barred:
            self.passed[one] = Counter()
            for passed in self.passed.values():
                del passed[one]

    @invariant()
    def counts(self) -> None:
        assert len(self.rounds) == sum(map(len, self.waiting.values()))
        for whose, things in self.waiting.items():
            assert self.rounds.count_of(whose) == len(things)


TestBeside = pytest.mark.fault(50)(Beside.TestCase)


@given(st.integers(1, 50), st.integers(1, 5))
def test_one_with_much_holds_up_nobody(much: int, others: int) -> None:
    """However much one brings, each of the others waits for one thing of theirs, and no more."""
    rounds: Rounds[tuple[str, int]] = Rounds()
    for number in range(much):
        rounds.add("much", ("much", number))
    for other in range(others):
        rounds.add(f"{other}", (f"{other}", 0))
    order = [rounds.take() for _ in range(much + others)]
    assert order[: 1 + others] == [("much", 0), *((f"{other}", 0) for other in range(others))]
    assert rounds.take() is None


def test_what_waits_already_keeps_its_place() -> None:
    rounds: Rounds[str] = Rounds()
    for thing in ("one", "two", "one"):
        rounds.add("a", thing)
    assert len(rounds) == 2
    assert [rounds.take(), rounds.take(), rounds.take()] == ["one", "two", None]
