"""Pages of other origins: which may ask, what they may read, and by which credentials (CORS)."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from office import Office
from playwright.sync_api import Browser, Page
from test_http import Answer, send

NAMED = "http://pages.example"
PATHS = ("/api/v1/Query", "/api/v1/about", "/rpost/task", "/rget/task/", "/api/v1/nothing")
OF_CORS = "access-control-"


class Pages(http.server.SimpleHTTPRequestHandler):
    """An empty page, on a server of another origin."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def pages(root: Path) -> Iterator[int]:
    """Serve a page, and give the port."""
    (root / "index.html").write_text("<!doctype html><link rel=icon href=data:,><p>elsewhere")
    serve = partial(Pages, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the pages: `127.0.0.1` is the board's own site, and `localhost` another."""
    with pages(tmp_path_factory.mktemp("pages")) as port:
        yield port


@pytest.fixture(scope="module")
def office(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    origins = f"{NAMED} http://127.0.0.1:{port} http://localhost:{port}"
    with Office(tmp_path_factory.mktemp("office"), web_origins=origins) as office:
        office.people()
        yield office


def told(answer: Answer) -> dict[str, str]:
    """Give the headers of an answer that speak of other origins."""
    return {k: v for k, v in answer.headers.items() if k.startswith(OF_CORS) or k == "vary"}


@pytest.mark.parametrize("path", PATHS)
def test_a_named_origin_reads_answers_and_refusals(office: Office, path: str) -> None:
    """Of the paths that pages ask, each answer may be read, errors too, by exactly that origin."""
    method = "GET" if path in ("/api/v1/about", "/rget/task/") else "POST"
    wanted = {
        "access-control-allow-origin": NAMED,
        "access-control-allow-credentials": "true",
        "vary": "Origin",
    }
    for headers in ({}, {"authorization": "Bearer wrong"}, {"content_length": "9999999"}):
        assert told(send(office, method, path, None, origin=NAMED, **headers)) == wanted
    for origin in ("http://pages.example.evil", "https://pages.example", "null", f"{NAMED}:81"):
        answer = send(office, method, path, None, origin=origin)
        assert told(answer) == {"vary": "Origin"}, origin
    assert told(send(office, method, path)) == {"vary": "Origin"}


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_is_answered_to_named_origins_alone(office: Office, path: str) -> None:
    asks = {
        "access_control_request_method": "POST",
        "access_control_request_headers": "authorization,content-type",
    }
    answer = send(office, "OPTIONS", path, None, origin=NAMED, **asks)
    assert (answer.status, answer.body) == (200, b"")
    assert told(answer) == {
        "access-control-allow-origin": NAMED,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
        "vary": "Origin",
    }
    refused = send(office, "OPTIONS", path, None, origin="http://evil.example", **asks)
    assert (refused.status, told(refused)) == (405, {"vary": "Origin"})
    assert send(office, "OPTIONS", path, None, origin=NAMED).status == 405


@pytest.mark.parametrize("path", ["/", "page.js", "/healthz", "/ws"])
def test_the_boards_own_files_are_for_the_board(office: Office, path: str) -> None:
    path = path if path.startswith("/") else office.static(path)
    asks = {"access_control_request_method": "GET"}
    for method, headers in (("GET", {}), ("OPTIONS", asks)):
        answer = send(office, method, path, None, origin=NAMED, **headers)
        assert not any(name.startswith(OF_CORS) for name in answer.headers)


def test_where_nobody_is_named_nothing_is_said(tmp_path: Path) -> None:
    with Office(tmp_path) as office:
        answer = send(office, "POST", "/api/v1/Query", {}, origin=f"http://{office.address}")
        assert told(answer) == {}


# In a browser

ASK = """async ([url, body, token, credentials]) => {
  const headers = {"content-type": "application/json"}
  if (token) headers.authorization = `Bearer ${token}`
  try {
    const sent = {method: "POST", headers, body: JSON.stringify(body), credentials}
    const answer = await fetch(url, sent)
    return [answer.status, await answer.json()]
  } catch (error) { return [0, String(error)] }
}"""


def ask(
    page: Page, office: Office, operation: str, body: dict[str, Any], token: str = "", **more: str
) -> tuple[int, Any]:
    where = f"{office.url}/api/v1/{operation}"
    credentials = more.get("credentials", "omit")
    status, reply = page.evaluate(ASK, [where, body, token, credentials])
    return status, reply


def test_a_page_of_another_site_brings_a_token(browser: Browser, office: Office, port: int) -> None:
    """A browser keeps no cookie of ours for it: what it asks, it signs by the request itself."""
    token = office.token("pages", "--role", "reader")
    page = browser.new_page()
    page.goto(f"http://localhost:{port}/")
    assert ask(page, office, "Query", {"limit": 1}, token)[0] == 200
    status, reply = ask(page, office, "Query", {"limit": 1}, "wrong")
    assert (status, reply["errid"]) == (401, 1003)
    assert ask(page, office, "Login", {"user": "1001"}, credentials="include")[0] == 200
    assert ask(page, office, "Query", {"limit": 1}, credentials="include")[0] == 401
    page.close()


def test_a_page_of_the_same_site_may_sign_in(browser: Browser, office: Office, port: int) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    assert ask(page, office, "Login", {"user": "1002"}, credentials="include")[0] == 200
    assert ask(page, office, "Query", {"limit": 1}, credentials="include")[0] == 200
    page.close()


def test_a_page_that_is_not_named_reads_nothing(
    browser: Browser, office: Office, tmp_path: Path
) -> None:
    """The browser keeps the answer from it, and nothing was done."""
    with pages(tmp_path) as port:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        status, error = ask(page, office, "Login", {"user": "1003"}, credentials="include")
        assert (status, "Failed to fetch" in error) == (0, True)
        page.close()
    # The first sign-in would have noted this address, and another one would be warned.
    other = send(office, "POST", "/api/v1/Login", {"user": "1003"}, source="127.0.0.9")
    assert "last" not in other.json
