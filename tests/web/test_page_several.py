"""Several tasks at once: selected by a click or a key, and what is done with all of them."""

from collections.abc import Callable
from itertools import product

import pytest
from desk import Desk
from office import Office
from playwright.sync_api import Locator, expect
from screens import axe_says

Seat = Callable[..., Desk]

FETCHED = "performance.getEntries().filter(one => one.name.endsWith('/menus/picked.js')).length"
BESIDE = {"x": 90, "y": 42}
"""A place on a card that is none of its links or buttons."""


def bar(desk: Desk) -> Locator:
    return desk.page.get_by_role("region", name="Selected tasks")


def act(desk: Desk, name: str) -> Locator:
    return bar(desk).get_by_role("button", name=name, exact=True)


def picks(desk: Desk, *names: str) -> None:
    """Select cards by Ctrl and a click."""
    for name in names:
        expect(desk.card(name)).to_be_visible()
        desk.card(name).click(modifiers=["Control"], position=BESIDE)
        expect(desk.card(name).get_by_role("img", name="Selected")).to_be_visible()
    expect(bar(desk).get_by_role("status")).to_have_text(f"{len(names)} selected")


def test_several_are_claimed_at_once_and_taken_back(office: Office, seat: Seat) -> None:
    """What the bar needs is fetched with the first; the second of two clicks means nothing."""
    ann = seat("1001", "Ann Li")
    expect(ann.card("Poster")).to_be_visible()
    assert ann.page.evaluate(FETCHED) == 0
    picks(ann, "Poster", "Mix, reel 2")
    assert ann.page.evaluate(FETCHED) == 1
    expect(bar(ann).get_by_role("button")).to_have_text(["Claim", "Labels", "Clear (Esc)"])
    act(ann, "Claim").dblclick()
    ann.told("Done: Claim (2)")
    for name in ("Poster", "Mix, reel 2"):
        expect(ann.card(name, "claimed").get_by_role("img", name="Selected")).to_be_visible()
    expect(act(ann, "Release")).to_be_visible()
    ann.page.get_by_role("button", name="Undo").click()
    ann.told("Undone: 2 tasks")
    for name in ("Poster", "Mix, reel 2"):
        expect(ann.card(name, "free")).to_be_visible()
    assert office.ask("Find", id="cut-5")["user"] == ""


def test_what_cannot_be_taken_back_is_said_of_each(office: Office, seat: Seat) -> None:
    ann = seat("1001", "Ann Li")
    picks(ann, "Poster", "Mix, reel 2")
    act(ann, "Claim").click()
    ann.told("Done: Claim (2)")
    office.ask("Begin", id="cut-6", user="1001")
    expect(ann.card("Mix, reel 2", "editing")).to_be_visible()
    ann.page.keyboard.press("z")
    left = ann.page.get_by_role("dialog", name="Not undone: 1")
    expect(left.get_by_role("listitem")).to_have_text(
        ["Mix, reel 2 – “Mix, reel 2” has changed since: nothing was undone."]
    )
    left.get_by_role("button", name="Close").click()
    expect(ann.card("Poster", "free")).to_be_visible()
    expect(ann.card("Mix, reel 2", "editing")).to_be_visible()


def test_a_later_act_with_one_leaves_the_others_to_be_taken_back(
    office: Office, seat: Seat
) -> None:
    ann = seat("1001", "Ann Li")
    picks(ann, "Poster", "Mix, reel 2")
    act(ann, "Claim").click()
    ann.told("Done: Claim (2)")
    ann.does("Release", "Poster")
    expect(ann.card("Poster", "free")).to_be_visible()
    ann.page.keyboard.press("z")
    expect(ann.card("Poster", "claimed")).to_be_visible()
    ann.page.keyboard.press("z")
    ann.told("Undone: Mix, reel 2")
    expect(ann.card("Mix, reel 2", "free")).to_be_visible()
    assert office.ask("Find", id="cut-5")["user"] == "1001"


