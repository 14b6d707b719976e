"""One group comes into another: people and services at once, tasks behind them, nothing lost."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from test_people import FREE, admin, found, known, office, task
from test_people_attacks import begin, http, person_of

import taskdash
from taskdash.testing import RunningDaemon
from taskdash_protocol.errors import AuthError, Conflict, StorageError
from taskdash_protocol.families.tasks import Register
from taskdashd.domain.access import Identity
from taskdashd.families import groups
from taskdashd.testing import World

BOSS = Identity("boss", "operator", key="b")
URL = "http://10.0.0.7:8080"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def merge(world: World, of: str, into: str, identity: Identity = BOSS) -> Any:
    return http(world, identity, "MergeGroups", **{"from": of, "into": into})


def people(world: World) -> dict[str, Any]:
    return {one["user"]: one for one in admin(world).ask("People")["people"]}


def counts(reply: Any) -> dict[str, int]:
    return {name: reply[name] for name in ("people", "services", "tasks")}


def test_who_and_what_is_in_a_group_comes_into_the_other(world: World) -> None:
    """A lead of the old one leads the new one; who is in both is in it once."""
    office(world)
    known(world, tom={"groups": ["paint", "cut", "mix"], "role": "lead", "leads": ["cut"]})
    admin(world).ask("RegisterService", url=URL, name="Cutter", group_id="cut")
    task(world, "free")
    task(world, "live", status="running")
    task(world, "elsewhere", group_id="mix")
    done = merge(world, "cut", "paint")
    assert (done["from"], done["into"]) == ("cut", "paint")
    assert counts(done) == {"people": 4, "services": 1, "tasks": 2}
    assert (done["left"], done["more"], done["tokens"]) == ([], False, [])
    now = people(world)
    assert {number: one["groups"] for number, one in now.items()} == {
        "ann": ["paint"],
        "bob": ["paint"],
        "eve": ["paint"],
        "lea": ["paint"],
        "tom": ["paint", "mix"],
    }
    assert (now["lea"]["leads"], now["tom"]["leads"]) == (["paint"], ["paint"])
    (service,) = admin(world).ask("Services")["services"]
    assert service["group_id"] == "paint"
    groups_of = {name: found(world, name)["group_id"] for name in ("free", "live", "elsewhere")}
    assert groups_of == {"free": "paint", "live": "paint", "elsewhere": "mix"}
    assert counts(merge(world, "cut", "paint")) == {"people": 0, "services": 0, "tasks": 0}


def test_a_rename_is_a_merge_into_a_new_name_as_it_is_meant(world: World) -> None:
    known(world, ann={"groups": ["cut"]})
    task(world)
    assert merge(world, "ｃｕｔ", " Film  cut ")["into"] == "Film cut"
    assert people(world)["ann"]["groups"] == ["Film cut"]
    assert found(world)["group_id"] == "Film cut"
    refused = admin(world).ask("MergeGroups", **{"from": "Film cut", "into": "剪辑、美术"})
    assert (refused["errid"], "more than one" in refused["detail"]) == (1000, True)
    assert admin(world).ask("MergeGroups", **{"from": "\u3164", "into": "x"})["errid"] == 1000


def test_a_group_that_was_some_is_cleared_up(world: World) -> None:
    """`剪辑、美术` of before is one group to the byte; asked again it is none, and no fault."""
    task(world, group_id="剪辑、美术")
    assert counts(merge(world, "剪辑、美术", "剪辑"))["tasks"] == 1
    assert counts(merge(world, "剪辑、美术", "剪辑"))["tasks"] == 0
    assert counts(merge(world, "剪辑", "剪辑")) == {"people": 0, "services": 0, "tasks": 0}


def test_what_has_ended_keeps_its_group(world: World) -> None:
    for status in ("finish", "finished", "failed", "cancelled", "shutdown"):
        task(world, status, status=status)
    task(world, "claimed")
    known(world, ann={"groups": ["cut"]})["ann"].ask("Claim", id="claimed")
    task(world, "review", status="review")
    assert counts(merge(world, "cut", "edit"))["tasks"] == 2
    assert found(world, "failed")["group_id"] == "cut"
    after = found(world, "claimed")
    assert (after["group_id"], after["user"], after["status"]) == ("edit", "ann", "已领取")
    assert after["reason"] == "", "the word of the last act stays"


def test_a_task_keeps_its_owner_and_its_fence(world: World) -> None:
    """The service that runs it keeps it alive, and need not know."""
    service = world.connect("10.0.0.7:1")
    body = {"id": "t", "name": "T", "status": "running", "group_id": "cut"}
    assert service.ask("Register", fenced=True, **body)["epoch"] == 1
    assert counts(merge(world, "cut", "edit"))["tasks"] == 1
    assert service.ask("Update", id="t", progress="1/2")["epoch"] == 1
    assert found(world, "t")["group_id"] == "edit"


def test_only_who_orders_the_house_merges_groups(world: World) -> None:
    office(world)
    for identity in (
        person_of(world, "lea"),
        person_of(world, "ann"),
        Identity("s", "service", key="s"),
        Identity("r", "reader", key="r"),
    ):
        assert isinstance(merge(world, "cut", "paint", identity), AuthError)
    assert people(world)["ann"]["groups"] == ["cut"]


def test_an_admin_of_the_group_is_not_stopped_halfway(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rights of who asks change with the first commit; what they decided is done to its end."""
    monkeypatch.setattr(groups, "_RECORDS_AT_ONCE", 1)
    known(world, root={"groups": ["cut"]}, ann={"groups": ["cut"]})
    http(world, BOSS, "SetPerson", user="root", role="admin", password="root horses")
    root = world.connect("10.0.0.1:7")
    assert root.ask("Login", user="root", password="root horses")["errid"] == 0
    for number in range(3):
        task(world, f"t{number}")
    done = root.ask("MergeGroups", **{"from": "cut", "into": "edit"})
    assert (done["errid"], done["people"], done["tasks"]) == (0, 2, 3)
    assert root.ask("MergeGroups", **{"from": "edit", "into": "cut"})["tasks"] == 3


