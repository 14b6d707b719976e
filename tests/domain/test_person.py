"""Accounts: who leads what, which browsers are signed in, and who is seen by whom."""

import dataclasses
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdashd.domain.access import EVERYBODYS, Identity
from taskdashd.domain.people import (
    SIGNED_IN_MAX,
    Person,
    SignedIn,
    called,
    done_by,
    key_of,
    sees_person,
)

ALICE = Person("1001", "Alice", "lead", ("a", "b"), ("a",), made_at="2026-01-01T00:00:00.000Z")


def sign_in(secret: str, address: str = "10.0.0.1", since: str = "now") -> SignedIn:
    return SignedIn(key_of(secret), address, since)


def test_a_person_s_session_is_theirs() -> None:
    identity = ALICE.identity
    assert (identity.name, identity.role, identity.person) == ("Alice (1001)", "lead", "1001")
    assert identity.groups == {"a", "b", EVERYBODYS}
    assert identity.leads == {"a"}
    assert dataclasses.replace(ALICE, role="worker").identity.leads == frozenset()
    assert identity.key
    assert identity.key != dataclasses.replace(ALICE, id="1002").identity.key


def test_others_are_told_who_it_is_and_no_secret() -> None:
    person = dataclasses.replace(ALICE, password="$argon2id$x").with_sign_in(sign_in("s"))
    shown = person.about()
    assert shown == {
        "user": "1001",
        "name": "Alice",
        "role": "lead",
        "groups": ["a", "b"],
        "leads": ["a"],
        "active": True,
        "calendar": "",
        "rev": 0,
    }


def test_a_stored_account_is_read_as_it_was() -> None:
    person = ALICE.with_sign_in(sign_in("one")).with_sign_in(sign_in("two"))
    record = person.to_record()
    assert Person.from_record(record) == person
    as_json = {**record, "groups": list(record["groups"]), "leads": list(record["leads"])}
    read = Person.from_record({**as_json, "signed_in": list(record["signed_in"])})
    assert read == person
    assert hash(read) == hash(person), "lists of a record must not stay in the account"


def test_a_new_account_is_active_and_everything_else_is_empty() -> None:
    person = Person("1", "n")
    assert person == Person("1", "n", "worker", (), (), True, "", "", "", "", ())


PEER = "10.0.0.1:5"


@pytest.mark.parametrize(
    ("who", "is_theirs"),
    [
        (f"Ann (1001), {PEER}", True),
        (f"1001, {PEER}", True),
        (f"web (Ann (1001), {PEER})", True),
        (f"web (1001, {PEER})", True),
        (f"Cutter (web (Ann (1001), {PEER}))", True),
        ("Ann (1001), [fe80::1%eth0]:5", True),
        (f"X (1001) (6666), {PEER}", False),
        (f"Y (1001), {PEER} (6666), {PEER}", False),
        (f"web (Ann (1001), {PEER}) ({PEER})", False),
        (f"(1001), {PEER}) ({PEER})", False),
        (f"21001, {PEER}", False),
        (f"Ann (1001) by svc, {PEER}", False),
        (f"Ann (10011), {PEER}", False),
    ],
)
def test_who_did_something_is_known_by_the_number_that_the_daemon_adds(
    who: str, is_theirs: bool
) -> None:
    assert (done_by("1001").search(who) is not None) is is_theirs


GROUPS = st.lists(st.sampled_from("abc"), unique=True).map(tuple)


@given(
    role=st.sampled_from(("worker", "lead", "admin")),
    groups=GROUPS,
    leads=GROUPS,
    to_role=st.sampled_from((None, "worker", "lead", "admin")),
    to_groups=st.none() | GROUPS,
    to_leads=st.none() | GROUPS,
)
def test_only_leads_lead_and_only_groups_that_they_are_in(
    role: str,
    groups: tuple[str, ...],
    leads: tuple[str, ...],
    to_role: str | None,
    to_groups: tuple[str, ...] | None,
    to_leads: tuple[str, ...] | None,
) -> None:
    """Whatever is changed in whatever account; groups that one is made to lead are added."""
    old = Person("1", "n", role, groups, leads)  # type: ignore[arg-type]
    new = old.changed(role=to_role, groups=to_groups, leads=to_leads)
    assert new.role == (to_role or role)
    assert set(new.leads) <= set(new.groups)
    assert len(set(new.groups)) == len(new.groups)
    wanted = set(groups if to_groups is None else to_groups)
    assert wanted <= set(new.groups)
    if new.role != "lead":
        assert new.leads == ()
        assert set(new.groups) == wanted
    elif to_leads is not None:
        assert new.leads == to_leads
        assert set(new.groups) == wanted | set(to_leads)
    else:
        kept = [group for group in leads if group in wanted]
        assert list(new.leads) == (kept or list(groups if to_groups is None else to_groups))


