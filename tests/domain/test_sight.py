"""Who sees what: the same answer whichever way it is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdashd.domain.access import (
    ANYONE,
    EVERYBODYS,
    LOCAL_OPERATOR,
    ROLES,
    Identity,
    PersonRole,
    Role,
    Sight,
)

ALICE = Identity("Alice (1001)", "worker", frozenset({"a", EVERYBODYS}), person="1001")
SERVICE = Identity("backup", "service", frozenset({"a"}))
UNBOUND = Identity("importer", "service")

TASKS = {
    "of a group": {"group_id": "a", "user": "", "checker": ""},
    "of another group": {"group_id": "b", "user": "", "checker": ""},
    "theirs": {"group_id": "b", "user": "1001", "checker": ""},
    "to check": {"group_id": "b", "user": "1002", "checker": "1001"},
    "of nobody": {"group_id": EVERYBODYS, "user": "", "checker": ""},
}


@pytest.mark.parametrize(
    ("identity", "seen"),
    [
        (ALICE, {"of a group", "theirs", "to check", "of nobody"}),
        (SERVICE, {"of a group"}),
        (UNBOUND, set(TASKS)),
        (Identity("r", "reader", frozenset({"b"})), {"of another group", "theirs", "to check"}),
        (Identity("o", "operator", frozenset({"a"})), set(TASKS)),
        (Identity("admin", "admin", frozenset({"a"}), person="1009"), set(TASKS)),
        (Identity("newcomer", "worker", person="1001"), {"theirs", "to check"}),
        (ANYONE, set(TASKS)),
        (LOCAL_OPERATOR, set(TASKS)),
    ],
    ids=lambda one: one.name if isinstance(one, Identity) else "",
)
def test_an_identity_sees_its_groups_and_a_person_their_own(
    identity: Identity, seen: set[str]
) -> None:
    assert {name for name, fields in TASKS.items() if identity.sees_task(fields)} == seen
    sight = identity.sight
    assert {name for name, fields in TASKS.items() if sight is None or sight.sees(fields)} == seen
    groups = {name for name in ("of a group", "of another group", "of nobody") if name in seen}
    assert {name for name in groups if identity.sees(str(TASKS[name]["group_id"]))} == groups


@given(
    groups=st.frozensets(st.sampled_from("ab")),
    person=st.sampled_from(("", "1001")),
    group=st.sampled_from("abc"),
    user=st.sampled_from(("", "1001", "1002")),
    checker=st.sampled_from(("", "1001", "1002")),
)
def test_a_token_owns_no_task(
    groups: frozenset[str], person: str, group: str, user: str, checker: str
) -> None:
    """A task of nobody has an empty user, and a token's identity an empty person: no match."""
    sight = Sight(groups, person)
    is_theirs = bool({user, checker} & ({person} - {""}))
    assert sight.covers(group, user, checker) is (group in groups or is_theirs)


@pytest.mark.parametrize(
    ("role", "operates", "writes"),
    [
        ("service", False, True),
        ("reader", False, False),
        ("operator", True, True),
        ("worker", False, False),
        ("lead", False, False),
        ("admin", True, True),
    ],
)
def test_what_a_role_may(role: Role | PersonRole, operates: bool, writes: bool) -> None:
    identity = Identity("x", role, frozenset({"a"}))
    assert (identity.is_operator, identity.may_write) == (operates, writes)
    assert identity.is_known_operator is operates
    assert identity.confined_to == (None if operates else frozenset({"a"}))
    assert identity.sees("b") is operates


def test_where_no_sign_in_is_needed_nobody_is_a_known_operator() -> None:
    assert ANYONE.is_operator
    assert not ANYONE.is_known_operator
    assert LOCAL_OPERATOR.is_known_operator


def test_a_person_without_groups_sees_no_group_and_such_a_token_all() -> None:
    person = Identity("Bo", "worker", person="1002")
    assert (person.confined_to, person.sees("a")) == (frozenset(), False)
    assert (UNBOUND.confined_to, UNBOUND.sees("a")) == (None, True)


def test_rights_are_told_in_words() -> None:
    assert ALICE.rights == "worker, a"
    assert Identity("x", "reader", frozenset({"b", "a"})).rights == "reader, a, b"
    assert UNBOUND.rights == "service, all groups"
    assert Identity("Bo", "lead", frozenset({EVERYBODYS}), person="2").rights == "lead, no group"


def test_a_token_s_hash_is_told_by_no_log() -> None:
    """Identities are logged and stand in error messages."""
    assert "d1ce" not in repr(Identity("x", "service", key="d1ce"))
    assert Identity("x", "service", key="d1ce") != Identity("x", "service")
    assert Identity("x", "service").key == ""


def test_each_role_of_tokens_is_explained() -> None:
    assert set(ROLES) == {"service", "reader", "operator", "ping"}


def test_one_table_says_what_each_role_may() -> None:
    for role in ROLES:
        one = Identity("n", role)
        assert (one.signs_in, one.may_write) == (role != "ping", role in ("service", "operator"))
    assert Identity("Root", "admin", person="1").may_write
    assert not Identity("Bo", "lead", person="2").may_write
    assert Identity("Bo", "worker", person="2").signs_in


@pytest.mark.parametrize(
    ("task_id", "may"),
    [
        *(
            ("db", True),
            ("db-1", True),
            ("db/1", True),
            ("db.x", True),
            ("db_", True),
            ("db 2", True),
        ),
        *(("db1", False), ("dbs-1", False), ("dbé", False), ("db三", False), ("db²", False)),
        *(("db\u200b1", False), ("db\u2060", False), ("db\u0301", False), ("db\u00ad1", False)),
        *(("d", False), ("", False), ("DB", False), ("x/db", False)),
    ],
)
def test_an_id_begins_with_a_token_s_name_at_a_boundary(task_id: str, may: bool) -> None:
    """The token of `db` must not ping what another of the name `db1` pings."""
    assert Identity("db", "ping").may_ping(task_id) is may
    assert Identity("db", "service").may_ping(task_id)
    for role in ("reader", "operator"):
        assert not Identity("db", role).may_ping(task_id)
    assert not Identity("db", "admin", person="1").may_ping(task_id)
