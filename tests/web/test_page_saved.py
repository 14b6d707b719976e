"""Saved views: of oneself and of one's groups; followed, saved, renamed, removed at the board."""

from collections.abc import Callable

from desk import Desk
from office import Office
from playwright.sync_api import Locator, expect
from screens import axe_says

Seat = Callable[..., Desk]


def menu(desk: Desk) -> Locator:
    """Open the menu of saved views."""
    button = desk.page.get_by_role("button", name="Saved views", exact=True)
    expect(button).to_be_visible()
    button.click()
    dialog = desk.page.get_by_role("dialog", name="Saved views")
    expect(dialog).to_be_visible()
    return dialog


def save(dialog: Locator, name: str, of: str = "") -> None:
    dialog.get_by_role("textbox", name="Name of the view").fill(name)
    if of:
        dialog.get_by_label("Whose it is").select_option(of)
    dialog.get_by_role("button", name="Save", exact=True).click()


def views(office: Office, **of: str) -> dict[str, str]:
    return {one["name"]: one["query"] for one in office.ask("Views", of=of)["views"]}


def test_what_is_shown_is_saved_and_followed_by_others(office: Office, seat: Seat) -> None:
    """A lead saves for the group; a member follows it, and Back leads where they were."""
    lead = seat("1004", "", view="list?group=cut&state=free&sort=name")
    expect(lead.page.locator(".listrow").first).to_be_visible()
    dialog = menu(lead)
    expect(dialog).to_contain_text("None is saved yet.")
    expect(dialog.get_by_role("textbox", name="Name of the view")).to_be_focused()
    save(dialog, " To  claim, by name", "cut")
    expect(dialog).to_have_count(0)
    lead.told("Saved: To claim, by name")
    assert views(office, group="cut") == {
        "To claim, by name": "list?group=cut&state=free&sort=name"
    }
    ann = seat("1001", "Ann Li", view="board?q=poster")
    dialog = menu(ann)
    expect(dialog.get_by_role("heading")).to_have_text(["Saved views", "cut"])
    expect(dialog.get_by_role("button", name="Rename")).to_have_count(0)
    expect(dialog.get_by_label("Whose it is")).to_be_hidden()
    link = dialog.get_by_role("link", name="To claim, by name")
    expect(link).to_be_focused()
    link.press("Enter")
    expect(ann.page.get_by_label("All states")).to_have_value("free")
    expect(dialog).to_have_count(0)
    assert ann.page.url.endswith("#/list?group=cut&state=free&sort=name")
    expect(menu(ann).get_by_role("link")).to_have_attribute("aria-current", "true")
    ann.page.keyboard.press("Escape")
    ann.page.go_back()
    expect(ann.search).to_have_value("poster")
    assert ann.page.url.endswith("#/board?q=poster")


def test_ones_own_are_overwritten_renamed_and_removed(office: Office, seat: Seat) -> None:
    """The order of a board's columns is kept; nobody's view is overwritten unasked."""
    desk = seat("1001", "Ann Li", view="board?free=oldest")
    save(menu(desk), "A")
    desk.told("Saved: A")
    assert views(office, person="1001") == {"A": "board?free=oldest"}
    desk.go("board?q=x")
    expect(desk.search).to_have_value("x")
    dialog = menu(desk)
    save(dialog, "Ａ")
    expect(dialog.get_by_role("alert")).to_contain_text("There is a view “A” already. Save again")
    assert views(office, person="1001") == {"A": "board?free=oldest"}
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog).to_have_count(0)
    assert views(office, person="1001") == {"A": "board?q=x"}
    dialog = menu(desk)
    save(dialog, "B")
    expect(dialog).to_have_count(0)
    dialog = menu(desk)
    dialog.get_by_role("button", name="Rename: A").click()
    form = desk.page.get_by_role("dialog", name="Rename the view “A”")
    form.get_by_role("textbox").fill("B")
    form.get_by_role("button", name="Rename").click()
    expect(form.get_by_role("alert")).to_have_text("There is a view “B” already.")
    form.get_by_role("textbox").fill("C")
    form.get_by_role("textbox").press("Enter")
    expect(form).to_have_count(0)
    expect(dialog.get_by_role("link")).to_have_text(["B", "C"])
    for left in (["C"], []):
        dialog.get_by_role("button", name="Remove:").first.click()
        asks = desk.page.get_by_role("dialog", name="Remove the view")
        expect(asks).to_contain_text("nobody else loses it")
        asks.get_by_role("button", name="Remove").click()
        expect(asks).to_have_count(0)
        expect(dialog.get_by_role("link")).to_have_text(left)
        # The focus stays in the menu, though what had it is gone.
        assert dialog.evaluate("one => one.contains(document.activeElement)")
    assert views(office, person="1001") == {}


def test_limits_and_what_others_have_done_are_said_in_words(office: Office, seat: Seat) -> None:
    for number in range(50):
        office.ask("SetView", name=f"{number:02}", of={"person": "1001"}, query="list")
    desk = seat("1001", "Ann Li", view="board")
    dialog = menu(desk)
    expect(dialog.get_by_role("link")).to_have_count(50)
    save(dialog, "one more")
    expect(dialog.get_by_role("alert")).to_have_text(
        "There are 50 views, and no more are allowed. Remove one first."
    )
    office.ask("SetView", name="00", of={"person": "1001"}, remove=True)
    dialog.get_by_role("button", name="Remove: 00").click()
    asks = desk.page.get_by_role("dialog", name="Remove the view")
    asks.get_by_role("button", name="Remove").click()
    expect(asks.get_by_role("alert")).to_have_text("There is no such view (any more): 00")
    asks.get_by_role("button", name="Cancel").click()
    expect(dialog.get_by_role("link")).to_have_count(49)
    dialog.get_by_role("button", name="Close").click()
    desk.page.goto(f"{office.url}/#/board?q={'x' * 1000}")
    expect(desk.search).to_have_value("x" * 1000)
    desk.forgives("1000")
    dialog = menu(desk)
    save(dialog, "long")
    expect(dialog.get_by_role("alert")).to_have_text(
        "“What is shown” is too long: 1000 characters at most."
    )


def test_a_view_of_a_stranger_is_text_and_leads_nowhere_else(office: Office, seat: Seat) -> None:
    """Names are text, a query is a place of this page, and axe-core finds nothing."""
    evil = "<img src=x onerror=alert(1)>"
    of = {"group": "cut"}
    office.ask("SetView", name=evil, of=of, query="javascript:alert(1)")
    office.ask("SetView", name="W" * 64, of=of, query="list?q=a")
    desk = seat("1005", "Root", view="list")
    for theme in ("light", "dark"):
        desk.page.evaluate("theme => { localStorage.theme = theme }", theme)
        desk.page.set_viewport_size({"width": 360, "height": 740})
        desk.page.reload()
        dialog = menu(desk)
        assert desk.page.locator("dialog img").count() == 0
        assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth")
        assert axe_says(desk.page) == []
    expect(dialog.get_by_role("link", name=evil)).to_have_attribute("href", "#/mine")


def test_the_menu_is_fetched_only_when_it_is_pressed(office: Office, seat: Seat) -> None:
    desk = seat("1001", "Ann Li")
    fetched = "() => performance.getEntriesByType('resource').filter(one => /menus/.test(one.name))"
    assert desk.page.evaluate(f"({fetched})().length") == 0
    button = desk.page.get_by_role("button", name="Saved views", exact=True)
    button.dblclick()
    expect(desk.page.get_by_role("dialog")).to_have_count(1)
    assert desk.page.evaluate(f"({fetched})().length") == 1
