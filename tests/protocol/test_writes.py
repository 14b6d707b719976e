"""Register and Update, read by hand: what is kept, what steers, and what is refused."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash_protocol import writes
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.tasks import Find, Query, Register, Update
from taskdash_protocol.fields import (
    CONTROL_FIELDS,
    DAEMON_FIELDS,
    DAEMON_OBJECTS,
    PEOPLE_FIELDS,
    TASK_FIELDS,
)
from taskdash_protocol.readers import without_credentials

NAMED = {"id": "a", "name": "n"}


def refusal(kind: type[Register | Update | Find], **body: Any) -> str:
    with pytest.raises(BadRequest) as refused:
        kind.parse(body)
    return refused.value.detail


def test_a_register_has_every_field_of_a_task_and_what_else_was_sent() -> None:
    request = Register.parse({**NAMED, "extra": [1], "user": "u"})
    empty = dict.fromkeys(TASK_FIELDS, "")
    assert request.fields == {**empty, **NAMED, "user": "u", "extra": [1]}
    assert list(request.fields) == [*TASK_FIELDS, "extra"]
    assert (request.heartbeat_timeout, request.epoch, request.fenced) == (None, None, None)


def test_an_update_has_what_was_sent_and_owns_the_task() -> None:
    request = Update.parse({"id": "a", "extra": None})
    assert request == Update("a", {"id": "a", "extra": None}, None, None, None, True)
    assert Update.parse({"id": "a", "own": None, "epoch": 1}).own is True
    assert Update.parse({"id": "a", "own": True}).own is True
    assert Update.parse({"id": "a", "own": False}).own is False


@pytest.mark.parametrize("kind", [Register, Update])
def test_what_steers_the_write_or_is_the_daemon_s_is_no_part_of_the_task(
    kind: type[Register | Update],
) -> None:
    steering = {"heartbeat_timeout": 5, "epoch": 3, "fenced": True, "own": True}
    theirs = dict.fromkeys((*DAEMON_FIELDS, *DAEMON_OBJECTS, *PEOPLE_FIELDS), "forged")
    strangers = {**theirs, "errid": 0, "errmsg": "x", **steering}
    request = kind.parse({**NAMED, "extra": 1, **strangers, "epoch": 3})
    assert not request.fields.keys() & strangers.keys()
    assert request.fields["extra"] == 1
    assert (request.heartbeat_timeout, request.epoch, request.fenced) == (5, 3, True)
    steers = {*CONTROL_FIELDS, "errid", "errmsg"}
    assert set(strangers) == writes.NOT_KEPT == {*theirs, *steers}


URLS = [
    ("http://me:secret@pi:80/x?y=a@b#c@d", "http://pi:80/x?y=a@b#c@d"),
    ("https://td_token@pi", "https://pi"),
    ("http://a@b:c@d@pi/", "http://pi/"),
    ("http://me:sec\\ret@pi/", "http://pi/"),
    ("http://me:secret@//me:secret@pi/", "http://pi/"),
    ("HTTP:\\\\me:secret@pi", "HTTP:\\\\pi"),
    ("http:///me:secret@pi", "http:///pi"),
    ("redis://:secret@pi/0", "redis://pi/0"),
    ("//me:secret@pi", "//pi"),
    ("http://a:b@c, http://d:e@f", "http://c, http://f"),
    ("http://proxy/http://me:secret@pi", "http://proxy/http://pi"),
]


@pytest.mark.parametrize(("url", "kept"), URLS)
def test_no_user_and_no_secret_of_a_url_is_kept(url: str, kept: str) -> None:
    """Whoever sees the task would see it, in its log and for ever."""
    for kind in (Register, Update):
        assert kind.parse({**NAMED, "url": url}).fields["url"] == kept
        assert kind.parse({**NAMED, "url": kept}).fields["url"] == kept
    assert Query.parse({"where": {"url": [url, "x"]}}).where["url"] == (kept, "x")


@pytest.mark.parametrize("url", ["http://pi/a@b", "http://pi?a@b", "me@pi", "a://", "@", "http://"])
def test_a_url_without_credentials_stays_to_the_byte(url: str) -> None:
    assert Register.parse({**NAMED, "url": url}).fields["url"] == url


@given(st.text(st.sampled_from("ab:/@?#\\"), max_size=15))
def test_what_is_kept_of_a_url_has_no_credentials(url: str) -> None:
    kept = without_credentials(f"http://{url}")
    assert without_credentials(kept) == kept
    assert "@" not in urlsplit(kept.replace("\\", "/")).netloc


@pytest.mark.parametrize("name", [name for name in TASK_FIELDS if name != "id"])
def test_each_field_of_a_task_is_a_string_without_nul(name: str) -> None:
    for kind in (Register, Update):
        assert refusal(kind, **{**NAMED, name: 1}) == f"field {name} must be a string"
        said = f"field {name} must not hold the character NUL"
        assert refusal(kind, **{**NAMED, name: "a\0"}) == said
        null = refusal(kind, **{**NAMED, name: None})
        assert null == f"field {name} must be a string"
        assert kind.parse({**NAMED, name: "a\n\x7f"}).fields[name] == "a\n\x7f"


def test_a_register_needs_a_name_and_each_request_an_id() -> None:
    assert refusal(Register, id="a") == "field name is required"
    assert refusal(Register, name="n") == "field id is required"
    assert refusal(Update) == "field id is required"
    assert refusal(Find) == "field id is required"
    for kind in (Register, Update, Find):
        assert refusal(kind, id="", name="n") == "field id must have 1 to 128 characters"
        assert refusal(kind, id=7, name="n") == "field id must be a string"
        assert refusal(kind, id="a\n", name="n") == "field id must not hold control characters"
    assert Find.parse({"id": "a"}) == Find("a")


@pytest.mark.parametrize("kind", [Register, Update])
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("heartbeat_timeout", [0.4, 2_678_401, "5", True]),
        ("epoch", [1.0, "1", True, 2**63]),
        ("fenced", [1, "true"]),
        ("own", [1, "true"]),
    ],
)
def test_what_steers_the_write_is_checked(
    kind: type[Register | Update], name: str, wrong: list[Any]
) -> None:
    for value in wrong:
        assert refusal(kind, **{**NAMED, name: value}).startswith(f"field {name} must be ")
    for value in {"heartbeat_timeout": (0.5, 2_678_400), "epoch": (-1, 2**63 - 1)}.get(name, ()):
        assert getattr(kind.parse({**NAMED, name: value}), name) == value
    assert kind.parse({**NAMED, name: None}) == kind.parse(NAMED)


def test_a_register_always_takes_the_task() -> None:
    said = "field own: only an Update can leave a task to its owner"
    assert refusal(Register, **NAMED, own=False) == said
    assert Register.parse({**NAMED, "own": True}) == Register.parse(NAMED)


def test_a_body_is_not_changed_by_being_read() -> None:
    for kind in (Register, Update):
        body = {**NAMED, "epoch": 1, "rev": 7}
        kind.parse(body)
        assert body == {**NAMED, "epoch": 1, "rev": 7}


def test_the_task_is_described_with_its_fields() -> None:
    from taskdash_protocol.request import declared_fields, reader_of

    for kind, required in ((Register, ["name"]), (Update, None)):
        one = {field.name: reader_of(field) for field in declared_fields(kind)}
        schema = one["fields"].schema
        assert one["fields"].of_body
        assert schema.get("required") == required
        assert list(schema["properties"]) == list(TASK_FIELDS)
        assert schema["properties"]["id"]["maxLength"] == 128
        assert "maxLength" not in schema["properties"]["name"]
        assert schema["properties"]["name"]["description"] == TASK_FIELDS["name"]
        bounds = one["heartbeat_timeout"].schema
        assert (bounds["minimum"], bounds["maximum"]) == (0.5, 2_678_400)
