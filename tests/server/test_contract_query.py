"""PROTOCOL.md, 7. "Operations": Query."""

import pytest
from wire_client import STRINGS as WHERE
from wire_client import ask, unique


@pytest.fixture(scope="module")
def many(daemon):
    """120 tasks of one group: id t000-t119, user one of three, name counted downwards."""
    group = unique("g")
    wire = daemon.connect()
    for n in range(120):
        wire.register(
            f"{group}-{n:03}", group_id=group, user=f"u{n % 3}", name=f"{119 - n:03}", x=n
        )
    wire.close()
    return group


def ids(answer: dict) -> list[str]:
    return [task["id"] for task in answer["tasks"]]


def pages(wire, **body) -> list[dict]:
    """Follow `next` to the end."""
    found, after = [], None
    while True:
        answer = wire.query(**body, **({} if after is None else {"after": after}))
        found += answer["tasks"]
        after = answer["next"]
        if after is None:
            return found
        assert type(after) is str


def test_reply(wire, many):
    """{"tasks":[…],"next":cursor or null}: each task as Find gives it."""
    answer = wire.query(where={"id": f"{many}-007"})
    assert set(answer) == {"tasks", "next", "errid", "errmsg"}
    assert answer["next"] is None
    found = wire.find(f"{many}-007")
    del found["errid"], found["errmsg"]
    assert [task | {"last_seen": ""} for task in answer["tasks"]] == [found | {"last_seen": ""}]
    assert answer["tasks"][0]["x"] == 7


def test_every_member_is_optional(wire, many):
    """where, order, limit and after are all optional; so is the body."""
    # How many fit into a page depends on how large the tasks are that other tests have left.
    said = wire.call("Query", {"where": {}, "order": "id", "limit": 100})
    page = [task["id"] for task in said["tasks"]]
    assert said["next"]
    for body in (None, {}, {"where": {}}):
        assert [task["id"] for task in wire.call("Query", body)["tasks"]] == page


def test_limit(wire, many):
    """1-1000, 100 where it is not given; next is null only on the last page."""
    where = {"group_id": many}
    answer = wire.query(where=where)
    assert len(answer["tasks"]) == 100
    rest = wire.query(where=where, after=answer["next"])
    assert len(rest["tasks"]) == 20
    assert rest["next"] is None
    assert len(wire.query(where=where, limit=1)["tasks"]) == 1
    assert len(wire.query(where=where, limit=120)["tasks"]) == 120
    assert wire.query(where=where, limit=120)["next"] is None
    assert wire.query(where=where, limit=119)["next"] is not None
    assert len(wire.query(where=where, limit=1000)["tasks"]) == 120


@pytest.mark.parametrize("limit", [0, -1, 1001, 2**63 - 1, "10", 1.0, 10.5, True, [], {}])
def test_bad_limit(wire, limit):
    """A bad limit: 1000."""
    assert "limit" in wire.call("Query", {"limit": limit}, errid=1000)["detail"]


def test_where(wire, many):
    """All fields must match; a list matches any of its values."""
    where = {"group_id": many, "user": "u1"}
    assert {task["user"] for task in wire.query(where=where)["tasks"]} == {"u1"}
    assert len(wire.query(where=where)["tasks"]) == 40
    assert len(pages(wire, where={"group_id": many, "user": ["u1", "u2"]})) == 80
    both = {"group_id": [many, "none"], "user": ["u0", "nobody"], "name": "119"}
    assert ids(wire.query(where=both)) == [f"{many}-000"]
    assert ids(wire.query(where={"group_id": many, "user": "nobody"})) == []
    assert ids(wire.query(where={"group_id": many, "user": "U1"})) == []


@pytest.mark.parametrize("field", WHERE)
def test_where_each_field(wire, field):
    """Every string field can be asked for, by value and by list; values are data, not SQL."""
    value = f"{unique()} %_'\" 值 OR 1=1"
    other = unique()
    mine = value if field == "id" else unique()
    wire.register(mine, **{field: value} if field != "id" else {})
    wire.register(other)
    for wanted in (value, [value], ["no such", value]):
        answer = wire.query(where={field: wanted})
        assert ids(answer) == [mine]
    assert ids(wire.query(where={field: value[:-1] + "%"})) == []


def test_where_empty_string(wire):
    """A field that was never given is ""."""
    group = unique("g")
    for n, user in enumerate(["", "u"]):
        wire.register(f"{group}-{n}", group_id=group, user=user)
    assert ids(wire.query(where={"group_id": group, "user": ""})) == [f"{group}-0"]


def test_where_looks_like_a_number(wire):
    """Values are strings and are compared as strings."""
    group = unique("g")
    for value in ("1", "01", "1.0", "1e0"):
        wire.register(f"{group}-{value}", group_id=group, checker=value, status=value)
    for value in ("1", "01", "1.0", "1e0"):
        for field in ("checker", "status"):
            assert ids(wire.query(where={"group_id": group, field: value})) == [f"{group}-{value}"]


def test_where_sees_every_write_before_it(wire):
    """Writes that were answered before the Query was sent are in its pages."""
    group = unique("g")
    for n in range(30):
        wire.register(f"{group}-{n:02}", group_id=group, status="a")
        wire.update(f"{group}-{n:02}", status="b")
        assert len(wire.query(where={"group_id": group, "status": "b"})["tasks"]) == n + 1
        assert wire.query(where={"group_id": group, "status": "a"})["tasks"] == []


