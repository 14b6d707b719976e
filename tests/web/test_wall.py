"""The screen on a wall, in a real browser: what is now, by a token in the address, for nobody."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from desk import complaints_of
from office import Office, furnish
from playwright.sync_api import Browser, Page, Route, expect
from processes import taskdashd
from relay import Relay

ROOT = Path(__file__).parents[2]
HURRY = """
  const begin = window.setInterval;
  window.setInterval = (call, ms) => begin(call, ms === 30_000 ? 300 : ms);
"""
"""Has a screen look for a newer page three times a second, in place of twice a minute."""


@pytest.fixture(scope="module")
def office(furnished: Office) -> Office:
    return furnished


def made(office: Office, name: str, *words: str) -> str:
    """Make the address of a screen, and wait until the daemon knows it."""
    known = sum(line["event"] == "tokens reread" for line in office.daemon.log)
    (office.data / "taskdashd.toml").write_text(f'web = "{office.address}"\n')
    config = ["--config", office.data / "taskdashd.toml"]
    done = taskdashd("wall", "create", name, "--data", office.data, *config, *words)
    assert done.returncode == 0, done.stderr
    office.daemon.wait_for("tokens reread", count=known + 1)
    assert done.stdout.startswith(f"{office.url}/wall#td_{name}_")
    return done.stdout.strip()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    page = context.new_page()
    yield page
    assert context.cookies() == []
    context.close()


def test_a_screen_shows_what_is_now_and_nobody_signs_in(office: Office, page: Page) -> None:
    complaints = complaints_of(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    address = made(office, "hall")
    page.goto(address)
    expect(page.locator(".wall .tiles .tile")).to_have_count(6)
    expect(page.locator(".wall")).to_contain_text("Trailer, 30 s")
    for gone in ("#bar", "nav", "form", "button", ".me", "#skip"):
        assert not page.locator(gone).locator("visible=true").count(), gone
    assert page.locator("a[href]").locator("visible=true").count() == 0
    office.task("late", "A death", "busy", heartbeat_timeout=0.5)
    expect(page.locator(".wall")).to_contain_text("A death")
    page.keyboard.press("1")
    page.keyboard.press("?")
    assert page.url == address
    page.reload()
    expect(page.locator(".wall")).to_contain_text("A death")
    assert not complaints
    secret = urlsplit(address).fragment
    assert asked
    assert not [url for url in asked if secret in url]
    assert secret.split("_", 2)[2] not in json.dumps(office.daemon.log)


def test_the_tile_counts_what_nobody_has_answered(office: Office, page: Page) -> None:
    """What is acknowledged is answered; what is hidden besides has no line any more."""
    page.goto(made(office, "answers"))
    tile = page.locator(".wall .tile").filter(has_text="died, unanswered")
    expect(page.locator(".wall")).to_contain_text("Trailer, 30 s")
    before = int(tile.locator("strong").inner_text())
    for name in ("lost-1", "lost-2"):
        office.task(name, f"A loss, {name}", "failed")
        expect(page.locator(".wall")).to_contain_text(f"A loss, {name}")
    expect(tile.locator("strong")).to_have_text(str(before + 2))
    office.ask("Acknowledge", id="lost-1", word="the disk is being changed")
    office.ask("Acknowledge", id="lost-2", hide=True)
    expect(tile.locator("strong")).to_have_text(str(before))
    expect(page.locator(".wall")).to_contain_text("A loss, lost-1")
    expect(page.locator(".wall")).not_to_contain_text("A loss, lost-2")
    page.reload()
    expect(page.locator(".wall")).to_contain_text("A loss, lost-1")
    expect(page.locator(".wall")).not_to_contain_text("A loss, lost-2")
    expect(tile.locator("strong")).to_have_text(str(before))


def test_a_screen_of_a_group_shows_that_group(office: Office, page: Page) -> None:
    page.goto(made(office, "paint", "--groups", "paint"))
    expect(page.locator(".wall")).to_contain_text("Matte, shot 9")
    expect(page.locator(".wall")).not_to_contain_text("Trailer, 30 s")


def test_who_has_signed_in_here_is_not_on_the_screen(office: Office, browser: Browser) -> None:
    """The screen's token counts, not the cookie of who used the board in this browser."""
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(office.url)
    page.fill("[name=user]", "1003")
    page.fill("[name=name]", "Eve Stone")
    page.click("form button.primary")
    expect(page.locator("nav")).to_be_visible()
    page.goto(made(office, "cut", "--group", "cut"))
    expect(page.locator(".wall")).to_contain_text("Trailer, 30 s")
    expect(page.locator(".wall")).not_to_contain_text("Matte, shot 9")
    page.goto(f"{office.url}/wall#td_cut_wrong")
    expect(page.locator("main")).to_contain_text("worth nothing any more")
    context.close()


