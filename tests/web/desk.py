"""A desk: a person at a browser of their own, whose console must stay empty."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Event, Thread
from typing import Any

from office import PEOPLE, Office
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

import taskdash

CHANGES_A_SECOND = 20
SIZE = {"width": 1500, "height": 900}


def complaints_of(page: Page) -> list[str]:
    """Give the list into which a page's complaints come: errors, and what its console tells."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    return complaints


class Desk:
    """A person at a browser, who is signed in and has landed on a view."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        user: str,
        name: str,
        view: str = "board",
        *,
        by_form: bool = False,
        at: datetime | None = None,
        **context: Any,
    ) -> None:
        """Sign somebody in before the page is opened, or by the form that the page then shows.

        The form takes a second and more of each test; the tests that are about it go through it.
        `at` is the time at which the browser's clock stands still.
        """
        self.user = user
        self.context: BrowserContext = browser.new_context(
            **{"viewport": SIZE, "locale": "en-GB", **context}
        )
        if not by_form:
            given = {"user": user, "name": name, "password": password_of(user)}
            while "confirm" in (reply := self._login(url, given)):
                # The daemon warns where somebody was last signed in from another address.
                given["confirm"] = reply["confirm"]
        if at:
            self.context.clock.set_fixed_time(at)
        self.page: Page = self.context.new_page()
        self.complaints = complaints_of(self.page)
        self.page.goto(f"{url}/#/{view}" if view else url)
        if by_form:
            self.signs_in(user, name)
        expect(self.page.get_by_role("navigation")).to_be_visible()
        expect(self.page.locator("body[data-view]")).to_be_attached()

    def _login(self, url: str, given: dict[str, str]) -> dict[str, Any]:
        """Sign in; the cookie that comes is the browser's."""
        answer = self.context.request.post(f"{url}/api/v1/Login", data=given)
        assert answer.ok, answer.text()
        reply: dict[str, Any] = answer.json()
        return reply

    def signs_in(self, user: str, name: str = "") -> None:
        """Sign in by the form."""
        form = self.page.locator("dialog.signin")
        form.get_by_role("textbox", name="Employee number").fill(user)
        form.get_by_role("textbox", name="Name", exact=True).fill(name)
        if password := password_of(user):
            form.get_by_text("I have a password").click()
            form.get_by_role("textbox", name="Password", exact=True).fill(password)
        form.get_by_role("button", name="Sign in").click()
        expect(form).to_have_count(0)
        expect(self.page.get_by_role("navigation")).to_be_visible()

    def forgives(self, *words: str) -> None:
        """Forget complaints that a test has provoked."""
        self.complaints[:] = [
            said for said in self.complaints if not any(word in said for word in words)
        ]

    def card(self, name: str, column: str = "") -> Locator:
        inside = f".column.{column} .card" if column else ".card"
        return self.page.locator(inside).filter(has_text=name)

    def does(self, act: str, name: str) -> None:
        self.card(name).get_by_role("button", name=act).click()

    def go(self, view: str) -> None:
        """Open a view, and wait until it has taken the place of the one before."""
        self.page.goto(re.sub(r"#.*|$", f"#/{view}", self.page.url, count=1))
        opened = self.page.locator(f"body[data-view={re.split('[/?]', view)[0]}]")
        expect(opened).to_be_attached()

    def told(self, text: str) -> None:
        expect(self.page.locator("#toasts")).to_contain_text(text)

    @property
    def search(self) -> Locator:
        return self.page.get_by_role("searchbox", name="Search")

    def composes(self, *steps: str) -> None:
        """Type by an input method, up to where the word is to be chosen."""
        method = self.context.new_cdp_session(self.page)
        for text in steps:
            place = {"selectionStart": len(text), "selectionEnd": len(text)}
            method.send("Input.imeSetComposition", {"text": text, **place})

    def chooses(self, word: str) -> None:
        """Choose the word that an input method has composed."""
        self.context.new_cdp_session(self.page).send("Input.insertText", {"text": word})

    def close(self) -> None:
        """Leave; what the page complained of until then must have been forgiven."""
        complaints = list(self.complaints)
        self.context.close()
        assert complaints == []


def password_of(user: str) -> str:
    """Give the password of somebody who signs in nowhere without one."""
    return str(PEOPLE.get(user, {}).get("password", ""))


class Storm:
    """Changes of an office, twenty a second, while somebody tries to work."""

    def __init__(self, office: Office, *changes: Callable[[taskdash.Client, int], object]) -> None:
        self._office = office
        self._changes = changes
        self._over = Event()
        self.count = 0
        self._thread = Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with taskdash.connect(self._office.daemon.url) as dash:
            while not self._over.wait(1 / CHANGES_A_SECOND):
                self._changes[self.count % len(self._changes)](dash, self.count)
                self.count += 1

    @contextmanager
    def blowing(self) -> Iterator["Storm"]:
        """Let changes come; at the end they must have come."""
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()
        assert self.count > 0
