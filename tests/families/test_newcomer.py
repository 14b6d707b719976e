"""Whom a newcomer asks: boards tell those in no group who administers, by name alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_people import known

from taskdash_protocol import strictjson
from taskdashd.core.identities import PERSON
from taskdashd.domain.access import ANYONE
from taskdashd.families.people.directory import Directory
from taskdashd.store.records import Record
from taskdashd.testing import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    known(
        world,
        new={},
        ann={"groups": ["cut"]},
        lea={"role": "lead"},
        rita={},
        root={},
        gone={},
    )
    boss = world.connect("10.0.0.9:1")
    for user in ("root", "rita", "gone"):
        boss.ask("SetPerson", user=user, role="admin", password="root horses")
    boss.ask("SetPerson", user="gone", active=False)
    yield world
    world.close()


def told(world: World, user: str) -> dict[str, Any]:
    directory = Directory(world.core.view.records)
    person = world.core.identities.person(user)
    identity = ANYONE if person is None else person.identity
    return dict(strictjson.loads(b"{" + directory.whole(identity)[1:] + b"}"))


def test_who_is_in_no_group_is_told_the_names_and_others_are_not(world: World) -> None:
    assert told(world, "new")["admins"] == ["Rita", "Root"]
    assert told(world, "lea")["admins"] == ["Rita", "Root"], "a lead of nothing"
    for other in ("ann", "root", "nobody"):
        assert "admins" not in told(world, other)
    assert {one["user"] for one in told(world, "new")["people"]} == {"new"}


def test_a_board_is_told_of_whom_there_is_now(world: World) -> None:
    records = world.core.view.records
    directory = Directory(records)
    person = world.core.identities.person("new")
    assert person is not None
    assert b'"admins":["Rita","Root"]' in directory.whole(person.identity)
    boss = world.connect("10.0.0.9:1")
    for user in ("rita", "root"):
        boss.ask("SetPerson", user=user, role="worker")
        directory.kept([Record(PERSON, user, None)])
    assert b'"admins":[]' in directory.whole(person.identity)
