"""Query against a plain list of tasks: every filter, order and page, folded or not."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.tasks import Query, Register
from taskdash_protocol.statuses import status_class
from taskdashd.domain import tasks
from taskdashd.domain.access import Sight
from taskdashd.domain.tasks import Author, Change, Moment
from taskdashd.store import cursors, plans
from taskdashd.store.database import Database

AT = "2026-01-01T00:00:00.000Z"
FRAME = 1 << 20
STATUSES = ("", "running", "finish", "failed", "待领取", "review", "shutdown")
PEOPLE = ("", "u", "v")
COUNT = 84
FOLDED = 50
LONG = "x" * 400
PRIORITIES: tuple[dict[str, Any], ...] = (
    *({}, {"priority": 0}, {"priority": 9}, {"priority": 5}, {"priority": 7}),
    # What is no integer from 0 to 9 counts as none.
    *({"priority": 10}, {"priority": -1}, {"priority": 7.0}, {"priority": True}),
    *({"priority": "9"}, {"priority": None}, {"priority": [9]}, {"priority": 2**63 - 1}),
)


ANSWERS: tuple[dict[str, Any] | None, ...] = (None, {"hide": False}, {"hide": True})


def change(rev: int, task_id: str, answer: dict[str, Any] | None = None, **fields: Any) -> Change:
    request = Register.parse({"id": task_id, "name": "n", **fields})
    made = tasks.register(None, request, Author(7, "me"), Moment(rev, AT))
    if answer is None:
        return made
    said = {**strictjson.loads(made.task.body), "acknowledged": {"by": "me", **answer}}
    return made._replace(task=made.task._replace(body=strictjson.dumps(said)))


def tasks_of_all_kinds() -> Iterator[Change]:
    for rev in range(1, COUNT + 1):
        yield change(
            rev,
            # The orders of ids, of names and of revs differ.
            f"t{rev * 37 % 100:02}",
            answer=ANSWERS[rev // 2 % 3],
            name=("Zebra", "apple", "界", LONG + "a", LONG + "b")[rev % 5],
            description=("", "An APPLE a day", "x%y_z")[rev // 5 % 3],
            status=STATUSES[rev % 7],
            user=PEOPLE[rev % 3],
            checker=PEOPLE[rev // 3 % 3],
            group_id=("g", "h", "")[rev // 9 % 3],
            edit_info=str(rev % 4),
            **PRIORITIES[rev % len(PRIORITIES)],
        )


CHANGES = list(tasks_of_all_kinds())
ALL = [strictjson.loads(one.task.body) for one in CHANGES]
UNFOLDED = {one.task.id: one.task.rev for one in CHANGES[FOLDED:]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database whose fold has every task."""
    yield from filled(tmp_path_factory, COUNT)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database whose fold has the first tasks only: the disk is full."""
    yield from filled(tmp_path_factory, FOLDED)


def filled(tmp_path_factory: pytest.TempPathFactory, folded: int) -> Iterator[Database]:
    database = Database.open(tmp_path_factory.mktemp("query"))
    database.start()
    database.append(CHANGES)
    database.fold(folded)
    yield database
    database.close()


def pages(
    database: Database, body: dict[str, Any], sight: Sight | None, bytes_max: int = FRAME
) -> Iterator[list[str]]:
    unfolded = UNFOLDED if database._scalar("SELECT folded_rev FROM state") == FOLDED else None
    after = None
    while True:
        page = database.query(Query.parse({**body, "after": after}), bytes_max, unfolded, sight)
        for row in page.rows:
            assert strictjson.loads(row.body)["id"] == row.id
        yield [row.id for row in page.rows]
        after = page.next
        if after is None:
            return


def joined(found: Iterable[list[str]]) -> list[str]:
    return list(chain.from_iterable(found))


def key(task: dict[str, Any], field: str) -> Any:
    """Give what a task is sorted by."""
    value = task.get(field)
    is_priority = type(value) is int and 0 <= value <= 9
    return value if field != "priority" or is_priority else 5


COMPUTED: dict[str, Callable[[dict[str, Any]], str]] = {
    "class": lambda task: status_class(task["status"]),
    "acknowledged": lambda task: (
        "no" if not (answer := task.get("acknowledged")) else "hidden" if answer["hide"] else "seen"
    ),
}


def wanted(body: dict[str, Any], sight: Sight | None) -> list[str]:
    """Give what a plain list says."""
    found = []
    for task in ALL:
        is_wanted = all(
            (COMPUTED[name](task) if name in COMPUTED else task[name]) in values
            for name, values in body.get("where", {}).items()
        )
        is_seen = sight is None or sight.sees(task)
        text = body.get("contains", "").lower()
        has_text = any(text in task[name].lower() for name in ("id", "name", "description"))
        if is_wanted and is_seen and has_text:
            found.append(task)
    order = body.get("order", "id")
    field = order.removeprefix("-")
    found.sort(key=lambda task: (key(task, field), task["id"]), reverse=order.startswith("-"))
    return [task["id"] for task in found]


ONE_OF = {
    "acknowledged": ("no", "seen", "hidden"),
    "status": STATUSES,
    "user": PEOPLE,
    "checker": PEOPLE,
    "group_id": ("g", "h", "other"),
    "class": ("live", "waiting", "ended"),
    "edit_info": ("0", "1", "none"),
    "id": ("t37", "t74", "none"),
}
WHERES = st.sampled_from(sorted(ONE_OF)).flatmap(
    lambda name: st.dictionaries(
        st.just(name), st.lists(st.sampled_from(ONE_OF[name]), max_size=3), max_size=1
    )
)


@pytest.mark.parametrize("state", ["whole", "behind"])
@settings(max_examples=80)
@given(
    first=WHERES,
    second=WHERES,
    order=st.sampled_from(
        (
            *("id", "-id", "rev", "-rev", "name", "-name", "edit_info", "-status", "user", "epoch"),
            *("priority", "-priority"),
        )
    ),
    limit=st.sampled_from((7, 20, 84, 85)),
    contains=st.sampled_from(("", "", "", "apple", "t3", "界", "%", "_z", "XA")),
    sight=st.sampled_from(
        (
            *(None, None, None),
            *(Sight(frozenset("g"), ""), Sight(frozenset(("h", "")), "u")),
            *(Sight(frozenset(), "v"), Sight(frozenset(), "")),
        )
    ),
)
def test_pages_are_what_a_plain_list_gives(
    request: pytest.FixtureRequest,
    state: str,
    first: dict[str, list[str]],
    second: dict[str, list[str]],
    order: str,
    limit: int,
    contains: str,
    sight: Sight | None,
) -> None:
    """Each task once, in order; each page but the last full."""
    database = request.getfixturevalue(state)
    body = {"where": {**first, **second}, "order": order, "limit": limit, "contains": contains}
    found = list(pages(database, body, sight))
    assert joined(found) == wanted(body, sight)
    assert all(len(page) == limit for page in found[:-1])
    assert len(found[-1]) > 0 or len(found) == 1, "no empty page behind a full one"


@pytest.mark.parametrize("order", ["priority", "-priority"])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=WHERES,
    limit=st.sampled_from((1, 7, 40)),
    contains=st.sampled_from(("", "", "apple", "an APPLE")),
)
# The page's last id and the ids that are wanted are two parameters.
@example(first={"id": ["t37", "t74"]}, limit=1, contains="")
def test_an_order_by_priority_is_the_same_where_tasks_are_too_many_to_gather(
    whole: Database, order: str, first: dict[str, list[str]], limit: int, contains: str
) -> None:
    """On each side of the default, which most have, by the index; those by their ids."""
    body = {"where": first, "order": order, "limit": limit, "contains": contains}
    few = {"GATHERED_MAX": 0, "GATHERED_AT_ALL": 0, "HITS_MAX": 0}
    for walked in (2, 2_000):
        with mock.patch.multiple(plans, **few, WALKED_MAX=walked):
            assert joined(pages(whole, body, None)) == wanted(body, None)


@pytest.mark.parametrize("state", ["whole", "behind"])
@pytest.mark.parametrize("order", ["name", "-rev", "id"])
def test_a_page_ends_before_it_is_too_large_and_the_next_goes_on_there(
    request: pytest.FixtureRequest, state: str, order: str
) -> None:
    database = request.getfixturevalue(state)
    body = {"order": order, "limit": 50}
    found = list(pages(database, body, None, bytes_max=2000))
    assert joined(found) == wanted(body, None)
    sizes = {task["id"]: len(one.task.body) for task, one in zip(ALL, CHANGES, strict=True)}
    for page, following in pairwise(found):
        size = sum(sizes[task_id] for task_id in page)
        assert size <= 2000
        assert size + sizes[following[0]] > 2000


def test_a_page_may_be_full_to_the_byte_and_has_one_task_at_least(whole: Database) -> None:
    (first, second) = (one.task.body for one in sorted(CHANGES, key=lambda c: c.task.id)[:2])
    exact = len(first) + len(second)
    for bytes_max, count in ((exact, 2), (exact - 1, 1), (1, 1)):
        page = whole.query(Query.parse({}), bytes_max)
        assert len(page.rows) == count
        assert page.next is not None


def test_a_class_is_all_its_statuses_and_no_class_is_none(whole: Database) -> None:
    for classes, statuses in (
        (["live"], {"", "running"}),
        (["waiting"], {"待领取", "review"}),
        (["ended"], {"finish", "failed", "shutdown"}),
        (["live", "waiting", "ended", "live"], set(STATUSES)),
        ([], set()),
    ):
        (found,) = pages(whole, {"where": {"class": classes}, "limit": 1000}, None)
        assert set(found) == {task["id"] for task in ALL if task["status"] in statuses}


def test_a_cursor_behind_a_long_field_goes_on_as_any_does(whole: Database) -> None:
    """The cursor does not carry the field: it is read from the change that it names."""
    body = {"order": "name", "limit": 3, "where": {"name": [LONG + "a", LONG + "b"]}}
    assert joined(pages(whole, body, None)) == wanted(body, None)
    descending = {**body, "order": "-name"}
    assert joined(pages(whole, descending, None)) == wanted(descending, None)


@pytest.mark.parametrize(
    ("rev", "task_id", "sight", "where"),
    [
        (COUNT + 9, "t11", None, {}),
        (3, "t00", None, {}),
        (3, "t11", Sight(frozenset(), "nobody"), {}),
        (3, "t11", None, {"user": "nobody"}),
    ],
)
def test_a_cursor_to_what_one_does_not_see_tells_nothing(
    whole: Database, rev: int, task_id: str, sight: Sight | None, where: dict[str, str]
) -> None:
    """A forged one would show by where its page begins what a hidden task's field is."""
    assert CHANGES[2].task.id == "t11"
    forged = cursors.write("name", task_id, rev, LONG)
    query = Query.parse({"order": "name", "after": forged, "where": where})
    with pytest.raises(BadRequest, match="to a change that is no longer held"):
        whole.query(query, FRAME, None, sight)


def test_a_cursor_to_what_one_sees_goes_on_behind_it(whole: Database) -> None:
    forged = cursors.write("name", "t11", 3, LONG)
    page = whole.query(Query.parse({"order": "name", "after": forged, "limit": 3}), FRAME)
    names = wanted({"order": "name"}, None)
    at = names.index("t11")
    assert [row.id for row in page.rows] == names[at + 1 : at + 4]
