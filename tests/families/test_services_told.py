"""What services say: no secret of a URL is shown to anybody, and nothing of people's is theirs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from test_people import CLAIMED, EDITING, FREE, OK, REVIEW, admin, found, office, task
from test_people_attacks import BOSS, http

from taskdash_protocol.fields import DAEMON_FIELDS, DAEMON_OBJECTS, PEOPLE_FIELDS
from taskdashd.domain.access import LOCAL_OPERATOR
from taskdashd.families.services.section import ServiceSection
from taskdashd.testing import World

GIVEN, KEPT = "http://me:s3cret@10.0.0.7:8080", "http://10.0.0.7:8080"
FORGED = "2020-01-01T00:00:00.000Z"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


# Secrets


def test_no_secret_of_a_services_url_is_shown_to_anybody(world: World) -> None:
    """Not by Services, tasks, events, boards, the log, the audit, a refusal, or on the disk."""
    with capture_logs() as logs:
        peers = office(world)
        watcher = world.connect("10.0.0.8:1")
        watcher.ask("Watch")
        service = world.connect("10.0.0.7:1")
        assert service.ask("RegisterService", url=GIVEN)["url"] == KEPT
        service.ask("Register", id="live", name="n", status="running", url=GIVEN, group_id="cut")
        service.ask("Update", id="live", url=GIVEN, description="d")
        task(world, url=GIVEN)
        peers["ann"].ask("Claim", id="t")
        http(world, BOSS, "Register", id="h", name="n", status="running", url=GIVEN)
        told = [
            peers["ann"].ask("Services"),
            peers["ann"].ask("Query"),
            found(world),
            admin(world).ask("Query", where={"url": GIVEN}),
            ServiceSection(world.core.view.records).whole(LOCAL_OPERATOR),
        ]
        assert {one["id"] for one in told[3]["tasks"]} == {"live", "t", "h"}
        assert [one["url"] for one in told[0]["services"]] == [KEPT]
        service.cut_off()
        service.close()
        world.advance(60)
        told += [admin(world).ask("Audit", limit=1000), watcher.events, world.core.acts.take()]
    assert any("died" in str(one) for one in (*told, *logs))
    assert "s3cret" not in str((told, logs))
    assert b"s3cret" not in b"".join(
        path.read_bytes() for path in world.database.directory.iterdir() if path.is_file()
    )


def test_a_service_beats_by_the_url_that_it_registered_by(world: World) -> None:
    """Whether with its user and password or without: it is one service."""
    assert http(world, BOSS, "RegisterService", url=GIVEN)["url"] == KEPT
    http(world, BOSS, "Register", id="t", name="n", status="running", url=GIVEN)
    for url in (GIVEN, KEPT, GIVEN):
        assert http(world, BOSS, "ServiceBeat", url=url)["url"] == KEPT
        world.advance(20)
    assert found(world)["status"] == "running"


def test_a_service_is_not_asked_by_a_password(tmp_path: Path) -> None:
    asked: list[str] = []
    world = World(
        tmp_path,
        passwordless="everywhere",
        fetch=lambda url, _id, then: (asked.append(url), then([]))[1],
    )
    for told in (
        http(world, BOSS, "RegisterService", url=GIVEN, fetch=True),
        http(world, BOSS, "FetchTasks", url=GIVEN),
    ):
        assert "names no host" in told.detail
        assert "s3cret" not in told.detail
    assert asked == []
    assert http(world, BOSS, "FetchTasks", url=KEPT) == {"tasks": []}
    world.close()


# What is people's


ALL = {**dict.fromkeys((*PEOPLE_FIELDS, *DAEMON_FIELDS), FORGED), "epoch": 1}


def forged(fields: dict[str, Any]) -> dict[str, Any]:
    """Give what of a task is the forger's."""
    return {name: value for name, value in fields.items() if value == FORGED}


@pytest.mark.parametrize("operation", ["Register", "Update"])
def test_what_a_service_says_of_what_people_did_is_ignored(world: World, operation: str) -> None:
    task(world)
    told = {"id": "t", "name": "n", "group_id": "cut", "status": FREE, **ALL}
    assert admin(world).ask(operation, **told)["errid"] == OK
    assert forged(found(world)) == {}


