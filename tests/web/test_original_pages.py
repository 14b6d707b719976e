"""A long list of the original API without a daemon: how much of it is asked for at once."""

from collections.abc import Callable
from typing import Any

import pytest

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Busy, Outcome, ServerError
from taskdash_protocol.requests import Query
from taskdashd.core.steps import Steps, drive
from taskdashd.domain.budget import Budget
from taskdashd.web import original
from taskdashd.web.messages import Request

Ask = Callable[[Query], Outcome[bytes]]


class Page:
    """A page of the original that asks, where a daemon would be."""

    person = ""

    def __init__(self, answer: Ask) -> None:
        self._answer = answer

    def ask(self, asked: Any) -> Steps[Outcome[bytes]]:
        return self._answer(asked)
        yield


def listed(answer: Ask, form: bytes) -> Any:
    """Ask for the tasks of nobody, and give what is answered."""
    head = Request("POST", "/rpost/task", "", {}, "10.0.0.1", "", Budget(lambda: None, lambda: 0.0))
    answered: list[Any] = []
    drive(original.answer(head, form, Page(answer), 1 << 20), answered.append)
    response, _ = answered[0]
    return strictjson.loads(response.body)


def page(request: Query, count: int) -> bytes:
    """Answer as if there were so many tasks."""
    first = int(request.after or 0)
    last = min(count, first + request.limit)
    created = "2026-01-01T00:00:00.000Z"
    tasks = [{"id": str(number), "created_at": created} for number in range(first, last)]
    return strictjson.dumps({"tasks": tasks, "next": str(last) if last < count else None})


@pytest.mark.parametrize(("count", "told"), [(0, 0), (7, 7), (100, 100), (250, 250), (2000, 1000)])
def test_a_long_list_is_made_page_by_page(count: int, told: int) -> None:
    """A thousand rows at once would hold up everybody: others have their turn between pages."""
    limits: list[int] = []

    def ask(request: Query) -> bytes:
        limits.append(request.limit)
        return page(request, count)

    rows = listed(ask, b"operation=GetTasksNoUser&count=1000")
    assert [row["ID"] for row in rows] == [str(number) for number in range(told)]
    assert max(limits) <= 100
    assert len(limits) == max(1, -(-told // 100))
    rows = listed(ask, b"operation=GetTasksNoUser&count=30&start=190")
    assert [row["ID"] for row in rows] == [str(number) for number in range(190, min(count, 220))]
    assert max(limits) <= 100


def test_a_page_that_is_refused_refuses_the_list() -> None:
    """Half of a list would pass for the whole one."""

    def ask(request: Query) -> bytes | ServerError:
        return page(request, 250) if request.after is None else Busy("later")

    assert listed(ask, b"operation=GetTasksNoUser&count=1000")["errid"] == 1005
