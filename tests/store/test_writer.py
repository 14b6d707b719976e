"""The writer without a disk: who is answered what and when, and what is never written."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.errors import Busy, Conflict, ServerError, StorageError
from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.acts import Act
from taskdashd.domain.tasks import Author, Change, Moment
from taskdashd.store.known import KnownIds
from taskdashd.store.records import Record
from taskdashd.store.removal import Removal
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer
from taskdashd.testing import StepExecutor

AT = "2026-01-01T00:00:00.000Z"
FULL = StorageError("the disk is full")


class Disk:
    """What was written, in the order in which it was."""

    fold_rows_max = 10_000

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.acts: list[Act] = []
        self.records: list[Record] = []
        self.appended: list[int] = []
        """How many changes and records each commit held."""
        self.folded: list[int] = []
        self.forgot: list[tuple[str, str, int]] = []
        self.pruned_to = 0
        self.fault: Exception | None = None

    def append(
        self,
        changes: Sequence[Change],
        acts: Sequence[Act],
        records: Sequence[Record],
        removals: Sequence[Removal],
    ) -> None:
        assert not removals
        self._fail()
        self.appended.append(len(changes) + len(records))
        self.changes += changes
        self.acts += acts
        self.records += records

    def fold(self, to_rev: int) -> None:
        self._fail()
        self.folded.append(to_rev)

    def index_texts(self, rows_max: int) -> int:
        self._fail()
        return self.folded[-1] if self.folded else 0

    def prune(self, before: str, after: str, rows_max: int) -> int:
        self._fail()
        self.forgot.append((before, after, rows_max))
        return self.pruned_to

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


class Office:
    """A writer, and everybody who has to do with it."""

    def __init__(self, last_rev: int = 0, **bounds: int) -> None:
        self.disk, self.executor = Disk(), StepExecutor()
        self.view = View(last_rev, 1 << 20, KnownIds())
        self.said: list[tuple[str, Any]] = []
        """What followers and askers were told, in order."""
        self.faults: list[Exception] = []
        self.writer = Writer(
            self.disk,  # type: ignore[arg-type]
            self.executor,
            self.view,
            now=lambda: AT,
            follower=self,
            on_fault=self.faults.append,
            **{
                "waiting_rows_max": 100,
                "waiting_bytes_max": 1 << 20,
                "batch_rows_max": 10,
                "fold_lag_max": 1000,
                **bounds,
            },
        )

    # The follower's part

    def committed(self, changes: Sequence[Change]) -> None:
        assert self.view.committed_rev == changes[-1].task.rev, "followers see what is committed"
        self.said.append(("committed", [change.task.rev for change in changes]))

    def kept(self, records: Sequence[Record]) -> None:
        assert self.view.records.committed(records[-1].kind, records[-1].key) is not None
        self.said.append(("kept", [record.key for record in records]))

    def pruned(self, rev: int) -> None:
        self.said.append(("pruned", rev))

    # What is asked of it

    def ask(self, name: str, decide: Callable[[Transaction], Any], **how: bool) -> None:
        self.writer.write(decide, lambda outcome: self.said.append((name, outcome)), **how)

    def write(self, name: str, *ids: str, flush: bool = True, **fields: str) -> None:
        def decide(transaction: Transaction) -> str:
            assert transaction.at == AT
            for task_id in ids:
                change = made(transaction, task_id, **fields)
                transaction.put(change)
            return name

        self.ask(name, decide)
        if flush:
            self.writer.flush()

    def keep(self, name: str, key: str) -> None:
        def decide(transaction: Transaction) -> str:
            transaction.keep("person", key, {"id": key})
            return name

        self.ask(name, decide)
        self.writer.flush()

    def refuse(self, name: str) -> ServerError:
        refusal = Conflict("no")

        def decide(transaction: Transaction) -> None:
            transaction.put(made(transaction, "refused"))
            raise refusal

        self.ask(name, decide)
        self.writer.flush()
        return refusal

    def take(self) -> list[tuple[str, Any]]:
        said, self.said = self.said, []
        return said

    def step(self, fault: Exception | None = None) -> None:
        self.disk.fault = fault
        self.executor.step()
        self.disk.fault = None

    def finish(self) -> None:
        while self.executor.jobs:
            self.step()

    @property
    def written(self) -> list[str]:
        return [change.task.id for change in self.disk.changes]


def made(transaction: Transaction, task_id: str, **fields: str) -> Change:
    request = Register.parse({"id": task_id, "name": "n", **fields})
    moment = Moment(transaction.rev, transaction.at)
    return tasks.register(transaction.task(task_id), request, Author(1, "me"), moment)


def act(number: int) -> Act:
    return Act(0, AT, "signed-in", str(number), "", 1)


def outcome(said: list[tuple[str, Any]], name: str) -> Any:
    (one,) = [what for who, what in said if who == name]
    return one


def test_a_write_is_decided_at_once_and_answered_once_it_is_on_disk() -> None:
    """Followers hear of it first, so that who is answered finds everything as it will be."""
    office = Office(last_rev=4)
    assert office.writer.idle
    office.write("one", "a", flush=False)
    assert (office.writer.waiting_rows, office.writer.idle) == (1, False)
    assert office.view.task("a") is not None
    assert (office.take(), len(office.executor.jobs)) == ([], 0)
    office.writer.flush()
    assert (office.take(), len(office.executor.jobs)) == ([], 1)
    assert not office.writer.idle
    office.step()
    assert office.take() == [("committed", [5]), ("one", "one")]
    assert office.written == ["a"]
    assert office.writer.idle
    assert office.writer.waiting_rows == 0
    assert (office.writer.commits, len(office.writer.commit_s)) == (1, 1)
    assert 0 <= office.writer.commit_s[0] < 10
    assert (office.view.pending, office.view.committed_rev) == ({}, 5)


def test_what_is_written_while_a_commit_runs_goes_into_the_next() -> None:
    """One commit runs at a time, and the next begins by itself."""
    office = Office()
    office.write("one", "a")
    office.write("two", "b", "c")
    office.write("three", "b")
    assert len(office.executor.jobs) == 1
    office.step()
    assert office.take() == [("committed", [1]), ("one", "one")]
    assert len(office.executor.jobs) == 1
    office.step()
    assert office.take() == [("committed", [2, 3, 4]), ("two", "two"), ("three", "three")]
    assert office.disk.appended == [1, 3]
    assert (office.written, office.writer.commits) == (["a", "b", "c", "b"], 2)


def test_a_commit_takes_no_more_rows_than_it_may() -> None:
    """Changes and records count; an operation that alone has more is not torn apart."""
    office = Office(batch_rows_max=2)
    for name in ("one", "two", "three"):
        office.write(name, name, flush=False)
    office.keep("four", "1001")
    office.write("five", "p", "q", "r")
    office.write("six", "s")
    office.finish()
    assert office.disk.appended == [2, 2, 3, 1]
    assert [name for name, what in office.said if name == what] == [
        *("one", "two", "three", "four", "five", "six")
    ]


def test_records_are_kept_with_the_changes_of_their_commit() -> None:
    office = Office()
    office.keep("one", "1001")
    assert office.view.records.get("person", "1001") == {"id": "1001"}
    assert office.view.records.committed("person", "1001") is None
    assert office.writer.waiting_rows == 1
    office.write("two", "a")
    office.step()
    assert office.take() == [("kept", ["1001"]), ("one", "one")]
    office.step()
    assert office.take() == [("committed", [2]), ("two", "two")]
    assert [record.key for record in office.disk.records] == ["1001"]
    assert office.view.records.committed("person", "1001") == {"id": "1001"}
    assert not office.view.records.pending
    assert office.writer.waiting_rows == 0


def test_a_refusal_is_final_at_once_where_nothing_waits() -> None:
    office = Office()
    refusal = office.refuse("one")
    assert office.take() == [("one", refusal)]
    assert refusal.__traceback__ is None
    assert office.executor.jobs == deque()
    office.write("two", "a")
    office.finish()
    assert office.written == ["a"], "a refusal has written nothing"
    assert office.disk.changes[0].task.rev == 1


@pytest.mark.parametrize("first", ["task", "record"])
def test_a_refusal_that_may_rest_on_what_waits_is_answered_after_it(first: str) -> None:
    """In its turn, and with no commit of its own."""
    office = Office()
    office.write("one", "a") if first == "task" else office.keep("one", "1001")
    refusal = office.refuse("two")
    assert office.take() == []
    office.step()
    assert [name for name, _ in office.said][-2:] == ["one", "two"]
    assert outcome(office.said, "two") is refusal
    assert (office.executor.jobs, len(office.disk.appended)) == (deque(), 1)
    assert office.writer.idle


def test_a_refusal_that_rests_on_what_was_not_written_is_no_refusal() -> None:
    office = Office()
    office.write("one", "a")
    office.refuse("two")
    office.step(FULL)
    assert office.take() == [("one", FULL), ("two", FULL)]
    assert office.faults == [FULL]


def test_what_was_decided_after_a_commit_that_fails_is_never_written() -> None:
    """All of it is answered 1001, in order; the view is what was committed; its revs are gone."""
    office = Office()
    office.write("one", "a")
    office.finish()
    office.take()
    office.write("two", "a", "b")
    office.write("three", "c")
    office.keep("four", "1001")
    office.step(FULL)
    assert office.take() == [("two", FULL), ("three", FULL), ("four", FULL)]
    assert (office.executor.jobs, office.writer.idle) == (deque(), True)
    assert (office.writer.waiting_rows, office.view.pending) == (0, {})
    assert not office.view.records.pending
    assert office.view.task("b") is None
    office.writer.flush()
    assert office.executor.jobs == deque()
    office.write("five", "d")
    office.finish()
    assert office.written == ["a", "d"]
    assert [change.task.rev for change in office.disk.changes] == [1, 6]
    assert office.disk.records == []
    assert office.take() == [("committed", [6]), ("five", "five")]


def test_a_fault_that_is_none_of_the_store_is_told_as_one() -> None:
    """The log gets the fault whole, and the peers a sentence."""
    office = Office()
    fault = Busy("the thread is gone")
    office.write("one", "a")
    office.step(fault)
    told = outcome(office.take(), "one")
    assert type(told) is StorageError
    assert told.detail == "the write failed"
    assert office.faults == [fault]


def test_one_caller_s_fault_does_not_cost_the_others_their_replies() -> None:
    office = Office()
    broken = RuntimeError("a caller's own")

    def fail(_outcome: object) -> None:
        raise broken

    office.writer.write(lambda transaction: transaction.put(made(transaction, "a")), fail)
    office.write("two", "b")
    office.step()
    assert office.faults == [broken]
    assert outcome(office.take(), "two") == "two"
    office.writer.write(lambda transaction: transaction.put(made(transaction, "c")), fail)
    office.write("three", "d")
    office.step(FULL)
    assert office.faults == [broken, FULL, broken]
    assert outcome(office.take(), "three") is FULL


def test_more_than_may_wait_is_refused_and_looks_are_not() -> None:
    office = Office(waiting_rows_max=2)
    office.write("one", "a")
    office.write("two", "b")
    office.write("three", "c")
    (said,) = office.take()
    assert (said[0], type(said[1])) == ("three", Busy)
    office.ask("look", lambda transaction: transaction.task("b"), looks=True)
    assert office.take() == []
    office.finish()
    assert outcome(office.take(), "look") is office.disk.changes[1].task
    office.write("four", "d")
    office.finish()
    assert office.written == ["a", "b", "d"]


def test_bytes_that_wait_are_bounded_too() -> None:
    """Bytes are counted off again with their commit, and when it fails."""
    office = Office(waiting_bytes_max=1000)
    for fault in (None, FULL):
        office.write("one", "a", description="x" * 2000)
        office.write("two", "b")
        assert type(outcome(office.take(), "two")) is Busy
        office.step(fault)
        office.take()
        office.write("three", "b")
        office.step()
        assert outcome(office.take(), "three") == "three"


def test_exactly_as_many_bytes_as_may_wait_are_too_many() -> None:
    office = Office()
    office.write("one", "a")
    size = len(next(iter(office.view.pending.values())).body)
    for bytes_max, refused in ((size, True), (size + 1, False)):
        office = Office(waiting_bytes_max=bytes_max)
        office.write("one", "a")
        office.write("two", "b")
        assert bool(office.take()) is refused


def test_a_crowd_is_two_full_commits_and_who_waits_is_let_in_once() -> None:
    office = Office(batch_rows_max=2)
    let_in: list[str] = []
    for number in range(5):
        assert office.writer.is_crowded is (number >= 4)
        office.write(str(number), f"t{number}", flush=False)
    office.writer.when_roomy(lambda: let_in.append("one"))
    office.writer.when_roomy(lambda: let_in.append("two"))
    office.writer.flush()
    assert (office.writer.waiting_rows, let_in) == (5, [])
    office.write("5", "t5")
    office.step()
    assert (office.writer.waiting_rows, let_in) == (4, []), "still a crowd"
    office.step()
    assert (office.writer.waiting_rows, let_in) == (2, ["one", "two"])
    office.finish()
    assert let_in == ["one", "two"]


def test_a_crowd_that_fails_makes_room_as_well() -> None:
    office = Office(batch_rows_max=1)
    office.write("one", "a")
    office.write("two", "b")
    assert office.writer.is_crowded
    let_in: list[str] = []
    office.writer.when_roomy(lambda: let_in.append("one"))
    office.step(FULL)
    assert let_in == ["one"]
    assert not office.writer.is_crowded


def test_a_few_large_writes_are_a_crowd() -> None:
    office = Office(waiting_bytes_max=1 << 30)
    for number in range(17):
        office.write(str(number), f"t{number}", description="x" * (1 << 20))
        assert office.writer.is_crowded is (number >= 15)
    office.finish()
    assert not office.writer.is_crowded


# Acts


def test_acts_are_stored_alone_or_with_the_next_commit() -> None:
    office = Office()
    office.writer.note([act(1)])
    office.step()
    assert (office.disk.acts, office.take()) == ([act(1)], [])
    office.write("one", "a")
    office.writer.note([act(2)])
    office.writer.note([act(3)])
    office.write("two", "b")
    office.finish()
    assert office.disk.acts == [act(1), act(2), act(3)]
    assert office.disk.appended == [0, 1, 1]
    assert office.take() == [
        *[("committed", [1]), ("one", "one")],
        *[("committed", [2]), ("two", "two")],
    ]
    assert office.writer.idle


def test_acts_of_a_commit_that_failed_go_with_the_next_before_newer_ones() -> None:
    """Who did what is not forgotten because the disk was full for a while; each act is once."""
    office = Office()
    office.writer.note([act(1)])
    office.writer.note([act(2)])
    office.step(FULL)
    assert office.executor.jobs == deque(), "a disk that is full is not asked again and again"
    office.writer.note([act(3)])
    office.step(FULL)
    office.write("one", "a")
    office.writer.note([act(4)])
    office.finish()
    assert office.disk.acts == [act(1), act(2), act(3), act(4)]


def test_so_many_acts_wait_and_no_more() -> None:
    """The oldest are kept: an attack that makes acts must not push out how it began."""
    office = Office()
    office.write("one", "a")
    office.writer.note([act(number) for number in range(9_999)])
    office.writer.note([act(number) for number in range(9_999, 10_005)])
    office.finish()
    assert office.disk.acts == [act(number) for number in range(10_000)]
    office = Office()
    office.writer.note([act(number) for number in range(6_000)])
    office.writer.note([act(number) for number in range(6_000, 12_000)])
    office.step(FULL)
    office.write("one", "a")
    office.finish()
    assert office.disk.acts == [act(number) for number in range(10_000)]


def test_the_durations_of_so_many_commits_are_remembered() -> None:
    office = Office()
    for number in range(1005):
        office.writer.note([act(number)])
        office.step()
    assert (office.writer.commits, len(office.writer.commit_s)) == (1005, 1000)


# The fold


def lagging(changes: int, **bounds: int) -> Office:
    """Give an office whose fold is so many changes behind."""
    office = Office(**{"batch_rows_max": 1000, "fold_lag_max": 100_000, **bounds})
    office.write("before", *[f"t{number}" for number in range(changes)])
    office.finish()
    office.take()
    assert office.writer.fold_lag == changes
    return office


def test_the_fold_is_brought_forward_when_nothing_was_written_for_a_while() -> None:
    office = lagging(3)
    office.writer.fold_some()
    assert office.executor.jobs == deque(), "something was written since the last look"
    office.writer.fold_some()
    office.finish()
    assert (office.disk.folded, office.writer.fold_lag) == ([3], 0)
    assert office.view.folded_rev == 3
    office.writer.fold_some()
    assert office.executor.jobs == deque(), "there is nothing to fold"


def test_the_fold_is_not_brought_forward_while_anything_waits() -> None:
    office = lagging(3)
    office.write("one", "a", flush=False)
    office.writer.fold_some()
    office.writer.fold_some()
    assert office.executor.jobs == deque()
    office.writer.flush()
    office.writer.fold_some()
    assert len(office.executor.jobs) == 1
    office.finish()
    assert office.disk.folded == []


def test_a_query_waits_until_the_fold_has_what_was_committed_then() -> None:
    office = Office()
    told: list[Any] = []
    office.writer.catch_up(told.append)
    assert told == [None], "nothing is behind"
    office = lagging(3)
    office.writer.catch_up(told.append)
    assert (told, len(office.executor.jobs)) == ([None], 1)
    office.step()
    assert (told, office.disk.folded) == ([None, None], [3])


def test_no_commit_overlaps_a_fold() -> None:
    """Both write, and the fold reads what a commit appends: they run one after the other."""
    office = lagging(3)
    office.writer.catch_up(lambda _outcome: None)
    office.write("one", "a")
    office.writer.flush()
    office.writer.note([act(1)])
    office.writer.chores.prune("b", "a")
    assert len(office.executor.jobs) == 1
    office.step()
    assert (office.disk.folded, office.disk.changes[-1].task.id) == ([3], "t2")
    assert len(office.executor.jobs) == 1
    office.step()
    assert outcome(office.take(), "one") == "one"
    assert office.disk.acts == [act(1)]
    assert len(office.executor.jobs) == 1
    office.finish()
    assert office.disk.forgot == [("b", "a", 1000)]


def test_a_long_fold_is_done_in_slices_and_lets_writers_in_between() -> None:
    office = lagging(10_001)
    told: list[str] = []
    office.writer.catch_up(lambda _outcome: told.append("query"))
    office.write("one", "a")
    office.step()
    assert (office.disk.folded, told) == ([10_000], [])
    assert office.view.folded_rev == 10_000
    office.step()
    assert outcome(office.take(), "one") == "one"
    office.step()
    assert (office.disk.folded, told) == ([10_000, 10_002], ["query"])


def test_a_long_fold_goes_on_by_itself_where_nobody_writes() -> None:
    office = lagging(10_001)
    told: list[str] = []
    office.writer.catch_up(lambda _outcome: told.append("one"))
    office.step()
    assert len(office.executor.jobs) == 1
    office.writer.catch_up(lambda _outcome: told.append("two"))
    office.finish()
    assert (office.disk.folded, told) == ([10_000, 10_001], ["one", "two"])


def test_the_fold_may_lag_so_far_behind_and_then_goes_first() -> None:
    """`View.unfolded` holds an entry for each change behind, and must not fill the memory."""
    office = lagging(3, fold_lag_max=4)
    office.write("one", "a")
    office.step()
    assert (office.disk.folded, office.writer.fold_lag) == ([], 4)
    office.write("two", "b")
    office.step()
    assert (office.disk.folded, office.writer.fold_lag) == ([4], 0)
    assert "two" not in dict(office.said)
    office.step()
    assert outcome(office.said, "two") == "two"
    assert office.executor.jobs == deque()


def test_a_fold_in_slices_smaller_than_the_commits_keeps_up_with_them() -> None:
    """Slices take turns with the commits, until the fold is twice as far behind as it may be."""
    office = lagging(3, fold_lag_max=4, batch_rows_max=4)
    office.disk.fold_rows_max = 1
    lags = []
    for number in range(60):
        office.write(f"w{number}", f"t{number}")
        office.write(f"v{number}", f"t{number}")
        office.step()
        lags.append(office.writer.fold_lag)
    assert max(lags) < 2 * 4 + 4
    assert len(office.written) > 20


def test_a_fold_that_fails_ends_the_queries_that_wait_and_no_write() -> None:
    office = lagging(3)
    told: list[Any] = []
    office.writer.catch_up(told.append)
    office.write("one", "a")
    office.step(FULL)
    assert (told, office.faults, office.take()) == ([FULL], [FULL], [])
    assert len(office.executor.jobs) == 1
    office.step()
    assert outcome(office.take(), "one") == "one"
    assert office.writer.fold_lag == 4
    office.writer.catch_up(told.append)
    office.finish()
    assert told == [FULL, None]


def test_a_fold_that_fails_where_nothing_waits_is_told_and_left() -> None:
    office = lagging(3)
    told: list[Any] = []
    office.writer.catch_up(told.append)
    office.step(FULL)
    assert (told, office.faults, office.executor.jobs) == ([FULL], [FULL], deque())
    assert office.writer.idle


def test_where_the_fold_cannot_follow_nothing_more_is_written() -> None:
    office = lagging(3, fold_lag_max=3)
    office.write("one", "a")
    office.write("two", "b")
    office.step(FULL)
    assert office.take() == [("one", FULL), ("two", FULL)]
    assert office.faults == [FULL]
    assert (office.executor.jobs, office.view.pending) == (deque(), {})
    assert office.writer.waiting_rows == 0
    office.write("three", "c")
    office.finish()
    assert outcome(office.take(), "three") == "three"
    assert office.written[3:] == ["c"]


# Forgetting


def test_old_rows_are_deleted_once_no_commit_runs() -> None:
    office = Office()
    office.disk.pruned_to = 7
    office.write("one", "a")
    office.writer.chores.prune("old", "late")
    office.writer.chores.prune("older", "later")
    office.write("two", "b")
    assert len(office.executor.jobs) == 1
    office.step()
    office.step()
    assert office.disk.forgot == [("older", "later", 1000)]
    assert office.writer.chores.pruned_rev == 7
    assert office.take() == [("committed", [1]), ("one", "one"), ("pruned", 7)]
    office.finish()
    assert outcome(office.take(), "two") == "two"
    assert len(office.disk.forgot) == 1
    assert office.writer.idle


def test_a_deletion_that_fails_is_told_and_holds_up_nobody() -> None:
    office = Office()
    assert office.writer.chores.pruned_rev == 0
    office.writer.chores.prune("old", "late")
    assert not office.writer.idle
    office.write("one", "a")
    office.step(FULL)
    assert (office.faults, office.writer.chores.pruned_rev, office.take()) == ([FULL], 0, [])
    office.finish()
    assert outcome(office.take(), "one") == "one"
    assert office.disk.forgot == []


# All of it together

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(st.sampled_from("abc"), max_size=3)),
        st.tuples(st.just("keep"), st.sampled_from("xy")),
        st.tuples(st.just("refuse"), st.none()),
        st.tuples(st.just("step"), st.booleans()),
        st.tuples(st.just("catch up"), st.none()),
        st.tuples(st.just("fold"), st.none()),
        st.tuples(st.just("note"), st.none()),
        st.tuples(st.just("prune"), st.none()),
    ),
    max_size=40,
)


@given(
    STEPS,
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_what_is_answered_is_what_is_on_disk(
    steps: list[tuple[str, Any]], batch_rows_max: int, fold_lag_max: int
) -> None:
    """Whatever fails when: each write is answered once, and written if that was no 1001."""
    office = Office(batch_rows_max=batch_rows_max, fold_lag_max=fold_lag_max)
    asked: dict[str, tuple[str, ...]] = {}
    for number, (what, how) in enumerate(steps):
        name = f"{what} {number}"
        if what == "write":
            asked[name] = tuple(how)
            office.write(name, *how)
        elif what == "keep":
            asked[name] = ()
            office.keep(name, how)
        elif what == "refuse":
            asked[name] = ()
            office.refuse(name)
        elif what == "step":
            if office.executor.jobs:
                office.step(FULL if how else None)
        elif what == "catch up":
            asked[name] = ()
            office.writer.catch_up(lambda outcome, name=name: office.said.append((name, outcome)))
        elif what == "fold":
            office.writer.fold_some()
        elif what == "note":
            office.writer.note([act(number)])
        else:
            office.writer.chores.prune("old", "late")
        assert len(office.executor.jobs) <= 1, "one thing at a time"
    office.finish()
    office.writer.flush()
    office.finish()
    answered = [name for name, _ in office.said if name in asked]
    assert sorted(answered) == sorted(asked)
    wanted = [task_id for name, what in office.said if name == what for task_id in asked[name]]
    assert office.written == wanted
    assert office.writer.idle
    assert (office.writer.waiting_rows, office.view.pending) == (0, {})
    for change in office.disk.changes:
        assert office.view.task(change.task.id) is not None
    newest = {change.task.id: change.task for change in office.disk.changes}
    for task_id in "abc":
        assert office.view.task(task_id) is newest.get(task_id)
    revs = [change.task.rev for change in office.disk.changes]
    assert revs == sorted(set(revs))


def test_a_large_commit_is_taken_in_by_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """All followers and answers of 4,096 writes at once held everybody up for 40 ms."""
    monkeypatch.setattr("taskdashd.store.writer._TAKE_IN_S", 0.0)
    office = Office(waiting_rows_max=1_000, batch_rows_max=1_000)
    for number in range(100):
        office.write("some", f"{number}", flush=False)
    office.writer.flush()
    office.executor.step()
    told = [revs for what, revs in office.said if what == "committed"]
    assert 0 < len(told[0]) < 100
    assert len(told) == 1, "the others have their turn now"
    assert not office.writer.idle
    assert office.writer.waiting_rows == 100 - len(told[0])
    office.write("later", "later")
    office.finish()
    told = [revs for what, revs in office.said if what == "committed"]
    assert [rev for revs in told for rev in revs] == list(range(1, 102))
    assert office.disk.appended == [100, 1]
    assert office.writer.idle
