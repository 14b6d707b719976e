"""The pictures of the board for the docs. The day that they show is made up.

Run by tools/pictures.
"""

import random
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from office import CLAIMED, EDITING, FREE, PASSWORD, REVIEW, Office, furnish
from playwright.sync_api import Browser, Page, sync_playwright

from taskdashd.domain.times import stamp
from taskdashd.families.figures.rules.day import BUCKET_S, DAY_S, EVENTS, ONES, STATES
from taskdashd.store.database import Database
from taskdashd.store.records import Record

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
VIEWS = {
    "mine": "mine",
    "board": "board",
    "list": "list",
    "task": "task/cut-4",
    "people": "people",
    "groups": "groups",
    "services": "services",
    "now": "now",
    "day": "day",
}
SIZE = {"width": 1280, "height": 720}


def in_record(names: Sequence[str], counts: Mapping[str, int]) -> str:
    """Give counts as the records of the day hold them."""
    return f"{sum(ONES[names.index(name)] * count for name, count in counts.items()):x}"


def a_day(now: float) -> list[Record]:
    """Make the figures of a day in an office: people come at nine, and a service dies at noon."""
    chance = random.Random(7)
    records = []
    for number in range(int((now - DAY_S) // BUCKET_S) + 1, int(now // BUCKET_S) + 1):
        hour = time.localtime(number * BUCKET_S).tm_hour
        busy = 8 <= hour < 18
        states = {
            "live": 3 + chance.randrange(3) + 4 * busy,
            FREE: 4 + chance.randrange(4),
            CLAIMED: busy * chance.randrange(1, 4),
            EDITING: busy * chance.randrange(2, 6),
            REVIEW: busy * chance.randrange(3),
        }
        events = {
            "claimed": busy * chance.randrange(4),
            "finished": busy * chance.randrange(3),
            "died": 3 if hour == 12 else int(chance.random() < 0.05),
            "recovered": 3 if hour == 13 else 0,
        }
        tasks = in_record(STATES, states)
        happened = in_record(EVENTS, events)
        about = {"at": number * BUCKET_S, "tasks": tasks, "events": happened}
        about["groups"] = {"cut": [tasks, happened]}
        records.append(Record("figures", f"{number}", about))
    durations = {
        "claims": [[now, "cut", chance.uniform(60, 1500)] for _ in range(30)],
        "finished": [[now, "cut", chance.uniform(900, 9000)] for _ in range(30)],
    }
    return [*records, Record("figures", "day", durations)]


def prepare(data: Path) -> None:
    """Store the figures of a past day, before the daemon starts."""
    now = time.time()
    database = Database.open(data)
    database.start()
    services = []
    for name, host, before in (
        ("Cutter", "7", [(20, "alive"), (3, "late"), (2.9, "dead"), (2.2, "alive")]),
        ("Renderer", "8", [(23, "alive")]),
        ("Archive", "9", [(23, "alive"), (9, "late"), (8.9, "dead")]),
    ):
        url = f"http://10.0.0.{host}:8080"
        changes = [[stamp(now - hours * 3600), state] for hours, state in before]
        about = {
            "url": url,
            "name": name,
            "reserved": "",
            "group_id": "cut",
            "timeout_s": None,
            "serial": 0,
            "connected": True,
            "registered_at": changes[0][0],
        }
        services.append(Record("service", url, {**about, "changes": changes}))
    database.append((), (), [*services, *a_day(now)])
    database.close()


def take(page: Page, name: str) -> None:
    """Wait until a view is there, and take its picture."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(400)
    page.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=72)


def photograph(browser: Browser, office: Office) -> None:
    """Take all pictures."""
    for theme, language in product(("light", "dark"), ("en", "zh")):
        locale = "en-GB" if language == "en" else "zh-CN"
        context = browser.new_context(viewport=SIZE, locale=locale, color_scheme=theme)
        page = context.new_page()
        page.goto(office.url)
        page.fill("[name=user]", "1005")
        page.fill("[name=name]", "Root")
        if (theme, language) == ("light", "en"):
            take(page, "signin")
        page.click("form summary")
        page.fill("[name=password]", PASSWORD)
        page.click("form button.primary")
        page.locator("nav a").first.wait_for()
        for view, where in VIEWS.items():
            page.goto(f"{office.url}/#/{where}")
            take(page, f"{view}-{theme}-{language}")
        if (theme, language) == ("light", "en"):
            page.set_viewport_size({"width": 360, "height": 720})
            page.goto(f"{office.url}/#/board")
            take(page, "phone")
        context.close()


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        data.mkdir()
        prepare(data)
        with Office(data) as office, sync_playwright() as playwright:
            furnish(office)
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            photograph(browser, office)
            browser.close()


if __name__ == "__main__":
    main()
