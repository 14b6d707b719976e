"""The board in a real browser: a day in the office, and what must hold on every page."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from office import FREE, PASSWORD, PEOPLE, Office, furnish
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from relay import Relay

import taskdash

STATIC = Path(__file__).parents[2] / "taskdashd" / "web" / "static"
VIEWS = ["board", "list", "people", "services", "now", "day", "task/cut-4"]
# Wait long: on a busy machine a late change is no fault, only one that never comes.
expect.set_options(timeout=20_000)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "the tests of the board need a browser: apt-get install chromium"
    with sync_playwright() as playwright:
        # Debian's chromium does not start as root with its sandbox, and CI is root.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Office(tmp_path_factory.mktemp("office")) as office:
        furnish(office)
        yield office


class Desk:
    """A person at a browser of their own, whose console must stay empty."""

    def __init__(self, browser: Browser, url: str, user: str, name: str, **context: Any) -> None:
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
        self.page.goto(url)
        self.page.fill("[name=user]", user)
        self.page.fill("[name=name]", name)
        if user == "1005":
            self.page.click("form summary")
            self.page.fill("[name=password]", PASSWORD)
        self.page.click("form button.primary")
        expect(self.page.locator("nav")).to_be_visible()

    def card(self, name: str, column: str = "") -> Any:
        inside = f".column.{column} .card" if column else ".card"
        return self.page.locator(inside).filter(has_text=name)

    def does(self, act: str, name: str) -> None:
        self.card(name).get_by_role("button", name=act).click()

    def focus(self, name: str) -> None:
        self.card(name).locator("a.name").focus()

    def go(self, view: str) -> None:
        self.page.goto(re.sub(r"#.*|$", f"#/{view}", self.page.url, count=1))

    def settled(self) -> None:
        """Wait until a view has received all its data."""
        expect(self.page.locator("#main > *").first).to_be_attached()
        self.page.wait_for_load_state("networkidle")
        expect(self.page.locator(".skeleton")).to_have_count(0)

    def told(self, text: str) -> None:
        expect(self.page.locator("#toasts")).to_contain_text(text)

    def close(self) -> None:
        assert self.complaints == []
        self.context.close()


@pytest.fixture
def open_office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Open offices of a test's own."""
    opened: list[Office] = []

    def open_(**settings: Any) -> Office:
        opened.append(Office(tmp_path, **settings))
        return opened[-1]

    yield open_
    for office in opened:
        office.close()


@pytest.fixture
def seat(
    browser: Browser, furnished: Office, open_office: Callable[..., Office]
) -> Iterator[Callable[..., Desk]]:
    """Give people desks; at the end each browser must have kept quiet.

    People go before the office closes: their pages would miss the daemon.
    """
    desks: list[Desk] = []

    def take(url: str, user: str, name: str, **context: Any) -> Desk:
        desks.append(Desk(browser, url, user, name, **context))
        return desks[-1]

    yield take
    for desk in desks:
        desk.close()