def test_a_screen_goes_dark_when_its_token_is_revoked(office: Office, page: Page) -> None:
    page.goto(made(office, "short"))
    expect(page.locator(".wall .tile").first).to_be_visible()
    office.revoke("short")
    expect(page.locator("main")).to_contain_text("worth nothing any more")
    assert page.locator(".wall").count() == 0
    page.reload()
    expect(page.locator("main")).to_contain_text("worth nothing any more")
    page.goto(f"{office.url}/wall")
    expect(page.locator("main")).to_contain_text("worth nothing any more")


def test_the_token_is_a_reader_s(office: Office) -> None:
    token = urlsplit(made(office, "reads")).fragment
    bearer = f"Bearer {token}"
    assert office.post("Query", {}, authorization=bearer)[0] == 200
    assert office.post("Claim", {"id": "paint-2"}, authorization=bearer)[0] == 403
    wanted = {"id": "cut-1", "status": "finish"}
    assert office.post("Update", wanted, authorization=bearer)[0] == 403


def shake(office: Office, *headers: str) -> bytes:
    """Give the head of the answer to a handshake."""
    lines = [
        *("GET /ws HTTP/1.1", f"Host: {office.address}", "Connection: Upgrade"),
        *("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA=="),
    ]
    with socket.create_connection(("127.0.0.1", office.port), timeout=20) as sock:
        sock.sendall("\r\n".join([*lines, *headers, "", ""]).encode())
        return sock.recv(65536).partition(b"\r\n\r\n")[0]


def test_a_token_among_the_protocols_is_taken_and_not_told_back(office: Office) -> None:
    token = urlsplit(made(office, "wire")).fragment
    good = shake(office, f"Sec-WebSocket-Protocol: taskdash, bearer.{token}")
    assert good.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Protocol: taskdash" in good.split(b"\r\n")
    assert token.encode() not in good
    for protocols in (
        f"bearer.{token}",
        "taskdash",
        "taskdash, bearer.",
        "taskdash, bearer.td_x_y",
    ):
        said = shake(office, f"Sec-WebSocket-Protocol: {protocols}")
        assert said.startswith(b"HTTP/1.1 401 "), protocols


def test_what_is_not_served_has_no_address(tmp_path: Path) -> None:
    done = taskdashd("wall", "create", "x", "--data", tmp_path)
    assert done.returncode == 1
    assert "no board is served" in done.stderr
    (tmp_path / "any.toml").write_text('web = "127.0.0.1:0"')
    done = taskdashd("wall", "create", "x", "--data", tmp_path, "--config", tmp_path / "any.toml")
    assert done.returncode == 1
    assert "chooses another port" in done.stderr
    for settings, begins in (
        ('web = "0.0.0.0:8080"', f"http://{socket.gethostname()}:8080/wall#td_a_"),
        ('web = "[::1]:80"\nweb_tls = true', "https://[::1]:80/wall#td_b_"),
        ('web = "[::]:80"\nweb_origins = "https://a.example"', "https://a.example/wall#td_c_"),
    ):
        (tmp_path / "t.toml").write_text(settings)
        name = begins.split("_")[-2]
        words = ["--data", tmp_path, "--config", tmp_path / "t.toml"]
        done = taskdashd("wall", "create", name, *words)
        assert done.stdout.startswith(begins), done.stderr


@pytest.mark.parametrize(
    ("width", "height"), [(1920, 1080), (1080, 1920), (1280, 720), (3840, 2160)]
)
def test_it_fills_the_screen(office: Office, browser: Browser, width: int, height: int) -> None:
    """A screen on a wall is never scrolled, and nobody comes near to read small letters."""
    for number in range(8):
        name = f"A loss with a name that says at length what was rendered where, {number}"
        office.task(f"long-{number}", name, "failed", group_id="cut")
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(made(office, f"screen-{width}"))
    expect(page.locator(".wall section").first.locator("li")).to_have_count(6)
    box = page.locator(".wall section").last.bounding_box()
    assert box
    assert height - 40 < box["y"] + box["height"] <= height
    # With most of them that there may be: 200,000 tasks and 500 services.
    page.locator(".tile.long strong, .tile strong").last.evaluate(
        "node => { node.parentNode.classList.add('long'); node.firstChild.data = '500/500'; }"
    )
    for node in page.locator("main, .tile").all():
        sizes = node.evaluate("n => [n.scrollWidth, n.clientWidth, n.scrollHeight, n.clientHeight]")
        assert sizes[0] <= sizes[1]
        assert sizes[2] <= sizes[3]
    names = page.locator(".lines li a")
    assert min(names.evaluate_all("all => all.map((n) => n.offsetHeight)")) > height / 60
    context.close()


