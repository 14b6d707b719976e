"""What the page costs whoever looks at it: an office with many open tasks, in a real browser.

How large the first page is, how soon cards are there, how soon a filter answers and a drop is done,
and how much processor time an open board takes while tasks change. What a board
takes is told in processor time, which a busy machine changes less than the time by the clock.
"""

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import servers
from pages import cookie
from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

import taskdash
from taskdash_protocol.families.tasks import Register

TASKS = 5_000
RUNS = 5
RATE = 20
SECONDS = 10
CLAIMABLE = "待领取"
WAIT_FOR = """([what, begin]) => new Promise(done => {
  const is = () => Function(`return ${what}`)();
  const at = performance.now();
  const seen = () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - at)));
  new MutationObserver((_, watch) => { if (is()) { watch.disconnect(); seen(); } })
    .observe(document, { childList: true, subtree: true, characterData: true });
  Function(begin)();
})"""
"""Does something, and gives how long it took until something is on the screen, in milliseconds."""
DROP = """
  const card = document.querySelector('.column.free .card');
  window.dropped = card.dataset.id;
  const to = document.querySelector('.column.claimed');
  const dataTransfer = new DataTransfer();
  const about = { bubbles: true, cancelable: true, dataTransfer };
  card.dispatchEvent(new DragEvent('dragstart', about));
  to.dispatchEvent(new DragEvent('dragover', about));
  to.dispatchEvent(new DragEvent('drop', about));
  card.dispatchEvent(new DragEvent('dragend', about));
"""


def furnish(dash: Any) -> None:
    """Make an office: half of the tasks wait for somebody, half of them run."""
    dash.ask("SetPerson", user="root", name="Root")
    tasks = (
        {
            "id": f"t{n:05}",
            "name": f"Task {n}",
            "status": "running" if n % 2 else CLAIMABLE,
            "heartbeat_timeout": 3600,
        }
        for n in range(TASKS)
    )
    for outcome in dash.pipeline(map(Register.parse, tasks)):
        assert isinstance(outcome, dict), outcome


def first_page(context: BrowserContext, web: str) -> str:
    """Load the board in pages of their own; says how soon there is a card, and what was loaded."""
    took = []
    for _ in range(RUNS):
        page = context.new_page()
        page.add_init_script(
            "new MutationObserver((_, watch) => { if (document.querySelector('.card')) {"
            " watch.disconnect(); requestAnimationFrame(() => setTimeout(() => {"
            " window.there = performance.now() })) } })"
            ".observe(document, { childList: true, subtree: true })"
        )
        page.goto(f"http://{web}/#/board")
        page.wait_for_function("window.there")
        took.append(page.evaluate("window.there"))
        page.close()
    return f"first card after {shown(took)}"


def weight(context: BrowserContext, web: str) -> tuple[int, float]:
    """Give how many requests the first page makes where nothing is kept, and how many KB come."""
    page = context.new_page()
    page.goto(f"http://{web}/")
    page.wait_for_load_state("networkidle")
    loaded = page.evaluate(
        "performance.getEntries().filter(one => one.transferSize !== undefined)"
        ".map(one => one.transferSize)"
    )
    page.close()
    return len(loaded), sum(loaded) / 1000


def filters(page: Page) -> list[float]:
    """Give how long after its last key each filter's answer was on the screen."""
    took = []
    field = page.get_by_role("searchbox", name="Search")
    for sought in ("4321", "1234", "777", "2346"):
        field.fill("")
        page.wait_for_function("document.querySelectorAll('.card').length > 100")
        field.press_sequentially(sought[:-1], delay=30)
        whole = (
            "(cards => cards.length && cards.every(one => one.textContent.includes("
            f"'{sought}')))([...document.querySelectorAll('.card')])"
        )
        key = (
            "const field = document.querySelector('input[type=search]');"
            f"field.value = '{sought}'; field.dispatchEvent(new InputEvent('input'))"
        )
        took.append(page.evaluate(WAIT_FOR, [whole, key]))
    field.fill("")
    page.wait_for_function("document.querySelectorAll('.card').length > 100")
    return took


def drops(page: Page) -> list[float]:
    """Give how long after each drop the card was in its column."""
    moved = 'document.querySelector(`.column.claimed [data-id="${window.dropped}"]`)'
    return [page.evaluate(WAIT_FOR, [moved, DROP]) for _ in range(RUNS)]


def busy(url: str, cdp: CDPSession) -> str:
    """Change tasks that are on the screen, and say what an open board takes of a processor."""
    over = threading.Event()

    def change() -> None:
        with taskdash.connect(url) as dash:
            due = time.perf_counter()
            for number in range(1_000_000):
                if over.is_set():
                    return
                task = f"t{TASKS - 1 - 2 * (number % 30):05}"
                dash.ask("Update", id=task, progress=f"{number % 100}%", own=False)
                due += 1 / RATE
                time.sleep(max(0.0, due - time.perf_counter()))

    def now() -> dict[str, float]:
        told = cdp.send("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] * 1000 for one in told}

    thread = threading.Thread(target=change)
    thread.start()
    try:
        time.sleep(1)
        before, began = now(), time.perf_counter()
        time.sleep(SECONDS)
        after, seconds = now(), time.perf_counter() - began
    finally:
        over.set()
        thread.join()
    names = ("ProcessTime", "ThreadTime", "ScriptDuration", "TaskDuration")
    process, main, script, tasks = ((after[one] - before[one]) / seconds for one in names)
    return (
        f"{RATE} changes a second: {process:.0f} ms of processor a second, {main:.0f} of them"
        f" in the page's thread; by the clock {tasks:.0f} ms of tasks, {script:.0f} of them script"
    )


def shown(took: list[float]) -> str:
    """Say times in milliseconds: the median, and the longest."""
    return f"{statistics.median(took):.0f} ms (median of {len(took)}; {max(took):.0f} at most)"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    parts: tuple[str, ...] = ("first", "filter", "drop", "busy")
    arguments.add_argument("--only", choices=parts, help="measure this alone")
    only = arguments.parse_args().only

    def measure(part: str, call: Callable[[], str]) -> None:
        if only in (None, part):
            print(f"  {call()}")

    with (
        tempfile.TemporaryDirectory() as directory,
        servers.running(Path(directory), web="127.0.0.1:0") as daemon,
        taskdash.connect(daemon.url) as dash,
        sync_playwright() as playwright,
    ):
        web = daemon.wait_for("the board is at")["address"]
        furnish(dash)
        name, _, value = cookie(web, "root").partition("=")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        # The page's own policy forbids what is evaluated here.
        context = browser.new_context(
            locale="en-GB", viewport={"width": 1500, "height": 900}, bypass_csp=True
        )
        context.add_cookies([{"name": name, "value": value, "url": f"http://{web}"}])
        count, kilobytes = weight(context, web)
        print(f"{TASKS:,} open tasks; the first page: {count} requests, {kilobytes:.1f} KB")
        measure("first", lambda: first_page(context, web))
        page = context.new_page()
        page.goto(f"http://{web}/#/board")
        page.wait_for_function("document.querySelectorAll('.card').length > 100")
        cdp = context.new_cdp_session(page)
        cdp.send("Performance.enable")
        measure("filter", lambda: f"a filter's answer after {shown(filters(page))}")
        measure("drop", lambda: f"a drop is done after {shown(drops(page))}")
        measure("busy", lambda: busy(daemon.url, cdp))
        browser.close()


if __name__ == "__main__":
    main()
