"""What tests from outside find things by: roles and names in English, at a desk and on a phone."""

import re
from typing import Any

import pytest
from office import Office
from playwright.sync_api import Browser, Page, expect
from relay import Relay
from screens import PHONE, SIZE, signed_in

STATES = ["To claim", "Claimed", "In work", "To check", "Running", "Failed or lost", "Finished"]
pytestmark = pytest.mark.parametrize("screen", [SIZE, PHONE], ids=["desk", "phone"])


@pytest.fixture(scope="module")
def office(furnished: Office) -> Office:
    return furnished


def link(page: Page, name: str) -> Any:
    return page.get_by_role("link", name=name, exact=True)


def test_the_sign_in(browser: Browser, office: Office, screen: dict[str, int]) -> None:
    context = browser.new_context(viewport=screen, locale="en-GB")
    page = context.new_page()
    page.goto(office.url)
    expect(page.get_by_role("textbox", name="Employee number")).to_be_focused()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_visible()
    password = page.get_by_role("textbox", name="Password", exact=True)
    expect(password).to_be_hidden()
    page.get_by_text("I have a password").click()
    expect(password).to_be_visible()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    language = page.get_by_role("combobox", name="Language")
    expect(language.get_by_role("option", name="English")).to_have_count(1)
    language.select_option(label="English")
    context.close()


def test_the_warning_of_another_address(
    browser: Browser, office: Office, screen: dict[str, int]
) -> None:
    with signed_in(browser, office.url, "1003", "Eve Stone", viewport=screen) as page:
        expect(page.get_by_text("Eve Stone").first).to_be_visible()
    relay = Relay(office.port, source="127.0.0.9")
    context = browser.new_context(viewport=screen, locale="en-GB")
    page = context.new_page()
    page.goto(f"http://{relay.address}")
    page.get_by_role("textbox", name="Employee number").fill("1003")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("navigation")).to_be_visible()
    context.close()
    relay.close()
    office.ask("Logout", user="1003", everywhere=True)


def test_the_places(browser: Browser, office: Office, screen: dict[str, int]) -> None:
    with signed_in(browser, office.url, "1001", "Ann Li", viewport=screen) as page:
        nav = page.get_by_role("navigation")
        for place, within in (
            ("Mine", []),
            ("Work", ["Board", "List"]),
            ("People", ["Groups"]),
            ("House", ["Services", "Now"]),
        ):
            expect(nav).to_have_count(1)
            nav.get_by_role("link", name=re.compile(f"^{place}")).click()
            for name in within:
                link(page, name).first.click()
                expect(page.get_by_role("heading", name=name, exact=True).first).to_be_attached()
            expect(nav).to_be_visible()
        expect(page.get_by_text("Ann Li").first).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("textbox", name="Employee number")).to_be_visible()


def test_the_work(browser: Browser, office: Office, screen: dict[str, int]) -> None:
    """Search, states, and a task with a URL of its own."""
    with signed_in(browser, office.url, "1001", "Ann Li", viewport=screen) as page:
        for view in ("board", "list"):
            page.goto(f"{office.url}/#/{view}")
            expect(page.locator(f"body[data-view={view}]")).to_be_attached()
            search = page.get_by_role("searchbox", name="Search")
            expect(search).to_have_count(1)
            page.keyboard.press("/")
            expect(search).to_be_focused()
            page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Download")).to_be_visible()
        page.goto(f"{office.url}/#/board")
        for state in STATES:
            if screen is PHONE:
                page.get_by_role("button", name=re.compile(f"^{state}")).click()
            expect(page.get_by_role("heading", name=state, exact=True)).to_be_visible()
        if screen is PHONE:
            page.get_by_role("button", name=re.compile("^Running")).click()
        page.get_by_text("Render reel 1", exact=True).click()
        heading = page.get_by_role("heading", name="Render reel 1", exact=True)
        expect(heading).to_be_visible()
        page.reload()
        expect(heading).to_be_visible()
        expect(page.get_by_text("Service", exact=True)).to_be_visible()
        expect(page.get_by_text("Registered").first).to_be_visible()


def test_the_acts(browser: Browser, office: Office, screen: dict[str, int]) -> None:
    """As far as they go: each is a button that begins with its name."""
    task = f"walk-{screen['width']}"
    office.task(task, "A walk", group_id="cut")

    def press(page: Page, act: str) -> None:
        page.get_by_role("button", name=re.compile(f"^{act}")).click()

    with (
        signed_in(browser, office.url, "1001", "Ann Li", f"task/{task}", viewport=screen) as ann,
        signed_in(browser, office.url, "1004", "赵组长", f"task/{task}", viewport=screen) as lead,
    ):
        for act in ("Claim", "Begin", "Release"):
            press(ann, act)
        press(lead, "Assign")
        lead.get_by_role("dialog").get_by_role("combobox", name="To").select_option("1001")
        lead.get_by_role("dialog").get_by_role("button", name="Assign").click()
        for act in ("Reject", "Approve"):
            press(ann, "Submit")
            dialog = ann.get_by_role("dialog")
            dialog.get_by_role("textbox", name="Note").fill("look")
            dialog.get_by_role("button", name="Submit").click()
            expect(dialog).to_have_count(0)
            press(lead, act)
            if act == "Reject":
                lead.get_by_role("dialog").get_by_role("textbox").fill("once more")
                lead.get_by_role("dialog").get_by_role("button", name="Reject").click()
        expect(ann.get_by_text("Finished").first).to_be_visible()


def test_the_people(browser: Browser, office: Office, screen: dict[str, int]) -> None:
    fields = ("Employee number", "Name")
    with signed_in(browser, office.url, "1005", "Root", "people", viewport=screen) as page:
        row = page.get_by_role("listitem").filter(has_text="1002")
        expect(row).to_have_count(1)
        for button in (row.get_by_role("button", name="Edit"), "Add a person"):
            if isinstance(button, str):
                page.get_by_role("button", name=button).click()
            else:
                button.click()
            dialog = page.get_by_role("dialog")
            for field in fields:
                expect(dialog.get_by_role("textbox", name=field, exact=True)).to_be_visible()
            expect(dialog.get_by_role("button", name="Save")).to_be_visible()
            dialog.get_by_role("button", name="Cancel").click()
            expect(dialog).to_have_count(0)


def test_the_rest_of_a_long_column(
    browser: Browser, office: Office, screen: dict[str, int]
) -> None:
    """What is not shown yet comes by "Show all", and in the list by scrolling."""
    office.many(150)
    with signed_in(browser, office.url, "1005", "Root", viewport=screen) as page:
        page.get_by_role("link", name="Show all").first.click()
        expect(page.get_by_text("many-00149").or_(page.get_by_text("Task 149"))).not_to_have_count(
            0
        )
        expect(page.locator(".scroll")).to_be_visible()
        # Rows come as one scrolls: go on to the end until it is there.
        page.wait_for_function(
            """() => {
              const node = document.querySelector('.scroll');
              node.scrollTop = node.scrollHeight;
              return [...node.querySelectorAll('*')].some((one) => one.textContent === 'Task 3');
            }"""
        )
        expect(page.get_by_text("Task 3", exact=True)).to_be_visible()
