"""Whoever aims at something hits it, though twenty things change each second."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from desk import Desk, Storm
from office import FREE, Office
from playwright.sync_api import Locator, expect

RUNNING = 12
PRESSES = 10


def progresses(dash: Any, number: int) -> None:
    which = number * 7 % RUNNING
    dash.ask("Update", id=f"live-{which}", progress=f"{number % 100}%", own=False)


def stays_for_a_while(dash: Any, number: int) -> None:
    """Change what waits, so that what is stuck for longest is another task each time."""
    dash.ask("Update", id=f"stuck-{number % 8}", name=f"Stuck {number % 8}: {number}", own=False)


@pytest.fixture
def office(office: Office) -> Office:
    """Have much running, and some that waits."""
    for number in range(RUNNING):
        office.task(f"live-{number}", f"Job {number:02}", "running", progress="0%")
    for number in range(8):
        office.task(f"stuck-{number}", f"Stuck {number}", FREE)
    return office


@pytest.fixture
def storm(office: Office) -> Iterator[Storm]:
    with Storm(office, progresses, stays_for_a_while).blowing() as storm:
        yield storm


@pytest.fixture
def desk(seat: Callable[..., Desk]) -> Desk:
    return seat("1005", "Root")


def pressed(desk: Desk, storm: Storm, where: Locator) -> None:
    """Press as a hand does: look, move, press, and let go two changes later."""
    where.scroll_into_view_if_needed()
    box = where.bounding_box()
    assert box
    desk.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    desk.page.mouse.down()
    after(desk, storm, 2)
    desk.page.mouse.up()


def after(desk: Desk, storm: Storm, changes: int) -> None:
    """Wait until some more changes were painted."""
    until = storm.count + changes
    while storm.count < until:
        desk.page.evaluate("new Promise((done) => requestAnimationFrame(done))")


def at_rest(desk: Desk, item: Locator) -> float:
    """Give how far down an item is, once it has stayed there from one painting to the next."""
    painted = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    places: list[float] = []
    while len(places) < 2 or places[-1] != places[-2]:
        desk.page.evaluate(painted)
        box = item.bounding_box()
        assert box
        places.append(box["y"])
    return places[-1]


def opens(desk: Desk, task: str) -> None:
    expect(desk.page).to_have_url(re.compile(f"#/task/{task}$"))
    expect(desk.page.get_by_role("heading", level=1)).to_be_visible()


def test_an_aimed_press_on_a_running_card_opens_that_task(desk: Desk, storm: Storm) -> None:
    cards = desk.page.locator(".column.live .card")
    expect(cards).to_have_count(RUNNING + 3)
    for number in range(PRESSES):
        pressed(desk, storm, desk.card(f"Job {number:02}", "live").get_by_role("link"))
        opens(desk, f"live-{number}")
        desk.go("board")
        expect(cards).to_have_count(RUNNING + 3)


def test_running_cards_stay_where_they_are(desk: Desk, storm: Storm) -> None:
    cards = desk.page.locator(".column.live .card .name")
    expect(cards).to_have_count(RUNNING + 3)
    order = cards.all_text_contents()
    desk.page.evaluate("window.cards = [...document.querySelectorAll('.column.live .card')]")
    after(desk, storm, 40)
    assert cards.all_text_contents() == order
    assert desk.page.evaluate(
        "cards.every((one, n) => one === document.querySelectorAll('.column.live .card')[n])"
    )


@pytest.mark.parametrize("view", ["board", "list"])
def test_what_one_reads_stays_in_sight(desk: Desk, storm: Storm, office: Office, view: str) -> None:
    """No change, and nothing that comes above, moves what somebody has scrolled to."""
    for number in range(40):
        office.task(f"more-{number:02}", f"More {number:02}", FREE)
    desk.go(view)
    box = ".column.free .cards" if view == "board" else ".scroll"
    item = desk.page.locator(".card, .listrow").filter(has_text="More 12")
    expect(desk.page.locator(".card, .listrow").filter(has_text="More 39")).to_be_visible()
    desk.page.evaluate("(box) => { document.querySelector(box).scrollTop = 1000; }", box)
    expect(item).to_be_attached()
    item.scroll_into_view_if_needed()
    before = at_rest(desk, item)
    for number in range(6):
        office.task(f"above-{number}", f"Above {number}", FREE)
    after(desk, storm, 40)
    assert abs(at_rest(desk, item) - before) <= 1
    item.get_by_role("link").click()
    opens(desk, "more-12")


def test_a_button_fires_though_its_card_moves_under_the_press(
    desk: Desk, storm: Storm, office: Office
) -> None:
    """The card changes, and the whole column moves down, between down and up."""
    card = desk.page.locator(".column.free .card[data-id=stuck-7]")
    expect(desk.page.locator(".column.free .card").first).to_have_attribute("data-id", "stuck-7")
    box = card.get_by_role("button", name="Claim").bounding_box()
    assert box
    desk.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    desk.page.mouse.down()
    for number in range(3):
        office.task(f"above-{number}", f"Above {number}", FREE)
    after(desk, storm, 4)
    desk.page.mouse.up()
    desk.told("Yours: Stuck 7")
    expect(desk.page.locator(".column.claimed .card[data-id=stuck-7]")).to_be_visible()
    expect(desk.card("Above 2", "free")).to_be_visible()


def test_the_page_goes_on_under_a_long_press(desk: Desk, office: Office) -> None:
    """A press that never ends, as of a finger that rests, holds up nothing for long."""
    card = desk.card("Poster").get_by_role("link")
    card.hover()
    desk.page.mouse.down()
    office.task("late", "Comes meanwhile", FREE)
    expect(desk.card("Comes meanwhile")).to_be_visible()
    desk.page.mouse.up()


def test_each_click_on_now_arrives(desk: Desk, storm: Storm) -> None:
    for _ in range(PRESSES):
        desk.go("now")
        lines = desk.page.locator(".lines li a[href*=task]")
        expect(lines.first).to_be_visible()
        line = lines.nth(2)
        box = line.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        desk.page.mouse.move(x, y)
        # What is under the pointer as it is pressed is what is meant.
        desk.page.evaluate(
            """() => addEventListener('pointerdown', ({target}) => {
                window.meant = target.closest('a')?.getAttribute('href');
            }, {once: true, capture: true})"""
        )
        desk.page.mouse.down()
        after(desk, storm, 3)
        desk.page.mouse.up()
        meant = desk.page.evaluate("window.meant")
        assert meant
        expect(desk.page).to_have_url(re.compile(re.escape(meant)))


def test_a_drag_is_followed_by_what_others_do(desk: Desk, office: Office) -> None:
    """While a card is dragged the board goes on, and the drop arrives."""
    desk.card("Poster").hover()
    desk.page.mouse.down()
    target = desk.page.locator(".column.claimed .cards").bounding_box()
    assert target
    desk.page.mouse.move(target["x"] + 50, target["y"] + 20, steps=5)
    office.task("meanwhile", "Comes meanwhile", FREE)
    expect(desk.card("Comes meanwhile")).to_be_visible()
    desk.page.mouse.up()
    expect(desk.card("Poster", "claimed")).to_be_visible()
