"""The original's pages in a browser: jQuery, a FormData in each request, served from elsewhere."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from office import FREE, Office
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
JQUERY = Path("/usr/share/javascript/jquery/jquery.min.js")

# As the pages of the original ask: a synchronous request with all that they know in a FormData,
# and what comes back compared as text.
PAGE = """<!doctype html><meta charset="utf-8"><script src="/jquery.js"></script><script>
function post(given) {
  const form = new FormData();
  for (const [name, value] of Object.entries(given)) form.append(name, value);
  let text = "";
  $.ajax({url: BOARD + "/rpost/task", type: "POST", data: form, processData: false,
    contentType: false, async: false, success: (data) => { text = data; },
    error: (request) => { text = "error " + request.status; }});
  return text;
}
function get(given) {
  let text = "";
  $.ajax({url: BOARD + "/rget/task/", type: "GET", data: given, async: false,
    success: (data) => { text = data; },
    error: (request) => { text = "error " + request.status; }});
  return text;
}
</script>"""


@contextmanager
def served(page: str) -> Iterator[str]:
    """Serve a page and jQuery, from an origin of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = JQUERY.read_bytes() if self.path == "/jquery.js" else page.encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def opened(url: str) -> Iterator[Page]:
    assert CHROMIUM, "the tests of the board need a browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url)
        yield page
        browser.close()


def ask(page: Page, how: str, **given: str) -> Any:
    return page.evaluate(f"given => {how}(given)", given)


def test_a_page_from_elsewhere_lists_binds_and_signs_as_it_always_did(tmp_path: Path) -> None:
    with served(PAGE) as foreign, Office(tmp_path, web_origins=foreign) as office:
        office.people()
        office.ask("SetPerson", user="1001", password="correct horse")
        for number in range(2):
            office.task(f"free-{number}", "n", FREE, group_id="cut", task_type="vidEdit")
        signed = {"username": "1001", "password": "correct horse"}
        with opened(foreign) as page:
            page.evaluate("url => { window.BOARD = url; }", office.url)
            assert ask(page, "post", operation="UserLogin", **signed) == "success"
            listed = ask(page, "post", operation="GetTasksNoUser", **signed)
            assert [task["ID"] for task in listed] == ["free-0", "free-1"]
            task = {"id": "free-0", "TaskType": "vidEdit", "Status": FREE, "URL": ""}
            assert ask(page, "post", operation="TaskBind", **task, **signed) == "success"
            mine = ask(page, "get", operation="GetTasksByUser", **signed)
            assert [(one["ID"], one["User"]) for one in mine] == [("free-0", "1001")]
            wrong = {"username": "1001", "password": "battery staple"}
            refused = ask(page, "post", operation="GetTasksNoUser", **wrong)
            assert refused["errid"] == 1003
        assert office.ask("Find", id="free-0")["user"] == "1001"


def test_a_page_that_nobody_named_reads_nothing(tmp_path: Path) -> None:
    with served(PAGE) as foreign, Office(tmp_path, rpost_open="on") as office:
        office.task("free-0", "n", FREE)
        with opened(foreign) as page:
            page.evaluate("url => { window.BOARD = url; }", office.url)
            for how in ("post", "get"):
                assert "free-0" not in json.dumps(ask(page, how, operation="GetTasksNoUser"))
            ask(page, "post", operation="TaskBind", ID="free-0", user="1001")
        assert office.ask("Find", id="free-0")["user"] == ""
