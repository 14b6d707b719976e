"""People who sign in in a browser of their own, at a desk or on a phone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from office import PEOPLE
from playwright.sync_api import Browser, Page, expect

# Wait long: on a busy machine a late change is no fault, only one that never comes.
expect.set_options(timeout=20_000)
SIZE = {"width": 1500, "height": 900}
PHONE = {"width": 390, "height": 780}


@contextmanager
def signed_in(
    browser: Browser, url: str, user: str, name: str, view: str = "board", **context: Any
) -> Iterator[Page]:
    """Sign a person in, in a browser of their own, whose console must stay empty."""
    opened = browser.new_context(**{"viewport": SIZE, "locale": "en-GB", **context})
    page = opened.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.goto(f"{url}/#/{view}")
    page.get_by_role("textbox", name="Employee number").fill(user)
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    if password := PEOPLE.get(user, {}).get("password"):
        page.get_by_text("I have a password").click()
        page.get_by_role("textbox", name="Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation")).to_be_visible()
    yield page
    opened.close()
    assert complaints == []
