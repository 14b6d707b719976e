"""What people type is what they mean: by every operation that takes a number, name, group or id."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_people import CLAIMED, FREE, OK, REVIEW, admin, found, known, office, task

from taskdash_protocol import typed
from taskdashd.domain.people import Person
from taskdashd.testing import Peer, World

FULL = str.maketrans(
    "0123456789abcdefghijklmnopqrstuvwxyz",
    "０１２３４５６７８９ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ",
)
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, passwordless="everywhere")
    yield world
    world.close()


def oddly(text: str) -> list[str]:
    """Give ways in which people type a number, all equal to the eye."""
    return [
        text.translate(FULL),
        text.translate(ARABIC),
        f" {text}\u3000",
        f"{text[:1]} {text[1:]}",
        f"\u202a{text[:1]}\u200b{text[1:]}\u202c",
        f"{text}\t",
    ]


def numbers(world: World) -> list[str]:
    return [one["user"] for one in admin(world).ask("People")["people"]]


def make(world: World, user: str, name: str, **more: Any) -> dict[str, Any]:
    return admin(world).ask("SetPerson", user=user, name=name, **more)


def keep_as_before(world: World, *people: Person) -> None:
    """Put accounts into the store as a daemon made them that folded no numbers."""
    for one in people:
        record = one.to_record()
        world.core.writer.write(
            lambda transaction, record=record: transaction.keep("person", record["id"], record),
            lambda _outcome: None,
        )
    world.core.writer.flush()
    world.drain()
    world.restart()


# Numbers


def test_a_number_is_one_person_however_it_is_typed(world: World) -> None:
    """Sign in, or set, the number 1001 in any script, with any blank or mark: it is one account."""
    assert (
        world.connect("10.0.0.1:1").ask("Login", user="１００１", name="王　小明")["user"] == "1001"
    )
    for port, number in enumerate(oddly("1001"), 2):
        reply = world.connect(f"10.0.0.1:{port}").ask("Login", user=number, name="王 小明\u200e")
        assert (reply["errid"], reply.get("user"), reply.get("welcome")) == (OK, "1001", False)
        assert make(world, number, "王 小明", groups=["cut"])["user"] == "1001"
        assert make(world, number, "Other name", role="lead")["user"] == "1001", "whatever the name"
        assert make(world, number, "王 小明")["errid"] == OK
    assert numbers(world) == ["1001"]
    assert world.core.identities.person("1001").name == "王 小明"  # type: ignore[union-attr]


@pytest.mark.parametrize("form", range(6))
def test_every_act_takes_a_number_as_it_is_typed(world: World, form: int) -> None:
    def typed_as(number: str) -> str:
        return oddly(number)[form]

    known(world, a1={"groups": ["cut"]}, b2={"groups": ["cut"]}, c3={"groups": ["cut"]})
    boss = admin(world)
    task(world)
    assert boss.ask("Claim", id="t", user=typed_as("a1"))["user"] == "a1"
    assert boss.ask("Begin", id="t", user=typed_as("a1"))["errid"] == OK
    assert boss.ask("Assign", id="t", to=typed_as("b2"))["user"] == "b2"
    moved = boss.ask("Handover", of=typed_as("b2"), to=[typed_as("a1"), "a1"])["moved"]
    assert [one["to"] for one in moved] == ["a1"]
    assert boss.ask("Handover", of=typed_as("a1"), to=["a1"])["errid"] == 1004
    assert boss.ask("Submit", id="t", user=typed_as("a1"), checker=typed_as("b2"))["errid"] == OK
    assert (found(world)["user"], found(world)["checker"]) == ("a1", "b2")
    assert boss.ask("Logout", user=typed_as("c3"))["errid"] == OK
    assert world.core.identities.person("c3").signed_in == ()  # type: ignore[union-attr]


def test_nobody_checks_their_own_work_by_typing_their_number_otherwise(world: World) -> None:
    peers = office(world)
    task(world)
    peers["ann"].ask("Claim", id="t")
    for odd in oddly("ann"):
        assert peers["ann"].ask("Submit", id="t", checker=odd)["cause"] == "own-work"


def test_one_acts_for_oneself_however_one_types_it(world: World) -> None:
    peers = office(world)
    task(world)
    assert peers["ann"].ask("Claim", id="t", user="ａｎｎ")["user"] == "ann"
    assert peers["bob"].ask("SetPerson", user="ｂｏｂ ", name="Robert")["name"] == "Robert"
    assert peers["bob"].ask("SetPerson", user="ａｎｎ", name="Robert")["cause"] == "admin"


def test_what_is_no_number_is_refused(world: World) -> None:
    for user in ("", " ", "\u200b\u2060", "a,b", "王（1001）", "1\0", "a" * 65, "\ufdfa" * 60, "⑴"):
        assert world.connect().ask("Login", user=user, name="x")["errid"] == 1000, ascii(user)
        assert make(world, user, "x")["errid"] == 1000, ascii(user)


# Accounts from before


def test_an_account_from_before_is_found_by_what_its_number_means(world: World) -> None:
    """The number stays, by which tasks know the account. Nobody gets a second one beside it."""
    keep_as_before(world, Person("１００７", "Ann", groups=("cut",)))
    for number in ("１００７", "1007", " 100７", "\u200b1007"):
        reply = world.connect("10.0.0.1:9").ask("Login", user=number, name="Ann")
        assert (reply["errid"], reply["user"], reply["welcome"]) == (OK, "１００７", False), number
    task(world, "old", status=CLAIMED, user="１００７")
    assert admin(world).ask("Assign", id="old", to="1007")["user"] == "１００７"
    assert admin(world).ask("Submit", id="old", user="1007")["status"] == REVIEW
    assert numbers(world) == ["１００７"]


def test_of_two_accounts_from_before_each_is_the_one_that_is_typed_to_the_byte(
    world: World,
) -> None:
    keep_as_before(world, Person("１００７", "Ann"), Person("1007", "Ann"))
    boss = admin(world)
    assert boss.ask("SetPerson", user="１００７", active=False)["user"] == "１００７"
    assert boss.ask("SetPerson", user="1007", role="lead")["active"] is True
    assert boss.ask("SetPerson", user="10０7", role="worker")["user"] == "1007"


def test_an_account_whose_number_nobody_sees_is_not_meant_where_none_is_given(
    world: World,
) -> None:
    """A Hangul filler was a letter of a number once; where nobody is named, it is not meant."""
    keep_as_before(world, Person("\u3164", "Eve", role="admin"), Person("ann", "Ann"))
    task(world, group_id="")
    ann = world.connect("10.0.0.1:1")
    assert ann.ask("Login", user="ann")["errid"] == OK
    assert ann.ask("Claim", id="t")["user"] == "ann"
    assert ann.ask("Submit", id="t")["errid"] == OK
    assert found(world)["checker"] == ""
    assert ann.ask("Logout")["errid"] == OK
    assert admin(world).ask("Claim", id="t")["detail"].startswith("field user is required")
    assert admin(world).ask("SetPerson", user="\u3164", active=False)["active"] is False


# Numbers that look alike


@pytest.mark.parametrize("number", ["l001", "I001", "1OO1", "1оо1"])
@pytest.mark.parametrize("name", ["Wang", "ＷＡＮＧ", " wang\u200b"])
def test_a_number_that_only_looks_like_it_is_refused_where_the_name_is_the_same(
    world: World, number: str, name: str
) -> None:
    make(world, "1001", "Wang")
    peer = world.connect("10.0.0.1:1")
    for reply in (peer.ask("Login", user=number, name=name), make(world, number, name)):
        assert (reply["errid"], reply["cause"]) == (1004, "looks-like")
        assert reply["values"] == {"user": "1001"}
        assert "Wang (1001)" in reply["detail"]
    assert numbers(world) == ["1001"]
    assert peer.ask("Login", user=number, name="Somebody else")["welcome"] is True


def test_nobody_takes_the_name_to_the_number_that_looks_alike_later(world: World) -> None:
    make(world, "1001", "Wang")
    impostor = world.connect("10.0.0.1:1")
    assert impostor.ask("Login", user="l001", name="Li")["errid"] == OK
    assert impostor.ask("SetPerson", user="l001", name="Wang")["cause"] == "looks-like"
    assert make(world, "l001", "Wang")["cause"] == "looks-like"
    assert make(world, "l001", "LI")["errid"] == OK, "it is the same name still"


def test_of_two_that_look_alike_at_once_one_is_made(world: World) -> None:
    peers = [world.connect(f"10.0.0.1:{port}") for port in (1, 2)]
    for peer, number in zip(peers, ("1001", "l001"), strict=True):
        peer.send("Login", {"user": number, "name": "Wang"})
    world.drain()
    assert sorted(peer.replies.pop()["errid"] for peer in peers) == [OK, 1004]
    assert len(numbers(world)) == 1


# Names, groups, ids


def test_a_name_is_kept_as_it_is_meant(world: World) -> None:
    assert make(world, "1", "\u2067玛丽・安\u3000 李\u2069 ")["name"] == "玛丽·安 李"
    for blank in (" ", "\u200b"):
        assert make(world, "1", blank)["detail"] == "field name must not be blank"
    assert make(world, "1", "\ufdfa" * 60)["errid"] == 1000, "NFKC makes a thousand of it"
    assert world.connect("10.0.0.1:1").ask("Login", user="2", name=" \u200d")["errid"] == 1004


def test_a_group_is_as_it_is_meant_or_as_its_tasks_have_it(world: World) -> None:
    """What services send stays to the byte, so a group that tasks have is found as they have it."""
    task(world, "by machine", group_id="Ａ栋")
    told = make(world, "1", "Ann", groups=["Ａ栋", "Ｂ栋 ", " Ｂ栋\u200b", "剪辑\u3000组"])
    assert told["groups"] == ["Ａ栋", "B栋", "剪辑 组"]
    ann = world.connect("10.0.0.1:1")
    ann.ask("Login", user="1")
    assert ann.ask("Claim", id="by machine")["errid"] == OK
    assert make(world, "1", "Ann", role="lead", leads=["Ｂ栋"])["leads"] == ["B栋"]
    assert make(world, "1", "Ann", groups=["\u200b"])["errid"] == 1000
    keep_as_before(world, Person("2", "Bob", groups=("Ｃ栋",)))
    assert make(world, "2", "Bob", groups=["Ｃ栋", "x"])["groups"] == ["Ｃ栋", "x"]


@pytest.mark.parametrize("typed_id", [" t", "ｔ", "t\u200b", "t\u3000"])
def test_an_id_that_people_type_is_the_task_that_is_meant(world: World, typed_id: str) -> None:
    peers = office(world)
    task(world)
    reply = peers["ann"].ask("Claim", id=typed_id)
    assert (reply["errid"], reply["id"], reply["user"]) == (OK, "t", "ann")
    assert peers["lea"].ask("Assign", id=typed_id, to="bob")["user"] == "bob"
    assert peers["eve"].ask("Claim", id=typed_id)["errid"] == 1002, "she does not see it"
    assert peers["ann"].ask("Find", id=typed_id)["errid"] == 1002, "programs ask to the byte"


def test_an_id_that_a_service_wrote_oddly_is_that_task(world: World) -> None:
    peers = office(world)
    task(world, "ｔ")
    task(world, "t")
    assert peers["ann"].ask("Claim", id="ｔ")["id"] == "ｔ"
    assert found(world, "t")["status"] == FREE


def test_an_id_as_it_is_meant_is_found_on_disk(world: World) -> None:
    task(world)
    make(world, "ann", "Ann", groups=["cut"])
    world.restart()
    assert admin(world).ask("Claim", id="ｔ", user="ann")["errid"] == OK
    assert admin(world).ask("Claim", id="ｎｏｎｅ", user="ann")["errid"] == 1002


# What was done last


@pytest.mark.parametrize("name", ["Somebody", "ann", "A (bob)", "10.0.0.1:3", "x, 10.0.0.9:1"])
def test_what_was_done_last_is_told_whatever_they_were_called_then(world: World, name: str) -> None:
    """An impostor renames the account, acts, renames it back: the owner is told all the same."""
    impostor = office(world)["ann"]
    task(world)
    for number in range(8):
        task(world, f"of others {number}", user="ann")
    assert impostor.ask("SetPerson", user="ann", name=name)["errid"] == OK
    assert impostor.ask("Claim", id="t")["errid"] == OK
    assert impostor.ask("SetPerson", user="ann", name="Ann")["errid"] == OK
    for number in range(8):
        task(world, f"of others {number}", user="ann", description="ann (ann)")
    last = world.connect("10.7.7.7:1").ask("Login", user="ann")["last"]
    assert [did["task"] for did in last["did"]] == ["t"]
    assert world.connect("10.7.7.7:1").ask("Login", user="bob")["last"]["did"] == []


# Whatever is typed

PORTS = itertools.count(1)
TYPED = st.text(st.sampled_from("1lI2a王 \u3000\u200b\u202e１l١٢ａＡ"), min_size=1, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.tuples(TYPED, st.sampled_from(["Ann", "ＡＮＮ", "Bob", "ann\u200b"]))))
def test_whatever_is_typed_no_two_accounts_are_equal_to_the_eye(
    world: World, people: list[tuple[str, str]]
) -> None:
    boss: Peer = admin(world)
    for number, name in people:
        made = boss.ask("SetPerson", user=number, name=name)
        if made["errid"] == OK:
            assert made["user"] == typed.number(number)
    kept = [(one["user"], one["name"]) for one in boss.ask("People")["people"]]
    assert len({typed.number(number) for number, _ in kept}) == len(kept)
    alike = {(typed.look(number), name.casefold()) for number, name in kept}
    assert len(alike) == len(kept)


def test_some_groups_in_a_text_are_some_groups(world: World) -> None:
    """`剪辑、美术` became one group, which nobody's tasks have."""
    reply = admin(world).ask(
        "SetPerson",
        user="1",
        name="A",
        role="lead",
        groups=["剪辑、美术，Ｃut"],
        leads=["美术；Cut"],
    )
    assert (reply["groups"], reply["leads"]) == (["剪辑", "美术", "Cut"], ["美术", "Cut"])


def test_a_group_of_a_task_or_of_somebody_is_one_whatever_its_name_holds(world: World) -> None:
    """Services name groups to the byte; who comes to others in a group comes to that group."""
    admin(world).ask("Register", id="t", name="T", group_id="a, b")
    keep_as_before(world, Person("2", "Bob", groups=("c、d",)))
    reply = admin(world).ask("SetPerson", user="1", name="A", groups=["a, b", "c、d", "a,b"])
    assert reply["groups"] == ["a, b", "c、d", "a", "b"]


def test_no_name_between_separators_is_no_group(world: World) -> None:
    for blank in ("、", " ， ", "\u3164;"):
        refused = admin(world).ask("SetPerson", user="1", name="A", groups=[blank])
        assert (refused["errid"], "blank" in refused["detail"]) == (1000, True), blank


def test_parts_of_texts_are_no_more_than_a_person_may_have(world: World) -> None:
    many = [",".join(f"{n}.{one}" for one in range(9)) for n in range(8)]
    refused = admin(world).ask("SetPerson", user="1", name="A", groups=many)
    assert (refused["errid"], "more than 64" in refused["detail"]) == (1000, True)
