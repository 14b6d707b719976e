"""Two people in one browser: each tab is of whoever has signed in there, and of nobody else."""

from collections.abc import Callable

import pytest
from desk import Desk
from office import Office
from playwright.sync_api import Page, expect
from relay import Relay


class Tab(Desk):
    """Another tab of somebody's browser, which has yet to be signed in there."""

    def __init__(self, beside: Desk, url: str) -> None:
        self.complaints = beside.complaints
        self.context = beside.context
        self.page = self.context.new_page()
        self.page.goto(url)


def is_of(page: Page, name: str) -> None:
    """Wait until a tab says that it is somebody's."""
    expect(page.locator("#bar .me")).to_contain_text(name)
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("dialog.signin")).to_have_count(0)


def signs_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(page.locator("dialog.signin")).to_be_visible()


@pytest.fixture
def two(office: Office, relay: Relay, seat: Callable[..., Desk]) -> tuple[Desk, Desk]:
    """Seat Ann and Wang at one browser: a tab showed the form before Ann was in, and he took it."""
    url = f"http://{relay.address}"
    ann = seat("1001", "Ann Li", url)
    signs_out(ann.page)
    wang = Tab(ann, f"{url}/#/board")
    ann.signs_in("1001", "Ann Li")
    expect(wang.page.locator("dialog.signin")).to_be_visible()
    wang.signs_in("1002", "王小明")
    is_of(wang.page, "王小明")
    is_of(ann.page, "Ann Li")
    ann.forgives("WebSocket")
    return ann, wang


def each_claims(office: Office, two: tuple[Desk, Desk]) -> None:
    """Have each claim a task in their tab, as themselves."""
    of = (("Ann Li", "Poster", "1001"), ("王小明", "Mix, reel 2", "1002"))
    for desk, (name, task, user) in zip(two, of, strict=True):
        is_of(desk.page, name)
        desk.does("Claim", task)
        desk.told(f"Yours: {task}")
        (found,) = office.ask("Query", where={"user": user}, contains=task)["tasks"]
        assert found["name"] == task


def test_a_tab_acts_as_who_signed_in_there(
    office: Office, relay: Relay, two: tuple[Desk, Desk]
) -> None:
    """Also after the network was away, a reload, and a new connection of its own."""
    ann, wang = two
    relay.sleep()
    relay.wake()
    each_claims(office, two)
    ann.page.reload()
    is_of(ann.page, "Ann Li")
    wang.page.reload()
    is_of(wang.page, "王小明")
    ann.forgives("WebSocket", "ERR_")


def test_who_signed_in_last_stays_so_in_the_browser(
    office: Office, relay: Relay, two: tuple[Desk, Desk]
) -> None:
    """A tab that nobody has signed in in is theirs, also after the browser was restarted."""
    ann, wang = two
    url = f"http://{relay.address}/#/board"
    other = ann.context.new_page()
    other.goto(url)
    is_of(other, "王小明")
    browser = ann.context.browser
    assert browser is not None
    later = browser.new_context(storage_state=ann.context.storage_state(), locale="en-GB")
    again = later.new_page()
    again.goto(url)
    is_of(again, "王小明")
    later.close()
    # Ann, who is still signed in here, is left when he has gone.
    signs_out(wang.page)
    other.reload()
    expect(other.locator("dialog.signin")).to_be_visible()
    last = ann.context.new_page()
    last.goto(url)
    is_of(last, "Ann Li")
    ann.forgives("WebSocket", "401")


def test_after_a_restart_of_the_daemon_each_tab_is_whose_it_was(
    office: Office, open_office: Callable[..., Office], two: tuple[Desk, Desk]
) -> None:
    """Also of the one who did not sign in last, in tabs that were open and in reloaded ones."""
    _, wang = two
    office.close()
    for desk in two:
        expect(desk.page.locator("#offline")).to_be_visible()
    again = open_office(port=office.port)
    wang.page.reload()
    each_claims(again, two)
    for desk in two:
        desk.forgives("WebSocket", "ERR_", "Failed to load")


def test_signing_out_is_of_ones_own(relay: Relay, two: tuple[Desk, Desk]) -> None:
    """The form stays in that tab until somebody signs in there, whoever else is signed in."""
    ann, wang = two
    signs_out(ann.page)
    form = ann.page.locator("dialog.signin")
    wang.page.reload()
    is_of(wang.page, "王小明")
    relay.wake()
    is_of(wang.page, "王小明")
    for again in ("reload", "focus", "online"):
        if again == "reload":
            ann.page.reload()
        else:
            ann.page.evaluate(f"dispatchEvent(new Event('{again}'))")
        expect(form.get_by_role("button", name="Sign in")).to_be_visible()
    wang.does("Claim", "Poster")
    wang.told("Yours: Poster")
    expect(form).to_be_visible()
    ann.signs_in("1003", "Eve Stone")
    is_of(ann.page, "Eve Stone")
    is_of(wang.page, "王小明")
    ann.forgives("WebSocket", "401", "ERR_")


def test_a_sign_in_that_ended_elsewhere_gives_its_tab_to_nobody(
    office: Office, two: tuple[Desk, Desk]
) -> None:
    """The form says whose it was, and the other person's tab goes on."""
    ann, wang = two
    office.ask("Logout", user="1001", everywhere=True)
    form = ann.page.locator("dialog.signin")
    expect(form).to_contain_text("The sign-in of Ann Li has ended")
    ann.page.reload()
    expect(form).to_be_visible()
    is_of(wang.page, "王小明")
    ann.forgives("WebSocket", "401")