def test_labels_of_several_and_what_was_not_done(office: Office, seat: Seat) -> None:
    """What could not be done is said card by card, in the reader's words."""
    office.ask("SetLabels", id="cut-6", add=[f"label {n}" for n in range(16)])
    lead = seat("1004", "")
    picks(lead, "Poster", "Mix, reel 2")
    act(lead, "Labels").click()
    form = lead.page.get_by_role("dialog", name="Labels (2)")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_have_text("“Labels” must not be empty.")
    form.get_by_role("textbox", name="New label").fill("urgent")
    form.get_by_role("button", name="Save").click()
    left = lead.page.get_by_role("dialog", name="Not done: 1 of 2")
    expect(left.get_by_role("listitem")).to_have_text(
        ["Mix, reel 2 – A task has at most 16 labels."]
    )
    left.get_by_role("button", name="Close").click()
    expect(lead.card("Poster").locator(".label")).to_have_text(["urgent"])
    act(lead, "Labels").click()
    form.get_by_role("combobox", name="Remove a label").select_option("urgent")
    form.get_by_role("button", name="Save").click()
    lead.told("Done: Labels (2)")
    expect(lead.card("Poster").locator(".label")).to_have_count(0)


def test_several_are_given_to_one(office: Office, seat: Seat) -> None:
    """Who is asked for is in the groups of all; where nobody is, that is said."""
    lead = seat("1004", "")
    picks(lead, "Poster", "开场剪辑")
    expect(act(lead, "Claim")).to_have_count(0)
    act(lead, "Assign").click()
    form = lead.page.get_by_role("dialog", name="Assign (2)")
    people = form.get_by_role("combobox", name="To")
    expect(people.get_by_role("option")).to_have_text(
        ["", "Ann Li (1001)", "王小明 (1002)", "赵组长 (1004)"]
    )
    people.select_option("1002")
    form.get_by_role("button", name="Assign").click()
    lead.told("Done: Assign (2)")
    for name in ("Poster", "开场剪辑"):
        expect(lead.card(name, "claimed")).to_contain_text("王小明")
    office.ask("SetPerson", user="1004", groups=["cut"], leads=["cut"])
    root = seat("1005", "Root")
    picks(root, "Poster", "背景绘制")
    act(root, "Assign").click()
    root.told("Nobody is in the groups of all of them.")


def test_the_dead_are_answered_together(office: Office, seat: Seat) -> None:
    office.task("old-3", "Pack reels", "failed")
    ann = seat("1001", "Ann Li")
    picks(ann, "Upload to archive", "Pack reels")
    act(ann, "Acknowledge").click()
    ann.page.get_by_role("textbox", name="What is to be done").fill("the disk is ordered")
    ann.page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    for name in ("Upload to archive", "Pack reels"):
        expect(ann.card(name)).to_contain_text("the disk is ordered")
    act(ann, "Dismiss").click()
    ann.told("Done: Dismiss (2)")
    # What has left the board is no longer selected.
    expect(bar(ann)).to_have_count(0)


def test_what_goes_away_is_no_longer_selected(office: Office, seat: Seat) -> None:
    """What others move stays selected, and what one may no longer do is not offered."""
    for task in ("cut-5", "cut-6"):
        office.ask("SetLabels", id=task, add=["urgent"])
    ann = seat("1001", "Ann Li", view="board?label=urgent")
    picks(ann, "Poster", "Mix, reel 2")
    office.ask("Claim", id="cut-6", user="1002")
    expect(act(ann, "Claim")).to_have_count(0)
    expect(bar(ann)).to_contain_text("2 selected")
    expect(bar(ann)).to_contain_text("Nothing can be done with all of them.")
    office.ask("SetLabels", id="cut-6", remove=["urgent"])
    expect(bar(ann)).to_contain_text("1 selected")
    act(ann, "Claim").click()
    ann.told("Done: Claim (1)")
    assert office.ask("Find", id="cut-6")["user"] == "1002"
    office.ask("SetLabels", id="cut-5", remove=["urgent"])
    expect(bar(ann)).to_have_count(0)


