"""How requests are declared: parsing by hand agrees with the declaration, and null is nothing."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vectors import load

from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.connections import SignIn
from taskdash_protocol.families.people import Claim
from taskdash_protocol.families.tasks import Find, Register, Update
from taskdash_protocol.fields import CONTROL_FIELDS, DAEMON_FIELDS, TASK_FIELDS
from taskdash_protocol.request import Request, declared_fields, is_required, member_of, reader_of
from taskdash_protocol.requests import REQUESTS, request_classes

ACCEPTED: dict[str, dict[str, Any]] = {
    vector["request"]: json.loads(vector["body"])
    for vector in reversed(load("requests"))
    if vector["valid"]
}
"""The first accepted body of each request."""

_NAMES = (*TASK_FIELDS, *CONTROL_FIELDS, *DAEMON_FIELDS, "errid", "errmsg", "progress")
_VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 90_000)
    | st.floats(-1, 1e5)
    | st.text(max_size=3)
    | st.sampled_from(["a", "x" * 128, "x" * 129, "a\0", "a\n", "\x7f", "\u2028", [], {}])
)
_BODIES = st.fixed_dictionaries({}, optional={"id": st.just("a"), "name": st.just("n")}).flatmap(
    lambda sound: st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=5).map(
        lambda others: {**others, **sound}
    )
)


def outcome(parse: Any, body: Mapping[str, Any]) -> Any:
    """Give the request that a body is read as, or the sentence that refuses it."""
    try:
        return parse(body)
    except BadRequest as error:
        return error.detail


def as_declared(kind: type[Request], body: Mapping[str, Any]) -> Any:
    """Read a body by the declaration alone, whatever the class does by hand."""
    return Request.parse.__func__(kind, body)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [Register, Update, Find])
@given(body=_BODIES)
@example(body={"id": "a", "name": "n", "own": False, "epoch": "1"})
@example(body={"id": "a", "own": 1, "fenced": 1})
def test_what_is_read_by_hand_is_read_as_it_is_declared(
    kind: type[Request], body: dict[str, Any]
) -> None:
    """Both give the same request, fields in the same order, or the same refusal, word for word."""
    by_hand = outcome(kind.parse, body)
    declared = outcome(lambda one: as_declared(kind, one), body)
    assert by_hand == declared
    if isinstance(by_hand, Register | Update):
        assert list(by_hand.fields) == list(declared.fields)


@pytest.mark.parametrize("name", ACCEPTED)
def test_null_is_the_same_as_leaving_out(name: str) -> None:
    """So it is in each field that a request declares, but for the strings of a task."""
    kind, body = REQUESTS[name], ACCEPTED[name]
    for one in declared_fields(kind):
        if reader_of(one).of_body:
            continue
        name = member_of(one)
        with_null = outcome(kind.parse, {**body, name: None})
        left_out = {member: value for member, value in body.items() if member != name}
        assert with_null == outcome(kind.parse, left_out)
        assert isinstance(with_null, str) is is_required(one)


def test_who_may_ask_before_they_have_said_who_they_are() -> None:
    asked = {one: one.signs_in for one in request_classes() if one.signs_in is not None}
    assert asked == {REQUESTS["Hello"]: "token", SignIn: "token", REQUESTS["Login"]: "person"}


def test_what_is_about_a_connection_is_not_asked_over_http() -> None:
    refused = {one for one in request_classes() if not one.over_http}
    assert refused == {SignIn, *(REQUESTS[name] for name in ("Hello", "Watch", "Unwatch"))}


def test_signing_in_and_out_changes_the_cookie() -> None:
    assert {name for name, one in REQUESTS.items() if one.sets_cookie} == {"Login", "Logout"}


@pytest.mark.parametrize(
    "name",
    [
        *("Register", "Update", "Find"),
        *("Claim", "Begin", "Release", "Assign", "Submit", "Approve", "Reject"),
    ],
)
def test_a_request_about_a_task_needs_it_in_memory(name: str) -> None:
    request = REQUESTS[name].parse(ACCEPTED[name])
    assert request.task_ids() == (ACCEPTED[name]["id"],)


@pytest.mark.parametrize("name", ["Query", "Handover", "FetchTasks", "Hello"])
def test_a_request_that_looks_for_tasks_itself_needs_none_in_memory(name: str) -> None:
    assert REQUESTS[name].parse(ACCEPTED[name]).task_ids() == ()


def test_what_takes_a_task_over_counts_as_its_service() -> None:
    """A Register always does; an Update, unless it leaves the task to its owner; a claim never."""
    assert Register.parse({"id": "a", "name": "n"}).counts_as_service()
    assert Update.parse({"id": "a"}).counts_as_service()
    assert not Update.parse({"id": "a", "own": False}).counts_as_service()
    assert not Claim.parse({"id": "a"}).counts_as_service()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Hello", {"protocol": 1}),
        ("Query", {}),
        ("Query", {"where": {"user": ["a"]}, "limit": 7}),
        ("Update", {"id": "a", "status": "x"}),
        ("Update", {"id": "a", "own": False}),
        ("Audit", {"kinds": ["updated"]}),
        ("Handover", {"of": "1001", "to": ["1002"]}),
    ],
)
def test_what_is_left_out_is_not_sent(name: str, body: dict[str, Any]) -> None:
    """A client sends the fields that were given, and no defaults."""
    assert REQUESTS[name].parse(body).to_body() == body


def test_a_request_has_no_room_for_what_is_not_declared() -> None:
    """A misspelt attribute is an error, and no request carries a dict of its own."""
    for one in request_classes():
        assert "__dict__" not in dir(one)
