"""Which tasks are in memory, and when an answer from the disk is too old to be believed."""

from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Change, Moment, Task
from taskdashd.store.known import KnownIds
from taskdashd.store.transaction import View


def change(rev: int, task_id: str) -> Change:
    request = Register.parse({"id": task_id, "name": "n"})
    return tasks.register(None, request, Author(1, "me"), Moment(rev, "2026-01-01T00:00:00.000Z"))


def small_view() -> View:
    return View(last_rev=0, cache_bytes_max=1, known=KnownIds())


def test_an_answer_is_not_believed_if_the_task_may_have_changed_meanwhile() -> None:
    """The task is registered, folded and dropped from the cache, all while the reader looks."""
    view = small_view()
    asked_rev = view.begin_load()
    view.commit([change(1, "a"), change(2, "b")])
    assert not view.knows("a")
    assert not view.loaded("a", None, asked_rev), "changed, and still in the log alone"
    view.fold(1)
    assert view.end_load() == {"a"}, "changed, folded, and forgotten"
    view.fold(2)
    asked_rev = view.begin_load()
    assert view.end_load() == set()
    assert view.loaded("a", None, asked_rev)


def test_what_is_in_memory_is_newer_than_what_the_reader_brings() -> None:
    """The look-up's answer is dropped: the task in memory is newer."""
    view = small_view()
    newest = change(1, "a")
    view.commit([newest])
    assert view.loaded("a", None, 0)
    assert view.committed("a") is newest.task


def test_the_cache_is_bounded_and_keeps_what_was_used_last() -> None:
    """The cache is bounded by bytes, bodies included."""
    view = View(last_rev=0, cache_bytes_max=20_000, known=KnownIds())
    for rev in range(1, 100):
        view.commit([change(rev, f"t{rev}")])
        assert view.knows("t1"), rev
        view.committed("t1")
    assert not view.knows("t2")
    assert view._cache.bytes <= 20_000


def test_where_the_log_is_ahead_of_the_fold_is_known_until_the_fold_has_it() -> None:
    """A newer change moves a task behind those that the fold takes next."""
    view = small_view()
    first = change(1, "a")
    view.commit([first, change(2, "b")])
    view.commit([Change("updated", renewed(first.task, 3), first.task, "", "")])
    view.fold(2)
    assert view.unfolded == {"a": 3}
    view.fold(3)
    assert not view.unfolded


def renewed(task: Task, rev: int) -> Task:
    return task._replace(rev=rev)


def test_what_was_not_there_and_then_is_costs_its_place_but_once() -> None:
    """A look-up that found nothing is remembered too, and replaced by what is registered."""
    view = View(last_rev=0, cache_bytes_max=1 << 20, known=KnownIds())
    first = change(1, "a")
    view.commit([first])
    alone = view._cache.bytes
    view._cache.clear()
    assert view.loaded("a", None, 1)
    assert view._cache.bytes > 0
    view.commit([first])
    assert view._cache.bytes == alone
