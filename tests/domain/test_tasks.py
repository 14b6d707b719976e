"""The rules of a task, as pure functions."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import strictjson
from taskdash_protocol.errors import Conflict
from taskdash_protocol.families.tasks import Register, Update
from taskdash_protocol.fields import DAEMON_FIELDS
from taskdashd.domain import tasks
from taskdashd.domain.selecting import matches
from taskdashd.domain.tasks import Author, Change, Moment

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
    assert tasks.refreshed(newer, LATER) is newer, "what is the same is not copied"
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


def test_a_clients_member_of_before_counts_as_absent_and_goes_with_the_next_write() -> None:
    old = strictjson.loads(registered(kept=1).body)
    body = strictjson.dumps({"job": 7, "tree": {"made_by": "x"}, **old})
    row = (1, "a", 1, "me", AT)
    task = tasks.restore(row, body, "service", has_own=False)
    assert strictjson.loads(task.body) == old
    for request in ({"id": "a", "status": "finish"}, {"id": "a", "name": "n"}):
        new = tasks.update(task, Update.parse(request), ME, Moment(2, LATER)).task
        assert strictjson.loads(new.body).keys().isdisjoint(OBJECTS)
    assert tasks.restore(row, body, "service", has_own=True).body == body


SEEN = "2026-01-01T00:00:05.000Z"
NOW = "2026-01-01T00:01:00.000Z"


def fields_of(task: tasks.Task) -> dict[str, Any]:
    fields: dict[str, Any] = strictjson.loads(task.body)
    return fields


def register(old: tasks.Task | None, author: Author, moment: Moment, **fields: object) -> Change:
    return tasks.register(old, Register.parse({"id": "a", "name": "n", **fields}), author, moment)


def update(old: tasks.Task, author: Author, moment: Moment, **fields: object) -> Change:
    return tasks.update(old, Update.parse({"id": "a", **fields}), author, moment)


def agrees(task: tasks.Task) -> bool:
    """Tell whether a task's attributes are what its body says: both are kept."""
    row = (task.rev, task.id, task.owner, task.holder, task.held_since)
    return tasks.restore(row, task.body, task.kind, has_own=True) == task


def test_a_new_task_says_everything_of_itself() -> None:
    """Attributes and members, and the change that made it."""
    made = register(
        None, ME, Moment(7, AT), user="u", group_id="g", checker="c", fenced=True, status="running"
    )
    task = made.task
    assert (made.kind, made.previous, made.at, made.actor) == ("registered", None, AT, "me")
    assert (task.id, task.rev, task.epoch, task.status) == ("a", 7, 1, "running")
    assert (task.user, task.group_id, task.checker) == ("u", "g", "c")
    assert (task.owner, task.holder, task.held_since) == (1, "me", AT)
    assert (task.timeout_s, task.fenced, task.created_at, task.shutdown_at) == (None, True, AT, "")
    members = fields_of(task)
    assert {name: members[name] for name in DAEMON_FIELDS} == {
        "rev": 7,
        "epoch": 1,
        "created_at": AT,
        "updated_at": AT,
        "shutdown_at": "",
        "status_before_shutdown": "",
        "last_seen": AT,
    }
    assert members["fenced"] is True
    assert "heartbeat_timeout" not in members
    assert agrees(task)


def test_what_a_task_does_not_say_is_not_in_its_body() -> None:
    assert "fenced" not in fields_of(registered())
    assert fields_of(registered(heartbeat_timeout=2))["heartbeat_timeout"] == 2


def test_registered_again_by_its_owner_it_keeps_its_epoch_and_by_another_it_gets_the_next() -> None:
    first = registered()
    again = register(first, ME, Moment(2, LATER))
    assert (again.kind, again.previous) == ("updated", first)
    assert (again.task.epoch, again.task.holder, again.task.held_since) == (1, "me", AT)
    assert (again.task.created_at, again.task.last_seen) == (AT, LATER)
    taken = register(first, OTHER, Moment(2, LATER))
    assert (taken.task.epoch, taken.task.owner, taken.task.holder) == (2, 2, "other")
    assert taken.task.held_since == LATER
    assert (taken.actor, taken.at) == ("other", LATER)
    assert agrees(again.task)
    assert agrees(taken.task)


def test_an_epoch_is_the_current_one_or_the_write_is_refused() -> None:
    """No task is epoch 0: it means, only if there is none."""
    assert register(None, ME, Moment(1, AT), epoch=0).task.epoch == 1
    with pytest.raises(Conflict, match=r"epoch: no task 'a' exists, so epoch 2"):
        register(None, ME, Moment(1, AT), epoch=2)
    task = registered()
    assert register(task, OTHER, Moment(2, AT), epoch=1).task.epoch == 2
    for write in (register, update):
        for epoch in (0, 2):
            with pytest.raises(Conflict, match=rf"epoch: {epoch} is not current") as refused:
                write(task, ME, Moment(2, AT), epoch=epoch)
            assert refused.value.holder == "me"
            assert refused.value.detail.endswith(f"held by me since {AT} with epoch 1")


def test_a_fenced_task_is_its_owner_s_unless_the_epoch_is_named_or_the_owner_is_gone() -> None:
    fenced = registered(fenced=True)
    assert register(fenced, ME, Moment(2, AT)).task.epoch == 1
    assert update(fenced, ME, Moment(2, AT)).task.epoch == 1
    for write in (register, update):
        assert write(fenced, OTHER, Moment(2, AT), epoch=1).task.owner == 2
        with pytest.raises(Conflict, match="fenced and field epoch is missing: held by me"):
            write(fenced, OTHER, Moment(2, AT))
    # Another may register it anew once its owner is gone; but an Update would go on with its work.
    gone = Moment(2, AT, owner_gone=True)
    assert register(fenced, OTHER, gone).task.owner == 2
    with pytest.raises(Conflict):
        update(fenced, OTHER, gone)