def test_work_stays_whose_it_is_and_ends_when_it_ends_whatever_a_service_says(
    world: World,
) -> None:
    """A service that sends a task back as it found it takes nothing from people either."""
    peers, boss = office(world), admin(world)
    task(world)
    until = peers["ann"].ask("Claim", id="t", limit=3600)["claim_until"]
    boss.ask("Update", id="t", claim_until=FORGED, claimed_at=FORGED)
    assert found(world)["claim_until"] == until
    before = found(world)
    boss.ask("Register", **{**before, "description": "by its service"})
    world.advance(2)
    after = found(world)
    assert (after["status"], after["claim_until"]) == (CLAIMED, until)
    assert {name: after.get(name) for name in PEOPLE_FIELDS} == {
        name: before.get(name) for name in PEOPLE_FIELDS
    }
    peers["ann"].ask("Submit", id="t")
    boss.ask("Update", id="t", submitted_by="lea", user="bob")
    assert found(world)["submitted_by"] == "ann"
    boss.ask("SetPerson", user="ann", role="lead")
    assert peers["ann"].ask("Approve", id="t")["cause"] == "own-work"


def test_a_task_that_begins_anew_has_nothing_of_before(world: World) -> None:
    peers = office(world)
    task(world)
    peers["ann"].ask("Claim", id="t")
    peers["ann"].ask("Submit", id="t")
    peers["lea"].ask("Approve", id="t")
    task(world)
    assert not found(world).keys() & PEOPLE_FIELDS.keys()
    assert peers["ann"].ask("Claim", id="t")["errid"] == OK


def test_what_a_fetched_service_says_of_what_people_did_is_ignored(tmp_path: Path) -> None:
    said = [{"id": "t", "Status": FREE, "group_id": "cut", **ALL, "epoch": 0}]
    world = World(tmp_path, passwordless="everywhere", fetch=lambda _url, _id, then: then(said))
    peers = office(world)
    assert http(world, BOSS, "RegisterService", url=KEPT, fetch=True)["tasks"] == ["t"]
    assert forged(found(world)) == {}
    until = peers["ann"].ask("Claim", id="t", limit=3600)["claim_until"]
    said[0] |= {"User": "eve", "Checker": "ann", "reason": "forged"}
    http(world, BOSS, "FetchTasks", url=KEPT)
    world.advance(2)
    after = found(world)
    assert (after["status"], after["user"], after["claim_until"]) == (CLAIMED, "ann", until)
    peers["ann"].ask("Submit", id="t", word="look")
    http(world, BOSS, "FetchTasks", url=KEPT)
    after = found(world)
    assert (after["submitted_by"], after["checker"], after["reason"]) == ("ann", "", "look")
    assert forged(after) == {}
    world.close()


STATUSES = st.sampled_from([FREE, CLAIMED, EDITING, REVIEW, "running", "finish", "failed"])
NAMES = st.sampled_from([*PEOPLE_FIELDS, *DAEMON_FIELDS, *DAEMON_OBJECTS, "description"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Register", "Update", "Claim", "Submit", "Release"]),
            STATUSES,
            st.dictionaries(NAMES, st.just(FORGED)),
        ),
        max_size=8,
    )
)
def test_nothing_that_a_service_says_in_any_state_is_people_s_or_the_daemon_s(
    world: World, steps: list[tuple[str, str, dict[str, Any]]]
) -> None:
    boss = admin(world)
    if not boss.ask("People")["people"]:
        office(world)
    boss.ask("Register", id="t", name="n", status=FREE, group_id="cut")
    for operation, status, more in steps:
        more.pop("epoch", None)
        if operation in ("Register", "Update"):
            body = {"id": "t", "name": "n", "group_id": "cut", "status": status, **more}
            assert boss.ask(operation, **body)["errid"] == OK
        else:
            boss.ask(operation, id="t", user="ann")
        assert forged(found(world)).keys() <= {"description"}
