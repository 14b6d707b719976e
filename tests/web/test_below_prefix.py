"""The board in a real browser behind a real nginx and Caddy: at a root and below a path.

The proxies are set up as docs/board.md prints them, and strip the path or not.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from office import Office, furnish
from playwright.sync_api import Browser, Page, expect
from screens import signed_in
from test_behind_proxy import NAME, NAME_BELOW, Front
from test_http import send

PROXIES = ("nginx", "caddy")
IDLE_S = 300.0


@contextmanager
def front(path: Path, kind: str, below: str, *, named: bool = True) -> Iterator[Front]:
    """Open an office behind a proxy."""
    origin = f"https://{NAME_BELOW if below else NAME}"
    prefix = "/tasks" if below and named else ""
    settings = {"web_origins": origin, "web_prefix": prefix, "trusted_proxies": "127.0.0.1"}
    (path / "office").mkdir(parents=True)
    (path / "proxy").mkdir()
    with Office(path / "office", **settings) as office:
        furnish(office)
        proxy = Front(office, path / "proxy", kind, below)
        try:
            yield proxy
        finally:
            proxy.close()
        assert [line for line in office.daemon.log if "unexpected" in line["event"]] == []


def ann(browser: Browser, url: str, **more: Any) -> Any:
    """Sign Ann in, through the page's own form."""
    how = {"ignore_https_errors": True, "by_form": True, **more}
    return signed_in(browser, url, "1001", "Ann Li", **how)


def see(page: Page, office: Office, name: str) -> None:
    """See a task that is made only now."""
    office.task(name, f"Made now: {name}", group_id="cut")
    expect(page.locator(".card, .wall").filter(has_text=f"Made now: {name}")).to_be_visible()


@pytest.mark.parametrize(
    ("below", "named"),
    [("", True), ("passed", True), ("stripped", True), ("stripped", False)],
    ids=["root", "passed", "stripped", "unnamed"],
)
@pytest.mark.parametrize("kind", PROXIES)
def test_page_websocket_sign_in_and_download_come_through(
    browser: Browser, tmp_path: Path, kind: str, below: str, named: bool
) -> None:
    with (
        front(tmp_path, kind, below, named=named) as proxy,
        ann(browser, proxy.url) as page,
    ):
        before = f"{proxy.url}/"
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda opened: asked.append(opened.url))
        see(page, proxy.office, "first")
        (cookie,) = page.context.cookies()
        assert cookie["path"] == ("/tasks/" if below and named else "/")
        assert cookie["secure"]
        page.reload()
        see(page, proxy.office, "second")
        # Without the slash at its end the address leads to the page too.
        page.goto(proxy.url)
        assert page.url.partition("#")[0] == before
        page.goto(f"{before}#/list")
        expect(page.locator(".said p")).to_contain_text("tasks")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        download.value.save_as(tmp_path / "saved.csv")
        assert "Made now: second" in (tmp_path / "saved.csv").read_text(encoding="utf-8-sig")
        assert f"{before.replace('https', 'wss', 1)}ws" in {url.partition("?")[0] for url in asked}
        ours = (before, before.replace("https", "wss", 1), "blob:", "data:")
        assert {url for url in asked if not url.startswith(ours)} <= {proxy.url}
        page.goto("about:blank")
        page.goto(f"{before}wall#{proxy.office.token('hall', '--role', 'reader')}")
        expect(page.locator(".wall .tile")).to_have_count(6)
        assert proxy.fetch("127.0.0.1", "GET", f"{'/tasks' if below else ''}/healthz")[0] == 200


def test_two_daemons_of_one_host_do_not_take_each_others_cookie(
    browser: Browser, tmp_path: Path
) -> None:
    """Cookies know no ports: only the path keeps the sign-ins apart."""
    with ExitStack() as opened:
        offices = []
        for name in ("one", "two"):
            office = Office(tmp_path / name, web_prefix=f"/{name}")
            offices.append(opened.enter_context(office))
            furnish(office)
        first, second = offices
        page = opened.enter_context(ann(browser, f"{first.url}/one"))
        other = page.context.new_page()
        other.goto(f"{second.url}/two/#/board")
        other.get_by_role("textbox", name="Employee number").fill("1002")
        other.get_by_role("textbox", name="Name", exact=True).fill("王小明")
        other.get_by_role("button", name="Sign in").click()
        expect(other.get_by_role("navigation")).to_be_visible()
        assert {one["path"] for one in page.context.cookies()} == {"/one/", "/two/"}
        for tab, office in ((page, first), (other, second)):
            tab.reload()
            expect(tab.get_by_role("navigation")).to_be_visible()
            see(tab, office, "still-here")
        # Behind one proxy they share what a browser keeps for an origin.
        assert set(page.evaluate("Object.keys(localStorage)")) == {"one/signed-in", "one/who"}


def test_a_page_at_the_daemons_own_root_moves_below_the_prefix(
    browser: Browser, tmp_path: Path
) -> None:
    """A cookie kept for the prefix is not sent to the root: nobody could sign in there."""
    with Office(tmp_path, web_prefix="/tasks") as office:
        furnish(office)
        with ann(browser, office.url) as page:
            expect(page).to_have_url(f"{office.url}/tasks/#/board")
            see(page, office, "moved")
            token = office.token("hall", "--role", "reader")
            page.goto("about:blank")
            page.goto(f"{office.url}/wall#{token}")
            expect(page).to_have_url(f"{office.url}/tasks/wall#{token}")
            expect(page.locator(".wall .tile")).to_have_count(6)


def test_a_page_without_its_files_says_why(browser: Browser, tmp_path: Path) -> None:
    """Where a proxy gives the page at an address without the slash, nobody sees an empty one."""
    with Office(tmp_path) as office:
        html = send(office, "GET", "/").body.decode()
        page = browser.new_page()
        page.route("http://astray.example/**", lambda route: route.fulfill(status=404))
        page.route(
            "http://astray.example/tasks",
            lambda route: route.fulfill(body=html, content_type="text/html"),
        )
        page.goto("http://astray.example/tasks")
        expect(page.get_by_text("web_prefix")).to_be_visible()
        page.goto(office.url)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(page.get_by_text("web_prefix")).to_be_hidden()
        page.context.close()


@pytest.mark.soak
def test_an_idle_websocket_stays_open(browser: Browser, tmp_path: Path) -> None:
    """For five minutes nobody does anything; nginx ends what is silent for one."""
    with ExitStack() as opened:
        seats = []
        for kind in PROXIES:
            for below in ("", "passed", "stripped"):
                path = tmp_path / f"{kind}-{below}"
                proxy = opened.enter_context(front(path, kind, below))
                sockets: list[str] = []
                page = opened.enter_context(ann(browser, proxy.url))
                see(page, proxy.office, "before")
                page.on("websocket", lambda one, to=sockets: to.append(one.url))
                seats.append((page, proxy, sockets))
        until = time.monotonic() + IDLE_S
        while time.monotonic() < until:
            seats[0][0].wait_for_timeout(1000)
        for page, proxy, sockets in seats:
            expect(page.locator("#offline")).to_be_hidden()
            see(page, proxy.office, "after")
            assert sockets == [], proxy.url
