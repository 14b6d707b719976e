"""The board where there is little room: one column at a time, and columns that are folded."""

from collections.abc import Callable, Iterator

import pytest
from desk import Desk
from office import Office, furnish
from playwright.sync_api import Browser, Locator, Page, expect
from screens import axe_says

PHONE, ZOOMED = {"width": 360, "height": 740}, {"width": 640, "height": 400}
STATES = ["To claim", "Claimed", "In work", "To check", "Running", "Failed or lost", "Finished"]
SCREENS = "document.querySelector('#main').scrollHeight / innerHeight"

Seat = Callable[..., Desk]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("crowded")) as office:
        furnish(office)
        office.many(400)
        yield office


@pytest.fixture
def narrow(browser: Browser, crowded: Office) -> Iterator[Seat]:
    desks: list[Desk] = []

    def take(size: dict[str, int]) -> Desk:
        desks.append(Desk(browser, crowded.url, "1004", "", viewport=size))
        return desks[-1]

    yield take
    for desk in desks:
        desk.close()


def chooser(page: Page) -> Locator:
    return page.get_by_role("group", name="Status").get_by_role("button")


def shown(page: Page) -> Locator:
    """Give the heads of the columns that are in sight."""
    return page.locator(".column h2:visible")


@pytest.mark.parametrize("size", [PHONE, ZOOMED], ids=["phone", "zoomed"])
def test_a_narrow_screen_shows_one_column(narrow: Seat, size: dict[str, int]) -> None:
    """Of 400 tasks no more than four screens; each state by one press; the row stays in sight."""
    page = narrow(size).page
    expect(shown(page)).to_have_text(["To claim"])
    expect(page.locator(".column.free .card").first).to_be_visible()
    assert page.evaluate(SCREENS) <= 4
    expect(chooser(page)).to_have_count(len(STATES))
    expect(chooser(page).first).to_have_text("To claim 404")
    for state in STATES:
        page.evaluate("document.querySelector('#main').scrollTop = 5000")
        button = chooser(page).filter(has_text=state)
        expect(button).to_be_in_viewport(ratio=1)
        button.click()
        expect(shown(page)).to_have_text([state])
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".column:visible .card").first).to_be_in_viewport()
        assert page.evaluate(SCREENS) <= 4, state
    assert page.evaluate("document.querySelector('#main').scrollWidth") <= size["width"]
    assert axe_says(page) == []


def test_the_chosen_column_is_in_the_url(narrow: Seat) -> None:
    """The URL can be sent, Back returns to the one before, and nothing is read again for it."""
    desk = narrow(PHONE)
    page = desk.page
    expect(page.locator(".column.free .card").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.evaluate("WebSocket.prototype.send = (text) => { window.sent = text }")
    chooser(page).filter(has_text="To check").focus()
    page.keyboard.press("Enter")
    expect(shown(page)).to_have_text(["To check"])
    assert page.url.endswith("#/board?column=review")
    expect(page.get_by_role("button", name="Clear")).to_have_count(0)
    chooser(page).filter(has_text="Running").click()
    expect(shown(page)).to_have_text(["Running"])
    page.go_back()
    expect(shown(page)).to_have_text(["To check"])
    assert page.evaluate("window.sent") is None
    page.reload()
    expect(shown(page)).to_have_text(["To check"])
    # What is no column, or one that is left out for having no tasks, would show nothing.
    for column in ("nonsense", "waits"):
        desk.go(f"board?column={column}")
        expect(shown(page)).to_have_text(["To claim"])
        expect(chooser(page).first).to_have_attribute("aria-pressed", "true")


def test_a_long_column_shows_more(narrow: Seat) -> None:
    page = narrow(PHONE).page
    cards = page.locator(".column.free .card")
    expect(cards.first).to_be_visible()
    before = cards.count()
    page.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(2 * before)


def test_a_column_is_folded_by_its_name(office: Office, seat: Seat) -> None:
    """What is folded is a strip with name and count, in the URL; and cards can be dropped on it."""
    desk = seat("1001", "Ann Li")
    page = desk.page
    claimed = page.locator(".column.claimed")
    name = claimed.get_by_role("button", name="Claimed", exact=True)
    expect(desk.card("Trailer", "claimed")).to_be_visible()
    name.focus()
    page.keyboard.press("Enter")
    expect(name).to_have_attribute("aria-expanded", "false")
    expect(name).to_be_focused()
    expect(claimed.locator(".card")).to_have_count(0)
    expect(claimed.locator(".count")).to_have_text("1")
    box = claimed.bounding_box()
    assert box
    assert box["width"] <= 48
    assert page.url.endswith("#/board?folded=claimed")
    desk.card("Poster", "free").drag_to(claimed)
    desk.told("Yours: Poster")
    expect(claimed.locator(".count")).to_have_text("2")
    page.get_by_role("button", name="Finished", exact=True).click()
    expect(page.locator(".column.folded")).to_have_count(2)
    assert axe_says(page) == []
    page.reload()
    expect(page.locator(".column.folded")).to_have_count(2)
    # From card to card one gets past what is folded.
    desk.card("Mix, reel 2", "free").get_by_role("link").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".column.editing .card a:focus")).to_have_count(1)
    page.go_back()
    expect(page.locator(".column.folded")).to_have_count(1)
    # All of the strip unfolds it.
    claimed.click(position={"x": 20, "y": 300})
    expect(desk.card("Poster", "claimed")).to_be_visible()
    assert page.url.endswith("#/board")
