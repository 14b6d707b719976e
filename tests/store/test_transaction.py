"""The view of a writing operation: what is committed, what waits, and what it has itself put."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Change, Moment, Task
from taskdashd.store import kept
from taskdashd.store.known import KnownIds
from taskdashd.store.records import Record, Records
from taskdashd.store.transaction import Transaction, View

AT = "2026-01-01T00:00:00.000Z"


def change(rev: int, task_id: str, previous: Task | None = None, **fields: object) -> Change:
    request = Register.parse({"id": task_id, "name": "n", **fields})
    return tasks.register(previous, request, Author(1, "me"), Moment(rev, AT))


def new_view(cache_bytes_max: int = 1 << 20, last_rev: int = 0, ids: tuple[str, ...] = ()) -> View:
    return View(last_rev, cache_bytes_max, KnownIds(ids))


def decide(view: View, *changes: Change) -> None:
    """Note changes as decided, as the writer does."""
    for one in changes:
        view.pending[one.task.id] = one.task
    view.next_rev += len(changes)


def test_a_view_begins_at_what_is_on_disk() -> None:
    view = new_view(last_rev=7)
    assert (view.committed_rev, view.folded_rev, view.next_rev) == (7, 7, 8)
    assert (view.pending, view.unfolded) == ({}, {})
    assert view.records.get("person", "1001") is None


def test_what_may_be_on_disk_alone_is_not_known() -> None:
    view = new_view(ids=("old",))
    assert not view.knows("old")
    with pytest.raises(KeyError, match="old"):
        view.task("old")
    with pytest.raises(KeyError, match="old"):
        view.committed("old")
    assert view.knows("new")
    assert view.task("new") is None
    assert view.committed("new") is None
    assert view.loaded("old", None, 0)
    assert view.knows("old")
    assert view.task("old") is None


def test_a_decided_task_is_seen_by_the_next_operation_and_not_as_committed() -> None:
    view = new_view(ids=("a",))
    first = change(1, "a")
    decide(view, first)
    assert view.knows("a")
    assert view.task("a") is first.task
    with pytest.raises(KeyError):
        view.committed("a")
    view.commit([first])
    assert view.committed("a") is first.task
    assert view.pending == {}
    assert view.committed_rev == 1


def test_a_commit_leaves_what_was_decided_after_it() -> None:
    view = new_view()
    first = change(1, "a")
    second = change(2, "a", first.task)
    decide(view, first, second)
    view.commit([first])
    assert view.task("a") is second.task
    assert view.committed("a") is first.task
    view.commit([second])
    assert (view.pending, view.task("a")) == ({}, second.task)


def test_a_commit_of_records_alone_moves_no_rev() -> None:
    view = new_view(last_rev=3)
    view.commit([])
    assert view.committed_rev == 3


def test_what_is_rolled_back_is_as_it_was_committed() -> None:
    view = new_view()
    first = change(1, "a")
    view.commit([first])
    decide(view, change(2, "a", first.task), change(3, "b"))
    record = Record("person", "1001", {"id": "1001"})
    view.records.pending["person", "1001"] = record
    view.roll_back()
    assert view.task("a") is first.task
    assert view.task("b") is None
    assert view.records.get("person", "1001") is None
    assert view.committed_rev == 1


def test_what_is_looked_at_is_as_it_was_last_committed() -> None:
    view = new_view()
    first = change(1, "a")
    assert view.look("a") is None
    view.commit([first])
    second = change(2, "a", first.task)
    decide(view, second)
    assert view.look("a") is first.task
    view.commit([second])
    assert view.look("a") is second.task


def test_the_newest_task_stays_however_large_it_is() -> None:
    """Or the operation that had it loaded would load it for ever."""
    view = new_view(cache_bytes_max=1)
    view.commit([change(1, "a")])
    assert view.knows("a")
    view.commit([change(2, "b"), change(3, "c")])
    assert [view.knows(one) for one in "abc"] == [False, False, True]


def test_whether_what_waits_keeps_the_owner_and_the_timeout() -> None:
    """A sign of life counts for a task at once where nothing that waits would give it away."""
    view = new_view()
    assert view.keeps_owner("a"), "nothing waits"
    first = change(1, "a", heartbeat_timeout=5)
    decide(view, first)
    assert not view.keeps_owner("a"), "it is not there yet"
    view.commit([first])
    assert view.keeps_owner("a")
    same = change(2, "a", first.task, heartbeat_timeout=5, description="x")
    decide(view, same)
    assert view.keeps_owner("a") is True
    decide(view, change(3, "a", first.task, heartbeat_timeout=6))
    assert view.keeps_owner("a") is False
    request = Register.parse({"id": "a", "name": "n", "heartbeat_timeout": 5})
    taken = tasks.register(first.task, request, Author(2, "other"), Moment(4, AT))
    decide(view, taken)
    assert view.keeps_owner("a") is False


def test_the_fold_takes_what_it_has_reached_and_nothing_newer() -> None:
    view = new_view(last_rev=10)
    first = change(11, "a")
    view.commit([first, change(12, "b"), change(13, "c")])
    assert view.unfolded == {"a": 11, "b": 12, "c": 13}
    view.commit([change(14, "a", first.task)])
    view.fold(12)
    assert (view.unfolded, view.folded_rev) == ({"c": 13, "a": 14}, 12)
    view.fold(14)
    assert (view.unfolded, view.folded_rev) == ({}, 14)


def test_only_a_look_up_that_runs_is_told_what_it_may_have_missed() -> None:
    view = new_view()
    view.commit([change(1, "a")])
    view.fold(1)
    assert view.begin_load() == 1
    assert view.end_load() == set(), "folded before it began"
    assert view.end_load() == set()
    view.commit([change(2, "b"), change(3, "c"), change(4, "d")])
    view.begin_load()
    view.fold(2)
    view.fold(3)
    assert view.end_load() == {"b", "c"}
    view.fold(4)
    view.begin_load()
    assert view.end_load() == set()


def test_a_look_up_is_believed_as_of_the_rev_that_it_was_begun_at() -> None:
    view = new_view(cache_bytes_max=1, ids=("a",))
    first = change(5, "a")
    view.commit([first, change(6, "b")])
    assert not view.knows("a")
    assert view.loaded("a", None, 4) is False
    assert not view.knows("a"), "what is out of date must not be kept"
    assert view.loaded("a", kept.of(first.task), 5) is True
    assert view.committed("a") == first.task


def test_the_next_rev_is_what_nobody_has_decided_yet() -> None:
    view = new_view(last_rev=4)
    transaction = Transaction(view, AT)
    assert (transaction.rev, transaction.at) == (5, AT)
    first = change(5, "a")
    transaction.put(first)
    assert transaction.rev == 6
    transaction.put(change(6, "b"))
    assert [one.task.rev for one in transaction.changes] == [5, 6]
    decide(view, *transaction.changes)
    assert Transaction(view, AT).rev == 7


def test_an_operation_sees_what_it_has_put_itself_and_nobody_else_does() -> None:
    view = new_view()
    waits = change(1, "a")
    decide(view, waits)
    transaction = Transaction(view, AT)
    assert transaction.task("a") is waits.task
    assert transaction.task("b") is None
    mine = change(2, "a", waits.task)
    transaction.put(mine)
    assert transaction.task("a") is mine.task
    assert view.task("a") is waits.task


def test_a_record_is_seen_as_it_was_kept_last() -> None:
    """By the operation itself; then as it waits; then as it is committed."""
    stored = Record("person", "1", {"v": 0})
    view = View(0, 1000, KnownIds(), Records([stored]))
    transaction = Transaction(view, AT)
    assert transaction.record("person", "1") == {"v": 0}
    assert transaction.record("person", "2") is None
    assert transaction.record("service", "1") is None
    transaction.keep("person", "1", {"v": 1})
    transaction.keep("service", "1", {"v": 9})
    transaction.keep("person", "1", {"v": 2})
    transaction.keep("person", "2", {"v": 3})
    assert transaction.record("person", "1") == {"v": 2}
    assert transaction.record("service", "1") == {"v": 9}
    assert transaction.record("person", "2") == {"v": 3}
    assert Transaction(view, AT).record("person", "1") == {"v": 0}
    transaction.keep("person", "1", None)
    assert transaction.record("person", "1") is None
    assert [record.key for record in transaction.records] == ["1", "1", "1", "2", "1"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("decide", "commit", "fail", "fold", "load")),
            st.sampled_from("abcd"),
        ),
        max_size=40,
    ),
    st.sampled_from((1, 2500, 1 << 20)),
)
def test_a_view_that_forgets_answers_as_one_that_holds_everything(
    steps: list[tuple[str, str]], cache_bytes_max: int
) -> None:
    """What it knows is what a dict of all tasks has; what it does not know, a look-up brings."""
    view = new_view(cache_bytes_max=cache_bytes_max)
    disk: dict[str, Task] = {}
    waiting: list[Change] = []
    decided: dict[str, Task] = {}
    for what, task_id in steps:
        if what == "decide":
            one = change(view.next_rev, task_id, decided.get(task_id, disk.get(task_id)))
            decide(view, one)
            waiting.append(one)
            decided[task_id] = one.task
        elif what == "commit":
            view.commit(waiting)
            disk |= decided
            waiting, decided = [], {}
        elif what == "fail":
            view.roll_back()
            waiting, decided = [], {}
        elif what == "fold":
            view.fold(view.committed_rev)
            assert view.unfolded == {}
        elif not view.knows(task_id):
            asked = view.begin_load()
            assert view.end_load() == set()
            there = disk.get(task_id)
            assert view.loaded(task_id, None if there is None else kept.of(there), asked)
        for one_id in "abcd":
            if view.knows(one_id):
                assert view.task(one_id) == decided.get(one_id, disk.get(one_id))
        behind = {one.id: one.rev for one in disk.values() if one.rev > view.folded_rev}
        assert view.unfolded == behind
        assert list(view.unfolded.values()) == sorted(behind.values())