def test_what_is_not_named_in_a_change_stays() -> None:
    new = ALICE.changed(name="Alicia", role=None, active=False)
    assert new == dataclasses.replace(ALICE, name="Alicia", active=False)


def test_a_secret_is_known_while_its_sign_in_stands() -> None:
    person = ALICE.with_sign_in(sign_in("one")).with_sign_in(sign_in("two", "10.0.0.2", "later"))
    assert person.knows("one")
    assert person.knows("two")
    assert not person.knows("three")
    assert not ALICE.knows("one")
    assert (person.address, person.signed_in_at) == ("10.0.0.2", "later")
    assert not person.changed(active=False).knows("one"), "who is not active is not signed in"
    without = person.without_sign_in(key_of("one"))
    assert not without.knows("one")
    assert without.knows("two")
    assert not person.signed_out().signed_in
    assert person.signed_out(but=key_of("two")).knows("two")
    assert not person.changed(role="admin").knows("two"), "an admin has a password"


def test_the_browser_unused_for_longest_is_signed_out() -> None:
    """A sign-in that is renewed counts as used, and is there once."""
    person = ALICE
    for number in range(SIGNED_IN_MAX):
        person = person.with_sign_in(sign_in(str(number)))
    assert all(person.knows(str(number)) for number in range(SIGNED_IN_MAX))
    person = person.with_sign_in(sign_in("0")).with_sign_in(sign_in("new"))
    assert person.knows("0")
    assert person.knows("2")
    assert person.knows("new")
    assert not person.knows("1")
    assert len(person.signed_in) == SIGNED_IN_MAX == 20


def test_sign_ins_over_tokens_make_room_among_themselves() -> None:
    """Of their own token first, then of other tokens; browsers without one make room for none."""
    person = ALICE.with_sign_in(sign_in("own"))
    for number in range(3 * SIGNED_IN_MAX):
        token = "b" if number == 40 else "a"
        one = dataclasses.replace(sign_in(str(number)), token=token)
        person = person.with_sign_in(one)
    assert person.knows("own")
    assert person.knows("40"), "another token's stays"
    assert len(person.signed_in) == SIGNED_IN_MAX
    for number in range(SIGNED_IN_MAX):
        person = person.with_sign_in(sign_in(f"browser {number}"))
    assert not person.knows("own")
    assert len(person.signed_in) == SIGNED_IN_MAX


def test_of_a_cookie_s_secret_only_the_hash_is_stored() -> None:
    assert key_of("s") == hashlib.sha256(b"s").hexdigest()
    assert "secret" not in str(ALICE.with_sign_in(sign_in("secret")).to_record())


@pytest.mark.parametrize(
    ("number", "name", "words"),
    [("1001", "Alice", "Alice (1001)"), ("1001", "", "1001"), ("1001", "1001", "1001")],
)
def test_a_person_is_called_by_name_and_number(number: str, name: str, words: str) -> None:
    assert called(number, name) == words


@pytest.mark.parametrize(
    ("identity", "sees"),
    [
        (Identity("x", "operator"), True),
        (Identity("x", "service"), True),
        (Identity("x", "service", frozenset({"b", "c"})), True),
        (Identity("x", "service", frozenset({"c"})), False),
        (Identity("x", "worker", frozenset({"c"}), person="1001"), True),
        (Identity("x", "worker", frozenset({"a"}), person="1002"), True),
        (Identity("x", "worker", frozenset({"c"}), person="1002"), False),
        (Identity("x", "admin", frozenset({"c"}), person="1002"), True),
    ],
)
def test_one_sees_oneself_and_the_people_of_one_s_groups(identity: Identity, sees: bool) -> None:
    assert sees_person(identity, ALICE) is sees
