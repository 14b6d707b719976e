"""How any request is read and written by its declaration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.tasks import Find, Register
from taskdash_protocol.readers import boolean, declare, integer, string, texts
from taskdash_protocol.request import (
    AboutTask,
    Reader,
    Request,
    declared_fields,
    is_required,
    reader_of,
)
from taskdash_protocol.requests import REQUESTS, request_classes


def whole(_name: str, body: Any) -> dict[str, Any]:
    return {"seen": sorted(body)}


@dataclass(frozen=True, slots=True)
class Example(Request):
    """A request of every kind of field."""

    request_id = "Example"

    number: int = integer("A number.", must="be whole")
    rest: Mapping[str, Any] = declare(Reader("All of it.", whole, {"type": "object"}, of_body=True))
    words: tuple[str, ...] = texts("Words.", characters_max=9, many_max=9, default=("a",))
    more: Mapping[str, Any] = declare(
        Reader("More.", lambda _name, value: value, {}), default_factory=dict
    )
    name: str | None = string("A name.", default=None)
    flag: bool = boolean("A flag.", default=True)


def test_a_body_is_read_field_by_field() -> None:
    body = {"number": 7, "words": ["b"], "more": {"x": 1}, "name": "n", "flag": False, "odd": 1}
    assert Example.parse(body) == Example(7, {"seen": sorted(body)}, ("b",), {"x": 1}, "n", False)
    assert Example.parse({"number": 0}) == Example(0, {"seen": ["number"]})
    assert Example.parse({"number": 0, "words": None, "name": None}).words == ("a",)


def test_each_request_has_defaults_of_its_own() -> None:
    one, other = Example.parse({"number": 1}), Example.parse({"number": 1})
    assert one.more == {}
    assert one.more is not other.more


def test_a_required_field_that_is_missing_is_named() -> None:
    for body in ({}, {"number": None}):
        with pytest.raises(BadRequest, match=r"^field number must be whole$"):
            Example.parse(body)


def test_what_is_written_is_read_as_the_same() -> None:
    """Defaults are left out, but never what must be given; a tuple is a list in JSON."""
    assert Example.parse({"number": 0}).to_body() == {"number": 0, "seen": ["number"]}
    full = Example(7, {}, ("b", "c"), {"x": ("y",), "z": {"q": ("r",)}}, "", False)
    assert full.to_body() == {
        "number": 7,
        "words": ["b", "c"],
        "more": {"x": ["y"], "z": {"q": ["r"]}},
        "name": "",
        "flag": False,
    }
    assert type(full.to_body()["words"]) is list
    assert Example(7, {}, (), {}, None, True).to_body() == {"number": 7, "words": []}


@pytest.mark.parametrize(
    "given",
    [
        Register.parse({"id": "a", "name": "n", "x": [1], "status": ""}),
        Register("a", {"name": "n", "id": "b"}, 30.0, 0, False),
        Register("a", {}, None, 7, True),
    ],
)
def test_a_register_written_by_hand_is_as_it_is_declared(given: Register) -> None:
    """Member by member, in the same order."""
    assert list(given.to_body().items()) == list(Request.to_body(given).items())


def test_a_request_says_which_tasks_it_is_about() -> None:
    assert Example.parse({"number": 1}).task_ids() == ()
    assert not Example.parse({"number": 1}).counts_as_service()
    assert Find("a").task_ids() == ("a",)
    assert issubclass(Find, AboutTask)


def test_the_declaration_of_a_request_can_be_asked_for() -> None:
    required = {one.name: is_required(one) for one in declared_fields(Example)}
    assert required == {
        "number": True,
        "rest": True,
        "words": False,
        "more": False,
        "name": False,
        "flag": False,
    }
    assert reader_of(declared_fields(Example)[0]).about == "A number."
    assert reader_of(declared_fields(Example)[0]).of_body is False


def test_every_request_is_found_by_its_name_and_none_else() -> None:
    """Classes that a family only imports are not its requests."""
    found = list(request_classes())
    assert len(found) == len(set(found))
    assert {one for one in found if one.request_id} == set(REQUESTS.values())
    assert all(REQUESTS[name].request_id == name for name in REQUESTS)
    assert {"Register", "Hello", "Claim", "Status", "Figures"} <= REQUESTS.keys()
    assert AboutTask not in found
    assert Request not in found
    assert sum(not one.request_id for one in found) == 1
