"""A search finds what people mean: as they type it, by whom, where, and in which state."""

from collections.abc import Callable

import pytest
from desk import Desk
from office import FREE, Office
from playwright.sync_api import expect

Seat = Callable[..., Desk]
FOUND = {
    "übergabe": ["handed"],
    "STRASSE": ["handed"],
    "vip": ["vip"],
    "ｖｉｐ": ["vip"],
    "キャプテン": ["vip"],
    "école": ["school"],
    "각": ["school"],
    "王小明": ["cut-3", "cut-2"],
    "ann LI": ["cut-4", "cut-1"],
    "1004": ["cut-4"],
    "paint": ["paint-1", "paint-3", "paint-2"],
    "to check": ["cut-3"],
    "待审核": ["cut-3"],
    "failed": ["old-1"],
    "ann in work": ["cut-4", "cut-1"],
    "übergabe vip": [],
    '"*': [],
}
"""What is found by each text that is typed."""


@pytest.fixture
def filled(office: Office) -> Office:
    """Give an office with tasks that are called in many scripts."""
    office.task("handed", "ÜBERGABE Gartenstraße", FREE, group_id="mix")
    office.task("vip", "ＶＩＰ ｷｬﾌﾟﾃﾝ", FREE, group_id="mix")
    office.task("school", "e\u0301cole \u1100\u1161\u11a8", FREE, group_id="mix")
    return office


@pytest.mark.parametrize("view", ["list", "board"])
def test_what_is_typed_finds_what_is_meant(filled: Office, seat: Seat, view: str) -> None:
    root = seat("1005", "Root", view=view)
    shown = ".listrow" if view == "list" else ".card"
    expect(root.page.locator(shown).first).to_be_visible()
    for text, ids in FOUND.items():
        root.search.fill(text)
        for one in ids:
            expect(root.page.locator(f"{shown}[data-id={one}]")).to_be_visible()
        expect(root.page.locator(shown)).to_have_count(len(ids))


def test_what_somebody_does_comes_to_the_search_of_another(filled: Office, seat: Seat) -> None:
    """The page judges it as the daemon would: by names, states and texts."""
    lead, ann = seat("1004", "", view="list"), seat("1001", "Ann Li")
    rows = lead.page.locator(".listrow")
    lead.search.fill("Ann claimed")
    expect(rows).to_have_count(0)
    expect(lead.page.locator(".said p")).to_have_text("No matching tasks")
    ann.does("Claim", "Poster")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Poster")
    ann.does("Release", "Poster")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("To claim")
    lead.page.reload()
    expect(lead.search).to_have_value("Ann claimed")
    expect(rows).to_have_count(0)