def test_who_is_no_admin_any_more_when_it_is_decided_merges_nothing(world: World) -> None:
    known(world, root={"groups": ["cut"]}, ann={"groups": ["cut"]})
    http(world, BOSS, "SetPerson", user="root", role="admin", password="root horses")
    root = person_of(world, "root")
    first = begin(world, BOSS, "SetPerson", user="root", role="worker")
    second = begin(world, root, "MergeGroups", **{"from": "cut", "into": "edit"})
    world.drain()
    assert first[0]["role"] == "worker"
    assert isinstance(second[0], AuthError)
    assert people(world)["ann"]["groups"] == ["cut"]


def test_tokens_are_named_and_stay(world: World) -> None:
    world.identities = {
        "a": Identity("cutter", "service", frozenset({"cut", "mix"}), key="a"),
        "b": Identity("wall", "reader", frozenset({"cut"}), key="b"),
        "c": Identity("other", "service", frozenset({"paint"}), key="c"),
    }
    assert merge(world, "cut", "edit")["tokens"] == ["cutter", "wall"]
    assert world.identities["b"].groups == {"cut"}


def test_who_edits_an_account_meanwhile_is_told(world: World) -> None:
    """A merge is a change of the account: the form of before must not bring the old group back."""
    office(world)
    base = people(world)["ann"]["rev"]
    merge(world, "cut", "edit")
    assert people(world)["ann"]["rev"] > base
    refused = http(world, BOSS, "SetPerson", user="ann", groups=["cut", "mix"], base=base)
    assert (type(refused), refused.cause) == (Conflict, "stale")
    assert people(world)["eve"]["rev"] < people(world)["ann"]["rev"], "others' stay"


def test_what_waits_for_its_commit_is_merged_too(world: World) -> None:
    office(world)
    first = begin(world, BOSS, "SetPerson", user="eve", groups=["cut", "paint"])
    second = begin(world, BOSS, "MergeGroups", **{"from": "cut", "into": "edit"})
    third = begin(world, BOSS, "SetPerson", user="bob", name="Rob")
    world.drain()
    assert first[0]["groups"] == ["cut", "paint"]
    assert second[0]["people"] == 4
    assert third[0]["name"] == "Rob"
    assert people(world)["eve"]["groups"] == ["edit", "paint"]
    assert people(world)["bob"]["groups"] == ["edit"]


def test_where_the_disk_refuses_nobody_has_moved(world: World) -> None:
    office(world)
    task(world)
    world.database.full = True
    assert isinstance(merge(world, "cut", "edit"), StorageError)
    world.database.full = False
    assert people(world)["ann"]["groups"] == ["cut"]
    assert found(world)["group_id"] == "cut"
    assert counts(merge(world, "cut", "edit")) == {"people": 3, "services": 0, "tasks": 1}


