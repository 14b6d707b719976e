"""The heap of what comes due: against a plain dict, and what it costs."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from taskdashd.domain.agenda import Entry, Heap

KEYS = st.sampled_from("abcde")
TIMES = st.integers(0, 20).map(float)
STORED = st.sampled_from(("one", "two", "three"))


class Beside(RuleBasedStateMachine):
    """The heap, beside a dict that is searched whole."""

    def __init__(self) -> None:
        super().__init__()
        self.heap = Heap()
        self.now = 0.0
        self.expected: dict[str, tuple[float, str]] = {}
        self.out: list[Entry] = []
        """Everything that was handed out and not come back."""
        self.held: dict[str, Entry] = {}
        """By key: the expected entry, where it is among those."""

    @rule(key=KEYS, stored=STORED, at=TIMES)
    def put(self, key: str, stored: str, at: float) -> None:
        self.heap.put(key, stored, at)
        if key not in self.expected or self.expected[key][1] != stored:
            self.expected[key] = at, stored
            self.held.pop(key, None)

    @rule(key=KEYS)
    def drop(self, key: str) -> None:
        self.heap.drop(key)
        self.expected.pop(key, None)
        self.held.pop(key, None)

    @rule(seconds=st.integers(0, 6), most=st.integers(1, 6))
    def take(self, seconds: int, most: int) -> None:
        """The earliest come first; none is early, none is left out."""
        self.now += seconds
        waiting = [(at, key) for key, (at, _) in self.expected.items() if key not in self.held]
        due = sorted(one for one in waiting if one[0] <= self.now)[:most]
        taken = self.heap.take(self.now, most)
        assert [(entry.at, entry.key) for entry in taken] == due
        for entry in taken:
            assert self.expected[entry.key] == (entry.at, entry.stored)
            self.held[entry.key] = entry
        self.out += taken

    @precondition(lambda self: self.out)
    @rule(data=st.data(), later=st.none() | TIMES)
    def give_back(self, data: Any, later: float | None) -> None:
        """What was replaced or dropped meanwhile is untouched by what becomes of the old entry."""
        entry = data.draw(st.sampled_from(self.out))
        self.out.remove(entry)
        if later is None:
            self.heap.done(entry)
        else:
            self.heap.again(entry, self.now + later)
        if self.held.get(entry.key) is entry:
            del self.held[entry.key]
            if later is None:
                del self.expected[entry.key]
            else:
                self.expected[entry.key] = self.now + later, entry.stored

    @invariant()
    def is_never_too_late(self) -> None:
        waiting = [at for key, (at, _) in self.expected.items() if key not in self.held]
        if waiting:
            look = self.heap.next_look()
            assert look is not None
            assert look <= min(waiting)

    @invariant()
    def knows_what_it_expects(self) -> None:
        assert len(self.heap) == len(self.expected)
        assert {key for key in "abcde" if key in self.heap} == set(self.expected)


TestBeside = Beside.TestCase


def test_what_comes_and_goes_leaves_nothing_behind() -> None:
    """An office that claims and submits all day: void places are sifted out, and in small steps."""
    heap, taken = Heap(), 0
    for number in range(5_000):
        heap.put(f"kept{number}", "x", 1e9 + number)
    for number in range(200_000):
        heap.put(f"{number}", "x", float(number))
        heap.drop(f"{number}")
        assert heap.places <= 2 * 5_000 + 2_000 + 1_000
    while heap.next_look() is not None:
        due = heap.take(2e9, 100)
        taken += len(due)
        for entry in due:
            heap.done(entry)
    assert taken == 5_000
    assert (len(heap), heap.places) == (0, 0)


def test_a_time_that_is_put_off_takes_no_more_room() -> None:
    """Each change of a task may move its time on, and so often as it changes."""
    heap = Heap()
    for second in range(10_000):
        heap.put("a", str(second), float(second))
        assert heap.places == 1
    assert heap.take(9_998.0, 10) == []
    assert [entry.stored for entry in heap.take(9_999.0, 10)] == ["9999"]


def test_a_look_at_many_void_places_is_short() -> None:
    """Thousands may be dropped that would all have come due at once."""
    heap = Heap()
    for number in range(900):
        heap.put(f"{number}", "x", 1.0)
    for number in range(900):
        heap.drop(f"{number}")
    heap.put("last", "x", 2.0)
    before = heap.places
    assert heap.take(3.0, 1) == []
    assert before - heap.places == 10
    assert heap.next_look() == 1.0
    found = [entry.key for _ in range(900) for entry in heap.take(3.0, 1)]
    assert found == ["last"]
