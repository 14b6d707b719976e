"""What somebody has typed is kept: where it is refused, and where their sign-in ends meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
from desk import Desk
from office import Office
from playwright.sync_api import expect
from relay import Relay

PASSWORD = "correct horse battery"


def typing(ann: Desk) -> Desk:
    """Have Ann type a word with what she hands in, and a search under it."""
    expect(ann.card("Poster", "free")).to_be_visible()
    ann.search.fill("剪")
    expect(ann.card("Poster")).to_have_count(0)
    ann.does("Submit", "开场剪辑")
    ann.page.get_by_role("textbox", name="Note").fill("only for the lead's eyes")
    return ann


@pytest.fixture
def ann(seat: Callable[..., Desk]) -> Desk:
    """Seat Ann, who types."""
    return typing(seat("1001", "Ann Li"))


def by_logout(office: Office) -> None:
    office.ask("Logout", user="1001", everywhere=True)


def by_password(office: Office) -> None:
    office.ask("SetPerson", user="1001", password=PASSWORD)


@pytest.mark.parametrize("end", [by_logout, by_password])
def test_words_stay_until_the_same_person_is_back(
    office: Office, ann: Desk, end: Callable[[Office], None]
) -> None:
    end(office)
    asked = ann.page.locator("dialog.signin")
    expect(asked).to_contain_text("The sign-in of Ann Li has ended")
    # Nothing that is under it can be seen by whoever presses Escape.
    for _ in range(3):
        ann.page.keyboard.press("Escape")
    expect(asked).to_be_visible()
    if end is by_password:
        asked.locator("summary").click()
        ann.page.get_by_label("Password").fill(PASSWORD)
    ann.signs_in("1001")
    note = ann.page.get_by_role("textbox", name="Note")
    expect(note).to_have_value("only for the lead's eyes")
    expect(note).to_be_focused()
    note.press("Control+Enter")
    expect(ann.card("开场剪辑", "review")).to_contain_text("only for the lead's eyes")
    expect(ann.search).to_have_value("剪")
    expect(ann.card("Poster")).to_have_count(0)
    ann.forgives("WebSocket", "401")


def test_another_person_finds_nothing_of_it(office: Office, ann: Desk) -> None:
    by_logout(office)
    ann.signs_in("1002", "王小明")
    expect(ann.card("Poster", "free")).to_be_visible()
    expect(ann.page.get_by_role("dialog")).to_have_count(0)
    expect(ann.search).to_have_value("")
    assert "only for" not in ann.page.content()
    # Nor by the keys of the browser: what was searched for stands in its history.
    ann.page.go_back()
    expect(ann.page.get_by_role("navigation")).to_be_visible()
    ann.page.go_forward()
    expect(ann.search).to_have_value("")
    expect(ann.card("Poster", "free")).to_be_visible()
    assert "q=" not in ann.page.url
    ann.forgives("WebSocket", "401")


def test_nor_does_who_signs_in_after_somebody_has_gone(ann: Desk) -> None:
    ann.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    ann.page.get_by_role("button", name="Sign out").click()
    ann.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    ann.signs_in("1002", "王小明")
    expect(ann.card("Poster", "free")).to_be_visible()
    expect(ann.search).to_have_value("")
    assert "q=" not in ann.page.url
    ann.forgives("WebSocket", "401")


def test_a_sign_in_that_ends_in_silence_keeps_them_too(
    office: Office, relay: Relay, seat: Callable[..., Desk]
) -> None:
    desk = seat("1001", "Ann Li", f"http://{relay.address}")
    desk.does("Submit", "开场剪辑")
    desk.page.get_by_role("textbox", name="Note").fill("look at 00:41")
    relay.sleep()
    office.ask("Logout", user="1001", everywhere=True)
    relay.wake()
    expect(desk.page.locator("dialog.signin")).to_be_visible()
    desk.signs_in("1001")
    expect(desk.page.get_by_role("textbox", name="Note")).to_have_value("look at 00:41")
    desk.forgives("WebSocket", "401", "ERR_")


def test_a_language_chosen_at_the_sign_in_costs_no_words(
    office: Office, seat: Callable[..., Desk]
) -> None:
    # The form knows who has signed in by it last.
    ann = typing(seat("1001", "Ann Li", by_form=True))
    by_logout(office)
    asked = ann.page.locator("dialog.signin")
    asked.get_by_role("combobox", name="Language").select_option("zh")
    expect(asked).to_contain_text("重新登录")
    asked.get_by_role("button", name="登录").click()
    expect(asked).to_have_count(0)
    expect(ann.page.get_by_role("dialog").locator("textarea")).to_have_value(
        "only for the lead's eyes"
    )
    expect(ann.page.locator(".column.editing h2")).to_have_text("编辑中")
    ann.forgives("WebSocket", "401")


def test_what_is_typed_at_the_sign_in_stays_where_it_is_refused(office: Office, ann: Desk) -> None:
    by_password(office)
    asked = ann.page.locator("dialog.signin")
    expect(asked).to_be_visible()
    number = asked.get_by_role("textbox", name="Employee number")
    number.fill("1001")
    asked.locator("summary").click()
    asked.get_by_label("Password").fill("wrong horse")
    asked.get_by_role("button", name="Sign in").click()
    expect(asked.get_by_role("alert")).to_contain_text("do not belong together")
    expect(number).to_have_value("1001")
    expect(asked.get_by_label("Password")).to_have_value("wrong horse")
    asked.get_by_label("Password").fill(PASSWORD)
    asked.get_by_role("button", name="Sign in").click()
    expect(ann.page.get_by_role("textbox", name="Note")).to_have_value("only for the lead's eyes")
    ann.forgives("WebSocket", "401", "403")


def test_a_handover_to_nobody_stays_open(seat: Callable[..., Desk]) -> None:
    desk = seat("1005", "Root", view="people")
    row = desk.page.get_by_role("listitem").filter(has_text="1001")
    row.get_by_role("button", name="Hand over").click()
    form = desk.page.get_by_role("dialog")
    form.get_by_role("textbox").fill("three weeks away")
    form.get_by_role("button", name="Hand over").click()
    expect(form.get_by_role("alert")).not_to_be_empty()
    expect(form.get_by_role("textbox")).to_have_value("three weeks away")
    form.get_by_role("checkbox", name="王小明").check()
    form.get_by_role("button", name="Hand over").click()
    expect(form).not_to_contain_text("three weeks away")


def test_an_account_that_is_refused_stays_open(seat: Callable[..., Desk]) -> None:
    desk = seat("1005", "Root", view="people")
    desk.page.get_by_role("button", name="Add a person").click()
    form = desk.page.get_by_role("dialog")
    typed: dict[str, Any] = {"Employee number": "1077", "Name": "New One", "Password": "short"}
    for name, text in typed.items():
        form.get_by_role("textbox", name=name, exact=True).fill(text)
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("characters")
    for name, text in typed.items():
        expect(form.get_by_role("textbox", name=name, exact=True)).to_have_value(text)
    expect(form.get_by_role("button", name="Save")).to_be_focused()
    form.get_by_role("button", name="Cancel").click()
    expect(form).to_have_count(0)
