"""Numbers and names are taken as they are meant; a refusal is in the reader's words."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from desk import Desk
from office import Office
from playwright.sync_api import Browser, Page, expect

from taskdash_protocol import errors
from taskdash_protocol.families.people import Login
from taskdash_protocol.families.tasks import Query
from taskdash_protocol.requests import REQUESTS

STATIC = Path(__file__).parents[2] / "taskdashd/web/static"


@pytest.fixture
def stranger(browser: Browser, office: Office) -> Iterator[Page]:
    """Give the page as somebody finds it who reads Chinese and is not signed in."""
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(office.url)
    expect(page.locator("input[name=user]")).to_be_visible()
    yield page
    context.close()


def enters(page: Page, user: str, name: str) -> None:
    page.locator("input[name=user]").fill(user)
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=name]").press("Enter")


def test_a_number_and_a_name_are_put_as_they_are_meant_before_they_are_sent(
    stranger: Page, office: Office
) -> None:
    enters(stranger, "１０\u200b０１ ", "Ann\u3000 Li ")
    expect(stranger.locator("dialog.signin")).to_have_count(0)
    expect(stranger.locator("nav")).to_be_visible()
    assert stranger.evaluate("Object.values({...sessionStorage, ...localStorage}).join()").count(
        "1001"
    )


def test_a_number_is_put_as_it_is_meant_as_soon_as_somebody_goes_on(stranger: Page) -> None:
    stranger.locator("input[name=user]").fill("１０\u200b０２\u3000")
    stranger.locator("input[name=name]").fill("玛丽・ 安 ")
    stranger.locator("input[name=user]").focus()
    assert stranger.locator("input[name=user]").input_value() == "1002"
    assert stranger.locator("input[name=name]").input_value() == "玛丽· 安"


def test_whoever_types_no_number_reads_why_in_their_language_and_is_not_locked_out(
    stranger: Page,
) -> None:
    """However often: what cannot be a number is no wrong sign-in."""
    for _ in range(12):
        # Each is answered before the next: the words of the one before stand there still.
        with stranger.expect_response("**/api/v1/Login*"):
            enters(stranger, "10$1", "某人")
        expect(stranger.get_by_role("alert")).to_have_text(
            "“工号”不是有效的工号，只能使用字母、数字和 . @ + - _"
        )
    enters(stranger, "1001", "Ann Li")
    expect(stranger.locator("nav")).to_be_visible()


def test_a_search_for_too_much_is_refused_in_the_readers_language(stranger: Page) -> None:
    enters(stranger, "1001", "Ann Li")
    expect(stranger.locator("nav")).to_be_visible()
    stranger.goto(f"{stranger.url.split('#')[0]}#/list?q=a+b+c+d+e+f+g+h+i+j+k")
    expect(stranger.locator("body")).to_contain_text("最多搜索 10 个词。")
    stranger.get_by_role("searchbox").fill("剪" * 257)
    expect(stranger.locator("body")).to_contain_text("“搜索”过长，最多 256 个字符。")
    expect(stranger.locator("body")).not_to_contain_text("field contains")


def test_a_word_of_several_lines_is_one_line(seat: Callable[..., Desk], office: Office) -> None:
    lead = seat("1004", "赵组长")
    lead.does("Reject", "Colour")
    lead.page.fill("dialog [name=reason]", "too dark\n  and too long")
    lead.page.click("dialog button.primary")
    expect(lead.page.locator("dialog")).to_have_count(0)
    assert office.ask("Find", id="cut-3")["reason"] == "too dark and too long"


def test_each_cause_and_each_errid_has_words_in_both_languages() -> None:
    spoken: dict[str, set[str]] = {}
    for path in STATIC.rglob("words.json"):
        for language, said in json.loads(path.read_text()).items():
            spoken.setdefault(language, set()).update(said)
    errids = [
        one.errid
        for one in vars(errors).values()
        if isinstance(one, type) and getattr(one, "errid", -1) > 0
    ]
    wanted = {f"cause.{one}" for one in get_args(errors.Cause) if one}
    wanted |= {f"errid.{errid}" for errid in errids}
    for said in spoken.values():
        assert not wanted - said


TYPED = {
    "Acknowledge": ("word",),
    "Login": ("user", "name", "password"),
    "Query": ("contains",),
    "Reject": ("reason",),
    "SetLabels": ("add",),
    "SetPerson": ("user", "name", "groups", "leads", "password"),
}


def test_each_field_that_people_type_in_has_a_name_in_both_languages() -> None:
    """A refusal names it: by what the daemon calls it nobody knows it."""
    for request, fields in TYPED.items():
        readers = {one.name for one in dataclasses.fields(REQUESTS[request])}
        assert readers.issuperset(fields)
    typed = {field for fields in TYPED.values() for field in fields}
    for language in ("en", "zh"):
        named = {
            name.partition(".")[2]
            for path in STATIC.rglob("words.json")
            for name in json.loads(path.read_text())[language]
            if name.startswith(("field.", "person."))
        }
        assert not typed - named


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({"user": "10$1"}, "no-number"),
        ({"user": "\u200b"}, "no-number"),
        ({"user": "x" * 65}, "too-long"),
        ({"user": "1001", "name": "\ufdfa" * 64}, "too-long"),
        ({"user": "1001", "name": "a\x01"}, "characters"),
    ],
)
def test_what_is_refused_of_a_form_has_a_cause(body: dict[str, str], cause: str) -> None:
    with pytest.raises(errors.BadRequest) as refused:
        Login.parse(body)
    assert refused.value.cause == cause


def test_a_search_for_too_much_has_a_cause() -> None:
    for contains, cause in (("x" * 257, "too-long"), ("a b c d e f g h i j k", "too-many-words")):
        with pytest.raises(errors.BadRequest) as refused:
            Query.parse({"contains": contains})
        assert refused.value.cause == cause
