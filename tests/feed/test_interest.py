"""Who is looked at for a change: all whom it concerns, and few others."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.families.tasks import Register
from taskdashd.domain import tasks
from taskdashd.domain.selecting import matches
from taskdashd.domain.tasks import Author, Moment, Task
from taskdashd.feed.interest import Interest

VALUES = st.sampled_from(("", "a", "b", "finish"))
NAMES = ("id", "user", "group_id", "checker", "parent_id", "task_type", "status", "name", "url")
WHERE = st.dictionaries(
    st.sampled_from(NAMES), st.frozensets(VALUES, min_size=1, max_size=3), max_size=3
)
FIELDS = st.dictionaries(st.sampled_from(NAMES[1:]), VALUES)


def made(task_id: str, fields: dict[str, str]) -> Task:
    request = Register.parse({"name": "n", **fields, "id": task_id})
    moment = Moment(1, "2026-01-01T00:00:00.000Z")
    return tasks.register(None, request, Author(1, "me"), moment).task


@given(
    st.lists(WHERE, max_size=6),
    st.lists(st.tuples(st.sampled_from(("a", "b")), FIELDS), max_size=4),
    st.data(),
)
def test_all_whom_a_change_concerns_are_looked_at_once(
    wheres: list[dict[str, Any]], written: list[tuple[str, dict[str, str]]], data: st.DataObject
) -> None:
    interest: Interest[int] = Interest()
    there = dict(enumerate(wheres))
    for watch, where in there.items():
        interest.add(watch, where)
    for watch in data.draw(st.sets(st.sampled_from(range(len(wheres))))) if wheres else ():
        interest.remove(watch, there.pop(watch))
    for task in (made(*one) for one in written):
        fields = strictjson.loads(task.body)
        found = list(interest.concerned(task))
        assert len(found) == len(set(found))
        assert {watch for watch, where in there.items() if matches(where, fields)} <= {*found}
    for watch, where in there.items():
        interest.remove(watch, where)
    assert not interest._by
    assert not interest._in_all


def test_who_watches_something_else_is_not_looked_at() -> None:
    interest: Interest[int] = Interest()
    for number in range(1000):
        interest.add(number, {"user": frozenset((f"{number}",)), "status": frozenset(("failed",))})
    assert list(interest.concerned(made("a", {"user": "7"}))) == [7]
    assert list(interest.concerned(made("a", {"user": "nobody"}))) == []
