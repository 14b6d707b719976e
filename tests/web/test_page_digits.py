"""Integers of 64 bits, on every place of the page where a task is shown: with the digits given."""

import csv
from collections.abc import Callable
from pathlib import Path

from desk import Desk
from office import FREE, Office
from playwright.sync_api import expect

LARGE = 1234567890123456789
LEAST = -(2**63)


def test_digits_are_as_given_everywhere(
    office: Office, seat: Callable[..., Desk], tmp_path: Path
) -> None:
    office.task("film", "Opening", FREE, frames=LARGE, parts=[1, {"of": LEAST}], progress=LARGE)
    office.ask("Update", id="film", frames=LARGE - 1, own=False)
    root = seat("1005", "Root", view="task/film")
    fields = root.page.locator("dl.fields")
    expect(fields).to_contain_text(f"{LARGE - 1}")
    expect(fields).to_contain_text(f'[1,{{"of":{LEAST}}}]')
    # A change by one is a change, as it is told and as it is read.
    history = root.page.locator(".history")
    expect(history).to_contain_text(f"frames: {LARGE} → {LARGE - 1}")
    office.ask("Update", id="film", frames=LARGE + 1, own=False)
    expect(fields).to_contain_text(f"{LARGE + 1}")
    expect(history).to_contain_text(f"frames: {LARGE - 1} → {LARGE + 1}")
    root.page.reload()
    expect(history).to_contain_text(f"frames: {LARGE - 1} → {LARGE + 1}")
    root.go("list")
    root.search.fill("opening")
    expect(root.page.locator(".said p")).to_have_text("1 task")
    expect(root.page.locator(".listrow")).to_contain_text(str(LARGE))
    with root.page.expect_download() as download:
        root.page.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "saved.csv")
    with (tmp_path / "saved.csv").open(encoding="utf-8-sig", newline="") as file:
        (one,) = csv.DictReader(file)
    root.go("board")
    expect(root.card("Opening")).to_contain_text(str(LARGE))
    assert one["progress"] == str(LARGE)
