"""A new view is what the README of static/ tells, and an old page outlives an upgrade."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import Desk
from office import Office, furnish
from playwright.sync_api import Browser, Page, Route, expect

ROOT = Path(__file__).parents[2]
STATIC = "taskdashd/web/static"
LINES_MAX = 60
TOLD = (ROOT / STATIC / "README.md").read_text()
NEW = {
    "views/running/view.js": "".join(
        f"{line[3:]}\n" for line in TOLD.partition("```js\n")[2].partition("   ```")[0].split("\n")
    ).rstrip()
    + "\n",
    "views/running/words.json": """\
{
  "en": { "view.running": "What runs" },
  "zh": { "view.running": "正在运行" }
}
""",
    "views/running/running.css": """\
@layer views {
  .running {
    color: var(--soft);
  }
}
""",
}
CHANGED = {
    "shell/views.js": (
        "const VIEWS = {\n",
        "  running: () => import('../views/running/view.js'),\n",
    ),
    "rules/places.js": ("  work: ['board', 'list', 'task'", ", 'running'"),
}


def add_view(static: Path) -> int:
    """Add the view of the README to a page; gives how many lines were written."""
    lines = 0
    for name, text in NEW.items():
        (static / name).parent.mkdir(exist_ok=True)
        (static / name).write_text(text)
        lines += text.count("\n")
    for name, (behind, more) in CHANGED.items():
        before = (static / name).read_text()
        assert before.count(behind) == 1, name
        (static / name).write_text(before.replace(behind, behind + more))
        lines += 1
    return lines


def has_aged(page: Page) -> None:
    """Have a page no longer count as one that has just begun; the next to be loaded does."""
    page.evaluate(
        """() => {
            const now = performance.now.bind(performance);
            performance.now = () => now() + 6_000;
        }"""
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Copy the daemon's package, so that its page can be changed."""
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "taskdashd", tmp_path / "package/taskdashd", ignore=leave)
    return tmp_path / "package"


def test_a_view_is_what_the_readme_tells(
    package: Path, open_office: Callable[..., Office], browser: Browser
) -> None:
    assert add_view(package / STATIC) <= LINES_MAX
    office = open_office(package=package)
    furnish(office)
    desk = Desk(browser, office.url, "1004", "赵组长")
    desk.page.get_by_role("link", name="What runs").click()
    expect(desk.page.get_by_role("heading", name="What runs")).to_be_visible()
    expect(desk.page.locator("ul.running li")).to_have_text(
        ["Render reel 1", "Index films", "Nightly backup"]
    )
    office.task("run-4", "Came in meanwhile", "running")
    expect(desk.page.locator("ul.running li")).to_have_count(4)
    desk.close()


def test_the_view_of_the_readme_passes_the_check(tmp_path: Path) -> None:
    """Types, rules, format and styles: what the README tells is code like any other."""
    leave = shutil.ignore_patterns("node_modules")
    for folder in (STATIC, "tools/page"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=leave)
    # One of the tests of the page is enough: what they test is run elsewhere.
    one = Path("tests/web/page/rows.test.js")
    (tmp_path / one).parent.mkdir(parents=True)
    shutil.copy(ROOT / one, tmp_path / one)
    shutil.copy(ROOT / "tools/setup.sh", tmp_path / "tools")
    (tmp_path / "tools/page/node_modules").symlink_to(ROOT / "tools/page/node_modules")
    add_view(tmp_path / STATIC)
    command = [str(tmp_path / "tools/page/check")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_page_from_before_an_upgrade_begins_anew_where_its_files_are_gone(
    package: Path, open_office: Callable[..., Office], browser: Browser
) -> None:
    """The view that was wanted opens, of the new page; until then the old one is left alone."""
    office = open_office()
    furnish(office)
    desk = Desk(browser, office.url, "1001", "Ann Li")
    expect(desk.card("Poster", "free")).to_be_visible()
    desk.page.evaluate("window.mark = 'the old page'")
    old = office.static("page.js")
    office.close()
    add_view(package / STATIC)
    again = open_office(port=office.port, package=package)
    assert again.static("page.js") != old
    again.ask("Claim", id="cut-5", user="1002")
    expect(desk.card("Poster", "claimed")).to_be_visible()
    desk.search.fill("post")
    expect(desk.card("Trailer, 30 s")).to_have_count(0)
    assert desk.page.evaluate("window.mark") == "the old page"
    has_aged(desk.page)
    desk.page.get_by_role("link", name="People").click()
    expect(desk.page.locator("body[data-view=people]")).to_be_visible()
    assert desk.page.evaluate("window.mark") is None
    desk.page.get_by_role("link", name="Work", exact=True).click()
    expect(desk.page.get_by_role("link", name="What runs")).to_be_visible()
    desk.forgives("WebSocket", "404", "ERR_CONNECTION", "dynamically imported")
    desk.close()


def test_a_view_that_can_never_be_had_is_said_and_the_page_stays(
    office: Office, seat: Callable[..., Desk]
) -> None:
    """The page begins anew once, not again and again."""
    desk = seat("1001", "Ann Li")
    loads: list[str] = []
    desk.page.on("load", lambda page: loads.append(page.url))
    gone = re.compile(r"/views/people\.js$")
    desk.page.route(gone, refuse)
    has_aged(desk.page)
    with desk.page.expect_event("load"):
        desk.page.get_by_role("link", name="People").click()
    expect(desk.page.locator("#toasts")).not_to_be_empty()
    assert len(loads) == 1
    desk.page.unroute(gone)
    desk.page.get_by_role("link", name="Work", exact=True).click()
    expect(desk.card("Poster")).to_be_visible()
    desk.forgives("404", "dynamically imported")


def refuse(route: Route) -> None:
    route.fulfill(status=404, body="gone")
