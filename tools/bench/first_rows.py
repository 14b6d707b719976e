"""How soon the first rows are on the screen, in a real browser, where there are a million tasks.

For each number of waiting tasks there is a directory; the first is made in bulk, and each other is
the one before it with more tasks that wait, written by the daemon. They are kept, and used again.
"""

import argparse
import random
import re
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final, NamedTuple

import office
import servers
from pages import PASSWORD, cookie
from playwright.sync_api import Browser, Page, sync_playwright

import taskdash
from taskdash_protocol.families.services import Acknowledge
from taskdash_protocol.families.tasks import Register
from taskdashd.store.database import Database

TASKS: Final = 1_000_000
WAITING: Final = (4_000, 45_000, 100_000)
"""So many tasks wait, roughly; the first number is what `office` makes of a million."""
DISMISSED: Final = 3_000
"""So many of what died last was dismissed: more than any page of it has."""
RUNS: Final = 3
MOST_MS: Final = 500
VIEWERS: Final = {"root": {"role": "admin"}, "one": {"groups": ["group-003", "group-120"]}}
"""Who looks: somebody who sees all tasks, and one of a large group and a small one."""
SETTLED_MS: Final = 60_000
COLUMNS: Final = ("waits", "free", "claimed", "editing", "review", "live", "dead", "done")
ORDERS: Final = {f"board, {one}": one for one in ("newest", "oldest", "priority")}
OPENED: Final = """([hash, found]) => new Promise(done => {
  const at = performance.now();
  const seen = {};
  const look = () => {
    const now = found();
    for (const [name, isThere] of Object.entries(now)) {
      if (isThere && !(name in seen)) {
        seen[name] = performance.now() - at;
      }
    }
    if (Object.keys(now).length > 0 && Object.keys(now).every(one => one in seen)) {
      watch.disconnect();
      const last = performance.now() - at;
      requestAnimationFrame(() => setTimeout(() => {
        const painting = performance.now() - at - last;
        done(Object.fromEntries(Object.entries(seen).map(([k, v]) => [k, v + painting])));
      }));
    }
  };
  const watch = new MutationObserver(look);
  watch.observe(document.body, { childList: true, subtree: true, characterData: true });
  location.hash = hash;
})"""
"""Opens a view, and gives by name how long it took until each of what is looked for was there, and
painted."""
IN_COLUMNS: Final = """() => Object.fromEntries(
  document.body.dataset.view !== 'board' ? [] : [...document.querySelectorAll('.column')].map(
    one => [one.classList[1], one.querySelector('.card, li.nothing')?.textContent !== 'Reading …']))
"""
IN_LIST: Final = """() => document.body.dataset.view !== 'list' ? {} : {
  rows: document.querySelector('.listrow') !== null
    || document.querySelector('p[role=status]')?.textContent === 'No matching tasks' }"""


class Opening(NamedTuple):
    """How a view was opened."""

    ms: dict[str, float]
    """After how long each of its parts was there."""
    daemon_ms: float


