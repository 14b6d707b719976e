"""The page in a silent network: it says so, does nothing unseen, and finds back by itself."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from desk import Desk
from office import FREE, Office
from playwright.sync_api import Page, expect
from relay import Relay

LOST = re.compile(r"Connection lost: nothing heard since \d\d:\d\d:\d\d")
SILENT_MS = 16_000


def lost(page: Page) -> None:
    """Let the page hear nothing for as long as it is patient, and see it say so."""
    page.clock.fast_forward(SILENT_MS)
    expect(page.locator("#offline")).to_have_text(LOST)


@pytest.fixture
def ann(relay: Relay, seat: Callable[..., Desk]) -> Desk:
    """Seat Ann behind the relay, with a clock that can be put forward."""
    desk = seat("1001", "Ann Li", f"http://{relay.address}")
    # What is not there cannot be opened in silence: have the views kept.
    for view in ("list", "people", "board"):
        desk.go(view)
    desk.page.clock.install()
    desk.page.reload()
    # Each column is read by itself.
    expect(desk.card("Poster", "free")).to_be_visible()
    expect(desk.card("开场剪辑", "editing")).to_be_visible()
    # A mark that no reload survives.
    desk.page.evaluate("window.mark = 'the same page'")
    return desk


def test_where_nothing_is_heard_the_page_is_dimmed_and_says_since_when(
    relay: Relay, ann: Desk, office: Office
) -> None:
    relay.sleep()
    lost(ann.page)
    dimmed = "getComputedStyle(document.querySelector('main')).opacity < 1"
    assert ann.page.evaluate(dimmed)
    said = ann.page.locator("#offline").text_content()
    ann.page.clock.fast_forward(60_000)
    expect(ann.page.locator("#offline")).to_have_text(said or "nothing")
    office.ask("Claim", id="cut-5", user="1002")
    relay.wake()
    ann.page.clock.fast_forward(5_000)
    expect(ann.page.locator("#offline")).to_be_hidden()
    expect(ann.card("Poster", "claimed")).to_contain_text("王小明")
    assert not ann.page.evaluate(dimmed)
    assert ann.page.evaluate("window.mark") == "the same page"
    ann.forgives("WebSocket", "ERR_")


def test_a_claim_pressed_into_silence_is_never_done_later(
    relay: Relay, seat: Callable[..., Desk], office: Office
) -> None:
    """What a dead network's buffers deliver later comes too late for the daemon."""
    desk = seat("1001", "Ann Li", f"http://{relay.address}")
    desk.page.evaluate("window.mark = 'the same page'")
    expect(desk.card("Poster", "free")).to_be_visible()
    relay.sleep()
    desk.does("Claim", "Poster")
    expect(desk.card("Poster")).to_contain_text("On its way")
    desk.told("Not known whether it was done")
    expect(desk.card("Poster")).not_to_contain_text("On its way")
    relay.go_on()
    # The held request was before this one in the same connection.
    desk.does("Claim", "Mix, reel 2")
    desk.told("Yours: Mix, reel 2")
    assert office.dash.find("cut-5")["status"] == FREE
    expect(desk.card("Poster", "free")).to_be_visible()
    assert desk.page.evaluate("window.mark") == "the same page"


def test_while_nothing_is_heard_acts_are_refused_and_none_is_kept(
    relay: Relay, ann: Desk, office: Office
) -> None:
    relay.sleep()
    lost(ann.page)
    ann.does("Claim", "Poster")
    expect(ann.page.locator("#toasts")).to_contain_text(LOST)
    ann.told("Nothing was done")
    expect(ann.card("Poster")).not_to_contain_text("On its way")
    # A form that is refused stays, with what was typed.
    ann.does("Submit", "开场剪辑")
    ann.page.get_by_role("textbox", name="Note").fill("look at 00:41")
    ann.page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    expect(ann.page.get_by_role("dialog").get_by_role("alert")).to_contain_text(LOST)
    expect(ann.page.get_by_role("textbox", name="Note")).to_have_value("look at 00:41")
    relay.go_on()
    ann.page.clock.fast_forward(5_000)
    expect(ann.page.locator("#offline")).to_be_hidden()
    assert office.dash.find("cut-5")["status"] == FREE
    assert office.dash.find("cut-1")["user"] == "1001"
    ann.page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    expect(ann.card("开场剪辑", "review")).to_contain_text("look at 00:41")
    ann.forgives("WebSocket", "ERR_")