def test_a_day_in_the_office(open_office: Callable[..., Office], seat: Callable[..., Desk]) -> None:
    """Two services, five people; claims, a race, a rejection, a death and a recovery."""
    office = open_office(heartbeat_timeout=3)
    office.ask("SetPerson", user="1005", name="Root", role="admin", password=PASSWORD)
    # Morning: people come, and get their groups.
    ann, wang = seat(office.url, "1001", "Ann Li"), seat(office.url, "1002", "王小明")
    ann.told("Welcome, Ann Li!")
    expect(ann.page.locator(".welcome")).to_contain_text("taskdash.connect")
    root = seat(office.url, "1005", "Root")
    root.go("people")
    for user in ("Ann Li", "王小明"):
        row = root.page.locator(".people li", has_text=user)
        row.get_by_role("button", name="Edit").click()
        root.page.fill("dialog [name=groups]", "cut")
        root.page.click("dialog button.primary")
        expect(root.page.locator(".people li", has_text=user)).to_contain_text("worker · cut")
    office.ask("SetPerson", user="1004", name="赵组长", role="lead", groups=["cut"])
    office.ask("SetPerson", user="1003", name="Eve Stone", groups=["paint"])
    lead, eve = seat(office.url, "1004", "赵组长"), seat(office.url, "1003", "Eve Stone")

    # Two services hand out work: one by a connection, one by HTTP.
    cutter = taskdash.connect(office.daemon.url)
    cutter.ask("RegisterService", url="http://10.0.0.7:8080", name="Cutter", group_id="cut")
    token = office.token("renderer", "--role", "service", "--group", "cut")
    renderer = {"url": "http://10.0.0.8:8080", "name": "Renderer", "group_id": "cut"}
    assert office.post("RegisterService", renderer, authorization=f"Bearer {token}")[0] == 200
    for number, name in enumerate(["Trailer", "Poster", "Mix"]):
        cutter.ask("Register", id=f"t{number}", name=name, status=FREE, group_id="cut")
    for desk in (ann, wang, lead):
        expect(desk.card("Trailer", "free")).to_be_visible()
    expect(eve.card("Trailer")).to_have_count(0)

    # A claim is seen by everybody; of two who press at once, one is told who won.
    ann.does("Claim", "Trailer")
    ann.told("Yours: Trailer")
    expect(wang.card("Trailer", "claimed")).to_contain_text("Ann Li")
    at = time.time() * 1000 + 700
    press = """at => setTimeout(() => [...document.querySelectorAll('.card')]
        .find(card => card.textContent.includes('Poster')).querySelector('button').click(),
        at - Date.now())"""
    for desk in (ann, wang):
        desk.page.evaluate(press, at)
    expect(lead.card("Poster", "claimed")).to_be_visible()
    won, lost = (ann, wang) if "Ann" in lead.card("Poster").inner_text() else (wang, ann)
    won.told("Yours: Poster")
    lost.told(f"Too late: {PEOPLE[won.user]['name']} ({won.user}) has it.")

    # Work: by the keyboard, by dragging, with a rejection and its reason.
    ann.focus("Trailer")
    ann.page.keyboard.press("b")
    expect(lead.card("Trailer", "editing")).to_be_visible()
    ann.card("Trailer").drag_to(ann.page.locator(".column.review"))
    ann.page.fill("dialog [name=word]", "please look at 00:41")
    ann.page.click("dialog button.primary")
    expect(lead.card("Trailer", "review")).to_contain_text("please look at 00:41")
    lead.does("Reject", "Trailer")
    lead.page.fill("dialog [name=reason]", "too dark <b>here</b>")
    lead.page.click("dialog button.primary")
    ann.told("Back to you, “Trailer”: too dark <b>here</b>")
    expect(ann.card("Trailer", "editing")).to_contain_text("too dark <b>here</b>")
    ann.focus("Trailer")
    ann.page.keyboard.press("s")
    ann.page.click("dialog button.primary")
    lead.does("Approve", "Trailer")
    expect(wang.card("Trailer", "done")).to_be_visible()
    lead.does("Assign", "Mix")
    lead.page.select_option("dialog [name=to]", "1002")
    lead.page.fill("dialog [name=word]", "you know it best")
    lead.page.click("dialog button.primary")
    wang.told("You were given “Mix”: you know it best")

    # A claim whose time runs out is free again, and whoever had it is told.
    ann.go("board")
    cutter.ask("Register", id="short", name="Short", status=FREE, group_id="cut")
    office.ask("Claim", id="short", user="1001", limit=1)
    ann.told("“Short” is free again: the time for it ran out")
    expect(wang.card("Short", "free")).to_be_visible()

    # The history tells all of it.
    ann.go("task/t0")
    expect(ann.page.locator(".history")).to_contain_text("too dark <b>here</b>")
    expect(ann.page.locator(".taskhead")).to_contain_text("Finished")

    # A service dies, and its task with it; it is one line on the wall. Then it comes back.
    cutter.ask(
        "Register",
        id="run",
        name="Render reel",
        status="running",
        group_id="cut",
        url="http://10.0.0.7:8080",
        progress="3/7",
    )
    expect(wang.card("Render reel", "live").locator(".progress")).to_be_visible()
    lead.go("now")
    root.go("services")
    cutter.close()
    expect(wang.card("Render reel", "dead")).to_be_visible()
    expect(root.page.locator(".services li", has_text="Cutter")).to_contain_text("dead")
    expect(lead.page.locator(".lines").first).to_contain_text("Cutter")
    expect(lead.page.locator(".lines").first).not_to_contain_text("Render reel")
    with taskdash.connect(office.daemon.url) as again:
        again.ask("RegisterService", url="http://10.0.0.7:8080", name="Cutter", group_id="cut")
        again.ask("Update", id="run", status="running")
        expect(wang.card("Render reel", "live")).to_be_visible()
        expect(root.page.locator(".services li", has_text="Cutter")).to_contain_text("alive")
        expect(lead.page.locator(".lines").first).not_to_contain_text("Cutter")

    # Evening: wang is ill; all that he holds goes to ann.
    root.go("people")
    row = root.page.locator(".people li", has_text="王小明")
    row.get_by_role("button", name="Hand over").click()
    root.page.get_by_label("Ann Li").check()
    root.page.click("dialog button.primary")
    expect(root.page.locator("dialog")).to_contain_text("t2 → Ann Li")
    root.page.click("dialog button.primary")
    expect(wang.card("Mix")).to_contain_text("Ann Li")
    # Signed out everywhere means: the board closes.
    office.ask("Logout", user="1001", everywhere=True)
    expect(ann.page.locator("form.signin")).to_be_visible()


