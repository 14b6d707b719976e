"""What the tests in a real browser share."""

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from office import Office, furnish
from playwright.sync_api import Browser, expect, sync_playwright
from relay import Relay

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


# Wait long: on a busy machine a late change is no fault, only one that never comes.
expect.set_options(timeout=20_000)

open_browser = ExitStack()
"""Closes the browser, while one is open."""
browsers: list[Browser] = []


@pytest.fixture(scope="module")
def browser() -> Browser:
    """Open a browser, or give the one that is open since the module before."""
    assert CHROMIUM, "the tests of the board need a browser: apt-get install chromium"
    if not browsers:
        playwright = open_browser.enter_context(sync_playwright())
        # Debian's chromium does not start as root with its sandbox, and CI is root. The names of
        # the documents, behind whose proxies the board is tried, are this machine's.
        args = ["--no-sandbox", "--host-resolver-rules=MAP *.example.com 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        open_browser.callback(browser.close)
        open_browser.callback(browsers.clear)
        browsers.append(browser)
    return browsers[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Close the browser behind the last of some modules that use it: while it is open, the thread
    has a loop of asyncio, and no other can run there."""
    done = yield
    if nextitem is None or (nextitem.path != item.path and not uses_browser(nextitem)):
        open_browser.close()
    return done


def uses_browser(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "browser" in item.fixturenames


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


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Open an office with people and a day's work for all tests of a module."""
    with Office(tmp_path_factory.mktemp("office")) as office:
        furnish(office)
        yield office


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