def wait_more(dash: Any, first: int, count: int) -> None:
    """Register tasks that wait for somebody, as people's and services' come: of all priorities."""
    chance = random.Random(first)
    tasks = (
        {
            "id": f"more-{number * 7919 % 10**6:06}-{number}",
            "name": office.text(chance)[:20],
            "status": ("待领取", "待领取", "pending", "待审核", "已领取")[number % 5],
            "group_id": office.GROUPS[number % 7 * (number % 29)],
            "user": office.PEOPLE[number % 500] if number % 5 > 2 else "",
            "description": office.text(chance),
            **({"priority": number // 3 % 10} if number % 3 == 0 else {}),
            **({"labels": [office.LABEL]} if number % 50 == 0 else {}),
        }
        for number in range(first, first + count)
    )
    for outcome in dash.pipeline(map(Register.parse, tasks)):
        assert isinstance(outcome, dict), outcome


def dismiss(dash: Any) -> None:
    """Dismiss what died last."""
    dead = dash.query({"status": ["shutdown", "failed"]}, order="-rev", page=1_000)
    ids = [task["id"] for task, _ in zip(dead, range(DISMISSED), strict=False)]
    asked = (Acknowledge.parse({"id": one, "hide": True}) for one in ids)
    for outcome in dash.pipeline(asked):
        assert isinstance(outcome, dict), outcome


def directories(where: Path) -> Iterator[tuple[int, Path]]:
    """Give the directory of each number of waiting tasks; what is not there is made."""
    before, count = None, 0
    for waiting in WAITING:
        path = where / f"{waiting}"
        if not (path / ".whole").exists():
            shutil.rmtree(path, ignore_errors=True)
            print(f"making {path}", flush=True)
            if before is None:
                make(path)
            else:
                shutil.copytree(before, path, ignore=shutil.ignore_patterns("*.sock", ".whole"))
            migrate(path)
            with (
                servers.running(path, **servers.UNLIMITED, **AT_REST) as daemon,
                taskdash.connect(f"{daemon.url}?timeout=60") as dash,
            ):
                if before is None:
                    dismiss(dash)
                else:
                    wait_more(dash, count, waiting - count)
            (path / ".whole").touch()
        before, count = path, waiting
        yield waiting, path


AT_REST: Final = {"heartbeat_timeout": 86400, "keep_runs": "off"}
"""Settings by which nothing dies of being old, and nothing is forgotten."""


def make(path: Path) -> None:
    """Make the first directory, its fold and its index of texts."""
    office.make(path, TASKS)
    database = Database.open(path, query_timeout_s=100)
    database.start()
    done, rev = -1, 0
    while done != rev:
        done, rev = rev, database.index_texts(1_000)
    database.close()


def migrate(path: Path) -> None:
    """Bring the file of an older version up to date: with a million tasks that takes a while."""
    Database.open(path).close()


def opened(page: Page, hash: str, found: str, cpu_s: Callable[[], float]) -> list[Opening]:
    """Open a view some times."""
    openings = []
    for _ in range(RUNS):
        page.evaluate("location.hash = '#/services'")
        page.wait_for_selector("body[data-view=services]")
        _quiet(cpu_s)
        before = cpu_s()
        seen = page.evaluate(f"([hash]) => ({OPENED})([hash, {found}])", [hash])
        openings.append(Opening(seen, (cpu_s() - before) * 1000))
    return openings


def _quiet(cpu_s: Callable[[], float]) -> None:
    """Wait until the daemon does nothing any more for the view before."""
    before = -1.0
    while (now := cpu_s()) - before > 0.01:
        before = now
        time.sleep(0.2)


def views() -> Iterator[tuple[str, str, str]]:
    """Give what is opened: what it is called, its place in the URL, what is looked for."""
    for what, order in ORDERS.items():
        by = "&".join(f"{one}={order}" for one in COLUMNS)
        yield what, f"#/board?{by}", IN_COLUMNS
    sought = {
        "a Latin word": "render",
        "a Chinese word": "报告",
        "a rare word": office.RARE,
        "a person's name": "王小明王",
        "a status": "to%20claim",
        "a status, in Chinese": "待领取",
    }
    for what, text in sought.items():
        yield f"board, sought: {what}", f"#/board?q={text}", IN_COLUMNS
        yield f"list, sought: {what}", f"#/list?q={text}", IN_LIST
    for sort in ("name", "status", "user", "group_id", "priority", "-priority", "-rev", "rev"):
        yield f"list by {sort}", f"#/list?sort={sort}", IN_LIST
    for sort in ("name", "-priority"):
        yield f"list to claim by {sort}", f"#/list?state=free&sort={sort}", IN_LIST
    yield "board, a label", f"#/board?label={office.LABEL}", IN_COLUMNS
    yield "list, a label", f"#/list?label={office.LABEL}", IN_LIST


def lines(page: Page, only: str, cpu_s: Callable[[], float]) -> Iterator[str]:
    """Give a line for all that is opened, and one for each column of a board in some order."""
    for what, hash, found in views():
        if not re.search(only, what):
            continue
        all_of = opened(page, hash, found, cpu_s)
        first, last = ([end(one.ms.values()) for one in all_of] for end in (min, max))
        daemon = statistics.median(one.daemon_ms for one in all_of)
        yield f"{what:34}{_said(first)}{_said(last)}{daemon:8.0f}"
        if what in ORDERS:
            for column in all_of[0].ms:
                yield f"  {column:32}{_said([one.ms.get(column, 0.0) for one in all_of])}"


def _said(took: list[float]) -> str:
    middle = statistics.median(took)
    return f"{middle:8.0f}{'!' if middle > MOST_MS else ' '}{f'({max(took):.0f})':<8}"


def seen_by(
    browser: Browser, web: str, user: str, only: str, cpu_s: Callable[[], float]
) -> Iterator[str]:
    """Give the lines of what one person waits for."""
    # The page's own policy forbids what is evaluated here.
    context = browser.new_context(
        locale="en-GB", viewport={"width": 1500, "height": 900}, bypass_csp=True
    )
    context.set_default_timeout(SETTLED_MS)
    name, _, value = cookie(web, user).partition("=")
    context.add_cookies([{"name": name, "value": value, "url": f"http://{web}"}])
    page = context.new_page()
    page.goto(f"http://{web}/#/board")
    page.wait_for_selector("body[data-view=board]")
    # Each view is fetched before it is measured.
    for view in ("list", "services"):
        page.evaluate(f"location.hash = '#/{view}'")
        page.wait_for_selector(f"body[data-view={view}]")
    yield from lines(page, only, cpu_s)
    context.close()


def table(path: Path, launch: Callable[[], Browser], only: str) -> Iterator[str]:
    """Give the lines of the table of a directory: of each time the middle, and the longest.

    By the clock, in milliseconds; *daemon* is the processor time that the daemon took.
    """
    migrate(path)
    with servers.running(path, web="127.0.0.1:0", **servers.UNLIMITED, **AT_REST) as daemon:
        web = daemon.wait_for("the board is at")["address"]
        with taskdash.connect(f"{daemon.url}?timeout=60") as dash:
            for user, about in VIEWERS.items():
                dash.ask("SetPerson", user=user, name=user, password=PASSWORD, **about)
            # The figures are counted once; who opens the first board waits for that.
            dash.ask("Figures")
        server = servers.Server("taskdashd", "frames", daemon.port, daemon.pid, daemon.data)
        browser = launch()
        for user, about in VIEWERS.items():
            yield f"{user}: {about}"
            yield f"{'':34}{'first rows':17}{'all':17}{'daemon':>8}"
            yield from seen_by(browser, web, user, only, server.cpu_s)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(gettempdir()) / "taskdash-rows")
    parser.add_argument("--waiting", type=int, choices=WAITING, help="measure this many alone")
    parser.add_argument("--only", default="", help="measure only what matches")
    options = parser.parse_args()
    with sync_playwright() as playwright:

        def launch() -> Browser:
            return playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )

        for waiting, path in directories(options.directory):
            if options.waiting in (None, waiting):
                print(f"{waiting:,} wait", flush=True)
                for line in table(path, launch, options.only):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
