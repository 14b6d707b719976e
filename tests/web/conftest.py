"""What the tests in a real browser share."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from office import Office, furnish
from playwright.sync_api import Browser, sync_playwright
from relay import Relay

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "the tests of the board need a browser: apt-get install chromium"
    with sync_playwright() as playwright:
        # Debian's chromium does not start as root with its sandbox, and CI is root.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Open offices of a test's own, each with people and a day's work."""
    opened: list[Office] = []

    def open_(**settings: Any) -> Office:
        opened.append(Office(tmp_path, **settings))
        return opened[-1]

    yield open_
    for office in opened:
        office.close()


@pytest.fixture
def office(open_office: Callable[..., Office]) -> Office:
    """Open an office with people and a day's work."""
    office = open_office()
    furnish(office)
    return office


@pytest.fixture
def relay(office: Office) -> Iterator[Relay]:
    """Put a network between the office and its browsers."""
    relay = Relay(office.port)
    yield relay
    relay.close()


@pytest.fixture
def seat(browser: Browser, office: Office) -> Iterator[Callable[..., Desk]]:
    """Give people desks; at the end each browser must have kept quiet.

    People go before the office closes: their pages would miss the daemon.
    """
    desks: list[Desk] = []

    def take(user: str, name: str, url: str = "", **more: Any) -> Desk:
        desks.append(Desk(browser, url or office.url, user, name, **more))
        return desks[-1]

    yield take
    for desk in desks:
        desk.close()
