"""How each view looks, in both themes and languages: names, sizes, contrast, nothing cut off."""

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from office import Office
from pictures import SIZE, VIEWS
from playwright.sync_api import Browser, Page, WebSocket, expect
from screens import axe_says

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "taskdashd" / "web" / "static"
FIRST_PAGE_BYTES_MAX = 60_000
FIRST_PAGE_REQUESTS_MAX = 8
CUT = """() => [...document.querySelectorAll('button, a, h1, h2, label, select, .count, .badge')]
  .filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).overflow !== 'visible'
    && !one.closest('.card, .listrow, .hidden, .skip'))
  .map(one => one.outerHTML.slice(0, 200))"""
"""What is cut off: names of tasks may be, and are whole where the task is open."""
TINY = """() => [...document.querySelectorAll('button, a[href], input, select, textarea')]
  .filter(one => one.checkVisibility() && !one.matches('.skip, .hidden')
    && one.getBoundingClientRect().width < 8)
  .map(one => one.outerHTML.slice(0, 200))"""


PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
COLOURS = """() => Object.fromEntries(
  ['free', 'claimed', 'editing', 'review', 'live', 'dead', 'done'].map(state => {
    const box = document.createElement('div');
    box.innerHTML = `<i class="dot ${state}"></i><i class="badge ${state}"></i>
      <i class="tile ${state}"><strong></strong></i>
      <svg class="chart"><rect class="${state}"/></svg>`;
    document.body.append(box);
    const shown = [['.dot', 'backgroundColor'], ['.badge', 'color'], ['strong', 'color'],
      ['rect', 'fill']].map(([what, how]) => getComputedStyle(box.querySelector(what))[how]);
    box.remove();
    return [state, shown];
  }))"""


@pytest.fixture(scope="module")
def desk(browser: Browser, furnished: Office) -> Iterator[Desk]:
    desk = Desk(browser, furnished.url, "1005", "Root")
    yield desk
    desk.close()


class Asked:
    """What a page has asked over its websocket, and has no answer to yet."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._open: set[int] = set()
        page.on("websocket", self._follow)

    def _follow(self, socket: WebSocket) -> None:
        self._open.clear()
        socket.on("framesent", lambda frame: self._open.add(json.loads(frame)["seq"]))
        socket.on("framereceived", lambda frame: self._open.discard(json.loads(frame).get("seq")))

    def settle(self) -> None:
        """Wait until a view has received all its data, and shows it."""
        expect(self._page.locator("#main > *").first).to_be_attached()
        self._page.evaluate(PAINTED)
        # What is asked after an answer is asked before the answer is painted.
        while self._open:
            self._page.evaluate(PAINTED)
        expect(self._page.locator("#main")).not_to_contain_text(re.compile("Reading …|读取中"))


@pytest.mark.parametrize(("theme", "language"), list(product(("light", "dark"), ("en", "zh"))))
def test_nothing_keeps_anybody_out(desk: Desk, theme: str, language: str) -> None:
    """axe-core finds nothing serious in any view (contrast, names); nothing is cut off, or wider
    than a phone."""
    desk.page.evaluate(
        "([theme, language]) => { localStorage.theme = theme; localStorage.language = language }",
        [theme, language],
    )
    asked = Asked(desk.page)
    desk.page.reload()
    shown = "zh-CN" if language == "zh" else "en"
    expect(desk.page.locator(f"html[lang={shown}][data-theme={theme}]")).to_have_count(1)
    found: list[tuple[str, Any]] = []
    for view in VIEWS.values():
        desk.page.set_viewport_size(SIZE)
        desk.go(view)
        asked.settle()
        found += [(view, one) for one in axe_says(desk.page)]
        for look in (CUT, TINY):
            found += [(view, html) for html in desk.page.evaluate(look)]
        desk.page.set_viewport_size({"width": 360, "height": 740})
        widths = (
            "[document.documentElement.scrollWidth, document.querySelector('#main').scrollWidth]"
        )
        if max(desk.page.evaluate(widths)) > 360:
            found.append((view, "wider than a phone"))
    desk.page.set_viewport_size(SIZE)
    assert found == []


def test_a_state_has_one_colour_wherever_it_is_shown(desk: Desk) -> None:
    """The badge of what runs and of what is to be checked once had that of the dead."""
    colours: dict[str, list[str]] = desk.page.evaluate(COLOURS)
    assert {state: set(shown) for state, shown in colours.items() if len(set(shown)) > 1} == {}
    assert len({shown[0] for shown in colours.values()}) == len(colours)


def test_each_view_is_pictured() -> None:
    """A view that is added to the page is added to the pictures, and so to these looks."""
    folders = {path.name for path in (STATIC / "views").iterdir()}
    assert folders == set(VIEWS)


def test_the_first_page_is_small_and_stands_still(desk: Desk, browser: Browser) -> None:
    """Sixty kilobytes, eight requests, own files alone; and a second visit asks for one file."""
    cookies = desk.context.cookies()
    context = browser.new_context(locale="en-GB")
    context.add_cookies(cookies)
    page = context.new_page()
    network: list[str] = []
    received: dict[str, float] = {}
    cdp = context.new_cdp_session(page)
    cdp.send("Network.enable")
    cdp.on("Network.requestWillBeSent", lambda one: network.append(one["request"]["url"]))
    cdp.on("Network.requestServedFromCache", lambda one: received.pop(one["requestId"], 0))
    cdp.on(
        "Network.loadingFinished",
        lambda one: received.update({one["requestId"]: one["encodedDataLength"]}),
    )
    origin = desk.page.evaluate("location.origin")
    page.goto(f"{origin}/")
    expect(page.locator("nav")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert len(network) <= FIRST_PAGE_REQUESTS_MAX, network
    assert sum(received.values()) <= FIRST_PAGE_BYTES_MAX, received
    assert [url for url in network if not url.startswith(origin)] == []
    shifts = page.evaluate(
        """() => new Promise(done => new PerformanceObserver(list =>
            done(list.getEntries().map(one => [one.value, one.sources.map(
                source => `${source.node?.nodeName}.${source.node?.className}`)]))).observe(
            {type: 'layout-shift', buffered: true}) ?? setTimeout(() => done([]), 500))"""
    )
    assert sum(value for value, _ in shifts) < 0.02, shifts
    asked = served(page)
    page.reload()
    expect(page.locator("nav")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert [url for url in served(page) if url not in asked] == []
    again = [
        one["name"]
        for one in json.loads(
            page.evaluate(
                "JSON.stringify(performance.getEntriesByType('resource')"
                ".filter(one => one.transferSize > 0))"
            )
        )
    ]
    assert again == []
    context.close()


def served(page: Page) -> list[str]:
    """Give what a page has loaded."""
    names: list[str] = page.evaluate("performance.getEntries().map(one => one.name)")
    return [name for name in names if name.startswith("http")]