def test_nothing_on_it_can_be_pressed_or_written(office: Office, page: Page) -> None:
    """A pointer and keys do nothing, and lead nowhere."""
    address = made(office, "still")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    page.on(
        "websocket",
        lambda opened: opened.on("framesent", lambda frame: sent.append(f"frame {frame}")),
    )
    page.goto(address)
    expect(page.locator(".wall")).to_contain_text("Trailer, 30 s")
    expect(page.locator(".wall .tile").first).to_be_visible()
    asked = {json.loads(one[6:])["op"] for one in sent if one.startswith("frame")}
    assert asked <= {"Query", "Figures", "Names", "Services", "People", "Next"}, asked
    frames = len(sent)
    for node in page.locator(".wall .tile, .wall li").all():
        node.click()
    for key in ("Tab", "Enter", "Space", "c", "d", "z", "a", "Delete", "Escape", "/", "1"):
        page.keyboard.press(key)
    assert page.url == address
    more = sent[frames:]
    assert not [one for one in more if not one.startswith(("GET", "frame"))], more
    asked = {json.loads(one[6:])["op"] for one in more if one.startswith("frame")}
    assert asked <= {"Query", "Figures", "Names"}


def newer(tmp_path: Path, says: str) -> Path:
    """Copy the daemon's package, with another word on its screen."""
    package = tmp_path / "package"
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "taskdashd", package / "taskdashd", ignore=leave)
    words = package / "taskdashd/web/static/views/now/words.json"
    before = words.read_text()
    assert before.count('"Just died"') == 1
    words.write_text(before.replace('"Just died"', f'"{says}"'))
    return package


def looks(page: Page, count: int = 3) -> None:
    """Let a screen look for a newer page some times."""
    for _ in range(count):
        with page.expect_request("**/wall"):
            pass


def test_it_takes_the_page_of_a_newer_daemon_by_itself(
    open_office: Callable[..., Office], page: Page, tmp_path: Path
) -> None:
    """Nobody presses reload on a wall; the new page is begun once, when the daemon is back."""
    office = open_office()
    furnish(office)
    page.add_init_script(HURRY)
    page.goto(made(office, "months"))
    expect(page.locator(".wall")).to_contain_text("Just died")
    page.evaluate("window.mark = 'the old page'")
    loads: list[str] = []
    page.on("domcontentloaded", lambda one: loads.append(one.url))
    # The same daemon again: nothing is newer, and the page stays.
    office.close()
    office = open_office(port=office.port)
    office.task("same", "After the first return", "failed")
    expect(page.locator(".wall")).to_contain_text("After the first return")
    looks(page)
    assert page.evaluate("window.mark") == "the old page"
    office.close()
    open_office(port=office.port, package=newer(tmp_path, "Gone lately"))
    expect(page.locator(".wall")).to_contain_text("Gone lately")
    expect(page.locator(".wall")).to_contain_text("After the first return")
    looks(page)
    assert len(loads) == 1


def test_a_proxy_that_keeps_the_old_page_makes_no_loop(office: Office, page: Page) -> None:
    """The page is begun once for a version that then does not come."""

    def answer(route: Route) -> None:
        if route.request.is_navigation_request():
            route.continue_()
        else:
            route.fulfill(body='<script src="static/0000/page.js">')

    page.add_init_script(HURRY)
    page.route("**/wall", answer)
    loads: list[str] = []
    page.on("domcontentloaded", lambda one: loads.append(one.url))
    page.goto(made(office, "kept"))
    expect(page.locator(".wall .tile").first).to_be_visible()
    looks(page, 6)
    expect(page.locator(".wall .tile").first).to_be_visible()
    assert len(loads) == 2


def test_what_is_no_page_of_ours_is_not_taken_for_a_newer_one(office: Office, page: Page) -> None:
    """A network that asks for its own sign-in first, an error, nothing: the screen stays."""
    newest = '<script src="static/0000/page.js">'
    answers: list[dict[str, Any] | None] = [
        {"body": "<h1>Hi</h1>"},
        {"status": 502, "body": newest},
    ]

    def give(answer: dict[str, Any] | None, route: Route) -> None:
        route.fulfill(**answer) if answer else route.abort()

    page.add_init_script(HURRY)
    page.goto(made(office, "captive"))
    expect(page.locator(".wall .tile").first).to_be_visible()
    page.evaluate("window.mark = 'the old page'")
    for answer in (*answers, None):
        page.unroute("**/wall")
        page.route("**/wall", partial(give, answer))
        looks(page)
    assert page.evaluate("window.mark") == "the old page"
    page.unroute("**/wall")
    page.route("**/wall", partial(give, {"body": newest}))
    with page.expect_event("domcontentloaded"):
        pass


def test_it_outlives_a_network_that_is_away(office: Office, page: Page) -> None:
    relay = Relay(office.port)
    address = made(office, "cable").replace(office.address, relay.address)
    page.goto(address)
    expect(page.locator(".wall")).to_contain_text("Trailer, 30 s")
    relay.sleep()
    expect(page.locator("#offline")).to_be_visible(timeout=40_000)
    office.task("meanwhile", "Died while nobody saw it", "failed")
    relay.wake()
    expect(page.locator(".wall")).to_contain_text("Died while nobody saw it")
    expect(page.locator("#offline")).to_be_hidden()
    relay.close()
