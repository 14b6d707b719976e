"""A lead's day: what is handed over to whom, what has died, the day in numbers, a list on paper."""

import re
from collections.abc import Callable

from desk import Desk
from office import Office
from playwright.sync_api import Locator, expect

Seat = Callable[..., Desk]


def hand_over(desk: Desk, name: str) -> Locator:
    """Open the form that gives somebody's work to others; pressed twice, it opens once."""
    button = desk.page.get_by_role("button", name=f"Hand over: {name}")
    expect(button).to_be_visible()
    button.dblclick()
    form = desk.page.get_by_role("dialog", name=f"Hand over the work of {name}")
    expect(form).to_be_visible()
    return form


def test_what_is_handed_over_is_said_before_and_by_its_name(office: Office, seat: Seat) -> None:
    """The result named ids, and the list of colleagues hid who has too much."""
    lead = seat("1004", "赵组长", view="people")
    form = hand_over(lead, "王小明")
    expect(form).to_contain_text("王小明 holds tasks: 2. To check for others: 0.")
    expect(form.locator("label", has_text="Ann Li")).to_have_text(
        re.compile(r"Ann Li \(1001\)\s+In work: 2$")
    )
    expect(form.locator("label", has_text="赵组长")).to_contain_text("holds nothing")
    form.get_by_label("Ann Li").check()
    form.get_by_role("button", name="Hand over").click()
    done = lead.page.get_by_role("dialog", name="Tasks moved: 2")
    expect(done.get_by_role("listitem")).to_have_text(
        ["Trailer, 30 s cut-2 → Ann Li", "Colour of scene 12 cut-3 → Ann Li"]
    )
    done.get_by_role("button", name="Close").click()
    expect(lead.page.get_by_role("dialog")).to_have_count(0)


def test_what_somebody_is_to_check_is_handed_over_though_they_hold_nothing(
    office: Office, seat: Seat
) -> None:
    """Whoever held nothing had no button, and what waited for their yes had to wait."""
    office.ask("SetPerson", user="1003", groups=["cut", "paint"])
    office.ask("Submit", id="cut-1", user="1001", checker="1003")
    lead = seat("1004", "赵组长", view="people")
    form = hand_over(lead, "Eve Stone")
    expect(form).to_contain_text("Eve Stone holds tasks: 0. To check for others: 1.")
    form.get_by_label("王小明").check()
    form.get_by_role("button", name="Hand over").click()
    done = lead.page.get_by_role("dialog", name="Tasks moved: 1")
    expect(done.get_by_role("listitem")).to_have_text(["开场剪辑 cut-1 → 王小明"])
    assert office.ask("Find", id="cut-1")["checker"] == "1002"
    done.get_by_role("button", name="Close").click()
    lead.page.get_by_role("button", name="Hand over: Eve Stone").click()
    lead.told("Eve Stone holds tasks: 0. To check for others: 0.")
    expect(lead.page.get_by_role("dialog")).to_have_count(0)


def test_the_list_of_what_died_says_in_words_what_it_shows(office: Office, seat: Seat) -> None:
    """The chip read `field.acknowledged`, and the paper nothing of it."""
    lead = seat("1004", "赵组长", view="now")
    expect(lead.page.locator(".tiles")).to_contain_text("claimed or in work")
    tile = lead.page.get_by_role("link", name="died, unanswered")
    expect(tile).to_be_visible()
    tile.click()
    chip = lead.page.locator("button.chip[aria-pressed=true]")
    expect(chip).to_have_text("Seen: by nobody ×")
    lead.page.emulate_media(media="print")
    expect(lead.page.locator("#printed")).to_contain_text("Seen: by nobody")


def test_paper_has_no_mark_of_where_somebody_was(office: Office, seat: Seat) -> None:
    """A frame of the focus went around the whole page and through its heading."""
    lead = seat("1004", "赵组长", view="people")
    expect(lead.page.get_by_role("button", name="Hand over: 王小明")).to_be_visible()
    framed = (
        "(() => { const main = document.querySelector('main'); main.focus();"
        " return [main.matches(':focus-visible'), getComputedStyle(main).outlineStyle] })()"
    )
    lead.page.keyboard.press("Tab")
    assert lead.page.evaluate(framed) == [True, "solid"]
    lead.page.emulate_media(media="print")
    assert lead.page.evaluate(framed) == [True, "none"]


def test_an_hour_that_was_not_counted_is_no_hour_without_tasks(office: Office, seat: Seat) -> None:
    lead = seat("1004", "赵组长", view="day")
    summary = lead.page.get_by_text("The same in numbers")
    expect(summary).to_be_visible()
    summary.click()
    rows = lead.page.locator("details.numbers tbody tr")
    expect(rows.first.locator("td").nth(1)).to_have_text(re.compile(r"\d"))
    expect(rows.last.locator("td").first).to_have_text("–")


def test_what_a_list_is_grouped_by_is_not_taken_for_a_filter(office: Office, seat: Seat) -> None:
    """The control read `User`, as if the list were that of one user."""
    lead = seat("1004", "赵组长", view="list?by=user")
    chosen = lead.page.get_by_role("combobox", name="Group by").locator("option:checked")
    expect(chosen).to_have_text("Group by: User")
    expect(lead.page.get_by_role("row").filter(has_text="Ann Li").first).to_be_visible()
