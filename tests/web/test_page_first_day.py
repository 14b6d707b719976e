"""The first day of a worker: what the board says to somebody who knows nothing of it yet."""

import re
from collections.abc import Callable

import pytest
from desk import Desk
from office import Office
from playwright.sync_api import Browser, expect

TEXTS = re.compile(r"import taskdash|taskdash-ctl|daemon")
CUT_OFF = """() => [...document.querySelectorAll('.card *')]
  .filter(one => one.closest('.meta, .foot'))
  .filter(one => getComputedStyle(one).display !== 'inline' && one.scrollWidth > one.clientWidth)
  .map(one => one.textContent)"""
OFF_CENTRE = """() => [...document.querySelectorAll('nav a, .chooser button')]
  .filter(one => one.checkVisibility())
  .map(one => {
    const range = document.createRange();
    range.selectNodeContents(one);
    const text = range.getBoundingClientRect(), box = one.getBoundingClientRect();
    const above = text.top - box.top, below = box.bottom - text.bottom;
    return [one.textContent, Math.round(above - below)];
  })
  .filter(([, off]) => Math.abs(off) > 3)"""


@pytest.fixture
def newcomer(office: Office, seat: Callable[..., Desk]) -> Desk:
    """Seat somebody whom the office has given a number, and no group."""
    office.ask("SetPerson", user="2001", name="李雷")
    return seat("2001", "李雷", view="mine")


def test_who_is_given_a_group_is_told_at_once_what_there_is_to_claim(
    office: Office, newcomer: Desk
) -> None:
    page = newcomer.page
    expect(page.locator(".newcomer")).to_be_visible()
    expect(page.locator(".welcome")).to_contain_text("Nothing waits for you.")
    office.ask("SetPerson", user="2001", groups=["cut"])
    expect(page.locator(".newcomer")).to_have_count(0)
    expect(page.get_by_role("link", name="To claim: 2")).to_be_visible()


def test_a_worker_is_shown_no_program(newcomer: Desk) -> None:
    page = newcomer.page
    newcomer.go("services")
    expect(page.locator(".welcome")).to_have_text("No service of your groups has registered.")
    newcomer.go("day")
    expect(page.locator("main")).to_contain_text("as TaskDash has counted them")
    expect(page.locator("main")).not_to_contain_text(TEXTS)


def test_an_office_without_tasks_shows_its_program_to_who_sets_it_up(
    open_office: Callable[..., Office], browser: Browser
) -> None:
    office = open_office()
    for user, name, programs in (
        ("1001", "Ann Li", 2),
        ("1003", "Eve Stone", 0),
        ("1005", "Root", 2),
    ):
        if not programs:
            office.people()
        desk = Desk(browser, office.url, user, name)
        expect(desk.page.locator(".welcome")).to_contain_text("No tasks yet")
        expect(desk.page.locator(".welcome pre")).to_have_count(programs)
        desk.close()


def test_a_column_that_a_filter_empties_does_not_say_that_there_is_nothing(
    seat: Callable[..., Desk],
) -> None:
    ann = seat("1001", "Ann Li")
    free = ann.page.locator(".column.free")
    expect(ann.card("Poster")).to_be_visible()
    ann.search.fill("no such words")
    expect(free.locator(".nothing")).to_have_text("Nothing here matches.")


def test_opening_a_task_shows_no_link_over_the_bar(seat: Callable[..., Desk]) -> None:
    ann = seat("1001", "Ann Li")
    link = ann.card("Poster").get_by_role("link", name="Poster")
    for press in (link.click, lambda: link.press("Enter")):
        expect(link).to_be_visible()
        press()
        expect(ann.page.get_by_role("heading", name="Poster")).to_be_visible()
        expect(ann.page.get_by_role("button", name="Claim: Poster")).to_be_visible()
        expect(ann.page.locator("#main")).to_be_focused()
        ann.go("board")


def test_who_did_it_in_another_tab_is_not_told_that_they_were_too_late(
    office: Office, seat: Callable[..., Desk]
) -> None:
    ann = seat("1001", "Ann Li")
    expect(ann.card("开场剪辑")).to_be_visible()
    ann.does("Submit", "开场剪辑")
    form = ann.page.get_by_role("dialog")
    form.get_by_label("Note").fill("as agreed")
    office.ask("Submit", id="cut-1", user="1001")
    form.get_by_role("button", name="Submit").click()
    said = "This task is yours, but its state has changed meanwhile."
    expect(form.get_by_role("alert")).to_have_text(said)
    expect(form.get_by_label("Note")).to_have_value("as agreed")
    ann.forgives("409")


def test_nothing_of_a_card_is_cut_off(seat: Callable[..., Desk]) -> None:
    wang = seat("1002", "王小明", viewport={"width": 1280, "height": 800})
    expect(wang.card("Trailer, 30 s")).to_contain_text("left")
    expect(wang.card("Index films")).to_contain_text("sec. ago")
    assert wang.page.evaluate(CUT_OFF) == []


def test_a_phone_shows_words_amid_what_is_tapped_and_no_keys(seat: Callable[..., Desk]) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    ann = seat("1001", "Ann Li", **phone)
    expect(ann.page.locator(".chooser button").first).to_be_visible()
    assert ann.page.evaluate(OFF_CENTRE) == []
    expect(ann.search).to_have_attribute("placeholder", "Search")
    claim = ann.page.get_by_role("button", name="Claim: Poster")
    expect(claim).to_be_visible()
    box = claim.bounding_box()
    assert box is not None
    assert box["height"] >= 36


def test_chinese_says_a_state_once_and_calls_release_otherwise_than_rejection(
    seat: Callable[..., Desk],
) -> None:
    ann = seat("1001", "Ann Li", view="task/cut-1", locale="zh-CN")
    row = ann.page.locator("dl.fields dd").first
    expect(row).to_have_text("编辑中")
    expect(ann.page.get_by_role("button", name="放回：开场剪辑")).to_be_visible()
