"""What moves on with the time does so, and nothing else is painted for it."""

from collections.abc import Callable

import pytest
from desk import Desk
from office import Office
from playwright.sync_api import expect

TICK_MS = 1_100
TRIES = 20
COUNT = """() => {
    const make = Document.prototype.createElement;
    window.made = 0;
    Document.prototype.createElement = function (...given) {
        window.made += 1;
        return make.apply(this, given);
    };
}"""


def made_in_a_second(desk: Desk) -> int:
    """Let a second pass on the page; give how many elements were made for it."""
    desk.page.evaluate("window.made = 0")
    desk.page.clock.run_for(TICK_MS)
    made: int = desk.page.evaluate("window.made")
    return made


@pytest.fixture
def desk(office: Office, seat: Callable[..., Desk]) -> Desk:
    desk = seat("1001", "Ann Li")
    desk.page.clock.install()
    desk.page.reload()
    expect(desk.card("Poster", "free")).to_be_visible()
    desk.page.evaluate(COUNT)
    return desk


def test_only_what_moves_with_the_time_is_painted_each_second(desk: Desk) -> None:
    for view in ("board", "list", "mine", "task/cut-2", "people", "groups", "day"):
        desk.go(view)
        # Until all that was asked has come, a second has more in it than the time.
        assert any(made_in_a_second(desk) == 0 for _ in range(TRIES)), view
    for view in ("now", "services"):
        desk.go(view)
        assert all(made_in_a_second(desk) for _ in range(3)), view


def test_ages_and_the_clock_move_on(desk: Desk) -> None:
    age = desk.card("Poster", "free").locator("time")
    before = age.text_content() or ""
    desk.page.clock.fast_forward(180_000)
    expect(age).not_to_have_text(before)
    desk.go("now")
    clock = desk.page.locator(".clock")
    before = clock.text_content() or ""
    desk.page.clock.fast_forward(60_000)
    expect(clock).not_to_have_text(before)
    desk.forgives("WebSocket", "ERR_")