def test_an_operator_changes_a_fenced_task_only_where_it_leaves_the_owner() -> None:
    fenced = registered(fenced=True)
    operator = Author(9, "operator", overrides=True)
    assert update(fenced, operator, Moment(2, AT), own=False).task.owner == 1
    with pytest.raises(Conflict):
        update(fenced, operator, Moment(2, AT))
    with pytest.raises(Conflict):
        update(fenced, OTHER, Moment(2, AT), own=False)
    with pytest.raises(Conflict):
        register(fenced, operator, Moment(2, AT))


def test_an_update_from_outside_is_no_sign_of_life() -> None:
    """`last_seen` stays the owner's: what the daemon knows of it, or what the task has."""
    task = registered()
    for seen, told in ((SEEN, SEEN), ("", AT)):
        changed = update(task, OTHER, Moment(2, NOW, owner_seen=seen), own=False)
        assert changed.task.last_seen == told
        assert (changed.task.owner, changed.task.epoch, changed.task.holder) == (1, 1, "me")
        assert changed.task.held_since == AT
        assert fields_of(changed.task)["updated_at"] == NOW
        assert (changed.actor, changed.at, changed.kind) == ("other", NOW, "updated")
    own = update(task, ME, Moment(2, NOW, owner_seen=SEEN), own=False)
    assert own.task.last_seen == NOW
    taken = update(task, OTHER, Moment(2, NOW, owner_seen=SEEN))
    assert (taken.task.last_seen, taken.task.owner, taken.task.epoch) == (NOW, 2, 2)


def test_an_update_keeps_timeout_and_fence_unless_it_names_them() -> None:
    task = registered(heartbeat_timeout=5, fenced=True)
    kept = update(task, ME, Moment(2, AT), description="x").task
    assert (kept.timeout_s, kept.fenced, fields_of(kept)["heartbeat_timeout"]) == (5, True, 5)
    named = update(task, ME, Moment(2, AT), heartbeat_timeout=7, fenced=False).task
    assert (named.timeout_s, named.fenced) == (7, False)
    assert "fenced" not in fields_of(named)
    assert agrees(kept)
    assert agrees(named)
    replaced = register(task, ME, Moment(2, AT)).task
    assert (replaced.timeout_s, replaced.fenced) == (None, False)


def test_who_it_belongs_to_follows_its_fields() -> None:
    task = registered(user="u", group_id="g", checker="c")
    moved = update(task, ME, Moment(2, AT), user="v", checker="").task
    assert (moved.user, moved.group_id, moved.checker) == ("v", "g", "")
    assert moved.rev == 2
    assert agrees(moved)


@pytest.mark.parametrize(
    ("status", "kind", "stays_down"),
    [
        ("running", "recovered", False),
        ("", "recovered", False),
        ("finish", "updated", False),
        ("待领取", "updated", False),
        ("shutdown", "updated", True),
    ],
)
def test_a_task_that_was_shut_down_is_recovered_by_a_live_status(
    status: str, kind: str, stays_down: bool
) -> None:
    """A write of `shutdown` keeps when and from what it was shut down; any other forgets that."""
    alive = registered(status="running")
    down = tasks.shut_down(alive, Moment(2, LATER), "taskdashd")
    assert (down.kind, down.actor, down.at, down.previous) == (
        *("shutdown", "taskdashd", LATER, alive),
    )
    assert down.task.last_seen == AT
    assert (down.task.epoch, down.task.owner, down.task.held_since) == (1, 1, AT)
    for write in (register, update):
        changed = write(down.task, ME, Moment(3, NOW), status=status)
        assert changed.kind == kind
        assert changed.task.shutdown_at == (LATER if stays_down else "")
        before = fields_of(changed.task)["status_before_shutdown"]
        assert before == ("running" if stays_down else "")
        assert agrees(changed.task)
    silent = update(down.task, ME, Moment(3, NOW), description="x")
    assert (silent.kind, silent.task.status, silent.task.shutdown_at) == (
        *("updated", "shutdown", LATER),
    )


def test_a_task_that_was_not_shut_down_is_not_recovered() -> None:
    """Not even from a `shutdown` that a client wrote."""
    task = registered(status="shutdown")
    for write in (register, update):
        assert write(task, ME, Moment(2, AT), status="running").kind == "updated"


def test_of_many_tasks_that_say_the_same_all_hold_one_string() -> None:
    """A hundred thousand tasks name a few groups and people."""
    one = registered(user="us er", group_id="gr oup", checker="ch ecker")
    for other in (
        registered(user="us er", group_id="gr oup", checker="ch ecker"),
        update(one, ME, Moment(2, AT)).task,
        tasks.restore((1, "a", 1, "me", AT), one.body, one.kind, has_own=True),
    ):
        assert other.user is one.user
        assert other.group_id is one.group_id
        assert other.checker is one.checker


def test_a_watch_matches_where_each_field_has_a_wanted_value() -> None:
    fields = {"status": "running", "user": "u"}
    assert matches({}, fields)
    assert matches({"user": frozenset({"v", "u"})}, fields)
    assert not matches({"user": frozenset({"v"})}, fields)
    assert not matches({"user": frozenset({"u"}), "status": frozenset({"x"})}, fields)
    assert matches({"class": frozenset({"live"})}, fields)
    assert not matches({"class": frozenset({"ended", "waiting"})}, fields)
    assert not matches({"class": frozenset({"running"})}, fields)