def test_signing_out_is_an_act_too(relay: Relay, ann: Desk) -> None:
    relay.sleep()
    lost(ann.page)
    ann.page.get_by_role("button", name="Sign out").click()
    ann.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(ann.page.locator("#toasts")).to_contain_text(LOST)
    relay.wake()
    ann.page.clock.fast_forward(5_000)
    expect(ann.page.locator("#offline")).to_be_hidden()
    expect(ann.card("Poster")).to_be_visible()
    ann.forgives("WebSocket", "ERR_")


def test_what_a_view_asked_in_silence_is_shown_when_the_network_is_back(
    relay: Relay, ann: Desk
) -> None:
    relay.sleep()
    lost(ann.page)
    ann.page.get_by_role("link", name="List").click()
    expect(ann.page.locator("body[data-view=list]")).to_be_visible()
    ann.search.fill("poster")
    ann.page.clock.fast_forward(120_000)
    relay.wake()
    ann.page.clock.fast_forward(5_000)
    expect(ann.page.locator(".listrow")).to_have_count(1)
    expect(ann.page.locator(".listrow")).to_contain_text("Poster")
    ann.forgives("WebSocket", "ERR_")


def test_a_laptop_that_sleeps_catches_up_without_a_reload(
    relay: Relay, seat: Callable[..., Desk], office: Office
) -> None:
    """The page asks for the changes that it has missed, and for nothing else."""
    desk = seat("1001", "Ann Li", f"http://{relay.address}")
    expect(desk.card("Poster", "free")).to_be_visible()
    # Each column is read by itself.
    for column in ("live", "dead", "done"):
        expect(desk.page.locator(f".column.{column} .card").first).to_be_attached()
    desk.page.evaluate("window.mark = 'the same page'")
    sent: list[str] = []

    def opened(socket: Any) -> None:
        sent.append(socket.url)
        socket.on("framesent", lambda frame: sent.append(str(frame)))

    desk.page.on("websocket", opened)
    relay.sleep()
    office.ask("Claim", id="cut-5", user="1002")
    office.task("new", "Came in the night", group_id="cut")
    office.ask("Update", id="cut-6", group_id="paint", own=False)
    relay.wake()
    expect(desk.card("Came in the night", "free")).to_be_visible()
    expect(desk.card("Poster", "claimed")).to_contain_text("王小明")
    expect(desk.card("Mix, reel 2")).to_have_count(0)
    assert desk.page.evaluate("window.mark") == "the same page"
    assert re.search(r"/ws\?since=\d+&sight=", sent[0])
    assert not [frame for frame in sent if "Query" in frame]
    relay.sleep()
    # New groups change what she sees: the page must read everything afresh.
    office.ask("SetPerson", user="1001", groups=["paint"])
    relay.wake()
    expect(desk.card("Mix, reel 2", "free")).to_be_visible()
    expect(desk.card("Poster")).to_have_count(0)
    desk.forgives("WebSocket", "ERR_")


def test_a_daemon_that_restarts_is_found_again(
    office: Office, open_office: Callable[..., Office], seat: Callable[..., Desk]
) -> None:
    """The page says so while the daemon is away, and what cannot be done is not done later."""
    desk = seat("1001", "Ann Li")
    expect(desk.card("Poster", "free")).to_be_visible()
    office.close()
    expect(desk.page.locator("#offline")).to_have_text(LOST)
    desk.does("Claim", "Poster")
    desk.told("Nothing was done")
    again = open_office(port=office.port)
    expect(desk.page.locator("#offline")).to_be_hidden()
    assert again.dash.find("cut-5")["status"] == FREE
    # The daemon counts its time anew, and the page with it.
    desk.does("Claim", "Poster")
    desk.told("Yours: Poster")
    desk.forgives("WebSocket", "ERR_")