def test_by_the_keyboard_alone(office: Office, seat: Seat) -> None:
    """`v` selects, Shift and `v` all up to there; Esc selects nothing, and leaves nothing else."""
    ann = seat("1001", "Ann Li")
    page = ann.page
    expect(ann.card("Poster")).to_be_visible()
    url = page.url
    first = page.locator(".column.free .card").first.get_by_role("link")
    first.focus()
    page.keyboard.press("v")
    expect(bar(ann)).to_contain_text("1 selected")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+V")
    expect(bar(ann)).to_contain_text("2 selected")
    expect(page.locator(".column.free .card.picked")).to_have_count(2)
    act(ann, "Clear (Esc)").focus()
    page.keyboard.press("Escape")
    expect(bar(ann)).to_have_count(0)
    expect(page.locator(".picked")).to_have_count(0)
    assert page.url == url
    # The focus is back where somebody has selected, and goes on from there.
    expect(page.locator(".card a:focus")).to_have_count(1)
    page.keyboard.press("v")
    expect(bar(ann)).to_contain_text("1 selected")
    page.keyboard.press("v")
    expect(bar(ann)).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Select; so does a click beside the name")


def test_rows_of_the_list_are_selected(office: Office, seat: Seat) -> None:
    """With Shift all between, a hundred at most; they are gone with the view."""
    office.many(300)
    ann = seat("1001", "Ann Li", view="list?sort=name&q=Task")
    rows = ann.page.locator(".listrow")
    expect(rows.first).to_be_visible()
    rows.nth(1).locator(".c-id").click(modifiers=["Control"])
    rows.nth(4).locator(".c-id").click(modifiers=["Shift"])
    expect(bar(ann)).to_contain_text("4 selected")
    rows.nth(2).locator(".c-id").click(modifiers=["Control"])
    expect(bar(ann)).to_contain_text("3 selected")
    assert ann.page.evaluate("String(getSelection())") == ""
    act(ann, "Claim").click()
    ann.told("Done: Claim (3)")
    rows.nth(1).locator(".c-id").click(modifiers=["Control"])
    rows.nth(1).locator(".c-id").click(modifiers=["Control"])
    ann.page.locator(".scroll").focus()
    ann.page.keyboard.press("End")
    expect(ann.page.locator(".listrow[data-n='299'] a")).to_be_focused()
    ann.page.keyboard.press("Shift+V")
    ann.told("At most 100 at once.")
    expect(bar(ann)).to_contain_text("100 selected")
    ann.go("board")
    expect(bar(ann)).to_have_count(0)
    expect(ann.page.locator(".picked")).to_have_count(0)


def test_everybody_filters_by_labels(office: Office, seat: Seat) -> None:
    """On board and list, also who may give no label to what they see."""
    for task in ("old-2", "run-1"):
        office.ask("SetLabels", id=task, add=["archive"])
    eve = seat("1003", "Eve Stone")
    for view, items in (("board", ".card"), ("list", ".listrow")):
        eve.go(view)
        expect(eve.page.locator(items).nth(4)).to_be_visible()
        field = eve.page.get_by_role("textbox", name="Label")
        field.fill("archive")
        field.press("Enter")
        expect(eve.page.locator(items)).to_have_count(2)


@pytest.mark.parametrize(("theme", "language"), list(product(("light", "dark"), ("en", "zh"))))
def test_what_is_selected_keeps_nobody_out(
    office: Office, seat: Seat, theme: str, language: str
) -> None:
    locale = "zh-CN" if language == "zh" else "en-GB"
    lead = seat("1004", "", locale=locale, color_scheme=theme)
    page = lead.page
    for view, item in (("board", ".card"), ("list", ".listrow")):
        lead.go(view)
        expect(page.locator(item).filter(has_text="Poster")).to_be_visible()
        page.locator(item).filter(has_text="Poster").get_by_role("link").focus()
        page.keyboard.press("v")
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 740})
            expect(page.locator("#picked strong")).to_be_in_viewport()
            assert axe_says(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_viewport_size({"width": 1280, "height": 740})