def test_a_task_that_cannot_be_written_is_named_and_stops_no_other(tmp_path: Path) -> None:
    """With the longer name it would not fit into a frame."""
    world = World(tmp_path, max_frame=4096)
    task(world, "big", group_id="c", description="")
    big = world.core.view.committed("big")
    assert big is not None
    text = "x" * (world.core.room.reply_bytes - len(big.body))
    task(world, "big", group_id="c", description=text)
    task(world, "small", group_id="c")
    done = merge(world, "c", "longer")
    assert done["tasks"] == 1
    assert [one["id"] for one in done["left"]] == ["big"]
    assert "more than" in done["left"][0]["why"]
    world.close()


def test_a_commit_has_few_tasks_and_a_reply_comes_in_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some seconds the reply says that there are more: asked again, it goes on."""
    for number in range(150):
        task(world, f"t{number}")
    monkeypatch.setattr(groups, "_FOUND_AT_ONCE", 100)
    monkeypatch.setattr(groups, "_TAKES_S", 0.0)
    commits: list[int] = []
    append = world.database.append

    def counted(changes: Any, *rest: Any) -> None:
        commits.append(len(changes))
        append(changes, *rest)

    monkeypatch.setattr(world.database, "append", counted)
    first = merge(world, "cut", "edit")
    assert (first["tasks"], first["more"]) == (100, True)
    second = merge(world, "cut", "edit")
    assert (second["tasks"], second["more"]) == (50, False)
    assert sum(commits) == 150
    assert max(commits) <= 100


def test_a_merge_is_an_act_of_the_audit(world: World) -> None:
    office(world)
    task(world)
    merge(world, "cut", "edit")
    world.advance(2)
    (act,) = admin(world).ask("Audit", kinds=["groups merged"])["entries"]
    assert (act["who"], act["why"]) == ("boss", "cut into edit: people 3")
    assert admin(world).ask("Audit", task="t")["entries"][0]["who"].startswith("boss")


@pytest.mark.parametrize("steps", range(7))
def test_a_kill_in_between_loses_nothing_and_asking_again_ends_it(
    world: World, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setattr(groups, "_TASKS_AT_ONCE", 10)
    office(world)
    for number in range(30):
        task(world, f"t{number}")
    world.drain()
    begin(world, BOSS, "MergeGroups", **{"from": "cut", "into": "edit"})
    for _ in range(steps):
        (world.writing if world.writing.jobs else world.reading).step()
        world.sweep()
    world.restart()
    assert len({tuple(people(world)[one]["groups"]) for one in ("ann", "bob", "lea")}) == 1
    merge(world, "cut", "edit")
    assert {tuple(one["groups"]) for one in people(world).values()} == {("edit",), ("paint",)}
    assert admin(world).ask("Query", where={"group_id": "cut"})["tasks"] == []
    assert len(admin(world).ask("Query", where={"group_id": "edit"})["tasks"]) == 30


def test_a_daemon_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """With real threads and a real disk."""
    daemon = RunningDaemon(tmp_path)
    with taskdash.connect(daemon.url) as dash:
        dash.ask("SetPerson", user="1", name="Ann", groups=["cut"])
        many = (
            {"id": f"t{n}", "name": "T", "status": FREE, "group_id": "cut"} for n in range(3000)
        )
        for outcome in dash.pipeline(map(Register.parse, many)):
            assert isinstance(outcome, dict)
        asked = Thread(target=lambda: merged(daemon))
        asked.start()
        while dash.ask("People")["people"][0]["groups"] != ["edit"]:
            pass
        daemon.kill()
        asked.join()
    daemon.restart()
    assert not merged(daemon)["more"]
    with taskdash.connect(daemon.url) as dash:
        assert dash.ask("Query", where={"group_id": "cut"})["tasks"] == []
    daemon.stop()


def merged(daemon: RunningDaemon) -> dict[str, Any]:
    """Ask once, and give the reply; nothing where the daemon is killed meanwhile."""
    with suppress(ConnectionError, TimeoutError), taskdash.connect(daemon.url) as dash:
        return dash.ask("MergeGroups", **{"from": "cut", "into": "edit"})
    return {}
