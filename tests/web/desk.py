"""A desk: a person at a browser of their own, whose console must stay empty."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from office import PASSWORD, Office
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

import taskdash

# Wait long: on a busy machine a late change is no fault, only one that never comes.
expect.set_options(timeout=20_000)
CHANGES_A_SECOND = 20


class Desk:
    """A person at a browser, who signs in and lands on a view."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        user: str,
        name: str,
        view: str = "board",
        **context: Any,
    ) -> None:
        self.user = user
        self.complaints: list[str] = []
        self.context: BrowserContext = browser.new_context(
            **{"viewport": {"width": 1500, "height": 900}, "locale": "en-GB", **context}
        )
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )
        self.page.goto(f"{url}/#/{view}")
        self.signs_in(user, name)
        # A websocket before the sign-in is refused, and the browser says so.
        self.forgives("WebSocket")

    def signs_in(self, user: str, name: str = "") -> None:
        self.page.get_by_role("textbox", name="Employee number").fill(user)
        self.page.get_by_role("textbox", name="Name", exact=True).fill(name)
        if user == "1005":
            self.page.get_by_text("I have a password").click()
            self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.locator("dialog.signin")).to_have_count(0)
        expect(self.page.locator("nav")).to_be_visible()

    def forgives(self, *words: str) -> None:
        """Forget complaints that a test has provoked."""
        self.complaints = [
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
        assert not self.complaints, self.complaints
        self.context.close()


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
