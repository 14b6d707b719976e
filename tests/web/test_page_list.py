"""The list in a real browser: any number of tasks, and saving them."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from office import Office
from playwright.sync_api import Browser, expect
from screens import signed_in


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path) as one:
        one.people()
        yield one


def test_a_long_list_holds_few_rows(browser: Browser, office: Office) -> None:
    """Of any number of tasks only those in sight are on the page, and more come by scrolling."""
    office.many(3000)
    with signed_in(browser, office.url, "1005", "Root", view="list") as page:
        said = page.locator(".said p")
        expect(said).to_contain_text("tasks")
        rows = page.locator(".listrow")
        assert rows.count() < 80
        while (before := said.inner_text()) != "3,000 tasks":
            page.locator(".scroll").evaluate("node => node.scrollTop = node.scrollHeight")
            expect(said).not_to_have_text(before)
        page.locator(".scroll").evaluate("node => node.scrollTop = node.scrollHeight")
        expect(page.locator(".listrow", has_text="many-00000")).to_be_visible()
        assert rows.count() < 80
        # A changed task comes to the top; somebody who reads further down keeps their place.
        office.ask("Update", id="many-00500", description="x", own=False)
        expect(page.locator(".listrow", has_text="many-00000")).to_be_visible()
        page.locator(".scroll").evaluate("node => node.scrollTop = 0")
        expect(page.locator(".listrow").first).to_contain_text("many-00500")
        page.get_by_role("searchbox").fill("MANY-0271")
        expect(said).to_contain_text("10 tasks")


def test_a_list_can_be_saved(browser: Browser, office: Office, tmp_path: Path) -> None:
    """The file has all tasks that the list selects and the person sees, and no formula."""
    office.many(1200)
    office.task("secret", "Not for Ann", group_id="paint")
    formula = '=HYPERLINK("http://evil/","look, here")'
    office.task("formula", formula, description="two\nlines")
    with signed_in(browser, office.url, "1001", "Ann Li", view="list") as page:

        def saved() -> list[dict[str, str]]:
            with page.expect_download() as download:
                page.get_by_role("button", name="Download").click()
            assert re.fullmatch(r"tasks-\d{4}-\d\d-\d\d\.csv", download.value.suggested_filename)
            download.value.save_as(tmp_path / "saved.csv")
            with (tmp_path / "saved.csv").open(encoding="utf-8-sig", newline="") as file:
                return list(csv.DictReader(file))

        everything = saved()
        assert len(everything) == 1201
        assert "secret" not in {one["id"] for one in everything}
        page.get_by_role("searchbox").fill("formula")
        expect(page.locator(".said p")).to_have_text("1 task")
        (one,) = saved()
        assert (one["name"], one["description"]) == (f"'{formula}", "two\nlines")
