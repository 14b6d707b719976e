"""The board in a real browser: filters, keys, and text that stays text."""

import re
from pathlib import Path
from typing import Any

import pytest
from office import FREE, Office
from playwright.sync_api import Browser, Locator, Page, expect
from screens import signed_in

PLACES = ["mine", "work", "people", "house"]
VIEWS = ["board", "list", "people", "groups", "services", "now", "day", "task/evil"]


def card(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has_text=name)


def test_a_column_shows_what_was_behind_those_that_moved_on(
    browser: Browser, tmp_path: Path
) -> None:
    with Office(tmp_path) as office:
        office.people()
        office.many(130)
        with signed_in(browser, office.url, "1001", "Ann Li") as page:
            free = page.locator(".column.free")
            expect(free.locator(".card")).to_have_count(60)
            expect(free.get_by_role("link", name="Show all")).to_be_visible()
            for number in range(129, 69, -1):
                office.ask("Claim", id=f"many-{number:05}", user="1002")
            expect(free.locator(".card").first).to_contain_text("Task 69")
            expect(free.locator(".count")).to_have_text("70")


def test_filters_live_in_the_url(browser: Browser, furnished: Office) -> None:
    """A URL with filters can be sent to somebody."""
    with signed_in(browser, furnished.url, "1005", "Root") as page:
        page.get_by_role("combobox", name="Group").select_option("paint")
        expect(card(page, "Poster")).to_have_count(0)
        expect(card(page, "Matte, shot 9")).to_be_visible()
        assert "group=paint" in page.url
        page.keyboard.press("/")
        page.keyboard.type("matte")
        expect(card(page, "背景绘制")).to_have_count(0)
        page.reload()
        expect(card(page, "Matte, shot 9")).to_be_visible()
        expect(card(page, "Sky, shot 4")).to_have_count(0)
        page.get_by_role("button", name="Clear").click()
        expect(card(page, "Poster")).to_be_visible()


def test_everything_works_by_the_keyboard(browser: Browser, furnished: Office) -> None:
    focused = "document.activeElement.closest('.card').dataset.id"
    with signed_in(browser, furnished.url, "1005", "Root") as page:
        keys = page.keyboard
        # Each column is read by itself.
        for name in ("Poster", "Trailer, 30 s"):
            expect(card(page, name)).to_be_visible()
        page.locator(".card a.name").first.focus()
        first = page.evaluate(focused)
        keys.press("ArrowDown")
        second = page.evaluate(focused)
        keys.press("ArrowRight")
        third = page.evaluate(focused)
        assert len({first, second, third}) == 3
        page.locator("#skip").focus()
        keys.press("Enter")
        expect(page.locator(".board")).to_be_visible()
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator(".card a.name").first.focus()
        keys.press("Enter")
        expect(page.locator(".taskhead h1")).to_be_visible()
        page.go_back()
        expect(page.locator(".board")).to_be_visible()
        for number, place in enumerate(PLACES):
            keys.press(str(number + 1))
            expect(page.locator(f"body[data-place={place}]")).to_be_visible()
        keys.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Claim")
        expect(page.get_by_role("dialog")).to_contain_text("Undo")
        keys.press("Escape")
        page.goto(f"{furnished.url}/#/list")
        expect(page.locator(".listrow").first).to_be_visible()
        page.locator(".scroll").focus()
        keys.press("ArrowDown")
        keys.press("ArrowDown")
        expect(page.locator(".listrow a:focus")).to_have_count(1)


@pytest.mark.fault(40)
def test_names_are_text_whatever_they_hold(browser: Browser, furnished: Office) -> None:
    """Markup in any field is shown as it is, in every view."""
    evil = "<img src=x onerror=alert(1)>\"'`${1}&lt;"
    texts = dict.fromkeys(("group_id", "description", "reason", "progress", "project_id"), evil)
    furnished.task("evil", evil, FREE, url="javascript:alert(1)", **texts)
    furnished.ask("SetPerson", user="1666", name=evil[:64], groups=[evil])
    dialogs: list[Any] = []
    with signed_in(browser, furnished.url, "1005", "Root") as page:
        page.on("dialog", lambda dialog: dialogs.append(dialog))
        for view in VIEWS:
            page.goto(f"{furnished.url}/#/{view}")
            expect(page.locator("#main > *").first).to_be_attached()
            page.wait_for_load_state("networkidle")
        expect(page.locator(".taskhead h1")).to_have_text(evil)
        assert page.locator("a[href^='javascript']").count() == 0
        assert page.locator("#main img").count() == 0
        page.goto(f"{furnished.url}/#/groups")
        expect(page.get_by_text(re.compile("^<img src=x")).first).to_be_visible()
    assert dialogs == []
    furnished.ask("Update", id="evil", status="cancelled", group_id="", reason="", own=False)
