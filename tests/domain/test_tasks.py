"""The rules of a task, as pure functions."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.families.tasks import Register, Update
from taskdashd.domain import tasks
from taskdashd.domain.tasks import Author, Moment

AT = "2026-01-01T00:00:00.000Z"
LATER = "2026-01-01T00:00:09.000Z"
ME, OTHER = Author(1, "me"), Author(2, "other")


def registered(**fields: object) -> tasks.Task:
    request = Register.parse({"id": "a", "name": "n", **fields})
    return tasks.register(None, request, ME, Moment(1, AT)).task


def test_last_seen_is_replaced_in_place_and_never_goes_back() -> None:
    """last_seen stands last, at a fixed width; everything else stays to the byte."""
    task = registered(extra='"last_seen":"x"}')
    assert task.last_seen == AT
    newer = tasks.refreshed(task.body, LATER)
    assert len(newer) == len(task.body)
    assert strictjson.loads(newer) == {**strictjson.loads(task.body), "last_seen": LATER}
    assert tasks.refreshed(newer, AT) is newer
    assert tasks.refreshed(newer, "") is newer


def test_a_task_is_restored_from_its_row_as_it_was() -> None:
    """The log holds all there is to know."""
    task = registered(heartbeat_timeout=2.5, fenced=True, status="running", more=[1])
    row = (task.rev, task.id, task.owner, task.holder, task.held_since)
    assert tasks.restore(row, task.body, task.kind, has_own=True) == task


def test_register_replaces_unknown_fields_and_update_keeps_them() -> None:
    """Register replaces all client fields; Update merges."""
    task = registered(more=[1], user="wsg")
    update = Update.parse({"id": "a", "other": True})
    merged = strictjson.loads(tasks.update(task, update, ME, Moment(2, AT)).task.body)
    assert (merged["more"], merged["other"], merged["user"]) == ([1], True, "wsg")
    again = Register.parse({"id": "a", "name": "n"})
    replaced = strictjson.loads(tasks.register(task, again, ME, Moment(2, LATER)).task.body)
    assert "more" not in replaced
    assert (replaced["user"], replaced["created_at"], replaced["updated_at"]) == ("", AT, LATER)


def test_the_holder_is_the_connection_that_took_it_and_since_when() -> None:
    """A refusal tells both; a second write of the same owner moves neither."""
    task = registered()
    task = tasks.update(task, Update.parse({"id": "a"}), OTHER, Moment(2, LATER)).task
    assert (task.holder, task.held_since, task.epoch) == ("other", LATER, 2)
    task = tasks.update(task, Update.parse({"id": "a"}), OTHER, Moment(3, AT)).task
    assert (task.holder, task.held_since, task.epoch) == ("other", LATER, 2)


TRICKY = st.sampled_from(
    ("", "running", '"', '","status":"x', '"rev":', "\\", "界", "a\nb", '{"status":"running"}')
)


@given(
    status=TRICKY,
    name=TRICKY,
    more=st.dictionaries(
        st.sampled_from(("rev2", "x", "status ", '"status":')),
        st.one_of(TRICKY, st.just({"status": "running", "rev": 7, "last_seen": ""})),
    ),
    updated=st.booleans(),
    fenced=st.booleans(),
)
def test_a_shutdown_changes_six_members_and_nothing_else(
    status: str, name: str, more: dict[str, object], updated: bool, fenced: bool
) -> None:
    """The body is cut and joined as text, whatever its strings and unknown fields hold."""
    body = {"id": "a", "name": name, "status": status, "fenced": fenced, "heartbeat_timeout": 2}
    task = tasks.register(None, Register.parse({**more, **body}), ME, Moment(1, AT)).task
    if updated:
        later = Update.parse({"id": "a", "added": {"rev": 1, "status": status}, **more})
        task = tasks.update(task, later, ME, Moment(2, AT)).task
    down = tasks.shut_down(task, Moment(9, LATER, owner_seen=LATER), "taskdashd").task
    assert strictjson.loads(down.body) == {
        **strictjson.loads(task.body),
        "status": "shutdown",
        "rev": 9,
        "updated_at": LATER,
        "shutdown_at": LATER,
        "status_before_shutdown": status,
        "last_seen": LATER,
    }
    row = (down.rev, down.id, down.owner, down.holder, down.held_since)
    assert tasks.restore(row, down.body, down.kind, has_own=True) == down


def test_a_task_that_is_kept_takes_little_more_than_it_holds() -> None:
    """A kept body must not hold the buffer in which it was encoded, ten times as large."""
    request = Register.parse({"id": "a", "name": "n", "description": "x" * 300})
    tracemalloc.start()
    try:
        kept = [tasks.register(None, request, ME, Moment(1, AT)).task for _ in range(200)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / len(kept) < 2 * len(kept[0].body)


OBJECTS = ("tree", "job", "gate", "acknowledged")


def test_a_task_is_peoples_for_good_once_it_was_in_a_status_of_theirs() -> None:
    runs = registered(status="running")
    assert runs.kind == "service"

    def moved(task: tasks.Task, status: str) -> tasks.Task:
        request = Update.parse({"id": "a", "status": status})
        return tasks.update(task, request, ME, Moment(task.rev + 1, AT)).task

    assert moved(runs, "待触发").kind == "service"
    for status in ("待领取", "已领取", "编辑中", "待审核", "pending", "review", "草稿", "待批准"):
        theirs = moved(runs, status)
        again = Register.parse({"id": "a", "name": "n", "status": "finish"})
        ended = tasks.register(theirs, again, OTHER, Moment(9, LATER)).task
        assert [theirs.kind, ended.kind, moved(ended, "running").kind] == ["people"] * 3
        dead = tasks.shut_down(moved(theirs, "running"), Moment(9, LATER), "taskdashd").task
        assert dead.kind == "people"


def test_what_the_daemon_alone_writes_is_kept_whatever_a_client_sends() -> None:
    sent = dict.fromkeys(OBJECTS, "mine")
    task = registered(**sent)
    assert strictjson.loads(task.body).keys().isdisjoint(OBJECTS)
    own = {name: {"of": name} for name in OBJECTS}
    fields = strictjson.loads(task.body)
    task = task._replace(body=strictjson.dumps({**own, **fields}))
    again = Register.parse({"id": "a", "name": "other", **sent})
    changed = Update.parse({"id": "a", "name": "other", **sent})
    for new in (
        tasks.register(task, again, OTHER, Moment(2, LATER)).task,
        tasks.update(task, changed, OTHER, Moment(2, LATER)).task,
        tasks.shut_down(task, Moment(2, LATER), "taskdashd").task,
    ):
        found = strictjson.loads(new.body)
        assert {name: found[name] for name in OBJECTS} == own
        assert new.body.endswith(b'"last_seen":"%b"}' % new.last_seen.encode())


def test_a_member_of_before_the_daemon_wrote_it_counts_as_absent_and_goes_with_the_next_write() -> (
    None
):
    old = strictjson.loads(registered(kept=1).body)
    body = strictjson.dumps({"job": 7, "tree": {"made_by": "x"}, **old})
    row = (1, "a", 1, "me", AT)
    task = tasks.restore(row, body, "service", has_own=False)
    assert strictjson.loads(task.body) == old
    for request in ({"id": "a", "status": "finish"}, {"id": "a", "name": "n"}):
        new = tasks.update(task, Update.parse(request), ME, Moment(2, LATER)).task
        assert strictjson.loads(new.body).keys().isdisjoint(OBJECTS)
    assert tasks.restore(row, body, "service", has_own=True).body == body