def test_a_sign_in_from_elsewhere_can_be_backed_out(
    furnished: Office, seat: Callable[..., Desk], browser: Browser
) -> None:
    """For five seconds it can, and nothing of it is kept; then the sign-in goes on by itself."""
    eve = seat(furnished.url, "1003", "Eve Stone")
    eve.does("Claim", "背景绘制")
    eve.told("Yours")
    # Come from a loopback address that is not that of the last sign-in.
    relay = Relay(furnished.port, source="127.0.0.9")
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.clock.install()
    page.goto(f"http://{relay.address}")
    page.fill("[name=user]", "1003")
    page.click("form button.primary")
    expect(page.get_by_role("alertdialog")).to_contain_text("was last signed in from 127.0.0.1")
    expect(page.get_by_role("alertdialog")).to_contain_text("paint-2")
    page.get_by_role("button", name="That is not me").click()
    expect(page.locator("form.signin")).to_be_visible()
    assert furnished.ask("Audit", kinds=["signed in"], who="127.0.0.9")["entries"] == []
    page.click("form button.primary")
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.clock.fast_forward(6_000)
    expect(page.locator("nav")).to_be_visible()
    context.close()
    relay.close()


@pytest.mark.parametrize(("theme", "language"), list(product(("light", "dark"), ("en", "zh"))))
def test_nothing_keeps_anybody_out(
    furnished: Office, seat: Callable[..., Desk], theme: str, language: str
) -> None:
    """axe-core finds nothing serious in any view; nothing is wider than a phone."""
    desk = seat(furnished.url, "1005", "Root")
    desk.page.evaluate(
        "([theme, language]) => { localStorage.theme = theme; localStorage.language = language }",
        [theme, language],
    )
    desk.page.reload()
    for view in VIEWS:
        desk.go(view)
        desk.settled()
        found = Axe().run(desk.page)
        grave = [
            (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
            for one in found.response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert grave == [], view
    desk.page.set_viewport_size({"width": 360, "height": 740})
    for view in VIEWS:
        desk.go(view)
        desk.settled()
        widths = (
            "[document.documentElement.scrollWidth, document.querySelector('#main').scrollWidth]"
        )
        assert max(desk.page.evaluate(widths)) <= 360, view


def test_the_first_page_is_small_and_stands_still(
    furnished: Office, seat: Callable[..., Desk]
) -> None:
    """The page takes 150 KB at most, moves nothing while it comes, and loads own files alone."""
    desk = seat(furnished.url, "1005", "Root")
    desk.page.reload()
    expect(desk.card("Poster")).to_be_visible()
    loaded = desk.page.evaluate(
        "performance.getEntries().filter(one => one.transferSize !== undefined)"
        ".map(one => [one.name, one.transferSize])"
    )
    assert sum(size for _, size in loaded) <= 150_000
    assert all(name.startswith(furnished.url) for name, _ in loaded)
    shifts = desk.page.evaluate(
        """() => new Promise(done => new PerformanceObserver(list =>
            done(list.getEntries().map(one => [one.value, one.sources.map(
                source => `${source.node?.nodeName}.${source.node?.className}`)]))).observe(
            {type: 'layout-shift', buffered: true}) ?? setTimeout(() => done([]), 500))"""
    )
    assert sum(value for value, _ in shifts) < 0.02, shifts