@pytest.mark.parametrize(
    "where",
    [
        {"nonsense": "x"},
        {"x": "1"},
        {"name; DROP TABLE task": "x"},
        {"": "x"},
        {"user": 5},
        {"user": None},
        {"user": True},
        {"user": {}},
        {"user": [5]},
        {"user": [["x"]]},
        {"user": ["ok", None]},
        [],
        "user",
        5,
        True,
    ],
    ids=repr,
)
def test_bad_where(wire, where):
    """An unknown field, or a value that is neither a string nor a list of them: 1000."""
    assert "where" in wire.call("Query", {"where": where}, errid=1000)["detail"]


@pytest.mark.parametrize("order", ["nonsense", "-nonsense", "--id", "id,name", "-", 5, True, []])
def test_bad_order(wire, order):
    """An unknown order, or one that is no string: 1000."""
    assert "order" in wire.call("Query", {"order": order}, errid=1000)["detail"]


@pytest.mark.parametrize("order", [*WHERE, "rev", "epoch", "created_at", "updated_at"])
def test_order_each_field(wire, many, order):
    """ "order": field or "-field", ascending or descending by the field's value."""
    where = {"group_id": many}
    up = pages(wire, where=where, order=order, limit=50)
    down = pages(wire, where=where, order=f"-{order}", limit=50)
    assert len(up) == len(down) == 120
    values = [task[order] for task in up]
    assert values == sorted(values)
    assert [task[order] for task in down] == sorted(values, reverse=True)
    assert sorted(task["id"] for task in up) == sorted(task["id"] for task in down)
    assert len({task["id"] for task in up}) == 120


@pytest.mark.parametrize("limit", [1, 7, 119, 120])
@pytest.mark.parametrize("order", ["id", "-id", "name", "-user", "rev"])
def test_pages_miss_none_and_double_none(wire, many, order, limit):
    """The pages together are the whole, in order, whatever the limit, ties included."""
    if limit == 1 and order != "-user":
        limit = 11
    whole = wire.query(where={"group_id": many}, order=order, limit=1000)["tasks"]
    assert [
        task["id"] for task in pages(wire, where={"group_id": many}, order=order, limit=limit)
    ] == [task["id"] for task in whole]


@pytest.mark.parametrize("order", ["id", "-id", "name", "-name"])
def test_cursor_is_stable_while_tasks_change(daemon, wire, order):
    """Tasks that come, change and go between two pages move no other over the cursor."""
    other = daemon.connect()
    group = unique("g")
    stay = [f"{group}-{n:03}" for n in range(0, 100, 2)]
    for task in stay:
        wire.register(task, group_id=group, name=task)
    seen, after, step = [], None, 0
    while True:
        more = {} if after is None else {"after": after}
        answer = wire.query(where={"group_id": group}, order=order, limit=7, **more)
        seen += ids(answer)
        after = answer["next"]
        if after is None:
            break
        # Add tasks all around, move some out of the group, change the rest where it does not count.
        for n in (1, 49, 97):
            new = f"{group}-{n:03}-{step}"
            other.register(new, group_id=group, name=new)
        other.update(seen[-1], url=f"{step}", own=False)
        other.update(f"{group}-001-{max(0, step - 1)}", group_id="elsewhere")
        step += 1
    assert len(seen) == len(set(seen))
    assert [task for task in seen if task in stay] == sorted(stay, reverse=order[0] == "-")


def test_cursor_outlives_its_task_and_its_connection(daemon, wire, many):
    """A cursor is a place in the order, bound to no task and no connection."""
    group = unique("g")
    for n in range(6):
        wire.register(f"{group}-{n}", group_id=group)
    first = wire.query(where={"group_id": group}, limit=3)
    wire.update(f"{group}-2", group_id="elsewhere")
    other = daemon.connect_tcpx()
    rest = other.query(where={"group_id": group}, after=first["next"])
    assert ids(rest) == [f"{group}-{n}" for n in (3, 4, 5)]


@pytest.mark.parametrize(
    "after", ["nonsense", "", "W10=", "W10", "bnVsbA==", "é", "\u2028", "a" * 5000, 5, True, [], {}]
)
def test_bad_cursor(wire, after):
    """A bad cursor: 1000."""
    assert "after" in wire.call("Query", {"after": after}, errid=1000)["detail"]


def test_mangled_cursors(wire, many):
    """Cursors cut or changed anywhere are refused or taken, never a fault of the daemon."""
    cursor = wire.query(where={"group_id": many}, limit=5, order="name")["next"]
    for at in range(len(cursor)):
        for mangled in (cursor[:at], cursor[:at] + "A" + cursor[at + 1 :], cursor + "AAAA"):
            wire.send(ask("Query", {"after": mangled, "order": "name", "limit": 1}))
            assert wire.reply().body["errid"] in (0, 1000)


def test_large_tasks_fit_many_pages(wire):
    """Pages of large tasks may be shorter than the limit; together they are still the whole."""
    group = unique("g")
    for n in range(12):
        wire.register(f"{group}-{n:02}", group_id=group, description="x" * 250_000)
    found = pages(wire, where={"group_id": group}, limit=1000)
    assert [task["id"] for task in found] == [f"{group}-{n:02}" for n in range(12)]
    assert {len(task["description"]) for task in found} == {250_000}


def test_where_with_many_values(wire, many):
    """A list of values may be long."""
    wanted = [f"{many}-{n:03}" for n in range(0, 120, 2)] + [unique() for _ in range(500)]
    assert len(pages(wire, where={"id": wanted})) == 60
