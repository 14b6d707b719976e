"""A task that was kept as bytes is the task that it was, whatever its members hold."""

from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol.families.tasks import Register
from taskdash_protocol.fields import TASK_FIELDS
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Moment, Task
from taskdashd.store import kept

AT = "2026-01-01T00:00:00.000Z"
LATER = "2026-01-02T00:00:00.000Z"

texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=12
) | st.sampled_from(("", "\x01", "\x02", '","shutdown_at":"', '"start_time":"",', "\n", "é报"))
members = st.dictionaries(
    st.sampled_from([name for name in TASK_FIELDS if name not in ("id", "name", "status")]), texts
)


@given(members, texts, st.integers(1, 2**62), st.sampled_from(("n", "\n", "m" * 300)))
def test_a_task_comes_back_as_it_was(
    fields: dict[str, str], more: str, owner: int, holder: str
) -> None:
    """Registered, taken over by another, and dead."""
    body = {"id": "a", "name": "n", "status": "running", **fields, "more": more}
    request = Register.parse(body)
    one = tasks.register(None, request, Author(owner, holder), Moment(7, AT)).task
    taken = tasks.register(one, request, Author(owner + 1, "other"), Moment(8, LATER)).task
    again = tasks.register(taken, request, Author(owner + 1, "other"), Moment(9, AT)).task
    dead = tasks.shut_down(again, Moment(10, LATER), "daemon").task
    for task in (one, taken, again, dead):
        stays = kept.of(task)
        assert kept.task("a", stays) == task
        assert kept.owner(stays) == task.owner
        assert kept.whole(stays[kept.place(stays) :]) == task.body


def test_most_tasks_take_little_more_than_what_they_say() -> None:
    """What a task leaves empty takes no room; a `Task` of the same takes four times as much."""
    one = task(description="x" * 100)
    assert len(kept.of(one)) < len(one.body) - 100


def task(**fields: object) -> Task:
    request = Register.parse({"id": "a", "name": "n", "status": "running", **fields})
    return tasks.register(None, request, Author(1, "10.0.0.7:40000"), Moment(1, AT)).task


def test_each_kind_of_task_is_kept() -> None:
    for kind in ("service", "people", "job"):
        one = task()._replace(kind=kind)
        assert kept.task("a", kept.of(one)) == one
