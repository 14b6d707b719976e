"""The order of a column: newest, oldest or by priority, and nothing of it is out of reach."""

from collections.abc import Callable

import pytest
from desk import Desk
from office import FREE, Office
from playwright.sync_api import Locator, expect

COUNT = 114


@pytest.fixture
def root(open_office: Callable[..., Office], seat: Callable[..., Desk]) -> Desk:
    """Seat Root before a column of which only a part is shown; the first tasks are the oldest."""
    return seat("1005", "Root")


@pytest.fixture
def office(open_office: Callable[..., Office]) -> Office:
    office = open_office()
    office.people()
    for n in range(COUNT):
        more = {"priority": (9, 0)[n % 2]} if n in (20, 41, 100) else {}
        office.task(f"t-{n:03}", f"Scene {n:03}", FREE, **more)
    return office


def names(root: Desk) -> Locator:
    return root.page.locator(".column.free .card a.name")


def orders(root: Desk, order: str) -> None:
    root.page.get_by_role("combobox", name="Order of “To claim”").select_option(order)


def test_a_column_is_in_the_order_that_one_chose(root: Desk, office: Office) -> None:
    expect(names(root).first).to_have_text(f"Scene {COUNT - 1:03}")
    orders(root, "Oldest first")
    expect(names(root).first).to_have_text("Scene 000")
    expect(names(root).nth(59)).to_have_text("Scene 059")
    expect(root.page.locator(".column.free .count")).to_have_text(str(COUNT))
    # The URL remembers it, for a reload and for whoever is sent it.
    assert "free=oldest" in root.page.url
    root.page.reload()
    expect(names(root).first).to_have_text("Scene 000")
    orders(root, "By priority")
    expect(names(root).first).to_contain_text("Scene 100")
    expect(names(root).nth(1)).to_contain_text("Scene 020")
    expect(root.page.locator(".column.free .card").first).to_contain_text("P9")
    # Back undoes it, as any choice.
    root.page.go_back()
    expect(names(root).first).to_have_text("Scene 000")
    orders(root, "Newest first")
    expect(names(root).first).to_have_text(f"Scene {COUNT - 1:03}")
    assert "free=" not in root.page.url


def test_each_task_can_be_reached(root: Desk, office: Office) -> None:
    """By scrolling, by a button, and in the list, in the same order."""
    column = root.page.locator(".column.free")
    expect(names(root)).to_have_count(60)
    column.get_by_role("button", name="Show more").click()
    expect(names(root)).to_have_count(COUNT)
    expect(names(root).last).to_have_text("Scene 000")
    expect(column.get_by_role("button", name="Show more")).to_have_count(0)
    # A card that others change meanwhile stays, and what comes is still on top.
    office.ask("Update", id="t-050", description="x", own=False)
    office.task("new", "Scene new", FREE)
    expect(names(root).first).to_have_text("Scene new")
    expect(names(root)).to_have_count(COUNT + 1)
    orders(root, "Oldest first")
    expect(names(root)).to_have_count(60)
    link = column.get_by_role("link", name="Show all")
    expect(link).to_have_attribute("href", "#/list?state=free&sort=rev")
    column.locator(".cards").evaluate("node => node.scrollTop = node.scrollHeight")
    expect(names(root)).to_have_count(COUNT + 1)
    expect(names(root).last).to_have_text("Scene new")
    root.page.goto(f"{office.url}/#/list?state=free&sort=-priority")
    expect(root.page.locator(".listrow").first).to_contain_text("Scene 100")


def test_what_comes_stands_where_the_order_has_it(root: Desk, office: Office) -> None:
    orders(root, "Oldest first")
    expect(names(root).first).to_have_text("Scene 000")
    # What is new belongs behind what is not shown yet, and is counted.
    office.task("late", "Scene late", FREE)
    expect(root.page.locator(".column.free .count")).to_have_text(str(COUNT + 1))
    expect(names(root)).to_have_count(60)
    expect(root.card("Scene late")).to_have_count(0)
    orders(root, "By priority")
    expect(names(root).nth(1)).to_contain_text("Scene 020")
    office.task("urgent", "Scene urgent", FREE, priority=9)
    expect(names(root).nth(2)).to_contain_text("Scene urgent")
    office.ask("Claim", id="t-100", user="1001")
    expect(names(root).first).to_contain_text("Scene 020")


def test_a_board_in_a_quiet_house_knows_how_many_there_are(root: Desk) -> None:
    """The daemon tells of figures when they change, and to whoever asks: nothing changes here."""
    count = root.page.locator(".column.free .count")
    expect(count).to_have_text(str(COUNT))
    root.page.reload()
    expect(count).to_have_text(str(COUNT))
    root.go("mine")
    root.page.reload()
    expect(root.page.get_by_role("link", name=f"To claim: {COUNT}")).to_be_visible()
