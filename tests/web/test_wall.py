"""The screen on a wall, in a real browser: what is now, by a token in the address, for nobody."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from desk import complaints_of
from office import Office
from playwright.sync_api import Browser, Page, expect
from processes import taskdashd


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
