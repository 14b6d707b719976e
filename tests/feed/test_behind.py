"""Catching up from the log: nothing is missing, nothing comes twice, and nobody is overfed."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.errors import Busy, Outcome, ServerError
from taskdashd.feed.behind import CatchUp


class Reader(CatchUp[int]):
    """Takes revs, one for each room that it has."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.room = 0
        self.told: list[int] = []
        self.asked_again = 0
        self.fault: ServerError | None = None

    @property
    def whose(self) -> str:
        return "somebody"

    def take(self) -> bool:
        while self.held:
            if not self.room:
                return False
            self.room -= 1
            self.position = self.held.popleft()
            self.told.append(self.position)
        return True

    def failed(self, fault: ServerError) -> None:
        self.fault = fault

    def go_on_later(self) -> None:
        self.asked_again += 1


class Log:
    """Revs with gaps in them, as commits that failed leave them; answers when it is told to."""

    def __init__(self, revs: Sequence[int], page: int) -> None:
        self.revs = revs
        self.page = page
        self.waiting: list[Callable[[], None]] = []

    def read(
        self,
        _whose: str,
        after: int,
        _rows_max: int,
        wanted: Callable[[], bool],
        then: Callable[[Outcome[Sequence[int]]], None],
    ) -> None:
        def answer() -> None:
            rows = [rev for rev in self.revs if rev > after][: self.page]
            then(rows if wanted() else Busy("nobody waits for it"))

        self.waiting.append(answer)


@given(
    revs=st.sets(st.integers(1, 60)).map(sorted),
    since=st.integers(0, 60),
    page=st.integers(1, 7),
    rooms=st.lists(st.integers(0, 4), max_size=200),
)
def test_each_rev_is_told_once_and_in_order(
    revs: list[int], since: int, page: int, rooms: list[int]
) -> None:
    """However much room there is and whenever; a reader is live only once it lacks nothing."""
    log, reader = Log(revs, page), Reader(since)
    is_live = False
    for room in [*rooms, *[100] * 100]:
        reader.room = room
        is_live = reader.go_on(60, log.read)
        told_before = len(reader.told)
        assert len(log.waiting) <= 1, "one page at a time"
        if is_live:
            break
        if log.waiting:
            log.waiting.pop()()
            assert len(reader.told) == told_before, "a page is not told before it is asked to go on"
            assert len(reader.held) <= page
    assert is_live
    assert reader.told == [rev for rev in revs if rev > since]


def test_who_is_closed_while_a_page_is_read_is_told_nothing() -> None:
    log, reader = Log([1, 2], 10), Reader(0)
    assert not reader.go_on(2, log.read)
    reader.close()
    log.waiting.pop()()
    reader.room = 10
    assert not reader.go_on(2, log.read)
    assert (reader.told, reader.asked_again, reader.fault) == ([], 0, None)


def test_a_log_that_cannot_be_read_is_told_once() -> None:
    reader = Reader(0)
    fault = Busy("the disk")

    def broken(
        _whose: str, _after: int, _rows: int, _wanted: Any, then: Callable[[Any], None]
    ) -> None:
        then(fault)

    assert not reader.go_on(5, broken)
    assert reader.fault is fault
    assert reader.closed


def test_a_page_is_of_two_hundred_rows() -> None:
    """A page is held in memory while its reader has no room: its size is what a slow one costs."""
    asked: list[tuple[int, int]] = []
    reader = Reader(7)
    reader.go_on(9, lambda _whose, after, rows, _wanted, _then: asked.append((after, rows)))
    assert asked == [(7, 200)]


def test_a_page_is_read_only_when_the_one_before_was_taken() -> None:
    log, reader = Log([1, 2, 3], 3), Reader(0)
    assert not reader.go_on(3, log.read)
    log.waiting.pop()()
    assert (reader.asked_again, reader.reading) == (1, False)
    reader.room = 2
    assert not reader.go_on(3, log.read)
    assert (reader.told, log.waiting) == ([1, 2], [])
    reader.room = 1
    assert reader.go_on(3, log.read)
    assert reader.told == [1, 2, 3]


def test_an_empty_page_never_takes_a_reader_back() -> None:
    """The newest rev that it was read for may be older than what was told meanwhile."""
    log, reader = Log([], 3), Reader(0)
    assert not reader.go_on(5, log.read)
    reader.position = 8
    log.waiting.pop()()
    assert reader.position == 8
    assert reader.go_on(8, log.read)


def test_who_was_closed_asks_the_log_nothing_and_its_page_is_not_wanted() -> None:
    log, reader = Log([1], 1), Reader(0)
    wanted: list[bool] = []

    def read(_whose: str, _after: int, _rows: int, is_wanted: Any, _then: Any) -> None:
        wanted.append(is_wanted())
        reader.close()
        wanted.append(is_wanted())

    assert not reader.go_on(1, read)
    assert wanted == [True, False]
    other = Reader(0)
    other.close()
    assert not other.go_on(1, log.read)
    assert log.waiting == []
